"""Logs of a training: JSON lines, one for each step, and TensorBoard events.

    log.jsonl       {"step": 2, "images": 128, "updates": {"D": 2, "G": 2}, "terms": {"D/adversarial": 1.38, ...}}
    timing.jsonl    {"step": 2, "seconds": 0.05, "images_per_second": 2560.0, "memory": 451000000}

With annealed learning rates, "anneal" is their factor in this step (see `sparring.runs.loop.FitOptions`).
Counts are totals since the start of the run. Where there are any, "skipped" counts the moves that were skipped because
they were not finite ("updates" counts them as well), and "rollbacks" the rollbacks (see `sparring.runs.recovery`).
With several processes, "allreduce_bytes" are the bytes of gradients and batch-norm statistics that each process sends
through all-reduce, in this step or, in ``timing.jsonl``, in one step on average; "allreduce_seconds" are the seconds of
a step that the first process spends in it, waiting for the others included.
``log.jsonl`` holds no time: it is a function of the run's settings, byte for byte, however often the training was
interrupted. Lines beyond the checkpoint from which it continues are dropped, as is an incomplete last line, which a
killed process leaves. Any other line that cannot be read, or is out of order, is left out with a note, and the file as
it was is kept as ``log.jsonl.broken-1``.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import IO
from uuid import uuid4

import torch
from torch import Tensor

from sparring._io.atomic import io_errors
from sparring._io.folder import Folder
from sparring._io.memory import peak_memory
from sparring._types import JsonObject
from sparring.errors import Diverged, RunError
from sparring.training import distributed
from sparring.training.gradient_sync import GradientSync
from sparring.training.trainer import StepReport

Line = JsonObject
LARGEST = 2**32  # largest size of a file in bytes
LONGEST = 2**20  # bytes of a line
NUMBERS = ("images", "seconds", "value")  # entries of a line that must be numbers, with its terms
FARTHEST = 2**63  # above every step
LIMIT = 1e300  # of the size of a number; larger ones overflow when they are added or drawn
LAG = 50  # steps whose reports may wait on a device for one transfer
TIMING = "timing.jsonl"  # the training time of the run
EVENTS = "events"  # the folder of TensorBoard's events
HOPELESS = 100  # steps in a row with skipped moves, after which a training is over


class JsonLinesWriter:
    """A file of JSON lines that only grows, except that it is cut back to a step when it is opened.

    Args:
        path: The file.
        step: Lines about later steps are dropped.
        folder: Its folder, if that is open. Default: found by the path.

    Attributes:
        last: The last line; empty if there is none.
        notes: A sentence about lines that could not be read, if there were any.
    """

    def __init__(self, path: Path, step: int, folder: Folder | None = None) -> None:
        self.path = path
        self.notes: list[str] = []
        with io_errors(path):
            folder = Folder.open(path.parent) if folder is None else folder
            survey = _Survey(folder, path.name)
            kept = [index for index in survey.sound if survey.steps[index] <= step]
            if survey.broken:
                self.notes = [survey.restore(kept)]
                survey = _Survey(folder, path.name)
                kept = list(range(len(survey.steps)))
            self.last, end = survey.line(kept[-1]) if kept else {}, survey.ends[kept[-1]] if kept else 0
            new = folder.mode(path.name) is None
            self._file = folder.open_to_append(path.name)
            if self._file.tell() > end:
                self._file.truncate(end)
                os.fsync(self._file.fileno())
            if new:
                folder.fsync()

    def write(self, lines: Iterable[Line]) -> None:
        """Append lines; other processes can read them at once.

        Args:
            lines: Each with its "step".
        """
        with io_errors(self.path):
            self._file.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            self._file.flush()

    def sync(self) -> None:
        """Wait until every line is on the disk."""
        with io_errors(self.path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; writes that a full disk refused are not repeated."""
        with suppress(OSError):
            self._file.close()


def read(path: str | Path, notes: list[str] | None = None, folder: Folder | None = None) -> list[Line]:
    """Read the lines of a file of JSON lines; lines that cannot be read, or are incomplete, are left out.

    Args:
        path: ``log.jsonl``, ``timing.jsonl`` or ``evaluations.jsonl``; one that is missing has no lines.
        notes: Gets a sentence if lines cannot be read.
        folder: Its folder, if that is open. Default: found by the path.

    Raises:
        RunError: If it is a link, no regular file, or larger than 4 GiB.
    """
    path = Path(path)
    if folder is None and not path.parent.is_dir():
        return []
    survey = _Survey(Folder.open(path.parent) if folder is None else folder, path.name, keep=True)
    if notes is not None and survey.broken:
        notes.append(f"{path}: {survey.what()}.")
    return [survey.lines[index] for index in survey.sound]


