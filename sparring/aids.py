"""Training aids by name: what can be switched on around any recipe, from Python and from the command line.

    sparring train nsgan --data grid --aids.packing 2 --aids.r1 0.1
    Run.create(folder, "nsgan", data="grid", aids=Aids(packing=2, r1=0.1))

Each aid is a wrapper, a layer or a penalty of its own (`sparring.wrappers`, `sparring.layers`, `sparring.augment`);
here they only get names, numbers and an order. This module needs no tensor library before an aid is put on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from sparring.game import Game

__all__ = ["Aids", "aided"]


@dataclass(frozen=True)
class Aids:
    """What helps a game besides its recipe; all off unless told.

    Attributes:
        schedule: How the learning rates fall, on top of the recipe's own schedule.
        schedule_steps: The step at which they reach zero.
    """

    schedule: Literal["constant", "linear", "cosine"] = "constant"
    schedule_steps: int = 100_000

    def chosen(self) -> dict[str, Any]:
        """Returns what is not at its default, by name."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {name: value for name, (value, default) in values.items() if value != default}


def aided(make: Callable[..., Game], shape: tuple[int, ...], aids: Aids) -> Game:
    """Builds a game with its aids around it.

    Args:
        make: Builds the game for data of a shape.
        shape: The shape of the data.
        aids: What to put on.
    """
    game = make(shape)
    if aids.schedule != "constant":
        from sparring import schedules
        from sparring.wrappers.paced import Paced

        game = Paced(game, getattr(schedules, aids.schedule)(aids.schedule_steps))
    return game
