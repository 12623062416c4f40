"""Trials of a benchmark: which of them are finished or recorded, and training of the others."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sparring.runs.run import Run


def recorded(path: Path) -> list[dict[str, Any]]:
    """Return the cells of a committed record; none where there is no record yet."""
    return json.loads(path.read_text())["cells"] if path.exists() else []


def known(cells: Iterable[Any], runs: Path, recorded: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the cells that were trained here, and those of a record with the same settings, by name.

    Args:
        cells: Dataclasses with a ``name``, the name of their run folder.
        runs: Where run folders are; a finished one holds a ``cell.json``.
        recorded: Rows of a committed record.
    """
    found = {}
    for cell in cells:
        settings, done = json.loads(json.dumps(asdict(cell))), runs / cell.name / "cell.json"
        rows = [json.loads(done.read_text())] if done.exists() else recorded
        if same := [row for row in rows if settings.items() <= row.items()]:
            found[cell.name] = same[0]
    return found


def train_missing(
    cells: Iterable[Any], done: Iterable[str], play: Callable[[Any], Any], record: Callable[[], None]
) -> None:
    """Train the cells that are not done, and write the record after each.

    Args:
        cells: Dataclasses with a ``name``.
        done: Names of those that are finished.
        play: Trains and evaluates one cell.
        record: Writes the record.
    """
    for cell in cells:
        if cell.name not in done:
            play(cell)
            record()


def train(run: Run, name: str, steps: int, every: int = 500) -> None:
    """Train a run up to a step, and print its progress at intervals."""
    start = time.perf_counter()
    for report in run.fit(steps):
        if report.step % every == 0:
            print(f"{name}: step {report.step} of {steps}, {time.perf_counter() - start:.0f} s", flush=True)
