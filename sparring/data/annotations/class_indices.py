"""Class indices that a user hands over: whole numbers from 0, one for each row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from sparring.errors import DataError

__all__ = ["MAX_CLASSES", "class_indices", "class_names"]

MAX_CLASSES = 2**16


def class_indices(name: str, labels: object, count: int) -> np.ndarray:
    """Return labels as class indices.

    Args:
        name: Name of the data, for the message.
        labels: An array, a tensor or a sequence of whole numbers.
        count: Number of rows.

    Returns:
        int64 (N,).

    Raises:
        DataError: If they are not whole numbers from 0 to 65,535, or not one for each row.

    Example:
        >>> class_indices("pets", [0, 2, 1], 3)
        array([0, 2, 1])
    """
    if isinstance(labels, Tensor):
        labels = labels.detach().cpu().numpy()
    elif not isinstance(labels, np.ndarray):
        labels = _array(name, labels)
    assert isinstance(labels, np.ndarray)
    if labels.ndim != 1 or (len(labels) and labels.dtype.kind not in "iu"):
        kind = f"shape {labels.shape} and type {labels.dtype}"
        raise DataError(f"{name} has labels of {kind}: give whole numbers (N,), 0 for the first class.")
    if len(labels) != count:
        raise DataError(f"{name} has {count:,} rows and {len(labels):,} labels: give one label for each row.")
    for number in (labels.min(), labels.max()):
        require_class(name, int(number))
    return labels.astype(np.int64)


def require_class(name: str, number: int) -> None:
    """Refuse a number that is no class index.

    Args:
        name: What has the number, for the message.
        number: The number.

    Raises:
        DataError: If it is below 0 or above 65,535.
    """
    if not 0 <= number < MAX_CLASSES:
        raise DataError(f"{name} has the label {number}: number the classes 0, 1, 2 and so on.")


def class_names(labels: np.ndarray, names: object = None) -> tuple[str, ...]:
    """Return the names of classes: those given if there is one for each, else the numbers.

    Args:
        labels: Class indices, int64 (N,).
        names: Names that may belong to them, such as the attribute ``classes`` of a data set.

    Example:
        >>> class_names(np.array([0, 2]), ["cat", "dog", "owl"]), class_names(np.array([0, 2]), ["cat"])
        (('cat', 'dog', 'owl'), ('0', '1', '2'))
    """
    count = int(labels.max()) + 1
    given = list(names) if isinstance(names, list | tuple) else []
    if count <= len(given) <= MAX_CLASSES and all(isinstance(each, str) for each in given):
        return tuple(given)
    return tuple(map(str, range(count)))


def _array(name: str, labels: object) -> np.ndarray:
    """Return a sequence as an array."""
    if not isinstance(labels, Sequence) or isinstance(labels, str | bytes):
        raise DataError(f"{name} has labels of type {type(labels).__name__}: give whole numbers, one for each row.")
    try:
        return np.array([each.item() if isinstance(each, Tensor) else each for each in labels])
    except (ValueError, RuntimeError, OverflowError) as error:
        raise DataError(f"{name} has labels of several shapes: give whole numbers, one for each row.") from error
