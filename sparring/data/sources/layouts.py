"""Layouts of two domains in folders and archives: ``trainA`` and ``trainB``, two folders, or A | B side by side.

    unpaired:PATH   pairs:PATH     PATH alone is unpaired if it holds trainA and trainB
    pictures:PATH   maps:PATH      pairs whose second files are images, or label maps

Recipes declare whether they use images or label maps. If neither recipe nor user decides, pairs:PATH has label maps if
the second files look like label maps, see `sparring.data.annotations.label_maps`.

PATH is a folder or zip that contains ``trainA`` and ``trainB``, or two folders of any names, directly or below
``train``; or the common prefix of two folders, such as ``photos/test`` for ``photos/testA`` and ``photos/testB``; or
two paths separated by a comma; or, for pairs, a folder of images with A on the left and B on the right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from sparring._io.paths import expand_user
from sparring.data.annotations.labels import SPLITS
from sparring.data.frames import Size
from sparring.data.sources.files import SUFFIXES, Files, open_files
from sparring.data.sources.images import ImageHeader, decode_errors, decode_upright, read_header, to_pixels
from sparring.errors import DataError

__all__ = [
    "KINDS",
    "MAPS",
    "PAIRED",
    "PAIRS",
    "PICTURES",
    "WHOLE",
    "DomainFiles",
    "absolute_name",
    "data_paths",
    "decode_half",
    "find_domains",
    "has_two_domains",
    "instance_maps_of",
    "match_files",
    "matching_instance_maps",
    "split_kind",
]

PAIRS, PICTURES, MAPS = "pairs", "pictures", "maps"
PAIRED = (PAIRS, PICTURES, MAPS)
KINDS = (*PAIRED, "unpaired")
WHOLE = "whole"  # the kind of one uncropped image, see `sparring.data.sources.image_sources`
INSTANCES = "instances"  # folder of instance maps, next to that of label maps
REMEDY = "put the one domain into trainA and the other into trainB, or give two paths separated by a comma."


def split_kind(name: str) -> tuple[str, str]:
    """Split the kind of two domains, or of a whole image, off a name.

    Args:
        name: Name as given by the user.

    Returns:
        One of ``KINDS``, ``WHOLE`` or an empty string; the rest.

    Example:
        >>> split_kind("pairs:photos.zip"), split_kind("photos.zip")
        (('pairs', 'photos.zip'), ('', 'photos.zip'))
    """
    kind, colon, rest = name.partition(":")
    return (kind, rest) if colon and kind in (*KINDS, WHOLE) else ("", name)


def absolute_name(name: str) -> str:
    """Return a name with absolute paths.

    Args:
        name: One or two paths, optionally with a kind before them.
    """
    kind, rest = split_kind(name)
    places = ",".join(str(expand_user(place).absolute()) for place in _places(rest))
    return f"{kind}:{places}" if kind else places


def data_paths(name: str) -> list[Path]:
    """Return the absolute paths that a name of data refers to, whether or not they exist.

    Args:
        name: One or two paths, optionally with a kind before them; or the common prefix of two folders.
    """
    found = [expand_user(place).absolute() for place in _places(split_kind(name)[1])]
    return [each for path in found for each in ([path] if path.exists() else [path, *_ends(path)])]


def _ends(path: Path) -> list[Path]:
    return [Path(f"{path}{end}") for end in "AB"]


def _places(rest: str) -> list[str]:
    both = rest.split(",")
    return both if len(both) == 2 and all(both) and open_files(expand_user(rest).absolute()) is None else [rest]


@dataclass(frozen=True)
class DomainFiles:
    """Some of the files of a folder or an archive.

    Args:
        files: Folder or archive.
        names: Names of the files.
        folder: Common folder of the names, for messages.
        half: 0 or 1 if each file holds both domains side by side. Default: each file is one image.
    """

    files: Files
    names: tuple[str, ...]
    folder: str = ""
    half: int | None = None

    @property
    def title(self) -> str:
        """Path of the files."""
        return str(Path(self.files.title) / self.folder)

    @property
    def entries(self) -> dict[str, tuple[int, int]]:
        """Names of the files, to numbers that change with their content."""
        return {name: self.files.entries[name] for name in self.names}

    def read(self, name: str) -> bytes:
        """Return the content of one file.

        Args:
            name: One of the entries.
        """
        return self.files.read(name)

    @property
    def skipped(self) -> dict[str, str]:
        """Skipped files, with the reason."""
        return {name: reason for name, reason in self.files.skipped.items() if name.startswith(self.folder)}

    def close(self) -> None:
        """Close open files."""
        self.files.close()

    def head(self, name: str) -> ImageHeader:
        """Return the upright size and mode of one image, without its pixels.

        Args:
            name: One of the names.
        """
        return read_header(f"{self.files.title}/{name}", self.read(name))

    def picture(self, name: str) -> Image.Image:
        """Decode one image, upright.

        Args:
            name: One of the names.
        """
        return decode_upright(f"{self.files.title}/{name}", self.read(name))


def find_domains(
    kind: str, rest: str, opening: Callable[[Path], Files | None] = open_files
) -> tuple[DomainFiles, DomainFiles]:
    """Find the two domains.

    Args:
        kind: One of ``KINDS``.
        rest: The path or paths after it.
        opening: Function that opens folders and archives.

    Returns:
        A and B; pairs have the same number of files, in the same order.

    Raises:
        DataError: If they do not exist or do not match.
    """
    given = [expand_user(place).absolute() for place in _places(rest)]
    found = [opening(path) for path in given]
    if len(given) == 1 and not (found[0] and _images(found[0])):
        ends = [opening(path) for path in _ends(given[0])]
        found = ends if all(files and _images(files) for files in ends) else found
    if None in found:
        raise DataError(f"{rest} does not exist: give a folder or zip of two domains, or two paths with a comma.")
    opened_ = [files for files in found if files is not None]
    both = _within(kind, opened_[0]) if len(opened_) == 1 else [DomainFiles(files, _images(files)) for files in opened_]
    for part in both:
        if not part.names:
            raise DataError(f"{part.title} holds no images, but is one of two domains: {REMEDY}")
    a, b = both
    return match_files(a, b) if kind in PAIRED and a.half is None else (a, b)


def _images(files: Files) -> tuple[str, ...]:
    return tuple(name for name in files.entries if name.lower().endswith(SUFFIXES))


def _within(kind: str, files: Files) -> list[DomainFiles]:
    """Return the two domains in one folder or archive."""
    names, root = list(_images(files)), ""
    while True:
        below = [name[len(root) :] for name in names]
        tops = sorted({name.split("/")[0] for name in below if "/" in name})
        bare = [name for name in below if "/" not in name]
        if {"trainA", "trainB"} <= set(tops):
            tops = ["trainA", "trainB"]
        elif not bare and (len(tops) == 1 or ("train" in tops and set(tops) <= SPLITS)):
            root += f"{'train' if 'train' in tops else tops[0]}/"
            names = [name for name in names if name.startswith(root)]
            continue
        if kind in PAIRED and len(tops) == 3:  # instance maps next to label maps are not a domain
            tops = [top for top in tops if top != INSTANCES]
        if len(tops) == 2 and (not bare or tops == ["trainA", "trainB"]):
            folders = [f"{root}{top}/" for top in tops]
            return [DomainFiles(files, tuple(n for n in names if n.startswith(folder)), folder) for folder in folders]
        if kind in PAIRED and bare and not tops:
            return _halves(DomainFiles(files, tuple(names), root))
        raise DataError(f"{files.title} does not hold two domains ({len(tops)} folders with images): {REMEDY}")


def matching_instance_maps(part: DomainFiles) -> DomainFiles | None:
    """Return the instance maps in a folder ``instances`` next to a folder of label maps, in its order.

    Args:
        part: The label maps.

    Raises:
        DataError: If label maps and instance maps do not correspond.
    """
    found = instance_maps_of(part)
    return found and match_files(part, found)[1]


def instance_maps_of(part: DomainFiles) -> DomainFiles | None:
    """Return the images in a folder ``instances`` next to a folder of images, if there are any.

    Args:
        part: The images.
    """
    folder = f"{PurePosixPath(part.folder).parent / INSTANCES}/"
    names = tuple(name for name in _images(part.files) if name.startswith(folder))
    return DomainFiles(part.files, names, folder) if names and part.folder and part.folder != folder else None


def has_two_domains(files: Files) -> bool:
    """Return whether the names of the folders of files are those of two domains.

    Args:
        files: A folder or archive.
    """
    tops = {name.split("/")[-2] for name in _images(files) if "/" in name}
    return {"trainA", "trainB"} <= tops


def _halves(part: DomainFiles) -> list[DomainFiles]:
    """Return both domains of images of two squares side by side."""
    return [DomainFiles(part.files, part.names, part.folder, half) for half in (0, 1)]


def decode_half(name: str, content: bytes, size: Size | None, channels: int, which: int) -> np.ndarray:
    """Decode one half of an image.

    Args:
        name: For messages.
        content: Bytes of the file.
        size: Height and width, or None to keep the half's own.
        channels: 1, 3 or 4.
        which: 0 for the left one, 1 for the right one.

    Returns:
        ``uint8`` (H, W, C).

    Raises:
        DataError: If the file is damaged.
    """
    whole = decode_upright(name, content)
    middle = whole.width // 2
    with decode_errors(name):
        return to_pixels(whole.crop((which * middle, 0, (which + 1) * middle, whole.height)), size, channels)


def match_files(a: DomainFiles, b: DomainFiles) -> tuple[DomainFiles, DomainFiles]:
    """Match the files of two folders by their names without suffixes.

    Args:
        a: The one folder.
        b: The other one.

    Raises:
        DataError: If a file has no partner, or two files have the same name.
    """
    here, there = _known(a, b), _known(b, a)
    for mine, others, part, other in ((here, there, a, b), (there, here, b, a)):
        alone = [name for stem, name in mine.items() if stem not in others]
        if alone:
            raise DataError(
                f"{part.files.title}/{alone[0]} has no partner in {other.title} ({len(alone)} of {len(mine)} such): "
                "add or remove it, or write unpaired: before the path."
            )
    if not here:
        raise DataError(f"{a.title} and {b.title} hold no pair that can be read: {REMEDY}")
    return (
        DomainFiles(a.files, tuple(here.values()), a.folder),
        DomainFiles(b.files, tuple(there[stem] for stem in here), b.folder),
    )


def _known(part: DomainFiles, other: DomainFiles) -> dict[str, str]:
    """Return the names by their stems, without those whose partner is skipped."""
    lost = {_stem(other, name) for name in other.skipped}
    return {stem: name for stem, name in _stems(part).items() if stem not in lost}


def _stem(part: DomainFiles, name: str) -> str:
    return str(PurePosixPath(name[len(part.folder) :]).with_suffix(""))


def _stems(part: DomainFiles) -> dict[str, str]:
    """Return the names by their paths below the folder, without suffixes."""
    found: dict[str, str] = {}
    for name in part.names:
        stem = _stem(part, name)
        if stem in found:
            raise DataError(f"{part.files.title} holds both {found[stem]} and {name}: rename or remove one of them.")
        found[stem] = name
    return found
