"""Where the results of a command go: every path is decided and checked before the first of them is written.

A result never replaces a file that the command reads, by whatever path or link either is reached, and two results never
have the same path. Any other file of that name is replaced, as an earlier result of the same command is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from pathlib import Path, PurePosixPath

from sparring.errors import DataError

__all__ = ["require_no_overwrite", "unique_names"]

Identity = tuple[int, int]


def unique_names(wanted: Sequence[str], sources: Sequence[str]) -> list[str]:
    """Gives each result a name of its own.

    A result keeps the name that it wants if no other result wants it. Of several it is kept by the one whose source has
    that name, or else by the first; the names of the others are extended by the ending of their source, or else by a
    number.

    Args:
        wanted: Names of the results, relative and with forward slashes.
        sources: Names of the files from which they are made, in the same order.

    Returns:
        As many names as were given, in the same order.

    Example:
        >>> distinct(["1.jpg", "1.png", "2.png", "2.png"], ["1.jpg", "1.png", "2.gif", "2.png"])
        ['1.jpg', '1.png', '2-gif.png', '2.png']
        >>> distinct(["a/1.png", "b/1.png", "a/1.png"], ["a/1.png", "b/1.png", "a/1.png"])
        ['a/1.png', 'b/1.png', 'a/1-png.png']
    """
    names, given = [*wanted], set[str]()
    for place in sorted(range(len(wanted)), key=lambda k: wanted[k] != sources[k]):
        taken = given | set(wanted) if wanted[place] in given else given
        names[place] = next(name for name in _candidates(wanted[place], sources[place]) if name not in taken)
        given.add(names[place])
    return names


def _candidates(wanted: str, source: str) -> Iterator[str]:
    """Names for one result, best first."""
    path, ending = PurePosixPath(wanted), PurePosixPath(source).suffix[1:]
    extended = chain([ending] if ending else [], map(str, count(2)))
    return chain([wanted], (str(path.with_name(f"{path.stem}-{more}{path.suffix}")) for more in extended))


def require_no_overwrite(
    targets: Iterable[str | Path], read: Iterable[str | Path], *, keep: Iterable[Path] = (), flag: str = "--out"
) -> None:
    """Refuses results that would replace what a command reads, or that cannot be files where they are asked for.

    Args:
        targets: Paths of all results.
        read: Absolute or relative paths of files, folders, archives, and folders inside archives that the command
            reads. Files are identified by device and inode, so that links to them count as well.
        keep: More files and folders of which nothing may be replaced; what lies in such a folder is not looked at.
        flag: What decides the paths, for the message.

    Raises:
        DataError: If a target is something that is read or kept, or a folder, or lies below a file, or is given twice.
    """
    present, seen = [], set[Path]()
    for target in map(Path, targets):
        if target in seen:
            raise DataError(f"Two results would be {target}: rename one of the files that they are made from.")
        seen.add(target)
        if target.is_dir():
            raise DataError(f"{target} is a folder: give {flag} the name of a file.")
        if blocked := next((each for each in target.parents if each.is_file()), None):
            raise DataError(f"{target} cannot be written, because {blocked} is a file: give another path for {flag}.")
        if os.path.lexists(target):
            present.append(target)
    if not present:
        return
    known, kept = dict(_identities(_places(read))), [Path(os.path.realpath(each)) for each in keep]
    for target in present:
        found = known.get(_identity(target) or (0, 0)) or next((e for e in kept if _within(target, e)), None)
        if found is not None:
            raise DataError(
                f"{target} would be overwritten, but it belongs to what is read: give another path for {flag}."
            )


def _places(read: Iterable[str | Path]) -> Iterator[Path]:
    """The files and folders that are meant by names; of a folder in an archive, the archive."""
    for path in map(Path, read):
        found = next((outer for outer in (path, *path.parents) if outer.exists()), path)
        if found == path or found.is_file():
            yield found


def _identities(places: Iterable[Path]) -> Iterator[tuple[Identity, Path]]:
    """What each file is to the system, and its path; of a folder all files below it."""
    for place in places:
        inside = ((Path(folder) / name for name in names) for folder, _, names in os.walk(place))
        for path in chain([place] if place.is_file() else [], chain.from_iterable(inside)):
            if found := _identity(path):
                yield found, path


def _identity(path: Path) -> Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _within(target: Path, place: Path) -> bool:
    """Whether a target, or what it links to, is a file or lies in a folder whose links are resolved."""
    here = Path(os.path.realpath(target.parent)) / target.name, Path(os.path.realpath(target))
    return any(path == place or place in path.parents for path in here)
