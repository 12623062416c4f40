"""Automatic trainings with candidates that train in a moment: shared by the tests of `sparring.experiments.auto`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparring.experiments import auto as module
from sparring.experiments import candidates as table
from sparring.experiments.auto import AutoSettings, AutoTraining, Budget
from sparring.experiments.candidates import Candidate

MLP = {"networks": {"network": "mlp", "width": 8, "latent": 2}}


def always(facts: table.Facts) -> bool:
    return True


ROWS = (
    Candidate("slow", "nsgan", always, "1 record", {**MLP, "critic": {"lr": 1e-5, "betas": [0.5, 0.9]}}, batch_size=8),
    Candidate(
        "quick", "nsgan", always, "2 records", {**MLP, "generator": {"lr": 1e-2, "betas": [0.5, 0.9]}}, batch_size=8
    ),
    Candidate("other", "lsgan", always, "3 records", MLP, batch_size=8),
)
FAILING = Candidate("failing", "support.runs:failing", always, "0 records", {"at": 3}, batch_size=8)


def small(patch: Any, *rows: Candidate) -> None:
    """Put small candidates in the place of the table, with few samples and few steps; `patch` is a monkeypatch."""
    patch.setattr(table, "CANDIDATES", rows or ROWS)
    patch.setattr(module, "MIN_STEPS", 4)
    patch.setattr(module, "MIN_IMAGES", 1)
    patch.setattr(module, "SEGMENTS", 3)


def training(folder: Path, steps: int = 60, **settings: Any) -> AutoTraining:
    """The one command of a tiny training."""
    chosen = {"data": "ring", "device": "cpu", "samples": 50, **settings}
    return AutoTraining(folder, AutoSettings(budget=Budget("steps", steps), **chosen))


def played(folder: Path, steps: int = 60, **settings: Any) -> AutoTraining:
    """A tiny training, played to its end."""
    found = training(folder, steps, **settings)
    found.play()
    return found


__all__ = ["FAILING", "ROWS", "played", "small", "training"]
