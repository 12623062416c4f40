"""One picture as it is: of any shape, nothing cropped, only made smaller where its longer side is too long."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from sparring.data.sources.base import Pictures
from sparring.data.sources.files import Files
from sparring.data.sources.images import decoded, quiet
from sparring.errors import DataError

__all__ = ["LONGEST", "Photograph", "shrunk"]

LONGEST = 250  # pixels of the longer side unless told (Shaham et al., 2019)


class Photograph(Pictures):
    """A source of a single picture, in its own shape.

    Args:
        files: Where it is.

    Raises:
        DataError: There is more than one.
    """

    def __init__(self, files: Files) -> None:
        super().__init__(files, mark="whole")
        if len(self.names) > 1:
            raise DataError(f"{self.title} holds {len(self.names)} images where one is learned from: give one file.")

    def images(self, size: int | None, channels: int | None) -> Iterator[np.ndarray]:
        """Decode the picture.

        Args:
            size: Pixels of the longer side at most, or None for 250; a smaller picture stays as it is.
            channels: 1, 3 or 4, or None for one if it is grey, else three.

        Raises:
            DataError: The file is damaged, of an unknown kind or too large.
        """
        (name,) = self.names
        with quiet():
            values = decoded(self.title, self.files.read(name), None, channels or self.default_channels())
        yield shrunk(values, size or LONGEST)


def shrunk(image: np.ndarray, longest: int) -> np.ndarray:
    """Make a picture smaller, in its shape, until no side is longer than told (Lanczos).

    Args:
        image: ``uint8`` (H, W, C).
        longest: Pixels.

    Returns:
        ``uint8`` (H', W', C).

    Example:
        >>> shrunk(np.zeros((427, 640, 3), np.uint8), 80).shape, shrunk(np.zeros((5, 7, 1), np.uint8), 80).shape
        ((53, 80, 3), (5, 7, 1))
    """
    height, width = image.shape[:2]
    share = longest / max(height, width)
    if share >= 1:
        return image
    size = (max(1, round(width * share)), max(1, round(height * share)))
    picture = Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image)
    made = np.array(picture.resize(size, Image.Resampling.LANCZOS))
    return made if made.ndim == 3 else made[..., None]
