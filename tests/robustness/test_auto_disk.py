"""A disk that is full during an automatic training: room is made, or one sentence is said, and nothing is lost."""

from __future__ import annotations

import json

import pytest

from sparring.errors import RunError
from sparring.runs.checkpoint import list_checkpoints, load_by_name
from support import auto_runs, runs
from support.disks import fill, small_disk
from support.runs import difference

quick = pytest.fixture(autouse=True)(runs.quick)
disk = pytest.fixture(small_disk)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    auto_runs.small(monkeypatch)


def winner(folder):
    return load_by_name(folder / json.loads((folder / "best.json").read_text())["run"], "best")[0]


def filled(disk, leave):
    """An automatic training whose disk is full from the finish on, once."""
    found = auto_runs.training(disk / "auto", 60)

    def full(moment):
        if moment.stage.startswith("finish") and not (disk / "filler").exists():
            fill(disk, leave)

    found.progress = full
    return found


def test_checkpoints_of_retired_candidates_make_room_and_the_training_ends_as_if_there_had_been_enough(disk, tmp_path):
    auto_runs.played(tmp_path / "straight", 60)
    found = filled(disk, 40_000)
    try:
        found.play()
    except RunError:  # the room that was made was not enough for the rest
        (disk / "filler").unlink()
        auto_runs.played(disk / "auto", 60)
    assert any(
        note.startswith("The disk was full: checkpoints of candidates that retired made room") for note in found.notes
    )
    retired = json.loads(next(line for line in (disk / "auto/auto.jsonl").read_text().splitlines() if "halved" in line))
    assert all(not list_checkpoints(disk / "auto/candidates" / name) for name in retired["retired"])
    assert difference(winner(tmp_path / "straight"), winner(disk / "auto")) == ""


def test_a_disk_that_stays_full_ends_it_with_a_sentence_and_the_same_call_goes_on_later(disk, tmp_path, monkeypatch):
    monkeypatch.setattr("sparring.experiments.auto.AutoTraining._make_room", lambda self: False)
    auto_runs.played(tmp_path / "straight", 60)
    with pytest.raises(
        RunError, match=r"too full for a checkpoint: .* The best so far is .*, usable with --checkpoint"
    ):
        filled(disk, 40_000).play()
    assert (disk / "auto" / "best.json").exists()
    (disk / "filler").unlink()
    auto_runs.played(disk / "auto", 60)
    assert difference(winner(tmp_path / "straight"), winner(disk / "auto")) == ""
