"""Where images come from before they are prepared: files to decode, or arrays to resize.

A source tells its stamp (which changes when its content does) before anything is decoded, so that what was prepared
earlier is found again at once.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Protocol

import numpy as np
from PIL import Image

from sparring.data.annotations.captions import Captions, captioned, spoken, unused
from sparring.data.annotations.labels import Labelled, Reading, labelled
from sparring.data.sources.files import Files
from sparring.data.sources.images import GREY, Head, decoded, head, pixels, quiet

CHUNK = 256  # images decoded, in parallel, before they are handed on
LARGEST_DEFAULT = 64

Decode = Callable[[str, bytes, int | None, int], np.ndarray]


class Source(Protocol):
    """Images in order, with labels; nothing is decoded before it is asked for."""

    title: str

    @property
    def stamp(self) -> str:
        """Changes when the content does."""

    @property
    def labels(self) -> np.ndarray | None:
        """Class indices, int64 (N,), or None."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; empty without labels."""

    @property
    def captions(self) -> Captions | None:
        """What is said of each image, or None."""

    def __len__(self) -> int: ...

    def images(self, size: int | None, channels: int | None) -> Iterator[np.ndarray]:
        """Every image as ``uint8`` (H, W, C), all of one shape."""

    @property
    def strays(self) -> dict[str, str]:
        """What is passed over, to a sentence with the path and the reason."""

    def close(self) -> None:
        """Release what is held open."""


class Pictures:
    """Image files of a folder or an archive.

    Size by default: the largest power of two that fits into the first picture, at most 64. Channels by default: one if
    every picture is grey, else three.

    Args:
        files: Where they are.
        found: Names to read with labels and classes; by default what ``labelled`` makes of the files.
        decode: Makes pixels of the bytes of a file, see ``decoded``.
        mark: Says how that is done, where it is done otherwise.
    """

    def __init__(
        self, files: Files, found: Labelled | None = None, decode: Decode = decoded, mark: str | None = None
    ) -> None:
        self.files, self.title, self.decode, self.mark = files, files.title, decode, mark
        self.found = found

    @cached_property
    def reading(self) -> Reading:
        """Which files are read, with which labels."""
        return labelled(self.files) if self.found is None else Reading(*self.found)

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
        """Changes when a file is added, removed, renamed, resized or touched, or the order is another."""
        said = ["captions"] if spoken(self.files, self.names) else []
        below = [self.reading.how] if "/" in self.reading.how else []
        marks = [*said, *([self.mark] if self.mark else []), *below]
        return stamped(self.title, self.names, list(self.files.entries.items()), *marks)

    @cached_property
    def captions(self) -> Captions | None:
        """What tables and texts say of each image, if they do."""
        return captioned(self.files, self.names)

    def __len__(self) -> int:
        return len(self.names)

    def images(self, size: int | None, channels: int | None) -> Iterator[np.ndarray]:
        """Decode every picture, a chunk at a time on all processors.

        Args:
            size: Height and width, or None for the default.
            channels: 1, 3 or 4, or None for the default.

        Raises:
            DataError: A file is damaged, of an unknown kind or too large.
        """
        with quiet():
            size, channels = size or self.default_size(), channels or self.default_channels()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(self), CHUNK):
                with quiet():
                    chunk = list(
                        pool.map(lambda name: self.image(name, size, channels), self.names[start : start + CHUNK])
                    )
                yield from chunk

    def image(self, name: str, size: int, channels: int) -> np.ndarray:
        """Decode one picture.

        Args:
            name: One of the names.
            size: Height and width.
            channels: 1, 3 or 4.
        """
        return self.decode(f"{self.title}: {name}", self.files.read(name), size, channels)

    def head(self, name: str) -> Head:
        """Upright size and kind of one picture, without its pixels.

        Args:
            name: One of the names.
        """
        return head(f"{self.title}: {name}", self.files.read(name))

    def default_size(self) -> int:
        """Largest power of two that fits into the first picture, at most 64."""
        side = min(self.head(self.names[0]).size)
        return min(LARGEST_DEFAULT, 1 << (side.bit_length() - 1))

    def default_channels(self) -> int:
        """One if every picture is grey, else three; stops reading at the first coloured one."""
        return 1 if all(self.head(name).mode in GREY for name in self.names) else 3

    @property
    def strays(self) -> dict[str, str]:
        """What is passed over, to the reason: no images, and tables that do not count."""
        return {**self.files.strays, **dict(self.reading.ignored), **unused(self.files, self.names)}

    @property
    def understood(self) -> tuple[str, ...]:
        """How the folder was understood, in a few words each."""
        return tuple(filter(None, (self.reading.how, self.reading.split)))

    def close(self) -> None:
        """Release the files."""
        self.files.close()


class Arrays:
    """Images that are arrays already, in a file format of their own.

    Args:
        title: Name of the data.
        stamp: Changes when the content does.
        read: Called at most once, for images ``uint8`` (N, H, W, C) and labels int64 (N,) or None.
        classes: Names of the classes.
        border: Black pixels to put on every side, where the size asked for allows.
        captions: What is said of each image, or None.
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
        self.strays: dict[str, str] = {}

    @cached_property
    def content(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Images and labels."""
        return self.read()

    @property
    def labels(self) -> np.ndarray | None:
        """Class indices, int64 (N,), or None."""
        return self.content[1]

    def __len__(self) -> int:
        return len(self.content[0])

    def images(self, size: int | None, channels: int | None) -> Iterator[np.ndarray]:
        """Resize and convert every image.

        Args:
            size: Height and width, or None to keep the images' own, with the border.
            channels: 1, 3 or 4, or None to keep the images' own.
        """
        values = self.content[0]
        border = self.border if size in (None, values.shape[1] + 2 * self.border) else 0
        if border:
            values = np.pad(values, ((0, 0), (border, border), (border, border), (0, 0)))
        for image in values:
            yield as_asked(image, size, channels or image.shape[-1])

    def close(self) -> None:
        """Nothing is held open."""


def as_asked(image: np.ndarray, size: int | None, channels: int) -> np.ndarray:
    """Resize and convert one image where that is needed.

    Args:
        image: ``uint8`` (H, W, C).
        size: Height and width, or None to keep the image's own.
        channels: Number of channels.

    Returns:
        ``uint8`` (H', W', C').
    """
    if size in (None, image.shape[0]) and image.shape[0] == image.shape[1] and channels == image.shape[2]:
        return image
    return pixels(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image), size, channels)


def stamped(*facts: object) -> str:
    """SHA-256 of a description, in hexadecimal.

    Args:
        *facts: Anything with a faithful ``repr``.
    """
    return hashlib.sha256(repr(facts).encode()).hexdigest()
