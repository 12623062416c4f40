"""The Laplacian pyramid: an image as a small image and one residual per doubling (Burt & Adelson, 1983).

    levels:     I_K = x,  I_{k−1} = down(I_k)                        level 0 is the smallest image, K the whole one
    bands:      l_k = up(I_{k−1}),  h_k = I_k − l_k                  l_0 = 0, so h_0 = I_0
    rebuild:    I_k = up(I_{k−1}) + h_k                              exact, whatever down and up are

It is exact because both directions use the same `upsample`: data, training and sampling all call this one. LAPGAN's
code resizes bilinearly (Denton et al., 2015), which for a factor 2 is what follows.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Pyramid", "downsample", "laplacian_pyramid", "reconstruct", "upsample"]

Pyramid = list[tuple[Tensor, Tensor]]
"""Residual h and coarse image l of every level, each (N, C, H, W); the smallest level first."""


def downsample(x: Tensor) -> Tensor:
    """Halve the sides of (N, C, H, W), rounded up: the mean of every 2 × 2 block, at an odd end of what is left of it.

    Args:
        x: Images.
    """
    return F.avg_pool2d(x, 2, ceil_mode=True)


def upsample(x: Tensor, size: Sequence[int] | None = None) -> Tensor:
    """Double the sides of (N, C, H, W) bilinearly: ¾ of the nearest pixel and ¼ of the next, along each axis.

    Args:
        x: Images.
        size: Height and width, of which one row and column less than the double are returned if they are odd. Default:
            the double.
    """
    y = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    return y if size is None else y[..., : size[0], : size[1]]


def laplacian_pyramid(x: Tensor, levels: int) -> Pyramid:
    """Split images into the residual and the coarse image of every level.

    Args:
        x: (N, C, H, W). An odd side is rounded up where it is halved.
        levels: Number of levels.

    Example:
        >>> [tuple(residual.shape) for residual, _ in laplacian_pyramid(torch.zeros(1, 3, 32, 32), 3)]
        [(1, 3, 8, 8), (1, 3, 16, 16), (1, 3, 32, 32)]
    """
    found = []
    for _ in range(levels - 1):
        smaller = downsample(x)
        coarse = upsample(smaller, x.shape[2:])
        found.append((x - coarse, coarse))
        x = smaller
    return [(x, torch.zeros_like(x)), *reversed(found)]


def reconstruct(residuals: Iterable[Tensor]) -> Tensor:
    """Return the image of its residuals, the smallest first: the inverse of `laplacian_pyramid`.

    Args:
        residuals: h_0, …, h_K, each (N, C, H, W), each with twice the sides of the one before, or one less.

    Example:
        >>> x = torch.rand(2, 1, 16, 16)
        >>> torch.allclose(reconstruct(residual for residual, _ in laplacian_pyramid(x, 2)), x, atol=1e-6)
        True
    """
    image, *rest = residuals
    for residual in rest:
        image = upsample(image, residual.shape[2:]) + residual
    return image
