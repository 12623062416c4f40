"""Successive halving (Jamieson & Talwalkar, 2016): how a budget is divided among candidates, and who stays.

The race takes two fifths of the budget. It has ⌈log₂ n⌉ rungs for n candidates, each with the same share; a rung
trains every survivor equally long and keeps the better half. The rest belongs to the winner, which so receives more
than half of the budget.

    n = 4: a fifth of the budget to four, a fifth to two, three fifths to one
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["RACE", "Rung", "affordable", "beats_noise", "ranked", "rungs", "survivors"]

RACE = 0.4  # share of the budget
CLEAR = 0.1  # part of the way from the score of noise to that of real data that is clearly better than noise


@dataclass(frozen=True)
class Rung:
    """A part of the race.

    Attributes:
        candidates: Number of candidates at its start.
        mark: What each of them has been trained at its end, since its start, in units of the budget.
    """

    candidates: int
    mark: float


def rungs(candidates: int, budget: float) -> list[Rung]:
    """Return the rungs of a race.

    Args:
        candidates: Number of candidates, at least 1.
        budget: The whole budget, in any unit.

    >>> rungs(4, 100)
    [Rung(candidates=4, mark=5.0), Rung(candidates=2, mark=15.0)]
    >>> rungs(1, 100)
    []
    """
    number, found, mark = math.ceil(math.log2(candidates)), list[Rung](), 0.0
    for rung in range(number):
        left = math.ceil(candidates / 2**rung)
        mark += RACE * budget / number / left
        found.append(Rung(left, mark))
    return found


def affordable(needs: Mapping[str, float], budget: float) -> list[str]:
    """Return the candidates of a race: as many as the budget allows to train meaningfully in the first rung.

    Args:
        needs: What the first rung must give each candidate at least, in the order of preference.
        budget: The whole budget, in the same unit.

    Returns:
        Names in the order of preference, at least one; if the budget suits none, the one with the least need.

    >>> affordable({"a": 4, "b": 50, "c": 6, "d": 8}, 100)
    ['a', 'c']
    >>> affordable({"a": 4, "b": 5, "c": 5, "d": 5}, 100)
    ['a', 'b', 'c', 'd']
    >>> affordable({"a": 90, "b": 80}, 100)
    ['b']
    """
    for number in range(len(needs), 1, -1):
        most = rungs(number, budget)[0].mark
        able = [name for name, need in needs.items() if need <= most]
        if len(able) >= number:
            return able[:number]
    alone = [name for name, need in needs.items() if need <= (1 - RACE) * budget]
    return alone[:1] or sorted(needs, key=lambda name: needs[name])[:1]


def ranked(scores: Mapping[str, float], *, lower_is_better: bool) -> list[str]:
    """Return names from the best score to the worst; NaN is worst, and equal scores keep their order.

    Args:
        scores: A score for each name.
        lower_is_better: Whether a smaller score is better.

    >>> ranked({"a": 2.0, "b": float("nan"), "c": 1.0, "d": 2.0}, lower_is_better=True)
    ['c', 'a', 'd', 'b']
    """
    sign = 1 if lower_is_better else -1
    return sorted(scores, key=lambda name: math.inf if math.isnan(scores[name]) else sign * scores[name])


def beats_noise(score: float, noise: float, data: float) -> bool:
    """Return whether a score is clearly better than that of noise: by a tenth of the way to that of real data.

    Args:
        score: The score.
        noise: The score of noise, at the same counts and by the same protocol.
        data: The score of other real data.

    >>> [beats_noise(score, noise=200.0, data=10.0) for score in (9.0, 180.0, 182.0, float("nan"))]
    [True, True, False, False]
    """
    if not all(map(math.isfinite, (noise, data))):
        return math.isfinite(score)
    return (noise - score) * math.copysign(1.0, noise - data) >= CLEAR * abs(noise - data)


def survivors(scores: Mapping[str, float], clear: Sequence[str], *, lower_is_better: bool) -> list[str]:
    """Return who goes on after a rung: the better half, rounded up, of which none that noise equals if others beat it.

    Args:
        scores: Of the candidates of the rung.
        clear: Those that are clearly better than noise.
        lower_is_better: Whether a smaller score is better.

    >>> survivors({"a": 3.0, "b": 1.0, "c": 2.0}, ["a", "b", "c"], lower_is_better=True)
    ['b', 'c']
    >>> survivors({"a": 3.0, "b": 1.0, "c": 2.0}, ["b"], lower_is_better=True)
    ['b']
    """
    best = ranked(scores, lower_is_better=lower_is_better)[: math.ceil(len(scores) / 2)]
    return [name for name in best if name in clear] or best
