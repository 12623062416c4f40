"""The command line: what is typed is what is done; a slip gets one sentence, its remedy and exit code 2."""

import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tyro
from PIL import Image

import sparring
from sparring.cli import main
from sparring.cli.help import ORDER, flags, keys_of
from sparring.cli.options import STYLE, TYPES, with_recipe
from sparring.cli.registry import COMMANDS
from sparring.cli.train import Training
from sparring.evaluation.registry import METRICS
from sparring.metrics import train_extractor
from support.command_line import refused

TINY = ["--data", "digits", "--size", "8", "--batch-size", "8", "--width", "4", "--latent", "4", "--device", "cpu"]


RING = ["--data", "ring", "--batch-size", "16", "--width", "8", "--device", "cpu", "--sample-every", "100"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    assert main(["train", "dcgan", *TINY, "--out", str(folder), "--steps", "4"]) == 0
    return folder


def test_help_and_version_and_the_table_need_no_torch():
    for words in (["--help"], ["--version"], ["list"], ["train", "--help"], ["sample", "--help"], ["demo", "--help"]):
        code = f"import sys; from sparring.cli import main; sys.exit(main({words}) or 'torch' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (words, done.stderr)
        assert done.stdout


def test_the_module_is_the_program():
    done = subprocess.run([sys.executable, "-m", "sparring", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"sparring {sparring.__version__}\n"


def test_nothing_typed_shows_every_command(capsys):
    assert main([]) == 0
    told = capsys.readouterr().out
    for command in (
        "list",
        "train",
        "resume",
        "sample",
        "interpolate",
        "traverse",
        "evaluate",
        "report",
        "check",
        "compare",
        "theory",
        "data",
        "demo",
    ):
        assert f"\n  {command} " in told


def test_list_shows_and_filters(capsys):
    assert main(["list"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in sparring.RECIPES)
    assert main(["list", "--match", "*WGAN*"]) == 0
    told = capsys.readouterr().out
    assert "wgan-gp" in told
    assert "dcgan" not in told


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["trian"], "did you mean 'train'"),
        (["zzz"], "the commands are list"),
        (["data"], "data prepare"),
        (["list", "--match", "nothing"], "put stars"),
        (["train"], "Name the recipe first"),
        (["train", "--data", "ring"], "Name the recipe first"),
        (["train", "dcgn", "--data", "digits"], "did you mean 'dcgan'"),
        (["train", "dcgan", "--data", "digts"], "did you mean digits"),
        (["train", "dcgan", "--data", "digits", "--channels", "7"], "choose 1 (grey)"),
        (["train", "dcgan", "--data", "digits", "--batch-size", "7", "--grad-accum", "2"], "multiple of 2"),
        (["train", "dcgan", "--data", "digits", "--steps", "0"], "above 0"),
        (["train", "dcgan", "--data", "digits", "--steps", "1", "--kimg", "1"], "give one of them"),
        (["train", "dcgan", "--data", "digits", "--minutes", "1", "--hours", "1"], "--minutes and --hours all set"),
        (["train", "dcgan", "--data", "digits", "--minutes", "0"], "give a number above 0"),
        (["train", "dcgan", "--data", "digits", "--anneal", "1.5"], "from 0 to 1"),
        (["train", "dcgan", "--data", "digits", "--device", "gpu"], "cuda"),
        (["train", "dcgan", "--data", "ring"], "points"),
        (["train", "nowhere:nothing", "--data", "ring"], "module:function"),
        (["resume", "nowhere"], "no run folder"),
        (["sample", "nowhere"], "no run folder"),
        (["evaluate", "nowhere"], "no run folder"),
        (["report", "nowhere"], "no run folder"),
        (["check", "dcgan", "--data", "ring"], "points"),
        (["data", "prepare", "ring", "x.npy"], "no preparing"),
        (["data", "prepare", "nowhere/", "x.npy"], "does not exist"),
    ],
)
def test_a_wrong_argument_is_refused_in_one_sentence_with_its_remedy(capsys, monkeypatch, tmp_path, words, remedy):
    monkeypatch.chdir(tmp_path)
    assert remedy in refused(capsys, *words)
    assert not list(tmp_path.rglob("checkpoints"))


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ([], "--data DATA"),
        (["--data", "digits", "--widht", "3"], "--width N"),
        (["--data", "digits", "--width", "3.5"], "--width"),
        (["--data", "digits", "--critic.rte", "1"], "--critic.lr FLOAT"),
        (["--data", "digits", "--average", "0.9"], "--average"),
    ],
)
def test_a_flag_that_does_not_fit_is_refused_with_the_nearest_one(capsys, words, remedy):
    assert main(["train", "dcgan", *words]) == 2
    told = capsys.readouterr()
    assert remedy in told.err
    assert "sparring train dcgan --help" in told.err
    assert "Traceback" not in told.err
    assert told.out == ""


