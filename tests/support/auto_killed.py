"""Automatic trainings in children that are killed: python auto_killed.py FOLDER KILLS prints what became of them."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script, it finds its helpers

from sparring import data
from sparring.experiments import auto as module
from sparring.experiments import auto_journal
from sparring.runs import run as run_module
from sparring.runs import snapshots
from sparring.runs.checkpoint import load_by_name
from support import auto_runs, runs
from support.forked import codes, fork

STEPS = 60
DECISIONS = ("candidate", "rung", "at", "value", "survivors", "retired", "until", "end", "anneal", "candidates")


class _Patch:
    """Sets attributes for the life of this process, in place of a monkeypatch."""

    def setattr(self, target: Any, name: str, value: Any) -> None:
        setattr(target, name, value)


def play(folder: Path) -> None:
    """The one call, made again after each death."""
    auto_runs.played(folder, STEPS)


def wait(child: int, journal: Path, rows: int) -> bool:
    """Wait until the journal has so many rows, and return whether the child is alive."""
    while not journal.exists() or journal.read_bytes().count(b"\n") < rows:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.002)
    return True


def torment(folder: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    """Train without and with deaths at random moments, and compare what comes out."""
    assert codes([fork(play, folder / "straight")]) == [0]
    journal = folder / "killed" / auto_journal.FILE
    whole = (folder / "straight" / auto_journal.FILE).read_bytes().count(b"\n")
    deaths = []
    for mark in sorted(rng.randrange(whole) for _ in range(kills)):
        child = fork(play, folder / "killed")
        if wait(child, journal, mark):
            time.sleep(rng.uniform(0, 0.2))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            deaths.append(mark)
    assert codes([fork(play, folder / "killed")]) == [0]
    names = [json.loads((folder / name / "best.json").read_text())["run"] for name in ("straight", "killed")]
    ends = [
        load_by_name(folder / name / run, "best")[0] for name, run in zip(("straight", "killed"), names, strict=True)
    ]
    return {
        "deaths": deaths,
        "winners": names,
        "difference": runs.difference(*ends),
        "journals": [decisions(folder / name / auto_journal.FILE) for name in ("straight", "killed")],
        "left over": [path.name for path in folder.rglob("*.tmp*")],
    }


def decisions(journal: Path) -> list[dict[str, Any]]:
    """Return the rows of a journal without times."""
    rows = map(json.loads, journal.read_text().splitlines())
    return [{"event": row["event"], **{key: row[key] for key in DECISIONS if key in row}} for row in rows]


def main(folder: Path, kills: int) -> dict[str, Any]:
    """Prepare this process, so that forks are quick, and return the results."""
    torch.set_num_threads(1)
    auto_runs.small(_Patch())
    run_module.load_data = module.load_data = cache(data.load)
    snapshots.save_grid = lambda *_, **__: None
    return torment(folder, kills, random.Random())


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
