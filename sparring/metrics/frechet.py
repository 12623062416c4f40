"""The Fréchet distance between two sets of features, each taken for a Gaussian (Heusel et al., 2017, equation 6).

    d² = ‖μ₁ − μ₂‖² + tr C₁ + tr C₂ − 2 tr (C₁ C₂)^½        (Dowson & Landau, 1982)

The usual code takes the square root of the product C₁ C₂, which is neither symmetric nor, with fewer samples than
features, of full rank, and mends it with a multiple of the identity. No mending is needed: for *any* factors with
C₁ = F₁ F₁ᵀ and C₂ = F₂ F₂ᵀ

    tr (C₁^½ C₂ C₁^½)^½ = ‖F₁ᵀ F₂‖_*        (the sum of the singular values),

since both sides are the sum of the square roots of the eigenvalues of F₁ᵀ C₂ F₁. Each factor is the thinner of two: V
Λ^½ from the eigenvectors of the d × d covariance (`eigh`), or, with n < d samples, the centred features themselves
divided by √(n − 1), which are exact at their rank.

Everything is accumulated and solved in float64. Two finite sets from one distribution still lie at a positive distance,
which falls with their size: compare scores at equal sample counts only.
"""

import torch
from torch import Tensor

from sparring.metrics._float64 import to_float64

__all__ = ["Moments", "frechet_distance", "frechet_from_moments"]


class Moments:
    """Count, mean and covariance of features that arrive in batches (Chan, Golub & LeVeque, 1979).

    Batches are joined by their means and scatter matrices, so nothing is lost to cancellation however far the mean is
    from zero, and the moments of several processes can be merged.

    Example:
        >>> moments = Moments()
        >>> moments.update(torch.tensor([[0.0, 1.0], [2.0, 1.0]]))
        >>> moments.update(torch.tensor([[4.0, 1.0]]))
        >>> moments.count, moments.mean.tolist(), moments.covariance.tolist()
        (3, [2.0, 1.0], [[4.0, 0.0], [0.0, 0.0]])
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean: Tensor | None = None
        self._scatter: Tensor | None = None

    @classmethod
    def of(cls, features: Tensor) -> "Moments":
        """Take the moments of one set of features (N, d)."""
        moments = cls()
        moments.update(features)
        return moments

    @classmethod
    def given(cls, count: int, mean: Tensor, covariance: Tensor) -> "Moments":
        """Make moments from known ones, as published statistics files hold them.

        Args:
            count: number of samples behind them, at least 2.
            mean: mean (d,).
            covariance: covariance (d, d), with denominator `count − 1`.
        """
        if count < 2 or mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
            raise ValueError(
                f"a mean (d,), a covariance (d, d) and a count of at least 2 are needed, "
                f"not {tuple(mean.shape)}, {tuple(covariance.shape)} and {count}"
            )
        moments = cls()
        moments._join(count, to_float64(mean), to_float64(covariance) * (count - 1))
        return moments

    def update(self, features: Tensor) -> None:
        """Add a batch of features (N, d); an empty one changes nothing."""
        if features.ndim != 2:
            raise ValueError(f"features have shape {tuple(features.shape)}; (N, d) is needed")
        if len(features):
            x = to_float64(features)
            mean = x.mean(dim=0)
            self._join(len(x), mean, (x - mean).T @ (x - mean))

    def merge(self, other: "Moments") -> "Moments":
        """Return the moments of both sets together; neither is changed."""
        both = Moments()
        for part in (self, other):
            if part._mean is not None and part._scatter is not None:
                both._join(part.count, part._mean, part._scatter)
        return both

    @property
    def mean(self) -> Tensor:
        """Mean (d,) in float64."""
        if self._mean is None:
            raise ValueError("no features were given yet, so there is no mean")
        return self._mean

    @property
    def covariance(self) -> Tensor:
        """Covariance (d, d) in float64, with denominator `count − 1`."""
        if self._scatter is None or self.count < 2:
            raise ValueError(f"a covariance needs at least 2 samples, not {self.count}")
        return self._scatter / (self.count - 1)

    def _join(self, count: int, mean: Tensor, scatter: Tensor) -> None:
        if self._mean is None or self._scatter is None:
            self.count, self._mean, self._scatter = count, mean, scatter
            return
        if mean.shape != self._mean.shape:
            raise ValueError(f"features of {len(mean)} dimensions do not join those of {len(self._mean)}")
        total = self.count + count
        apart = mean.to(self._mean.device) - self._mean
        between = torch.outer(apart, apart) * (self.count * count / total)
        self._mean = self._mean + apart * (count / total)
        self._scatter = self._scatter + scatter.to(self._scatter.device) + between
        self.count = total


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Return the squared Fréchet distance of two sets of features (Heusel et al., 2017, equation 6).

    A set with fewer samples than features enters through its samples, any other through its covariance.

    Args:
        a: features (N, d), N at least 2.
        b: features (M, d), M at least 2.

    Returns:
        d² ≥ 0, in squared units of the features. This is the number that is published as FID.

    Raises:
        ValueError: if the shapes do not fit, a set has fewer than 2 samples or a feature is not finite.

    Example:
        >>> x = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])
        >>> round(frechet_distance(x, x + torch.tensor([3.0, 4.0])), 9), round(frechet_distance(x, 2 * x), 9)
        (25.0, 1.333333333)
    """
    for features in (a, b):
        if features.ndim != 2 or len(features) < 2:
            raise ValueError(f"features have shape {tuple(features.shape)}; (N, d) with N of at least 2 is needed")
    x = to_float64(a)
    y = to_float64(b).to(x.device)
    return _distance(x.mean(dim=0), _factor_of_features(x), y.mean(dim=0), _factor_of_features(y))


