"""Skips unreadable images. Each image is decoded once and the result is cached."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

from sparring._io.atomic import atomic_write
from sparring.data.sources.files import SUFFIXES, Files, open_files
from sparring.data.sources.image_sources import CHUNK, content_key
from sparring.data.sources.images import decode, quiet_pillow
from sparring.errors import DataError

__all__ = ["Progress", "ReadableFiles", "read_note", "readable_opener", "write_note"]

VERSION = 1  # of the test for readability; a new version repeats it
Progress = Callable[[int, int], None]


class ReadableFiles:
    """Files without the images that cannot be decoded.

    Args:
        files: All files.
        cache: Folder of the cache, where the result is stored.
        progress: Called regularly with the number of images decoded and in total.
    """

    def __init__(self, files: Files, cache: Path, progress: Progress | None = None) -> None:
        self.files, self.cache, self.progress = files, cache, progress

    @property
    def title(self) -> str:
        """Path of the files."""
        return self.files.title

    @cached_property
    def bad(self) -> dict[str, str]:
        """Names of the unreadable images, with the reason."""
        names = [name for name in self.files.entries if name.lower().endswith(SUFFIXES)]
        key = content_key("sifted", VERSION, self.title, list(self.files.entries.items()))[:16]
        record = self.cache / f"{Path(self.title).stem}-{key}.sifted.json"
        known = read_note(record)
        if isinstance(known, dict):
            return known
        found = self._looked(names)
        write_note(record, found)
        return found

    @cached_property
    def entries(self) -> dict[str, tuple[int, int]]:
        """Names of the readable files, to numbers that change with their content."""
        return {name: facts for name, facts in self.files.entries.items() if name not in self.bad}

    @property
    def skipped(self) -> dict[str, str]:
        """Files skipped for other reasons, and images that cannot be decoded."""
        return {**self.files.skipped, **self.bad}

    def read(self, name: str) -> bytes:
        """Return the content of one file.

        Args:
            name: One of the entries.
        """
        return self.files.read(name)

    def close(self) -> None:
        """Close open files."""
        self.files.close()

    def _looked(self, names: list[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(names), CHUNK):
                chunk = names[start : start + CHUNK]
                with quiet_pillow():
                    reasons = list(pool.map(self._reason, chunk))
                found |= {name: reason for name, reason in zip(chunk, reasons, strict=True) if reason}
                if self.progress:
                    self.progress(start + len(chunk), len(names))
        if found and len(found) == len(names):
            raise DataError(f"{self.title} holds {len(names)} image(s), none of which can be read: {found[names[0]]}")
        return found

    def _reason(self, name: str) -> str:
        """Return why an image cannot be used; an empty string if it can."""
        try:
            decode(f"{self.title}: {name}", self.files.read(name), 8, 3)
        except DataError as error:
            return str(error)
        return ""


def write_note(record: Path, facts: object) -> None:
    """Write a result about files to the cache.

    Args:
        record: Path of the note, whose name changes with the content of the files.
        facts: The result, as JSON values.

    Raises:
        DataError: If the cache cannot be written.
    """
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(record) as file:
            file.write(json.dumps({"facts": facts, "crc32": _checksum(facts)}).encode())
    except OSError as error:
        raise DataError(
            f"{record} cannot be written ({error.strerror}): free space or name another folder in $SPARRING_CACHE."
        ) from error


def read_note(record: Path) -> object:
    """Read a note; None if it is missing or damaged.

    Args:
        record: As for `write_note`.
    """
    try:
        known = json.loads(record.read_bytes())
        return known["facts"] if known["crc32"] == _checksum(known["facts"]) else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _checksum(facts: object) -> int:
    return zlib.crc32(json.dumps(facts).encode())


def readable_opener(cache: Path, progress: Progress | None = None) -> Callable[[Path], Files | None]:
    """Return a function that opens files and skips images that cannot be decoded.

    Args:
        cache: Folder of the cache.
        progress: Called regularly with the number of images decoded and in total.
    """

    def opening(path: Path) -> Files | None:
        files = open_files(path)
        return files and ReadableFiles(files, cache, progress)

    return opening
