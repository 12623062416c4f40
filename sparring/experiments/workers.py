"""Parallel trials: several processes with one thread each, or one trial after another in this process."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import IO

import torch

from sparring.errors import RunError
from sparring.experiments.experiment import Trial
from sparring.experiments.trial import Row, run_trial
from sparring.runs.signals import Stopped, catch_stop_signals
from sparring.training.parent_watch import parent_env

__all__ = ["Monitor", "cores", "run_trials"]

Show = Callable[[str, float, str], None]
POLL_SECONDS = 0.2  # seconds between two polls of the processes


class Monitor:
    """Follows a comparison by the share of its budget that every trial has used.

    Args:
        trials: All trials.
        show: Called with an event, the sum of the shares, and the number of trials that are closed.
    """

    def __init__(self, trials: Sequence[Trial], show: Show) -> None:
        self._shares = {trial.name: 1.0 if trial.is_closed() else trial.share() for trial in trials}
        self._show = show

    @property
    def done(self) -> float:
        """The sum of the shares."""
        return sum(self._shares.values())

    def evaluated(self, trial: Trial, row: Row) -> None:
        """Report an evaluation.

        Args:
            trial: The trial.
            row: Its scores.
        """
        scores = ", ".join(f"{score['name']} {float(score['value']):.4g}" for score in row["scores"])
        self._report(trial, trial.share(), f": step {row['step']:,}, {row['images']:,} images: {scores}")

    def ended(self, trial: Trial) -> None:
        """Report the end of a trial.

        Args:
            trial: The trial.
        """
        record = trial.read() or {}
        error = f": {record['error']}" if record.get("error") else ""
        self._report(trial, 1.0, f" {record.get('state', 'never began')}{error}")

    def _report(self, trial: Trial, share: float, event: str) -> None:
        self._shares[trial.name] = share
        closed = sum(each == 1.0 for each in self._shares.values())
        self._show(f"{_title(trial)}{event}", self.done, f"{closed} of {len(self._shares)} trials")


def _title(trial: Trial) -> str:
    return f"{trial.entry.label}, seed {trial.seed}"


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_trials(trials: Sequence[Trial], monitor: Monitor, jobs: int, command: Callable[[Trial], list[str]]) -> None:
    """Train the trials that are not closed.

    Args:
        trials: All trials.
        monitor: Called after every evaluation and every end.
        jobs: Number of parallel processes. With 1, trials run in this process.
        command: Function that returns the command line of a process for one trial, which exits with this process.

    Raises:
        RunError: If there are more processes than cores.
        Stopped: After a signal, when every process has saved its checkpoint.
    """
    if not 1 <= jobs <= cores():
        raise RunError(f"--jobs is {jobs}, and there are {cores()} cores: give a number from 1 to {cores()}.")
    open_ = [trial for trial in trials if not trial.is_closed()]
    if jobs == 1 or len(open_) < 2:
        _run_in_process(open_, monitor)
    else:
        _run_in_workers(open_, monitor, jobs, command)


def _run_in_process(trials: Sequence[Trial], monitor: Monitor) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a process of its own, so that it makes no difference
    try:
        for trial in trials:
            run_trial(trial, monitor.evaluated)
            monitor.ended(trial)
    finally:
        torch.set_num_threads(threads)


class _Worker:
    """Process of a trial."""

    def __init__(self, trial: Trial, words: list[str]) -> None:
        self.trial, self.seen = trial, len(trial.rows())
        self.stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by bury)
        here = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", **parent_env()}
        self.process = subprocess.Popen(
            words,
            env=here,
            stdout=subprocess.DEVNULL,
            stderr=self.stderr,
            stdin=subprocess.DEVNULL,
        )

    def look(self, monitor: Monitor) -> bool:
        """Report new evaluations, and return whether the process is running."""
        running = self.process.poll() is None
        rows = self.trial.rows()
        for row in rows[self.seen :]:
            monitor.evaluated(self.trial, row)
        self.seen = max(self.seen, len(rows))
        return running

    def bury(self) -> None:
        """Record the exit code and last message of a process that died without writing the trial's record."""
        if code := self.process.returncode:
            self.stderr.seek(0)
            lines = self.stderr.read().decode(errors="replace").strip().splitlines()
            self.trial.write("failed", f"Its process ended with code {code}: {lines[-1] if lines else 'no word'}")
        self.stderr.close()


def _run_in_workers(
    trials: Sequence[Trial], monitor: Monitor, jobs: int, command: Callable[[Trial], list[str]]
) -> None:
    waiting, running = list(trials), list[_Worker]()
    with catch_stop_signals(ignore_repeated=True) as stop_signal:
        try:
            while (waiting or running) and not stop_signal.signal:
                while waiting and len(running) < jobs:
                    trial = waiting.pop(0)
                    running.append(_Worker(trial, command(trial)))
                time.sleep(POLL_SECONDS)
                gone = [child for child in running if not child.look(monitor)]
                for child in gone:
                    running.remove(child)
                    child.bury()
                    monitor.ended(child.trial)
        finally:
            for child in running:
                child.process.terminate()
            for child in running:
                child.process.wait()
                child.stderr.close()
    if stop_signal.signal:
        raise Stopped(stop_signal.signal)
