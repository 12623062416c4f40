"""The two distributions of the lessons, parsed from text."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.errors import DataError

DATA, MODEL = ".1,.2,.3,.25,.15", ".3,.1,.15,.05,.4"
"""The default pair."""

MOST = 8  # maximum number of points, so that tables fit a page
FINEST = 100  # maximum number of samples that represent a distribution


@dataclass(frozen=True)
class Pair:
    """Data and model over the same points.

    Args:
        p: Probabilities of the data (N,), float64, none of them zero.
        q: Probabilities of the model (N,), float64, none of them zero.
        points: Number of samples for which every expected count is an integer.
    """

    p: Tensor
    q: Tensor
    points: int

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the points."""
        return tuple(f"x{'₀₁₂₃₄₅₆₇₈'[i]}" for i in range(1, len(self.p) + 1))

    @staticmethod
    def words(weights: Tensor) -> str:
        """Return probabilities as text."""
        return ", ".join(f"{weight:.4g}" for weight in weights.tolist())


def parse_pair(p: str = DATA, q: str = MODEL) -> Pair:
    """Parse a pair of distributions.

    Args:
        p: Comma-separated probabilities of the data.
        q: Comma-separated probabilities of the model.

    Raises:
        DataError: If they are not two valid distributions.

    >>> parse_pair(".5,.5", "1/4,3/4").points
    4
    """
    weights = {"--p": _weights("--p", p), "--q": _weights("--q", q)}
    first, second = weights.values()
    if len(first) != len(second):
        raise DataError(f"--p has {len(first)} probabilities and --q {len(second)}: give one of each for every point.")
    if all(abs(a - b) < 1e-9 for a, b in zip(first, second, strict=True)):
        raise DataError("--p and --q are the same: every critic scores them alike, so there is nothing to compute.")
    for points in range(1, FINEST + 1):
        if all(abs(weight * points - round(weight * points)) < 1e-6 for weight in first + second):
            counts = torch.tensor([first, second], dtype=torch.float64).mul(points).round()
            return Pair(counts[0] / points, counts[1] / points, points)
    raise DataError(f"--p and --q must be shares of one number of samples up to {FINEST}: use whole hundredths.")


def _weights(flag: str, words: str) -> list[float]:
    """Parse probabilities, decimals or fractions."""
    try:
        weights = [_number(word) for word in words.split(",")]
    except (ValueError, ZeroDivisionError):
        raise DataError(f"{flag} takes comma-separated probabilities, such as {DATA}, not {words!r}.") from None
    if not 2 <= len(weights) <= MOST:
        raise DataError(f"{flag} needs 2 to {MOST} probabilities, not {len(weights)}: a table must fit a page.")
    if not all(0 < weight < 1 for weight in weights):
        raise DataError(f"{flag} needs probabilities above 0 and below 1, not {words}: there no best critic is finite.")
    total = math.fsum(weights)
    if abs(total - 1) > 1e-6:
        raise DataError(f"{flag} sums to {total:.6g}: probabilities must sum to 1.")
    return weights


def _number(word: str) -> float:
    top, slash, bottom = word.partition("/")
    return float(top) / float(bottom) if slash else float(top)
