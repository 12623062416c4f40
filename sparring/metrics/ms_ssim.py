"""Structural similarity (SSIM, MS-SSIM), and the similarity of random pairs of samples as a measure of collapse.

SSIM compares two images window by window, under a Gaussian of deviation 1.5 on 11 × 11 pixels (Wang et al., 2004,
equations 6, 9, 10 and 13; K₁ = 0.01, K₂ = 0.03, range L = 1):

    l = (2 μ_a μ_b + K₁²) / (μ_a² + μ_b² + K₁²)        cs = (2 σ_ab + K₂²) / (σ_a² + σ_b² + K₂²)        SSIM = mean l cs

MS-SSIM halves both images repeatedly, and uses cs of every scale and l of the last (Wang et al., 2003, equation 7):

    MS-SSIM = SSIM_M^{w_M} ∏_{j < M} cs_j^{w_j}        w = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

A window only counts where it lies wholly inside the image. A scale therefore needs a side of 11 pixels and five scales
176. **Smaller images use fewer scales** (32 pixels 2, 64 pixels 3, 128 pixels 4), the first weights scaled to sum 1;
images below 11 pixels a smaller window. So scores of different sizes are not comparable, and each names its scales.

Odena et al. (2017) take the mean MS-SSIM of random pairs of generated images of one class for (lack of) diversity:
identical images give 1, real data their own value, which is what a generator should reach. It detects a collapse and
little else: two different blurs are as diverse as two different photographs.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["PairSimilarity", "ms_ssim", "pair_similarity", "scales_of", "ssim"]

WINDOW = 11
DEVIATION = 1.5
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
LUMINANCE = 0.01**2
CONTRAST = 0.03**2
AT_ONCE = 128  # pairs that are compared together


@dataclass(frozen=True)
class PairSimilarity:
    """Similarity of the images of a set.

    Attributes:
        mean: mean MS-SSIM of the pairs, at most 1; lower is more diverse.
        standard_error: of that mean. No image is in two pairs, so the pairs are independent.
        pairs: how many were compared.
        scales: how many scales the size of the images allowed, 5 at most.
    """

    mean: float
    standard_error: float
    pairs: int
    scales: int


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Return the structural similarity of each pair (Wang et al., 2004, equation 13), the mean over channels.

    Args:
        a: images (N, C, H, W) in [−1, 1], which are compared in [0, 1].
        b: as many images of the same shape.

    Returns:
        SSIM (N,) in float64, in [−1, 1]; 1 exactly for equal images.

    Raises:
        ValueError: if the shapes do not fit or a pixel is not finite.
    """
    _require_pairs(a, b)
    chunks = zip(a.detach().split(AT_ONCE), b.detach().split(AT_ONCE), strict=True)
    return torch.cat([_compared(_in_unit_range(x), _in_unit_range(y))[1] for x, y in chunks])


def ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    """Return the multi-scale structural similarity of each pair (Wang et al., 2003, equation 7).

    A negative similarity at some scale, which has no real power, counts as 0.

    Args:
        a: images (N, C, H, W) in [−1, 1], which are compared in [0, 1].
        b: as many images of the same shape.

    Returns:
        MS-SSIM (N,) in float64, in [0, 1]; 1 for equal images.

    Raises:
        ValueError: if the shapes do not fit or a pixel is not finite.

    Example:
        >>> x = torch.linspace(-1, 1, 3072).reshape(1, 3, 32, 32)
        >>> round(ms_ssim(x, x).item(), 9), ms_ssim(x, -x).item()
        (1.0, 0.0)
    """
    _require_pairs(a, b)
    chunks = zip(a.detach().split(AT_ONCE), b.detach().split(AT_ONCE), strict=True)
    return torch.cat([_over_scales(x, y) for x, y in chunks])


def pair_similarity(
    images: Tensor, *, labels: Tensor | None = None, pairs: int | None = None, seed: int = 0
) -> PairSimilarity:
    """Return the mean MS-SSIM of random pairs of images (Odena et al., 2017, section 4.2).

    Args:
        images: generated images (N, C, H, W) in [−1, 1].
        labels: their classes (N,), to compare within classes only; that is what the paper does.
        pairs: maximum number of pairs. Default: as many as possible without using an image twice.
        seed: fixes the pairs.

    Returns:
        The mean with its standard error, and the number of scales that the size allows.

    Raises:
        ValueError: if the shapes do not fit, a pixel is not finite or fewer than two pairs can be made.

    Example:
        >>> pair_similarity(torch.ones(8, 1, 16, 16))
        PairSimilarity(mean=1.0, standard_error=0.0, pairs=4, scales=1)
    """
    if images.ndim != 4 or (labels is not None and labels.shape != images.shape[:1]):
        raise ValueError(
            f"images (N, C, H, W) and labels (N,) are needed, not {tuple(images.shape)}"
            + ("" if labels is None else f" and {tuple(labels.shape)}")
        )
    first, second = _pairs(len(images), labels, torch.Generator().manual_seed(seed))
    first, second = first[:pairs], second[:pairs]
    if len(first) < 2:
        raise ValueError(f"a mean with its error needs two pairs, which {len(images)} images of these classes lack")
    found = ms_ssim(images[first], images[second])
    error = found.std().item() / math.sqrt(len(found))
    return PairSimilarity(found.mean().item(), error, len(found), scales_of(*images.shape[-2:]))


