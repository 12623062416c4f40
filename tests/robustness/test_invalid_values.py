"""What is typed, or stands in a file, and cannot be meant: one sentence, exit code 2, and nothing written."""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import sparring
from sparring._io.paths import expand_user
from sparring.cli import main
from sparring.data import Stream, load
from sparring.errors import DataError, GameError, RunError, SparringError
from sparring.experiments.experiment import Trial
from sparring.inference.conditional import class_index
from sparring.metrics import extrapolate
from sparring.runs import config, memory
from sparring.runs.checkpoint import load as checkpoint
from sparring.runs.run import Run
from support import runs

quick = pytest.fixture(autouse=True)(runs.quick)
HUGE = "1" + "0" * 30
TRAIN = ["train", "dcgan", "--data", "digits", "--size", "8", "--width", "4", "--steps", "1", "--device", "cpu"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("absurd") / "run"
    assert main([*TRAIN, "--batch-size", "4", "--out", str(folder)]) == 0
    return folder


def refused(capsys, *words):
    """Run a command that must fail, and return its one sentence."""
    assert main([str(word) for word in words]) == 2
    output = capsys.readouterr()
    assert output.err.startswith("sparring: ")
    assert output.err.count("\n") == 1
    return output.err


@pytest.mark.parametrize(
    ("flags", "match"),
    [
        (["--batch-size", 10**12], "GiB of memory: give a smaller --batch-size"),
        (["--batch-size", HUGE], "its batch_size is out of range"),
        (["--batch-size", HUGE, "--grad-accum", HUGE], "out of range"),
        (["--batch-size", 2**40, "--grad-accum", 2**40], "is too large: give a smaller one"),
        (["--seed", HUGE], "its seed is out of range"),
        (["--hold-out", "nan"], "--hold-out is nan"),
        (["--hold-out", "0.0001"], "leaves 0 of them held out and 1797 to train on: try --hold-out 0.01"),
    ],
)
def test_settings_that_no_run_can_have(tmp_path, capsys, flags, match):
    assert match in refused(capsys, *TRAIN, "--out", tmp_path / "run", *flags)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "match"),
    [
        (["--width", 10**9], "The networks take 30 GiB of memory or more, and cpu has 4 GiB: make them smaller"),
        (["--width", 10**13], "The networks .* memory .*, and cpu has 4 GiB: make them smaller"),
        (["--packing", 10**9], "The networks .* memory .*, and cpu has 4 GiB: make them smaller"),
        (["--ensemble", 10**12], "ensemble cannot be 1,000,000,000,000: give 1,000 or less"),
        (["--unrolling", 10**12], "unrolling cannot be 1,000,000,000,000: give 1,000 or less"),
    ],
)
@pytest.mark.parametrize("command", ["train", "compare"])
def test_networks_that_do_not_fit_into_memory(tmp_path, capsys, monkeypatch, command, flags, match):
    monkeypatch.setattr("sparring.runs.memory.total_memory", lambda device: 2**32)
    words = [command, "nsgan", "--data", "ring", "--steps", "1", "--out", tmp_path / "run", "--device", "cpu"]
    assert re.search(match, refused(capsys, *words, *flags))
    assert not (tmp_path / "run").exists()


class Tied(nn.Module):
    """25 numbers and 3 times the same 100, which have replaced 25 others."""

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.zeros(25))
        self.a = self.b = self.c = nn.Parameter(torch.zeros(100))
        self.d = nn.Parameter(torch.zeros(25))


def test_memory_is_counted_by_the_byte(monkeypatch):
    cpu = torch.device("cpu")
    for times in (1, memory.TRAINED):
        monkeypatch.setattr("sparring.runs.memory.total_memory", lambda device, most=times * 4 * 125: most)
        with memory.bounded(cpu, times):
            Tied()
        monkeypatch.setattr("sparring.runs.memory.total_memory", lambda device, most=times * 4 * 125: most - 1)
        with pytest.raises(GameError, match="The networks take"), memory.bounded(cpu, times):
            Tied()
        Tied()  # outside of the context nothing is counted


def test_networks_are_held_by_the_cpu_before_another_device_has_them(monkeypatch):
    device = torch.device("meta")
    for most in ({"meta": 2000, "cpu": 500}, {"meta": 10**6, "cpu": 499}, {"meta": 1999, "cpu": 10**6}):
        monkeypatch.setattr("sparring.runs.memory.total_memory", lambda where, most=most: most[where.type])
        with nullcontext() if sum(most.values()) == 2500 else pytest.raises(GameError), memory.bounded(device, 4):
            Tied()