class RunLog:
    """Log of a run, to which step reports are added; only the first rank writes.

    On the CPU values that are not finite are found in their step. Reports on another device are collected and moved
    to the CPU in one transfer, at the latest when a checkpoint is saved.

    Args:
        folder: The run's, by its path or open.
        step: Number of completed steps; lines about later ones are dropped.
        images: Number of images trained on.
        updates: Number of moves of each player.
        skipped: Number of moves of each player that were skipped; updated in place.
        rollbacks: Number of rollbacks.
        tensorboard: Also write TensorBoard events.

    Attributes:
        notes: Sentences about lines that could not be read.
        last: The last line of ``log.jsonl`` when it was opened; empty if there is none, and on other ranks.
    """

    def __init__(
        self,
        folder: Path | Folder,
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
        self._waiting: list[StepReport] = []
        self._journals: list[JsonLinesWriter] = []
        self.notes: list[str] = []
        self._events: list[TensorBoardLogger] = []
        if distributed.rank() == 0:
            self._open(Folder.open(folder), tensorboard)
            self.notes = [note for journal in self._journals for note in journal.notes]
        self.last = self._journals[0].last if self._journals else {}
        self._clock = Throughput(self._journals[-1].last if self._journals else {})

    def add(self, report: StepReport) -> None:
        """Add the report of a step.

        Args:
            report: As the trainer yields it.

        Raises:
            Diverged: If it, or one that was collected before, is not finite, or moves were skipped for too long.
        """
        self._waiting.append(report)
        if not waits_for_device(report) or len(self._waiting) >= LAG:
            self._flush()
        self._time(self._clock.tick(report.step, report.images, report.gradient_sync))

    def sync(self) -> None:
        """Write everything and wait until it is on the disk.

        Raises:
            Diverged: If a report that was collected is not finite.
        """
        self._flush()
        self._time(self._clock.tick(self._step, 0, now=True))
        for file in self._files():
            file.sync()

    def close(self) -> None:
        """Close the files."""
        for file in self._files():
            file.close()

    def _open(self, home: Folder, tensorboard: bool) -> None:
        """Open all files, or none."""
        try:
            for name in ("log.jsonl", TIMING):
                self._journals.append(JsonLinesWriter(home.path / name, self._step, home))
            if tensorboard:
                self._events.append(TensorBoardLogger(home, self._step))
        except BaseException:
            self.close()
            raise

    def _files(self) -> list[JsonLinesWriter | TensorBoardLogger]:
        return [*self._journals, *self._events]

    def _flush(self) -> None:
        lines = []
        try:
            for report in fetch_reports(self._waiting):
                lines.append(self._line(report))
        finally:  # the values before a term diverged are kept
            self._waiting = []
            if self._journals:
                self._journals[0].write(lines)
            for events in self._events:
                events.write(lines)

    def _line(self, report: StepReport) -> Line:
        report.require_finite()
        terms = report.scalars()
        self._skip(report)
        self._step, self._images = report.step, self._images + report.images
        for player, moves in report.updates.items():
            self._updates[player] = self._updates.get(player, 0) + moves
        line = {"step": report.step, "images": self._images, "updates": dict(self._updates), "terms": terms}
        line |= {"allreduce_bytes": report.gradient_sync.bytes} if report.gradient_sync.bytes else {}
        line |= {} if report.anneal is None else {"anneal": report.anneal}
        line |= {"skipped": dict(self._skipped)} if self._skipped else {}
        return line | ({"rollbacks": self._rollbacks} if self._rollbacks else {})

    def _skip(self, report: StepReport) -> None:
        """Count the moves that were skipped."""
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


class Throughput:
    """Training time of a run over all of its processes, and images per second.

    Args:
        before: The last line of ``timing.jsonl``, or an empty one.
        every: Seconds between two lines.
    """

    def __init__(self, before: Line, every: float = 5.0) -> None:
        self._before, self._every = before.get("seconds", 0.0), every
        self._start = self._last = time.perf_counter()
        self._images = 0
        self._exchanges: list[GradientSync] = []

    def tick(
        self, step: int, images: int, gradient_sync: GradientSync | None = None, *, now: bool = False
    ) -> Line | None:
        """Return a line if one is due.

        Args:
            step: Number of completed steps.
            images: Images of this step.
            gradient_sync: Communication of this step; None where there was no step.
            now: Return a line in any case.
        """
        self._images += images
        self._exchanges += [gradient_sync] if gradient_sync and gradient_sync.times else []
        moment = time.perf_counter()
        if not now and moment - self._last < self._every:
            return None
        speed = self._images / max(moment - self._last, 1e-9)
        self._last, self._images = moment, 0
        seconds = round(self._before + moment - self._start, 3)
        line = {"step": step, "seconds": seconds, "images_per_second": round(speed, 1), "memory": peak_memory() or 0}
        return line | self._exchanged()

    def _exchanged(self) -> Line:
        """Return the mean communication of a step since the last line."""
        steps, self._exchanges = self._exchanges, []
        if not steps:
            return {}
        exchanged = round(sum(step.bytes for step in steps) / len(steps))
        return {
            "allreduce_bytes": exchanged,
            "allreduce_seconds": round(sum(step.seconds for step in steps) / len(steps), 6),
        }


def waits_for_device(report: StepReport) -> bool:
    """Return whether reading a report waits for a device.

    Args:
        report: As the trainer yields it.
    """
    return any(value.device.type != "cpu" for value in report.terms.values())


def fetch_reports(reports: list[StepReport]) -> list[StepReport]:
    """Return reports whose numbers are means over the ranks and on the CPU, with one transfer.

    Args:
        reports: As the trainer yields them.
    """
    if not reports:
        return []
    lots = [_numbers(report) for report in reports]
    flat = distributed.all_reduce_mean(torch.cat([numbers for lot in lots for numbers in lot])).cpu()
    parts = iter(torch.split(flat, [len(numbers) for lot in lots for numbers in lot]))
    return [_with(report, [next(parts) for _ in lot]) for report, lot in zip(reports, lots, strict=True)]


def _numbers(report: StepReport) -> list[Tensor]:
    """Return all numbers of a report as tensors (n,)."""
    single = [*report.terms.values(), *report.skipped.values()]
    return [torch.stack([value.float() for value in single]), *(looked.values for looked in report.finite_checks)]


def _with(report: StepReport, numbers: list[Tensor]) -> StepReport:
    """Return a report with other numbers."""
    single, *trail = numbers
    count = len(report.terms)
    return replace(
        report,
        terms=dict(zip(report.terms, single[:count], strict=True)),
        skipped=dict(zip(report.skipped, single[count:], strict=True)),
        finite_checks=tuple(
            replace(looked, values=values) for looked, values in zip(report.finite_checks, trail, strict=True)
        ),
    )


def require_tensorboard() -> None:
    """Refuse to write events if TensorBoard is not installed.

    Raises:
        RunError: If it is not installed.
    """
    if find_spec("tensorboard") is None:
        raise RunError("TensorBoard is not installed: pip install 'sparring[tensorboard]'.")


class TensorBoardLogger:
    """Writes every term of every player against the step; a resumed run purges events of later steps.

    Args:
        folder: The run's folder.
        step: Number of completed steps.

    Raises:
        RunError: If TensorBoard is not installed, or the folder of the events is a link.
    """

    def __init__(self, folder: Path | Folder, step: int) -> None:
        require_tensorboard()
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary = Event, Summary
        place = Folder.open(folder).subfolder(EVENTS, make=True)
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)  # so that files sort by time
        origin = f"{socket.gethostname()}.{os.getpid()}.{uuid4().hex}"
        name = f"events.out.tfevents.{seconds:010d}.{nanoseconds:09d}.{origin}"
        self._file = place.open_to_append(name)
        self._records = RecordWriter(self._file)
        self._add(step=step + 1, file_version="brain.Event:2")
        self._add(step=step + 1, session_log=SessionLog(status=SessionLog.START))  # purges

    def write(self, lines: list[JsonObject]) -> None:
        """Add lines of the log."""
        for line in lines:
            for name, value in line["terms"].items():
                summary = self._summary(value=[self._summary.Value(tag=name, simple_value=value)])
                self._add(step=line["step"], summary=summary)
        self._file.flush()

    def sync(self) -> None:
        """Wait until every event is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; writes that a full disk refused are not repeated."""
        with suppress(OSError):
            self._file.close()

    def _add(self, **what: object) -> None:
        self._records.write(self._event(wall_time=time.time(), **what).SerializeToString())


