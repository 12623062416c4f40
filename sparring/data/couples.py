"""Two domains become one data set: each is prepared as any images are, then they are put together."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from sparring.data.captions import TABLES
from sparring.data.dataset import Dataset
from sparring.data.domains import Regions, Second
from sparring.data.files import Archive, open_files
from sparring.data.labels import TABLE
from sparring.data.layouts import Part, half, objects_beside, parts
from sparring.data.maps import FEW, LISTS, bordered, indexed, listed, looks_indexed, palette
from sparring.data.pictures import decoding, quiet
from sparring.data.prepared import Progress, cached, opened
from sparring.data.proportions import require_alike, require_halves
from sparring.data.sifting import sifting
from sparring.data.sources import Pictures
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
        kind: ``pairs`` or ``unpaired``.
        rest: Where they are, see `sparring.data.layouts`.
        size: Height and width of a row, or None for the default of the first domain.
        channels: Channels of images, or None for each domain's default.
        margin: Pixels by which images are stored larger.
        cache: Folder of prepared images.
        progress: Called while images are prepared.
        skip_bad: As for `sparring.data.load`; of pairs both are passed over.

    Raises:
        DataError: They cannot be found, read or brought together; the message says what to do.
    """
    a, b = parts(kind, rest, sifting(cache, progress) if skip_bad else open_files)
    strays = tuple(dict.fromkeys(reason for part in (a, b) for reason in (*part.strays.values(), *_tables(part))))
    with closing(a), closing(b):
        regions, b_maps = None, False
        if a.half is not None:
            require_halves(a, cache, progress)
        elif kind == "pairs":
            require_alike(a, b, cache, progress)
        if kind == "pairs" and a.half is None:
            regions = _list_near(a) or _list_near(b)
            a, b, b_maps = _sides(a, b, regions)
        first, second = _source(a), _source(b, b_maps, regions)
        with quiet():
            size = (size or first.default_size()) + margin
        values = opened(name, cached(first, size, channels, cache, progress))
        others = opened(name, cached(second, size, 1 if b_maps else channels, cache, progress))
        edges = None
        if b_maps:
            regions = regions or _counted(b, others)
            if beside := objects_beside(b):
                require_alike(b, beside, cache, progress)
                source = Pictures(beside, (beside.names, None, ()), bordered, "upright borders")
                edges = replace(opened(name, cached(source, size, 1, cache, progress)), margin=margin)
    couple = replace(others, margin=margin), kind == "pairs", regions if b_maps else None, edges
    return together(replace(values, margin=margin, passed_over=strays), Second(*couple))


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


def _sides(a: Part, b: Part, regions: Regions | None) -> tuple[Part, Part, bool]:
    """The images, then what belongs to them; and whether that is label maps."""
    if _maps(b, regions):
        return a, b, True
    if _maps(a, regions):
        return b, a, True
    if regions is not None:
        raise DataError(f"A list of classes lies by {a.title}, but no label maps do: remove it, or save maps as PNG.")
    return a, b, False


def _maps(part: Part, regions: Regions | None) -> bool:
    """Whether pictures, evenly spaced over a folder, are all label maps."""
    places = np.linspace(0, len(part.names) - 1, min(SAMPLED, len(part.names))).astype(np.int64)
    with quiet():
        return all(_looks_indexed(part, part.names[place], regions) for place in places)


def _looks_indexed(part: Part, name: str, regions: Regions | None) -> bool:
    picture = part.picture(name)
    with decoding(f"{part.files.title}/{name}"):
        return looks_indexed(picture, regions)


def _counted(part: Part, maps: Dataset) -> Regions:
    """Classes that no list names: as many as there are numbers."""
    numbers = max(int(chunk[chunk != 255].max(initial=0)) for chunk in np.array_split(maps.values, 64) if len(chunk))
    if numbers >= FEW:
        raise DataError(f"{part.title} has class numbers up to {numbers}: list the classes in classes.txt beside it.")
    return Regions(tuple(map(str, range(numbers + 1))), palette(part.picture(part.names[0]), numbers + 1))


def _list_near(part: Part) -> Regions | None:
    """The list of classes in a folder, in those around it, or beside what was given."""
    folder = PurePosixPath(part.folder)
    for place in (folder, *folder.parents):
        for name in LISTS:
            inside = str(place / name)
            if inside in part.files.entries:
                return _read(f"{part.files.title}/{inside}", part.files.read(inside))
    return _list_outside(part)


def _list_outside(part: Part) -> Regions | None:
    files = part.files
    for name in LISTS:
        if isinstance(files, Archive):
            inside = str(PurePosixPath(files.prefix or "x/").parent / name)
            if files.prefix and inside in files.zip.namelist():
                return _read(f"{files.path}/{inside}", files.zip.read(inside))
        elif (path := Path(files.title).parent / name).is_file():
            return _read(str(path), path.read_bytes())
    return None


def _read(title: str, content: bytes) -> Regions:
    try:
        return listed(title, content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(f"{title} cannot be read ({error}): save it as UTF-8.") from error
