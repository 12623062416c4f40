"""Memorisation of training data: nearest training images, and a test against held-out data.

A generated image always has a nearest training image; its distance is compared with that of held-out data.
Let r(·) be the distance to the nearest training image in features. If the generator drew from the data's distribution,
r(fake) and r(held out) would be equally distributed. Compare them by their ranks (Mann & Whitney, 1947):

    U = #{(fake, held out): r(fake) > r(held out)} + ½ #{equal}            E U = m n / 2
    C_T = (U − m n / 2) / σ_U                                              Meehan et al. (2020, section 3)

C_T has mean 0 and deviation 1 for a perfect sampler; far below 0 the generator copies, far above 0 its images are
farther from the training data than real ones are. Copies in one region may be masked by poor images in another, so the
test can be made in cells around the training data (k-means) and averaged by their share of the held-out data. Unlike
the authors' code, an image at the border of a cell may find its nearest training image beyond it.

C_T grows with the numbers of images. `closer` = 1 − U / (m n) does not: the chance that a generated image lies
closer to the training data than a held-out one, ½ for a perfect sampler and 1 for copies. Both also move towards
copying when a generator makes only the classes whose images lie close together, so read them beside recall.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Memorisation", "Nearest", "memorisation", "nearest"]

BLOCK = 2**20  # distances held at once: 8 MiB of float64
RARE = 0.01  # of the held-out images are at least as close to a training image as a "copy"
MIN_CELL = 20  # minimum number of generated images per cell, as in the authors' code
ROUNDS = 20  # of k-means, at most


@dataclass(frozen=True, eq=False)
class Nearest:
    """The nearest reference of each query.

    Attributes:
        indices: row of the nearest reference (M,), int64.
        distances: distance to it (M,), float64, in the units of the features; exactly 0 for a copy.
    """

    indices: Tensor
    distances: Tensor


@dataclass(frozen=True, eq=False)
class Memorisation:
    """Distance of generated images to training images, relative to held-out images.

    Attributes:
        closer: chance that a generated image is closer to the training data than a held-out image, in [0, 1]; ½ for a
            perfect sampler, 1 for copies, towards 0 for images unlike any real one.
        standard_error: of `closer` (DeLong et al., 1988), conditional on the training data.
        statistic: C_T, negative for copies; 0 ± 1 for a perfect sampler in one cell.
        copied: share of generated images that are closer to the training data than 99 % of the held-out ones; 0.01 for
            a perfect sampler, given 100 of them or more. It detects a few copies among many good images.
        nearest: the nearest training image of each generated one.
    """

    closer: float
    standard_error: float
    statistic: float
    copied: float
    nearest: Nearest


def nearest(queries: Tensor, references: Tensor) -> Nearest:
    """Find the nearest reference of each query; memory stays bounded.

    Args:
        queries: features (M, d).
        references: features (N, d).

    Returns:
        Indices and distances; of equally near references the first.

    Raises:
        ValueError: if the shapes do not fit or a feature is not finite.

    Example:
        >>> found = nearest(torch.tensor([[1.0], [9.0]]), torch.tensor([[10.0], [1.0]]))
        >>> found.indices.tolist(), found.distances.tolist()
        ([1, 0], [0.0, 1.0])
    """
    if queries.ndim != 2 or references.ndim != 2 or queries.shape[1] != references.shape[1] or not len(references):
        raise ValueError(
            f"features (M, d) and (N, d) are needed, not {tuple(queries.shape)} and {tuple(references.shape)}"
        )
    y = references.detach().double()
    x = queries.detach().to(y.device).double()
    if not (x.isfinite().all() and y.isfinite().all()):
        raise ValueError("features are not all finite, so they have no neighbours; look for NaN in the images")
    centre = y.mean(dim=0)
    x, y = x - centre, y - centre  # reduces rounding without changing distances
    found = torch.empty(len(x), dtype=torch.int64, device=y.device)  # allocated once
    rows = max(1, BLOCK // len(y))
    for start in range(0, len(x), rows):
        found[start : start + rows] = torch.cdist(x[start : start + rows], y).argmin(dim=1)
    return Nearest(found, (x - y[found]).norm(dim=1))  # exact, unlike distances by matrix products


def memorisation(train: Tensor, held_out: Tensor, fake: Tensor, *, cells: int = 1, seed: int = 0) -> Memorisation:
    """Measure how much nearer generated images lie to the training images than unseen real ones (Meehan et al., 2020).

    Args:
        train: features (N, d) of the images that the generator was trained on, all of them.
        held_out: features (n, d) of real images not used in training, at least 2.
        fake: features (m, d) of generated images, at least 2.
        cells: number of cells for C_T; those with fewer than 20 generated
            images are left out.
        seed: seed of the cells.

    Returns:
        The calibrated numbers and the nearest training images.

    Raises:
        ValueError: if the shapes do not fit, a feature is not finite or there are too few images.
    """
    if min(len(held_out), len(fake)) < 2 or not 1 <= cells <= len(train):
        raise ValueError(
            f"2 held-out and 2 generated images and 1 to {len(train)} cells are needed, "
            f"not {len(held_out)}, {len(fake)} and {cells}"
        )
    of_fake, of_held = nearest(fake, train), nearest(held_out, train)
    farther = _share_below(of_fake.distances, of_held.distances)
    nearer = _share_below(of_held.distances, of_fake.distances)
    error = math.sqrt(farther.var().item() / len(farther) + nearer.var().item() / len(nearer))
    limit = of_held.distances.sort().values[math.ceil(RARE * len(held_out)) - 1]
    return Memorisation(
        closer=1 - farther.mean().item(),
        standard_error=error,
        statistic=_statistic(train, held_out, fake, of_held, of_fake, cells, seed),
        copied=(of_fake.distances < limit).double().mean().item(),
        nearest=of_fake,
    )


def _statistic(
    train: Tensor, held_out: Tensor, fake: Tensor, of_held: Nearest, of_fake: Nearest, cells: int, seed: int
) -> float:
    """Return C_T: the standardised U of cells, averaged by their shares of the held-out images (equation 2)."""
    centres = _kmeans(train, cells, seed)
    cell_of_held, cell_of_fake = nearest(held_out, centres).indices, nearest(fake, centres).indices
    weights, scores = [], []
    for cell in range(cells):
        held, made = of_held.distances[cell_of_held == cell], of_fake.distances[cell_of_fake == cell]
        if len(held) and (len(made) >= MIN_CELL or cells == 1):
            weights.append(len(held))
            scores.append(len(held) * _standardised(made, held))
    return sum(scores) / sum(weights) if weights else math.nan


def _standardised(made: Tensor, held: Tensor) -> float:
    """Return (U − m n / 2) / σ_U, with the deviation of U under ties."""
    m, n = len(made), len(held)
    ties = torch.cat([made, held]).unique(return_counts=True)[1].double()
    variance = m * n / 12 * (m + n + 1 - ((ties**3 - ties).sum().item() / ((m + n) * (m + n - 1))))
    apart = (_share_below(made, held).mean().item() - 0.5) * m * n
    return apart / math.sqrt(variance) if variance > 1e-9 else 0.0


def _share_below(values: Tensor, others: Tensor) -> Tensor:
    """Return for each value (m,) the share of the others below it, equal ones counted half."""
    order = others.sort().values
    below, upto = (torch.searchsorted(order, values, right=right) for right in (False, True))
    return (below + upto).double() / (2 * len(order))


def _kmeans(train: Tensor, cells: int, seed: int) -> Tensor:
    """Return the k-means centres of the training data, from rows drawn at random (Lloyd, 1982)."""
    x = train.detach().double()
    rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:cells]
    centres = x[rows.to(x.device)]
    for _ in range(ROUNDS if cells > 1 else 0):
        member = nearest(x, centres).indices
        counts = torch.bincount(member, minlength=cells)[:, None]
        moved = torch.zeros_like(centres).index_add_(0, member, x) / counts.clamp(min=1)
        centres = moved.where(counts > 0, centres)
    return centres
