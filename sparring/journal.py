"""What a run tells while it trains: files of JSON lines, each line about one step.

    log.jsonl       {"step": 2, "images": 128, "updates": {"D": 2, "G": 2}, "terms": {"D/adversarial": 1.38, ...}}
    timing.jsonl    {"step": 2, "seconds": 0.05, "images_per_second": 2560.0, "memory": 451000000}

Counts are totals since the start of the run. Where there were any, "skipped" counts the moves that were not made since
they were not finite ("updates" counts them, too), and "rollbacks" how often the training went back (see `remedies`).
Of several processes, "exchanged" are the bytes of gradients and batch-norm statistics that each gave to all-reduce, in
this step or, in ``timing.jsonl``, in one step on average; "exchanging" are the seconds that the first process spent on
it a step, its waiting for the others included.
The log knows no clock: it is a function of the run's settings, byte for byte, however often the training was stopped.
Lines beyond the checkpoint from which it goes on are dropped.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from sparring import parallel
from sparring.arrival import arrived, waits
from sparring.durable import writing
from sparring.errors import Diverged
from sparring.events import Events
from sparring.exchange import Exchange
from sparring.trainer import Report

Line = dict[str, Any]
LAG = 50  # steps whose reports may wait on a device for one transfer
HOPELESS = 100  # steps in a row with skipped moves, after which a training is over


class Journal:
    """A file of JSON lines that only grows, but for the rewind at its opening.

    Args:
        path: The file.
        step: Lines about later steps are dropped, as is a torn one.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        with writing(path):
            self.last, end = _until(path, step)
            self._file = open(path, "ab")  # noqa: SIM115 (closed by close)
            if self._file.tell() > end:
                self._file.truncate(end)

    def write(self, lines: Iterable[Line]) -> None:
        """Appends lines, to be seen by other processes at once.

        Args:
            lines: Each with its "step".
        """
        with writing(self.path):
            self._file.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            self._file.flush()

    def settle(self) -> None:
        """Waits until the disk has every line."""
        with writing(self.path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file; what a full disk refused before is not tried again."""
        with suppress(OSError):
            self._file.close()


def read(path: str | Path) -> list[Line]:
    """Reads the lines of a journal; of one that is being written, all that are complete.

    Args:
        path: ``log.jsonl`` or ``timing.jsonl``; one that is missing has no lines.
    """
    path = Path(path)
    return [line for line, _ in _lines(path)] if path.exists() else []


class Log:
    """Both journals of a run, fed with reports; only the first rank writes.

    What is not finite is noticed at once on the CPU. On a device, where looking means waiting, reports are
    collected and brought over in one transfer, at the latest when the log must be settled for a checkpoint.

    Args:
        folder: The run's.
        step: Steps completed; lines about later ones are dropped.
        images: Images seen.
        updates: Moves of each player.
        skipped: Moves of each player that were not made; counted up as reports arrive.
        rollbacks: How often the training went back.
        tensorboard: Write TensorBoard's events, too.
    """

    def __init__(
        self,
        folder: Path,
        step: int,
        images: int,
        updates: dict[str, int],
        *,
        skipped: dict[str, int] | None = None,
        rollbacks: int = 0,
        tensorboard: bool = False,
    ) -> None:
        self._step, self._images, self._updates = step, images, dict(updates)
        self._skipped = {} if skipped is None else skipped
        self._rollbacks, self._row = rollbacks, 0
        self._waiting: list[Report] = []
        self._journals: list[Journal] = []
        self._events: list[Events] = []
        if parallel.rank() == 0:
            self._events = [Events(folder, step)] if tensorboard else []
            self._journals = [Journal(folder / name, step) for name in ("log.jsonl", "timing.jsonl")]
        self._clock = Clock(self._journals[-1].last if self._journals else {})

    def add(self, report: Report) -> None:
        """Notes what a step did.

        Args:
            report: Straight from the trainer.

        Raises:
            Diverged: If anything in it, or in one that waited, is not finite, or moves were skipped for too long.
        """
        self._waiting.append(report)
        if not waits(report) or len(self._waiting) >= LAG:
            self._flush()
        self._time(self._clock.tick(report.step, report.images, report.exchange))

    def settle(self) -> None:
        """Writes everything and waits until the disk has it.

        Raises:
            Diverged: If anything in a report that waited is not finite.
        """
        self._flush()
        self._time(self._clock.tick(self._step, 0, now=True))
        for file in self._files():
            file.settle()

    def close(self) -> None:
        """Closes the files."""
        for file in self._files():
            file.close()

    def _files(self) -> list[Journal | Events]:
        return [*self._journals, *self._events]

    def _flush(self) -> None:
        lines = []
        try:
            for report in arrived(self._waiting):
                lines.append(self._line(report))
        finally:  # what was good before a term diverged is worth reading
            self._waiting = []
            if self._journals:
                self._journals[0].write(lines)
            for events in self._events:
                events.write(lines)

    def _line(self, report: Report) -> Line:
        report.require_finite()
        terms = report.scalars()
        self._skip(report)
        self._step, self._images = report.step, self._images + report.images
        for player, moves in report.updates.items():
            self._updates[player] = self._updates.get(player, 0) + moves
        line = {"step": report.step, "images": self._images, "updates": dict(self._updates), "terms": terms}
        line |= {"exchanged": report.exchange.bytes} if report.exchange.bytes else {}
        line |= {"skipped": dict(self._skipped)} if self._skipped else {}
        return line | ({"rollbacks": self._rollbacks} if self._rollbacks else {})

    def _skip(self, report: Report) -> None:
        """Counts the moves that were not made."""
        counts = {player: round(float(count)) for player, count in report.skipped.items() if count}
        for player, count in counts.items():
            self._skipped[player] = self._skipped.get(player, 0) + count
        self._row = self._row + 1 if counts else 0
        if self._row >= HOPELESS:
            what = f"moves of {' and '.join(counts)} were skipped in {HOPELESS} steps in a row"
            raise Diverged(f"Step {report.step}: {what}; lower the learning rate.")

    def _time(self, line: Line | None) -> None:
        if line and self._journals:
            self._journals[1].write([line])


class Clock:
    """How long a run has been trained, over all its processes' lives.

    Args:
        before: The last line of ``timing.jsonl``, or an empty one.
        every: Seconds between two lines.
    """

    def __init__(self, before: Line, every: float = 5.0) -> None:
        self._before, self._every = before.get("seconds", 0.0), every
        self._start = self._last = time.perf_counter()
        self._images = 0
        self._exchanges: list[Exchange] = []

    def tick(self, step: int, images: int, exchange: Exchange | None = None, *, now: bool = False) -> Line | None:
        """Returns a line if it is time for one.

        Args:
            step: Steps completed.
            images: Images that this step saw.
            exchange: What this step exchanged with other processes; None where there was no step.
            now: It is time.
        """
        self._images += images
        self._exchanges += [exchange] if exchange and exchange.times else []
        moment = time.perf_counter()
        if not now and moment - self._last < self._every:
            return None
        speed = self._images / max(moment - self._last, 1e-9)
        self._last, self._images = moment, 0
        seconds = round(self._before + moment - self._start, 3)
        line = {"step": step, "seconds": seconds, "images_per_second": round(speed, 1), "memory": memory()}
        return line | self._exchanged()

    def _exchanged(self) -> Line:
        """Tells what a step exchanged since the last line, on average, and forgets it."""
        steps, self._exchanges = self._exchanges, []
        if not steps:
            return {}
        exchanged = round(sum(step.bytes for step in steps) / len(steps))
        return {"exchanged": exchanged, "exchanging": round(sum(step.seconds for step in steps) / len(steps), 6)}


def memory() -> int:
    """Returns the most bytes that were in use at once: on the CUDA device where there is one, else by the process."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    if sys.platform == "win32":
        return 0
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _until(path: Path, step: int) -> tuple[Line, int]:
    """Returns the last line that is not about a later step, and the position of its end."""
    last, end = {}, 0
    if path.exists():
        for line, position in _lines(path):
            if line["step"] > step:
                break
            last, end = line, position
    return last, end


def _lines(path: Path) -> Iterator[tuple[Line, int]]:
    """Yields each complete line and the position of its end; stops at a torn one."""
    position = 0
    with open(path, "rb") as file:
        for text in file:
            position += len(text)
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                return
            if not (text.endswith(b"\n") and isinstance(line, dict) and isinstance(line.get("step"), int)):
                return
            yield line, position
