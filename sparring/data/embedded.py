"""The data set inside the package: 1,797 real handwritten digits, 8 × 8 pixels of 17 grey levels.

Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", 1998, in the copy that scikit-learn distributes;
origin and licences are told in ``digits/LICENSE``.
"""

from importlib.resources import files

import numpy as np
from PIL import Image

from sparring.data.dataset import Dataset
from sparring.errors import DataError


def digits(size: int = 32) -> Dataset:
    """Handwritten digits, enlarged smoothly (bicubic) from 8 × 8.

    Args:
        size: Height and width in pixels, at least 8.

    Raises:
        DataError: The size is below 8.
    """
    if size < 8:
        raise DataError(f"digits cannot be shown at {size} pixels: choose a size of at least 8.")
    with (files("sparring.data") / "digits" / "digits.npz").open("rb") as file, np.load(file) as stored:
        levels, labels = stored["images"], stored["labels"].astype(np.int64)
    small = np.rint(levels * (255 / 16)).astype(np.uint8)
    images = [np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)) for image in small]
    return Dataset("digits", np.stack(images)[..., None], labels, tuple("0123456789"))
