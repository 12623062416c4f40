"""What the user sees: sentences, tables, and the progress of a training.

On a terminal a training is a bar with the losses, the speed and the time left; elsewhere it is one plain line every few
seconds.
"""

from __future__ import annotations

import errno
import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from sparring.errors import printable

if TYPE_CHECKING:
    from sparring.data import Dataset
    from sparring.game import Stage
    from sparring.training.trainer import StepReport

__all__ = ["Ticker", "bar", "say", "say_data", "say_lines", "show_table", "ticker", "unbroken", "warn"]

EVERY = {True: 0.25, False: 5.0}  # seconds between two looks at the losses, on a terminal and elsewhere

BAR = 20  # columns of the terminal; it and the percentage stay, what is behind them is cut


GONE = {errno.EPIPE, errno.EBADF, errno.EINVAL, errno.EIO, errno.ECONNRESET}  # errors of a stream that nobody reads


class _Raw(io.FileIO):
    """A stream that drops what nobody reads any longer, or what cannot be written.

    Attributes:
        lost: The error since which everything is dropped, if there was one.
    """

    lost: OSError | None = None

    def write(self, content: Any) -> int:
        """Writes, or drops, some bytes."""
        if self.lost is None:
            try:
                return super().write(content)
            except OSError as error:
                self.lost = error
        return memoryview(content).nbytes


@contextmanager
def unbroken() -> Iterator[Callable[[], OSError | None]]:
    """Lets a command go on when nobody reads its output any longer, or its streams are closed.

    Yields:
        A function that returns the error by which output was lost; None if none was, or nobody wanted it.
    """
    for number in range(3):  # or the first file that is opened would get the number of a closed stream
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    before = sys.stdout, sys.stderr
    raws: list[_Raw] = []
    sys.stdout, sys.stderr = (_unbroken(stream, raws) for stream in before)

    def lost() -> OSError | None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        return next((raw.lost for raw in raws if raw.lost and raw.lost.errno not in GONE), None)

    try:
        yield lost
    finally:
        lost()
        sys.stdout, sys.stderr = before


def _unbroken(stream: Any, raws: list[_Raw]) -> Any:
    """Returns a stream over the same file, whose failures are not raised; one without a file is returned as it is."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    try:
        number = stream.fileno()
    except (OSError, ValueError, AttributeError):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
        return stream
    raws.append(_Raw(number, "w", closefd=False))
    file: IO[bytes] = io.BufferedWriter(raws[-1])
    how = {"encoding": stream.encoding, "errors": "replace"}  # a terminal that lacks é shows ? in its place
    return io.TextIOWrapper(file, **how, line_buffering=stream.isatty() or stream is sys.stderr)


def say(*words: object) -> None:
    """Prints one line to the user at once."""
    print(*map(printable, words), flush=True)


def say_lines(text: str) -> None:
    """Print several lines."""
    for line in text.splitlines():
        say(line)


def warn(*words: object) -> None:
    """Prints one line to the user at once, beside what a command prints."""
    print(*map(printable, words), flush=True, file=sys.stderr)


def show_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows of text under headings; on a terminal too narrow for them the cells are folded."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*heads, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = Console()
    (console if console.is_terminal else Console(width=200)).print(table)


class Ticker:
    """Follows a training from step to step; see `ticker`.

    Args:
        start: Where the training begins, in the unit of `goal`.
        goal: Where it is to end, in steps or in images.
        show: Called with the position, the step, its terms, the speed and the time left, all but the first as text.
        every: Seconds between two calls.
        stages: The parts of the training, if it has any.
    """

    def __init__(self, start: int, goal: int, show: Any, every: float, stages: Sequence[Stage] = ()) -> None:
        self._stages = stages
        self._start, self._goal, self._show, self._every = start, goal, show, every
        self._begun = self._last = time.perf_counter()
        self._images = 0

    def tick(self, report: StepReport, position: int) -> None:
        """Tells of a step, if it is time.

        Args:
            report: What the step did.
            position: Steps completed, or images seen.
        """
        self._images += report.images
        now, last = time.perf_counter(), position >= self._goal
        if now - self._last >= self._every or last:
            self._last = now
            spent = max(now - self._begun, 1e-9)
            left = spent * (self._goal - position) / max(position - self._start, 1)
            terms = "  ".join(f"{name} {value:.4f}" for name, value in report.scalars().items())
            speed = f"{self._images / spent:,.0f} img/s"
            self._show(position, f"step {report.step}{self._stage(report.step)}", terms, speed, clock(left))

    def _stage(self, step: int) -> str:
        """Returns in which part of the training a step was, and how much of that is over; nothing if it has none."""
        for stage in self._stages:
            if step <= stage.end or stage is self._stages[-1]:
                return f"  {stage.name}, {min(1.0, (step - stage.start) / (stage.end - stage.start)):.0%} of it"
        return ""


@contextmanager
def ticker(start: int, goal: int, stages: Sequence[Stage] = ()) -> Iterator[Ticker]:
    """Opens a display of a training's progress.

    Args:
        start: Where the training begins.
        goal: Where it is to end.
        stages: Its parts, if it has any.
    """
    if not sys.stdout.isatty():

        def line(position: int, step: str, terms: str, speed: str, left: str) -> None:
            say(f"{step}  {terms}  {speed}  {left} left")

        yield Ticker(start, goal, line, EVERY[False], stages)
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.text import Text

    with Progress(BarColumn(BAR), TaskProgressColumn(), TextColumn("{task.description}", markup=False)) as progress:
        task = progress.add_task("", total=goal, completed=start)

        def show(position: int, step: str, terms: str, speed: str, left: str) -> None:
            words = Text(printable(f"{left} left  {step}  {speed}  {terms}"))
            words.truncate(max(1, progress.console.width - BAR - len(" 100% ")), overflow="ellipsis")
            progress.update(task, completed=position, description=words.plain)

        yield Ticker(start, goal, show, EVERY[True], stages)


@contextmanager
def bar(words: str) -> Iterator[Callable[[int, int], None]]:
    """Opens a display of work that knows how much is done of how much; short work passes in silence.

    Args:
        words: What is being done.
    """
    begun = last = time.perf_counter()
    if not sys.stdout.isatty():

        def line(done: int, goal: int) -> None:
            nonlocal last
            now = time.perf_counter()
            if now - last >= EVERY[False]:
                last = now
                say(f"{words}: {done:,} of {goal:,}, {clock((now - begun) * (goal - done) / done)} left")

        yield line
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task(printable(words), total=None)
        yield lambda done, goal: progress.update(task, completed=done, total=goal)


def say_data(dataset: Dataset, held: int = 0) -> None:
    """Says what was understood of the data, in two lines.

    Args:
        dataset: All of it.
        held: Rows of it that are held out.
    """
    rows, details = dataset.describe()
    say(f"data: {rows}" + (f", {held:,} of them held out" if held else ""))
    say(f"read as: {details}")


def clock(seconds: float) -> str:
    """Returns a duration as people say it.

    >>> clock(5), clock(65), clock(3700)
    ('5 s', '1 min 05 s', '1 h 01 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
