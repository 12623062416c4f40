"""Confidence intervals of scores, and extrapolation to infinitely many samples.

* **Bootstrap** (Efron, 1979): the statistic of samples redrawn with replacement varies as the statistic of fresh
  samples does. Here a resample is as large as its set, and every set is redrawn on its own.
* **Extrapolation** (Chong & Forsyth, 2020): the expectation of a smooth statistic of n samples, such as the Fréchet
  distance or the classifier score, is T∞ + c/n + o(1/n), with a c that depends on the model, so that even scores at
  equal n may rank two models wrongly. A line through the statistic of subsets of several sizes, drawn over 1/n, meets
  1/n = 0 at an estimate of T∞. Given all images of one model,

      frechet_at_infinity = extrapolate(lambda fake: frechet_distance(real, fake), fakes)

  The line removes the bias that the *generated* count causes. That of the real count stays.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Bootstrap", "Extrapolation", "bootstrap", "extrapolate", "wilson_interval"]


@dataclass(frozen=True)
class Bootstrap:
    """A statistic and its replicates on redrawn samples.

    A resample holds duplicates. A mean or a share does not mind; a distance of distributions does, and an estimator
    that leaves out pairs of a sample with itself meets them again: there `bias` is far from zero, the percentiles lie
    beside the value, and `normal` is the interval to take.

    Attributes:
        value: the statistic of the samples themselves.
        replicates: the statistic of each resample, in the order drawn.
    """

    value: float
    replicates: tuple[float, ...]

    @property
    def error(self) -> float:
        """Standard error of the value: the standard deviation of the replicates."""
        return statistics.stdev(self.replicates)

    @property
    def bias(self) -> float:
        """Bias of resampling: mean of the replicates minus the value."""
        return statistics.fmean(self.replicates) - self.value

    def percentile(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the interval between the two quantiles of the replicates that leave out equal tails.

        Args:
            confidence: share of the replicates within, in (0, 1).
        """
        tail = _tail(confidence)
        ends = torch.tensor([tail, 1 - tail], dtype=torch.float64)
        low, high = torch.tensor(self.replicates, dtype=torch.float64).quantile(ends).tolist()
        return low, high

    def normal(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return value ± z · error, with z the quantile of the normal distribution.

        Args:
            confidence: probability of covering the expectation of the statistic, in (0, 1).
        """
        reach = statistics.NormalDist().inv_cdf(1 - _tail(confidence)) * self.error
        return self.value - reach, self.value + reach


@dataclass(frozen=True)
class Extrapolation:
    """A line through a statistic over the inverse sample count.

    Attributes:
        value: the line at 1/n = 0, an estimate of the statistic of infinitely many samples.
        slope: c of value + c/n; the bias at n samples is c/n.
        residual: root mean square distance of the points from the line. The subsets share samples, so it shows a
            crooked line from a straight one and is no standard error.
        counts: sizes n of the subsets, ascending; the last is all samples.
        values: the statistic of each.
    """

    value: float
    slope: float
    residual: float
    counts: tuple[int, ...]
    values: tuple[float, ...]


def bootstrap(statistic: Callable[..., float], *samples: Tensor, resamples: int = 1000, seed: int = 0) -> Bootstrap:
    """Return a statistic with its replicates on samples redrawn with replacement (Efron, 1979).

    Args:
        statistic: from sets of samples to a number; called `resamples + 1` times.
        *samples: the sets (N, ...), at least 2 samples each, redrawn independently of each other. Rows that belong
            together go into one tensor.
        resamples: number of replicates; 1,000 for percentiles, 100 for a standard error.
        seed: decides the resamples.

    Raises:
        ValueError: if there are no samples, fewer than 2 in a set or fewer than 2 resamples.

    Example:
        >>> found = bootstrap(lambda x: x.mean().item(), torch.arange(100.0), resamples=200)
        >>> low, high = found.normal()
        >>> found.value, low < 49.5 < high, 2 < found.error < 4
        (49.5, True, True)
    """
    if not samples or min(map(len, samples)) < 2 or resamples < 2:
        raise ValueError(f"a bootstrap needs 2 resamples of 2 samples, not {resamples} of {[*map(len, samples)]}")
    generator = torch.Generator().manual_seed(seed)
    replicates = [
        float(statistic(*(x[torch.randint(len(x), (len(x),), generator=generator).to(x.device)] for x in samples)))
        for _ in range(resamples)
    ]
    return Bootstrap(float(statistic(*samples)), tuple(replicates))


def extrapolate(
    statistic: Callable[[Tensor], float],
    samples: Tensor,
    *,
    points: int = 15,
    smallest: int | None = None,
    seed: int = 0,
) -> Extrapolation:
    """Return a statistic at infinitely many samples, by a line over 1/n (Chong & Forsyth, 2020).

    Args:
        statistic: from samples to a number whose bias falls as 1/n.
        samples: generated samples or features (N, ...); 50,000 in the paper.
        points: sizes at which the statistic is taken, evenly spaced from the smallest to N; 15 in the paper.
        smallest: the smallest size. Default: N / 10. For a Fréchet distance it should exceed the number of
            features, below which the bias is not yet 1/n.
        seed: decides the subsets, each drawn without replacement.

    Raises:
        ValueError: if there are not that many different sizes of at least 2 samples.
    """
    count = len(samples)
    smallest = max(2, count // 10) if smallest is None else smallest
    if points < 2 or smallest < 2 or count - smallest < points - 1:
        raise ValueError(f"{points} sizes of at least 2 from {smallest} to {count} are needed: use more samples")
    generator = torch.Generator().manual_seed(seed)
    counts = [round(smallest + (count - smallest) * k / (points - 1)) for k in range(points)]
    subsets = (torch.randperm(count, generator=generator)[:n].to(samples.device) for n in counts)
    values = [float(statistic(samples[rows])) for rows in subsets]
    slope, value = statistics.linear_regression([1 / n for n in counts], values)
    apart = [found - value - slope / n for n, found in zip(counts, values, strict=True)]
    return Extrapolation(value, slope, statistics.fmean(r * r for r in apart) ** 0.5, tuple(counts), tuple(values))


def wilson_interval(share: float, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the score interval of a share of independent samples (Wilson, 1927), which is also valid at 0 and 1.

    Args:
        share: of the samples, in [0, 1].
        count: how many there are.
        confidence: probability of covering the true share, in (0, 1).

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> [round(end, 3) for end in wilson_interval(0.0, 100)], [round(end, 3) for end in wilson_interval(0.5, 100)]
        ([0.0, 0.037], [0.404, 0.596])
    """
    if not (0 <= share <= 1 and count >= 1):
        raise ValueError(f"a share {share} in [0, 1] of {count} samples, 1 or more, is needed")
    z = statistics.NormalDist().inv_cdf(1 - _tail(confidence))
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z / (1 + z * z / count) * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _tail(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"the confidence {confidence} must lie between 0 and 1")
    return (1 - confidence) / 2
