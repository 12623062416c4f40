"""The sliced Wasserstein distance: of points, of features, and of the patches of an image at every scale.

On a line the optimal coupling of two sets pairs their sorted samples by rank. So both sets are projected on directions
θ of the unit sphere, and the distances averaged (Rabin et al., 2011; Bonneel et al., 2015):

    SW_p(a, b) = (E_θ W_p(⟨θ, a⟩, ⟨θ, b⟩)^p)^(1/p)        W_p^p = ∫₀¹ |F_a⁻¹(u) − F_b⁻¹(u)|^p du

Two Gaussians that differ by a shift δ alone lie at SW_2 = ‖δ‖ / √d and SW_1 = ‖δ‖ Γ(d/2) / (√π Γ((d + 1)/2)).

`pyramid_distance` is the score of Karras et al. (2018, section 5): 128 patches of 7 × 7 of every image at each level of
its Laplacian pyramid, down to 16 pixels; each colour of a set of patches brought to mean 0 and deviation 1; then SW_1
along 512 directions, times 1000. Each set has its own mean and deviation, so a change of brightness or contrast alone
is not detected, nor is the position in the image: it measures texture at each scale.

Two finite sets from one distribution still lie at a positive distance, which falls with their size: compare scores at
equal counts only, and with the distance of other real samples.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sparring.layers.resampling import Blur

__all__ = ["PyramidDistance", "pyramid_distance", "sliced_wasserstein"]

PATCH = 7
SMALLEST = 16  # pixels of the coarsest level
BINOMIAL = (1.0, 4.0, 6.0, 4.0, 1.0)  # the filter of Burt & Adelson (1983) at a = 3/8
AT_ONCE = 256  # images whose pyramids are held together
BLOCK = 2**22  # projections held at once


@dataclass(frozen=True)
class PyramidDistance:
    """The distances of the patches at each level of the pyramid.

    Attributes:
        sides: heights of the levels in pixels, the whole image first.
        levels: 1000 SW_1 of each level, in the same order.
    """

    sides: tuple[int, ...]
    levels: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the levels, the number that is quoted."""
        return sum(self.levels) / len(self.levels)


def sliced_wasserstein(a: Tensor, b: Tensor, *, projections: int = 512, order: float = 1, seed: int = 0) -> float:
    """Return the sliced Wasserstein distance SW_p of two sets of points or features (Bonneel et al., 2015).

    In one dimension the distance is exact. Sets of different sizes are compared by their quantiles, also exactly.

    Args:
        a: points (N, d); flatten images to compare them by their pixels.
        b: points (M, d).
        projections: random directions; the error of the average falls with their square root.
        order: p ≥ 1.
        seed: seed of the directions.

    Returns:
        SW_p ≥ 0, in the units of the points.

    Raises:
        ValueError: if the shapes do not fit, a value is not finite or a number is invalid.

    Example:
        >>> sliced_wasserstein(torch.tensor([[0.0], [2.0]]), torch.tensor([[5.0], [1.0]]))
        2.0
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1:] != b.shape[1:] or 0 in (*a.shape, *b.shape):
        raise ValueError(f"points (N, d) and (M, d) are needed, not {tuple(a.shape)} and {tuple(b.shape)}")
    if projections < 1 or order < 1:
        raise ValueError(f"projections {projections} and order {order} must be at least 1")
    x, y = a.detach().double(), b.detach().to(a.device).double()
    if not (x.isfinite().all() and y.isfinite().all()):
        raise ValueError("points are not all finite, so they have no distance; look for NaN in the samples")
    return _sliced(x, y, projections, order, torch.Generator().manual_seed(seed))


def pyramid_distance(
    real: Tensor, fake: Tensor, *, patches: int = 128, projections: int = 512, seed: int = 0
) -> PyramidDistance:
    """Return 1000 × the sliced Wasserstein distance of patches at each level (Karras et al., 2018, section 5).

    Levels halve while the sides are even and stay at 16 pixels or more; an image that is smaller has one level. One
    level of both sets is held at a time: 4 · 49 · C · `patches` bytes an image.

    Args:
        real: images (N, C, H, W), sides of at least 7 pixels.
        fake: images (M, C, H, W).
        patches: patches of 7 × 7 of each image at each level.
        projections: random directions at each level; the authors' 4 repeats of 128 are one average over 512.
        seed: seed of positions and directions.

    Returns:
        The distance of each level; `mean` is the score.

    Raises:
        ValueError: if the shapes do not fit, the images are too small or a pixel is not finite.

    Example:
        >>> pyramid_distance(torch.rand(8, 3, 32, 32), torch.rand(8, 3, 32, 32)).sides
        (32, 16)
    """
    if real.ndim != 4 or real.shape[1:] != fake.shape[1:] or min(*real.shape[-2:]) < PATCH or not len(fake):
        raise ValueError(
            f"images (N, C, H, W) of one shape and of at least {PATCH} pixels a side are needed, "
            f"not {tuple(real.shape)} and {tuple(fake.shape)}"
        )
    if patches < 1 or projections < 1:
        raise ValueError(f"patches {patches} and projections {projections} must be at least 1")
    if not (real.isfinite().all() and fake.isfinite().all()):
        raise ValueError("images are not all finite, so they have no distance; look for NaN in the samples")
    generator = torch.Generator().manual_seed(seed)
    sides, distances = _sides(*real.shape[-2:]), []
    for level in range(len(sides)):
        x, y = (_descriptors(images, level, len(sides), patches, generator) for images in (real, fake))
        distances.append(1000 * _sliced(x, y.to(x.device), projections, 1, generator))
    return PyramidDistance(sides, tuple(distances))


def _sliced(x: Tensor, y: Tensor, projections: int, order: float, generator: torch.Generator) -> float:
    """Return SW_p along directions drawn on the CPU, the same for every device."""
    directions = torch.randn(projections, x.shape[1], generator=generator, dtype=torch.float64)
    directions = F.normalize(directions, dim=1).to(x)
    width, of_x, of_y = _quantiles(len(x), len(y), x.device)
    total = 0.0
    for some in directions.split(max(1, BLOCK // (len(x) + len(y)))):
        sorted_x, sorted_y = (_ranked(some @ z.T) for z in (x, y))
        apart = (sorted_x[:, of_x] - sorted_y[:, of_y]).abs() ** order
        total += (apart.double() @ width).sum().item()
    return (total / projections) ** (1 / order)


def _ranked(rows: Tensor) -> Tensor:
    """Sort each row; on a CPU by numpy, which returns no indices and is ten times as fast."""
    return rows.sort(dim=1).values if rows.device.type != "cpu" else torch.from_numpy(np.sort(rows.numpy(), axis=1))


def _quantiles(n: int, m: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return the stretches of [0, 1] on which both quantile functions are constant: widths, and the rank in either set.

    Counted in units of 1 / (n m), so that no stretch is lost to rounding.
    """
    ends = torch.cat([torch.arange(n + 1, device=device) * m, torch.arange(m + 1, device=device) * n]).unique()
    starts = ends[:-1]
    return ends.diff().double() / (n * m), starts // m, starts // n


