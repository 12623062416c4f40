"""Processes that die between two file system calls, and planted payloads."""

from __future__ import annotations

import builtins
import hashlib
import os
from pathlib import Path

import torch

from sparring.runs import checkpoint


def state(step: int) -> checkpoint.State:
    return {"step": step, "game": {"w": torch.full((5,), float(step)), "n": torch.tensor(step)}, "average": None}


def fill(folder: Path, *steps: int) -> Path:
    for step in steps:
        checkpoint.save(folder, step, state(step), keep=len(steps))
    return folder / "checkpoints"


def plant(folder: Path, content: bytes, **identity: str) -> None:
    """Replaces the state of checkpoint 1, with a manifest that says it is right, and of which run."""
    path = fill(folder, 1) / "000001"
    (path / "state.pt").write_bytes(content)
    files = {"state.pt": {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}}
    (path / "manifest.json").write_bytes(
        checkpoint._sealed({"format": 1, "step": 1, "files": files, "versions": {}, **identity})
    )


PHASES = ("fsync", "replace", "mkdir", "unlink", "rmdir", "truncate")


def die_at(call: int, phases: tuple[str, ...] = PHASES, opening: bool = False) -> None:
    """Ends this process, as a kill would, before the given call into the file system; perhaps counts `open`."""
    calls = []

    def counting(real):
        def counted(*given, **named):
            calls.append(real)
            if len(calls) == call:
                os._exit(9)
            return real(*given, **named)

        return counted

    for name in phases:
        setattr(os, name, counting(getattr(os, name)))
    if opening:
        builtins.open = counting(builtins.open)
