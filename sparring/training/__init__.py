"""Training a game in memory: the trainer, averaged weights, checks for finite values, distributed processes.

Names are imported on first use, so that importing a submodule does not import the trainer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparring._lazy import lazy_names

if TYPE_CHECKING:
    from sparring.training.ema import EMA
    from sparring.training.finite import FiniteMonitor, TurnSnapshot
    from sparring.training.trainer import StepReport, train, trainable_parameters, update

__all__ = [
    "EMA",
    "FiniteMonitor",
    "StepReport",
    "TurnSnapshot",
    "train",
    "trainable_parameters",
    "update",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ema": ["EMA"],
        "finite": ["FiniteMonitor", "TurnSnapshot"],
        "trainer": ["StepReport", "train", "trainable_parameters", "update"],
    },
)
