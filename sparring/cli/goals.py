"""How far a training goes, and what it leaves on its way: the flags that `train` and `resume` share."""

from __future__ import annotations

import json
import math
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from sparring._io.folder import Folder
from sparring.errors import RunError

if TYPE_CHECKING:
    from sparring.runs.early_stopping import Judging
    from sparring.runs.run import Run

__all__ = ["FILE", "FOREVER", "USUAL", "Goal", "finish", "remembered", "require"]

STEPS = 10_000  # unless told
FOREVER = 10**12  # steps, where images are counted instead
FILE = "goal.json"  # in the run's folder: how far to go, for a `resume` that does not say


@dataclass(frozen=True)
class Goal:
    """How far a training goes, and what it leaves on its way.

    Attributes:
        steps: Step to end at, counted from the start of the run; 10,000, or all stages, unless told.
        kimg: Thousands of images to have seen at the end, in place of steps.
        save_every: Steps between two checkpoints; about a tenth of the training unless told.
        picture_every: Steps between two pictures; likewise.
        keep: How many checkpoints stay.
        tensorboard: Write TensorBoard's events, too.
        judge_every: Thousands of images between two judgements of the averaged generator against data that is held
            out; the best checkpoint is kept. None unless told.
        judge: Metric whose first score decides; frechet for images and sliced for points unless told.
        patience: So many judgements without a better score end the training.
        on_nan: What to do when a loss, gradient or weight is not finite: stop; rollback:N, go back to the last
            scheduled checkpoint with other draws, at most N times; or skip, do not make the move, and count it.
    """

    steps: int | None = None
    kimg: float | None = None
    save_every: int | None = None
    picture_every: int | None = None
    keep: int = 2
    tensorboard: bool = False
    judge_every: float | None = None
    judge: str = ""
    patience: int | None = None
    on_nan: str = "stop"

    def judging(self) -> Judging | None:
        """Returns when and how the training is judged, if it is."""
        from sparring.runs.early_stopping import Judging

        if self.judge_every is None:
            return None
        return Judging(self.judge_every, self.judge, self.patience)


USUAL = Goal()


def finish(goal: Goal, run: Run) -> int:
    """Returns where to end, in images where they are counted, else in steps.

    Args:
        goal: Sensible.
        run: Whose game may have stages, which are all played unless told.
    """
    usual = max((stage.end for stage in run.game.stages()), default=STEPS)
    return math.ceil(goal.kimg * 1000) if goal.kimg else goal.steps or usual


def require(goal: Goal) -> None:
    """Refuses a goal that is none.

    Args:
        goal: As asked for.

    Raises:
        RunError: With the flag and the remedy.
    """
    from sparring.runs.recovery import named

    named(goal.on_nan)
    if goal.steps is not None and goal.kimg is not None:
        raise RunError("Both --steps and --kimg say how far to go: give one of them.")
    if goal.judge_every is None and (goal.judge or goal.patience is not None):
        raise RunError("--judge and --patience need to know when to judge: give --judge-every, in thousands of images.")
    for name in ("steps", "kimg"):
        value = getattr(goal, name)
        if value is not None and not 0 < value < FOREVER:
            raise RunError(f"--{name} is {value}: give a number above 0.")


def remembered(folder: Path | Folder, goal: Goal) -> Goal:
    """Returns what is asked of a run, and of what is not, what it was last given.

    Args:
        folder: The run's.
        goal: As asked for.

    Raises:
        RunError: If neither says how far to go.
    """
    asked = {name: value for name, value in asdict(goal).items() if value != getattr(Goal(), name)}
    far = {"steps", "kimg"} & set(asked)
    try:
        before = _wellformed(json.loads(Folder.at(folder).read(FILE)))
        return Goal(**{**before, **(dict.fromkeys(("steps", "kimg")) if far else {}), **asked})
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        if far:
            return goal
        path = folder.path if isinstance(folder, Folder) else folder
        where = shlex.quote(str(path))
        raise RunError(f"{path} does not say how far to go: `sparring resume {where} --steps N`.") from None


def _wellformed(goal: dict[str, Any]) -> dict[str, Any]:
    """Returns what a file says of a goal, if each of its values is of the kind that the flag takes."""
    hints = get_type_hints(Goal)
    for name, value in goal.items():
        kinds = get_args(hints[name]) or (hints[name],)
        whole = type(value) is int and float in kinds
        if type(value) not in kinds and not whole:
            raise TypeError(name)
    return goal
