"""Two domains become one data set: each is prepared as any images are, then they are put together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar

import numpy as np
from PIL.Image import Image

from sparring.data.annotations.captions import TABLES
from sparring.data.annotations.label_maps import (
    LISTS,
    bordered,
    indexed,
    listed,
    looks_indexed,
    masked,
    palette,
    strange,
)
from sparring.data.annotations.labels import TABLE
from sparring.data.cache import Progress, cached, opened
from sparring.data.dataset import Dataset
from sparring.data.domains import Regions, Second
from sparring.data.sources.base import Pictures
from sparring.data.sources.files import Archive, open_files
from sparring.data.sources.images import decoding, quiet
from sparring.data.sources.layouts import MAPS, PAIRED, PAIRS, PICTURES, Part, half, instances_of, objects_beside, parts
from sparring.data.sources.proportions import require_alike, require_halves
from sparring.data.sources.readable import sifting
from sparring.errors import DataError

__all__ = ["coupled", "together"]

SAMPLED = 16  # pictures that decide whether a folder holds label maps


def coupled(
    name: str,
    kind: str,
    rest: str,
    *,
    size: int | None,
    channels: int | None,
    margin: int,
    cache: Path,
    progress: Progress | None = None,
    skip_bad: bool = False,
) -> Dataset:
    """Load two domains.

    Args:
        name: What the user called them.
        kind: One of ``KINDS``, see `sparring.data.sources.layouts`.
        rest: Where they are, see `sparring.data.sources.layouts`.
        size: Height and width of a row, or None for the default of the first domain.
        channels: Channels of images, or None for each domain's default.
        margin: Pixels by which images are stored larger.
        cache: Folder of prepared images.
        progress: Called while images are prepared.
        skip_bad: As for `sparring.data.load`; of pairs both are passed over.

    Raises:
        DataError: They cannot be found, read or brought together; the message says what to do.
    """
    form: Any = {"size": size, "channels": channels, "margin": margin, "cache": cache, "skip_bad": skip_bad}
    again = partial(coupled, name, kind, rest, **form)
    a, b = parts(kind, rest, sifting(cache, progress) if skip_bad else open_files)
    strays = tuple(dict.fromkeys(reason for part in (a, b) for reason in (*part.strays.values(), *_tables(part))))
    with closing(a), closing(b):
        if a.half is not None:
            require_halves(a, cache, progress)
        elif kind in PAIRED:
            require_alike(a, b, cache, progress)
        found = _list_near(a) or _list_near(b) if kind in PAIRED else None
        a, b, b_maps = _sides(a, b, kind, found and found.regions)
        regions = found.regions if found and b_maps else None
        strays += (found.unused,) if found and not b_maps else ()
        if not b_maps and (idle := instances_of(b)):
            strays += (f"{idle.title} is not used: maps of objects belong beside label maps, write {MAPS}: for these.",)
        first, second = _source(a), _source(b, b_maps, regions)
        with quiet():
            size = (size or first.default_size()) + margin
        values = opened(name, cached(first, size, channels, cache, progress), again)
        others = opened(name, cached(second, size, 1 if b_maps else channels, cache, progress), again)
        edges = None
        if b_maps:
            numbers = _occurring(others)
            if masks := masked(numbers, regions):
                regions = masks
                others = opened(name, cached(_source(b, True, regions), size, 1, cache, progress), again)
            regions = regions or _counted(b, numbers)
            if beside := _borders(b, cache, progress):
                edges = replace(opened(name, cached(beside, size, 1, cache, progress), again), margin=margin)
    couple = replace(others, margin=margin), kind in PAIRED, regions, edges
    how = (f"classes by {found.title}",) if found and b_maps else ()
    return together(replace(values, margin=margin, passed_over=strays, understood=how), Second(*couple))


def together(first: Dataset, second: Second) -> Dataset:
    """Put a second domain beside a set.

    Args:
        first: The set.
        second: What is beside it.

    Raises:
        DataError: They are paired but not equally many.
    """
    facts: tuple[object, ...] = (first.fingerprint, second.dataset.fingerprint, second.paired, second.regions)
    facts += () if second.edges is None else (second.edges.fingerprint,)
    return replace(first, second=second, fingerprint=hashlib.sha256(repr(facts).encode()).hexdigest())


def _borders(part: Part, cache: Path, progress: Progress | None) -> Pictures | None:
    """Where the objects beside label maps meet, as a source of images; None without maps of objects."""
    beside = objects_beside(part)
    if beside is None:
        return None
    require_alike(part, beside, cache, progress)
    return Pictures(beside, (beside.names, None, ()), bordered, "upright borders")


def _tables(part: Part) -> list[str]:
    """Tables of labels or captions, none of which two domains have, as sentences."""
    reason = "is not used: two domains have neither labels nor captions."
    found = [name for name in part.files.entries if name.rpartition("/")[2] in (TABLE, *TABLES)]
    return [f"{part.files.title}/{name} {reason}" for name in found]


def _source(part: Part, maps: bool = False, regions: Regions | None = None) -> Pictures:
    """A domain as a source of images."""
    found = (part.names, None, ())
    if maps:
        return Pictures(part, found, partial(indexed, regions=regions), f"upright maps {regions and regions.colours}")
    if part.half is not None:
        return Pictures(part, found, partial(half, which=part.half), f"half {part.half}")
    return Pictures(part, found)


def _sides(a: Part, b: Part, kind: str, regions: Regions | None) -> tuple[Part, Part, bool]:
    """The images, then what belongs to them; and whether that is label maps."""
    if kind not in (PAIRS, MAPS):
        return a, b, False
    if a.half is not None:
        if kind == MAPS:
            raise DataError(
                f"{a.title} holds pictures that are A and B side by side, which cannot be label maps: put the images "
                "into one folder and the label maps into another."
            )
        return a, b, False
    for images, maps in ((a, b), (b, a)):
        if _are_maps(maps, regions):
            return images, maps, True
    if kind == MAPS:
        return *_likelier(a, b, regions), True
    if regions is not None:
        raise DataError(
            f"A list of classes lies by {a.title}, but no label maps do: remove it, save maps as PNG, or write "
            f"{PICTURES}: before the path to read pictures."
        )
    return a, b, False


def _are_maps(part: Part, regions: Regions | None) -> bool:
    """Whether pictures, evenly spaced over a folder, are all label maps, and not all of them masks."""
    with quiet():
        looks = [_looked(part, name, regions, looks_indexed) for name in _sampled(part)]
    return True in looks and False not in looks


def _likelier(a: Part, b: Part, regions: Regions | None) -> tuple[Part, Part]:
    """The images, then the label maps: the folder of which more pictures can be such, B if both can.

    Raises:
        DataError: None of any folder can be one; the message says why.
    """
    reasons = []
    for part in (a, b):
        with quiet():
            reasons.append([_looked(part, name, regions, strange) for name in _sampled(part)])
    fit = [found.count("") / len(found) for found in reasons]
    if not any(fit):
        names = [
            f"{part.files.title}/{part.names[0]} ({found[0]})" for part, found in zip((a, b), reasons, strict=True)
        ]
        raise DataError(
            f"Neither {names[0]} nor {names[1]} can be a label map: save class numbers as PNG, list the colours of the "
            f"classes in palette.txt, or write {PICTURES}: before the path to read pictures."
        )
    return (b, a) if fit[0] > fit[1] else (a, b)


def _sampled(part: Part) -> list[str]:
    """Some pictures, evenly spaced over a folder."""
    places = np.linspace(0, len(part.names) - 1, min(SAMPLED, len(part.names))).astype(np.int64)
    return [part.names[place] for place in places]


Look = TypeVar("Look")


def _looked(part: Part, name: str, regions: Regions | None, look: Callable[[Image, Regions | None], Look]) -> Look:
    """Decodes a picture, and returns what a function says of it."""
    picture = part.picture(name)
    with decoding(f"{part.files.title}/{name}"):
        return look(picture, regions)


def _occurring(maps: Dataset) -> np.ndarray:
    """Which class numbers occur, in order."""
    found = np.zeros(256, np.int64)
    for chunk in np.array_split(maps.everything(), 64):
        found += np.bincount(chunk.ravel(), minlength=256)
    return np.flatnonzero(found)


def _counted(part: Part, numbers: np.ndarray) -> Regions:
    """Classes that no list names: as many as there are numbers."""
    count = int(numbers[numbers != 255].max(initial=0)) + 1
    with quiet():
        return Regions(tuple(map(str, range(count))), palette(part.picture(part.names[0]), count))


class List(NamedTuple):
    """A list of classes: where it is, and what it says."""

    title: str
    regions: Regions

    @property
    def unused(self) -> str:
        """Says that it is passed over."""
        return f"{self.title} is not used: the second pictures are read as pictures, write {MAPS}: for label maps."


def _list_near(part: Part) -> List | None:
    """The list of classes in a folder, in those around it, or beside what was given."""
    folder = PurePosixPath(part.folder)
    for place in (folder, *folder.parents):
        for name in LISTS:
            inside = str(place / name)
            if inside in part.files.entries:
                return _read(f"{part.files.title}/{inside}", part.files.read(inside))
    return _list_outside(part)


def _list_outside(part: Part) -> List | None:
    files = part.files
    for name in LISTS:
        if isinstance(files, Archive):
            inside = str(PurePosixPath(files.prefix or "x/").parent / name)
            if files.prefix and inside in files.zip.namelist():
                return _read(f"{files.path}/{inside}", files.zip.read(inside))
        elif (path := Path(files.title).parent / name).is_file():
            return _read(str(path), path.read_bytes())
    return None


def _read(title: str, content: bytes) -> List:
    try:
        return List(title, listed(title, content.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        raise DataError(f"{title} cannot be read ({error}): save it as UTF-8.") from error
