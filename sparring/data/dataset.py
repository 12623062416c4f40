"""What a data set is: an array of rows, numpy's or memory-mapped, with labels and the facts others need.

Images are kept as ``uint8`` in the layout (N, H, W, C), so that a gathered batch, viewed as (N, C, H, W), is already
channels-last; points are kept as ``float32`` of shape (N, 2).
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparring.data.annotations.captions import Captions
from sparring.data.checksums import Checked
from sparring.data.domains import Second
from sparring.data.identity import fingerprint
from sparring.data.ordering import permuted
from sparring.data.readahead import fetch
from sparring.data.summary import details
from sparring.errors import DataError, printable


@dataclass(frozen=True)
class Mixture:
    """Equal Gaussian components, the truth behind a set of 2-D points.

    Args:
        centres: Means of the components, shape (K, 2).
        deviation: Standard deviation of every component along each axis.
    """

    centres: Tensor
    deviation: float


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows of images or points, with a label each where there are classes, and captions where there are any.

    Args:
        name: What the user called it; a name of the catalogue or a path.
        values: Images as ``uint8`` (N, H, W, C) or points as ``float32`` (N, 2).
        labels: Class indices as ``int64`` (N,), or None.
        classes: Names of the classes; empty exactly when there are no labels.
        mixture: The truth behind the points, where it is known.
        fingerprint: SHA-256 of the content in hexadecimal; computed here when it is not given.
        chosen: Positions of the rows that belong to it, int64; all unless given.
        captions: What is said of each row, or None.
        second: The second of two domains, or None.
        margin: Pixels by which images are stored larger, in either direction, than a row is: a row is a window of
            them, in the middle unless told.
        passed_over: What was left out because it cannot be read or does not count, a sentence each with the path and
            the reason.
        understood: How its files were understood, in a few words each: what gave the labels, which folders are read.
        checked: The values of a prepared file with their checksums, through which `rows` reads them; or None.

    Raises:
        DataError: There is no row, or values, labels, classes, captions and domains do not fit together.

    Example:
        >>> noise = Dataset("noise", np.zeros((5, 8, 8, 3), np.uint8))
        >>> len(noise), noise.shape, noise.facts()
        (5, (3, 8, 8), {'shape': (3, 8, 8), 'classes': 0})
    """

    name: str
    values: np.ndarray = field(repr=False)
    labels: np.ndarray | None = field(default=None, repr=False)
    classes: tuple[str, ...] = ()
    mixture: Mixture | None = field(default=None, repr=False)
    fingerprint: str = ""
    chosen: np.ndarray | None = field(default=None, repr=False)
    captions: Captions | None = field(default=None, repr=False)
    second: Second | None = field(default=None, repr=False)
    margin: int = 0
    passed_over: tuple[str, ...] = field(default=(), repr=False)
    understood: tuple[str, ...] = field(default=(), repr=False)
    checked: Checked | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "passed_over", tuple(map(printable, self.passed_over)))
        require_rows(self.name, self.values)
        require_labels(self.name, len(self.values), self.labels, self.classes)
        if self.captions is not None and len(self.captions) != len(self.values):
            said, rows = len(self.captions), len(self.values)
            raise DataError(f"{self.name} has captions for {said} rows, not for {rows}: give every row at least one.")
        if self.second is not None and self.second.paired and len(self.second.dataset) != len(self):
            there, here = len(self.second.dataset), len(self)
            raise DataError(f"{self.name} has {here} rows but {there} partners: give each row exactly one.")
        if not 0 <= self.margin < (min(self.values.shape[1:3]) if self.values.ndim == 4 else 1):
            raise DataError(f"{self.name} has no room for a margin of {self.margin}: give fewer pixels, and images.")
        if not self.fingerprint:
            content = fingerprint(self.values, self.labels, self.classes, self.captions)
            object.__setattr__(self, "fingerprint", content)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row as a network sees it: (2,) for points, (C, H, W) for images."""
        if self.values.ndim == 2:
            return tuple(self.values.shape[1:])
        height, width, channels = self.values.shape[1:]
        return channels, height - self.margin, width - self.margin

    def __len__(self) -> int:
        return len(self.values) if self.chosen is None else len(self.chosen)

    def rows(self, indices: np.ndarray, corners: np.ndarray | None = None) -> tuple[Tensor, ...]:
        """Gather rows as they are stored.

        Args:
            indices: Positions in the set, int64 (n,).
            corners: Where each row's window begins in its margin, int64 (n, 2), from 0 to the margin; in the middle
                unless told.

        Returns:
            Images ``uint8`` (n, C, H, W) or points ``float32`` (n, 2); then labels ``int64`` (n,) where there are any.
        """
        indices = indices if self.chosen is None else self.chosen[indices]
        values = torch.from_numpy(self._windows(self._taken(indices), corners))
        first = values if values.ndim == 2 else values.permute(0, 3, 1, 2)
        return (first,) if self.labels is None else (first, torch.from_numpy(self.labels[indices]))

    def _taken(self, indices: np.ndarray) -> np.ndarray:
        return np.asarray(self.values)[indices] if self.checked is None else self.checked.take(indices)

    def everything(self) -> np.ndarray:
        """All values that are stored, checked where that is possible, whatever is chosen of them.

        Raises:
            DataError: If one is damaged.
        """
        return self.values if self.checked is None else self.checked.everything()

    def _windows(self, values: np.ndarray, corners: np.ndarray | None) -> np.ndarray:
        if not self.margin:
            return values
        _, height, width = self.shape
        corners = np.full((len(values), 2), self.margin // 2) if corners is None else corners
        pairs = zip(values, corners.tolist(), strict=True)
        return np.stack([image[top : top + height, left : left + width] for image, (top, left) in pairs])

    def announce(self, indices: np.ndarray) -> None:
        """Let the system fetch rows that will be read soon, where they lie on a disk and exceed the memory.

        Args:
            indices: Positions in the set, int64 (n,).
        """
        rows = indices if self.chosen is None else self.chosen[indices]
        fetch(self.values if self.checked is None else self.checked.values, rows)

    def said(self, indices: np.ndarray, chances: np.ndarray) -> tuple[Tensor, ...]:
        """One caption of each row, where there are any.

        Args:
            indices: Positions in the set, int64 (n,).
            chances: What decides which of several, uint64 (n,).

        Returns:
            The codes of their words, int64 (n, L), see `sparring.data.annotations.captions`; or nothing.
        """
        indices = indices if self.chosen is None else self.chosen[indices]
        return () if self.captions is None else (self.captions.drawn(indices, chances),)

    def counts(self) -> Tensor | None:
        """How many rows each class has, int64 (classes,); None where there are no labels."""
        if self.labels is None:
            return None
        labels = self.labels if self.chosen is None else self.labels[self.chosen]
        return torch.from_numpy(np.bincount(labels, minlength=len(self.classes)))

    def conditions(self, kind: str) -> Tensor | None:
        """What a game may be asked for to be asked as often as these data have it.

        Args:
            kind: "classes" or "captions".

        Returns:
            How many rows each class has, int64 (classes,), or the word codes of a caption of each row, int64 (N, L);
            None where there are none.
        """
        if kind == "classes":
            return self.counts()
        rows = np.arange(len(self))
        return next(iter(self.said(rows, rows.astype(np.uint64))), None)

    def divided(self, share: float) -> "tuple[Dataset, Dataset | None]":
        """Hold a part out, the same rows whatever a training's seed is; nothing is copied.

        Args:
            share: Of the rows, from 0 to below 1.

        Returns:
            The rest and the part; all and None where the share is 0.

        Raises:
            DataError: The share is out of range, or leaves either without a row.
        """
        if not share:
            return self, None
        if not 0 < share < 1:
            raise DataError(f"--hold-out is {share:g}: give a share of the rows, from 0 to below 1.")
        if len(self) < 2:
            raise DataError(f"{self.name} has {len(self)} row, of which none can be held out: leave --hold-out out.")
        held = round(share * len(self))
        if not 0 < held < len(self):
            least = math.ceil(100 / len(self)) / 100
            raise DataError(
                f"A share of {share:g} of the {len(self)} rows of {self.name} leaves {held} of them held out and "
                f"{len(self) - held} to train on: try --hold-out {least:g}."
            )
        order = permuted(np.arange(len(self)), len(self), seed=0)
        rest, part = self.part(np.sort(order[held:])), self.part(np.sort(order[:held]))
        if self.second is None or self.second.paired:
            return rest, part
        of_rest, of_part = self.second.divided(share)
        return replace(rest, second=of_rest), replace(part, second=of_part)

    def part(self, rows: np.ndarray) -> "Dataset":
        """Some of the rows, and the partners of paired ones; nothing is copied.

        Args:
            rows: Positions, int64 (n,).
        """
        chosen = rows if self.chosen is None else self.chosen[rows]
        content = hashlib.sha256(self.fingerprint.encode() + rows.tobytes()).hexdigest()
        second = self.second.following(rows) if self.second and self.second.paired else self.second
        return replace(self, chosen=chosen, fingerprint=content, second=second)

    def describe(self) -> tuple[str, str]:
        """What was understood, for people, in two lines: its rows, and what belongs to them.

        Example:
            >>> Dataset("dots", np.zeros((5, 2), np.float32), np.array([0, 0, 1, 0, 1]), ("cat", "dog")).describe()
            ('dots, 5 rows of shape (2,)', '2 classes: cat (3), dog (2)')
        """
        rows = f"{self.name}, {len(self):,} rows of shape {tuple(self.shape)}"
        return printable(rows), printable("; ".join(details(self)))

    def facts(self) -> dict[str, Any]:
        """What a recipe may ask of the data: the shape of a row, the number of classes, and some captions if any.

        Where there is a second domain, also ``other``, the shape of its rows, ``paired``, whether they belong to those
        of the first, ``regions``, the number of classes in its label maps, 0 for images, and, if it is so,
        ``instances``, that they tell where objects meet.
        """
        facts: dict[str, Any] = {"shape": self.shape, "classes": len(self.classes)}
        if self.captions is not None:
            facts["captions"] = self.captions.some(chosen=self.chosen)
        if self.second is not None:
            maps = self.second.regions
            facts |= {"other": self.second.shape, "paired": self.second.paired, "regions": len(maps) if maps else 0}
            facts |= {"instances": True} if self.second.edges is not None else {}
        return facts


def require_rows(name: str, values: np.ndarray) -> None:
    """Refuse an array that holds neither images nor points.

    Args:
        name: Name of the data, for the message.
        values: The array.

    Raises:
        DataError: The array is empty or of another shape or type.
    """
    if len(values) == 0:
        raise DataError(f"{name} holds no rows: give it at least one image or point.")
    images = values.ndim == 4 and values.dtype == np.uint8 and 1 <= values.shape[-1] <= 4
    points = values.ndim == 2 and values.shape[1] == 2 and values.dtype == np.float32
    if not (images or points):
        raise DataError(
            f"{name} has shape {values.shape} and type {values.dtype}: give images as uint8 (N, H, W, C) with 1 to 4 "
            "channels or points as float32 (N, 2)."
        )


def require_labels(name: str, count: int, labels: np.ndarray | None, classes: Sequence[str]) -> None:
    """Refuse labels that do not fit the rows or the classes.

    Args:
        name: Name of the data, for the message.
        count: Number of rows.
        labels: Class indices, or None.
        classes: Names of the classes.

    Raises:
        DataError: Labels and classes are not both there or both absent, or a label is outside the classes.
    """
    if labels is None:
        if classes:
            raise DataError(f"{name} names {len(classes)} classes but has no labels: give one label for each row.")
        return
    if labels.shape != (count,) or labels.dtype != np.int64:
        raise DataError(f"{name} has labels of shape {labels.shape} and type {labels.dtype}: give int64 ({count},).")
    if labels.min() < 0 or labels.max() >= len(classes):
        raise DataError(
            f"{name} has labels from {labels.min()} to {labels.max()} but {len(classes)} classes: "
            "number the classes 0, 1, 2 and so on."
        )
