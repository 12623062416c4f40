"""An open folder: what lies in it is reached by its handle, and nothing in it is followed if it is a link.

A path is looked up anew each time that it is used, so a folder that is moved, or replaced by another one or by a link,
sends a later write elsewhere. A handle stays with the folder. The way to the folder itself may lead over links, since
the user named it. Windows has no such handles: there each name is looked at before it is used.
"""

from __future__ import annotations

import errno
import os
import stat
import uuid
import weakref
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any

from sparring._io.atomic import UNFINISHED, atomic_write, io_errors, mark_in_use
from sparring.errors import RunError

MAX_BYTES = 2**28  # bytes that are read of one file, unless the caller knows better
HANDLES = os.open in os.supports_dir_fd and os.scandir in os.supports_fd and hasattr(os, "O_NOFOLLOW")
READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
WRITE = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class Folder:
    """A folder that is open; `open` opens one by its path, `subfolder` one that lies in another.

    Args:
        path: Where it was when it was opened, for messages.
        descriptor: Its handle; None where the system has none.
        above: The folder that it lies in, if that is open.

    Attributes:
        path: Where it was when it was opened.
    """

    def __init__(self, path: Path, descriptor: int | None, above: Folder | None = None) -> None:
        self.path, self._descriptor, self._above = path, descriptor, above
        self._identity = _identity(os.stat(path) if descriptor is None else os.fstat(descriptor))
        if descriptor is not None:
            weakref.finalize(self, os.close, descriptor)

    @classmethod
    def open(cls, path: str | Path | Folder) -> Folder:
        """Opens a folder by its path, which may lead over links; one that is open is returned as it is.

        Args:
            path: The folder.

        Raises:
            OSError: If it is none, or cannot be opened.
        """
        if isinstance(path, Folder):
            return path
        path = Path(path)
        if not HANDLES:
            os.listdir(path)
            return cls(path, None)
        return cls(path, os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    def subfolder(self, name: str, *, make: bool = False) -> Folder:
        """Opens a folder in this one.

        Args:
            name: What it is called.
            make: Make it if it is missing.

        Raises:
            RunError: If it is a link or no folder.
            OSError: If it is missing or cannot be opened.
        """
        if make and self.mode(name) is None:
            self.require_in_place()
            place, how = self._at(name)
            os.mkdir(place, **how)
        self._require(name, stat.S_ISDIR, "folder")
        if not HANDLES:
            return Folder(self.path / name, None, self)
        try:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            return Folder(self.path / name, os.open(name, flags, dir_fd=self._descriptor), self)
        except OSError as error:
            raise self._described(name, error) from error

    def is_in_place(self) -> bool:
        """Tells whether its path still leads to it."""
        try:
            found = os.stat(self.path) if self._above is None else os.lstat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return _identity(found) == self._identity and (self._above is None or self._above.is_in_place())

    def names(self) -> list[str]:
        """Returns what lies in it, in one look."""
        with os.scandir(self.path if self._descriptor is None else self._descriptor) as entries:
            return sorted(entry.name for entry in entries)

    def folders(self) -> list[str]:
        """Returns the names of folders in it, links to folders left out, in one look."""
        with os.scandir(self.path if self._descriptor is None else self._descriptor) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))

    def mode(self, name: str) -> int | None:
        """Returns what kind of thing a name is, as `os.lstat` does; None if there is none of that name.

        Args:
            name: In this folder.
        """
        place, how = self._at(name)
        try:
            return os.stat(place, follow_symlinks=False, **how).st_mode
        except FileNotFoundError:
            return None

    def is_same(self, name: str, other: Folder) -> bool:
        """Tells whether a name in this folder is a folder that is open.

        Args:
            name: In this folder.
            other: Open.
        """
        place, how = self._at(name)
        try:
            return _identity(os.stat(place, follow_symlinks=False, **how)) == other._identity
        except OSError:
            return False

    def open_to_read(self, name: str, most: int = MAX_BYTES) -> IO[bytes]:
        """Opens a regular file to read.

        Args:
            name: In this folder.
            most: Bytes that it may have.

        Raises:
            RunError: If it is a link, no regular file, or larger.
            OSError: If it is missing or cannot be opened.
        """
        self._require(name, stat.S_ISREG, "regular file")
        descriptor = self._open(name, READ)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise RunError(f"{self.path / name} is no regular file: put one there, or remove it.")
            if found.st_size > most:
                raise RunError(f"{self.path / name} has {found.st_size:,} bytes, and {most:,} may be read.")
            return os.fdopen(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise

    def read(self, name: str, most: int = MAX_BYTES) -> bytes:
        """Reads a regular file; the arguments and errors are those of `open_to_read`."""
        with self.open_to_read(name, most) as file:
            return file.read(most)

    def open_to_append(self, name: str) -> IO[bytes]:
        """Opens a regular file to add to its end; one that is missing is made.

        Args:
            name: In this folder.

        Raises:
            RunError: If it is a link or no regular file.
        """
        if self.mode(name) is None:
            self.require_in_place()
        else:
            self._require(name, stat.S_ISREG, "regular file")
        return os.fdopen(self._open(name, WRITE | os.O_APPEND), "ab")

    @contextmanager
    def atomic_write(self, name: str) -> Iterator[IO[bytes]]:
        """Opens a file that appears under its name only when it is complete and on the disk.

        Args:
            name: In this folder; a file or a link of that name is replaced.
        """
        self.require_in_place()
        unfinished = f".{name}.{uuid.uuid4().hex}.tmp"
        descriptor = self._open(unfinished, WRITE | os.O_EXCL)
        try:
            with mark_in_use(descriptor):
                with os.fdopen(descriptor, "wb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                self.require_in_place()
                self.replace(unfinished, name)
        except BaseException:
            self.remove(unfinished)
            raise

    def write_fsync(self, name: str, content: bytes) -> None:
        """Writes a new file and waits until the disk has it.

        Args:
            name: In this folder.
            content: All of it.
        """
        with os.fdopen(self._open(name, WRITE | os.O_EXCL), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def replace(self, old: str, new: str) -> None:
        """Renames something; a file of the new name is replaced.

        Args:
            old: Its name.
            new: Its name afterwards.
        """
        (before, how), (after, _) = self._at(old), self._at(new)
        os.replace(before, after, **({"src_dir_fd": how["dir_fd"], "dst_dir_fd": how["dir_fd"]} if how else {}))

    def remove(self, name: str) -> None:
        """Removes a file or a link, if there is one of that name."""
        place, how = self._at(name)
        try:
            os.unlink(place, **how)
        except FileNotFoundError:
            return

    def remove_folder(self, name: str, files: Sequence[str]) -> None:
        """Removes a folder and some files in it; it stays if there is anything else in it.

        Args:
            name: In this folder.
            files: Names of the files.
        """
        inner = self.subfolder(name)
        for file in files:
            inner.remove(file)
        place, how = self._at(name)
        try:
            os.rmdir(place, **how)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise

    def free_name(self, name: str) -> str:
        """Returns the first of ``name-1``, ``name-2``, ... that is not taken.

        Args:
            name: In this folder.
        """
        taken = {*self.names()}
        return next(each for number in range(1, len(taken) + 2) if (each := f"{name}-{number}") not in taken)

    def fsync(self) -> None:
        """Waits until the disk has its list of names, so that a rename in it is there to stay."""
        if self._descriptor is not None:
            os.fsync(self._descriptor)

    @contextmanager
    def run_lock(self) -> Iterator[None]:
        """Keeps every other process from training into it; the system unlocks it when this process dies, however.

        Raises:
            RunError: If another process holds it.
        """
        if self._descriptor is None:
            yield
            return
        import fcntl  # only there

        descriptor = os.open(".", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise RunError(f"{self.path} is being trained by another process: wait for it or stop it.") from None
        finally:
            os.close(descriptor)

    def is_in_use(self, name: str) -> bool:
        """Tells whether a living process writes a file, see `sparring._io.atomic.mark_in_use`.

        Args:
            name: In this folder.
        """
        if self._descriptor is None:
            return False
        import fcntl  # only there

        with self.open_to_read(name) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _at(self, name: str) -> tuple[str, dict[str, Any]]:
        """Returns what the system calls something in this folder."""
        if self._descriptor is None:
            return str(self.path / name), {}
        return name, {"dir_fd": self._descriptor}

    def _open(self, name: str, flags: int) -> int:
        place, how = self._at(name)
        try:
            return os.open(place, flags | getattr(os, "O_CLOEXEC", 0), 0o666, **how)
        except OSError as error:
            raise self._described(name, error) from error

    def _require(self, name: str, kind: Any, words: str) -> None:
        """Refuses links and other kinds of things."""
        mode = self.mode(name)
        if mode is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path / name))
        if stat.S_ISLNK(mode):
            raise _link(self.path / name)
        if not kind(mode):
            raise RunError(f"{self.path / name} is no {words}: put one there, or remove it.")

    def require_in_place(self) -> None:
        """Refuses to write into it if its path no longer leads to it.

        Raises:
            FileNotFoundError: If it was removed, moved or replaced.
        """
        if not self.is_in_place():
            raise FileNotFoundError(errno.ENOENT, "it was moved or replaced", str(self.path))

    def _described(self, name: str, error: OSError) -> Exception:
        """Returns the error of a link in words, and any other as it is but with the whole path."""
        if error.errno == errno.ELOOP or stat.S_ISLNK(self.mode(name) or 0):
            return _link(self.path / name)
        error.filename = str(self.path / name)
        return error


def run_lock(path: Path | Folder) -> AbstractContextManager[None]:
    """Locks a folder, see `Folder.run_lock`."""
    return Folder.open(path).run_lock()


def remove_unfinished(path: Path | Folder) -> None:
    """Removes what dead processes left unfinished in a folder and in those below it.

    Args:
        path: The folder.
    """
    folder = Folder.open(path)
    with io_errors(folder.path):
        for place in (folder, *map(folder.subfolder, folder.folders())):
            for name in filter(UNFINISHED.fullmatch, place.names()):
                if not stat.S_ISREG(place.mode(name) or 0) or not place.is_in_use(name):
                    place.remove(name)


@contextmanager
def open_atomic(path: Path, folder: Folder | None = None) -> Iterator[IO[bytes]]:
    """Open a file that appears under its name only when it is complete; its folder is made where it is missing.

    Args:
        path: The file.
        folder: The open folder that holds it. Default: found by the path.
    """
    with io_errors(path):
        if folder is not None:
            with folder.atomic_write(path.name) as file:
                yield file
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            yield file


def read(path: Path, most: int = MAX_BYTES) -> bytes:
    """Reads a regular file that is no link; the way to its folder may lead over links.

    Args:
        path: The file.
        most: Bytes that it may have.

    Raises:
        RunError: If it is a link, no regular file, or larger.
        OSError: If it is missing or cannot be opened.
    """
    return Folder.open(path.parent).read(path.name, most)


def _link(path: Path) -> RunError:
    return RunError(f"{path} is a link, and links in a run folder are not followed: put what it leads to in its place.")


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
