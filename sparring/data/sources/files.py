"""Image files in a folder or a zip archive: names, stamps and contents.

Archives are read in place and never unpacked. Members with absolute names, drive letters or ``..`` are skipped, and so
are broken and circular links, pipes and devices. Links to files are followed.
"""

import os
import stat
import zipfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Protocol

from sparring.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
MAX_BYTES = 2**28  # maximum size of one file; a larger image is a mistake or an attack


class Files(Protocol):
    """Named files; ``entries`` maps each name to numbers that change with its content."""

    @property
    def title(self) -> str:
        """Path of the folder or archive."""

    @property
    def entries(self) -> dict[str, tuple[int, int]]:
        """Names, relative and with forward slashes, in order; to (size, time or checksum)."""

    @property
    def skipped(self) -> dict[str, str]:
        """Names of skipped images, with a sentence of the path and the reason."""

    def read(self, name: str) -> bytes:
        """Return the content of one file."""

    def close(self) -> None:
        """Close the open archive."""


class FolderFiles:
    """Files below a directory, or one file of it.

    Args:
        path: The directory.
        only: Name of a single file. Default: all files.
    """

    def __init__(self, path: Path, only: str | None = None) -> None:
        self.path, self.only = path, only
        self.title = str(path / only if only else path)

    @cached_property
    def entries(self) -> dict[str, tuple[int, int]]:
        """Names, relative and with forward slashes, in order; to (bytes, nanoseconds of the last change)."""
        facts = ((name, file_stamp(f"{self.path}/{name}")) for name in self.names)
        return {name: found for name, found in facts if found}

    @property
    def names(self) -> list[str]:
        """Names of all entries, in order."""
        return [self.only] if self.only else self.seen[0]

    @property
    def skipped(self) -> dict[str, str]:
        """Names of images that are not files, and links to folders, with the reason."""
        images = [name for name in self.names if name.lower().endswith(SUFFIXES) and name not in self.entries]
        said = {name: f"{self.path / name} is not a file or a link to one: remove it." for name in images}
        reason = "is a link to a folder, which is not followed: give the path of its target, or copy the folder."
        return {**said, **{name: f"{self.path / name} {reason}" for name in ([] if self.only else self.seen[1])}}

    @cached_property
    def seen(self) -> tuple[list[str], list[str]]:
        """Names of all visible files, and of visible links to folders, each in order."""
        names, links = [], []
        for folder, folders, files in os.walk(self.path):
            folders[:] = [name for name in folders if not name.startswith(".")]
            inside = os.path.relpath(folder, self.path).replace(os.sep, "/")
            below = "" if inside == "." else f"{inside}/"
            names += [below + name for name in files if not name.startswith(".")]
            links += [below + name for name in folders if os.path.islink(f"{folder}/{name}")]
        return sorted(names), sorted(links)

    def read(self, name: str) -> bytes:
        """Return the content of one file.

        Args:
            name: One of the entries.

        Raises:
            DataError: If the file cannot be read or is too large.
        """
        path = self.path / name
        try:
            return read_bounded(str(path), self.entries[name][0], path.read_bytes)
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}): change its mode or remove it.") from error

    def close(self) -> None:
        """Do nothing: no file is open."""


class ZipFiles:
    """Members of a zip file, or of one folder inside it.

    Args:
        path: The zip file.
        inside: Folder inside the archive, without slashes at the ends. Default: the whole archive.

    Raises:
        DataError: If the file is not a zip archive.
    """

    def __init__(self, path: Path, inside: str = "") -> None:
        self.path, self.prefix = path, f"{inside}/" if inside else ""
        self.title = str(path / inside)
        try:
            self.zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise DataError(f"{path} is not a readable zip archive ({error}): pack it again.") from error

    @cached_property
    def members(self) -> dict[str, zipfile.ZipInfo]:
        """Visible members below the folder, by name, in order."""
        found = {
            info.filename: info for info in self.zip.infolist() if not info.is_dir() and is_safe_member(info.filename)
        }
        below = {name: found[name] for name in sorted(found) if name.startswith(self.prefix)}
        return {name[len(self.prefix) :]: info for name, info in below.items()}

    @property
    def skipped(self) -> dict[str, str]:
        """Members whose names lead out of the archive, with the reason."""
        images = [info.filename for info in self.zip.infolist() if info.filename.lower().endswith(SUFFIXES)]
        leading = [name for name in images if leads_outside(name)]
        return {name: f"{self.path} has a member {name!r} that leads out of it: pack it again." for name in leading}

    @cached_property
    def entries(self) -> dict[str, tuple[int, int]]:
        """Names, relative and with forward slashes, in order; to (bytes, CRC-32)."""
        return {name: (info.file_size, info.CRC) for name, info in self.members.items()}

    def read(self, name: str) -> bytes:
        """Return the content of one member.

        Args:
            name: One of the entries.

        Raises:
            DataError: If the member is encrypted, damaged or too large.
        """
        info = self.members[name]
        try:
            return read_bounded(f"{self.title}/{name}", info.file_size, lambda: self.zip.read(info))
        except DataError:
            raise
        except Exception as error:  # zipfile and its decompressors fail in every way on damaged bytes
            raise DataError(f"{self.title}/{name} cannot be read ({error}): pack the archive again.") from error

    def close(self) -> None:
        """Close the archive."""
        self.zip.close()


def file_stamp(path: str) -> tuple[int, int] | None:
    """Return size and modification time in nanoseconds of a file or the target of a link; None if it is not a file.

    Args:
        path: Any path.
    """
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def is_safe_member(name: str) -> bool:
    """Return whether the name of a member is visible and stays below the archive.

    Args:
        name: As the archive gives it.

    Example:
        >>> [is_safe_member(name) for name in ("a/b.png", "../b.png", "/b.png", "__MACOSX/b.png", "a/._b.png")]
        [True, False, False, False, False]
    """
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
    return not (hidden or leads_outside(name))


def leads_outside(name: str) -> bool:
    """Return whether the name of a member leads out of the archive on some system.

    Args:
        name: As the archive gives it.
    """
    return name.startswith("/") or ".." in name.split("/") or "\\" in name or ":" in name


def read_bounded(title: str, size: int, read: Callable[[], bytes]) -> bytes:
    """Read a file unless it is too large.

    Args:
        title: For the message.
        size: Size in bytes.
        read: Function that returns the content.

    Raises:
        DataError: If the size exceeds 256 MiB.
    """
    if size > MAX_BYTES:
        raise DataError(f"{title} has {size} bytes, more than the {MAX_BYTES} allowed: make it smaller or remove it.")
    return read()


def read_file(path: Path) -> bytes:
    """Return the content of one image file.

    Args:
        path: A file, or a link to one.

    Raises:
        DataError: If there is no such file, or it cannot be read or is too large.
    """
    if not file_stamp(str(path)):
        raise DataError(f"{path} cannot be read, it is not a file: give an image file.")
    return FolderFiles(path.parent, path.name).read(path.name)


def open_files(path: Path) -> Files | None:
    """Open a folder, one image, a zip archive, or a folder inside one (``faces.zip/train``).

    Args:
        path: Path of any of these.

    Returns:
        The files, or None if the path is none of these.
    """
    if path.is_dir():
        return FolderFiles(path)
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return FolderFiles(path.parent, path.name)
    for outer in (path, *path.parents):
        if outer.is_file():
            inside = path.relative_to(outer).as_posix()
            return ZipFiles(outer, "" if inside == "." else inside) if outer.suffix.lower() == ".zip" else None
    return None
