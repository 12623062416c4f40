"""How two domains lie in folders and archives: ``trainA`` and ``trainB``, two folders, or A | B side by side.

    unpaired:PATH   pairs:PATH     PATH alone is unpaired where it holds trainA and trainB
    pictures:PATH   maps:PATH      pairs whose second files are pictures, or label maps

A recipe says whether it learns from pictures or label maps. Where neither recipe nor user says so, pairs:PATH has label
maps if its second files look like such, see `sparring.data.annotations.label_maps`.

PATH is a folder or zip with ``trainA`` and ``trainB``, or with two folders of any names, or with ``train`` around them;
or what the names of two folders begin with, such as ``photos/test`` of ``photos/testA`` and ``photos/testB``; or two
paths with a comma between; or, for pairs, a folder of pictures that are A on the left and B on the right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from sparring._io.paths import expand_user
from sparring.data.annotations.labels import SPLITS
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
WHOLE = "whole"  # the kind of one picture that is not cropped, see `sparring.data.sources.image_sources`
INSTANCES = "instances"  # the folder of maps of objects, beside that of label maps
REMEDY = "put the one domain into trainA and the other into trainB, or give two paths with a comma between."


def split_kind(name: str) -> tuple[str, str]:
    """Takes the kind of two domains, or of a whole picture, off a name.

    Args:
        name: As given.

    Returns:
        One of ``KINDS``, ``WHOLE`` or nothing; the rest.

    Example:
        >>> split_kind("pairs:photos.zip"), split_kind("photos.zip")
        (('pairs', 'photos.zip'), ('', 'photos.zip'))
    """
    kind, colon, rest = name.partition(":")
    return (kind, rest) if colon and kind in (*KINDS, WHOLE) else ("", name)


def absolute_name(name: str) -> str:
    """A name whose paths no longer depend on where they are read from.

    Args:
        name: A path or two, perhaps with a kind before them.
    """
    kind, rest = split_kind(name)
    places = ",".join(str(expand_user(place).absolute()) for place in _places(rest))
    return f"{kind}:{places}" if kind else places


def data_paths(name: str) -> list[Path]:
    """The absolute paths that a name of data stands for, whether or not anything is there.

    Args:
        name: A path or two, perhaps with a kind before them; or what the names of two folders begin with.
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
        files: Where they are.
        names: Their names.
        folder: What they have in common, for messages.
        half: 0 or 1, where each file holds both domains side by side; else None.
    """

    files: Files
    names: tuple[str, ...]
    folder: str = ""
    half: int | None = None

    @property
    def title(self) -> str:
        """Where they are."""
        return str(Path(self.files.title) / self.folder)

    @property
    def entries(self) -> dict[str, tuple[int, int]]:
        """The names, to what changes with their content."""
        return {name: self.files.entries[name] for name in self.names}

    def read(self, name: str) -> bytes:
        """Content of one file.

        Args:
            name: One of the entries.
        """
        return self.files.read(name)

    @property
    def skipped(self) -> dict[str, str]:
        """What is passed over, to the reason."""
        return {name: reason for name, reason in self.files.skipped.items() if name.startswith(self.folder)}

    def close(self) -> None:
        """Release what is held open."""
        self.files.close()

    def head(self, name: str) -> ImageHeader:
        """Upright size and kind of one picture, without its pixels.

        Args:
            name: One of the names.
        """
        return read_header(f"{self.files.title}/{name}", self.read(name))

    def picture(self, name: str) -> Image.Image:
        """Decode one picture, upright.

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
        rest: What was given behind it.
        opening: How folders and archives are opened.

    Returns:
        A and B; those of pairs have as many files, in the same order.

    Raises:
        DataError: They are not there, or do not belong together.
    """
    given = [expand_user(place).absolute() for place in _places(rest)]
    found = [opening(path) for path in given]
    if len(given) == 1 and not (found[0] and _images(found[0])):
        ends = [opening(path) for path in _ends(given[0])]
        found = ends if all(files and _images(files) for files in ends) else found
    if None in found:
        raise DataError(f"{rest} does not exist: give a folder or zip of two domains, or two of them, a comma between.")
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
    """The two domains in one folder or archive."""
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
        if kind in PAIRED and len(tops) == 3:  # a map of objects beside each label map is no domain
            tops = [top for top in tops if top != INSTANCES]
        if len(tops) == 2 and (not bare or tops == ["trainA", "trainB"]):
            folders = [f"{root}{top}/" for top in tops]
            return [DomainFiles(files, tuple(n for n in names if n.startswith(folder)), folder) for folder in folders]
        if kind in PAIRED and bare and not tops:
            return _halves(DomainFiles(files, tuple(names), root))
        raise DataError(f"{files.title} holds no two domains ({len(tops)} folders with images): {REMEDY}")


def matching_instance_maps(part: DomainFiles) -> DomainFiles | None:
    """Maps of objects that lie beside a folder of label maps, in a folder ``instances``, in its order.

    Args:
        part: The label maps.

    Raises:
        DataError: A label map has no partner there, or there are others.
    """
    found = instance_maps_of(part)
    return found and match_files(part, found)[1]


def instance_maps_of(part: DomainFiles) -> DomainFiles | None:
    """What lies in a folder ``instances`` beside a folder of pictures, if anything.

    Args:
        part: The pictures.
    """
    folder = f"{PurePosixPath(part.folder).parent / INSTANCES}/"
    names = tuple(name for name in _images(part.files) if name.startswith(folder))
    return DomainFiles(part.files, names, folder) if names and part.folder and part.folder != folder else None


def has_two_domains(files: Files) -> bool:
    """Whether files are in two domains by the names of their folders.

    Args:
        files: A folder or archive.
    """
    tops = {name.split("/")[-2] for name in _images(files) if "/" in name}
    return {"trainA", "trainB"} <= tops


def _halves(part: DomainFiles) -> list[DomainFiles]:
    """Both domains of pictures that are two squares side by side."""
    return [DomainFiles(part.files, part.names, part.folder, half) for half in (0, 1)]


def decode_half(name: str, content: bytes, size: int | None, channels: int, which: int) -> np.ndarray:
    """Decode one half of a picture.

    Args:
        name: For messages.
        content: Bytes of the file.
        size: Height and width, or None to keep the half's own.
        channels: 1, 3 or 4.
        which: 0 for the left one, 1 for the right one.

    Returns:
        ``uint8`` (H, W, C).

    Raises:
        DataError: The file is damaged.
    """
    whole = decode_upright(name, content)
    middle = whole.width // 2
    with decode_errors(name):
        return to_pixels(whole.crop((which * middle, 0, (which + 1) * middle, whole.height)), size, channels)


def match_files(a: DomainFiles, b: DomainFiles) -> tuple[DomainFiles, DomainFiles]:
    """Bring the files of two folders into the same order, by their names without endings.

    Args:
        a: The one folder.
        b: The other one.

    Raises:
        DataError: A file has no partner, or two files have the same name.
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
    """Names by their stems, but for those whose partner is passed over."""
    lost = {_stem(other, name) for name in other.skipped}
    return {stem: name for stem, name in _stems(part).items() if stem not in lost}


def _stem(part: DomainFiles, name: str) -> str:
    return str(PurePosixPath(name[len(part.folder) :]).with_suffix(""))


def _stems(part: DomainFiles) -> dict[str, str]:
    """Names by what they are called below their folder, without endings."""
    found: dict[str, str] = {}
    for name in part.names:
        stem = _stem(part, name)
        if stem in found:
            raise DataError(f"{part.files.title} holds both {found[stem]} and {name}: rename or remove one of them.")
        found[stem] = name
    return found
