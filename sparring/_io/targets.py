"""Output paths of a command: they are all chosen and checked before the first result is written.

A result never replaces a file that the command reads, whatever path or link leads to it, and no two results have the
same path. Any other existing file is replaced, such as an earlier result of the same command.
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
    """Return distinct names for results.

    A result keeps its preferred name if no other result prefers it. If several do, the one whose source has that name
    keeps it, otherwise the first; the others get the suffix of their source appended to the stem, or a number.

    Args:
        wanted: Preferred names of the results, relative and with forward slashes.
        sources: Names of the files from which they are made, in the same order.

    Returns:
        One name for each result, in the same order.

    Example:
        >>> unique_names(["1.jpg", "1.png", "2.png", "2.png"], ["1.jpg", "1.png", "2.gif", "2.png"])
        ['1.jpg', '1.png', '2-gif.png', '2.png']
        >>> unique_names(["a/1.png", "b/1.png", "a/1.png"], ["a/1.png", "b/1.png", "a/1.png"])
        ['a/1.png', 'b/1.png', 'a/1-png.png']
    """
    names, given = [*wanted], set[str]()
    for place in sorted(range(len(wanted)), key=lambda k: wanted[k] != sources[k]):
        taken = given | set(wanted) if wanted[place] in given else given
        names[place] = next(name for name in _candidates(wanted[place], sources[place]) if name not in taken)
        given.add(names[place])
    return names


def _candidates(wanted: str, source: str) -> Iterator[str]:
    """Yield names for one result, the preferred one first."""
    path, ending = PurePosixPath(wanted), PurePosixPath(source).suffix[1:]
    extended = chain([ending] if ending else [], map(str, count(2)))
    return chain([wanted], (str(path.with_name(f"{path.stem}-{more}{path.suffix}")) for more in extended))


def require_no_overwrite(
    targets: Iterable[str | Path], read: Iterable[str | Path], *, keep: Iterable[Path] = (), flag: str = "--out"
) -> None:
    """Raise an error if a result would replace an input, or cannot be written as a file at its path.

    Args:
        targets: Paths of all results.
        read: Absolute or relative paths of files, folders, archives, and folders inside archives that the command
            reads. Files are identified by device and inode, so that links to them count as well.
        keep: Further files, and folders whose existing files, no result may replace. Their contents are not listed.
        flag: The flag that sets the paths, for the message.

    Raises:
        DataError: If a target is read or kept, is a folder, lies below a file, or is given twice.
    """
    present, seen = [], set[Path]()
    for target in map(Path, targets):
        if target in seen:
            raise DataError(f"Two results would be written to {target}: rename one of their source files.")
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
            raise DataError(f"{target} would be overwritten, but the command reads it: give another path for {flag}.")


def _places(read: Iterable[str | Path]) -> Iterator[Path]:
    """Yield the existing files and folders among the paths; for a folder inside an archive, the archive."""
    for path in map(Path, read):
        found = next((outer for outer in (path, *path.parents) if outer.exists()), path)
        if found == path or found.is_file():
            yield found


def _identities(places: Iterable[Path]) -> Iterator[tuple[Identity, Path]]:
    """Yield device and inode of every file, and of every file below a folder, with its path."""
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
    """Return whether a target, or the file it links to, is a place or lies below it."""
    here = Path(os.path.realpath(target.parent)) / target.name, Path(os.path.realpath(target))
    return any(path == place or place in path.parents for path in here)
