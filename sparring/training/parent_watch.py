"""Ending with the parent: a process that works for another one leaves when that one is gone.

A parent that is killed cannot stop its children, which would train on and hold the locks of their runs. So a child asks
several times a second whether its parent is still the same process, and leaves at once if not. Nothing is saved then:
what a run keeps is as after any other kill, and the next start of the same command finds no lock.

The operating system gives a child another parent when its own ends, on Linux and macOS; Windows does not, and there
nothing is noticed.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress

__all__ = ["exit_with_parent", "parent_env", "watch_parent"]

PARENT = "SPARRING_PARENT"
"""The environment variable by which a process names itself to the children that must not outlive it."""
AGENT = "TORCHELASTIC_RUN_ID"  # set by torchrun's agent for its workers
POLL_INTERVAL = 0.2  # seconds between two looks at the parent


def parent_env() -> dict[str, str]:
    """Returns the environment variable that makes a child leave with this process.

    The child calls `watch_parent`.
    """
    return {PARENT: str(os.getpid())}


def watch_parent() -> None:
    """Ends this process with its parent, if that is torchrun's agent or has named itself by `parent_env`.

    Any other parent may end first: a shell that starts a training in the background does.
    """
    parent = os.environ.pop(PARENT, None)
    if parent is not None or AGENT in os.environ:
        exit_with_parent(int(parent) if parent is not None else os.getppid())


def exit_with_parent(parent: int) -> None:
    """Watches the parent from a thread of its own, and ends this process when it has another parent.

    Args:
        parent: The identifier of the process that is the parent now; if it has ended already, so does this process.
    """
    threading.Thread(target=_poll_parent, args=(parent,), name="parent", daemon=True).start()


def _poll_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_INTERVAL)
    with suppress(OSError):  # nobody may be left to read it
        os.write(2, b"The process that started this one has ended, so this one ends.\n")
    os._exit(128 + signal.SIGTERM)
