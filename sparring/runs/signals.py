"""Ctrl-C and SIGTERM as a wish: the step that is being played ends, the run is saved, the process leaves.

Its exit code is 128 + signal, 130 or 143. A second signal leaves at once.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(SystemExit):
    """Training ended because a signal asked for it, after saving; uncaught, it ends the process with 128 + signal.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.signal = number


class StopSignal:
    """Whether somebody wants the training to stop.

    Attributes:
        signal: The signal that was received, 0 for none.
    """

    def __init__(self, patient: bool = False) -> None:
        self.signal = 0
        self._patient = patient

    def receive(self, number: int, frame: FrameType | None = None) -> None:
        """Notes the first signal; leaves at once at the second, unless it is known to be an echo of the first.

        Args:
            number: The signal.
            frame: What was running.
        """
        if self.signal and not self._patient:
            os._exit(128 + number)
        self.signal = self.signal or number


@contextmanager
def wishes(*, patient: bool = False) -> Iterator[StopSignal]:
    """Listens for signals inside the block, and gives them back to whoever listened before at its end.

    Python lets only the main thread listen; elsewhere the wish never comes.

    Args:
        patient: Pass over further signals: ``torchrun`` repeats the terminal's Ctrl-C to its workers.
    """
    wish = StopSignal(patient)
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    before = {number: signal.signal(number, wish.receive) for number in SIGNALS}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
