"""Images in another size, to the pixel: bicubic, anti-aliased where they shrink, differentiable."""

from torch import Tensor
from torch.nn import functional as F

__all__ = ["resized"]


def resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Return images of an exact size; what the cubics overshoot is cut to [−1, 1].

    Args:
        x: Images (N, C, H, W) in [−1, 1].
        size: Height and width in pixels.

    Example:
        >>> import torch
        >>> resized(torch.zeros(1, 3, 33, 50), (25, 38)).shape
        torch.Size([1, 3, 25, 38])
    """
    if tuple(x.shape[2:]) == tuple(size):
        return x.clamp(-1, 1)
    return F.interpolate(x, size=tuple(size), mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)
