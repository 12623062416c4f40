"""Image sizes that a convolutional network supports."""

from math import ceil, log2

from sparring.errors import DataError
from sparring.networks.common.base import Shape

__all__ = ["num_doublings", "require_images"]


def num_doublings(shape: Shape, network: str, largest: int = 256) -> int:
    """Return the number of doublings from 4 × 4 to the image's side.

    Args:
        shape: (C, H, W) of one image.
        network: Name of the network, for the message.
        largest: Largest supported side in pixels.

    Raises:
        DataError: If the images are not square, or their side is no power of two from 8 to `largest`.

    Example:
        >>> num_doublings((3, 64, 64), "DCGAN")
        4
    """
    require_images(shape, network)
    _, height, width = shape
    sides = [2**k for k in range(3, largest.bit_length())]
    if height != width or height not in sides:
        nearest = min(max(2 ** ceil(log2(max(height, width))), sides[0]), largest)
        raise DataError(
            f"{network} needs square images whose side is a power of two from 8 to {largest}, not {shape}: "
            f"pass --size {nearest}."
        )
    return height.bit_length() - 3


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
