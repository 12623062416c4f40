"""Sources of images that are prepared for training: files to decode, or arrays to resize.

The stamp of a source changes with its content and is known before anything is decoded, so that earlier prepared images
are found in the cache at once.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Protocol

import numpy as np
from PIL import Image

from sparring.data.annotations.captions import Captions, caption_files, read_captions, unused_tables
from sparring.data.annotations.labels import LabelledFiles, Labels, read_labels
from sparring.data.frames import Frame, Size, common_content
from sparring.data.sources.files import Files
from sparring.data.sources.images import GREY, ImageHeader, decode, quiet_pillow, read_header, to_pixels
from sparring.errors import DataError

CHUNK = 256  # number of images decoded in parallel at a time
MAX_DEFAULT_SIZE = 64
DEFAULT_LONG_SIDE = 250  # default pixels of the longer side (Shaham et al., 2019)

Decode = Callable[[str, bytes, Size | None, int], np.ndarray]


class Source(Protocol):
    """Images in order, with labels. Images are decoded on demand."""

    title: str

    @property
    def stamp(self) -> str:
        """Hash that changes with the content."""

    @property
    def labels(self) -> np.ndarray | None:
        """Class indices, int64 (N,), or None."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; empty without labels."""

    @property
    def captions(self) -> Captions | None:
        """Captions of the images, or None."""

    def __len__(self) -> int: ...

    def images(self, size: Size | None, channels: int | None) -> Iterator[np.ndarray]:
        """Return every image as ``uint8`` (H, W, C), all of one shape."""

    def content(self, size: Size | None) -> tuple[int, int] | None:
        """Return the centre of padded images that shows pictures, see `sparring.data.frames.common_content`."""

    @property
    def skipped(self) -> dict[str, str]:
        """Skipped files, with a sentence of the path and the reason."""

    def close(self) -> None:
        """Close open files."""


class ImageFiles:
    """Image files of a folder or an archive.

    Default size: the largest power of two that fits into the first image, at most 64. Default channels: one if all
    images are grey, otherwise three.

    Args:
        files: Folder or archive.
        found: Names to read, with labels and classes. Default: the result of `read_labels`.
        decode: Function from the bytes of a file to pixels, see `sparring.data.sources.images.decode`.
        mark: Part of the stamp that identifies another way of decoding.
    """

    def __init__(
        self, files: Files, found: Labels | None = None, decode: Decode = decode, mark: str | None = None
    ) -> None:
        self.files, self.title, self.decode, self.mark = files, files.title, decode, mark
        self.found = found

    @cached_property
    def reading(self) -> LabelledFiles:
        """Files that are read, with their labels."""
        return read_labels(self.files) if self.found is None else LabelledFiles(*self.found)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files, in order."""
        return self.reading.names

    @property
    def labels(self) -> np.ndarray | None:
        """Class indices, int64 (N,), or None."""
        return self.reading.labels

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; empty without labels."""
        return self.reading.classes

    @property
    def stamp(self) -> str:
        """Hash that changes when a file is added, removed, renamed, resized, modified or reordered."""
        said = ["captions"] if caption_files(self.files, self.names) else []
        below = [self.reading.how] if "/" in self.reading.how else []
        marks = [*said, *([self.mark] if self.mark else []), *below]
        return content_key(self.title, self.names, list(self.files.entries.items()), *marks)

    @cached_property
    def captions(self) -> Captions | None:
        """Captions from tables and text files, if any."""
        return read_captions(self.files, self.names)

    def __len__(self) -> int:
        return len(self.names)

    def images(self, size: Size | None, channels: int | None) -> Iterator[np.ndarray]:
        """Decode all images, in chunks on all processors.

        Args:
            size: Height and width, or None for the default.
            channels: 1, 3 or 4, or None for the default.

        Raises:
            DataError: If a file is damaged, of an unknown format or too large.
        """
        with quiet_pillow():
            size, channels = size or self.default_size(), channels or self.default_channels()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(self), CHUNK):
                with quiet_pillow():
                    chunk = list(
                        pool.map(lambda name: self.image(name, size, channels), self.names[start : start + CHUNK])
                    )
                yield from chunk

    def image(self, name: str, size: Size, channels: int) -> np.ndarray:
        """Decode one image.

        Args:
            name: One of the names.
            size: Height and width.
            channels: 1, 3 or 4.
        """
        return self.decode(f"{self.title}: {name}", self.files.read(name), size, channels)

    def head(self, name: str) -> ImageHeader:
        """Return the upright size and mode of one image, without its pixels.

        Args:
            name: One of the names.
        """
        return read_header(f"{self.title}: {name}", self.files.read(name))

    def content(self, size: Size | None) -> tuple[int, int] | None:
        """Return the centre of padded images that shows pictures, by the headers of the files.

        Args:
            size: The size of the images, or None for the default.
        """
        if not isinstance(size, Frame) or size.fit != "pad":
            return None
        with quiet_pillow():
            return common_content([self.head(name).size[::-1] for name in self.names], size)

    def default_size(self) -> int:
        """Return the largest power of two that fits into the first image, at most 64."""
        side = min(self.head(self.names[0]).size)
        return min(MAX_DEFAULT_SIZE, 1 << (side.bit_length() - 1))

    def default_channels(self) -> int:
        """Return 1 if all images are grey, otherwise 3. Reading stops at the first image in colour."""
        return 1 if all(self.head(name).mode in GREY for name in self.names) else 3

    @property
    def skipped(self) -> dict[str, str]:
        """Skipped files with the reason: non-images, and tables that are not used."""
        return {**self.files.skipped, **dict(self.reading.ignored), **unused_tables(self.files, self.names)}

    @property
    def understood(self) -> tuple[str, ...]:
        """Interpretation of the folder, in a few words each."""
        return tuple(filter(None, (self.reading.how, self.reading.split)))

    def close(self) -> None:
        """Close the files."""
        self.files.close()


