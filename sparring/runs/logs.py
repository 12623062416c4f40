"""What a run tells while it trains: files of JSON lines, each line about one step.

    log.jsonl       {"step": 2, "images": 128, "updates": {"D": 2, "G": 2}, "terms": {"D/adversarial": 1.38, ...}}
    timing.jsonl    {"step": 2, "seconds": 0.05, "images_per_second": 2560.0, "memory": 451000000}

Counts are totals since the start of the run. Where there were any, "skipped" counts the moves that were not made since
they were not finite ("updates" counts them, too), and "rollbacks" how often the training went back (see `remedies`).
With several processes, "allreduce_bytes" are the bytes of gradients and batch-norm statistics that each process sends
through all-reduce, in this step or, in ``timing.jsonl``, in one step on average; "allreduce_seconds" are the seconds of
a step that the first process spends in it, waiting for the others included.
The log knows no clock: it is a function of the run's settings, byte for byte, however often the training was stopped.
Lines beyond the checkpoint from which it goes on are dropped, as is an incomplete last line, which a killed process
leaves. Any other line that cannot be read, or is out of order, is left out with a note, and the file as it was is kept
beside it as ``log.jsonl.broken-1``.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import torch

from sparring._io.atomic import io_errors
from sparring._io.folder import Folder
from sparring.errors import Diverged
from sparring.runs.arrival import arrived, waits
from sparring.runs.events import Events
from sparring.training import distributed
from sparring.training.gradient_sync import GradientSync
from sparring.training.trainer import StepReport

Line = dict[str, Any]
LARGEST = 2**32  # bytes that are read of a journal
LONGEST = 2**20  # bytes of a line
NUMBERS = ("images", "seconds", "value")  # of a line, beside its terms
FARTHEST = 2**63  # above every step
LIMIT = 1e300  # of the size of a number; larger ones overflow when they are added or drawn
LAG = 50  # steps whose reports may wait on a device for one transfer
HOPELESS = 100  # steps in a row with skipped moves, after which a training is over


class JsonLinesWriter:
    """A file of JSON lines that only grows, except that it is cut back to a step when it is opened.

    Args:
        path: The file.
        step: Lines about later steps are dropped.
        folder: The folder that it is in, if that is open. Default: found by the path.

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
        """Appends lines, to be seen by other processes at once.

        Args:
            lines: Each with its "step".
        """
        with io_errors(self.path):
            self._file.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            self._file.flush()

    def settle(self) -> None:
        """Waits until the disk has every line."""
        with io_errors(self.path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file; what a full disk refused before is not tried again."""
        with suppress(OSError):
            self._file.close()


def read(path: str | Path, notes: list[str] | None = None, folder: Folder | None = None) -> list[Line]:
    """Reads the lines of a journal that can be read; of one that is being written, all that are complete.

    Args:
        path: ``log.jsonl``, ``timing.jsonl`` or ``evaluations.jsonl``; one that is missing has no lines.
        notes: Gets a sentence if lines cannot be read.
        folder: The folder that it is in, if that is open. Default: found by the path.

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


class Log:
    """Both journals of a run, fed with reports; only the first rank writes.

    What is not finite is noticed at once on the CPU. On a device, where looking means waiting, reports are
    collected and brought over in one transfer, at the latest when the log must be settled for a checkpoint.

    Args:
        folder: The run's, by its path or open.
        step: Steps completed; lines about later ones are dropped.
        images: Images seen.
        updates: Moves of each player.
        skipped: Moves of each player that were not made; counted up as reports arrive.
        rollbacks: How often the training went back.
        tensorboard: Write TensorBoard's events, too.

    Attributes:
        notes: Sentences about lines that could not be read.
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
        self._events: list[Events] = []
        if distributed.rank() == 0:
            self._open(Folder.open(folder), tensorboard)
            self.notes = [note for journal in self._journals for note in journal.notes]
        self._clock = Throughput(self._journals[-1].last if self._journals else {})

    def add(self, report: StepReport) -> None:
        """Notes what a step did.

        Args:
            report: Straight from the trainer.

        Raises:
            Diverged: If anything in it, or in one that waited, is not finite, or moves were skipped for too long.
        """
        self._waiting.append(report)
        if not waits(report) or len(self._waiting) >= LAG:
            self._flush()
        self._time(self._clock.tick(report.step, report.images, report.gradient_sync))

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

    def _open(self, home: Folder, tensorboard: bool) -> None:
        """Opens all files, or none."""
        try:
            for name in ("log.jsonl", "timing.jsonl"):
                self._journals.append(JsonLinesWriter(home.path / name, self._step, home))
            if tensorboard:
                self._events.append(Events(home, self._step))
        except BaseException:
            self.close()
            raise

    def _files(self) -> list[JsonLinesWriter | Events]:
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

    def _line(self, report: StepReport) -> Line:
        report.require_finite()
        terms = report.scalars()
        self._skip(report)
        self._step, self._images = report.step, self._images + report.images
        for player, moves in report.updates.items():
            self._updates[player] = self._updates.get(player, 0) + moves
        line = {"step": report.step, "images": self._images, "updates": dict(self._updates), "terms": terms}
        line |= {"allreduce_bytes": report.gradient_sync.bytes} if report.gradient_sync.bytes else {}
        line |= {"skipped": dict(self._skipped)} if self._skipped else {}
        return line | ({"rollbacks": self._rollbacks} if self._rollbacks else {})

    def _skip(self, report: StepReport) -> None:
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


class Throughput:
    """How long a run has been trained, over all its processes' lives.

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
        """Returns a line if it is time for one.

        Args:
            step: Steps completed.
            images: Images that this step saw.
            gradient_sync: What this step exchanged with other processes; None where there was no step.
            now: It is time.
        """
        self._images += images
        self._exchanges += [gradient_sync] if gradient_sync and gradient_sync.times else []
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
        return {
            "allreduce_bytes": exchanged,
            "allreduce_seconds": round(sum(step.seconds for step in steps) / len(steps), 6),
        }


def memory() -> int:
    """Returns the most bytes that were in use at once: on the CUDA device where there is one, else by the process."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    if sys.platform == "win32":
        return 0
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class _Survey:
    """What the complete lines of a journal hold, and which of them can be used.

    Args:
        folder: The folder that it is in.
        name: What it is called; one that is missing has no lines.
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
        """Reads a line."""
        with self.folder.open_to_read(self.name, LARGEST) as file:
            return json.loads(self._text(file, index))

    def what(self) -> str:
        """Says which lines are broken."""
        first = f"line {self.broken[0] + 1}"
        if len(self.broken) == 1:
            return f"{first} cannot be read or is out of order"
        return f"{len(self.broken)} lines cannot be read or are out of order, the first of them {first}"

    def restore(self, kept: Sequence[int]) -> str:
        """Keeps a copy of the file, then leaves all lines out but those of some indices; returns a sentence."""
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
    """Yields each line that ends, or an empty one in place of what is no line of a journal, and where it ends."""
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
    """Returns what a line says, or an empty one if it is no line of a journal."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return line if isinstance(line, dict) and _wellformed(line) else {}


def _wellformed(line: Line) -> bool:
    """Tells whether a line has a step, and numbers where the library reads numbers."""
    terms = line.get("terms", {})
    numbers = [*(line[name] for name in NUMBERS if name in line), *(terms.values() if isinstance(terms, dict) else "?")]
    step = line.get("step")
    return type(step) is int and 0 <= step < FARTHEST and all(map(_number, numbers))


def _number(value: Any) -> bool:
    """Tells whether a value is a number that every computation and drawing can hold, or is not finite."""
    return type(value) in (int, float) and (abs(value) <= LIMIT or value != value or abs(value) == math.inf)


def _in_order(steps: Sequence[int]) -> list[int]:
    """Returns the indices of as many steps as possible that never fall; those below 0 are passed over.

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
