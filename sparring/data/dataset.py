"""The data set: an array of rows, in memory or memory-mapped, with labels, captions and a second domain.

Images are kept as ``uint8`` in the layout (N, H, W, C), so that a gathered batch, viewed as (N, C, H, W), is already
channels-last; points are kept as ``float32`` of shape (N, 2).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from sparring._types import Settings
from sparring.data.annotations.captions import Captions
from sparring.data.annotations.label_maps import LabelMapClasses
from sparring.data.checksums import ChecksummedImages
from sparring.data.fingerprint import fingerprint
from sparring.data.ordering import permute
from sparring.data.readahead import prefetch_rows
from sparring.data.summary import details
from sparring.errors import DataError, printable


@dataclass(frozen=True)
class Mixture:
    """A mixture of equal Gaussian components, the distribution of a set of 2-D points.

    Args:
        centres: Means of the components, shape (K, 2).
        deviation: Standard deviation of every component along each axis.
    """

    centres: Tensor
    deviation: float


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows of images or points, with optional labels, captions and second domain.

    Args:
        name: Name in the catalogue, or a path.
        values: Images as ``uint8`` (N, H, W, C) or points as ``float32`` (N, 2).
        labels: Class indices as ``int64`` (N,), or None.
        classes: Names of the classes. Empty if and only if there are no labels.
        mixture: The distribution of the points, if it is known.
        fingerprint: SHA-256 of the content in hexadecimal. Default: computed from the content.
        indices: Positions of the rows that belong to the set, int64. Default: all rows.
        captions: One or more captions of each row, or None.
        paired_domain: The second of two domains, or None.
        crop_margin: Pixels by which stored images are larger than a row, in height and width. A row is a crop of the
            stored image. Default: the central crop.
        content: Height and width of the centre of padded images that shows pictures, see
            `sparring.data.frames.common_content`; scores are taken there. Default: the whole image.
        skipped: Files that were left out, one sentence each with the path and the reason.
        understood: How the files were interpreted, in a few words each: source of the labels, folders that are read.
        checksummed: Images of a prepared file with their checksums, through which `rows` reads; or None.

    Raises:
        DataError: If there are no rows, or values, labels, classes, captions and domains do not match.

    Example:
        >>> noise = Dataset("noise", np.zeros((5, 8, 8, 3), np.uint8))
        >>> len(noise), noise.shape
        (5, (3, 8, 8))
    """

    name: str
    values: np.ndarray = field(repr=False)
    labels: np.ndarray | None = field(default=None, repr=False)
    classes: tuple[str, ...] = ()
    mixture: Mixture | None = field(default=None, repr=False)
    fingerprint: str = ""
    indices: np.ndarray | None = field(default=None, repr=False)
    captions: Captions | None = field(default=None, repr=False)
    paired_domain: PairedDomain | None = field(default=None, repr=False)
    crop_margin: int = 0
    content: tuple[int, int] | None = None
    skipped: tuple[str, ...] = field(default=(), repr=False)
    understood: tuple[str, ...] = field(default=(), repr=False)
    checksummed: ChecksummedImages | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "skipped", tuple(map(printable, self.skipped)))
        require_rows(self.name, self.values)
        require_labels(self.name, len(self.values), self.labels, self.classes)
        if self.captions is not None and len(self.captions) != len(self.values):
            said, rows = len(self.captions), len(self.values)
            raise DataError(f"{self.name} has captions for {said} rows, not for {rows}: give every row at least one.")
        if (
            self.paired_domain is not None
            and self.paired_domain.paired
            and len(self.paired_domain.dataset) != len(self)
        ):
            there, here = len(self.paired_domain.dataset), len(self)
            raise DataError(f"{self.name} has {here} rows but {there} partners: give each row exactly one.")
        if not 0 <= self.crop_margin < (min(self.values.shape[1:3]) if self.values.ndim == 4 else 1):
            raise DataError(
                f"{self.name} has no room for a margin of {self.crop_margin}: give fewer pixels, and images."
            )
        if not self.fingerprint:
            content = fingerprint(self.values, self.labels, self.classes, self.captions)
            object.__setattr__(self, "fingerprint", content)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row as a network receives it: (2,) for points, (C, H, W) for images."""
        if self.values.ndim == 2:
            return tuple(self.values.shape[1:])
        height, width, channels = self.values.shape[1:]
        return channels, height - self.crop_margin, width - self.crop_margin

    def __len__(self) -> int:
        return len(self.values) if self.indices is None else len(self.indices)

    def rows(self, indices: np.ndarray, corners: np.ndarray | None = None) -> tuple[Tensor, ...]:
        """Gather rows as they are stored.

        Args:
            indices: Positions in the set, int64 (n,).
            corners: Where each row's window begins in its margin, int64 (n, 2), from 0 to the margin.
                Default: in the middle.

        Returns:
            Images ``uint8`` (n, C, H, W) or points ``float32`` (n, 2); then labels ``int64`` (n,) where there are any.
        """
        indices = indices if self.indices is None else self.indices[indices]
        values = torch.from_numpy(self._windows(self._taken(indices), corners))
        first = values if values.ndim == 2 else values.permute(0, 3, 1, 2)
        return (first,) if self.labels is None else (first, torch.from_numpy(self.labels[indices]))

    def _taken(self, indices: np.ndarray) -> np.ndarray:
        return np.asarray(self.values)[indices] if self.checksummed is None else self.checksummed.take(indices)

    def all_rows(self) -> np.ndarray:
        """Return all stored values, checked where that is possible, regardless of the selected rows.

        Raises:
            DataError: If one is damaged.
        """
        return self.values if self.checksummed is None else self.checksummed.all_rows()

    def _windows(self, values: np.ndarray, corners: np.ndarray | None) -> np.ndarray:
        if not self.crop_margin:
            return values
        _, height, width = self.shape
        corners = np.full((len(values), 2), self.crop_margin // 2) if corners is None else corners
        pairs = zip(values, corners.tolist(), strict=True)
        return np.stack([image[top : top + height, left : left + width] for image, (top, left) in pairs])

    def prefetch(self, indices: np.ndarray) -> None:
        """Advise the system which rows will be read soon, if the set is memory-mapped and larger than half the memory.

        Args:
            indices: Positions in the set, int64 (n,).
        """
        rows = indices if self.indices is None else self.indices[indices]
        prefetch_rows(self.values if self.checksummed is None else self.checksummed.values, rows)

    def caption_tokens(self, indices: np.ndarray, chances: np.ndarray) -> tuple[Tensor, ...]:
        """Return the token ids of one caption of each row, if there are captions.

        Args:
            indices: Positions in the set, int64 (n,).
            chances: Random numbers that select among several captions, uint64 (n,).

        Returns:
            A tuple with the token ids, int64 (n, L), see `sparring.data.annotations.captions`; empty without captions.
        """
        indices = indices if self.indices is None else self.indices[indices]
        return () if self.captions is None else (self.captions.sample_tokens(indices, chances),)

    def counts(self) -> Tensor | None:
        """Return the number of rows of each class, int64 (classes,); None without labels."""
        if self.labels is None:
            return None
        labels = self.labels if self.indices is None else self.labels[self.indices]
        return torch.from_numpy(np.bincount(labels, minlength=len(self.classes)))

    def conditions(self, kind: str) -> Tensor | None:
        """Return conditions for sampling, with the frequencies that they have in the data.

        Args:
            kind: "classes" or "captions".

        Returns:
            The number of rows of each class, int64 (classes,), or the token ids of one caption of each row,
            int64 (N, L); None without labels or captions.
        """
        if kind == "classes":
            return self.counts()
        rows = np.arange(len(self))
        return next(iter(self.caption_tokens(rows, rows.astype(np.uint64))), None)

    def split(self, share: float) -> tuple[Dataset, Dataset | None]:
        """Split off a part of the rows. The split does not depend on the seed of a training, and copies nothing.

        Args:
            share: Share of the rows to hold out, from 0 to below 1.

        Returns:
            The remaining rows and the held-out part; all rows and None if the share is 0.

        Raises:
            DataError: If the share is out of range, or leaves either part empty.
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
        order = permute(np.arange(len(self)), len(self), seed=0)
        rest, part = self.subset(np.sort(order[held:])), self.subset(np.sort(order[:held]))
        if self.paired_domain is None or self.paired_domain.paired:
            return rest, part
        of_rest, of_part = self.paired_domain.split(share)
        return replace(rest, paired_domain=of_rest), replace(part, paired_domain=of_part)

    def subset(self, rows: np.ndarray) -> Dataset:
        """Return a subset of the rows, with the partners of paired ones. Nothing is copied.

        Args:
            rows: Positions, int64 (n,).
        """
        chosen = rows if self.indices is None else self.indices[rows]
        content = hashlib.sha256(self.fingerprint.encode() + rows.tobytes()).hexdigest()
        second = (
            self.paired_domain.subset(rows) if self.paired_domain and self.paired_domain.paired else self.paired_domain
        )
        return replace(self, indices=chosen, fingerprint=content, paired_domain=second)

    def without_border(self) -> Dataset:
        """Return the centre of padded images that shows pictures, without a second domain; other images as they are."""
        if self.content is None:
            return self
        (height, width), (rows, columns) = self.content, self.values.shape[1:3]
        top, left = (rows - height) // 2, (columns - width) // 2
        values = self.values[:, top : top + height, left : left + width]
        name = hashlib.sha256(f"{self.fingerprint} centre {height} {width}".encode()).hexdigest()
        more: Settings = {"content": None, "checksummed": None, "paired_domain": None}
        return replace(self, values=values, fingerprint=name, **more)

    def describe(self) -> tuple[str, str]:
        """Return a description in two lines: the rows, and their labels, captions and second domain.

        Example:
            >>> Dataset("dots", np.zeros((5, 2), np.float32), np.array([0, 0, 1, 0, 1]), ("cat", "dog")).describe()
            ('dots, 5 rows of shape (2,)', '2 classes: cat (3), dog (2)')
        """
        rows = f"{self.name}, {len(self):,} rows of shape {tuple(self.shape)}"
        return printable(rows), printable("; ".join(details(self)))


