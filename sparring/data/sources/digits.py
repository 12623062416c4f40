"""The data set inside the package: 1,797 real handwritten digits, 8 × 8 pixels of 17 grey levels.

Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", 1998, in the copy that scikit-learn distributes;
see ``digits/LICENSE`` for origin and licences.
"""

from importlib.resources import files

import numpy as np

from sparring.data.dataset import Dataset
from sparring.data.frames import Size, common_content
from sparring.data.sources.image_sources import convert_image


def digits(size: Size | None = None, channels: int | None = None) -> Dataset:
    """Return the handwritten digits, enlarged from 8 × 8 (Lanczos).

    Args:
        size: Height and width in pixels. Default: 32.
        channels: 1, 3 or 4. Default: 1.
    """
    with (files("sparring.data") / "digits" / "digits.npz").open("rb") as file, np.load(file) as stored:
        levels, labels = stored["images"], stored["labels"].astype(np.int64)
    small = np.rint(levels * (255 / 16)).astype(np.uint8)[..., None]
    images = np.stack([convert_image(image, size or 32, channels or 1) for image in small])
    content = None if size is None else common_content([small.shape[1:3]], size)
    return Dataset("digits", images, labels, tuple("0123456789"), content=content)
