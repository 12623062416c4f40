"""Rows on a disk that will be read soon: the system is told, and fetches many at once while nobody waits.

A row that is not in memory costs the latency of the disk, and much around it is read with it (128 KiB on most systems,
megabytes on some). Where the whole set fits into memory that is welcome: it is all there after seconds. A larger set
would push out what is needed soon; of such a one exactly the rows to come are fetched.
"""

import mmap
import sys

import numpy as np

from sparring._io.memory import physical_memory

ADVICE = getattr(mmap, "MADV_WILLNEED", 0)  # not on Windows


def prefetch_rows(values: np.ndarray, rows: np.ndarray) -> None:
    """Announce rows of a memory map that is larger than half of the memory; of anything else, do nothing.

    Args:
        values: Rows, shape (N, ...).
        rows: Positions, int64 (n,).
    """
    if values.nbytes > (physical_memory() or sys.maxsize) // 2:
        advise(values, rows)


def advise(values: np.ndarray, starts: np.ndarray, run: int = 1) -> None:
    """Tell the system that runs of rows will be read, where they are of a memory map.

    Args:
        values: Rows, shape (N, ...).
        starts: Positions of the first row of each run, int64 (n,).
        run: Rows of each.
    """
    held = getattr(values, "_mmap", None)
    if not (isinstance(held, mmap.mmap) and ADVICE and values.flags.c_contiguous):
        return
    width = values.nbytes // len(values)
    first = values.ctypes.data - np.frombuffer(held, np.uint8).ctypes.data + starts * width
    pages = first // mmap.PAGESIZE * mmap.PAGESIZE
    for page, size in zip(pages.tolist(), (first + run * width - pages).tolist(), strict=True):
        held.madvise(ADVICE, page, size)