def test_where_the_memory_is_not_known_networks_are_built(monkeypatch):
    monkeypatch.setattr("sparring.runs.memory.total_memory", lambda device: None)
    with memory.bounded(torch.device("cpu")):
        Tied()
    with pytest.raises(GameError, match="need more memory than is free: make"), memory.bounded(torch.device("cpu")):
        nn.Linear(2**32, 2**32)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["directions", "RUN", "--count", 10**12], "There are no 1000000000000 directions: request 1 to"),
        (["directions", "RUN", "--count", 10**12, "--kind", "closed"], "directions: request 1 to"),
        (["directions", "RUN", "--columns", 10**12], "in 1,000,000,000,000 pictures: give --columns 2 to 1,000"),
        (["sample", "RUN", "--columns", "-3"], "cannot have -3 columns"),
        (["sample", "RUN", "--columns", "0"], "cannot have 0 columns"),
        (["sample", "RUN", "--truncation", "nan"], "leaves no samples"),
        (["sample", "RUN", "--truncation", "inf"], "leaves no samples"),
        (["interpolate", "RUN", "--frames", HUGE], "from 1 to 1,000,000"),
        (["interpolate", "RUN", "--frames", "0"], "from 1 to 1,000,000"),
        (["interpolate", "RUN", "--seeds", "5"], "two seeds or more, not 1: try --seeds 0,1,2"),
        (["interpolate", "RUN", "--frames", "2", "--fps", "0"], "0 frames a second"),
        (["interpolate", "RUN", "--frames", "2", "--fps", "1e-300"], "frames a second"),
        (["interpolate", "RUN", "--frames", "2", "--fps", "nan"], "frames a second"),
        (["check", "nsgan", "--batch-size", HUGE], "is too large: give a smaller one"),
    ],
)
def test_numbers_that_nothing_can_be_made_of(trained, tmp_path, monkeypatch, capsys, words, match):
    monkeypatch.chdir(tmp_path)
    device = [] if words[0] == "check" else ["--device", "cpu"]
    assert match in refused(capsys, *(trained if word == "RUN" else word for word in words), *device)
    assert not list(tmp_path.iterdir())


def test_scores_that_cannot_be_computed(tmp_path, monkeypatch, capsys):
    run = runs.play(runs.start(tmp_path / "run"), 1).folder
    words = ["evaluate", run, "--device", "cpu", "--samples", "20", "--metrics", "frechet-infinity"]
    assert "is too large" in refused(capsys, *words, "--seed", HUGE)
    few = partial(extrapolate, points=30)  # of features in many dimensions 15 are too many already
    monkeypatch.setattr("sparring.evaluation.registry.extrapolate", few)
    assert "The metric frechet-infinity cannot be computed: 30 sizes of at least 2 from 4 to 20" in refused(
        capsys, *words
    )
    assert not (run / "evaluation.json").exists()


def test_every_written_record_can_be_read(tmp_path):
    for settings in ({"seed": 2**63}, {"batch_size": 2**70}, {"grad_accum": 2**70}):
        with pytest.raises(SparringError):
            runs.start(tmp_path / "run", **settings)
    config.read(runs.start(tmp_path / "run", seed=2**63 - 1).folder)


@pytest.mark.parametrize(("rows", "flag"), [(2, "0.5"), (3, "0.34"), (7, "0.15"), (9, "0.12"), (101, "0.01")])
def test_the_share_that_is_advised_can_be_held_out(rows, flag):
    dataset = load("digits", size=8).subset(np.arange(rows))
    with pytest.raises(DataError, match=rf"try --hold-out {flag}\.$"):
        dataset.split(0.001)
    rest, part = dataset.split(float(flag))
    assert part is not None
    assert min(len(rest), len(part)) > 0


def test_a_single_row_cannot_be_divided():
    with pytest.raises(DataError, match="leave --hold-out out"):
        load("digits", size=8).subset(np.arange(1)).split(0.5)


@pytest.mark.parametrize("step", ["text", 3.5, None, True, -1, [1], 2**70])
def test_a_checkpoint_that_counts_no_steps(tmp_path, step):
    run = runs.play(runs.start(tmp_path / "run"), 1)
    state = checkpoint(run.folder / "checkpoints" / "000001")
    for name in ("step", "images", "position"):
        with pytest.raises(RunError, match="does not fit its recipe"):
            run.state.load_state_dict({**state, name: step}, run.folder)
    with pytest.raises(RunError, match="does not fit its recipe"):
        run.state.load_state_dict({**state, "updates": dict.fromkeys(state["updates"], step)}, run.folder)
    with pytest.raises(RunError, match="does not fit its recipe"):
        run.state.load_state_dict({**state, "updates": {}}, run.folder)
    run.state.load_state_dict(state, run.folder)


