"""What more training would bring: a power law fitted to the scores of a training, with its uncertainty.

    log |score − limit| = α − β log t + ε        the limit is the score of other real data

Ordinary least squares on the logarithms; the interval is that of a new observation, by Student's t with n − 2 degrees
of freedom (Draper & Smith, Applied Regression Analysis, 1998, section 1.4). Power laws describe the course of
trainings over a decade or two of time (Hestness et al., 2017, arXiv 1712.00409); beyond that they are a guess.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Forecast", "forecast"]

LEAST = 4  # scores
T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
NORMAL = 1.96


@dataclass(frozen=True)
class Forecast:
    """A score that is expected after more training.

    Attributes:
        at: Time of the score.
        value: The expected score.
        interval: 95 % interval of a new score.
        exponent: β, how fast the distance to the limit falls; not above 0 if it does not.
    """

    at: float
    value: float
    interval: tuple[float, float]
    exponent: float


def forecast(times: Sequence[float], scores: Sequence[float], limit: float, at: float) -> Forecast | None:
    """Fit a power law to the course of a score, and return the score that it gives at a later time.

    Args:
        times: Times of the scores, above 0.
        scores: The scores; those that are not finite, or not on the side of most from the limit, are left out.
        limit: The score that the training approaches, such as that of real data.
        at: The later time.

    Returns:
        The forecast; None with fewer than four usable scores or two times.

    >>> found = forecast([1, 2, 4, 8], [110.0, 60.0, 35.0, 22.5], limit=10.0, at=16)
    >>> round(found.value, 6), [round(end, 6) for end in found.interval], round(found.exponent, 6)
    (16.25, [16.25, 16.25], 1.0)
    """
    x, y = np.array(times, float), np.array(scores, float) - limit
    side = 1.0 if np.nanmedian(y) > 0 else -1.0
    usable = np.isfinite(y) & (side * y > 0) & (x > 0)
    x, y = np.log(x[usable]), np.log(side * y[usable])
    if len(x) < LEAST or np.ptp(x) == 0:
        return None
    middle, spread = x.mean(), ((x - x.mean()) ** 2).sum()
    slope = ((x - middle) * y).sum() / spread
    expected = y.mean() + slope * (math.log(at) - middle)
    error = math.sqrt(((y - y.mean() - slope * (x - middle)) ** 2).sum() / (len(x) - 2))
    width = quantile(len(x) - 2) * error * math.sqrt(1 + 1 / len(x) + (math.log(at) - middle) ** 2 / spread)
    low, value, high = (limit + side * math.exp(expected + step) for step in (-width, 0.0, width))
    return Forecast(at, value, (min(low, high), max(low, high)), float(-slope))


def quantile(freedom: int) -> float:
    """Return the .975 quantile of Student's t; beyond 15 degrees of freedom two terms of its expansion in 1 / ν.

    Args:
        freedom: Degrees of freedom, at least 1.

    >>> quantile(2), round(quantile(30), 3)
    (4.303, 2.042)
    """
    if freedom <= len(T_975):
        return T_975[freedom - 1]
    first = (NORMAL**3 + NORMAL) / 4
    second = (5 * NORMAL**5 + 16 * NORMAL**3 + 3 * NORMAL) / 96
    return NORMAL + first / freedom + second / freedom**2
