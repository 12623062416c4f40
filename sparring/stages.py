"""The parts of a training that is not of one piece."""

from __future__ import annotations

from typing import NamedTuple


class Stage(NamedTuple):
    """A part of a training in which a game plays by other networks than before.

    Attributes:
        name: What a user is told, such as "scale 2 of 5".
        start: Its first step.
        end: The step after its last one.
    """

    name: str
    start: int
    end: int