def _sides(height: int, width: int) -> tuple[int, ...]:
    sides = [height]
    while height % 2 == width % 2 == 0 and min(height, width) >= 2 * SMALLEST:
        height, width = height // 2, width // 2
        sides.append(height)
    return tuple(sides)


def _descriptors(images: Tensor, level: int, levels: int, patches: int, generator: torch.Generator) -> Tensor:
    """Return patches (N · patches, C · 49) of one level, each channel with mean 0 and deviation 1 over all of them."""
    found = torch.cat([_patches(_level(x, level, levels), patches, generator) for x in images.detach().split(AT_ONCE)])
    deviation, mean = torch.std_mean(found, dim=(0, 2, 3), correction=0, keepdim=True)
    return ((found - mean) / deviation.where(deviation > 0, 1)).flatten(1)


def _level(images: Tensor, level: int, levels: int) -> Tensor:
    """Return a level of the Laplacian pyramid, 0 the finest."""
    x = images.float()
    for _ in range(level):
        x = _shrunk(x)
    return x if level == levels - 1 else x - _grown(_shrunk(x))


def _shrunk(x: Tensor) -> Tensor:
    """Halve the sides of (N, C, H, W) by the binomial filter, mirrored at the edges."""
    return Blur(BINOMIAL).to(x)(F.pad(x, (2, 2, 2, 2), mode="reflect"))[..., ::2, ::2]


def _grown(x: Tensor) -> Tensor:
    """Double the sides of (N, C, H, W) by the same filter, on pixels with zeros between."""
    between = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    between[..., ::2, ::2] = x
    return Blur(BINOMIAL, gain=4.0).to(x)(F.pad(between, (2, 2, 2, 2), mode="reflect"))


def _patches(x: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return `count` patches (n · count, C, 7, 7) of each image (n, C, H, W), at places drawn evenly from all."""
    windows = x.unfold(2, PATCH, 1).unfold(3, PATCH, 1)  # (n, C, H − 6, W − 6, 7, 7), nothing copied
    top, left = (torch.randint(n, (len(x), count), generator=generator) for n in windows.shape[2:4])
    return windows[torch.arange(len(x))[:, None], :, top, left].flatten(0, 1)
