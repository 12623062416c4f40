"""Atomic, durable writes of files, and removal of unfinished files that dead processes left."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from sparring.errors import RunError

UNFINISHED = re.compile(r"\..+\.[0-9a-f]{32}\.tmp")

_cleaned: set[Path] = set()  # folders that this process has cleaned


@contextmanager
def io_errors(path: Path) -> Iterator[None]:
    """Turn any `OSError` raised while a file is written into a `RunError` with one sentence.

    Args:
        path: The file, for the message.

    Raises:
        RunError: Instead of any `OSError`: disk full, permission denied, read-only file system, quota.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise RunError(
            f"{path} cannot be written because its folder is missing: restore it and run the same command again, "
            "or start another run."
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(
            f"{path} cannot be written ({reason}): free space or grant access, then run the same command again; "
            "files saved before are intact."
        ) from error


def require_free_space(folder: Path, needed: int) -> None:
    """Raise an error if the disk has less free space than a write needs.

    Args:
        folder: A folder on the disk.
        needed: Number of bytes to be written.

    Raises:
        RunError: If fewer bytes are free.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RunError(
            f"{folder} is too full for a checkpoint: it needs {needed / 1e6:.1f} MB and {free / 1e6:.1f} MB are free; "
            "free space and run the same command again."
        )


@contextmanager
def atomic_write(target: Path, final: Callable[[], Path] | None = None) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears under its name only when it is complete and flushed to disk.

    Unfinished files that dead processes left in the same folder are removed first.

    Args:
        target: Path of the file. An existing file is replaced.
        final: Function that is called when the file is complete, for a name that depends on its content; its path is in
            the folder of the target. Default: the target.
    """
    remove_stale(target.parent)
    with _unfinished(target) as (name, file):
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            file.close()
            os.replace(name, final() if final else target)
        except BaseException:
            file.close()
            name.unlink(missing_ok=True)
            raise


@contextmanager
def _unfinished(target: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """Open a temporary file in the folder of the target and mark it as in use."""
    while True:
        name = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
        with open(name, "xb") as file, mark_in_use(file.fileno()):
            if name.exists():  # otherwise another process removed it before it was marked
                yield name, file
                return


@contextmanager
def mark_in_use(descriptor: int) -> Iterator[None]:
    """Lock an unfinished file while this process writes it, so that other processes do not remove it.

    The system releases the lock when the process ends, for any reason.

    Args:
        descriptor: Descriptor of the file. It may be closed inside the block.
    """
    if os.name != "posix":  # an open file cannot be removed there
        yield
        return
    import fcntl  # POSIX only

    own = os.dup(descriptor)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(own, fcntl.LOCK_EX)
        yield
    finally:
        os.close(own)


def remove_stale(folder: Path) -> None:
    """Remove unfinished files of dead processes from a folder, once per folder and process.

    Args:
        folder: The folder. If it cannot be read, nothing is removed.
    """
    if folder in _cleaned:
        return
    _cleaned.add(folder)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if UNFINISHED.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                _remove_unclaimed(Path(entry.path))


def _remove_unclaimed(path: Path) -> None:
    """Remove an unfinished file unless a living process is writing it or its lock cannot be read."""
    with suppress(OSError):
        if os.name != "posix":
            path.unlink()
            return
        import fcntl  # POSIX only

        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises an OSError if the file is in use
            path.unlink()
        finally:
            os.close(descriptor)


def fsync_dir(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename in it survives a crash.

    Args:
        folder: The folder.
    """
    if os.name != "posix":  # folders cannot be opened elsewhere; renames are journalled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
