"""Images in another size, to the pixel: bicubic, anti-aliased, differentiable; kept true to what they show."""

from torch import Tensor
from torch.nn import functional as F

__all__ = ["back_project", "resize_bicubic"]


def resize_bicubic(x: Tensor, size: tuple[int, int]) -> Tensor:
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


def back_project(larger: Tensor, x: Tensor, rounds: int) -> Tensor:
    """Return enlarged images that are x again when they are made small, nearly (Irani & Peleg, 1991).

    Args:
        larger: Images (N, C, H', W'); what they lack of x is added to them, enlarged.
        x: Images (N, C, H, W) in [−1, 1].
        rounds: How often.
    """
    for _ in range(rounds):
        lost = x - resize_bicubic(larger, (x.shape[2], x.shape[3]))
        larger = larger.clamp(-1, 1) + resize_bicubic(lost, (larger.shape[2], larger.shape[3]))
    return larger.clamp(-1, 1)
