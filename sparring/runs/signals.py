"""Ctrl-C and SIGTERM as a stop request: the current step ends, a checkpoint is saved, the process exits.

Its exit code is 128 + signal, 130 or 143. A second signal ends the process at once.
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
    """Training stopped after a signal and saved a checkpoint; uncaught, it ends the process with 128 + signal.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.signal = number


class StopSignal:
    """A request to stop the training.

    Attributes:
        signal: The signal that was received, 0 for none.
    """

    def __init__(self, ignore_repeated: bool = False) -> None:
        self.signal = 0
        self._ignore_repeated = ignore_repeated

    def receive(self, number: int, frame: FrameType | None = None) -> None:
        """Record the first signal; end the process at the second, unless repeated signals are ignored.

        Args:
            number: The signal.
            frame: The interrupted stack frame.
        """
        if self.signal and not self._ignore_repeated:
            os._exit(128 + number)
        self.signal = self.signal or number


@contextmanager
def catch_stop_signals(*, ignore_repeated: bool = False) -> Iterator[StopSignal]:
    """Catch signals inside the block, and restore the previous handlers at its end.

    Python allows handlers in the main thread only; in others no signal is caught.

    Args:
        ignore_repeated: Ignore further signals, since ``torchrun`` repeats the terminal's Ctrl-C to its workers.
    """
    stop_signal = StopSignal(ignore_repeated)
    if threading.current_thread() is not threading.main_thread():
        yield stop_signal
        return
    before = {number: signal.signal(number, stop_signal.receive) for number in SIGNALS}
    try:
        yield stop_signal
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
