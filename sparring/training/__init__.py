"""Training a game in memory: the trainer, averaged weights, checks for finite values, distributed processes.

Names are imported on first use, so that importing a submodule does not import the trainer.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "EMA": "ema",
    "FiniteMonitor": "finite",
    "StepReport": "trainer",
    "TurnSnapshot": "finite",
    "train": "trainer",
    "trainable_parameters": "trainer",
    "update": "trainer",
}
__all__ = ["EMA", "FiniteMonitor", "StepReport", "TurnSnapshot", "train", "trainable_parameters", "update"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sparring.training' has no attribute {name!r}")
    return getattr(import_module(f"sparring.training.{_HOME[name]}"), name)
