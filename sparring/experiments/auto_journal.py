"""The journal of an automatic training: what was measured and decided, one JSON line each, appended and flushed.

    {"step": 7, "event": "score", "candidate": "rsgan-32", "rung": 0, "at": 450, "images": 14400, "value": 81.2, ...}

A decision is a row: a training that was interrupted reads it and does not decide again. "step" numbers the rows,
"overhead" are the seconds since the row before that no candidate was trained.
"""

from __future__ import annotations

import time
from pathlib import Path

from sparring._io.folder import Folder
from sparring._types import JsonObject
from sparring.runs import logs

__all__ = ["FILE", "Journal"]

FILE = "auto.jsonl"


class Journal:
    """The rows of an automatic training.

    Args:
        home: Its folder, open.

    Attributes:
        rows: All rows, in order.
        notes: Sentences about rows that could not be read.
    """

    def __init__(self, home: Folder) -> None:
        self._file = logs.JsonLinesWriter(home.path / FILE, logs.FARTHEST, home)
        self.rows = logs.read(home.path / FILE, folder=home)
        self.notes = self._file.notes
        self._since = time.perf_counter()

    def add(self, event: str, **facts: object) -> JsonObject:
        """Append a row, and wait until it is on the disk.

        Args:
            event: What happened.
            facts: Its facts, as plain values.
        """
        now = time.perf_counter()
        row = {"step": len(self.rows) + 1, "event": event, **facts, "overhead": round(max(0.0, now - self._since), 3)}
        self._file.write([row])
        self._file.sync()
        self.rows.append(row)
        self._since = now
        return row

    def trained(self, seconds: float) -> None:
        """Take seconds of training out of the overhead of the next row: the log of the run has them.

        Args:
            seconds: Seconds since the last row.
        """
        self._since += seconds

    def find(self, event: str, **facts: object) -> list[JsonObject]:
        """Return the rows of an event.

        Args:
            event: What happened.
            facts: Facts that a row must have.
        """
        rows = (row for row in self.rows if row["event"] == event)
        return [row for row in rows if all(row.get(key) == value for key, value in facts.items())]

    def last(self, event: str, **facts: object) -> JsonObject | None:
        """Return the last row of an event, or None if there is none; the arguments are those of `find`."""
        return next(iter(self.find(event, **facts)[::-1]), None)

    @property
    def overhead(self) -> float:
        """Seconds between the rows so far without training."""
        return sum(float(row["overhead"]) for row in self.rows)

    @property
    def running(self) -> float:
        """Seconds since the last row without training."""
        return max(0.0, time.perf_counter() - self._since)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def training_seconds(folder: Path, step: int = logs.FARTHEST) -> float:
    """Return the seconds of training of a run, by its log; 0 if it has none.

    Args:
        folder: The run's.
        step: The last step that counts. Default: all.
    """
    lines = [line for line in logs.read(folder / "timing.jsonl") if line["step"] <= step]
    return float(lines[-1]["seconds"]) if lines else 0.0
