"""Images of a prepared file, with checksums that are verified when a process first reads an image.

The checksum of an image is the CRC-32 of its bytes. It finds every error that spans at most 32 bits, and misses another
one with probability 2⁻³². It protects against disks, memory and copies that fail, not against forgery. An image has a
checksum of its own, so that a batch in random order reads only the bytes of its images.
"""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sparring.errors import DataError

__all__ = ["ChecksummedImages"]

AT_ONCE = 2**24  # bytes verified at a time when all images are

log = logging.getLogger(__name__)


class ChecksummedImages:
    """The images of a prepared file.

    Args:
        path: The file.
        values: Images ``uint8`` (N, H, W, C), mapped.
        checksums: CRC-32 of each, uint32 (N,), mapped.
        again: Prepares the file again from its source and returns the images of the new file, or None if the source
            has changed. None for a file that has no source.
    """

    def __init__(
        self,
        path: Path,
        values: np.ndarray,
        checksums: np.ndarray,
        again: Callable[[], ChecksummedImages | None] | None = None,
    ) -> None:
        self.path, self.again = path, again
        self._now = values, checksums, np.zeros(len(values), bool)  # the last: which images have been checked
        self._lock = threading.Lock()

    @property
    def values(self) -> np.ndarray:
        """All images, ``uint8`` (N, H, W, C), mapped; not necessarily verified."""
        return self._now[0]

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Copy images, and verify those that are read for the first time.

        Args:
            rows: Positions, int64 (n,).

        Returns:
            ``uint8`` (n, H, W, C).

        Raises:
            DataError: If an image is damaged and the file cannot be prepared again.
        """
        found, damaged = self._read(rows)
        if damaged is None:
            return found
        with self._lock:
            if (damaged := self._read(rows)[1]) is not None:  # no other thread has repaired it
                self._repair(damaged)
        return self.take(rows)

    def all_rows(self) -> np.ndarray:
        """Return all images, verified, ``uint8`` (N, H, W, C), mapped.

        Raises:
            DataError: As for `take`.
        """
        some = max(1, AT_ONCE // self.values[:1].nbytes)
        for start in range(0, len(self.values), some):
            self.take(np.arange(start, min(start + some, len(self.values))))
        return self.values

    def _read(self, rows: np.ndarray) -> tuple[np.ndarray, int | None]:
        """Copy images, and return the position of a damaged one among those not yet verified, if any."""
        values, checksums, known = self._now
        found = np.asarray(values)[rows]
        new = np.flatnonzero(~known[rows])
        expected = np.asarray(checksums)[rows[new]].tolist()
        for place, checksum in zip(new.tolist(), expected, strict=True):
            if zlib.crc32(found[place]) != checksum:
                return found, int(rows[place])
        known[rows] = True
        return found, None

    def _repair(self, row: int) -> None:
        """Prepare the file again.

        Raises:
            DataError: If that is not possible, or the new file is damaged at the same place.
        """
        what = f"{self.path} is damaged: image {row} does not match its checksum"
        if self.again is None:
            raise DataError(f"{what}. Copy the file again, or prepare it again from its source.")
        log.warning("%s. The file is prepared again from its source.", what)
        fresh = self.again()
        if fresh is None:
            raise DataError(f"{what}, and its source has changed: restore the source, or start another run.")
        if fresh._read(np.array([row]))[1] is not None:
            raise DataError(f"{what}, also after it was prepared again: set $SPARRING_CACHE to another disk.")
        self._now = fresh._now
