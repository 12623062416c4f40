"""Commands that a user may run next on a trained run."""

from __future__ import annotations

import shlex

from sparring.recipes.importing import outside
from sparring.runs.run import Run
from sparring.tasks import task_of

__all__ = ["commands"]

NEED_DATA = ("resume", "evaluate", "report")  # commands that load the data of a run


def commands(run: Run) -> list[str]:
    """Return command lines that continue, use or evaluate a run, without those that miss a recipe or data in Python.

    Args:
        run: A trained run.
    """
    name = run.config.recipe
    if run.config.recipe_in_python:
        return []
    where = shlex.quote(str(run.folder)) + (f" --trust {shlex.quote(name)}" if outside(name) else "")
    uses = task_of(run.game).commands(run.game, where)
    lines = (f"resume {where} --steps {2 * run.step}", *uses, f"report {where}")
    return [f"sparring {line}" for line in lines if not run.config.data.in_python or line.split()[0] not in NEED_DATA]
