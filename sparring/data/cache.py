"""Prepared images: decoded once to ``uint8`` (N, H, W, C) in a memory-mappable ``.npy`` file with its metadata.

    X.npy    the array as numpy writes it | MAGIC | checksums | labels | captions | description | footer

numpy reads the array only. After it follow the CRC-32 of each image, the labels, the captions, and a description as
JSON: the source, the SHA-256 of the content, the CRC-32 of the other parts. The file is written under a temporary name,
flushed and renamed, so that all parts are replaced at once.

Version 1 had no checksums, and stored labels, captions and the description in separate files (``X.labels.npy``,
``X.captions.json``, ``X.json``). Such files are still read.
"""

import io
import json
import logging
import os
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from sparring._io.atomic import atomic_write
from sparring._io.paths import expand_user
from sparring._types import JsonObject, Settings
from sparring.data.annotations.captions import Captions
from sparring.data.checksums import ChecksummedImages
from sparring.data.dataset import Dataset
from sparring.data.fingerprint import begin_fingerprint
from sparring.data.frames import Size
from sparring.data.sources.image_sources import Source, content_key
from sparring.errors import UNREADABLE, DataError

VERSION = 2  # of the layout and of the decoding of images; a new version invalidates caches
LEGACY_VERSION = 1  # the last version with separate files
MAGIC = b"SPARRING"  # after the array, and in the footer
FOOTER = struct.Struct("<8sQII")  # MAGIC, offset of the first MAGIC, size of the description, CRC-32

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


def cache_folder(cache: str | Path | None = None) -> Path:
    """Return the folder of prepared images: the argument, else ``$SPARRING_CACHE``, else ``~/.cache/sparring``.

    Args:
        cache: A folder, or None.
    """
    return expand_user(cache or os.environ.get("SPARRING_CACHE") or "~/.cache/sparring")


def prepare_in_cache(
    source: Source, size: Size | None, channels: int | None, cache: Path, progress: Progress | None = None
) -> Path:
    """Prepare a source in the cache, unless the cache holds it already.

    Args:
        source: Images.
        size: Height and width, or None for the source's default.
        channels: Number of channels, or None for the source's default.
        cache: Folder of the cache.
        progress: Called regularly with the number of images done and in total.

    Returns:
        Path of the ``.npy`` file.

    Raises:
        DataError: If an image is damaged, or the cache cannot be written.
    """
    key = content_key(VERSION, source.stamp, size, channels)[:16]
    target = cache / f"{Path(source.title).stem}-{key}.npy"
    try:
        if read_prepared(target):
            return target
    except DataError:
        log.warning("%s is damaged. It is prepared again from its source.", target)
    return prepare_file(source, target, size, channels, progress)


