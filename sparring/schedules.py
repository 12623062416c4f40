"""Schedules: functions of the step, for learning rates and the weights of penalties."""

from __future__ import annotations

import math
from collections.abc import Callable


def linear(end: int) -> Callable[[int], float]:
    """Fall linearly from 1 at step 0 to 0 at step `end`, and stays there.

    >>> factor = linear(100)
    >>> factor(0), factor(25), factor(200)
    (1.0, 0.75, 0.0)
    """
    return lambda step: max(0.0, 1 - step / end)


def linear_after(begin: int, steps: int) -> Callable[[int], float]:
    """Return a schedule of 1 up to step `begin`, then linearly to 0 within `steps`, and 0 from there on.

    >>> factor = linear_after(100, 50)
    >>> factor(0), factor(100), factor(125), factor(150)
    (1.0, 1.0, 0.5, 0.0)
    """
    return lambda step: min(1.0, max(0.0, 1 - (step - begin) / steps))


def linear_to_end(end: float, share: float) -> Callable[[float], float]:
    """Return a schedule of 1 up to the last `share` of a training, then linearly to 0 at its end.

    Args:
        end: End of the training, in steps or images.
        share: Share of the training over which the schedule falls, from 0 (never) to 1 (from the start).

    >>> factor = linear_to_end(100, 0.5)
    >>> factor(0), factor(50), factor(75), factor(99), factor(100)
    (1.0, 1.0, 0.5, 0.02, 0.0)
    """
    return lambda at: min(1.0, max(0.0, end - at) / (share * end)) if share else 1.0


def cosine(start: float, end: float, steps: int) -> Callable[[int], float]:
    """Go from `start` at step 0 to `end` at step `steps` along half a cosine, and stay there.

    >>> weight = cosine(2.0, 1.0, 100)
    >>> [round(weight(step), 3) for step in (0, 25, 50, 100, 200)]
    [2.0, 1.854, 1.5, 1.0, 1.0]
    """
    return lambda step: end + (start - end) * (1 + math.cos(math.pi * min(step / steps, 1.0))) / 2
