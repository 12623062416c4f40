"""A training with a given time, by a clock that only the tests move."""

from __future__ import annotations

import json
import shutil
from functools import partial

import pytest

from sparring.cli import main
from sparring.errors import RunError
from sparring.runs import logs
from sparring.runs.loop import FitOptions
from sparring.runs.time_budget import Plan, TimeBudget
from support import runs
from support.runs import difference, start

quick = pytest.fixture(autouse=True)(runs.quick)


@pytest.fixture
def clock(monkeypatch):
    """A clock; ``clock.now`` is moved by the test."""

    class Clock:
        now = 1000.0

        def __call__(self):
            return self.now

    made = Clock()
    monkeypatch.setattr("sparring.runs.loop.TimeBudget", partial(TimeBudget, clock=made))
    return made


def train(run, clock, seconds, pace=lambda step: 1.0, stop=None, **options):
    """Trains for a time in which step s takes `pace(s)` seconds; the caller leaves after step `stop`."""
    step = run.game.round

    def timed(data, index):
        clock.now += pace(index)
        yield from step(data, index)

    run.game.round = timed
    for report in run.fit(seconds=seconds, **options):
        if report.step == stop:
            raise ConnectionAbortedError
    return run


def lines(folder):
    return logs.read(folder / "log.jsonl")


def test_a_training_ends_when_no_further_step_fits_into_its_time(tmp_path, clock):
    run = train(start(tmp_path / "run"), clock, 64.0)
    assert run.step == 64
    assert run.seconds == 64
    saved = start(tmp_path / "run").state.plan
    assert (saved.seconds, saved.step, saved.total) == (64, 64, 64)


def test_a_step_that_would_exceed_the_time_is_not_begun(tmp_path, clock):
    run = train(start(tmp_path / "run"), clock, 64.0, pace=lambda step: 10.0)
    assert (run.step, run.seconds) == (6, 60)
    assert list(start(tmp_path / "run").fit(seconds=64.0)) == []


def test_annealed_rates_reach_zero_where_the_time_ends(tmp_path, clock):
    train(start(tmp_path / "run"), clock, 100.0, anneal=0.5)
    found = {line["step"]: line["anneal"] for line in lines(tmp_path / "run")}
    assert found[1] == found[50] == 1
    assert found[76] == pytest.approx(0.5, abs=0.03)
    assert found[100] == pytest.approx(0.02, abs=0.01)


def test_plans_follow_a_speed_that_changes(tmp_path, clock):
    run = train(start(tmp_path / "run"), clock, 100.0, pace=lambda step: 1.0 if step < 50 else 0.25, anneal=0.5)
    found = [line["anneal"] for line in lines(tmp_path / "run")]
    assert 240 < run.step <= 250
    assert found[150] == pytest.approx(0.5, abs=0.04)  # after 50 + 25 seconds
    assert found[-1] < 0.04


def test_a_stopped_training_continues_with_what_is_left(tmp_path, clock):
    with pytest.raises(ConnectionAbortedError):
        train(start(tmp_path / "run"), clock, 60.0, stop=20)
    clock.now += 10_000
    again = start(tmp_path / "run")
    assert (again.step, again.seconds) == (20, 20)
    train(again, clock, 60.0)
    assert (again.step, again.seconds) == (60, 60)
    assert list(start(tmp_path / "run").fit(seconds=60.0)) == []


def test_what_follows_a_checkpoint_is_a_function_of_it_at_any_speed(tmp_path, clock, monkeypatch):
    first = start(tmp_path / "first")
    with pytest.raises(ConnectionAbortedError):
        train(first, clock, 160.0, stop=100, anneal=0.8)
    plan = start(tmp_path / "first").state.plan
    assert plan == Plan(100.0, 100, 160, 160.0)
    kept = {}
    for pace in (1.0, 1.3):  # within the time to the next plan
        shutil.copytree(tmp_path / "first", tmp_path / f"{pace}")
        again = start(tmp_path / f"{pace}")
        monkeypatch.setattr("sparring.runs.loop.CheckpointWriter.save", lambda *_, **__: None)
        with pytest.raises(ConnectionAbortedError):
            train(again, clock, 160.0, pace=lambda step, pace=pace: pace, stop=102, anneal=0.8)
        kept[pace] = again.state.state_dict()
        monkeypatch.undo()
        runs.quick(monkeypatch)
        monkeypatch.setattr("sparring.runs.loop.TimeBudget", partial(TimeBudget, clock=clock))
    assert difference(kept[1.0], kept[1.3]) == ""
    assert [line["anneal"] for line in lines(tmp_path / "1.3")][-2:] == pytest.approx([60 / 128, 59 / 128])