class SingleImage(ImageFiles):
    """A source of a single image, not cropped to a square.

    Args:
        files: The file.

    Raises:
        DataError: If there is more than one image.
    """

    def __init__(self, files: Files) -> None:
        super().__init__(files, mark="whole")
        if len(self.names) > 1:
            raise DataError(f"{self.title} holds {len(self.names)} images, but one is required: give one file.")

    def images(self, size: Size | None, channels: int | None) -> Iterator[np.ndarray]:
        """Decode the image.

        Args:
            size: Maximum pixels of the longer side. A smaller image is unchanged. Default: 250.
            channels: 1, 3 or 4, or None for one if it is grey, else three.

        Raises:
            DataError: The file is damaged, of an unknown kind or too large.
        """
        (name,) = self.names
        if isinstance(size, Frame):
            raise DataError(f"{self.title} is kept in its proportions: give --size the pixels of its longer side.")
        with quiet_pillow():
            values = decode(self.title, self.files.read(name), None, channels or self.default_channels())
        yield shrink(values, size or DEFAULT_LONG_SIDE)


class ImageArrays:
    """Images from arrays, such as those of the standard data sets.

    Args:
        title: Name of the data.
        stamp: Hash that changes with the content.
        read: Called at most once, for images ``uint8`` (N, H, W, C) and labels int64 (N,) or None.
        classes: Names of the classes.
        border: Black pixels added on every side if they give the requested size.
        captions: Captions of the images, or None.
    """

    def __init__(
        self,
        title: str,
        stamp: str,
        read: Callable[[], tuple[np.ndarray, np.ndarray | None]],
        classes: tuple[str, ...] = (),
        border: int = 0,
        captions: Captions | None = None,
    ) -> None:
        self.title, self.stamp, self.read, self.classes, self.border = title, stamp, read, classes, border
        self.captions = captions
        self.skipped: dict[str, str] = {}

    @cached_property
    def arrays(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Images and labels."""
        return self.read()

    @property
    def labels(self) -> np.ndarray | None:
        """Class indices, int64 (N,), or None."""
        return self.arrays[1]

    def __len__(self) -> int:
        return len(self.arrays[0])

    def images(self, size: Size | None, channels: int | None) -> Iterator[np.ndarray]:
        """Resize and convert every image.

        Args:
            size: Height and width, or None to keep the images' own, with the border.
            channels: 1, 3 or 4, or None to keep the images' own.
        """
        values = self.arrays[0]
        border = self.border if size in (None, values.shape[1] + 2 * self.border) else 0
        if border:
            values = np.pad(values, ((0, 0), (border, border), (border, border), (0, 0)))
        for image in values:
            yield convert_image(image, size, channels or image.shape[-1])

    def content(self, size: Size | None) -> tuple[int, int] | None:
        """Return the centre of padded images that shows pictures.

        Args:
            size: The size of the images, or None for their own.
        """
        height, width = self.arrays[0].shape[1:3]
        return None if size is None else common_content([(height, width)], size)

    def close(self) -> None:
        """Do nothing: no file is open."""


def convert_image(image: np.ndarray, size: Size | None, channels: int) -> np.ndarray:
    """Resize and convert one image if necessary.

    Args:
        image: ``uint8`` (H, W, C).
        size: Height and width, or None to keep the image's own.
        channels: Number of channels.

    Returns:
        ``uint8`` (H', W', C').
    """
    if size in (None, image.shape[0]) and image.shape[0] == image.shape[1] and channels == image.shape[2]:
        return image
    return to_pixels(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image), size, channels)


def shrink(image: np.ndarray, longest: int) -> np.ndarray:
    """Shrink an image, keeping its proportions, until no side is longer than a maximum (Lanczos).

    Args:
        image: ``uint8`` (H, W, C).
        longest: Maximum pixels of a side.

    Returns:
        ``uint8`` (H', W', C).

    Example:
        >>> shrink(np.zeros((427, 640, 3), np.uint8), 80).shape, shrink(np.zeros((5, 7, 1), np.uint8), 80).shape
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


def content_key(*facts: object) -> str:
    """Return the SHA-256 of a description, in hexadecimal.

    Args:
        *facts: Anything with a faithful ``repr``.
    """
    return hashlib.sha256(repr(facts).encode()).hexdigest()
