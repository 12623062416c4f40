"""Networks that learn by playing against each other.

A *game* is played in rounds; a round yields *moves*; a move belongs to one player and names the terms it minimises.
Public names are imported on first use, so that ``import sparring`` costs milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Move": "game",
    "Game": "game",
    "LatentGame": "game",
    "Data": "game",
    "SupportsSampling": "abilities",
    "SupportsEncoding": "abilities",
    "SupportsLabelMaps": "abilities",
    "SupportsTranslation": "abilities",
    "adam": "game",
    "rmsprop": "game",
    "EMA": "training.ema",
    "StepReport": "training.trainer",
    "train": "training.trainer",
    "update": "training.trainer",
    "check_game": "check",
    "Objective": "objectives",
    "Techniques": "recipes.techniques",
    "RECIPES": "recipes",
    "recipe": "recipes",
    "Run": "runs.run",
    "auto": "experiments.auto",
    "load": "runs.state:load_game",
    "sample": "inference.sampling",
}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sparring' has no attribute {name!r}")
    module, _, attribute = _HOME[name].partition(":")
    return getattr(import_module(f"sparring.{module}"), attribute or name)


def __dir__() -> list[str]:
    return sorted(__all__)
