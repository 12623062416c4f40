"""Data sets of two domains: each domain is prepared like any images, then both are combined."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

import numpy as np
from PIL.Image import Image

from sparring._types import Settings
from sparring.data.annotations.captions import TABLES
from sparring.data.annotations.label_maps import (
    LISTS,
    LabelMapClasses,
    decode_boundaries,
    decode_label_map,
    embedded_palette,
    looks_like_label_map,
    mask_classes,
    parse_class_list,
    why_no_label_map,
)
from sparring.data.annotations.labels import TABLE
from sparring.data.cache import Progress, open_prepared, prepare_in_cache
from sparring.data.dataset import Dataset, PairedDomain
from sparring.data.frames import Size, enlarged
from sparring.data.sources.files import ZipFiles, open_files
from sparring.data.sources.image_sources import ImageFiles
from sparring.data.sources.images import decode_errors, quiet_pillow
from sparring.data.sources.layouts import (
    MAPS,
    PAIRED,
    PAIRS,
    PICTURES,
    DomainFiles,
    decode_half,
    find_domains,
    instance_maps_of,
    matching_instance_maps,
)
from sparring.data.sources.proportions import require_alike, require_halves
from sparring.data.sources.readable import readable_opener
from sparring.errors import DataError

__all__ = ["load_domains", "pair_domains"]

SAMPLED = 16  # images examined to decide whether a folder holds label maps


def load_domains(
    name: str,
    kind: str,
    rest: str,
    *,
    size: Size | None,
    channels: int | None,
    crop_margin: int,
    cache: Path,
    progress: Progress | None = None,
    skip_unreadable: bool = False,
) -> Dataset:
    """Load two domains.

    Args:
        name: Name given by the user.
        kind: One of ``KINDS``, see `sparring.data.sources.layouts`.
        rest: Path or paths, see `sparring.data.sources.layouts`.
        size: Height and width of a row. Default: that of the first domain.
        channels: Channels of images. Default: that of each domain.
        crop_margin: Pixels by which images are stored larger.
        cache: Folder of prepared images.
        progress: Called during preparation.
        skip_unreadable: As for `sparring.data.load`. Of pairs both images are skipped.

    Raises:
        DataError: If they cannot be found, read or combined.
    """
    form: Settings = {"size": size, "channels": channels, "crop_margin": crop_margin, "cache": cache}
    again = partial(load_domains, name, kind, rest, skip_unreadable=skip_unreadable, **form)
    a, b = find_domains(kind, rest, readable_opener(cache, progress) if skip_unreadable else open_files)
    strays = tuple(dict.fromkeys(reason for part in (a, b) for reason in (*part.skipped.values(), *_tables(part))))
    with closing(a), closing(b):
        _require_proportions(a, b, kind, cache, progress)
        found = _list_near(a) or _list_near(b) if kind in PAIRED else None
        a, b, b_maps = _sides(a, b, kind, found and found.regions)
        regions = found.regions if found and b_maps else None
        strays += (found.unused,) if found and not b_maps else ()
        if not b_maps and (idle := instance_maps_of(b)):
            strays += (f"{idle.title} is not used: instance maps need label maps, write {MAPS}: for these.",)
        first, second = _source(a), _source(b, b_maps, regions)
        with quiet_pillow():
            stored_size = enlarged(size or first.default_size(), crop_margin)

        def prepared(source: ImageFiles, channels: int | None) -> Dataset:
            path = prepare_in_cache(source, stored_size, channels, cache, progress)
            return replace(open_prepared(name, path, again), crop_margin=crop_margin)

        values, others, edges = prepared(first, channels), prepared(second, 1 if b_maps else channels), None
        if b_maps:
            numbers = _occurring(others)
            if masks := mask_classes(numbers, regions):
                regions = masks
                others = prepared(_source(b, True, regions), 1)
            regions = regions or _counted(b, numbers)
            if beside := _borders(b, cache, progress):
                edges = prepared(beside, 1)
    how = (f"classes by {found.title}",) if found and b_maps else ()
    second_domain = PairedDomain(others, kind in PAIRED, regions, edges)
    return pair_domains(replace(values, skipped=strays, understood=how), second_domain)


def pair_domains(first: Dataset, second: PairedDomain) -> Dataset:
    """Return a data set with a second domain.

    Args:
        first: The first domain.
        second: The second domain.

    Raises:
        DataError: If they are paired and differ in length.
    """
    regions = second.regions and f"Regions(names={second.regions.names!r}, colours={second.regions.colours!r})"
    facts = f"{first.fingerprint!r}, {second.dataset.fingerprint!r}, {second.paired!r}, {regions}"
    facts += "" if second.edges is None else f", {second.edges.fingerprint!r}"
    return replace(first, paired_domain=second, fingerprint=hashlib.sha256(f"({facts})".encode()).hexdigest())


def _require_proportions(a: DomainFiles, b: DomainFiles, kind: str, cache: Path, progress: Progress | None) -> None:
    """Reject halves that are not square, and pairs of different proportions."""
    if a.half is not None:
        require_halves(a, cache, progress)
    elif kind in PAIRED:
        require_alike(a, b, cache, progress)


def _borders(part: DomainFiles, cache: Path, progress: Progress | None) -> ImageFiles | None:
    """Return the boundaries of instances as a source of images; None without instance maps."""
    beside = matching_instance_maps(part)
    if beside is None:
        return None
    require_alike(part, beside, cache, progress)
    return ImageFiles(beside, (beside.names, None, ()), decode_boundaries, "upright borders")


def _tables(part: DomainFiles) -> list[str]:
    """Return sentences about tables of labels or captions, which two domains do not use."""
    reason = "is not used: two domains use neither labels nor captions."
    found = [name for name in part.files.entries if name.rpartition("/")[2] in (TABLE, *TABLES)]
    return [f"{part.files.title}/{name} {reason}" for name in found]


def _source(part: DomainFiles, maps: bool = False, regions: LabelMapClasses | None = None) -> ImageFiles:
    """Return a domain as a source of images."""
    found = (part.names, None, ())
    if maps:
        return ImageFiles(
            part, found, partial(decode_label_map, regions=regions), f"upright maps {regions and regions.colours}"
        )
    if part.half is not None:
        return ImageFiles(part, found, partial(decode_half, which=part.half), f"half {part.half}")
    return ImageFiles(part, found)


def _sides(
    a: DomainFiles, b: DomainFiles, kind: str, regions: LabelMapClasses | None
) -> tuple[DomainFiles, DomainFiles, bool]:
    """Return the images, their partners, and whether the partners are label maps."""
    if kind not in (PAIRS, MAPS):
        return a, b, False
    if a.half is not None:
        if kind == MAPS:
            raise DataError(
                f"{a.title} holds A and B side by side, which cannot be label maps: put the images "
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
            f"There is a list of classes near {a.title}, but no label maps: remove it, save maps as PNG, or write "
            f"{PICTURES}: before the path to read images."
        )
    return a, b, False


def _are_maps(part: DomainFiles, regions: LabelMapClasses | None) -> bool:
    """Return whether evenly spaced images of a folder are all label maps, and not all masks."""
    with quiet_pillow():
        looks = [_looked(part, name, regions, looks_like_label_map) for name in _sampled(part)]
    return True in looks and False not in looks


def _likelier(a: DomainFiles, b: DomainFiles, regions: LabelMapClasses | None) -> tuple[DomainFiles, DomainFiles]:
    """Return images and label maps: the maps are the folder with more possible label maps, or B in a tie.

    Raises:
        DataError: If no image of either folder can be one; the message gives the reasons.
    """
    reasons = []
    for part in (a, b):
        with quiet_pillow():
            reasons.append([_looked(part, name, regions, why_no_label_map) for name in _sampled(part)])
    fit = [found.count("") / len(found) for found in reasons]
    if not any(fit):
        names = [
            f"{part.files.title}/{part.names[0]} ({found[0]})" for part, found in zip((a, b), reasons, strict=True)
        ]
        raise DataError(
            f"Neither {names[0]} nor {names[1]} can be a label map: save class numbers as PNG, list the colours of the "
            f"classes in palette.txt, or write {PICTURES}: before the path to read images."
        )
    return (b, a) if fit[0] > fit[1] else (a, b)


def _sampled(part: DomainFiles) -> list[str]:
    """Return the names of some images, evenly spaced over a folder."""
    places = np.linspace(0, len(part.names) - 1, min(SAMPLED, len(part.names))).astype(np.int64)
    return [part.names[place] for place in places]


Look = TypeVar("Look")


def _looked(
    part: DomainFiles, name: str, regions: LabelMapClasses | None, look: Callable[[Image, LabelMapClasses | None], Look]
) -> Look:
    """Decode an image and apply a function to it."""
    picture = part.picture(name)
    with decode_errors(f"{part.files.title}/{name}"):
        return look(picture, regions)


def _occurring(maps: Dataset) -> np.ndarray:
    """Return the class numbers that occur, in order."""
    found = np.zeros(256, np.int64)
    for chunk in np.array_split(maps.all_rows(), 64):
        found += np.bincount(chunk.ravel(), minlength=256)
    return np.flatnonzero(found)


def _counted(part: DomainFiles, numbers: np.ndarray) -> LabelMapClasses:
    """Return unnamed classes, one for each number up to the highest."""
    count = int(numbers[numbers != 255].max(initial=0)) + 1
    with quiet_pillow():
        return LabelMapClasses(tuple(map(str, range(count))), embedded_palette(part.picture(part.names[0]), count))


class List(NamedTuple):
    """A list of classes and its path."""

    title: str
    regions: LabelMapClasses

    @property
    def unused(self) -> str:
        """A note that it is not used."""
        return f"{self.title} is not used: the second files are read as images, write {MAPS}: for label maps."


def _list_near(part: DomainFiles) -> List | None:
    """Return the list of classes in a folder, in its parents, or next to the given path."""
    folder = PurePosixPath(part.folder)
    for place in (folder, *folder.parents):
        for name in LISTS:
            inside = str(place / name)
            if inside in part.files.entries:
                return _read(f"{part.files.title}/{inside}", part.files.read(inside))
    return _list_outside(part)


def _list_outside(part: DomainFiles) -> List | None:
    files = part.files
    for name in LISTS:
        if isinstance(files, ZipFiles):
            inside = str(PurePosixPath(files.prefix or "x/").parent / name)
            if files.prefix and inside in files.zip.namelist():
                return _read(f"{files.path}/{inside}", files.zip.read(inside))
        elif (path := Path(files.title).parent / name).is_file():
            return _read(str(path), path.read_bytes())
    return None


def _read(title: str, content: bytes) -> List:
    try:
        return List(title, parse_class_list(title, content.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        raise DataError(f"{title} cannot be read ({error}): save it as UTF-8.") from error
