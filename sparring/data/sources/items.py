"""Map-style data sets, read item by item: an image, ``(image, label)``, or a dict with an image and perhaps a label.

    torch.utils.data.Dataset    data[i] is any of the three
    Hugging Face                data[i] is a dict; known by its attribute ``column_names``
    list                        of images, or of items

The values of a dict are told apart by their types: the image is a PIL image or an array with two or three axes, the
label a whole number. Among several whole numbers the label is the one whose feature has class names. Every item is read
once, the first eight twice: data that change from reading to reading cannot be resumed. Rows of more than 256 MiB are
written one at a time into a prepared file of the cache, named by its content.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sparring._io.atomic import atomic_write
from sparring.data.annotations.class_indices import class_indices, class_names, require_class
from sparring.data.cache import Progress, npy_header, open_prepared, write_rest
from sparring.data.dataset import Dataset
from sparring.data.fingerprint import content_fingerprint
from sparring.data.frames import Size, common_content
from sparring.data.sources.image_sources import convert_image
from sparring.data.sources.images import GREY, decode_errors, quiet_pillow, to_pixels, upright_copy
from sparring.data.sources.pixels import (
    as_array,
    below_zero,
    channels_last,
    image_bytes,
    range_words,
    to_points,
)
from sparring.errors import DataError

__all__ = ["Columns", "MapStyle", "find_columns", "read_items"]

IN_MEMORY = 2**28  # bytes of rows that stay in memory
TWICE = 8  # items that are read twice
NAMED = 8  # columns listed in a message


@runtime_checkable
class MapStyle(Protocol):
    """A data set of items by number: `torch.utils.data.Dataset`, a Hugging Face data set, or a sequence."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> object: ...


class BelowZero(Exception):
    """A number below 0 among floating-point images that were taken to be in [0, 1]."""


class Columns(NamedTuple):
    """Where the image and the label of an item are.

    Attributes:
        image: Key of the image, or its place in a tuple; None if the item is the image.
        label: Key or place of the label, or None.
        names: Names of the classes, if the data have any.
        unused: Keys that are not used.
    """

    image: str | int | None
    label: str | int | None
    names: object = None
    unused: tuple[str, ...] = ()


def find_columns(title: str, data: object, item: object) -> Columns:
    """Find the image and the label of items by their types.

    Args:
        title: Name of the data, for the message.
        data: The data set, whose ``features`` and ``classes`` may have names of classes.
        item: Its first item.

    Raises:
        DataError: If there is no image, or there are several images or labels.

    Example:
        >>> find_columns("pets", [], {"photo": np.zeros((8, 8)), "breed": 3, "owner": "Ada"})
        Columns(image='photo', label='breed', names=None, unused=('owner',))
    """
    names = getattr(data, "classes", None) or getattr(getattr(data, "dataset", None), "classes", None)
    if isinstance(item, tuple | list):
        if len(item) not in (1, 2):
            raise DataError(f"Item 0 of {title} has {len(item)} parts: give an image or (image, label).")
        return Columns(0, 1 if len(item) == 2 and item[1] is not None else None, names)
    if not isinstance(item, Mapping):
        return Columns(None, None)
    images = [key for key, value in item.items() if is_image(value)] or [
        key for key, value in item.items() if np.shape(value) == (2,) and isinstance(value, np.ndarray | Tensor)
    ]
    if len(images) != 1:
        found = f"images in {_listed(images)}" if images else f"no image in {_listed(item)}"
        raise DataError(
            f"{title} has {found}: give a set with exactly one column of PIL images or arrays, as by its method "
            "select_columns or with_format."
        )
    numbers = [key for key, value in item.items() if key not in images and is_whole(value)]
    features = getattr(data, "features", None)
    named = {key: getattr(features.get(key), "names", None) for key in numbers} if isinstance(features, Mapping) else {}
    labels = [key for key in numbers if named.get(key)] or numbers
    if len(labels) > 1:
        raise DataError(
            f"{title} has whole numbers in {_listed(labels)}, each of which could be the label: give a set with one of "
            "them, as by its method remove_columns."
        )
    label = labels[0] if labels else None
    unused = tuple(str(key) for key in item if key not in (images[0], label))
    return Columns(images[0], label, named.get(label) if label is not None else None, unused)


