"""Labels of image files: from ``dataset.json`` (the layout of StyleGAN), or from the folders they lie in.

Folders are read as users mean them: where there are ``train`` and only other splits beside it, only ``train`` counts; a
single folder around everything counts for nothing; two or more folders without images beside them are the classes.
"""

import json
from collections.abc import Sequence

import numpy as np

from sparring.data.files import SUFFIXES, Files
from sparring.errors import DataError

MOST = 2**20  # classes
SPLITS = {"train", "test", "val", "valid", "validation"}

Labelled = tuple[tuple[str, ...], np.ndarray | None, tuple[str, ...]]


def labelled(files: Files) -> Labelled:
    """Image files to read, with their labels.

    Args:
        files: A folder or an archive.

    Returns:
        Names; labels int64 (N,) or None; names of the classes.

    Raises:
        DataError: There are no images, or ``dataset.json`` does not fit them.
    """
    names = [name for name in files.entries if name.lower().endswith(SUFFIXES)]
    if not names:
        raise DataError(
            f"{files.title} holds no images among its {len(files.entries)} file(s): "
            f"put some there that end in {', '.join(SUFFIXES)}."
        )
    if "dataset.json" in files.entries:
        return by_table(files.title, names, files.read("dataset.json"))
    return by_folder(names, 0)


def by_folder(names: Sequence[str], depth: int) -> Labelled:
    """Classes from folders at a depth, or further down.

    Args:
        names: Relative names with forward slashes.
        depth: How many leading folders are to be passed over.

    Example:
        >>> by_folder(["all/dog/1.png", "all/cat/1.png"], 0)
        (('all/dog/1.png', 'all/cat/1.png'), array([1, 0]), ('cat', 'dog'))
    """
    tops = [folder_at(name, depth) for name in names]
    found = set(tops)
    if "" in found:
        return tuple(names), None, ()
    if "train" in found and found <= SPLITS:
        return by_folder([name for name, top in zip(names, tops, strict=True) if top == "train"], depth + 1)
    if len(found) == 1:
        return by_folder(names, depth + 1)
    classes = sorted(found, key=lambda top: (not top.isdecimal(), int(top) if top.isdecimal() else 0, top))
    order = {name: index for index, name in enumerate(classes)}
    return tuple(names), np.array([order[top] for top in tops], np.int64), tuple(classes)


def folder_at(name: str, depth: int) -> str:
    """Folder of a file at a depth; empty where the file itself is met.

    Args:
        name: Relative name with forward slashes.
        depth: 0 for the outermost folder.
    """
    *folders, _ = name.split("/")
    return folders[depth] if depth < len(folders) else ""


def by_table(title: str, names: Sequence[str], content: bytes) -> Labelled:
    """Labels from ``{"labels": [["a.png", 0], …]}``; ``"labels": null`` means none.

    Args:
        title: Name of the data, for messages.
        names: Image files.
        content: The table as JSON.

    Raises:
        DataError: The table cannot be read, or lacks an image, or holds other than whole numbers from 0.
    """
    try:
        rows = json.loads(content)["labels"]
        table = None if rows is None else {str(name): label for name, label in rows}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f'{title}/dataset.json cannot be read ({error}): write {{"labels": [["file", 0], …]}} or remove it.'
        ) from error
    if table is None:
        return tuple(names), None, ()
    for name in names:
        if not isinstance(table.get(name), int) or not 0 <= table[name] < MOST:
            raise DataError(
                f"{title}/dataset.json gives {name} no label: list it with a whole number from 0 to {MOST - 1}."
            )
    labels = np.array([table[name] for name in names], np.int64)
    return tuple(names), labels, tuple(str(index) for index in range(labels.max() + 1))
