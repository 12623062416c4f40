"""Lessons on the theory of GANs, with tables and figures: ``sparring theory``.

Each lesson is a function from a pair of distributions to a `Lesson`; every number in it is computed by
`sparring.theory` and by the objectives and penalties that train images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches

from sparring.errors import DataError
from sparring.theory.lessons.bounds import bounds
from sparring.theory.lessons.comparisons import realness, relativistic
from sparring.theory.lessons.critics import critics
from sparring.theory.lessons.distributions import DATA, MODEL, Pair, parse_pair
from sparring.theory.lessons.dynamics import dirac, techniques
from sparring.theory.lessons.gradients import gradients
from sparring.theory.lessons.kl_directions import directions
from sparring.theory.lessons.page import Lesson, Picture, Table, save_page, text
from sparring.theory.lessons.supports import noise, supports

__all__ = [
    "DATA",
    "LESSONS",
    "MODEL",
    "Lesson",
    "Pair",
    "Picture",
    "Table",
    "get_lessons",
    "parse_pair",
    "save_page",
    "text",
]

LESSONS: dict[str, Callable[[Pair], Lesson]] = {
    "critics": critics,
    "supports": supports,
    "noise": noise,
    "directions": directions,
    "bounds": bounds,
    "gradients": gradients,
    "realness": realness,
    "relativistic": relativistic,
    "dirac": dirac,
    "techniques": techniques,
}
"""The lessons by name, in the order of the page."""


def get_lessons(names: Sequence[str], pair: Pair) -> list[Lesson]:
    """Return lessons by name. Default: all.

    Args:
        names: Names of lessons.
        pair: Data and model.

    Raises:
        DataError: If there is no lesson of a name.
    """
    for name in names:
        if name not in LESSONS:
            near = get_close_matches(name, LESSONS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the lessons are {', '.join(LESSONS)}."
            raise DataError(f"There is no lesson {name!r}: {hint}")
    return [LESSONS[name](pair) for name in dict.fromkeys(names or LESSONS)]