def frechet_from_moments(a: Moments, b: Moments) -> float:
    """Return the squared Fréchet distance of two Gaussians given by their moments (Dowson & Landau, 1982).

    Args:
        a: moments of the one set.
        b: moments of the other, of the same dimension.

    Returns:
        d² ≥ 0, in squared units of the features.

    Raises:
        ValueError: if the dimensions differ, a set has fewer than 2 samples or a moment is not finite.
    """
    device = a.mean.device
    return _distance(a.mean, _root(a.covariance), b.mean.to(device), _root(b.covariance.to(device)))


def _distance(mean1: Tensor, factor1: Tensor, mean2: Tensor, factor2: Tensor) -> float:
    """Return d² of N(μ₁, F₁ F₁ᵀ) and N(μ₂, F₂ F₂ᵀ); tr F Fᵀ is the squared Frobenius norm."""
    if mean1.shape != mean2.shape:
        raise ValueError(f"features of {len(mean1)} and of {len(mean2)} dimensions cannot be compared")
    apart = (mean1 - mean2).square().sum()
    overlap = torch.linalg.svdvals(factor1.T @ factor2).sum()
    squared = apart + factor1.square().sum() + factor2.square().sum() - 2 * overlap
    return max(squared.item(), 0.0)  # rounding only: the exact value is never negative


def _factor_of_features(x: Tensor) -> Tensor:
    """Return the thinner F (d, r) with F Fᵀ the covariance of x (N, d)."""
    count, dimensions = x.shape
    if count >= dimensions:
        return _root(Moments.of(x).covariance)
    return (x - x.mean(dim=0)).T / (count - 1) ** 0.5


def _root(covariance: Tensor) -> Tensor:
    """Return F (d, d) with F Fᵀ = C: V Λ^½. Eigenvalues below the rounding of the largest are null directions."""
    values, vectors = torch.linalg.eigh(covariance)
    rounding = values[-1].clamp(min=0) * len(values) * torch.finfo(values.dtype).eps
    return vectors * values.where(values > rounding, 0).sqrt()
