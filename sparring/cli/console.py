"""Output for users: lines, tables, and progress, as a bar on a terminal and as plain lines elsewhere."""

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

__all__ = ["Progress", "clock", "progress", "say", "say_data", "say_lines", "show_table", "unbroken", "warn"]

EVERY = {True: 0.25, False: 5.0}  # seconds between two updates, on a terminal and elsewhere

BAR = 20  # columns of the bar; text after it and the percentage is cut to the width of the terminal


GONE = {errno.EPIPE, errno.EBADF, errno.EINVAL, errno.EIO, errno.ECONNRESET}  # errors of a stream without a reader


class _Raw(io.FileIO):
    """A stream that discards output once its reader is gone or it cannot be written.

    Attributes:
        lost: The error since which output is discarded, if any.
    """

    lost: OSError | None = None

    def write(self, content: Any) -> int:
        """Write or discard bytes."""
        if self.lost is None:
            try:
                return super().write(content)
            except OSError as error:
                self.lost = error
        return memoryview(content).nbytes


@contextmanager
def unbroken() -> Iterator[Callable[[], OSError | None]]:
    """Let a command continue when the reader of its output is gone, or its streams are closed.

    Yields:
        A function that returns the error that lost output; None if no output was lost, or its reader was gone.
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
    """Return a stream over the same file whose errors are not raised; a stream without a file is returned as it is."""
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
    """Print one line to standard output at once."""
    print(*map(printable, words), flush=True)


def say_lines(text: str) -> None:
    """Print several lines."""
    for line in text.splitlines():
        say(line)


def warn(*words: object) -> None:
    """Print one line to standard error at once."""
    print(*map(printable, words), flush=True, file=sys.stderr)


def show_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table of text; cells are folded on a narrow terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*heads, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = Console()
    (console if console.is_terminal else Console(width=200)).print(table)


class Progress:
    """Progress of some work; see `progress`.

    Args:
        show: Called with the amount done, the total and a line of status.
        done: Amount done at the start.
        total: Amount to be done.
        every: Seconds between two calls.
        keep: Whether the last state is shown as well.
    """

    def __init__(
        self, show: Callable[[float, float, str], None], done: float, total: float, every: float, keep: bool
    ) -> None:
        self._show, self._start, self._total, self._every, self._keep = show, done, total, every, keep
        self._begun = self._last = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return max(time.perf_counter() - self._begun, 1e-9)

    def left(self, done: float, total: float) -> str:
        """Return the time that the rest will take, as text.

        Args:
            done: Amount done.
            total: Amount to be done.
        """
        return clock(self.seconds * (total - done) / max(done - self._start, 1e-9))

    def due(self, done: float, total: float | None = None) -> bool:
        """Return whether it is time to show the state.

        Args:
            done: Amount done.
            total: Amount to be done. Default: that of the start.
        """
        waited = time.perf_counter() - self._last >= self._every
        return waited or (self._keep and done >= (self._total if total is None else total))

    def update(self, done: float, total: float | None = None, head: str = "", tail: str = "") -> None:
        """Show the state, if it is time.

        Args:
            done: Amount done.
            total: Amount to be done. Default: that of the start.
            head: Status before the time that is left. Default: the amounts.
            tail: Status after it.
        """
        total = self._total if total is None else total
        if self.due(done, total):
            self._last = time.perf_counter()
            words = [head or f"{done:,} of {total:,}", f"{self.left(done, total)} left", tail]
            self._show(done, total, "  ".join(filter(None, words)))

    def line(self, text: str, done: float, head: str) -> None:
        """Print an event, and show the state with it.

        Args:
            text: The event.
            done: Amount done.
            head: Status.
        """
        known = f", about {self.left(done, self._total)} left" if done > self._start else ""
        if sys.stdout.isatty():
            say(text)
            self._show(done, self._total, f"{head}{known}")
        else:
            say(f"{text}; {head}{known}")


@contextmanager
def progress(description: str = "", done: float = 0, total: float = 1, *, keep: bool = False) -> Iterator[Progress]:
    """Show progress: a bar on a terminal, else a plain line every few seconds.

    Args:
        description: Text before each status.
        done: Amount done at the start.
        total: Amount to be done.
        keep: Show the last state as well, and keep the bar. Default: short work is not shown.
    """
    before = f"{description}: " if description else ""
    if not sys.stdout.isatty():
        yield Progress(lambda done, total, status: say(f"{before}{status}"), done, total, EVERY[False], keep)
        return
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    columns = BarColumn(BAR), TaskProgressColumn(), TextColumn("{task.description}", markup=False)
    with Bar(*columns, transient=not keep) as bar:
        task = bar.add_task("", total=total)
        bar.update(task, completed=done)

        def show(done: float, total: float, status: str) -> None:
            words = Text(printable(f"{before}{status}"))
            words.truncate(max(1, bar.console.width - BAR - len(" 100% ")), overflow="ellipsis")
            bar.update(task, completed=done, total=total, description=words.plain)

        yield Progress(show, done, total, EVERY[True], keep)


def say_data(dataset: Dataset, held: int = 0) -> None:
    """Print the interpretation of the data, in two lines.

    Args:
        dataset: All of it.
        held: Number of its rows that are held out.
    """
    rows, details = dataset.describe()
    say(f"data: {rows}" + (f", {held:,} of them held out" if held else ""))
    say(f"read as: {details}")


def clock(seconds: float) -> str:
    """Return a duration as text.

    >>> clock(5), clock(65), clock(3700)
    ('5 s', '1 min 05 s', '1 h 01 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
