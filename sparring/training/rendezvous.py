"""Rendezvous of the processes of one training, with detection of processes that have died.

torch's own rendezvous waits for every rank until its timeout, whether a rank is slow or dead. Here each rank counts up
a number of its own in the store of the rendezvous while it waits, and reads the number of the next rank. Where that
stands still the next rank is gone, which is written into the store, and all leave within seconds. A rank that never
arrived may still be starting: under ``torchrun`` its agent watches it; otherwise the others wait for `ARRIVAL_TIMEOUT`.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import timedelta

import torch
import torch.distributed as dist

from sparring.errors import RunError
from sparring.training.parent_watch import AGENT

__all__ = ["rendezvous"]

ARRIVAL_TIMEOUT = timedelta(seconds=30)  # between the first and the last rank, without an agent
HEARTBEAT_TIMEOUT = timedelta(seconds=5)  # of a waiting rank
POLL_INTERVAL = 0.2  # seconds between heartbeats
DONE = 10**9  # above any count: this rank no longer waits


def rendezvous(device: torch.device, timeout: timedelta) -> None:
    """Create the process group that the environment describes, as soon as every rank has arrived.

    Args:
        device: Device on which this process trains.
        timeout: Timeout of the rendezvous and of later collective operations.

    Raises:
        RunError: If the environment describes no group, or a rank did not arrive or has died.
    """
    try:
        group = _Group(device, timeout)
        roll = _Heartbeats(timeout if AGENT in os.environ else min(timeout, ARRIVAL_TIMEOUT))
        while not group.made(POLL_INTERVAL):
            roll.call()
        roll.through()
    except (RuntimeError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise RunError(f"The other processes cannot be reached ({reason}): start them with torchrun.") from error


class _Group:
    """The process group, created in a thread: torch's call does not return before all ranks have arrived."""

    def __init__(self, device: torch.device, timeout: timedelta) -> None:
        self._device, self._patience = device, timeout
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._make, name="rendezvous", daemon=True)
        self._thread.start()

    def made(self, seconds: float) -> bool:
        """Wait for some seconds and return whether the group is there; errors of torch are raised again."""
        self._thread.join(seconds)
        if self._error is not None:
            raise self._error
        return not self._thread.is_alive()

    def _make(self) -> None:
        try:
            if self._device.type == "cuda":
                torch.cuda.set_device(self._device)
            backend = "cpu:gloo,cuda:nccl" if self._device.type == "cuda" else "gloo"
            dist.init_process_group(backend, timeout=self._patience)
        except Exception as error:
            self._error = error


class _Heartbeats:
    """Heartbeats of the ranks in the store of the rendezvous."""

    def __init__(self, arrival: timedelta) -> None:
        self._rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        self._next, self._arrival = (self._rank + 1) % world, arrival
        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        libuv = os.environ.get("USE_LIBUV", "1") == "1"
        try:
            store = dist.TCPStore(  # type: ignore[attr-defined]  # not declared by torch, as below
                host, port, timeout=arrival, wait_for_workers=False, use_libuv=libuv
            )
        except dist.DistError as error:
            raise _missing_rank(0, f"was not reached at {host}:{port} within {arrival.total_seconds():g} s") from error
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)
        self._store = dist.PrefixStore(f"roll/{attempt}", store)  # type: ignore[attr-defined]
        self._count, self._moved = 0, time.monotonic()

    def call(self) -> None:
        """Send a heartbeat and check that of the next rank."""
        self._store.add(str(self._rank), 1)
        if self._store.check(["gone"]):
            raise _missing_rank(int(self._store.get("gone")), "is gone")
        count, now = self._store.add(str(self._next), 0), time.monotonic()
        if count != self._count or count >= DONE:
            self._count, self._moved = count, now
        elif now - self._moved > (HEARTBEAT_TIMEOUT if count else self._arrival).total_seconds():
            self._store.set("gone", str(self._next))
            missing = f"did not come within {self._arrival.total_seconds():g} s"
            raise _missing_rank(self._next, "is gone" if count else missing)

    def through(self) -> None:
        """Record that this rank no longer waits."""
        self._store.add(str(self._rank), DONE)


def _missing_rank(rank: int, what: str) -> RunError:
    return RunError(f"Rank {rank} of the training {what}: start the same command again on every rank.")
