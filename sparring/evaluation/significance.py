"""Statistics over seeds: means, deviations, and whether a difference is significant.

Two entries are compared by Welch's t-test (Welch, 1947), two-sided, on the scores at the end of training, one value
per seed. Seeds are independent trainings, so that nothing is paired, and unequal deviations are the rule among GANs.
All pairs of a comparison are tested for each score, and their p-values are adjusted by Holm's method (Holm, 1979),
which bounds the probability of any false positive among them without further assumptions.

A permutation test is not used: with K seeds each, its smallest p-value is 2 / C(2K, K), which is .1 for three seeds and
.008 for five; after Holm's correction over the 36 pairs of nine entries no difference could be significant. Welch's
test assumes that scores of seeds are normal, which few seeds cannot confirm; more seeds are better.

    t = (a − b) / √(s_a²/n_a + s_b²/n_b)      ν = (s_a²/n_a + s_b²/n_b)² / (s_a⁴/(n_a²(n_a−1)) + s_b⁴/(n_b²(n_b−1)))
    p = I_{ν/(ν + t²)}(ν/2, 1/2)              the regularised incomplete beta function
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["LEVEL", "Spread", "Welch", "holm", "one_sample_t_test", "spread", "summary_over_training", "welch_t_test"]

LEVEL = 0.05
SMALL = 1e-300  # replaces a zero divisor in Lentz's algorithm


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of several values.

    Attributes:
        mean: Mean; None without values.
        deviation: Sample standard deviation (n − 1); None for fewer than two values, or if one is infinite.
        count: Number of values.
    """

    mean: float | None
    deviation: float | None
    count: int


@dataclass(frozen=True)
class Welch:
    """Result of a t-test.

    Attributes:
        t: The statistic, negative if the first mean is lower.
        freedom: Degrees of freedom.
        p: Two-sided p-value.
    """

    t: float
    freedom: float
    p: float


def spread(values: Sequence[float]) -> Spread:
    """Return mean and standard deviation.

    Args:
        values: The values.

    >>> spread([1.0, 3.0])
    Spread(mean=2.0, deviation=1.4142135623730951, count=2)
    """
    if not values:
        return Spread(None, None, 0)
    finite = all(map(math.isfinite, values))
    return Spread(
        statistics.fmean(values), statistics.stdev(values) if finite and len(values) > 1 else None, len(values)
    )


def summary_over_training(values: Sequence[float]) -> dict[str, float]:
    """Return the summary of a training's scores over time in the tables of RealnessGAN (Xiangli et al., 2020).

    Args:
        values: Scores at several steps, at least one.

    >>> summary_over_training([3.0, 1.0, 2.0])
    {'min': 1.0, 'max': 3.0, 'mean': 2.0, 'SD': 1.0}
    """
    whole = spread(values)
    deviation = math.nan if whole.deviation is None else whole.deviation
    return {"min": min(values), "max": max(values), "mean": statistics.fmean(values), "SD": deviation}


def welch_t_test(a: Sequence[float], b: Sequence[float]) -> Welch | None:
    """Test whether two samples have equal means, by Welch's t-test.

    Args:
        a: Values of the first sample.
        b: Values of the second sample.

    Returns:
        The result; None if the test is undefined: fewer than two values, an infinite one, or no spread in both.
    """
    one, other = spread(a), spread(b)
    if one.deviation is None or other.deviation is None or not (one.deviation or other.deviation):
        return None
    assert one.mean is not None
    assert other.mean is not None
    parts = one.deviation**2 / one.count, other.deviation**2 / other.count
    t = (one.mean - other.mean) / math.sqrt(sum(parts))
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (one.count - 1) + parts[1] ** 2 / (other.count - 1))
    return Welch(t, freedom, _beta(freedom / 2, 0.5, freedom / (freedom + t * t)))


def one_sample_t_test(values: Sequence[float], constant: float) -> Welch | None:
    """Test whether a sample has a given mean, by the t-test.

    Args:
        values: Values of the sample.
        constant: The mean to test.

    Returns:
        The result; None for fewer than two values or an infinite one. Values without spread differ from any other mean.

    >>> t_test = one_sample_t_test
    >>> t_test([1.0, 1.0], 2.0).p, t_test([1.0, 1.0], 1.0).p, t_test([1.0], 2.0)
    (0.0, 1.0, None)
    """
    found = spread(values)
    if found.deviation is None or not math.isfinite(constant):
        return None
    assert found.mean is not None
    gap, freedom = found.mean - constant, found.count - 1.0
    if not found.deviation:
        return Welch(math.copysign(math.inf, gap) if gap else 0.0, freedom, 0.0 if gap else 1.0)
    t = gap / (found.deviation / math.sqrt(found.count))
    return Welch(t, freedom, _beta(freedom / 2, 0.5, freedom / (freedom + t * t)))


def holm(probabilities: Sequence[float]) -> list[float]:
    """Adjust p-values for multiple tests: the k-th smallest of m times m − k + 1, non-decreasing and at most 1.

    Args:
        probabilities: The p-values.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, least = [1.0] * len(probabilities), 0.0
    for k, index in enumerate(sorted(range(len(probabilities)), key=probabilities.__getitem__)):
        least = max(least, (len(probabilities) - k) * probabilities[index])
        adjusted[index] = min(1.0, least)
    return adjusted


def _beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), by its continued fraction."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(b, a, 1 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    return front * _fraction(a, b, x) / a


def _fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction of I_x(a, b), by the algorithm of Lentz (1976)."""
    above, below = 1.0, 1 / ((1 - (a + b) * x / (a + 1)) or SMALL)
    value = below
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for part in (even, odd):
            below = 1 / ((1 + part * below) or SMALL)
            above = (1 + part / above) or SMALL
            value *= above * below
        if abs(above * below - 1) < 1e-15:
            break
    return value