def prepare_file(
    source: Source, target: Path, size: Size | None, channels: int | None, progress: Progress | None = None
) -> Path:
    """Prepare a source into a file, with one chunk of images in memory at a time.

    Args:
        source: Images.
        target: Path of the ``.npy`` file.
        size: Height and width, or None for the source's default.
        channels: Number of channels, or None for the source's default.
        progress: Called regularly with the number of images done and in total.

    Returns:
        The target.

    Raises:
        DataError: If an image is damaged, or the target cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(target) as file:
            shape, content, checksums = write_rows(file, source, source.images(size, channels), progress)
            facts: JsonObject = {
                "source": source.title,
                "stamp": source.stamp,
                "content": content,
                "classes": source.classes,
            }
            facts |= {"passed_over": list(source.skipped.values())} if source.skipped else {}
            shown = source.content(size)
            facts |= {} if shown is None else {"shown": shown}
            write_rest(file, shape, checksums, source.labels, source.captions, facts)
        for old in legacy_files(target):
            old.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"{target} cannot be written ({error.strerror}): free space or name another folder in $SPARRING_CACHE."
        ) from error
    return target


def write_rows(
    file: IO[bytes], source: Source, images: Iterable[np.ndarray], progress: Progress | None
) -> tuple[tuple[int, ...], str, np.ndarray]:
    """Write images in numpy's format, one after another.

    Args:
        file: Open for writing.
        source: Source of the images.
        images: ``uint8`` (H, W, C) each.
        progress: Called regularly with the number of images done and in total.

    Returns:
        Shape (N, H, W, C), SHA-256 of the content, and CRC-32 of each image, uint32 (N,).
    """
    shape: tuple[int, ...] = ()
    checksums = np.zeros(len(source), "<u4")
    for done, image in enumerate(images):
        if not shape:
            shape = (len(source), *image.shape)
            file.write(npy_header(shape))
            sha = begin_fingerprint(shape, "uint8", source.labels, source.classes, source.captions)
        content = image.tobytes()
        file.write(content)
        sha.update(content)
        checksums[done] = zlib.crc32(content)
        if progress and ((done + 1) % 256 == 0 or done + 1 == len(source)):
            progress(done + 1, len(source))
    return shape, sha.hexdigest(), checksums


def write_rest(
    file: IO[bytes],
    shape: tuple[int, ...],
    checksums: np.ndarray,
    labels: np.ndarray | None,
    captions: Captions | None,
    facts: JsonObject,
) -> None:
    """Write the part of a prepared file that follows the images.

    Args:
        file: Open for writing, at the end of the last image.
        shape: Shape (N, H, W, C).
        checksums: CRC-32 of each image, uint32 (N,).
        labels: Class indices, int64 (N,), or None.
        captions: Captions of the images, or None.
        facts: The rest of the description, with ``content`` and ``classes``.
    """
    parts = {
        "labels": b"" if labels is None else labels.astype("<i8").tobytes(),
        "captions": b"" if captions is None else captions.content,
    }
    facts = {"sparring": VERSION, "shape": shape, **facts, "head": zlib.crc32(npy_header(shape))}
    facts |= {name: [len(part), zlib.crc32(part)] for name, part in parts.items()}
    text, start = json.dumps(facts).encode(), file.tell()
    file.write(MAGIC + checksums.astype("<u4").tobytes() + b"".join(parts.values()) + text)
    file.write(FOOTER.pack(MAGIC, start, len(text), _sealed(text, start)))


def _sealed(text: bytes, start: int) -> int:
    """Return the CRC-32 of a description and its offset."""
    return zlib.crc32(FOOTER.pack(MAGIC, start, len(text), 0), zlib.crc32(text))


def npy_header(shape: tuple[int, ...]) -> bytes:
    """Return the header of a ``.npy`` file of bytes.

    Args:
        shape: Shape of the array.
    """
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return head.getvalue()


@dataclass(frozen=True)
class PreparedFile:
    """Content of a prepared file.

    Attributes:
        facts: The description.
        values: Images ``uint8`` (N, H, W, C), mapped.
        labels: Class indices, int64 (N,), or None.
        captions: Captions of the images, or None.
        checksums: CRC-32 of each image, uint32 (N,), mapped; None in a file of version 1.
    """

    facts: JsonObject
    values: np.ndarray
    labels: np.ndarray | None
    captions: Captions | None
    checksums: np.ndarray | None


def read_prepared(target: Path) -> PreparedFile | None:
    """Read a prepared file without its images; None if it does not exist or is a plain array.

    Args:
        target: Path of the ``.npy`` file.

    Raises:
        DataError: If it is a prepared file and any part but its images is damaged.
    """
    try:
        size = target.stat().st_size
        with target.open("rb") as file:
            end = _footer(file, size)
            if end is None:
                return _stored_beside(target)
            return _stored(target, file, size, *end)
    except FileNotFoundError:
        return None
    except (*UNREADABLE, EOFError) as error:
        raise DataError(f"{target} is damaged ({error}): remove it and prepare the images again.") from error


def _footer(file: IO[bytes], size: int) -> tuple[int, bytes] | None:
    """Return the offset of the part after the images, and the description; None for a plain array."""
    file.seek(max(0, size - FOOTER.size))
    found = file.read(FOOTER.size)
    magic, start, length, seal = FOOTER.unpack(found.rjust(FOOTER.size, b"\0"))
    if magic == MAGIC:
        file.seek(max(0, size - FOOTER.size - length))
        text = file.read(length)
        if _sealed(text, start) != seal:
            raise ValueError("the checksum of its description is wrong")
        return start, text
    file.seek(0)
    if file.read(6) == np.lib.format.MAGIC_PREFIX:
        behind = _behind(file)
        if behind is not None and size > behind:
            file.seek(behind)
            if file.read(len(MAGIC)) == MAGIC:
                raise ValueError("its end is missing or damaged")
    return None


def _behind(file: IO[bytes]) -> int | None:
    """Return the offset of the end of the array in a file; None if the header is malformed."""
    file.seek(0)
    try:
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, kind = read[np.lib.format.read_magic(file)](file)
    except (ValueError, KeyError):
        return None
    return file.tell() + int(np.prod(shape, dtype=object)) * kind.itemsize


def _stored(target: Path, file: IO[bytes], size: int, start: int, text: bytes) -> PreparedFile:
    """Read a file whose description has been verified."""
    facts = json.loads(text)
    if facts["sparring"] != VERSION:
        raise ValueError(f"its version is {facts['sparring']}, not {VERSION}")
    shape, (labels, captions) = tuple(facts["shape"]), (facts[name] for name in ("labels", "captions"))
    head, count = npy_header(shape), shape[0]
    known = start + len(MAGIC) + 4 * count
    if known + labels[0] + captions[0] + len(text) + FOOTER.size != size:
        raise ValueError("its size does not match its description")
    file.seek(0)
    parts = {"head": (file.read(len(head)), facts["head"])}
    file.seek(known)
    parts |= {name: (file.read(facts[name][0]), facts[name][1]) for name in ("labels", "captions")}
    for name, (part, checksum) in parts.items():
        if zlib.crc32(part) != checksum:
            raise ValueError(f"the checksum of its {name} is wrong")
    words, numbers = parts["captions"][0], parts["labels"][0]
    return PreparedFile(
        facts,
        np.lib.format.open_memmap(target, mode="r"),
        np.frombuffer(numbers, "<i8").astype(np.int64) if numbers else None,
        Captions(tuple(map(tuple, json.loads(words)))) if words else None,
        np.memmap(target, "<u4", "r", start + len(MAGIC), (count,)),
    )


def legacy_files(target: Path) -> list[Path]:
    """Return the separate files of a version 1 preparation, the description first.

    Args:
        target: Path of the ``.npy`` file.
    """
    if _described_beside(target) is None:
        return []
    return [target.with_suffix(ending) for ending in (".json", ".labels.npy", ".captions.json")]


def _described_beside(target: Path) -> JsonObject | None:
    try:
        facts = json.loads(target.with_suffix(".json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) and facts.get("sparring") == LEGACY_VERSION else None


def _stored_beside(target: Path) -> PreparedFile | None:
    """Read a file of version 1."""
    facts = _described_beside(target)
    if facts is None:
        return None
    values = np.lib.format.open_memmap(target, mode="r")
    if list(values.shape) != facts["shape"]:
        raise ValueError("its shape does not match its description")
    labels = np.load(target.with_suffix(".labels.npy")) if facts["classes"] else None
    words = json.loads(target.with_suffix(".captions.json").read_bytes()) if facts.get("captions") else None
    return PreparedFile(facts, values, labels, None if words is None else Captions(tuple(map(tuple, words))), None)


def open_prepared(name: str, target: Path, again: Callable[[], object] | None = None) -> Dataset:
    """Open prepared images, memory-mapped. The checksum of each image is verified at its first read.

    Args:
        name: Name of the data.
        target: Path of the ``.npy`` file.
        again: Function that prepares the file again, for files of a cache, which are replaced if an image is damaged.

    Raises:
        DataError: If the file does not exist, or any part but its images is damaged.
    """
    found = read_prepared(target)
    if found is None:
        raise DataError(f"{target} does not exist or is not a prepared file: prepare the images again.")
    facts = found.facts
    more: Settings = {"captions": found.captions, "skipped": tuple(facts.get("passed_over", ()))}
    if shown := facts.get("shown"):
        more["content"] = (int(shown[0]), int(shown[1]))
    if found.checksums is not None:
        mend = None if again is None else lambda: _remade(target, facts["content"], again)
        more["checksummed"] = ChecksummedImages(target, found.values, found.checksums, mend)
    return Dataset(name, found.values, found.labels, tuple(facts["classes"]), None, facts["content"], **more)


def _remade(target: Path, content: str, again: Callable[[], object]) -> ChecksummedImages | None:
    """Prepare a file of the cache again. Return None if the content of its source has changed."""
    target.unlink(missing_ok=True)
    again()
    found = read_prepared(target)
    if found is None or found.checksums is None or found.facts["content"] != content:
        return None
    return ChecksummedImages(target, found.values, found.checksums)