@pytest.mark.parametrize("place", ["a\0b", "a\ud800b"])
@pytest.mark.parametrize("name", ["name", "root"])
def test_a_record_whose_data_has_an_impossible_path(tmp_path, name, place):
    settings = json.loads((runs.start(tmp_path / "run").folder / "run.json").read_text())
    config.parse(settings)
    settings["data"][name] = place
    with pytest.raises(ValueError, match=f"its data.{name} cannot be"):
        config.parse(settings)


BUDGETS = ["x", [], {}, {"amount": "x"}, {"amount": 10**400}, {"amount": None}]


@pytest.mark.parametrize(
    "text", ["[" * 10**5, "3", *(json.dumps({"asked": {"budget": b}, "state": ""}) for b in BUDGETS)]
)
def test_a_record_of_a_comparison_that_is_none(tmp_path, text):
    (tmp_path / "nsgan-0.json").write_text(text)
    with pytest.raises(RunError, match=r"nsgan-0\.json cannot be read"):
        Trial(None, 0, None, tmp_path / "nsgan-0").read()


# --- memory


class Batch:
    """Data that cannot be held."""

    def __init__(self, error):
        self.error = error

    def __call__(self, *words):
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 5 bytes.\nmore"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 5 GiB."),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("can't start new thread"),
    ],
)
def test_memory_that_is_used_up(monkeypatch, capsys, error):
    monkeypatch.setattr("sparring.cli._run", Batch(error))
    assert "There is not enough memory" in refused(capsys, "list")


def test_faults_of_ours_keep_their_traceback(monkeypatch):
    monkeypatch.setattr("sparring.cli._run", Batch(RuntimeError("of ours")))
    with pytest.raises(RuntimeError, match="of ours"):
        main(["list"])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_a_training_within_a_limit_of_memory(tmp_path):
    """As behind ``ulimit -v``: enough to start, but not for the batch."""
    words = [
        "train",
        "nsgan",
        "--data",
        "ring",
        "--width",
        "512",
        "--batch-size",
        "100000",
        "--steps",
        "1",
        "--device",
        "cpu",
    ]
    words += ["--out", str(tmp_path / "run")]
    code = (
        "import resource, sys, torch\n"
        "from sparring.cli import main; from sparring.cli import train as training\n"
        "import sparring.runs.run\n"
        "held = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (held + 2**28, held + 2**28))\n"
        f"sys.exit(main({words!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("sparring: There is not enough memory")
    assert done.stderr.count("\n") == 1


# --- paths


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


def test_the_home_folder_is_where_it_is(home):
    """Shells leave the ~ of --out=~/run to the program."""
    draw = np.random.default_rng(0)
    (home / "set").mkdir()
    for k in range(6):
        Image.fromarray(draw.integers(0, 256, (8, 8, 3), np.uint8)).save(home / "set" / f"{k}.png")
    words = ["train", "dcgan", "--data", "~/set", "--size", "8", "--width", "4", "--batch-size", "4", "--steps", "1"]
    assert main([*words, "--device", "cpu", "--out=~/run"]) == 0
    for words in (
        ["resume", "~/run", "--steps", "2"],
        ["sample", "~/run", "--seeds", "0", "--out=~/o.png"],
        ["interpolate", "~/run", "--frames", "2", "--out", "~/w.gif"],
        ["report", "~/run"],
        ["invert", "~/run", "~/set/0.png", "--steps", "1", "--out", "~/i.png"],
    ):
        assert main([*words, "--device", "cpu"]) == 0, words
    assert main(["data", "prepare", "~/set", "~/p.npy", "--size", "8"]) == 0
    assert {"run", "o.png", "w.gif", "i.png", "p.npy"} <= set(os.listdir(home))
    assert json.loads((home / "run/run.json").read_text())["data"]["name"] == str(home / "set")
    assert not list(Path.cwd().iterdir())


def test_the_home_folder_is_where_it_is_in_python(home):
    run = runs.play(runs.start("~/run"), 1)
    assert run.folder == home / "run"
    assert Run.open("~/run", device="cpu").step == 1
    assert sparring.load("~/run", device="cpu").sample(1).shape == (1, 2)
    assert not list(Path.cwd().iterdir())


def test_the_home_folder_of_an_unknown_user_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("pathlib.Path.expanduser", lambda path: (_ for _ in ()).throw(RuntimeError("no home")))
    with pytest.raises(SparringError, match=r"set \$HOME, or give the full path"):
        expand_user("~/x")
    assert "set $HOME" in refused(capsys, "sample", "~/run")
    monkeypatch.delenv("SPARRING_CACHE", raising=False)
    assert "set $HOME" in refused(capsys, "data", "prepare", "digits", tmp_path / "p.npy")


def test_names_that_are_no_text(tmp_path, monkeypatch, capsys):
    """File names are bytes; some are no UTF-8."""
    monkeypatch.setattr("sparring.runs.run.load_data", load)
    folder = tmp_path / os.fsdecode(b"set\xff")
    draw = np.random.default_rng(0)
    for name in (b"a\xfe", b"b"):
        (folder / os.fsdecode(name)).mkdir(parents=True)
        for k in range(12):
            path = folder / os.fsdecode(name) / os.fsdecode(b"\xfd%d.png" % k)
            Image.fromarray(draw.integers(0, 256, (8, 8, 3), np.uint8)).save(path, "PNG")
    out, run = str(tmp_path / os.fsdecode(b"out\xfc")), str(tmp_path / os.fsdecode(b"run\xfb"))
    words = ["train", "cgan", "--data", str(folder), "--size", "8", "--width", "4", "--batch-size", "4", "--steps", "1"]
    assert main([*words, "--device", "cpu", "--out", run]) == 0
    for words in (
        ["resume", run, "--steps", "2"],
        ["sample", run, "--seeds", "0-3", "--out", f"{out}.png"],
        ["traverse", run, "--seeds", "0", "--out", f"{out}-t"],
        ["report", run],
    ):
        assert main([*words, "--device", "cpu"]) == 0, (words, capsys.readouterr().err)
    assert main(["data", "prepare", str(folder), f"{out}.npy", "--size", "8"]) == 0
    assert load(f"{out}.npy").fingerprint == load(folder, size=8).fingerprint
    assert load(f"{out}.npy").classes == load(folder, size=8).classes
    (folder / os.fsdecode(b"b/\xf0.png")).write_bytes(b"none")
    assert r"\xf0.png" in refused(
        capsys, "train", "cgan", "--data", folder, "--size", "8", "--steps", "1", "--out", out
    )


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    draw = np.random.default_rng(0)
    (tmp_path / "set").mkdir()
    for k in range(24):
        Image.fromarray(draw.integers(0, 256, (8, 8, 3), np.uint8)).save(tmp_path / "set" / f"{k}.png")
    (tmp_path / "set/bad.png").write_bytes(b"none")
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "file" / "cache"))
    words = ["train", "dcgan", "--data", tmp_path / "set", "--size", "8", "--out", tmp_path / "run"]
    assert "SPARRING_CACHE" in refused(capsys, *words, "--skip-unreadable")
    (tmp_path / "set/bad.png").unlink()
    code = main([*map(str, words), "--width", "4", "--batch-size", "4", "--steps", "1", "--device", "cpu"])
    assert code in (0, 2)
    assert capsys.readouterr().err.count("\n") == (1 if code else 0)


