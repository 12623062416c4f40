"""Ends a child process when its parent has ended.

A parent that is killed cannot stop its children, which would continue to train and hold the locks of their runs. A
child therefore polls its parent's process id several times a second and exits if it changes. Nothing is saved then: the
run folder is as after any other kill, and the next start of the same command finds no lock.

On Linux and macOS the operating system assigns another parent when the first one ends. Windows does not, and there
nothing is detected.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress

__all__ = ["exit_with_parent", "parent_env", "watch_parent"]

PARENT = "SPARRING_PARENT"
"""Environment variable with the process id of the parent that children must not outlive."""
AGENT = "TORCHELASTIC_RUN_ID"  # set by torchrun's agent for its workers
POLL_INTERVAL = 0.2  # seconds between polls


def parent_env() -> dict[str, str]:
    """Return the environment variable that makes a child end with this process.

    The child calls `watch_parent`.
    """
    return {PARENT: str(os.getpid())}


def watch_parent() -> None:
    """End this process with its parent, if that is torchrun's agent or was given by `parent_env`.

    Other parents may end first, for example a shell that starts a training in the background.
    """
    parent = os.environ.pop(PARENT, None)
    if parent is not None or AGENT in os.environ:
        exit_with_parent(int(parent) if parent is not None else os.getppid())


def exit_with_parent(parent: int) -> None:
    """Poll the parent from a thread and end this process when the parent has changed.

    Args:
        parent: Process id of the parent. If it has already ended, so does this process.
    """
    threading.Thread(target=_poll_parent, args=(parent,), name="parent", daemon=True).start()


def _poll_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_INTERVAL)
    with suppress(OSError):  # the pipe may be closed
        os.write(2, b"The process that started this one has ended, so this one ends.\n")
    os._exit(128 + signal.SIGTERM)
