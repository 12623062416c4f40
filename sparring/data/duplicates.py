"""Duplicates among many images: equal pixels by a hash, nearly equal ones by a perceptual hash.

Nearly equal images, such as a photograph and its resized or recompressed copy, agree in the signs of the differences
between neighbouring cells of a coarse grid (difference hash, Krawetz, "Kind of Like That", 2013), here 16 × 16 signs.
Two hashes that differ in at most 15 of 256 bits agree in at least one of 16 bands of 16 bits. So only images that
share a band are compared: a sort for each band, and no comparison of all pairs. Images whose hashes are close are
called duplicates if their colours agree as well, on thumbnails of 16 × 16.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

__all__ = ["Groups", "difference_hash", "equal_groups", "near_groups", "thumbnail"]

Groups = list[list[int]]
"""Positions of images that show the same, at least two in each group."""

SIDE = 16  # cells of the grid and of thumbnails
BITS = SIDE * SIDE
BANDS = 16
MAX_BITS = BANDS - 1  # two hashes with this many different bits still share a band
STEP = 4  # levels, of 255, by which a cell is brighter than its neighbour; less is noise
MAX_DIFFERENCE = 0.1  # of the contrast of a thumbnail, as a root mean square
ONES = np.array([byte.bit_count() for byte in range(256)], np.uint8)
CHUNK = 4096  # pairs whose colours are compared at a time
COMPARED = 32  # images of a band that an image is compared with at most, in the order of their hashes


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """Return the means of 16 × 16 cells of an image.

    Args:
        pixels: ``uint8`` (H, W, 3).

    Returns:
        ``uint8`` (16, 16, 3).
    """
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BOX))


def difference_hash(pixels: np.ndarray) -> np.ndarray:
    """Return the difference hash of an image: where a cell is brighter than the one on its left.

    Args:
        pixels: ``uint8`` (H, W, 3).

    Returns:
        ``uint8`` (32,), a bit for each cell.

    Example:
        >>> ramp = np.arange(0, 255, 15, np.uint8)[None, :, None].repeat(16, 0).repeat(3, 2)
        >>> [int(ONES[difference_hash(image)].sum()) for image in (ramp, ramp[:, ::-1].copy())]
        [256, 0]
    """
    grey = Image.fromarray(pixels).convert("L").resize((SIDE + 1, SIDE), Image.Resampling.BOX)
    cells = np.asarray(grey).astype(np.int16)
    return np.packbits(cells[:, 1:] - cells[:, :-1] > STEP)


def equal_groups(keys: Sequence[bytes]) -> Groups:
    """Return the positions of equal keys.

    Args:
        keys: Hash of the pixels of each image.

    Example:
        >>> equal_groups([b"a", b"b", b"a", b"c", b"a"])
        [[0, 2, 4]]
    """
    places: dict[bytes, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    return [group for group in places.values() if len(group) > 1]


def near_groups(hashes: np.ndarray, thumbnails: np.ndarray) -> Groups:
    """Return the positions of nearly equal images. Time grows as N log N.

    Args:
        hashes: Difference hashes, ``uint8`` (N, 32).
        thumbnails: ``uint8`` (N, 16, 16, 3).
    """
    colours = _Colours(thumbnails)
    return _connected([pair for band in _bands(hashes) for pair in _close(hashes, band, colours)])


class _Colours:
    """Comparison of thumbnails, on 4 × 4 cells first: means of cells differ by no more than the cells themselves.

    Args:
        thumbnails: ``uint8`` (N, 16, 16, 3).
    """

    def __init__(self, thumbnails: np.ndarray) -> None:
        self._fine = thumbnails.reshape(len(thumbnails), -1)
        self._coarse = thumbnails.reshape(-1, 4, 4, 4, 4, 3).mean((2, 4), dtype=np.float32).reshape(len(thumbnails), -1)
        self._limit = MAX_DIFFERENCE * np.array([row.std() for row in self._fine], np.float32)

    def same(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return which pairs of thumbnails differ by a small part of their contrast, apart from their brightness.

        Args:
            one: Positions (n,).
            other: Positions (n,).
        """
        limit = np.minimum(self._limit[one], self._limit[other])
        same: np.ndarray = (self._coarse[one] - self._coarse[other]).std(1) <= limit
        left = same.nonzero()[0]
        fine = self._fine[one[left]].astype(np.float32) - self._fine[other[left]]
        same[left] = fine.std(1) <= limit[left]
        return same


def _bands(hashes: np.ndarray) -> Iterable[np.ndarray]:
    """Yield 16 bits of each hash at a time, drawn from the whole grid, since the margins of many images are alike."""
    bits = np.unpackbits(hashes, axis=1)
    order = np.random.default_rng(0).permutation(BITS).reshape(BANDS, -1)
    for places in order:
        yield np.ascontiguousarray(np.packbits(bits[:, places], axis=1)).view(np.uint16)[:, 0]


def _close(hashes: np.ndarray, band: np.ndarray, colours: _Colours) -> Iterable[tuple[int, int]]:
    """Yield pairs of images that share a band and are nearly equal."""
    order = np.lexsort((*hashes.view(np.uint64).T, band))
    band, sorted_, first = band[order], hashes[order], np.arange(len(order))
    for distance in range(1, COMPARED + 1):
        first = first[first < len(order) - distance]
        first = first[band[first] == band[first + distance]]
        if not len(first):
            return
        near = first[ONES[sorted_[first] ^ sorted_[first + distance]].sum(1, dtype=np.uint16) <= MAX_BITS]
        one, other = order[near], order[near + distance]
        for start in range(0, len(one), CHUNK):
            some, others = one[start : start + CHUNK], other[start : start + CHUNK]
            same = colours.same(some, others)
            yield from zip(some[same].tolist(), others[same].tolist(), strict=True)


def _connected(pairs: Sequence[tuple[int, int]]) -> Groups:
    """Return the connected components of a graph.

    >>> _connected([(5, 3), (1, 2), (3, 9)])
    [[1, 2], [3, 5, 9]]
    """
    parent: dict[int, int] = {}

    def root(place: int) -> int:
        while (above := parent.setdefault(place, place)) != place:
            parent[place] = place = parent[above]
        return place

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    groups: dict[int, list[int]] = {}
    for place in sorted(parent):
        groups.setdefault(root(place), []).append(place)
    return [group for _, group in sorted(groups.items())]
