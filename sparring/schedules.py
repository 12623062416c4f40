"""Learning-rate schedules: the pace of a game as a function of the step."""

from __future__ import annotations

from collections.abc import Callable


def linear(end: int) -> Callable[[int], float]:
    """Falls linearly from 1 at step 0 to 0 at step `end`, and stays there.

    >>> pace = linear(100)
    >>> pace(0), pace(25), pace(200)
    (1.0, 0.75, 0.0)
    """
    return lambda step: max(0.0, 1 - step / end)
