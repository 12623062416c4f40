"""Run folders: what is made, what is refused, what is read back; and that observing a training does not change it."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

import sparring
from sparring._io.folder import Folder
from sparring.errors import DataError, Diverged, GameError, RunError
from sparring.game import evaluation_mode
from sparring.recipes.options import Adam, Networks, RMSprop
from sparring.runs import config, logs
from sparring.runs.recipe_args import fill_arguments, from_plain, to_plain
from sparring.runs.run import Run
from sparring.runs.signals import Stopped
from support import runs
from support.runs import IMAGES, difference, play, start

quick = pytest.fixture(autouse=True)(runs.quick)


def contents(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_run_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.undo()  # with pictures
    run = start(tmp_path / "run", kind=IMAGES, ema_decay=0.9)
    reports = list(run.fit(20))
    assert [report.step for report in reports] == list(range(1, 21))
    assert (run.step, run.images, run.updates) == (20, 80, {"D": 20, "G": 20})
    pictures = {f"samples/{step:06d}.png" for step in range(0, 21, 2)} | {"reals.png"}
    kept = {f"checkpoints/{step}/{file}" for step in ("000018", "000020") for file in ("state.pt", "manifest.json")}
    assert contents(tmp_path / "run") == {"run.json", "log.jsonl", "timing.jsonl"} | pictures | kept
    lines = logs.read(tmp_path / "run/log.jsonl")
    assert [line["step"] for line in lines] == list(range(1, 21))
    assert lines[-1] == {"step": 20, "images": 80, "updates": {"D": 20, "G": 20}, "terms": reports[-1].scalars()}
    ticks = logs.read(tmp_path / "run/timing.jsonl")
    assert ticks[-1]["step"] == 20
    assert ticks[-1]["images_per_second"] > 0
    assert ticks[-1]["memory"] > 10**7
    assert [tick["seconds"] for tick in ticks] == sorted(tick["seconds"] for tick in ticks)


def test_the_record_is_enough_to_build_the_game_again(tmp_path):
    chosen = {"networks": Networks(latent=8, width=8), "critic": {"lr": 3e-4}, "critic_steps": 2}
    made = start(tmp_path / "run", "wgan-gp", arguments=chosen, seed=5, batch_size=12)
    saved = json.loads((tmp_path / "run/run.json").read_text())
    assert saved["arguments"] == {
        "networks": {"network": None, "latent": 8, "width": 8},
        "critic": {"lr": 3e-4, "betas": [0.5, 0.9]},  # the other field is the recipe's own
        "generator": {"lr": 1e-4, "betas": [0.5, 0.9]},
        "penalty": None,
        "critic_steps": 2,
        "generator_steps": 1,
    }
    assert saved["techniques"] == {}
    assert {
        "recipe": "wgan-gp",
        "seed": 5,
        "batch_size": 12,
        "grad_accum": 1,
        "precision": "fp32",
    }.items() <= saved.items()
    assert {"torch", "sparring", "threads", "command", "time", "device"} <= set(saved["provenance"])
    opened = Run.open(tmp_path / "run", device="cpu")
    assert difference(made.state.state_dict(), opened.state.state_dict()) == ""
    assert opened.optimizers["D"].param_groups[0]["betas"] == (0.5, 0.9)
    assert opened.game.critic_steps == 2


def test_loading_needs_no_data_and_gives_the_averaged_generator(tmp_path, monkeypatch):
    play(start(tmp_path / "run", ema_decay=0.5), 3)
    run = Run.open(tmp_path / "run", device="cpu")
    monkeypatch.setattr("sparring.runs.run.load_data", None)
    game = sparring.load(tmp_path / "run", device="cpu")
    assert not any(module.training for module in game.modules())
    assert not any(parameter.requires_grad for parameter in game.parameters())
    assert difference(dict(run.inference_game.state_dict()), dict(game.state_dict())) == ""
    assert difference(dict(run.game.G.state_dict()), dict(game.G.state_dict())) != ""
    assert game.sample(4).shape == (4, 2)


def test_without_an_average_the_game_itself_is_sampled(tmp_path):
    run = play(start(tmp_path / "run", ema_decay=0.0), 2)
    assert run.inference_game is run.game
    assert (
        difference(dict(sparring.load(tmp_path / "run", device="cpu").state_dict()), dict(run.game.state_dict())) == ""
    )


def test_the_same_command_resumes_and_another_is_refused(tmp_path):
    play(start(tmp_path / "run"), 2)
    assert start(tmp_path / "run").step == 2
    assert start(tmp_path / "run", arguments={"networks": Networks(latent=8, width=8)}).step == 2
    for change, message in [
        ({"seed": 1}, "seed = 0, not 1"),
        ({"batch_size": 16}, "batch_size = 8, not 16"),
        ({"ema_decay": 0.5}, r"ema_decay = 0\.999, not 0\.5"),
        ({"name": "lsgan"}, "recipe = nsgan, not lsgan"),
        ({"arguments": {"networks": {"latent": 8, "width": 9}}}, "arguments.networks.width = 8, not 9"),
        ({"grad_accum": 2}, "grad_accum = 1, not 2"),
        ({"precision": "bf16"}, "precision = fp32, not bf16"),
        ({"data": "grid"}, "data.fingerprint = "),
    ]:
        with pytest.raises(RunError, match=f"was made with {message}.*give another folder"):
            start(tmp_path / "run", **change)
    assert start(tmp_path / "run").step == 2


def test_data_that_moved_is_the_same_and_data_that_changed_is_refused(tmp_path, monkeypatch):
    points = np.random.default_rng(0).standard_normal((50, 2)).astype(np.float32)
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    np.save("here.npy", points)
    play(start("run", data="here.npy"), 1)
    os.rename("here.npy", "there.npy")
    with pytest.raises(DataError, match="does not exist"):
        Run.open("run", device="cpu")
    assert play(start("run", data="there.npy"), 2).step == 2
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert Run.open("../run", device="cpu").step == 2, "the record holds where the data is now, as an absolute path"
    np.save(tmp_path / "there.npy", points + 1)
    with pytest.raises(RunError, match=r"is not what .* began with"):
        Run.open("../run", device="cpu")


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"seed": -1}, RunError, "seed -1 is negative"),
        ({"grad_accum": 0}, RunError, "grad_accum cannot be 0"),
        ({"ema_decay": 1.0}, RunError, "ema_decay cannot be 1.0"),
        ({"precision": "fp16"}, RunError, "no precision 'fp16': give one of fp32, bf16"),
        ({"device": "tpu9"}, RunError, "device 'tpu9' cannot be used"),
        ({"batch_size": 7, "grad_accum": 2}, DataError, "cannot be divided equally"),
        ({"data": "rign"}, DataError, "did you mean ring"),
        ({"name": "nsgna"}, GameError, "did you mean 'nsgan'"),
        ({"arguments": {"critic_stesp": 1}}, RunError, "no setting 'critic_stesp': did you mean 'critic_steps'"),
        ({"arguments": {"critic": {"lrr": 1}}}, RunError, "Adam has no setting 'lrr': did you mean 'lr'"),
        ({"arguments": {"critic_steps": 0}}, GameError, "critic_steps cannot be 0: give 1 or more"),
        ({"arguments": {"critic_steps": 1.5}}, RunError, "critic_steps cannot be '1.5': it is a whole number"),
        ({"arguments": {"critic_steps": True}}, RunError, "critic_steps cannot be 'True': it is a whole number"),
        ({"arguments": {"smoothing": "much"}}, RunError, "smoothing cannot be 'much': it is a number"),
        ({"arguments": {"critic": {"lr": None}}}, RunError, "lr cannot be 'None': it is a number"),
        ({"arguments": {"critic": {"betas": [0.5]}}}, RunError, "betas cannot be"),
        ({"arguments": {"networks": {"width": "4"}}}, RunError, "width cannot be '4': it is a whole number or none"),
        ({"arguments": {"critic": torch.nn.ReLU()}}, RunError, "critic is a ReLU, which run.json cannot hold"),
        ({"name": "os:system"}, GameError, "os is Python.s own module"),
        ({"name": "numpy:memmap"}, GameError, "numpy:memmap is no recipe"),
        ({"name": "support.runs:unannounced", "arguments": {}}, GameError, "declare it as .def unannounced"),
        ({"name": "nsgan", "mirror": True}, DataError, "no mirror image"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_settings_are_one_sentence_and_leave_no_folder(tmp_path, settings, error, message):
    with pytest.raises(error, match=message):
        start(tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"is no run folder, it has no run\.json"):
        Run.open(tmp_path)
    with pytest.raises(RunError, match=r"is no run folder, it has no run\.json"):
        sparring.load(tmp_path / "absent")
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RunError, match="holds files but no run"):
        start(tmp_path)
    with pytest.raises(RunError, match="is a file"):
        start(tmp_path / "thesis.tex")
    for text in ("", "[]", '{"recipe": "nsgan"}', '{"data": 3, "arguments": {}}', "[" * 10**5, "\0"):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(RunError, match="cannot be read"):
            Run.open(tmp_path)


def test_a_record_from_elsewhere_calls_nothing_but_recipes(tmp_path, monkeypatch):
    monkeypatch.setattr("sparring.recipes.importing._trusted", set())  # as in a process of its own
    start(tmp_path / "run")
    saved = json.loads((tmp_path / "run/run.json").read_text())
    bait = tmp_path / "bait"
    for recipe, arguments in (
        ("numpy:memmap", {"filename": str(bait), "mode": "w+"}),
        ("numpy.lib.format:open_memmap", {"filename": str(bait), "mode": "w+"}),
        ("os:mkdir", {"path": str(bait)}),
    ):
        (tmp_path / "run/run.json").write_text(json.dumps({**saved, "recipe": recipe, "arguments": arguments}))
        with pytest.raises(GameError, match="is code from outside the library"):
            sparring.load(tmp_path / "run")
        with pytest.raises(GameError, match=r"is no recipe|Python.s own module"):
            sparring.load(tmp_path / "run", trust=recipe)
    assert not bait.exists()


def test_a_checkpoint_of_other_code_is_one_sentence(tmp_path):
    play(start(tmp_path / "run"), 1)
    saved = json.loads((tmp_path / "run/run.json").read_text())
    saved["arguments"]["networks"]["width"] = 9
    (tmp_path / "run/run.json").write_text(json.dumps(saved))
    with pytest.raises(RunError, match="does not fit its recipe"):
        Run.open(tmp_path / "run", device="cpu")


def test_other_threads_are_worth_a_note(tmp_path):
    start(tmp_path / "run")
    saved = json.loads((tmp_path / "run/run.json").read_text())
    assert Run.open(tmp_path / "run", device="cpu").notes == []
    saved["provenance"]["threads"] += 3
    (tmp_path / "run/run.json").write_text(json.dumps(saved))
    (note,) = Run.open(tmp_path / "run", device="cpu").notes
    assert "agree to rounding only" in note


@pytest.mark.parametrize("weight", [False, True], ids=["term", "weight"])
def test_divergence_stops_in_the_same_step_and_keeps_the_last_good_checkpoint(tmp_path, weight):
    at = {"at": 6, "weight": weight}
    run = start(tmp_path / "run", "support.runs:failing", arguments=at)
    seen: list[int] = []
    message = "Step 7: the term D/score became nan" if not weight else "Step 7: D.head.bias is no longer finite"
    with pytest.raises(Diverged, match=rf"{message}.*lower the learning rate.*The checkpoint of step 6 in .* is kept"):
        seen.extend(report.step for report in run.fit(20, save_every=1 if weight else 3))
    assert seen == [1, 2, 3, 4, 5, 6]
    assert [line["step"] for line in logs.read(tmp_path / "run/log.jsonl")][:6] == seen
    opened = start(tmp_path / "run", "support.runs:failing", arguments=at)
    assert opened.step == 6
    assert all(parameter.isfinite().all() for parameter in opened.game.parameters())


def test_divergence_before_the_first_checkpoint_is_reported(tmp_path):
    with pytest.raises(Diverged, match="Nothing was saved in"):
        play(start(tmp_path / "run", "support.runs:failing", arguments={"at": 1}), 5, save_every=5)


def test_reports_pending_on_a_device_are_checked_before_a_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "waits_for_device", lambda report: True)  # as if the terms were on a GPU
    run = start(tmp_path / "run", "support.runs:failing", arguments={"at": 6})
    seen = []
    with pytest.raises(Diverged, match=r"Step 7: the term D/score became nan.*The checkpoint of step 5"):
        seen.extend(report.step for report in run.fit(50, save_every=5))
    assert seen[-1] == 9, "the reports of steps 6 to 10 are checked when step 10 is to be saved"
    assert [line["step"] for line in logs.read(tmp_path / "run/log.jsonl")] == [1, 2, 3, 4, 5, 6]
    waited, at_once = play(start(tmp_path / "waited"), 7), start(tmp_path / "at_once")
    monkeypatch.setattr(logs, "waits_for_device", lambda report: False)
    play(at_once, 7)
    assert (waited.folder / "log.jsonl").read_bytes() == (at_once.folder / "log.jsonl").read_bytes()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    play(start(tmp_path / "run"), 2)

    def refusing(folder, name):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("sparring._io.folder.Folder.open_to_append", refusing)
    with pytest.raises(RunError, match=r"log\.jsonl cannot be written \(Permission denied\)"):
        play(start(tmp_path / "run"), 4)
    monkeypatch.undo()
    assert start(tmp_path / "run").step == 2


def test_evaluation_puts_every_flag_back(tmp_path):
    game = start(tmp_path / "run", kind=IMAGES).game
    game.G.eval()
    before = [module.training for module in game.modules()]

    def observe():
        with evaluation_mode(game):
            assert not any(module.training for module in game.modules())
            assert not torch.is_grad_enabled()
            raise KeyError

    with pytest.raises(KeyError):
        observe()
    assert [module.training for module in game.modules()] == before
    assert True in before
    assert False in before
    assert torch.is_grad_enabled()


@dataclass(frozen=True)
class Momentum:
    lr: float = 0.1
    momentum: float = 0.9


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (Adam | RMSprop, Adam(1e-3)),
        (Adam | RMSprop, RMSprop(1e-3)),
        (RMSprop | Momentum | None, Momentum(0.5)),
        (Adam | None, None),
        (tuple[float, ...], (1.0, 2.0, 3.0)),
        (tuple[tuple[int, str], ...], ((1, "a"), (2, "b"))),
        (list[Adam], [Adam(0.1), Adam(0.2)]),
        (int | tuple[int, int], (3, 4)),
        (float | None, 2.0),
        (dict[str, int], {"a": 1}),
    ],
    ids=str,
)
def test_settings_survive_json(hint, value):
    again = from_plain(hint, json.loads(json.dumps(to_plain("setting", value))))
    assert again == value
    assert type(again) is type(value)


def test_whole_numbers_are_numbers():
    assert type(from_plain(float | None, 1)) is float
    assert type(from_plain(int, 1)) is int
    assert fill_arguments(runs.failing, {"at": 2}) == {"at": 2, "weight": False}


def test_counts_below_one_are_refused(tmp_path):
    run = start(tmp_path / "run")
    for name in ("save_every", "sample_every", "keep_checkpoints"):
        with pytest.raises(RunError, match=f"{name} cannot be 0"):
            play(run, 1, **{name: 0})


def test_a_torn_record_is_never_read(tmp_path, monkeypatch):
    run = start(tmp_path / "run")
    before = (tmp_path / "run/run.json").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="No space left"):
        config.write(Folder.open(tmp_path / "run"), replace(run.config, recipe="other"))
    assert (tmp_path / "run/run.json").read_bytes() == before
    assert contents(tmp_path / "run") == {"run.json"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_step_saves_and_reports(tmp_path, number, code):
    straight = play(start(tmp_path / "straight"), 8)
    run, before = start(tmp_path / "run"), signal.getsignal(number)
    seen = []

    def train():
        for report in run.fit(8, save_every=5):
            seen.append(report.step)
            if report.step == 3:
                signal.raise_signal(number)

    with pytest.raises(Stopped) as stopped:
        train()
    assert (stopped.value.code, stopped.value.signal, seen) == (code, number, [1, 2, 3])
    assert signal.getsignal(number) is before
    resumed = start(tmp_path / "run")
    assert resumed.step == 3
    assert difference(play(resumed, 8).state.state_dict(), straight.state.state_dict()) == ""
    assert (tmp_path / "run/log.jsonl").read_bytes() == (tmp_path / "straight/log.jsonl").read_bytes()


def test_tensorboard_events_hold_every_term_once_also_after_a_resume(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    play(start(tmp_path), 3, tensorboard=True)
    play(start(tmp_path), 5, tensorboard=True)
    events = EventAccumulator(str(tmp_path / "events")).Reload()
    assert sorted(events.Tags()["scalars"]) == ["D/adversarial", "G/adversarial"]
    logged = {line["step"]: line["terms"]["D/adversarial"] for line in logs.read(tmp_path / "log.jsonl")}
    seen = {event.step: event.value for event in events.Scalars("D/adversarial")}
    assert list(seen) == [1, 2, 3, 4, 5]
    assert seen == pytest.approx(logged)
