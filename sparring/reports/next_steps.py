"""Commands that a user may run next on a trained run."""

from __future__ import annotations

import shlex

from sparring.recipes.importing import outside
from sparring.runs.run import Run
from sparring.tasks import task_of

__all__ = ["commands"]


def commands(run: Run) -> list[str]:
    """Return command lines that continue, use or evaluate a run.

    Args:
        run: A trained run.
    """
    name = run.config.recipe
    where = shlex.quote(str(run.folder)) + (f" --trust {shlex.quote(name)}" if outside(name) else "")
    uses = task_of(run.game).commands(run.game, where)
    return [f"sparring {line}" for line in (f"resume {where} --steps {2 * run.step}", *uses, f"report {where}")]