def test_a_longer_time_extends_a_training(tmp_path, clock):
    train(start(tmp_path / "run"), clock, 40.0, anneal=0.5)
    longer = start(tmp_path / "run")
    train(longer, clock, 80.0, anneal=0.5)
    assert 78 <= longer.step <= 80
    assert any("with the new end they continue at 1" in note for note in longer.notes)


def test_time_that_was_spent_without_a_given_time_counts(tmp_path, clock):
    runs.play(start(tmp_path / "run"), 4)
    timing = tmp_path / "run/timing.jsonl"
    timing.write_text(json.dumps({"step": 4, "seconds": 50.0, "images_per_second": 1.0, "memory": 0}) + "\n")
    run = train(start(tmp_path / "run"), clock, 60.0)
    assert (run.step, run.seconds) == (14, 60)


def test_checkpoints_and_samples_come_with_plans(tmp_path, clock):
    train(start(tmp_path / "run"), clock, 64.0, keep_checkpoints=99)
    steps = [int(path.name) for path in sorted((tmp_path / "run/checkpoints").iterdir())]
    assert steps == [3, 7, 11, 15, 19, 23, 27, 31, 35, 39, 43, 47, 51, 55, 59, 63, 64]


def test_a_rollback_does_not_give_time_back():
    clock = iter(range(100, 200)).__next__
    budget = TimeBudget(20.0, 0.0, annealed=True, clock=clock)
    for step in (1, 2, 3, 4, 2, 3):
        budget.tick(step)
    assert budget.seconds == 6
    assert budget.plan(Plan(), 3) == Plan(6.0, 3, 3 + 14, 20.0)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"seconds": -1.0}, "seconds"),
        ({"seconds": float("nan")}, "seconds"),
        ({"total": "x"}, "seconds"),
        ({"end": -1}, "plans"),
        ({"step": True}, "plans"),
    ],
)
def test_a_broken_plan_is_refused(values, match):
    whole = {"seconds": 1.0, "step": 2, "end": 3, "total": 4.0}
    assert Plan.read(whole) == Plan(1.0, 2, 3, 4.0)
    assert Plan.read(None) == Plan()
    with pytest.raises(ValueError, match=match):
        Plan.read({**whole, **values})


@pytest.mark.parametrize(
    ("ends", "match"),
    [
        ({}, "Nothing sets the length"),
        ({"steps": 1, "seconds": 2.0}, "steps and seconds both set the length"),
        ({"seconds": 0.0}, r"seconds cannot be 0\.0"),
        ({"seconds": float("inf")}, "seconds cannot be inf"),
    ],
)
def test_a_training_has_exactly_one_end(ends, match):
    with pytest.raises(RunError, match=match):
        FitOptions(**ends)


def test_the_command_trains_for_minutes_and_resumes_to_their_end(tmp_path, capsys):
    words = ["train", "nsgan", "--data", "ring", "--batch-size", "8", "--device", "cpu", "--out", str(tmp_path / "run")]
    assert main([*words, "--minutes", "0.05", "--anneal", "0.5"]) == 0
    run = start(tmp_path / "run", arguments={}, ema_decay=0.999)
    assert 0 < run.seconds <= 3 * 1.5  # the machine may be slow
    assert lines(tmp_path / "run")[-1]["anneal"] <= 1
    assert main(["resume", str(tmp_path / "run"), "--device", "cpu", "--minutes", "0.001"]) == 0
    assert "of training: give a larger --minutes to continue" in capsys.readouterr().out
