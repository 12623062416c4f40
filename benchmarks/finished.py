"""Which trainings of a benchmark need not be made again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any


def known(cells: Iterable[Any], runs: Path, recorded: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Returns the cells that were trained here, and those of a record with the same settings, by name.

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
