"""Writing that survives a crash: complete or not at all, on the disk when it says so, by one process at a time."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from sparring.errors import RunError

UNFINISHED = re.compile(r"\..+\.[0-9a-f]{32}\.tmp")

_cleaned: set[Path] = set()  # folders that this process has looked at


@contextmanager
def io_errors(path: Path) -> Iterator[None]:
    """Turns the operating system's refusals while `path` is written into one sentence.

    Args:
        path: What is being written, for the message.

    Raises:
        RunError: In place of any `OSError`: disk full, permission denied, read-only, quota.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise RunError(
            f"{path} cannot be written, its folder is gone: put it back and run the same command again, "
            "or start another run."
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(
            f"{path} cannot be written ({reason}): free space or grant access, then run the same command again; "
            "what was saved before is intact."
        ) from error


def require_free_space(folder: Path, needed: int) -> None:
    """Refuses to begin what the disk cannot hold.

    Args:
        folder: A folder of the disk.
        needed: Bytes to be written.

    Raises:
        RunError: If less is free; the message names both.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RunError(
            f"{folder} has no room for a checkpoint: it needs {needed / 1e6:.1f} MB and {free / 1e6:.1f} MB are free; "
            "free some space and run the same command again."
        )


@contextmanager
def atomic_write(target: Path) -> Iterator[IO[bytes]]:
    """Opens a file that appears under its name only when it is complete and on the disk.

    What dead processes left unfinished in the same folder is removed before.

    Args:
        target: Path it will have; a file that is there is replaced.
    """
    remove_stale(target.parent)
    with _unfinished(target) as (name, file):
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            file.close()
            os.replace(name, target)
        except BaseException:
            file.close()
            name.unlink(missing_ok=True)
            raise


@contextmanager
def _unfinished(target: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """Opens and claims a file of another name in the same folder."""
    while True:
        name = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
        with open(name, "xb") as file, mark_in_use(file.fileno()):
            if name.exists():  # or another process took it for left over before it was claimed
                yield name, file
                return


@contextmanager
def mark_in_use(descriptor: int) -> Iterator[None]:
    """Marks an unfinished file as one that a living process writes, so that nobody sweeps it.

    The mark is a lock, which the system removes when the process ends, however it ends.

    Args:
        descriptor: Of the file; it may be closed inside the block.
    """
    if os.name != "posix":  # where a file that is open cannot be removed
        yield
        return
    import fcntl  # only there

    own = os.dup(descriptor)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(own, fcntl.LOCK_EX)
        yield
    finally:
        os.close(own)


def remove_stale(folder: Path) -> None:
    """Removes what dead processes left unfinished in a folder; looks at each folder once a process.

    Args:
        folder: Any. If it cannot be read, nothing is done.
    """
    if folder in _cleaned:
        return
    _cleaned.add(folder)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if UNFINISHED.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                _remove_unclaimed(Path(entry.path))


def _remove_unclaimed(path: Path) -> None:
    """Removes an unfinished file, unless a living process writes it or that cannot be known."""
    with suppress(OSError):
        if os.name != "posix":
            path.unlink()
            return
        import fcntl  # only there

        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises an OSError if it is claimed
            path.unlink()
        finally:
            os.close(descriptor)


def fsync_dir(folder: Path) -> None:
    """Waits until the disk has the folder's list of names, so that a rename in it is there to stay.

    Args:
        folder: The folder.
    """
    if os.name != "posix":  # elsewhere folders cannot be opened, and renames are journalled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
