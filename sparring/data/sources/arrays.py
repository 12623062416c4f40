"""Arrays of images or points in numpy's files: ``.npy``, or ``.npz`` with ``images`` or ``points``, and ``labels``."""

from pathlib import Path

import numpy as np

from sparring.data.cache import open_prepared, read_prepared
from sparring.data.dataset import Dataset
from sparring.errors import DataError

SUFFIXES = (".npy", ".npz")


def open_array(name: str, path: Path) -> Dataset:
    """Open an array file; ``.npy`` files of images stay on disk, memory-mapped.

    Args:
        name: Name of the data.
        path: A ``.npy`` file with images ``uint8`` (N, H, W[, C]) or points (N, 2); or a ``.npz`` file with one such
            array, named ``images``, ``points`` or anything, and optionally ``labels``.

    Raises:
        DataError: If the file is damaged or holds something else.
    """
    if path.suffix == ".npy" and read_prepared(path):
        return open_prepared(name, path)
    try:
        content = read_arrays(path)
    except Exception as error:  # damaged files fail in every way
        raise DataError(f"{path} is not a readable array file ({error}): save it again without pickling.") from error
    labels = content.pop("labels", None)
    values = to_rows(path, only_array(path, content))
    if labels is None:
        return Dataset(name, values)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not len(labels):
        raise DataError(f"{path} has labels of shape {labels.shape} and type {labels.dtype}: give whole numbers (N,).")
    classes = tuple(str(index) for index in range(int(labels.max()) + 1))
    return Dataset(name, values, labels.astype(np.int64), classes)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file by name; that of a ``.npy`` file is called images.

    Args:
        path: A ``.npy`` or ``.npz`` file without pickled content.
    """
    if path.suffix == ".npy":
        return {"images": np.load(path, mmap_mode="r", allow_pickle=False)}
    with path.open("rb") as file, np.load(file, allow_pickle=False) as loaded:  # numpy leaves bad files open
        return dict(loaded)


def only_array(path: Path, content: dict[str, np.ndarray]) -> np.ndarray:
    """Return the array of rows among those of a file.

    Args:
        path: For the message.
        content: Arrays by name, without labels.

    Raises:
        DataError: If there is not exactly one candidate.
    """
    for name in ("images", "points"):
        if name in content:
            return content[name]
    if len(content) != 1:
        raise DataError(f"{path} holds {sorted(content)}: name the array of rows images or points.")
    return next(iter(content.values()))


def to_rows(path: Path, values: np.ndarray) -> np.ndarray:
    """Convert an array to the layout of a data set, without a copy of images.

    Args:
        path: For the message.
        values: Images or points.

    Returns:
        ``uint8`` (N, H, W, C) or ``float32`` (N, 2).

    Raises:
        DataError: If the array holds floating-point images or has its channels first.
    """
    if values.ndim == 2 and values.shape[1] == 2:
        points = np.array(values, np.float32)
        if not np.isfinite(points).all():
            raise DataError(f"{path} holds points that are not finite: remove them.")
        return points
    if values.ndim in (3, 4) and values.dtype != np.uint8:
        raise DataError(f"{path} holds images of type {values.dtype}: save them as uint8 from 0 to 255.")
    if values.ndim == 4 and values.shape[1] <= 4 < values.shape[3]:
        raise DataError(f"{path} has shape {values.shape}, channels first: save it as (N, H, W, C).")
    return values[..., None] if values.ndim == 3 else values
