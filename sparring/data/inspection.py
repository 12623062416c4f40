"""Inspection of a data set before a training: what is in it, what is wrong with it, which size and fit suit it.

Every image is decoded once, in full, so that truncated files are found. Nothing is written.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from sparring._types import JsonObject
from sparring.data.annotations.captions import Captions
from sparring.data.cache import Progress, cache_folder
from sparring.data.dataset import Dataset
from sparring.data.duplicates import Groups, difference_hash, equal_groups, near_groups, thumbnail
from sparring.data.loading import STACKED, as_source, data_root, find, load
from sparring.data.sources.image_sources import CHUNK, ImageFiles, Source
from sparring.data.sources.images import decode, quiet_pillow, to_pixels
from sparring.data.sources.layouts import KINDS, WHOLE, split_kind
from sparring.errors import DataError, printable

__all__ = ["Fit", "Inspection", "inspect", "propose"]

CELLS = 64  # side on which contrast and colour are measured
BLANK = 2.0  # levels of contrast, of 255, below which an image is blank
RANGE = 48  # levels between its darkest and brightest pixel at most
COLOURLESS = 8  # levels between the channels of a grey image at most
ALIKE = 1.1  # factor between proportions that count as square
GAIN = 0.6  # times the loss of squares, below which images keep their proportions
MAX_LOSS = 0.25  # mean share of an image that may be cropped before padding is proposed
SIDES = (8, 16, 32, 64)  # proposed lengths of the shorter side
SMALL = 0.1  # share of images that may be enlarged
FEW = 50  # images of a class, below which a conditional generator learns little
NAMED = 3  # names in a sentence


@dataclass(frozen=True)
class Fit:
    """A way to bring images of many shapes to one.

    Attributes:
        fit: ``crop``, ``pad`` or ``stretch``.
        cost: Mean share of an image that is cropped, or of the result that is border; for ``stretch`` the mean factor
            by which proportions change, minus 1.
    """

    fit: str
    cost: float

    def __str__(self) -> str:
        words = {"crop": "cuts off {:.0%} of an image", "pad": "leaves {:.0%} of the result as border"}
        return f"{self.fit} {words.get(self.fit, 'changes proportions by {:.0%}').format(self.cost)} on average"


@dataclass(frozen=True)
class Proposal:
    """A size for training.

    Attributes:
        height: In pixels.
        width: In pixels.
        fits: The ways to fit images into it, the proposed one first.
        largest: Shorter side up to which nine of ten images need not be enlarged.
    """

    height: int
    width: int
    fits: tuple[Fit, ...]
    largest: int

    @property
    def size(self) -> str:
        """The size as the flag ``--size`` takes it."""
        return str(self.height) if self.height == self.width else f"{self.height}x{self.width}"

    @property
    def flags(self) -> str:
        """The flags of the proposed size and fit."""
        fit = "" if self.fits[0].fit == "crop" else f" --fit {self.fits[0].fit}"
        return f"--size {self.size}{fit}"


@dataclass(frozen=True)
class Inspection:
    """What was found in a data set.

    Attributes:
        name: Name or path of the data.
        rows: Number of images that can be read, or of points.
        shape: Shape of a point; None for images.
        unreadable: Files that cannot be decoded, with the reason.
        skipped: Other files that are left out, one sentence each.
        sizes: Number of images by (height, width).
        equal: Groups of names of images with the same pixels, or of equal points.
        near: Groups of names of images that are nearly equal.
        across: Number of groups whose members have different classes.
        blank: Names of images without content.
        grey: Names of grey images; all of them if the set has no colour.
        classes: Number of images by class.
        captions: Number of captions.
        proposal: A size and a fit; None for points.
    """

    name: str
    rows: int
    shape: tuple[int, ...] | None = None
    unreadable: dict[str, str] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    sizes: dict[tuple[int, int], int] = field(default_factory=dict)
    equal: list[list[str]] = field(default_factory=list)
    near: list[list[str]] = field(default_factory=list)
    across: int = 0
    blank: list[str] = field(default_factory=list)
    grey: list[str] = field(default_factory=list)
    classes: dict[str, int] = field(default_factory=dict)
    captions: int = 0
    proposal: Proposal | None = None

    @property
    def has_colour(self) -> bool:
        """Whether some image has colour."""
        return len(self.grey) < self.rows and self.shape is None

    def to_json(self) -> JsonObject:
        """Return all findings as plain JSON values, with every name."""
        plain = {key: value for key, value in vars(self).items() if key not in ("sizes", "proposal")}
        sizes = [{"height": height, "width": width, "images": n} for (height, width), n in self.sizes.items()]
        chosen = self.proposal and {
            "size": self.proposal.size,
            "fits": {each.fit: round(each.cost, 4) for each in self.proposal.fits},
        }
        return {**plain, "sizes": sizes, "proposal": chosen}

    def lines(self) -> list[str]:
        """Return the findings as sentences, those that need an action with the remedy."""
        if self.shape is not None:
            return [f"{self.rows:,} points of shape {self.shape}.", *_equal(self), *_classes(self)]
        found = [*_unreadable(self), *_shapes(self), *_equal(self), *_near(self), *_across(self)]
        return [*found, *_blank(self), *_grey(self), *_classes(self), *_captions(self), *_proposed(self)]

    def command(self) -> str:
        """Return the command to run next, which chooses the proposed size itself and skips what cannot be read."""
        return f"sparring auto {shlex.quote(self.name)} --minutes 60"


class _Look(NamedTuple):
    """What is kept of one image."""

    size: tuple[int, int]
    key: bytes
    hash: np.ndarray
    thumbnail: np.ndarray
    blank: bool
    grey: bool


def inspect(
    data: str | Path | Dataset,
    *,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> Inspection:
    """Look at every image of a data set, and report what is in it and what is wrong with it. Nothing is written.

    Args:
        data: A name or path as for `sparring.data.load`, or a loaded set.
        root: Folder of the standard sets. Default: ``$SPARRING_DATA``.
        progress: Called regularly with the number of images done and in total.

    Raises:
        DataError: If there is no such data, or none of its images can be read.

    Example:
        >>> found = inspect("digits")
        >>> found.rows, found.proposal.size, len(found.classes)
        (1797, '32', 10)
    """
    if isinstance(data, Dataset):
        found: Dataset | Source = data
    else:
        kind, rest = split_kind(str(data))
        if kind in KINDS or kind == WHOLE:
            raise DataError(f"{data} is not one folder of images: check the parts one by one, such as {rest}.")
        if str(data) in STACKED:
            found = load(data, root=root)
        else:
            found = find(str(data), None, None, data_root(root, cache_folder()))
    if isinstance(found, Dataset) and len(found.shape) != 3:
        return _inspect_points(found)
    with closing(as_source(found) if isinstance(found, Dataset) else found) as source:
        return _inspect_images(str(data) if not isinstance(data, Dataset) else data.name, source, progress)


def _inspect_points(dataset: Dataset) -> Inspection:
    rows = dataset.rows(np.arange(len(dataset)))[0].numpy()
    groups = equal_groups([row.tobytes() for row in rows])
    counts = dataset.counts()
    classes = {} if counts is None else dict(zip(dataset.classes, counts.tolist(), strict=True))
    names = [[f"row {place}" for place in group] for group in groups]
    return Inspection(dataset.name, len(dataset), dataset.shape, equal=names, classes=classes)


def _inspect_images(name: str, source: Source, progress: Progress | None) -> Inspection:
    looks: list[_Look] = []
    names: list[str] = []
    places: list[int] = []
    bad: dict[str, str] = {}
    for place, (row, look) in enumerate(_looks(source)):
        if isinstance(look, str):
            bad[row] = look
        else:
            looks.append(look)
            names.append(row)
            places.append(place)
        if progress and (place + 1) % CHUNK == 0:
            progress(place + 1, len(source))
    if not looks:
        raise DataError(f"{name} holds no image that can be read: {next(iter(bad.values()))}")
    labels = None if source.labels is None else source.labels[places]
    equal = equal_groups([look.key for look in looks])
    near = _near_ones(looks, equal)
    named = [[[names[place] for place in group] for group in groups] for groups in (equal, near)]
    across = 0 if labels is None else sum(len(set(labels[group].tolist())) > 1 for group in (*equal, *near))
    sizes = dict(Counter(look.size for look in looks).most_common())
    return Inspection(
        name,
        len(looks),
        unreadable=bad,
        skipped=tuple(map(printable, source.skipped.values())),
        sizes=sizes,
        equal=named[0],
        near=named[1],
        across=across,
        blank=[row for row, look in zip(names, looks, strict=True) if look.blank],
        grey=[row for row, look in zip(names, looks, strict=True) if look.grey],
        classes=_counted(source.classes, labels),
        captions=_number_of_captions(source.captions),
        proposal=propose(sizes),
    )


def _looks(source: Source) -> Iterator[tuple[str, _Look | str]]:
    """Yield the name of each image in order, with what was seen or why it cannot be read."""
    if not isinstance(source, ImageFiles):
        for row, image in enumerate(source.images(None, None)):
            picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
            yield f"row {row}", _look(to_pixels(picture, None, 3))
        return

    def read(name: str) -> _Look | str:
        try:
            return _look(decode(f"{source.title}: {name}", source.files.read(name), None, 3))
        except DataError as error:
            return str(error)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(source), CHUNK):
            chunk = source.names[start : start + CHUNK]
            with quiet_pillow():
                found = list(pool.map(read, chunk))
            yield from zip(chunk, found, strict=True)


def _look(pixels: np.ndarray) -> _Look:
    """Return what is kept of an image ``uint8`` (H, W, 3)."""
    height, width = pixels.shape[:2]
    key = hashlib.blake2b(pixels.tobytes(), digest_size=16, salt=f"{height}x{width}".encode()[:16]).digest()
    picture = Image.fromarray(pixels)
    coarse = np.asarray(picture.resize((CELLS, CELLS), Image.Resampling.BOX)).astype(np.int16)
    span = max(high - low for low, high in picture.getextrema())  # type: ignore[misc]  # one pair a channel
    blank = bool(coarse.std((0, 1)).max() < BLANK and span <= RANGE)
    grey = bool((coarse.max(2) - coarse.min(2)).max() <= COLOURLESS)
    return _Look((height, width), key, difference_hash(pixels), thumbnail(pixels), blank, grey)


def _near_ones(looks: Sequence[_Look], equal: Groups) -> Groups:
    """Return groups of nearly equal images; of equal ones the first stands for all, and blank ones are left out."""
    repeated = {place for group in equal for place in group[1:]}
    places = [place for place, look in enumerate(looks) if place not in repeated and not look.blank]
    if len(places) < 2:
        return []
    groups = near_groups(np.stack([looks[p].hash for p in places]), np.stack([looks[p].thumbnail for p in places]))
    return [[places[member] for member in group] for group in groups]


def _counted(classes: Sequence[str], labels: np.ndarray | None) -> dict[str, int]:
    if labels is None:
        return {}
    return dict(zip(map(printable, classes), np.bincount(labels, minlength=len(classes)).tolist(), strict=True))


def _number_of_captions(captions: Captions | None) -> int:
    return 0 if captions is None else int(captions.starts[-1])


def propose(sizes: dict[tuple[int, int], int]) -> Proposal:
    """Return the size and fit that suit images of given sizes.

    The proportions are those of the median image if they lose less than squares do. The shorter side is 64 at most, the
    default of the library, and nine of ten images need not be enlarged to it.

    Args:
        sizes: Number of images by (height, width).

    Example:
        >>> propose({(171, 128): 9, (128, 171): 1}).flags, propose({(400, 300): 1, (300, 400): 1}).size
        ('--size 86x64', '64')
    """
    counts = np.array(list(sizes.values()))
    ratios, shorter = np.array([(height / width, min(height, width)) for height, width in sizes]).T
    middle, shortest = _quantile(ratios, counts, 0.5), int(_quantile(shorter, counts, SMALL))
    lost, square = _lost(ratios, counts, middle), _lost(ratios, counts, 1.0)
    keeps = lost <= GAIN * square and not 1 / ALIKE <= middle <= ALIKE
    target, lost = (middle, lost) if keeps else (1.0, square)
    short = max([side for side in SIDES if side <= shortest] or [SIDES[0]])
    height, width = (round(short * target), short) if target >= 1 else (short, round(short / target))
    bent = float(np.average(np.exp(np.abs(np.log(ratios / target))) - 1, weights=counts))
    fits = [Fit("crop", lost), Fit("pad", lost)]
    return Proposal(height, width, (*(fits if lost <= MAX_LOSS else fits[::-1]), Fit("stretch", bent)), shortest)


def _lost(ratios: np.ndarray, counts: np.ndarray, target: float) -> float:
    """Return the mean share of images that is cut off, or added as border, to get proportions, height / width."""
    return float(np.average(1 - np.exp(-np.abs(np.log(ratios / target))), weights=counts))


def _quantile(values: np.ndarray, counts: np.ndarray, share: float) -> float:
    """Return a quantile of values with multiplicities: one of the values.

    >>> _quantile(np.array([3, 1, 2]), np.array([1, 8, 1]), 0.5)
    1.0
    """
    order = np.argsort(values)
    reached = np.cumsum(counts[order]) >= share * counts.sum()
    return float(values[order][reached][0])


def _unreadable(found: Inspection) -> list[str]:
    lines = [f"{found.rows:,} images can be read."]
    if found.unreadable:
        first = next(iter(found.unreadable.values()))
        lines.append(
            f"{_number(len(found.unreadable), 'file', 'files')} cannot be read, {_listed(list(found.unreadable))}: "
            f"replace or remove them, or train with --skip-unreadable. The first reason: {first}"
        )
    if found.skipped:
        lines.append(f"{_number(len(found.skipped), 'file is', 'files are')} left out, for example: {found.skipped[0]}")
    return lines


def _shapes(found: Inspection) -> list[str]:
    common = [f"{width} × {height} ({n:,})" for (height, width), n in list(found.sizes.items())[:NAMED]]
    more = len(found.sizes) - len(common)
    rest = f", and {more:,} more" if more else ""
    words = "All images are" if len(found.sizes) == 1 else "Sizes, width × height:"
    return [f"{words} {', '.join(common)}{rest}."]


def _equal(found: Inspection) -> list[str]:
    extra = sum(len(group) - 1 for group in found.equal)
    if not extra:
        return ["No two images have the same pixels." if found.shape is None else "No two points are equal."]
    if found.shape is not None:
        return [f"{extra:,} points equal another one."]
    return [
        f"{_number(extra, 'image has', 'images have')} the same pixels as another, for example "
        f"{_listed(found.equal[0])}: keep one of each, since copies on both sides of a split flatter scores."
    ]


def _near(found: Inspection) -> list[str]:
    extra = sum(len(group) - 1 for group in found.near)
    if not extra:
        return ["No two images are nearly equal."]
    return [
        f"{_number(extra, 'image is', 'images are')} nearly equal to another, for example {_listed(found.near[0])}: "
        "look at them, and keep one of each."
    ]


def _across(found: Inspection) -> list[str]:
    if not found.across:
        return []
    groups = _number(found.across, "group of duplicates has", "groups of duplicates have")
    return [f"{groups} members of different classes: correct their labels."]


def _blank(found: Inspection) -> list[str]:
    if not found.blank:
        return []
    return [f"{_number(len(found.blank), 'image is', 'images are')} blank, {_listed(found.blank)}: remove them."]


def _grey(found: Inspection) -> list[str]:
    if not found.has_colour:
        return ["All images are grey."]
    if not found.grey:
        return []
    return [
        f"{_number(len(found.grey), 'image is', 'images are')} grey among images in colour, {_listed(found.grey)}: "
        "the generator will learn both; --channels 1 makes all of them grey."
    ]


def _classes(found: Inspection) -> list[str]:
    if not found.classes:
        return ["There are no classes: sub-folders would be classes."] if found.shape is None else []
    counts = sorted(found.classes.items(), key=lambda item: -item[1])
    named = [f"{name} ({n:,})" for name, n in (counts if len(counts) <= 2 * NAMED else counts[:NAMED])]
    rest = f" … {counts[-1][0]} ({counts[-1][1]:,})" if len(counts) > 2 * NAMED else ""
    lines = [f"{len(counts):,} classes: {', '.join(named)}{rest}."]
    few = [name for name, n in counts if n < FEW]
    if few and found.shape is None:
        lines.append(
            f"{len(few)} of the classes have fewer than {FEW} images, {_listed(few)}: join them, or train without "
            "labels."
        )
    return lines


def _captions(found: Inspection) -> list[str]:
    return [f"{found.captions:,} captions of {found.rows:,} images."] if found.captions else []


def _proposed(found: Inspection) -> list[str]:
    chosen = found.proposal
    assert chosen is not None
    squares = chosen.height * chosen.width / 64**2
    cost = "" if squares == 1 else f", {squares:.2g} times the pixels, and about the time, of 64 × 64"
    lines = [f"Proposed: {chosen.flags}{cost}."]
    if len(found.sizes) > 1 or chosen.fits[0].cost > 0:
        lines.append(f"To fit all images, {'; '.join(map(str, chosen.fits))}.")
    if chosen.largest >= 2 * min(chosen.height, chosen.width):
        lines.append(
            f"The images allow a shorter side of {chosen.largest}; twice the side takes about four times as long."
        )
    return lines


def _number(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(map(printable, names[:NAMED])) + (f" and {more:,} more" if more > 0 else "")