def test_data_that_cannot_be_used_is_named(capsys, tmp_path):
    for name in ("empty", "broken"):
        (tmp_path / name).mkdir()
    assert "empty" in refused(capsys, "train", "dcgan", "--data", str(tmp_path / "empty"))
    Image.new("L", (16, 16)).save(tmp_path / "broken" / "good.png")
    (tmp_path / "broken" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n no picture")
    out = str(tmp_path / "run")
    assert "bad.png" in refused(capsys, "train", "dcgan", "--data", str(tmp_path / "broken"), "--out", out)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").touch()
    assert "new or an empty folder" in refused(capsys, "train", "dcgan", *TINY, "--out", out)


def test_samples_need_seeds_and_a_picture_needs_a_format(capsys, run, tmp_path):
    assert "0-63" in refused(capsys, "sample", str(run), "--seeds", "one")
    assert ".png" in refused(capsys, "sample", str(run), "--out", str(tmp_path / "x.tiff"))
    assert "two seeds" in refused(capsys, "interpolate", str(run), "--seeds", "1")
    assert "did you mean 'frechet'" in refused(capsys, "evaluate", str(run), "--metrics", "frechett")


def test_train_prints_its_settings_and_progress(capsys, tmp_path):
    out = tmp_path / "run"
    assert main(["train", "wgan-gp", *RING, "--out", str(out), "--steps", "2", "--critic-steps", "3"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("wgan-gp: WGANGP, players D (Adam), G (Adam), parameters G ")
    assert told[1] == "data: ring, 100,000 rows of shape (2,)"
    assert told[2].startswith("read as: 8 classes: mode 0 (12,501), mode 1 (12,417), ")
    assert told[3] == "batch 16, seed 0, fp32 on cpu"
    assert told[4].startswith("fast: auto (fused optimisers")
    assert told[5] == f"folder: {out}"
    assert told[6].startswith("step 2  ")
    assert all(words in told[6] for words in ("D/wasserstein ", "D/penalty", "G/wasserstein", "img/s", "left"))
    assert any(line == f"  sparring resume {out} --steps 4" for line in told)
    assert not any("\x1b" in line for line in told)
    assert json.loads((out / "run.json").read_text())["arguments"]["critic_steps"] == 3


def test_the_interpretation_of_the_data_is_printed_at_every_start_and_not_logged(capsys, tmp_path):
    from PIL import Image

    for name in ("00000/a", "00000/b", "00001/c"):
        (tmp_path / "set/my" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "set/my" / f"{name}.png")
    (tmp_path / "set/my/dataset.json").write_text(
        '{"labels": [["00000/a.png", 1], ["00000/b.png", 0], ["00001/c.png", 1]]}'
    )
    out, tiny = (
        tmp_path / "run",
        ["--width", "4", "--latent", "4", "--device", "cpu", "--size", "8", "--batch-size", "2"],
    )
    data = ["--data", str(tmp_path / "set"), "--out", str(out), "--hold-out", "0.4"]
    read = "read as: 2 classes: 0 (1), 1 (2); labels by my/dataset.json"
    for words in (["train", "nsgan", *data, *tiny, "--steps", "1"], ["resume", str(out), "--steps", "2"]):
        assert main(words) == 0
        told = capsys.readouterr().out.splitlines()
        assert told[1:3] == [f"data: {tmp_path / 'set'}, 3 rows of shape (3, 8, 8), 1 of them held out", read]
    assert "read as" not in (out / "log.jsonl").read_text()


def test_flags_reach_the_recipe(tmp_path):
    out = tmp_path / "run"
    flags = ["--critic.lr", "0.003", "--generator.betas", "0", "0.9", "--smoothing", "0.9"]
    assert main(["train", "nsgan", *RING, "--out", str(out), "--steps", "1", *flags]) == 0
    arguments = json.loads((out / "run.json").read_text())["arguments"]
    assert arguments["critic"] == {"lr": 0.003, "betas": [0.5, 0.999]}
    assert arguments["generator"] == {"lr": 0.0002, "betas": [0.0, 0.9]}
    assert arguments["networks"] == {"network": None, "latent": None, "width": 8}
    assert arguments["smoothing"] == 0.9


def test_the_same_words_again_resume_and_more_steps_extend(capsys, tmp_path):
    def log(folder, *stops):
        for steps in stops:
            assert main(["train", "nsgan", *RING, "--out", str(folder), "--steps", str(steps)]) == 0
        return (folder / "log.jsonl").read_bytes()

    straight, stopped = log(tmp_path / "a", 6), log(tmp_path / "b", 3, 3, 6)
    assert straight == stopped
    assert straight.count(b"\n") == 6
    assert "The run is already at step 3: give a larger --steps" in capsys.readouterr().out
    assert "was made with seed = 0, not 1" in refused(
        capsys, "train", "nsgan", *RING, "--out", str(tmp_path / "a"), "--steps", "6", "--seed", "1"
    )


def test_resume_continues_to_the_recorded_or_given_end(capsys, tmp_path):
    from sparring.runs.run import Run

    folder = tmp_path / "run"
    made = Run.create(folder, "nsgan", data="ring", batch_size=16, arguments={"networks": {"width": 8}}, device="cpu")
    for _ in made.fit(1):
        continue
    assert "sparring resume" in refused(capsys, "resume", str(folder))
    for words, steps in ((["--steps", "3", "--sample-every", "9"], 3), ([], 3), (["--kimg", "0.08"], 5)):
        assert main(["resume", str(folder), *words, "--device", "cpu"]) == 0
        assert Run.open(folder, device="cpu").step == steps


def test_kimg_counts_images_not_steps(tmp_path):
    out = tmp_path / "run"
    flags = ["--kimg", "0.1", "--critic-steps", "3"]  # 48 images a step
    assert main(["train", "wgan-gp", *RING, "--out", str(out), *flags]) == 0
    assert (out / "log.jsonl").read_text().count("\n") == 3
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["000003"]


def test_a_dry_run_prints_the_plan_and_writes_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "dcgan", *TINY, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "parameters G" in told
    assert "folder: runs/dcgan-digits, not written\n" in told
    assert not list(tmp_path.iterdir())


def test_a_stop_is_reported_and_its_exit_code_passed_on(capsys, tmp_path, monkeypatch):
    from sparring.runs.run import Run
    from sparring.runs.signals import Stopped

    def stopped(self, options):
        raise Stopped(15)
        yield

    monkeypatch.setattr(Run, "train", stopped)
    assert main(["train", "nsgan", *RING, "--out", str(tmp_path / "run"), "--steps", "2"]) == 143
    assert "the same command resumes" in capsys.readouterr().err


def test_a_seed_is_the_same_picture_in_a_grid_alone_or_by_python(run, tmp_path):
    from sparring.inference.sampling import sample_seeds
    from sparring.visualization.images import to_uint8

    grid, folder = tmp_path / "grid.png", tmp_path / "single"
    assert main(["sample", str(run), "--seeds", "0-8", "--out", str(grid), "--columns", "3"]) == 0
    assert main(["sample", str(run), "--seeds", "8,3", "--out", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["000003.png", "000008.png"]
    sheet, scale = np.asarray(Image.open(grid)), 8
    assert sheet.shape == (3 * 8 * scale + 4, 3 * 8 * scale + 4)
    for seed in (3, 8):
        top, left = (k * (8 * scale + 2) for k in divmod(seed, 3))
        alone = np.asarray(Image.open(folder / f"{seed:06d}.png"))
        assert (sheet[top : top + 64 : scale, left : left + 64 : scale] == alone).all()
        assert (to_uint8(sample_seeds(sparring.load(run), [seed]))[0] == alone).all()


def test_truncation_changes_the_picture(run, tmp_path):
    names = [tmp_path / "whole.png", tmp_path / "half.png"]
    for name, truncation in zip(names, ("1", "0.5"), strict=True):
        assert main(["sample", str(run), "--seeds", "0-3", "--truncation", truncation, "--out", str(name)]) == 0
    assert names[0].read_bytes() != names[1].read_bytes()


def test_interpolate_evaluate_and_report_leave_the_training_as_it_was(capsys, run, tmp_path, monkeypatch):
    judge = partial(train_extractor, steps=1)
    monkeypatch.setattr("sparring.evaluation.extractors.extractor_for", judge)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.suffix in (".pt", ".jsonl", ".safetensors")}
    assert before
    film = tmp_path / "walk.gif"
    assert main(["interpolate", str(run), "--seeds", "0,1,2", "--frames", "6", "--out", str(film)]) == 0
    with Image.open(film) as frames:
        assert frames.n_frames == 6
    assert main(["evaluate", str(run), "--samples", "50", "--metrics", "frechet,density"]) == 0
    told = capsys.readouterr().out
    assert "Fréchet distance" in told
    assert "classifier-64 trained on digits" in told
    assert "of metrics" in told
    assert "note:" not in told
    assert (run / "evaluation.json").exists()
    assert main(["evaluate", str(run), "--samples", "5000", "--metrics", "precision"]) == 0
    told = capsys.readouterr().out
    assert "5,000 samples were requested and 898 are scored" in told
    assert "898 real, 898 generated" in told
    assert "generated" in told.splitlines()[0], "the column of the generated samples' scores"
    assert "recall" in told
    assert main(["report", str(run)]) == 0
    assert (run / "report.html").exists()
    assert {path: path.read_bytes() for path in before} == before


def test_check_tests_recipes_of_ours_and_of_users(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "from sparring.game import LatentGame\n"
        "from sparring.recipes import recipe\n"
        "def good(shape, *, rate: float = 1e-3) -> LatentGame:\n"
        "    return recipe('nsgan')(shape)\n"
        "class Lazy(LatentGame):\n"
        "    def round(self, data, step):\n"
        "        return iter(())\n"
        "def bad(shape) -> LatentGame:\n"
        "    G = recipe('nsgan')(shape)\n"
        "    return Lazy(G.G, G.D, **{'critic': G._optimisers['D'], 'generator': G._optimisers['G']})\n"
    )
    assert main(["check", "mine:good"]) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[0] == "A round: D → G.", "a line for each thing that was seen"
    assert "mine:good keeps the rules." in told
    assert "made no moves" in refused(capsys, "check", "mine:bad")


def test_check_takes_the_flags_of_the_recipe(capsys):
    assert "--network toy" in refused(capsys, "check", "dcgan", "--data", "ring")
    assert main(["check", "dcgan", "--data", "ring", "--network", "mlp", "--width", "8", "--latent", "3"]) == 0
    assert "dcgan keeps the rules." in capsys.readouterr().out


IMAGE_GAME = (
    "from torch import nn\n"
    "from sparring.games.gan import GAN\n"
    "from sparring.recipes.gan import nsgan\n"
    "class G(nn.Sequential):\n"
    "    latent = 4\n"
    "def game(shape) -> GAN:\n"
    "    made = nsgan(shape)\n"
    "    made.G = G(nn.Unflatten(1, (4, 1, 1)), nn.ConvTranspose2d(4, 1, SIDE), nn.Tanh())\n"
    "    made.D = nn.Sequential(nn.Conv2d(1, 4, 4, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(0), "
    "nn.Unflatten(0, (-1, 4)), nn.Linear(4, 1), nn.Flatten(0))\n"
    "    return made\n"
)


def test_check_plays_a_game_that_takes_only_images_on_images(capsys, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "of_images.py").write_text(IMAGE_GAME.replace("SIDE", "shape[1]"))
    assert main(["check", "of_images:game"]) == 0
    assert "data: digits, 32 pixels" in capsys.readouterr().out
    assert main(["check", "of_images:game", "--data", "digits", "--size", "16"]) == 0
    assert "of_images:game keeps the rules." in capsys.readouterr().out
    assert main(["check", "dcgan"]) == 0
    assert "dcgan keeps the rules." in capsys.readouterr().out
    (tmp_path / "of_one_size.py").write_text(IMAGE_GAME.replace("SIDE", "shape[1]").replace("(1, 4, 4", "(3, 4, 4"))
    assert "name data that it takes, such as --data digits" in refused(capsys, "check", "of_one_size:game")


def test_data_are_prepared_once_for_many_trainings(capsys, tmp_path):
    target = tmp_path / "small.npy"
    assert main(["data", "prepare", "digits", str(target), "--size", "8"]) == 0
    assert np.load(target).shape == (1797, 8, 8, 1)
    told = capsys.readouterr().out
    assert f"--data {target}" in told
    assert "1,797 rows of shape (1, 8, 8)" in told
    assert "10 classes: 0 (178), 1 (182), 2 (177)" in told


@pytest.mark.parametrize("name", sparring.RECIPES)
def test_the_help_of_every_recipe_shows_every_flag_that_is_accepted(capsys, tmp_path, name):
    form = with_recipe(Training, sparring.recipe(name), name)
    words = ["--tyro-write-completion", "bash", str(tmp_path / "script")]
    with pytest.raises(SystemExit):
        tyro.cli(form, args=words, prog="x", config=STYLE, registry=TYPES)
    accepted = set(re.findall(r"'--([\w.-]+)'", (tmp_path / "script").read_text())) - {"help"}
    assert len(accepted) > 40
    shown = {flag.shown().removeprefix("--").partition(" ")[0] for flag in flags(form)}
    assert accepted <= shown
    assert all(":" in more or more.startswith("descent.") for more in shown - accepted), "settings behind a word"
    assert main(["train", name, "--help-all"]) == 0
    told = capsys.readouterr().out
    assert all(f"\n  --{flag} " in told or f"\n  --{flag}\n" in told for flag in accepted)
    titles = re.findall(r"(?m)^(\w+):$", told)
    assert titles == [title for title in ORDER if title in titles]
    assert {"Data", "Training", "Techniques", "Output"} <= set(titles)
    assert "None" not in told


def test_help_shows_the_ten_most_used_flags_and_how_to_see_the_others(capsys):
    for words in (["train", "dcgan"], ["compare"]):
        assert main([*words, "--help"]) == 0
        told = capsys.readouterr().out
        assert len(re.findall(r"(?m)^  --", told)) == 10
        assert re.search(r"\d+ more flags: --help-all\n$", told)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("train-encoder", "singan")])
def test_every_command_has_help_without_type_names(capsys, name):
    assert main([*name.split(), "--help"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: sparring {name} ")
    assert not re.search(r"None|\bSTR\b|\bINT\b|\bVALUE\b", told)


def test_an_argument_of_a_users_recipe_with_the_name_of_a_flag_has_a_longer_flag(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "colliding.py").write_text(
        "from sparring.game import Game\n"
        "from sparring.recipes import recipe\n"
        "def game(shape, *, seed: int = 3, r1: float = 0.5) -> Game:\n"
        "    assert (seed, r1) == (4, 0.25)\n"
        "    return recipe('nsgan')(shape)\n"
    )
    out = tmp_path / "run"
    words = ["train", "colliding:game", "--data", "ring", "--batch-size", "8", "--steps", "1", "--device", "cpu"]
    assert main([*words, "--seed", "7", "--recipe.seed", "4", "--recipe.r1", "0.25", "--out", str(out)]) == 0
    record = json.loads((out / "run.json").read_text())
    assert record["seed"] == 7
    assert record["arguments"] == {"seed": 4, "r1": 0.25}


def test_names_of_metrics_in_help_are_those_of_the_table():
    assert keys_of("evaluation/registry.py", "METRICS") == ", ".join(METRICS)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_lists_commands_recipes_and_their_flags(capsys, tmp_path, monkeypatch, shell):
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    monkeypatch.setattr("sparring.recipes.RECIPES", {"wgan-gp": sparring.RECIPES["wgan-gp"]})
    assert main(["completion", "--install"]) == 0
    place = next(word for word in capsys.readouterr().out.split() if word.startswith(str(tmp_path)))
    text = Path(place.rstrip(";.")).read_text()
    for word in ("train-encoder", "super-resolve", "prepare", "wgan-gp", "--critic-steps", "--truncation", "--r1"):
        assert word in text


def test_a_shell_without_completion_is_refused(capsys, monkeypatch):
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert "give bash, zsh or fish" in refused(capsys, "completion")


def test_an_error_of_the_operating_system_is_one_sentence(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "nsgan", "--data", "ring", "--steps", "1", "--device", "cpu", "--out", "é" * 300]) == 2
    assert capsys.readouterr().err.endswith("cannot be used (File name too long): mend it, or name another.\n")