@dataclass(frozen=True, eq=False)
class PairedDomain:
    """The second domain of a data set. Paired rows show one thing twice; unpaired ones are two sets of their own sizes.

    Args:
        dataset: Images; or, for label maps, class numbers as ``uint8`` (M, H, W, 1).
        paired: Whether row i belongs to row i of the first domain.
        regions: Classes of label maps; None for images.
        edges: Boundaries of instances in label maps, ``uint8`` (M, H, W, 1) with 1 at a boundary; or None.
    """

    dataset: Dataset
    paired: bool
    regions: LabelMapClasses | None = None
    edges: Dataset | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row as a network receives it: (C, H, W) for images, (K, H, W) for maps of K classes."""
        channels, *size = self.dataset.shape
        return len(self.regions) if self.regions else channels, *size

    def rows(self, indices: np.ndarray, corners: np.ndarray | None = None) -> Tensor:
        """Gather rows.

        Args:
            indices: Positions, int64 (n,).
            corners: As for `Dataset.rows`.

        Returns:
            Images ``uint8`` (n, C, H, W); or class numbers ``int64`` (n, H, W), where the number of classes means
            unknown; or, with edges, class numbers and edges ``int64`` (n, 2, H, W).
        """
        images = self.dataset.rows(indices, corners)[0]
        if self.regions is None:
            return images
        numbers = images[:, 0].to(torch.int64).clamp_(max=len(self.regions))
        if self.edges is None:
            return numbers
        return torch.stack([numbers, self.edges.rows(indices, corners)[0][:, 0].to(torch.int64)], 1)

    def subset(self, rows: np.ndarray) -> PairedDomain:
        """Return the rows that belong to a subset of the first domain.

        Args:
            rows: Positions, int64 (n,).
        """
        return replace(self, dataset=self.dataset.subset(rows), edges=self.edges and self.edges.subset(rows))

    def split(self, share: float) -> tuple[PairedDomain, PairedDomain]:
        """Split an unpaired domain, as `Dataset.split` does.

        Args:
            share: Of its rows, above 0 and below 1.
        """
        kept, held = self.dataset.split(share)
        assert held is not None
        return replace(self, dataset=kept), replace(self, dataset=held)


def require_rows(name: str, values: np.ndarray) -> None:
    """Raise an error if an array holds neither images nor points.

    Args:
        name: Name of the data, for the message.
        values: The array.

    Raises:
        DataError: If the array is empty, or its shape or type is not supported.
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
    """Raise an error if labels do not match the rows or the classes.

    Args:
        name: Name of the data, for the message.
        count: Number of rows.
        labels: Class indices, or None.
        classes: Names of the classes.

    Raises:
        DataError: If labels are given without classes or classes without labels, or a label is out of range.
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