def is_image(value: object) -> bool:
    """Return whether a value is a PIL image, or an array or tensor with two or three axes.

    Args:
        value: A value of an item.
    """
    return isinstance(value, Image.Image) or (isinstance(value, np.ndarray | Tensor) and value.ndim in (2, 3))


def is_whole(value: object) -> bool:
    """Return whether a value is one whole number, of Python, numpy or torch; truth values are not.

    Args:
        value: A value of an item.
    """
    if isinstance(value, Tensor):
        return (
            value.ndim == 0 and not value.is_floating_point() and not value.is_complex() and value.dtype != torch.bool
        )
    if isinstance(value, np.ndarray):
        return value.ndim == 0 and value.dtype.kind in "iu"
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


class ItemReader:
    """Reads the items of a data set as rows of one shape.

    Args:
        title: Name of the data.
        data: The data set.
        size: Height and width, or None for the images' own.
        channels: 1, 3 or 4, or None for those of the first image.
        signed: Whether floating-point images are in [−1, 1].

    Attributes:
        columns: Where images and labels are.
        kind: What the images are.
        words: What was concluded about the first image, in a few words each.
        sizes: Heights and widths of the images that were read.
    """

    def __init__(self, title: str, data: MapStyle, size: Size | None, channels: int | None, *, signed: bool) -> None:
        self.title, self.data, self.size, self.channels, self.signed = title, data, size, channels, signed
        self.asked = channels is not None
        self.first = read_item(title, data, 0)
        self.columns = find_columns(title, data, self.first)
        self.kind, self.words = "", list[str]()
        self.sizes: list[tuple[int, int]] = []
        self.shape: tuple[int, ...] = ()

    def row(self, index: int) -> tuple[np.ndarray, int]:
        """Return an item as a row, ``uint8`` (H, W, C) or ``float32`` (2,), with its label, −1 without one.

        Args:
            index: Number of the item.

        Raises:
            DataError: If it cannot be read, or does not fit to the first one.
        """
        what = f"Item {index} of {self.title}"
        image, label = self._parts(what, read_item(self.title, self.data, index))
        values = self._picture(what, image) if isinstance(image, Image.Image) else self._numbers(what, image)
        self.shape = self.shape or values.shape
        if values.shape != self.shape:
            now, then = (" × ".join(map(str, shape)) for shape in (values.shape, self.shape))
            raise DataError(f"{what} has shape {now} and the first one {then}: give a size and a number of channels.")
        return values, self._label(what, label)

    def _parts(self, what: str, item: object) -> tuple[object, object]:
        """Return the image and the label of an item."""
        image, label = self.columns.image, self.columns.label
        if image is None:
            return item, None
        keys = [image] if label is None else [image, label]
        if isinstance(image, int):
            alike = isinstance(item, tuple | list) and isinstance(self.first, Sized) and len(item) == len(self.first)
        else:
            alike = isinstance(item, Mapping) and all(key in item for key in keys)
        if not alike:
            raise DataError(
                f"{what} is of {_words(item)} and the first one of {_words(self.first)}: give items of one form."
            )
        found = [item[key] for key in keys]  # type: ignore[index]
        return found[0], found[1] if label is not None else None

    def _label(self, what: str, label: object) -> int:
        if self.columns.label is None:
            return -1
        if not is_whole(label):
            raise DataError(f"{what} has the label {str(label)[:40]!r}: number the classes 0, 1, 2 and so on.")
        number = int(label)  # type: ignore[call-overload]
        require_class(what, number)
        return int(number)

    def _picture(self, what: str, picture: Image.Image) -> np.ndarray:
        """Return a PIL image as bytes (H, W, C)."""
        self._require_kind(what, "a PIL image")
        upright = upright_copy(what, picture)
        self.sizes.append((upright.height, upright.width))
        self.channels = self.channels or (1 if upright.mode in GREY else 3)
        if self.channels == 1 and not self.asked and upright.mode not in GREY:
            raise DataError(f"{what} is in colour and the first one is grey: give channels=3, or channels=1.")
        with decode_errors(what), quiet_pillow():
            return to_pixels(upright, self.size, self.channels)

    def _numbers(self, what: str, image: object) -> np.ndarray:
        """Return an array or a tensor as bytes (H, W, C), or as a point."""
        if not isinstance(image, np.ndarray | Tensor):
            raise DataError(f"{what} is of {_words(image)}: give a PIL image, an array or a tensor.")
        values = as_array(what, image)
        if values.shape == (2,):
            self._require_kind(what, "a point")
            point: np.ndarray = to_points(what, values[None])[0]
            return point
        values, layout = channels_last(what, values, many=False)
        real = values.dtype.kind == "f"
        self._require_kind(what, "floating-point" if real else "bytes")
        if real and not self.signed and below_zero(values):
            raise BelowZero
        made = image_bytes(what, values, signed=self.signed)
        self.sizes.append((made.shape[0], made.shape[1]))
        if not self.words:
            self.words = [*filter(None, [layout, range_words(self.signed) if real else ""])] or [""]
        return convert_image(np.ascontiguousarray(made), self.size, self.channels or int(made.shape[2]))

    def _require_kind(self, what: str, kind: str) -> None:
        self.kind = self.kind or kind
        if kind != self.kind:
            raise DataError(f"{what} is {kind} and the first one {self.kind}: give items of one form.")


