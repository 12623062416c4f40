"""N steps, a stop, M steps are N + M steps: every recipe, every bit, every byte of the log."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from support import runs
from support.runs import CASES, IMAGES, difference, play, start

quick = pytest.fixture(autouse=True)(runs.quick)


@pytest.fixture
def drawn(quick, monkeypatch):
    """What was drawn, by the path of the picture."""
    found = {}
    monkeypatch.setattr(
        "sparring.runs.snapshots.save_grid", lambda made, path, **_: found.__setitem__(path, made.clone())
    )
    return found


@pytest.mark.parametrize(("name", "kind"), CASES, ids=[f"{name}-{Path(kind['data']).name}" for name, kind in CASES])
def test_every_recipe_resumes_bit_for_bit(tmp_path, drawn, name, kind):
    straight = start(tmp_path / "straight", name, kind)
    first = {key: value.clone() for key, value in straight.game.state_dict().items()}
    play(straight, 4)
    play(start(tmp_path / "stopped", name, kind), 2)
    resumed = start(tmp_path / "stopped", name, kind)
    assert resumed.step == 2
    play(resumed, 4)
    assert difference(straight.state.state_dict(), resumed.state.state_dict()) == ""
    assert (tmp_path / "straight/log.jsonl").read_bytes() == (tmp_path / "stopped/log.jsonl").read_bytes()
    assert difference(first, dict(straight.game.state_dict())) != "", "nothing was trained"
    pictures = [
        {path.name: made for path, made in drawn.items() if side in path.parts} for side in ("straight", "stopped")
    ]
    assert len(pictures[0]) > 1, "nothing was drawn"
    assert difference(*pictures) == ""


@pytest.mark.parametrize(
    "settings",
    [{"grad_accum": 2}, {"ema_decay": 0.0}, {"precision": "bf16"}, {"seed": 7}, {"batch_size": 12}],
    ids=lambda settings: next(iter(settings)),
)
def test_every_setting_resumes_bit_for_bit(tmp_path, settings):
    straight = play(start(tmp_path / "straight", **settings), 5)
    play(start(tmp_path / "stopped", **settings), 3)
    resumed = play(start(tmp_path / "stopped", **settings), 5)
    assert difference(straight.state.state_dict(), resumed.state.state_dict()) == ""


def test_mirrored_images_resume_bit_for_bit(tmp_path):
    straight = play(start(tmp_path / "straight", kind=IMAGES, mirror=True), 4)
    play(start(tmp_path / "stopped", kind=IMAGES, mirror=True), 1)
    resumed = play(start(tmp_path / "stopped", kind=IMAGES, mirror=True), 4)
    assert difference(straight.state.state_dict(), resumed.state.state_dict()) == ""


def test_neither_cadence_nor_stops_nor_extensions_leave_a_trace(tmp_path):
    straight = play(start(tmp_path / "straight"), 12)
    play(start(tmp_path / "often"), 12, save_every=1, sample_every=1, keep_checkpoints=3)
    for end in (1, 5, 6, 12):
        often = play(start(tmp_path / "extended"), end, save_every=4, sample_every=3)
    assert difference(straight.state.state_dict(), often.state.state_dict()) == ""
    logs = {(tmp_path / name / "log.jsonl").read_bytes() for name in ("straight", "often", "extended")}
    assert len(logs) == 1


def test_leaving_the_loop_saves_the_step(tmp_path):
    straight = play(start(tmp_path / "straight"), 8)
    run = start(tmp_path / "left")
    for report in run.fit(8, save_every=5):
        if report.step == 3:
            break
    resumed = start(tmp_path / "left")
    assert resumed.step == 3
    play(resumed, 8)
    assert difference(straight.state.state_dict(), resumed.state.state_dict()) == ""
    assert (tmp_path / "straight/log.jsonl").read_bytes() == (tmp_path / "left/log.jsonl").read_bytes()


def test_a_log_that_ran_ahead_of_the_checkpoint_is_cut_back(tmp_path):
    straight = play(start(tmp_path / "straight"), 6)
    play(start(tmp_path / "ahead"), 4)
    with open(tmp_path / "ahead/log.jsonl", "ab") as log:
        log.write(b'{"step": 5, "images": 1, "terms": {}}\n{"step": 6, "ima')
    resumed = play(start(tmp_path / "ahead"), 6)
    assert difference(straight.state.state_dict(), resumed.state.state_dict()) == ""
    assert (tmp_path / "straight/log.jsonl").read_bytes() == (tmp_path / "ahead/log.jsonl").read_bytes()


def test_a_broken_checkpoint_costs_only_the_steps_since_the_one_before(tmp_path):
    straight = play(start(tmp_path / "straight"), 8)
    play(start(tmp_path / "broken"), 6, save_every=3)
    state = tmp_path / "broken/checkpoints/000006/state.pt"
    state.write_bytes(state.read_bytes()[:-1])
    resumed = start(tmp_path / "broken")
    assert resumed.step == 3
    assert "000006" in resumed.notes[0]
    play(resumed, 8, save_every=3)
    assert difference(straight.state.state_dict(), resumed.state.state_dict()) == ""
    assert (tmp_path / "straight/log.jsonl").read_bytes() == (tmp_path / "broken/log.jsonl").read_bytes()


def test_the_seed_decides_the_first_weights_and_nothing_else_does(tmp_path):
    torch.manual_seed(1)
    one = start(tmp_path / "one", seed=3)
    state = torch.random.get_rng_state()
    torch.manual_seed(2)
    other, third = start(tmp_path / "other", seed=3), start(tmp_path / "third", seed=4)
    assert difference(one.state.state_dict(), other.state.state_dict()) == ""
    assert "game" in difference(one.state.state_dict(), third.state.state_dict())
    torch.manual_seed(1)
    assert torch.equal(state, torch.random.get_rng_state()), "making a run disturbed the caller's generator"