class _Survey:
    """The complete lines of a file of JSON lines, and which of them can be used.

    Args:
        folder: Its folder.
        name: Its name; a missing file has no lines.
        keep: Keep the lines themselves.
    """

    def __init__(self, folder: Folder, name: str, keep: bool = False) -> None:
        self.folder, self.name = folder, name
        self.steps: list[int] = []  # -1 for a line that cannot be read
        self.ends: list[int] = []
        self.lines: list[Line] = []
        if folder.mode(name) is not None:
            with folder.open_to_read(name, LARGEST) as file:
                for line, end in _complete(file):
                    self.steps.append(line.get("step", -1))
                    self.ends.append(end)
                    if keep:
                        self.lines.append(line)
        self.sound = _in_order(self.steps)
        self.broken = sorted({*range(len(self.steps))} - {*self.sound})

    def line(self, index: int) -> Line:
        """Read a line."""
        with self.folder.open_to_read(self.name, LARGEST) as file:
            line: Line = json.loads(self._text(file, index))
            return line

    def what(self) -> str:
        """Describe which lines are broken."""
        first = f"line {self.broken[0] + 1}"
        if len(self.broken) == 1:
            return f"{first} cannot be read or is out of order"
        return f"{len(self.broken)} lines cannot be read or are out of order, the first of them {first}"

    def restore(self, kept: Sequence[int]) -> str:
        """Keep a copy of the file, then only the lines of some indices; return a sentence."""
        copy = self.folder.free_name(f"{self.name}.broken")
        with self.folder.open_to_read(self.name, LARGEST) as old, self.folder.atomic_write(copy) as file:
            shutil.copyfileobj(old, file)
        with self.folder.open_to_read(self.name, LARGEST) as old, self.folder.atomic_write(self.name) as file:
            for index in kept:
                file.write(self._text(old, index))
        self.folder.fsync()
        return f"{self.folder.path / self.name}: {self.what()}; left out, and the file as it was is kept as {copy}."

    def _text(self, file: IO[bytes], index: int) -> bytes:
        start = self.ends[index - 1] if index else 0
        file.seek(start)
        return file.read(self.ends[index] - start)


