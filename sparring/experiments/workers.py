"""Many cells, a few at a time: each in a process of its own with one thread, or one after another in this process."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import IO

import torch

from sparring.errors import RunError
from sparring.experiments.experiment import Cell
from sparring.experiments.trial import Row, play
from sparring.runs.signals import Stopped, wishes
from sparring.training.parent_watch import parent_env

__all__ = ["Progress", "cores", "train_all"]

Tell = Callable[[str], None]
LOOK = 0.2  # seconds between two looks at the processes


class Progress:
    """Says how far the whole comparison is, and how long it will still take at the pace so far.

    Args:
        cells: All of them.
        tell: Is given each line.
        clock: Turns seconds into words.
    """

    def __init__(self, cells: Sequence[Cell], tell: Tell, clock: Callable[[float], str]) -> None:
        self._shares = {cell.name: 1.0 if cell.closed() else cell.share() for cell in cells}
        self._done, self._tell, self._clock = sum(self._shares.values()), tell, clock
        self._begun = time.perf_counter()

    def judged(self, cell: Cell, row: Row) -> None:
        """Tells of a judgement.

        Args:
            cell: Which.
            row: What it scored.
        """
        self._shares[cell.name] = cell.share()
        scores = ", ".join(f"{score['name']} {float(score['value']):.4g}" for score in row["scores"])
        self._tell(f"{_title(cell)}: step {row['step']:,}, {row['images']:,} images: {scores}; {self._left()}")

    def ended(self, cell: Cell) -> None:
        """Tells of a cell that is over.

        Args:
            cell: Which.
        """
        self._shares[cell.name] = 1.0
        told = cell.read() or {}
        sentence = f": {told['sentence']}" if told.get("sentence") else ""
        self._tell(f"{_title(cell)} {told.get('state', 'never began')}{sentence}; {self._left()}")

    def _left(self) -> str:
        share, all_ = sum(self._shares.values()), len(self._shares)
        whole = f"{sum(s == 1.0 for s in self._shares.values())} of {all_} cells"
        gained = share - self._done
        if not gained:
            return whole
        left = (all_ - share) * (time.perf_counter() - self._begun) / gained
        return f"{whole}, about {self._clock(left)} left"


def _title(cell: Cell) -> str:
    return f"{cell.contestant.label}, seed {cell.seed}"


def cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def train_all(cells: Sequence[Cell], progress: Progress, jobs: int, command: Callable[[Cell], list[str]]) -> None:
    """Trains what is not closed yet.

    Args:
        cells: All of them.
        progress: Is told of everything.
        jobs: Processes at a time; 1 trains in this one.
        command: The words that train a single cell in a process of its own, which leaves when this one is gone.

    Raises:
        RunError: If there are to be more processes than cores.
        Stopped: After a signal, once every process has saved.
    """
    if not 1 <= jobs <= cores():
        raise RunError(f"--jobs is {jobs}, and there are {cores()} cores: give a number from 1 to {cores()}.")
    open_ = [cell for cell in cells if not cell.closed()]
    if jobs == 1 or len(open_) < 2:
        _one_by_one(open_, progress)
    else:
        _side_by_side(open_, progress, jobs, command)


def _one_by_one(cells: Sequence[Cell], progress: Progress) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a process of its own, so that it makes no difference
    try:
        for cell in cells:
            play(cell, progress.judged)
            progress.ended(cell)
    finally:
        torch.set_num_threads(threads)


class _Child:
    """The process of a cell."""

    def __init__(self, cell: Cell, words: list[str]) -> None:
        self.cell, self.seen = cell, len(cell.rows())
        self.told: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by bury)
        here = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", **parent_env()}
        self.process = subprocess.Popen(
            words,
            env=here,
            stdout=subprocess.DEVNULL,
            stderr=self.told,
            stdin=subprocess.DEVNULL,
        )

    def look(self, progress: Progress) -> bool:
        """Tells of what is new, and returns whether the process is still there."""
        running = self.process.poll() is None
        rows = self.cell.rows()
        for row in rows[self.seen :]:
            progress.judged(self.cell, row)
        self.seen = max(self.seen, len(rows))
        return running

    def bury(self) -> None:
        """Writes down why the process died, if it did so without a word in the cell's record."""
        if code := self.process.returncode:
            self.told.seek(0)
            lines = self.told.read().decode(errors="replace").strip().splitlines()
            self.cell.write("failed", f"Its process ended with code {code}: {lines[-1] if lines else 'no word'}")
        self.told.close()


def _side_by_side(cells: Sequence[Cell], progress: Progress, jobs: int, command: Callable[[Cell], list[str]]) -> None:
    waiting, running = list(cells), list[_Child]()
    with wishes(patient=True) as wish:
        try:
            while (waiting or running) and not wish.signal:
                while waiting and len(running) < jobs:
                    cell = waiting.pop(0)
                    running.append(_Child(cell, command(cell)))
                time.sleep(LOOK)
                gone = [child for child in running if not child.look(progress)]
                for child in gone:
                    running.remove(child)
                    child.bury()
                    progress.ended(child.cell)
        finally:
            for child in running:
                child.process.terminate()
            for child in running:
                child.process.wait()
                child.told.close()
    if wish.signal:
        raise Stopped(wish.signal)
