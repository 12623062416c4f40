"""Data that are already in Python: arrays, tensors, lists of images, map-style data sets and their loaders.

| given                   | read as                                                                          |
|-------------------------|----------------------------------------------------------------------------------|
| array or tensor         | images, bytes or floating-point, (N, C, H, W), (N, H, W, C) or (N, H, W); points (N, 2) |
| ``(images, labels)``    | the same or a list of images, with one whole number for each                     |
| list of images          | PIL images, arrays or tensors                                                    |
| map-style data set      | an image, ``(image, label)`` or a dict for each, see `sparring.data.sources.items` |
| ``DataLoader``          | its data set; the order of rows belongs to `sparring.data.Stream`                |
| `sparring.data.Dataset` | as it is                                                                         |

Floating-point images are in [0, 1] or, if a number is negative, in [−1, 1]. The axis of channels is the one of length
1, 3 or 4. What was concluded is in `Dataset.understood`. The fingerprint is that of the whole content, so equal rows
with equal labels have one fingerprint, however they are given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, SequentialSampler
from torch.utils.data import Dataset as TorchDataset

from sparring.data.annotations.class_indices import class_indices, class_names
from sparring.data.cache import Progress
from sparring.data.dataset import Dataset
from sparring.data.fingerprint import content_fingerprint
from sparring.data.frames import Size
from sparring.data.sources.items import MapStyle, read_items
from sparring.data.sources.pixels import as_array, below_zero, channels_last, image_bytes, range_words, to_points
from sparring.errors import DataError

__all__ = ["DataLike", "from_python", "loader_dataset", "map_style"]

ROWS = 256  # images that are converted at a time
PLAIN = (SequentialSampler, RandomSampler)  # samplers that draw every row
KINDS = (
    "a name or path, an array or tensor of images, (images, labels), a list of images, or a data set with __len__ and "
    "__getitem__"
)


DataLike: TypeAlias = (
    str | Path | Dataset | np.ndarray | Tensor | Sequence[object] | MapStyle | TorchDataset[object] | DataLoader[object]
)
"""What `sparring.data.load` takes: a name or path, or data that are already in Python."""


def from_python(
    data: object,
    *,
    cache: Path,
    size: Size | None = None,
    channels: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Return data that are already in Python as one set of rows.

    Args:
        data: See the table above.
        cache: Folder for rows that are read item by item and take more than 256 MiB.
        size: Height and width of images that are read item by item. Default: their own.
        channels: Channels of images that are read item by item. Default: those of the first one.
        progress: Called regularly with the number of items done and in total.

    Returns:
        The rows. Those of arrays and tensors are as they are given, in bytes.

    Raises:
        DataError: If they cannot be used; the message names the first reason and the remedy.

    Example:
        >>> rows = from_python(np.zeros((5, 3, 8, 16), np.uint8), cache=Path())
        >>> rows.shape, rows.understood
        ((3, 8, 16), ('channels first (N, C, H, W)',))
    """
    if isinstance(data, Dataset):
        return data
    labels: object = None
    if isinstance(data, tuple):
        data, labels = _pair(data)
    if isinstance(data, np.ndarray | Tensor):
        return _array_rows(data, labels)
    notes: tuple[str, ...] = ()
    if isinstance(data, DataLoader):
        data, notes = loader_dataset(data)
    rows = map_style(data)
    title = f"{type(data).__name__} in Python"
    made = read_items(title, rows, cache=cache, size=size, channels=channels, labels=labels, progress=progress)
    return replace(made, understood=(*notes, *made.understood))


