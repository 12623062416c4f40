"""Access to a folder by an open descriptor, without following symbolic links inside it.

The system resolves a path at every use, so that a write would go elsewhere after the folder was moved, or replaced by
another folder or a link. A descriptor stays with the folder. Links in the path of the folder itself are followed, since
the user gave it. Windows has no such descriptors: there each name is checked before it is used.
"""

from __future__ import annotations

import errno
import os
import stat
import uuid
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

from sparring._io.atomic import UNFINISHED, atomic_write, io_errors, mark_in_use
from sparring._types import Settings
from sparring.errors import RunError

MAX_BYTES = 2**28  # default limit of bytes read from one file
HANDLES = os.open in os.supports_dir_fd and os.scandir in os.supports_fd and hasattr(os, "O_NOFOLLOW")
READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
WRITE = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class Folder:
    """An open folder. Use `open` for a path, and `subfolder` for a folder inside another.

    Args:
        path: Path at the time of opening, for messages.
        descriptor: File descriptor; None where the system has none for folders.
        above: The open folder that contains it, if any.

    Attributes:
        path: Path at the time of opening.
    """

    def __init__(self, path: Path, descriptor: int | None, above: Folder | None = None) -> None:
        self.path, self._descriptor, self._above = path, descriptor, above
        self._identity = _identity(os.stat(path) if descriptor is None else os.fstat(descriptor))
        if descriptor is not None:
            weakref.finalize(self, os.close, descriptor)

    @classmethod
    def open(cls, path: str | Path | Folder) -> Folder:
        """Open a folder by its path, which may contain links.

        Args:
            path: The folder. An open folder is returned unchanged.

        Raises:
            OSError: If it is not a folder or cannot be opened.
        """
        if isinstance(path, Folder):
            return path
        path = Path(path)
        if not HANDLES:
            os.listdir(path)
            return cls(path, None)
        return cls(path, os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    def subfolder(self, name: str, *, make: bool = False) -> Folder:
        """Open a folder inside this one.

        Args:
            name: Name of the folder.
            make: Create the folder if it is missing.

        Raises:
            RunError: If the name is a link or not a folder.
            OSError: If the folder is missing or cannot be opened.
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
        """Return whether the path still leads to this folder."""
        try:
            found = os.stat(self.path) if self._above is None else os.lstat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return _identity(found) == self._identity and (self._above is None or self._above.is_in_place())

    def names(self) -> list[str]:
        """Return all names in the folder, from one listing."""
        with os.scandir(self.path if self._descriptor is None else self._descriptor) as entries:
            return sorted(entry.name for entry in entries)

    def folders(self) -> list[str]:
        """Return the names of folders in it, without links to folders, from one listing."""
        with os.scandir(self.path if self._descriptor is None else self._descriptor) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))

    def mode(self, name: str) -> int | None:
        """Return the mode of a file as `os.lstat` does; None if it does not exist.

        Args:
            name: Name in this folder.
        """
        place, how = self._at(name)
        try:
            return os.stat(place, follow_symlinks=False, **how).st_mode
        except FileNotFoundError:
            return None

    def is_same(self, name: str, other: Folder) -> bool:
        """Return whether a name in this folder is the given open folder.

        Args:
            name: Name in this folder.
            other: An open folder.
        """
        place, how = self._at(name)
        try:
            return _identity(os.stat(place, follow_symlinks=False, **how)) == other._identity
        except OSError:
            return False

    def open_to_read(self, name: str, most: int = MAX_BYTES) -> IO[bytes]:
        """Open a regular file for reading.

        Args:
            name: Name in this folder.
            most: Maximum size in bytes.

        Raises:
            RunError: If it is a link, not a regular file, or larger.
            OSError: If it is missing or cannot be opened.
        """
        self._require(name, stat.S_ISREG, "regular file")
        descriptor = self._open(name, READ)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise RunError(f"{self.path / name} is not a regular file: replace or remove it.")
            if found.st_size > most:
                raise RunError(f"{self.path / name} has {found.st_size:,} bytes, and {most:,} may be read.")
            return os.fdopen(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise

    def read(self, name: str, most: int = MAX_BYTES) -> bytes:
        """Read a regular file, with the arguments and errors of `open_to_read`."""
        with self.open_to_read(name, most) as file:
            return file.read(most)

    def open_to_append(self, name: str) -> IO[bytes]:
        """Open a regular file for appending. A missing file is created.

        Args:
            name: Name in this folder.

        Raises:
            RunError: If it is a link or not a regular file.
        """
        if self.mode(name) is None:
            self.require_in_place()
        else:
            self._require(name, stat.S_ISREG, "regular file")
        return os.fdopen(self._open(name, WRITE | os.O_APPEND), "ab")

    @contextmanager
    def atomic_write(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file for writing that appears under its name only when it is complete and flushed to disk.

        Args:
            name: Name in this folder. An existing file or link is replaced.
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
        """Write a new file and flush it to disk.

        Args:
            name: Name in this folder.
            content: Content of the file.
        """
        with os.fdopen(self._open(name, WRITE | os.O_EXCL), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def replace(self, old: str, new: str) -> None:
        """Rename a file or folder. A file with the new name is replaced.

        Args:
            old: Present name.
            new: New name.
        """
        (before, how), (after, _) = self._at(old), self._at(new)
        os.replace(before, after, **({"src_dir_fd": how["dir_fd"], "dst_dir_fd": how["dir_fd"]} if how else {}))

    def remove(self, name: str) -> None:
        """Remove a file or link, if it exists."""
        place, how = self._at(name)
        try:
            os.unlink(place, **how)
        except FileNotFoundError:
            return

    def remove_folder(self, name: str, files: Sequence[str]) -> None:
        """Remove the given files of a folder, and the folder if it is empty afterwards.

        Args:
            name: Name in this folder.
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
        """Return the first of ``name-1``, ``name-2``, ... that does not exist.

        Args:
            name: Name in this folder.
        """
        taken = {*self.names()}
        return next(each for number in range(1, len(taken) + 2) if (each := f"{name}-{number}") not in taken)

    def fsync(self) -> None:
        """Flush the folder's entries to disk, so that a rename in it survives a crash."""
        if self._descriptor is not None:
            os.fsync(self._descriptor)

    @contextmanager
    def run_lock(self) -> Iterator[None]:
        """Lock the folder for training. The system releases the lock when this process ends, for any reason.

        On POSIX the folder itself is locked, so that no lock file is left; elsewhere a file ``.lock`` in it.

        Raises:
            RunError: If another process holds the lock.
        """
        if self._descriptor is None:
            from filelock import FileLock, Timeout  # 40 ms, needed on Windows only

            try:
                with FileLock(self.path / ".lock", timeout=0):
                    yield
            except Timeout:
                raise self._in_training() from None
            return
        import fcntl  # POSIX only

        descriptor = os.open(".", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise self._in_training() from None
        finally:
            os.close(descriptor)

    def _in_training(self) -> RunError:
        return RunError(f"{self.path} is being trained by another process: wait for it or stop it.")

    def is_in_use(self, name: str) -> bool:
        """Return whether a living process is writing a file, see `sparring._io.atomic.mark_in_use`.

        Args:
            name: Name in this folder.
        """
        if self._descriptor is None:
            return False
        import fcntl  # POSIX only

        with self.open_to_read(name) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _at(self, name: str) -> tuple[str, Settings]:
        """Return path and keyword arguments that address a name in this folder in functions of `os`."""
        if self._descriptor is None:
            return str(self.path / name), {}
        return name, {"dir_fd": self._descriptor}

    def _open(self, name: str, flags: int) -> int:
        place, how = self._at(name)
        try:
            return os.open(place, flags | getattr(os, "O_CLOEXEC", 0), 0o666, **how)
        except OSError as error:
            raise self._described(name, error) from error

    def _require(self, name: str, kind: Callable[[int], bool], words: str) -> None:
        """Raise an error for links and for files of another kind."""
        mode = self.mode(name)
        if mode is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path / name))
        if stat.S_ISLNK(mode):
            raise _link(self.path / name)
        if not kind(mode):
            raise RunError(f"{self.path / name} is not a {words}: replace or remove it.")

    def require_in_place(self) -> None:
        """Raise an error if the path no longer leads to this folder.

        Raises:
            FileNotFoundError: If the folder was removed, moved or replaced.
        """
        if not self.is_in_place():
            raise FileNotFoundError(errno.ENOENT, "it was moved or replaced", str(self.path))

    def _described(self, name: str, error: OSError) -> Exception:
        """Return the error of a link as a `RunError`, and any other with the full path."""
        if error.errno == errno.ELOOP or stat.S_ISLNK(self.mode(name) or 0):
            return _link(self.path / name)
        error.filename = str(self.path / name)
        return error


def run_lock(path: Path | Folder) -> AbstractContextManager[None]:
    """Lock a folder, see `Folder.run_lock`."""
    return Folder.open(path).run_lock()


def remove_unfinished(path: Path | Folder) -> None:
    """Remove unfinished files of dead processes from a folder and its subfolders.

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
    """Read a regular file that is not a link. The path of its folder may contain links.

    Args:
        path: The file.
        most: Maximum size in bytes.

    Raises:
        RunError: If it is a link, not a regular file, or larger.
        OSError: If it is missing or cannot be opened.
    """
    return Folder.open(path.parent).read(path.name, most)


def _link(path: Path) -> RunError:
    return RunError(f"{path} is a link, and links in a run folder are not followed: replace it by its target.")


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