def read_items(
    title: str,
    data: MapStyle,
    *,
    cache: Path,
    size: Size | None = None,
    channels: int | None = None,
    labels: object = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read all items of a map-style data set.

    Args:
        title: Name of the data.
        data: The data set.
        cache: Folder for rows of more than 256 MiB.
        size: Height and width of images. Default: their own.
        channels: 1, 3 or 4. Default: those of the first image.
        labels: Labels that are given beside the items, or None.
        progress: Called regularly with the number of items done and in total.

    Raises:
        DataError: If an item cannot be used, or the data set is empty; the message names the first reason.
    """
    count = count_items(title, data)
    for signed in (False, True):
        reader = ItemReader(title, data, size, channels, signed=signed)
        if labels is not None and reader.columns.label is not None:
            raise DataError(f"{title} has labels in its items and beside them: give one of the two.")
        beside = None if labels is None else class_indices(title, labels, count)
        try:
            made = _gathered(reader, count, beside, cache, progress)
        except BelowZero:
            continue
        columns = reader.columns
        words = [f"images from {columns.image!r}"] if isinstance(columns.image, str) else []
        words += [f"classes from {columns.label!r}"] if isinstance(columns.label, str) else []
        words += [f"not used: {_listed(columns.unused)}"] if columns.unused else []
        shown = None if size is None else common_content(reader.sizes, size)
        return replace(made, name=title, understood=(*words, *filter(None, reader.words)), content=shown)
    raise AssertionError("floating-point images are read in [−1, 1] the second time")


def count_items(title: str, data: object) -> int:
    """Return the number of items.

    Args:
        title: Name of the data.
        data: The data set.

    Raises:
        DataError: If it has no length or is empty.
    """
    try:
        count = len(data)  # type: ignore[arg-type]
    except Exception as error:  # code of the user
        raise DataError(f"{title} has no length ({error}): give a data set with __len__ and __getitem__.") from error
    if not count:
        raise DataError(f"{title} holds no rows: give it at least one image or point.")
    return count


def read_item(title: str, data: MapStyle, index: int) -> object:
    """Return an item.

    Args:
        title: Name of the data.
        data: The data set.
        index: Number of the item.

    Raises:
        DataError: In place of any exception of the data set.
    """
    try:
        return data[index]
    except Exception as error:  # code of the user
        reason = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
        raise DataError(f"Item {index} of {title} cannot be read ({reason}): repair or leave it out.") from error


def _rows(reader: ItemReader, count: int, progress: Progress | None) -> Iterator[tuple[np.ndarray, int]]:
    """Yield all rows with their labels; the first few are read twice."""
    for index in range(count):
        values, label = reader.row(index)
        if index < TWICE:
            again, same = reader.row(index)
            if label != same or not np.array_equal(values, again):
                raise DataError(
                    f"Item {index} of {reader.title} changes when it is read again: leave random transforms out; a run "
                    "has mirror=True and the technique augment for them."
                )
        yield values, label
        if progress and ((index + 1) % 256 == 0 or index + 1 == count):
            progress(index + 1, count)


def _gathered(
    reader: ItemReader, count: int, beside: np.ndarray | None, cache: Path, progress: Progress | None
) -> Dataset:
    """Read all rows, into memory or into a prepared file."""
    head = reader.row(0)[0]
    labels, rows = np.zeros(count, np.int64), _rows(reader, count, progress)
    if head.dtype == np.uint8 and count * head.nbytes > IN_MEMORY:
        return _stored(reader, rows, count, head.shape, beside, cache)
    values = np.empty((count, *head.shape), head.dtype)
    for index, (row, label) in enumerate(rows):
        values[index], labels[index] = row, label
    found, classes = _classes(reader, labels, beside)
    content = content_fingerprint(values, found, classes)
    return Dataset(reader.title, values, found, classes, fingerprint=content)


def _classes(
    reader: ItemReader, labels: np.ndarray, beside: np.ndarray | None
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return the labels of the items, or those beside them, with the names of the classes."""
    if beside is not None:
        return beside, class_names(beside, reader.columns.names)
    if reader.columns.label is None:
        return None, ()
    return labels, class_names(labels, reader.columns.names)


def _stored(
    reader: ItemReader,
    rows: Iterator[tuple[np.ndarray, int]],
    count: int,
    shape: tuple[int, ...],
    beside: np.ndarray | None,
    cache: Path,
) -> Dataset:
    """Write rows into a prepared file of the cache, named by its content, and open it."""
    head, whole = npy_header((count, *shape)), (count, *shape)
    labels, checksums = np.zeros(count, np.int64), np.zeros(count, "<u4")
    target = [cache / "items.npy"]
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with atomic_write(target[0], lambda: target[-1]) as file:
            file.write(head)
            for index, (row, label) in enumerate(rows):
                content = row.tobytes()
                file.write(content)
                checksums[index], labels[index] = zlib.crc32(content), label
            file.flush()
            found, classes = _classes(reader, labels, beside)
            written = np.memmap(file.name, np.uint8, "r", len(head), whole)
            key = content_fingerprint(written, found, classes)
            del written
            facts = {"source": reader.title, "stamp": key, "content": key, "classes": classes}
            write_rest(file, whole, checksums, found, None, facts)
            target.append(cache / f"items-{key[:16]}.npy")
    except OSError as error:
        raise DataError(
            f"{cache} cannot be written ({error.strerror}): free space or name another folder in $SPARRING_CACHE."
        ) from error
    return open_prepared(reader.title, target[-1])


def _words(item: object) -> str:
    """Return the type of an item in words."""
    if isinstance(item, Mapping):
        return f"type dict with {_listed(item)}"
    if isinstance(item, tuple | list):
        return f"type {type(item).__name__} with {len(item)} parts"
    return f"type {type(item).__name__}"


def _listed(names: Iterable[object]) -> str:
    """Return names in one line."""
    known = list(map(str, names))
    return ", ".join(known[:NAMED]) + (f" and {len(known) - NAMED} more" if len(known) > NAMED else "")
