"""Sizes of images: any height and width from 8 to 1024 pixels on networks that double their feature maps.

A network that doubles k times starts at a grid of (⌈H / 2ᵏ⌉, ⌈W / 2ᵏ⌉) positions. Its images of (h₀ 2ᵏ, w₀ 2ᵏ) are
cropped about their centre to (H, W); a critic pads its input by reflection about its centre to that size. k is the
number of times that 4 pixels double within the shorter side, so the grid's shorter side has 4 to 7 positions. Where the
sides are such multiples, as those of a square of a power of two are, nothing is cropped or padded.
"""

from torch import nn

from sparring.errors import DataError
from sparring.layers.borders import CentreCrop, ReflectTo
from sparring.networks.common.base import Shape

__all__ = [
    "LARGEST",
    "SMALLEST",
    "cropping",
    "grid_for",
    "num_doublings",
    "padding",
    "require_images",
    "require_sides",
    "start_grid",
]

SMALLEST, LARGEST = 8, 1024  # sides of images, in pixels


def num_doublings(shape: Shape, network: str) -> int:
    """Return how often 4 pixels double within the shorter side of an image.

    Args:
        shape: (C, H, W) of one image.
        network: Name of the network, for the message.

    Raises:
        DataError: If these are points, or a side is below 8 or above 1024 pixels.

    Example:
        >>> num_doublings((3, 64, 64), "DCGAN"), num_doublings((3, 128, 171), "DCGAN")
        (4, 5)
    """
    require_sides(shape, network)
    return min(shape[1:]).bit_length() - 3


def require_sides(shape: Shape, network: str, smallest: int = SMALLEST) -> None:
    """Raise an error for points, and for images that are too small or too large.

    Args:
        shape: (C, H, W) of one image.
        network: Name of the network, for the message.
        smallest: Smallest side in pixels.

    Raises:
        DataError: If these are points, or a side is below `smallest` or above 1024 pixels.
    """
    require_images(shape, network)
    height, width = shape[1:]
    if not smallest <= min(height, width) <= max(height, width) <= LARGEST:
        sides = [min(max(side, smallest), LARGEST) for side in (height, width)]
        size = str(sides[0]) if sides[0] == sides[1] else f"{sides[0]}x{sides[1]}"
        raise DataError(
            f"{network} needs images with sides of {smallest} to {LARGEST} pixels, not {height} × {width}: "
            f"pass --size {size}."
        )


def start_grid(height: int, width: int, doublings: int) -> tuple[int, int]:
    """Return the smallest grid that is at least as large as an image after some doublings.

    Args:
        height: Of the image in pixels.
        width: Of the image in pixels.
        doublings: k.

    Returns:
        (⌈height / 2ᵏ⌉, ⌈width / 2ᵏ⌉).

    Example:
        >>> start_grid(64, 64, 4), start_grid(128, 171, 5)
        ((4, 4), (4, 6))
    """
    return -(-height >> doublings), -(-width >> doublings)


def grid_for(shape: Shape, doublings: int) -> tuple[int, int]:
    """Return the start grid of images.

    Args:
        shape: (C, H, W) of one image.
        doublings: As for `start_grid`.
    """
    return start_grid(shape[1], shape[2], doublings)


def cropping(shape: Shape, doublings: int) -> list[nn.Module]:
    """Return the last layers of a generator: a crop to the size of the images, or none where it would change nothing.

    Args:
        shape: (C, H, W) of one image.
        doublings: Of the generator, from `start_grid` on.

    Example:
        >>> cropping((3, 64, 64), 4), len(cropping((3, 128, 171), 5))
        ([], 1)
    """
    _, height, width = shape
    return [] if _on_grid(height, width, doublings) else [CentreCrop(height, width)]


def padding(shape: Shape, doublings: int) -> list[nn.Module]:
    """Return the first layers of a critic: a reflection up to its grid, or none where it would change nothing.

    Args:
        shape: (C, H, W) of one image.
        doublings: Halvings of the critic, down to `start_grid`.

    Example:
        >>> padding((3, 64, 64), 4), len(padding((3, 128, 171), 5))
        ([], 1)
    """
    _, height, width = shape
    if _on_grid(height, width, doublings):
        return []
    rows, columns = start_grid(height, width, doublings)
    return [ReflectTo(rows << doublings, columns << doublings)]


def require_images(shape: Shape, network: str) -> None:
    """Raise an error for points.

    Args:
        shape: Shape of one sample.
        network: Name of the network, for the message.

    Raises:
        DataError: If the shape is not (C, H, W).
    """
    if len(shape) != 3:
        raise DataError(f"{network} needs images (C, H, W), not {shape}: use an MLP for points.")


def _on_grid(height: int, width: int, doublings: int) -> bool:
    return height % (1 << doublings) == 0 and width % (1 << doublings) == 0
