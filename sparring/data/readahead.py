"""Read-ahead hints for memory-mapped rows, so that the system reads many from disk at once.

A row that is not in memory costs the latency of the disk, and much around it is read with it (128 KiB on most systems,
megabytes on some). That is useful if the whole set fits into memory. For a larger set it would evict rows that are
needed soon; there, exactly the next rows are requested.
"""

import mmap
import sys

import numpy as np

from sparring._io.memory import physical_memory

ADVICE = getattr(mmap, "MADV_WILLNEED", 0)  # not on Windows


def prefetch_rows(values: np.ndarray, rows: np.ndarray) -> None:
    """Request rows of a memory map that is larger than half of the memory; otherwise do nothing.

    Args:
        values: Rows, shape (N, ...).
        rows: Positions, int64 (n,).
    """
    if values.nbytes > (physical_memory() or sys.maxsize) // 2:
        advise(values, rows)


def advise(values: np.ndarray, starts: np.ndarray, run: int = 1) -> None:
    """Advise the operating system that runs of rows of a memory map will be read soon.

    Args:
        values: Rows, shape (N, ...).
        starts: Positions of the first row of each run, int64 (n,).
        run: Number of rows in a run.
    """
    held = getattr(values, "_mmap", None)
    if not (isinstance(held, mmap.mmap) and ADVICE and values.flags.c_contiguous):
        return
    width = values.nbytes // len(values)
    first = values.ctypes.data - np.frombuffer(held, np.uint8).ctypes.data + starts * width
    pages = first // mmap.PAGESIZE * mmap.PAGESIZE
    for page, size in zip(pages.tolist(), (first + run * width - pages).tolist(), strict=True):
        held.madvise(ADVICE, page, size)