def scales_of(height: int, width: int) -> int:
    """Return the number of scales of `ms_ssim`: while 11 pixels are left, at least 1 and at most 5.

    Args:
        height: of the images in pixels.
        width: of the images in pixels.

    Example:
        >>> [scales_of(side, side) for side in (8, 28, 32, 64, 128, 256, 512)]
        [1, 2, 2, 3, 4, 5, 5]
    """
    side = min(height, width)
    return max(1, sum(side >> halvings >= WINDOW for halvings in range(len(WEIGHTS))))


def _over_scales(a: Tensor, b: Tensor) -> Tensor:
    """Return the product of equation 7."""
    scales = scales_of(*a.shape[-2:])
    weights = [weight / sum(WEIGHTS[:scales]) for weight in WEIGHTS[:scales]]
    a, b = _in_unit_range(a), _in_unit_range(b)
    product = torch.ones(len(a), dtype=torch.float64, device=a.device)
    for scale, weight in enumerate(weights, start=1):
        contrast, full = _compared(a, b)
        product *= (full if scale == scales else contrast).clamp(min=0) ** weight
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return product


def _compared(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean cs (N,) and mean l cs (N,) of pairs (N, C, H, W) in [0, 1], over windows and channels."""
    taps = _window(min(a.shape[-2:])).to(a.device)
    mean_a, mean_b = _averaged(a, taps), _averaged(b, taps)
    of_a = _averaged(a * a, taps) - mean_a * mean_a
    of_b = _averaged(b * b, taps) - mean_b * mean_b
    of_both = _averaged(a * b, taps) - mean_a * mean_b
    contrast = (2 * of_both + CONTRAST) / (of_a + of_b + CONTRAST)
    luminance = (2 * mean_a * mean_b + LUMINANCE) / (mean_a * mean_a + mean_b * mean_b + LUMINANCE)
    return contrast.mean(dim=(1, 2, 3)), (luminance * contrast).mean(dim=(1, 2, 3))


def _window(side: int) -> Tensor:
    """Return the Gaussian (k,) of sum 1, k the largest odd number up to 11 that fits."""
    size = min(WINDOW, side - 1 + side % 2)
    place = torch.arange(size, dtype=torch.float64) - size // 2
    return torch.softmax(-place.square() / (2 * DEVIATION**2), dim=0)


def _averaged(x: Tensor, taps: Tensor) -> Tensor:
    """Return means of (N, C, H, W) under the window, along one axis and then the other, where it lies inside."""
    along = x.flatten(0, 1)[:, None]
    along = F.conv2d(F.conv2d(along, taps[None, None, :, None]), taps[None, None, None, :])
    return along.reshape(*x.shape[:2], *along.shape[-2:])


def _in_unit_range(images: Tensor) -> Tensor:
    """Map [−1, 1] to [0, 1], the range of SSIM's constants: it is not invariant to a shift of both images."""
    return (images.double() + 1) / 2


def _pairs(count: int, labels: Tensor | None, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return indices of random pairs in random order; no index occurs twice, and both of a pair have one label."""
    order = torch.randperm(count, generator=generator)
    if labels is None:
        return order[: count // 2], order[count // 2 : count // 2 * 2]
    shuffled = labels.cpu()[order]
    groups = [order[shuffled == label] for label in shuffled.unique()]
    both = torch.cat([group[: len(group) // 2 * 2].reshape(-1, 2) for group in groups])
    both = both[torch.randperm(len(both), generator=generator)]
    return both[:, 0], both[:, 1]


def _require_pairs(a: Tensor, b: Tensor) -> None:
    if a.ndim != 4 or a.shape != b.shape or 0 in a.shape:
        raise ValueError(f"two sets of images (N, C, H, W) are needed, not {tuple(a.shape)} and {tuple(b.shape)}")
    if not (a.isfinite().all() and b.isfinite().all()):
        raise ValueError("images are not all finite, so they have no similarity; look for NaN in the samples")
