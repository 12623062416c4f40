"""The log-likelihood of test data under a Parzen window around generated samples, by the protocol of 2014.

Every sample s becomes a Gaussian of standard deviation σ in each of the d coordinates (Goodfellow et al., 2014,
section 5, after Breuleux et al., 2011):

    log p(x) = log 1/N Σᵢ 𝒩(x; sᵢ, σ² I) = logmeanexpᵢ(−‖x − sᵢ‖² / 2σ²) − d log(σ √2π)

1. Generate N = 10,000 samples. Images are flattened, in [0, 1], and not dequantised.
2. Choose σ among 10 values from 0.1 to 1, evenly spaced in their logarithm, by the mean over the *first* 1,000
   validation points.
3. Report the mean over all test points, in nats per image, and its standard error, std / √n.

A historical metric: it depends strongly on N, on the scale of the data and on the grid, so compare it at equal N, data
and grids only. It neither approaches the true likelihood nor ranks models by it (Theis et al., 2016): the window widens
the samples, so samples with too little variation are not penalised.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from sparring.metrics._float64 import to_float64

__all__ = ["GRID", "ParzenLikelihood", "parzen_likelihood", "parzen_log_densities"]

GRID = tuple(10 ** (k / 9 - 1) for k in range(10))
"""Bandwidths of the protocol: 10 values from 0.1 to 1."""

VALIDATED = 1_000  # validation points used to choose the bandwidth

BLOCK = 2**22
"""Distances held at once: 32 MiB of float64."""


@dataclass(frozen=True)
class ParzenLikelihood:
    """Result of `parzen_likelihood`.

    Attributes:
        mean: mean log-likelihood of the test points, in nats per point.
        error: standard error of the mean over the test points; it excludes the variance over sample sets and trainings.
        bandwidth: the chosen σ, in units of the data.
        grid: the bandwidths tried, ascending.
        validation: mean log-likelihood of the validation points for each of them.
        samples: N, the generated samples; likelihoods of other N are not comparable.
        dimensions: d, the coordinates of a sample.
    """

    mean: float
    error: float
    bandwidth: float
    grid: tuple[float, ...]
    validation: tuple[float, ...]
    samples: int
    dimensions: int

    @property
    def warning(self) -> str | None:
        """Warning if the best bandwidth lies on an edge of the grid, else None."""
        if self.grid[0] < self.bandwidth < self.grid[-1]:
            return None
        end = "smallest" if self.bandwidth == self.grid[0] else "largest"
        return (
            f"the best bandwidth, {self.bandwidth:.3g}, is the {end} of the grid, so a better one may lie beyond it: "
            f"check that the data are in [0, 1], or pass a wider grid and name it beside the number"
        )


def parzen_likelihood(
    samples: Tensor, validation: Tensor, test: Tensor, *, grid: Sequence[float] = GRID
) -> ParzenLikelihood:
    """Return the Parzen-window log-likelihood of test data (Goodfellow et al., 2014, section 5).

    Args:
        samples: generated samples (N, ...), N = 10,000 in the protocol, images in [0, 1].
        validation: real samples (M, ...) that are not in the test data; the first 1,000 choose the bandwidth.
        test: real samples (n, ...) to evaluate.
        grid: bandwidths to choose from, ascending, in units of the data.

    Returns:
        Mean, standard error and chosen bandwidth, with a warning where that lies on an edge of the grid.

    Raises:
        ValueError: if the shapes do not fit, a set is empty, a value is not finite or the grid does not ascend from
            above zero.

    Example:
        >>> samples = torch.tensor([[0.0], [1.0]])
        >>> found = parzen_likelihood(samples, torch.tensor([[0.5]]), samples)
        >>> round(found.bandwidth, 4), round(found.mean, 4), found.error, found.warning
        (0.4642, -0.7509, 0.0, None)
    """
    if not grid or grid[0] <= 0 or any(after <= before for before, after in pairwise(grid)):
        raise ValueError(f"the grid {tuple(grid)} must hold positive bandwidths in ascending order")
    chosen_by = _log_densities(validation[:VALIDATED], samples, grid).mean(dim=1)
    bandwidth = grid[int(chosen_by.argmax())]
    densities = parzen_log_densities(test, samples, bandwidth)
    return ParzenLikelihood(
        mean=densities.mean().item(),
        error=densities.std(correction=0).item() / math.sqrt(len(densities)),
        bandwidth=bandwidth,
        grid=tuple(grid),
        validation=tuple(chosen_by.tolist()),
        samples=len(samples),
        dimensions=samples[0].numel(),
    )


def parzen_log_densities(points: Tensor, samples: Tensor, bandwidth: float) -> Tensor:
    """Return log p (n,) of points under the Parzen window of one bandwidth, in nats, float64, in bounded memory.

    Args:
        points: where to evaluate (n, ...).
        samples: centres of the window (N, ...).
        bandwidth: standard deviation σ of each Gaussian along each coordinate, in units of the data.

    Raises:
        ValueError: if the shapes do not fit, a set is empty, a value is not finite or the bandwidth is not positive.
    """
    if not bandwidth > 0:
        raise ValueError(f"the bandwidth {bandwidth} must be positive")
    return _log_densities(points, samples, [bandwidth])[0]


def _log_densities(points: Tensor, samples: Tensor, bandwidths: Sequence[float]) -> Tensor:
    """Return log p for each bandwidth and point (K, n); a distance is computed once for all bandwidths."""
    if points.ndim < 2 or points.shape[1:] != samples.shape[1:] or not (points.numel() and samples.numel()):
        raise ValueError(
            f"points (n, ...) and samples (N, ...) of one shape are needed, not {tuple(points.shape)} and "
            f"{tuple(samples.shape)}"
        )
    s = to_float64(samples).flatten(1)
    x = to_float64(points).flatten(1).to(s.device)
    centre = s.mean(dim=0)  # leaves the distances alone and reduces their rounding
    x, s = x - centre, s - centre
    blocks = []
    for rows in x.split(max(1, BLOCK // len(s))):
        squared = torch.cdist(rows, s).square()
        blocks.append(torch.stack([_log_mean_gaussian(squared, sigma, s.shape[1]) for sigma in bandwidths]))
    return torch.cat(blocks, dim=1)


def _log_mean_gaussian(squared: Tensor, sigma: float, dimensions: int) -> Tensor:
    """Return the log of the mean Gaussian density over squared distances (n, N), without underflow at −10⁵."""
    exponents = squared / (-2 * sigma**2)
    mean = exponents.logsumexp(dim=1) - math.log(squared.shape[1])
    return mean - dimensions * math.log(sigma * math.sqrt(2 * math.pi))
