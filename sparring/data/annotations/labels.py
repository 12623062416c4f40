"""Labels of image files: from ``dataset.json`` (the layout of StyleGAN), or from the folders they lie in.

If there are ``train`` and only other splits, only ``train`` is read. A single folder that contains everything is
ignored. Two or more folders without images next to them are the classes. A ``dataset.json`` is used at the top, or in a
folder that contains everything.
"""

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from sparring.data.sources.files import SUFFIXES, Files
from sparring.errors import DataError

MAX_CLASSES = 2**20  # classes
TABLE = "dataset.json"
SPLITS = {"train", "test", "val", "valid", "validation"}

Labels = tuple[tuple[str, ...], np.ndarray | None, tuple[str, ...]]


class LabelledFiles(NamedTuple):
    """Image files to read, and how their folder was interpreted.

    Attributes:
        names: Names of the files, in order.
        labels: Class indices, int64 (N,), or None.
        classes: Names of the classes.
        how: Source of the labels; empty without labels.
        split: Folders that are read if others are not; empty if all are read.
        ignored: Tables that are not used, each with a sentence of its path and the reason.
    """

    names: tuple[str, ...]
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    how: str = ""
    split: str = ""
    ignored: tuple[tuple[str, str], ...] = ()


def read_labels(files: Files) -> LabelledFiles:
    """Return the image files to read, with their labels.

    Args:
        files: A folder or an archive.

    Returns:
        Their names and labels.

    Raises:
        DataError: If there are no images, or ``dataset.json`` does not match them.
    """
    names = [name for name in files.entries if name.lower().endswith(SUFFIXES)]
    if not names:
        raise DataError(
            f"{files.title} holds no images among its {len(files.entries)} file(s): "
            f"put some there that end in {', '.join(SUFFIXES)}."
        )
    reached = list(_levels(names))
    tables = {f"{place}{TABLE}": (place, inside) for place, inside in reached}
    used = next((table for table in tables if table in files.entries), None)
    if used:
        place, inside = tables[used]
        found = labels_by_table(f"{files.title}/{used}", inside, len(place), files.read(used))
        how = f"labels by {used}"
    else:
        found, how = labels_by_folder(*reached[-1]), "labels by folders"
    rest = len(names) - len(found[0])
    split = f"only images in train, not {rest:,} in other folders" if rest else ""
    return LabelledFiles(*found, how if found[2] else "", split, _ignored(files, used))


def _ignored(files: Files, used: str | None) -> tuple[tuple[str, str], ...]:
    """Return the tables that are not used, with the reason."""
    reason = "is not used: move it to the folder that contains all folders of images."
    tables = [name for name in files.entries if name.rpartition("/")[2] == TABLE and name != used]
    return tuple((name, f"{files.title}/{name} {reason}") for name in tables)


def _levels(names: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the folders around the images to read, from the outermost on, each with the images in it."""
    place, inside = "", list(names)
    while True:
        yield place, inside
        tops = {_top(name, place) for name in inside}
        train = "train" in tops and tops <= SPLITS
        if "" in tops or not (train or len(tops) == 1):
            return
        place += f"{'train' if train else tops.pop()}/"
        inside = [name for name in inside if name.startswith(place)]


def _top(name: str, place: str) -> str:
    """Return the folder below a place in which a file lies; empty for a file of the place itself."""
    folder, slash, _ = name[len(place) :].partition("/")
    return folder if slash else ""


def labels_by_folder(place: str, names: Sequence[str]) -> Labels:
    """Return the classes by the folders below a path.

    Args:
        place: Folder around all of them, with a slash at its end; empty for none.
        names: Relative names with forward slashes.

    Example:
        >>> labels_by_folder("all/", ["all/dog/1.png", "all/cat/1.png"])
        (('all/dog/1.png', 'all/cat/1.png'), array([1, 0]), ('cat', 'dog'))
    """
    tops = [_top(name, place) for name in names]
    found = set(tops)
    if "" in found:
        return tuple(names), None, ()
    classes = sorted(found, key=lambda top: (not top.isdecimal(), int(top) if top.isdecimal() else 0, top))
    order = {name: index for index, name in enumerate(classes)}
    return tuple(names), np.array([order[top] for top in tops], np.int64), tuple(classes)


def labels_by_table(title: str, names: Sequence[str], depth: int, content: bytes) -> Labels:
    """Return the labels of ``{"labels": [["a.png", 0], …]}``; ``"labels": null`` means none.

    Args:
        title: Of the table, for messages.
        names: Image files.
        depth: Letters of their names that the table leaves out, those of its own folder.
        content: The table as JSON.

    Raises:
        DataError: If the table cannot be read, lacks an image, or has a label that is not a non-negative integer.
    """
    try:
        rows = json.loads(content)["labels"]
        table = None if rows is None else {str(name): label for name, label in rows}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f'{title} cannot be read ({error}): write {{"labels": [["file", 0], …]}} or remove it.'
        ) from error
    if table is None:
        return tuple(names), None, ()
    listed = [name[depth:] for name in names]
    for name in listed:
        if not isinstance(table.get(name), int) or not 0 <= table[name] < MAX_CLASSES:
            raise DataError(f"{title} gives {name} no label: list it with a whole number from 0 to {MAX_CLASSES - 1}.")
    labels = np.array([table[name] for name in listed], np.int64)
    return tuple(names), labels, tuple(str(index) for index in range(labels.max() + 1))
