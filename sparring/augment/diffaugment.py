"""DiffAugment (Zhao et al., 2020): differentiable random augmentation of the critic's inputs, real and fake.

    L_D(D(T x), D(T G(z)))      L_G(D(T G(z)))      T drawn anew for each image and each pass

A critic trained on few images memorises them; augmenting the real ones alone would teach G to generate augmented
images. If T is applied before D everywhere, and is differentiable, G receives gradients with respect to its images
*before* T.

    ===========  ===========================================================  =================================
    colour       x + b                                                        b uniform on [−½, ½]
                 m + s (x − m), m the mean of the pixel's channels            s uniform on [0, 2]
                 μ + c (x − μ), μ the mean of the image                       c uniform on [½, 1½]
    translation  whole pixels, zeros enter                                    each way up to ⅛ of the side
    cutout       a square becomes 0; it may stick out                         side ½, its centre anywhere
    ===========  ===========================================================  =================================

Saturation needs several channels: with one, m is the pixel itself and saturation is the identity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from sparring.augment.pixels import gather_pixels, rand_per_image, randint_per_image, require_images

__all__ = ["DiffAugment", "colour", "cutout", "translation"]


def colour(x: Tensor) -> Tensor:
    """Change brightness, saturation and contrast, in this order.

    Args:
        x: Images (N, C, H, W).
    """
    x = x + rand_per_image(x, -0.5, 0.5)
    mean = x.mean(1, keepdim=True)
    x = mean + rand_per_image(x, 0.0, 2.0) * (x - mean)
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + rand_per_image(x, 0.5, 1.5) * (x - mean)


def translation(x: Tensor, reach: float = 1 / 8) -> Tensor:
    """Translate every image by whole pixels with zero padding.

    Args:
        x: Images (N, C, H, W).
        reach: Maximum translation, as a share of the side.
    """
    height, width = x.shape[2:]
    rows, columns = _read_at(x, height, reach), _read_at(x, width, reach)
    down, across = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    inside = (rows == down)[:, None, :, None] & (columns == across)[:, None, None, :]
    return gather_pixels(x, down, across) * inside


def cutout(x: Tensor, share: float = 1 / 2) -> Tensor:
    """Set a rectangle of every image to zero; its centre is uniform over the image, so part of it may be outside.

    Args:
        x: Images (N, C, H, W).
        share: Its sides, as a share of the image's.
    """
    rows, columns = _covered(x, x.shape[2], share), _covered(x, x.shape[3], share)
    return x * ~(rows[:, None, :, None] & columns[:, None, None, :])


Change = Callable[[Tensor], Tensor]


class DiffAugment(nn.Module):
    """Applies changes one after another in training mode; the identity in evaluation mode, like dropout.

    Args:
        policy: The changes, in order; an empty policy is the identity.
    """

    def __init__(self, policy: Sequence[Change] = (colour, translation, cutout)) -> None:
        super().__init__()
        self.policy = tuple(policy)

    def forward(self, x: Tensor) -> Tensor:
        """Augment every image.

        Args:
            x: Images (N, C, H, W).

        Raises:
            DataError: If the policy is not empty and x are not images.
        """
        for change in self.policy if self.training else ():
            x = change(require_images(x, "DiffAugment"))
        return x


def _read_at(x: Tensor, size: int, reach: float) -> Tensor:
    """Draw the source row or column of each one of an image, (N, size); it may lie outside."""
    farthest = int(size * reach + 0.5)
    return torch.arange(size, device=x.device) - randint_per_image(x, -farthest, farthest).flatten(1)


def _covered(x: Tensor, size: int, share: float) -> Tensor:
    """Draw the rows or columns that a rectangle covers, (N, size)."""
    length = int(size * share + 0.5)
    # An even length has its middle between pixels, of which there is one more than there are pixels.
    first = randint_per_image(x, 0, size - length % 2).flatten(1) - length // 2
    at = torch.arange(size, device=x.device)
    return (first <= at) & (at < first + length)