def loader_dataset(loader: DataLoader[object]) -> tuple[object, tuple[str, ...]]:
    """Return the data set of a loader, and what of the loader is not used, in a few words.

    Args:
        loader: The loader.

    Raises:
        DataError: If it has a sampler of its own, which may draw some of the rows only.
    """
    plain = type(loader.batch_sampler) in (BatchSampler, type(None)) and type(loader.sampler) in PLAIN
    whole = plain and not getattr(loader.sampler, "replacement", False)
    if not whole and not isinstance(loader.dataset, IterableDataset):
        own = type(loader.batch_sampler if type(loader.sampler) in PLAIN else loader.sampler).__name__
        raise DataError(
            f"The DataLoader has the sampler {own}, and the order of rows belongs to the stream: give loader.dataset "
            "for all rows, or torch.utils.data.Subset(loader.dataset, list(loader.sampler)) for those that it draws."
        )
    return loader.dataset, ("order, batches and collate_fn of the DataLoader are not used",)


def map_style(data: object) -> MapStyle:
    """Return a data set of items by number, or refuse other objects.

    Args:
        data: Any object.

    Raises:
        DataError: If it has no ``__len__`` and ``__getitem__``, or holds several splits.
    """
    kind = type(data).__name__
    splits = getattr(data, "column_names", None)
    if isinstance(splits, Mapping):
        names, first = ", ".join(map(str, splits)), next(iter(splits), "train")
        raise DataError(f"The {kind} holds the splits {names}: give one of them, such as data[{first!r}].")
    if isinstance(data, Image.Image):
        raise DataError("One image is no data set: give a list of images.")
    if isinstance(data, Mapping):
        raise DataError(f"Data of type {kind} cannot be used: give (images, labels), or one of its values.")
    ordered = isinstance(data, IterableDataset) or (
        hasattr(data, "__iter__") and not isinstance(data, (str, bytes, type)) and not hasattr(data, "__getitem__")
    )
    if ordered:
        raise DataError(
            f"Data of type {kind} have an order of their own, and the order of rows belongs to the stream: give a data "
            "set with __len__ and __getitem__, or a list of its items."
        )
    if not isinstance(data, MapStyle) or isinstance(data, (str, bytes, bytearray, memoryview, type)):
        raise DataError(f"Data of type {kind} cannot be used: give {KINDS}.")
    return data


def _pair(data: tuple[object, ...]) -> tuple[object, object]:
    """Return the images and the labels of a pair."""
    if len(data) != 2:
        raise DataError(f"A tuple of {len(data)} is no data: give (images, labels), or a list of images.")
    images, labels = data
    if not isinstance(images, np.ndarray | Tensor | list) or labels is None:
        kinds = " and ".join(type(each).__name__ for each in data)
        raise DataError(f"A tuple of {kinds} is no data: give an array, a tensor or a list of images, and the labels.")
    return images, labels


def _array_rows(data: np.ndarray | Tensor, labels: object) -> Dataset:
    """Return an array or a tensor as rows; bytes in the layout (N, H, W, C) are not copied."""
    name = "tensor in Python" if isinstance(data, Tensor) else "array in Python"
    values, notes = as_array(name, data), list[str]()
    if values.ndim and not len(values):
        raise DataError(f"{name} holds no rows: give it at least one image or point.")
    if values.ndim == 2 and values.shape[1] == 2:
        rows = to_points(name, values)
    else:
        values, layout = channels_last(name, values, many=True)
        rows, words = _bytes(name, values)
        notes = [*filter(None, [layout, words])]
    numbers = None if labels is None else class_indices(name, labels, len(rows))
    classes = () if numbers is None else class_names(numbers)
    content = content_fingerprint(rows, numbers, classes)
    return Dataset(name, rows, numbers, classes, fingerprint=content, understood=tuple(notes))


def _bytes(name: str, values: np.ndarray) -> tuple[np.ndarray, str]:
    """Return images as contiguous bytes, and their range in words if they were floating-point numbers."""
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values), ""
    chunks = [slice(start, start + ROWS) for start in range(0, len(values), ROWS)]
    signed = any(below_zero(values[chunk]) for chunk in chunks)
    made = np.empty(values.shape, np.uint8)
    for chunk in chunks:
        made[chunk] = image_bytes(name, values[chunk], signed=signed)
    return made, range_words(signed)
