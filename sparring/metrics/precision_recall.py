"""Improved precision and recall, density and coverage, by nearest neighbours in features.

Each sample spans a ball whose radius is the distance to its k-th nearest neighbour within its own set; the union of the
balls stands for the manifold of the set.

    precision = share of fakes inside any real ball       recall   = share of reals inside any fake ball
    density   = real balls around a fake, mean / k        coverage = share of real balls that hold any fake

Precision and recall are Kynkäänniemi et al. (2019, equations 1 and 2; k = 3). Density and coverage, which a single
outlier among the reals inflates less, are Naeem et al. (2020; k = 5). All four depend on the numbers of samples:
compare scores at equal counts only.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["DensityCoverage", "PrecisionRecall", "density_coverage", "precision_recall"]

BLOCK = 2**20
"""Distances held at once: 8 MiB of float64."""

SAME = 1e-12
"""Squared distances below this share of the squared lengths are rounding: the two features are the same to float32."""


@dataclass(frozen=True)
class PrecisionRecall:
    """Fidelity and diversity of fakes, both in [0, 1]."""

    precision: float
    recall: float


@dataclass(frozen=True)
class DensityCoverage:
    """Density of reals around fakes (1 for equal distributions, unbounded), and the share of covered reals."""

    density: float
    coverage: float


def precision_recall(real: Tensor, fake: Tensor, neighbours: int = 3) -> PrecisionRecall:
    """Return improved precision and recall (Kynkäänniemi et al., 2019, equations 1 and 2).

    Args:
        real: features of real images (N, d).
        fake: features of generated images (M, d).
        neighbours: k of the k-th nearest neighbour that gives a ball its radius.

    Returns:
        Precision and recall.

    Raises:
        ValueError: if the shapes do not fit or a set has k samples or fewer.

    Example:
        >>> real = torch.tensor([[0.0], [1.0], [10.0], [11.0]])
        >>> precision_recall(real, torch.tensor([[0.0], [0.5], [1.0]]), neighbours=1)
        PrecisionRecall(precision=1.0, recall=0.5)
    """
    real, fake = _prepared(real, fake, neighbours)
    inside_real = _balls_around(fake, real, _radii(real, neighbours)) > 0
    inside_fake = _balls_around(real, fake, _radii(fake, neighbours)) > 0
    return PrecisionRecall(inside_real.double().mean().item(), inside_fake.double().mean().item())


def density_coverage(real: Tensor, fake: Tensor, neighbours: int = 5) -> DensityCoverage:
    """Return density and coverage (Naeem et al., 2020).

    Args:
        real: features of real images (N, d).
        fake: features of generated images (M, d).
        neighbours: k of the k-th nearest neighbour that gives a ball its radius.

    Returns:
        Density and coverage.

    Raises:
        ValueError: if the shapes do not fit or a set has k samples or fewer.
    """
    real, fake = _prepared(real, fake, neighbours)
    radii = _radii(real, neighbours)
    density = _balls_around(fake, real, radii).double().mean().item() / neighbours
    nearest = _reduced(lambda block: block.min(dim=1).values, real, fake)
    return DensityCoverage(density, (nearest <= radii).double().mean().item())


def _prepared(real: Tensor, fake: Tensor, neighbours: int) -> tuple[Tensor, Tensor]:
    """Return both sets in float64 around the real mean, which reduces rounding of distances."""
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1]:
        raise ValueError(f"features (N, d) and (M, d) are needed, not {tuple(real.shape)} and {tuple(fake.shape)}")
    if neighbours < 1 or min(len(real), len(fake)) <= neighbours:
        raise ValueError(f"{neighbours} neighbours need more samples than that, not {len(real)} and {len(fake)}")
    device = torch.device("cpu") if real.device.type == "mps" else real.device
    x, y = real.detach().to(device).double(), fake.detach().to(device).double()
    if not (x.isfinite().all() and y.isfinite().all()):
        raise ValueError("features are not all finite, so they have no neighbours; look for NaN in the images")
    return x - x.mean(dim=0), y - x.mean(dim=0)


def _squared_distances(queries: Tensor, references: Tensor) -> Iterator[Tensor]:
    """Yield blocks (≤ rows, M) of squared distances from each query to every reference, in order."""
    lengths = references.square().sum(dim=1)
    for rows in queries.split(max(1, BLOCK // len(references))):
        scale = rows.square().sum(dim=1, keepdim=True) + lengths
        squared = scale - 2 * rows @ references.T
        yield squared.where(squared > SAME * scale, 0)


def _reduced(reduce: Callable[[Tensor], Tensor], queries: Tensor, references: Tensor) -> Tensor:
    """Apply a reduction to each query's squared distances (N,).

    Results go where there is room already: new ones between blocks would keep the memory of the blocks from being used
    again, and 10,000 samples would take a gigabyte.
    """
    found, start = queries.new_empty(len(queries)), 0
    for block in _squared_distances(queries, references):
        found[start : start + len(block)] = reduce(block)
        start += len(block)
    return found


def _radii(features: Tensor, neighbours: int) -> Tensor:
    """Return the squared distance (N,) to the k-th nearest other sample: k + 1, since the nearest is itself."""
    return _reduced(lambda block: block.topk(neighbours + 1, dim=1, largest=False).values[:, -1], features, features)


def _balls_around(queries: Tensor, centres: Tensor, radii: Tensor) -> Tensor:
    """Return the number of balls that contain each query (N,)."""
    return _reduced(lambda block: (block <= radii).sum(dim=1), queries, centres)