def _complete(file: IO[bytes]) -> Iterator[tuple[Line, int]]:
    """Yield each complete line, an empty one in place of one that cannot be used, and where it ends."""
    position, whole = 0, True
    while text := file.readline(LONGEST):
        position += len(text)
        if not text.endswith(b"\n"):
            if len(text) < LONGEST:  # torn by a death, or still being written
                return
            whole = False
            continue
        yield (_line(text) if whole else {}), position
        whole = True


def _line(text: bytes) -> Line:
    """Return the content of a line, empty if it cannot be used."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return line if isinstance(line, dict) and _wellformed(line) else {}


def _wellformed(line: Line) -> bool:
    """Return whether a line has a step, and numbers where the library reads numbers."""
    terms = line.get("terms", {})
    numbers = [*(line[name] for name in NUMBERS if name in line), *(terms.values() if isinstance(terms, dict) else "?")]
    step = line.get("step")
    return type(step) is int and 0 <= step < FARTHEST and all(map(_number, numbers))


def _number(value: object) -> bool:
    """Return whether a value is a number that plots and sums can hold, or is not finite."""
    return (
        isinstance(value, (int, float))
        and type(value) is not bool
        and (abs(value) <= LIMIT or value != value or abs(value) == math.inf)
    )


def _in_order(steps: Sequence[int]) -> list[int]:
    """Return the indices of a longest sequence of steps that never decreases; steps below 0 are left out.

    >>> _in_order([1, 2, 900, 3, 3, -1, 0, 4])
    [0, 1, 3, 4, 7]
    """
    known = [index for index, step in enumerate(steps) if step >= 0]
    if all(steps[one] <= steps[other] for one, other in pairwise(known)):
        return known
    tops: list[int] = []  # tops[k]: the lowest step that ends k + 1 steps in order, at the index last[k]
    last: list[int] = []
    before: dict[int, int | None] = {}
    for place in known:
        k = bisect_right(tops, steps[place])
        before[place] = last[k - 1] if k else None
        tops[k : k + 1], last[k : k + 1] = [steps[place]], [place]
    chosen = [last[-1]]
    while (index := before[chosen[-1]]) is not None:
        chosen.append(index)
    return chosen[::-1]
