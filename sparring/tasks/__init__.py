"""Tasks: the uses of a game, in one table.

A task defines how samples of a game are drawn during training, how the game is evaluated, and which commands a user may
run next. Runs, reports and the command line get the task of a game from `task_of` and do not test for its abilities. A
new kind of use is a subclass of `Task` in one file, and one row of `TASKS`.

A game outside the library names its task by an attribute, either a `Task` or a name in `TASKS`:

    class InPainting(Game):
        task = FillMasks()
"""

from __future__ import annotations

from sparring.errors import GameError
from sparring.game import Game
from sparring.tasks.base import Snapshot, Task, evenly_spaced_rows
from sparring.tasks.conditional import ClassConditionalGeneration, TextConditionalGeneration
from sparring.tasks.encoding import Encoding
from sparring.tasks.generation import Generation
from sparring.tasks.label_maps import LabelMapSynthesis
from sparring.tasks.single_image import SingleImage
from sparring.tasks.translation import Translation

__all__ = ["TASKS", "Snapshot", "Task", "evenly_spaced_rows", "task_of"]

TASKS: dict[str, Task] = {
    "single-image": SingleImage(),
    "label-maps": LabelMapSynthesis(),
    "translation": Translation(),
    "text-conditional": TextConditionalGeneration(),
    "class-conditional": ClassConditionalGeneration(),
    "encoding": Encoding(),
    "generation": Generation(),
}
"""All tasks by name. A game has the first that suits it; the last one suits every game."""


def task_of(game: Game) -> Task:
    """Return the task of a game: the one that it names by its attribute ``task``, or the first in `TASKS` that suits.

    Args:
        game: Any game, perhaps in wrappers.

    Raises:
        GameError: If it names no task.
    """
    named = getattr(game.unwrapped, "task", None)
    if named is None:
        return next(task for task in TASKS.values() if task.suits(game))
    task = TASKS.get(named) if isinstance(named, str) else named
    if not isinstance(task, Task):
        raise GameError(
            f"The task of {type(game.unwrapped).__name__} is {named!r}: name a sparring.tasks.Task, or one of "
            f"{', '.join(TASKS)}."
        )
    return task
