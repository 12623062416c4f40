"""Fingerprint of a data set: SHA-256 of its content, or of evenly spaced samples of a large one."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from sparring.data.annotations.captions import Captions
from sparring.data.readahead import advise

MAX_BYTES = 2**26  # bytes of rows that are read at most
RUNS = 2**10  # runs of rows read from a large array: a disk reads 64 KiB as fast as one row


def fingerprint(
    values: np.ndarray,
    labels: np.ndarray | None = None,
    classes: Sequence[str] = (),
    captions: Captions | None = None,
) -> str:
    """Return the SHA-256 of the content; beyond 64 MiB of evenly spaced runs of rows, and all labels and captions.

    Args:
        values: Rows, shape (N, ...).
        labels: Class indices (N,), or None.
        classes: Names of the classes.
        captions: Captions of the rows, or None.

    Returns:
        64 hexadecimal digits.
    """
    sha = begin_fingerprint(values.shape, str(values.dtype), labels, classes, captions)
    for rows in sampled_runs(values):
        sha.update(rows.tobytes())
    return sha.hexdigest()


def content_fingerprint(values: np.ndarray, labels: np.ndarray | None = None, classes: Sequence[str] = ()) -> str:
    """Return the SHA-256 of the content, of all rows of large arrays too.

    Args:
        values: Rows, shape (N, ...).
        labels: Class indices (N,), or None.
        classes: Names of the classes.

    Returns:
        64 hexadecimal digits, those of `fingerprint` up to 64 MiB.
    """
    sha, rows = begin_fingerprint(values.shape, str(values.dtype), labels, classes), max(1, len(values) >> 10)
    for start in range(0, len(values), rows):
        sha.update(values[start : start + rows].tobytes())
    return sha.hexdigest()


def sampled_runs(values: np.ndarray) -> Iterator[np.ndarray]:
    """Return all rows, in order; of a large array runs of neighbours, the first and the last rows among them.

    Args:
        values: Rows, shape (N, ...).
    """
    if values.nbytes <= MAX_BYTES:
        yield values
        return
    width = values.nbytes // len(values)
    rows = max(1, MAX_BYTES // RUNS // width)
    starts = np.linspace(0, len(values) - rows, max(1, min(RUNS, MAX_BYTES // width))).astype(np.int64)
    advise(values, starts, rows)
    for start in starts:
        yield values[start : start + rows]


def begin_fingerprint(
    shape: Sequence[int],
    kind: str,
    labels: np.ndarray | None,
    classes: Sequence[str],
    captions: Captions | None = None,
) -> "hashlib._Hash":
    """Start a fingerprint with everything but the rows.

    Args:
        shape: Shape of all rows together.
        kind: Name of their type.
        labels: Class indices (N,), or None.
        classes: Names of the classes.
        captions: Captions of the rows, or None.

    Returns:
        A SHA-256 object to update with the rows.
    """
    sha = hashlib.sha256(repr((tuple(shape), kind, tuple(classes))).encode())
    if labels is not None:
        sha.update(labels.tobytes())
    if captions is not None:
        sha.update(captions.content)
    return sha
