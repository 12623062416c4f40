"""The kernel distance of two sets of features: KID when they are Inception's (Bińkowski et al., 2018, section 4).

The squared maximum mean discrepancy with a cubic kernel, by the estimator of Gretton et al. (2012, equation 3), which
leaves out the pairs of a sample with itself and is therefore unbiased at every sample count, unlike the Fréchet
distance:

    k(x, y) = (x·y / d + 1)³
    MMD² = 1/(N(N−1)) Σ_{i≠j} k(xᵢ, xⱼ) + 1/(M(M−1)) Σ_{i≠j} k(yᵢ, yⱼ) − 2/(NM) Σ_{i,j} k(xᵢ, yⱼ)

It compares moments up to the third: for d = 1 it is 3 (Δm₁)² + 3 (Δm₂)² + (Δm₃)². Being unbiased it may be negative for
equal distributions; it is reported as it is. The published number is the mean over random subsets; the same over all
pairs at once, `kernel_distance`, has the same expectation and a smaller variance.
"""

import statistics
from dataclasses import dataclass

import torch
from torch import Tensor

from sparring.metrics._float64 import to_float64

__all__ = ["KernelDistance", "kernel_distance", "kernel_distance_over_subsets"]

BLOCK = 2**20
"""Kernel values held at once: 8 MiB of float64."""


@dataclass(frozen=True)
class KernelDistance:
    """Result of `kernel_distance_over_subsets`.

    Attributes:
        mean: mean over the subsets, an unbiased estimate of MMD².
        deviation: standard deviation over the subsets, as published beside the mean. The subsets share samples, so it
            is no standard error of the mean.
        subsets: number of subsets.
        size: samples of each set in a subset.
    """

    mean: float
    deviation: float
    subsets: int
    size: int


def kernel_distance(real: Tensor, fake: Tensor) -> float:
    """Return the unbiased estimate of MMD² from all pairs of features, in bounded memory (Gretton et al., 2012).

    Args:
        real: features of real images (N, d), N at least 2.
        fake: features of generated images (M, d), M at least 2.

    Returns:
        MMD², zero in expectation for equal distributions and slightly negative at times.

    Raises:
        ValueError: if the shapes do not fit, a set has fewer than 2 samples or a feature is not finite.

    Example:
        >>> kernel_distance(torch.tensor([[1.0], [-1.0]]), torch.tensor([[0.0], [0.0]]))
        -1.0
    """
    return _unbiased(*_prepared(real, fake))


def kernel_distance_over_subsets(
    real: Tensor, fake: Tensor, *, subsets: int = 100, size: int = 1000, seed: int = 0
) -> KernelDistance:
    """Return mean and standard deviation of MMD² over random subsets (Bińkowski et al., 2018): KID as published.

    Args:
        real: features of real images (N, d).
        fake: features of generated images (M, d).
        subsets: how many subsets are drawn, each without replacement.
        size: samples of each set in a subset, at most N and M.
        seed: decides the subsets.

    Raises:
        ValueError: if the shapes do not fit, a subset is larger than a set or a feature is not finite.
    """
    x, y = _prepared(real, fake)
    if subsets < 1 or not 2 <= size <= min(len(x), len(y)):
        raise ValueError(
            f"{subsets} subsets of {size} samples cannot be drawn from {len(x)} and {len(y)}: choose at least 1 subset "
            f"of 2 to {min(len(x), len(y))}"
        )
    generator = torch.Generator().manual_seed(seed)
    values = [_unbiased(_subset(x, size, generator), _subset(y, size, generator)) for _ in range(subsets)]
    return KernelDistance(statistics.fmean(values), statistics.pstdev(values), subsets, size)


def _prepared(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1] or min(len(real), len(fake)) < 2:
        raise ValueError(
            f"features (N, d) and (M, d) with N and M of at least 2 are needed, not {tuple(real.shape)} and "
            f"{tuple(fake.shape)}"
        )
    x = to_float64(real)
    return x, to_float64(fake).to(x.device)


def _subset(features: Tensor, size: int, generator: torch.Generator) -> Tensor:
    rows = torch.randperm(len(features), generator=generator)[:size]
    return features[rows.to(features.device)]


def _unbiased(x: Tensor, y: Tensor) -> float:
    n, m = len(x), len(y)
    within_x = (_sum_of_pairs(x, x) - _cubed(x.square().sum(dim=1), x).sum()) / (n * (n - 1))
    within_y = (_sum_of_pairs(y, y) - _cubed(y.square().sum(dim=1), y).sum()) / (m * (m - 1))
    return (within_x + within_y - 2 * _sum_of_pairs(x, y) / (n * m)).item()


def _sum_of_pairs(x: Tensor, y: Tensor) -> Tensor:
    """Sum of k over all pairs, a block of rows at a time."""
    return torch.stack([_cubed(rows @ y.T, y).sum() for rows in x.split(max(1, BLOCK // len(y)))]).sum()


def _cubed(products: Tensor, features: Tensor) -> Tensor:
    """Return the kernel from inner products of features (N, d)."""
    return (products / features.shape[1] + 1) ** 3
