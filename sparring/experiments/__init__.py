"""The arena: many recipes, or one under many settings, over seeds, with the same data and the same budget.

    cells(...)          one training for each contestant and seed
    train_all(...)      trains what is not finished, several at a time; what is finished is never trained again
    outcome(...)        tables, tests and everything else, as plain values
    save_pages(...)     compare.json, compare.md, compare.html

`sparring compare` is these four lines.
"""

from sparring.experiments.cost import pilot
from sparring.experiments.experiment import Budget, Cell, Contestant, Rules, cells
from sparring.experiments.report import save_pages
from sparring.experiments.results import outcome, unlike
from sparring.experiments.trial import created, play
from sparring.experiments.workers import Progress, train_all

__all__ = [
    "Budget",
    "Cell",
    "Contestant",
    "Progress",
    "Rules",
    "cells",
    "created",
    "outcome",
    "pilot",
    "play",
    "save_pages",
    "train_all",
    "unlike",
]
