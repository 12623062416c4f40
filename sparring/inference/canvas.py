"""What a game of one photograph is given to work on: pictures in its shape, masks with soft edges, sizes in words."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sparring.abilities import Size
from sparring.data import load
from sparring.data.stream import scale_images
from sparring.errors import DataError
from sparring.layers.resampling import resize_bicubic

__all__ = ["feather_mask", "load_image_like", "load_mask", "parse_size"]

LARGEST = 4096  # pixels of a side of a picture that is given


def feather_mask(mask: Tensor, reach: float, blur: float) -> Tensor:
    """Returns a mask grown by a disc and blurred at its edge, (1, 1, H, W) from 0 to 1.

    Args:
        mask: (1, 1, H, W); what is above 0 counts.
        reach: Radius of the disc in pixels.
        blur: Deviation of the Gaussian in pixels.
    """
    grown = (mask > 0).double()
    if reach >= 1:
        square = torch.arange(-int(reach), int(reach) + 1, dtype=torch.double, device=mask.device).square()
        grown = _spread(grown, (square[:, None] + square <= reach**2).double()).clamp(max=1)
    if blur > 0:
        side = torch.arange(-math.ceil(3 * blur), math.ceil(3 * blur) + 1, dtype=torch.double, device=mask.device)
        bell = (-side.square() / (2 * blur**2)).exp()
        grown = _spread(grown, bell[:, None] * bell / bell.sum() ** 2)
    return grown.float()


def load_image_like(path: str | Path, channels: int, size: Size | None = None) -> Tensor:
    """Loads a picture as it is, (1, C, H, W) in [−1, 1].

    Args:
        path: The file.
        channels: 1, 3 or 4.
        size: Height and width that it is to have; it must have their shape, within a pixel.

    Raises:
        DataError: If it cannot be read, or has another shape.
    """
    dataset = load(f"whole:{path}", size=max(size) if size else LARGEST, channels=channels)
    image = scale_images(dataset.rows(np.zeros(1, np.int64))[0])
    if size is None:
        return image
    height, width = image.shape[2:]
    if abs(height * size[1] / width - size[0]) > 1.5:
        raise DataError(f"{path} is no picture of the shape {size[1]} × {size[0]}: cut it like the photograph.")
    return resize_bicubic(image, size)


def load_mask(path: str | Path, size: Size) -> Tensor:
    """Loads a mask, (1, 1, H, W) in [−1, 1]; what is above 0 belongs to it.

    Args:
        path: A picture that is white where the mask is, or, if a part of it is transparent, opaque where the mask is,
            in whatever colour.
        size: Height and width that it is to have; it must have their shape, within a pixel.

    Raises:
        DataError: If it cannot be read, has another shape, or nothing belongs to the mask.
    """
    transparent = (load_image_like(path, 4)[:, 3] < 1).any()
    found = load_image_like(path, 4, size)[:, 3:] if transparent else load_image_like(path, 1, size)
    if not (found > 0).any():
        where = "is transparent everywhere: leave opaque" if transparent else "is white nowhere: paint white"
        raise DataError(f"The mask {path} {where} what was pasted, since nothing would change.")
    return found


def parse_size(text: str | None) -> Size | None:
    """Reads a width and a height, such as "240x100"; None stays None.

    Returns:
        Height and width.

    Raises:
        DataError: If it cannot be read.

    >>> parse_size("240x100")
    (100, 240)
    """
    if text is None:
        return None
    width, _, height = text.lower().replace("×", "x").partition("x")
    if not (width.strip().isdecimal() and height.strip().isdecimal()):
        raise DataError(f"The size {text!r} cannot be read: write width and height, such as 240x100.")
    return int(height), int(width)


def _spread(mask: Tensor, kernel: Tensor) -> Tensor:
    """A mask convolved with a symmetric kernel, the border repeated."""
    margin = len(kernel) // 2
    return F.conv2d(F.pad(mask, [margin] * 4, mode="replicate"), kernel[None, None])
