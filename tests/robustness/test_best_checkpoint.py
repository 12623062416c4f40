"""The best checkpoint that evaluations.jsonl names is there, whenever the training dies, goes back or goes on."""

from __future__ import annotations

import math
import os
import shutil

import pytest
import torch

from sparring.errors import Diverged
from sparring.metrics import Direction, Score
from sparring.runs import checkpoint, logs
from sparring.runs.early_stopping import FILE, EarlyStopping, best
from sparring.runs.recovery import NonFinitePolicy
from sparring.runs.state import load_game
from support import runs
from support.crashes import die_at
from support.diverging import Sick
from support.runs import play, start

quick = pytest.fixture(autouse=True)(runs.quick)
EVERY = EarlyStopping(0.016)  # every second step of 8 points


class Sickly(Sick):
    """A game that diverges in its ninth step, and samples."""

    def noise(self, n):
        return torch.randn(n, 2)

    def sample(self, n, noise=None):
        return self.G(self.noise(n) if noise is None else noise)


def sickly(shape: tuple[int, ...]) -> Sickly:
    return Sickly(8, "term", 1.0)


def improving(monkeypatch, after=0, until=math.inf):
    """The later, the better, up to a number of evaluations: each supersedes the one before; the others are worse."""
    from sparring.evaluation.evaluator import Evaluation

    calls = [None] * after

    def judge(game, dataset, **how):
        calls.append(game)
        return Evaluation(
            [Score("scripted", float(-len(calls) if len(calls) <= until else 0), {}, Direction.LOWER)], {}
        )

    monkeypatch.setattr("sparring.runs.early_stopping.evaluate", judge)


def require_best(folder):
    """What evaluations.jsonl names can be loaded, also as it was at each checkpoint that can be gone back to."""
    rows = logs.read(folder / FILE)
    named = [best(rows), *(best(rows, int(path.name)) for path in checkpoint.list_checkpoints(folder))]
    for row in filter(None, named):
        state = checkpoint.load(folder / "best" / f"{row['step']:06d}")
        assert state["step"] == row["step"]
    if named[0]:
        assert checkpoint.load_by_name(folder, "best")[0]["step"] == named[0]["step"]
    return [row and row["step"] for row in named]


def test_death_between_any_two_calls_leaves_the_best_checkpoint(tmp_path, monkeypatch):
    improving(monkeypatch)
    play(start(tmp_path / "before"), 4, save_every=4, early_stopping=EVERY)
    seen = set()
    for call in range(1, 200):
        folder = tmp_path / "run"
        shutil.copytree(tmp_path / "before", folder)
        child = os.fork()
        if not child:
            run = start(folder)
            die_at(call)
            play(run, 8, save_every=4, early_stopping=EVERY)
            os._exit(0)
        finished = os.waitpid(child, 0)[1] == 0
        seen.add(require_best(folder)[0])
        shutil.rmtree(folder)
        if finished:
            break
    assert finished
    assert seen == {4, 6, 8}


def test_resuming_after_a_kill_keeps_the_best_checkpoint(tmp_path, monkeypatch):
    improving(monkeypatch)
    run = start(tmp_path / "run")
    for report in (reports := run.fit(20, save_every=5, early_stopping=EVERY)):
        if report.step == 8:
            break
    monkeypatch.setattr("sparring.runs.loop.CheckpointWriter.save", lambda self, **_: None)  # as at a kill
    reports.close()
    monkeypatch.undo()
    runs.quick(monkeypatch)
    improving(monkeypatch, after=2)
    assert require_best(tmp_path / "run") == [8, 4]
    resumed = start(tmp_path / "run")
    assert resumed.step == 5
    next(reports := resumed.fit(20, save_every=5, early_stopping=EVERY))
    assert best(resumed.evaluations, 6)["step"] == 6
    reports.close()
    require_best(tmp_path / "run")


def test_a_later_checkpoint_that_is_not_the_best_after_going_back_is_removed(tmp_path, monkeypatch):
    improving(monkeypatch)
    folder = play(start(tmp_path / "run"), 5, save_every=5, early_stopping=EVERY).folder
    state = checkpoint.load(folder / "best/000004")
    checkpoint.save(folder, 8, state, keep=None, kind="best")  # of a training that went on and was killed
    improving(monkeypatch, after=2, until=3)  # step 6 is the best, step 8 is not
    reports = start(folder).fit(20, save_every=5, early_stopping=EVERY)
    assert [next(reports).step for _ in range(2)] == [6, 7]
    assert [path.name for path in checkpoint.list_checkpoints(folder, "best")] == ["000004", "000006", "000008"]
    assert next(reports).step == 8
    assert [path.name for path in checkpoint.list_checkpoints(folder, "best")] == ["000004", "000006"]
    reports.close()
    require_best(folder)


def test_going_back_keeps_the_best_checkpoint_up_to_there(tmp_path, monkeypatch):
    improving(monkeypatch)
    run = start(tmp_path / "run", "robustness.test_best_checkpoint:sickly", arguments={})
    found = []

    def train():
        for _ in run.fit(20, save_every=5, early_stopping=EVERY, on_nonfinite=NonFinitePolicy(rollbacks=2)):
            require_best(run.folder)
            found.append((run.step, len(run.rollbacks)))

    with pytest.raises(Diverged):
        train()
    assert [each for each in found if each[0] == 6] == [(6, 0), (6, 1), (6, 2)]
    assert load_game(run.folder, checkpoint="best") is not None


def test_the_best_checkpoint_has_the_best_evaluation(tmp_path, monkeypatch):
    """A best checkpoint without its row is that of a process that died between the two."""
    improving(monkeypatch)
    run = play(start(tmp_path / "run"), 4, early_stopping=EVERY)
    checkpoint.save(run.folder, 9, checkpoint.load(run.folder / "best/000004"), keep=None, kind="best")
    assert checkpoint.load_by_name(run.folder, "best")[0]["step"] == 4
    shutil.rmtree(run.folder / "best/000004")
    state, notes = checkpoint.load_by_name(run.folder, "best")
    assert state is not None
    assert "that of step 4, is gone: that of step 9 is used" in notes[0]
