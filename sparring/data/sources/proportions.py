"""Checks that paired images have the same proportions, by the upright sizes in their headers.

No pixel is decoded. Success is recorded in the cache, so that the files of a listing are checked once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sparring.data.sources.image_sources import CHUNK, content_key
from sparring.data.sources.images import quiet_pillow
from sparring.data.sources.layouts import REMEDY, DomainFiles
from sparring.data.sources.readable import Progress, read_note, write_note
from sparring.errors import DataError

__all__ = ["require_alike", "require_halves"]

VERSION = 1  # of the comparison; a new version repeats the check
SLACK = 2  # pixels by which sides may deviate from equal proportions

Size = tuple[int, int]


def require_alike(a: DomainFiles, b: DomainFiles, cache: Path, progress: Progress | None = None) -> None:
    """Raise an error if partners have different proportions.

    Args:
        a: The one domain.
        b: Their partners, in the same order.
        cache: Folder of the cache.
        progress: Called regularly with the number of pairs checked and in total.

    Raises:
        DataError: If two partners differ, or one cannot be read; the message names it.
    """

    def look() -> None:
        sizes = zip(a.names, _sizes(a, progress), b.names, _sizes(b), strict=True)
        for name, (width, height), other, (other_width, other_height) in sizes:
            longest = max(width, height, other_width, other_height)
            if abs(width * other_height - height * other_width) > SLACK * longest:
                raise DataError(
                    f"{a.files.title}/{name} is {width} × {height} and {other} {other_width} × {other_height}: "
                    "partners must have the same proportions, crop them first."
                )

    _once(cache, (a, b), look)


def require_halves(part: DomainFiles, cache: Path, progress: Progress | None = None) -> None:
    """Raise an error if images are not two squares side by side.

    Args:
        part: The pictures that hold both domains.
        cache: Folder of the cache.
        progress: Called regularly with the number of images checked and in total.

    Raises:
        DataError: If one has other proportions, or cannot be read; the message names it.
    """

    def look() -> None:
        for name, (width, height) in zip(part.names, _sizes(part, progress), strict=True):
            if abs(width - 2 * height) > SLACK:
                raise DataError(
                    f"{part.title} holds neither two folders nor images twice as wide as high ({name} is "
                    f"{width} × {height}): {REMEDY}"
                )

    _once(cache, (part,), look)


def _sizes(part: DomainFiles, progress: Progress | None = None) -> Iterator[Size]:
    """Yield the upright width and height of every image, in order."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(part.names), CHUNK):
            chunk = part.names[start : start + CHUNK]
            with quiet_pillow():
                heads = list(pool.map(part.head, chunk))
            yield from (head.size for head in heads)
            if progress:
                progress(start + len(chunk), len(part.names))


def _once(cache: Path, parts: tuple[DomainFiles, ...], look: Callable[[], None]) -> None:
    """Check files, unless the cache records that they have passed."""
    listings = [(part.title, list(part.entries.items())) for part in parts]
    key = content_key("proportions", VERSION, listings)[:16]
    record = cache / f"{Path(parts[0].title).stem}-{key}.proportions.json"
    if read_note(record) is None:
        look()
        write_note(record, {"files": [len(part.names) for part in parts]})
