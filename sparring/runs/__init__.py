"""Trainings in folders: configuration, state, loop, checkpoints, logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparring._lazy import lazy_names

if TYPE_CHECKING:
    from sparring.runs.config import RunConfig
    from sparring.runs.early_stopping import EarlyStopping
    from sparring.runs.evaluation import evaluate_run, read_evaluation, save_evaluation
    from sparring.runs.loop import FitOptions
    from sparring.runs.performance import PerformanceOptions
    from sparring.runs.run import Run
    from sparring.runs.state import TrainState, load_game

__all__ = [
    "EarlyStopping",
    "FitOptions",
    "PerformanceOptions",
    "Run",
    "RunConfig",
    "TrainState",
    "evaluate_run",
    "load_game",
    "read_evaluation",
    "save_evaluation",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "config": ["RunConfig"],
        "early_stopping": ["EarlyStopping"],
        "evaluation": ["evaluate_run", "read_evaluation", "save_evaluation"],
        "loop": ["FitOptions"],
        "performance": ["PerformanceOptions"],
        "run": ["Run"],
        "state": ["TrainState", "load_game"],
    },
)