# --- data that moved


def test_data_that_moved_is_found_again_and_its_path_recorded(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sparring.runs.run.load_data", load)
    draw = np.random.default_rng(0)
    for name in ("set", "other"):
        (tmp_path / name).mkdir()
        for k in range(6):
            Image.fromarray(draw.integers(0, 256, (8, 8, 3), np.uint8)).save(tmp_path / name / f"{k}.png")
    words = ["train", "dcgan", "--data", tmp_path / "set", "--size", "8", "--width", "4", "--batch-size", "4"]
    run = tmp_path / "run"
    assert main([*map(str, words), "--steps", "1", "--device", "cpu", "--out", str(run)]) == 0
    shutil.copytree(run, tmp_path / "straight")
    assert main(["resume", str(tmp_path / "straight"), "--steps", "2", "--device", "cpu"]) == 0
    (tmp_path / "set").rename(tmp_path / "moved")
    before = (run / "run.json").read_bytes()
    capsys.readouterr()
    assert "--data" in refused(capsys, "resume", run, "--steps", "2", "--device", "cpu")
    assert "fingerprint differs" in refused(capsys, "resume", run, "--data", tmp_path / "other", "--device", "cpu")
    assert (run / "run.json").read_bytes() == before
    assert main(["resume", str(run), "--steps", "2", "--device", "cpu", "--data", str(tmp_path / "moved")]) == 0
    assert json.loads((run / "run.json").read_text())["data"]["name"] == str(tmp_path / "moved")
    assert main(["resume", str(run), "--steps", "3", "--device", "cpu"]) == 0
    states = [checkpoint(folder / "checkpoints" / "000002") for folder in (run, tmp_path / "straight")]
    assert runs.difference(*states) == ""


def test_a_negative_position_of_a_stream_is_refused():
    with pytest.raises(DataError, match="is too large: give a smaller one"):
        Stream(load("digits", size=8), 2**40)


def test_a_label_is_a_name_where_names_are_numbers():
    assert [class_index(text, ["2", "5", "7"]) for text in ("2", "7")] == [0, 2]
    with pytest.raises(DataError, match="There is no class '1': choose from 2, 5, 7"):
        class_index("1", ["2", "5", "7"])
    assert class_index("1", ["cat", "7"]) == 1
