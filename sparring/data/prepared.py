"""Prepared images: decoded once to ``uint8`` (N, H, W, C) in one memory-mappable ``.npy`` file, described beside it.

``X.npy`` holds the images, ``X.labels.npy`` the labels, ``X.captions.json`` the captions, ``X.json`` what they are and
the SHA-256 of their content. Each is written under a temporary name, flushed and renamed, the description last; so what
is there is whole.
"""

import io
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np

from sparring.data.captions import Captions
from sparring.data.dataset import Dataset
from sparring.data.identity import description
from sparring.data.sources import Source, stamped
from sparring.durable import written
from sparring.errors import DataError

VERSION = 1  # of the layout and of how pictures become pixels; a new one makes caches start afresh

Progress = Callable[[int, int], None]


def cache_folder(cache: str | Path | None = None) -> Path:
    """Where prepared images are kept: what is given, else ``$SPARRING_CACHE``, else ``~/.cache/sparring``.

    Args:
        cache: A folder, or None.
    """
    return Path(cache or os.environ.get("SPARRING_CACHE") or Path.home() / ".cache" / "sparring").expanduser()


def cached(
    source: Source, size: int | None, channels: int | None, cache: Path, progress: Progress | None = None
) -> Path:
    """Prepare a source in the cache, unless that was done before.

    Args:
        source: Images.
        size: Height and width, or None for the source's default.
        channels: Number of channels, or None for the source's default.
        cache: Folder of the cache.
        progress: Called now and then with the images done and the images there are.

    Returns:
        Path of the ``.npy`` file.

    Raises:
        DataError: An image is damaged, or the cache cannot be written.
    """
    key = stamped(VERSION, source.stamp, size, channels)[:16]
    target = cache / f"{Path(source.title).stem}-{key}.npy"
    return target if described(target) else store(source, target, size, channels, progress)


def store(
    source: Source, target: Path, size: int | None, channels: int | None, progress: Progress | None = None
) -> Path:
    """Prepare a source into a file; only a chunk of images is in memory at a time.

    Args:
        source: Images.
        target: Path of the ``.npy`` file.
        size: Height and width, or None for the source's default.
        channels: Number of channels, or None for the source's default.
        progress: Called now and then with the images done and the images there are.

    Returns:
        The target.

    Raises:
        DataError: An image is damaged, or the target cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with written(target) as file:
            shape, content = write_rows(file, source, source.images(size, channels), progress)
        if source.labels is not None:
            with written(target.with_suffix(".labels.npy")) as file:
                np.save(file, source.labels)
        if source.captions is not None:
            with written(target.with_suffix(".captions.json")) as file:
                file.write(source.captions.content)
        facts = {"sparring": VERSION, "shape": shape, "classes": source.classes, "content": content}
        facts |= {"captions": True} if source.captions is not None else {}
        facts |= {"passed_over": list(source.strays.values())} if source.strays else {}
        with written(target.with_suffix(".json")) as file:
            file.write(json.dumps({"source": source.title, "stamp": source.stamp, **facts}).encode())
    except OSError as error:
        raise DataError(
            f"{target} cannot be written ({error.strerror}): free space or name another folder in $SPARRING_CACHE."
        ) from error
    return target


def write_rows(
    file: IO[bytes], source: Source, images: Iterable[np.ndarray], progress: Progress | None
) -> tuple[tuple[int, ...], str]:
    """Write images in numpy's format, one after another.

    Args:
        file: Open for writing.
        source: Where they come from.
        images: ``uint8`` (H, W, C) each.
        progress: Called now and then with the images done and the images there are.

    Returns:
        Shape (N, H, W, C) and SHA-256 of the content.
    """
    shape: tuple[int, ...] = ()
    for done, image in enumerate(images):
        if not shape:
            shape = (len(source), *image.shape)
            file.write(npy_head(shape))
            sha = description(shape, "uint8", source.labels, source.classes, source.captions)
        content = image.tobytes()
        file.write(content)
        sha.update(content)
        if progress and ((done + 1) % 256 == 0 or done + 1 == len(source)):
            progress(done + 1, len(source))
    return shape, sha.hexdigest()


def npy_head(shape: tuple[int, ...]) -> bytes:
    """What a ``.npy`` file of bytes begins with.

    Args:
        shape: Of the whole array.
    """
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return head.getvalue()


def described(target: Path) -> dict[str, Any] | None:
    """The description beside a prepared file, if there is a good one.

    Args:
        target: Path of the ``.npy`` file.
    """
    try:
        facts = json.loads(target.with_suffix(".json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return facts if target.is_file() and isinstance(facts, dict) and facts.get("sparring") == VERSION else None


def opened(name: str, target: Path) -> Dataset:
    """Open prepared images, memory-mapped.

    Args:
        name: Name of the data.
        target: Path of the ``.npy`` file.

    Raises:
        DataError: The files do not fit together.
    """
    facts = described(target)
    try:
        values = np.lib.format.open_memmap(target, mode="r")
        labels = np.load(target.with_suffix(".labels.npy")) if facts and facts["classes"] else None
        captions = _captions(target) if facts and facts.get("captions") else None
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{target} cannot be read ({error}): remove it and prepare the images again.") from error
    if facts is None or list(values.shape) != facts["shape"]:
        raise DataError(f"{target} does not fit its description: remove both and prepare the images again.")
    more: Any = {"captions": captions, "passed_over": tuple(facts.get("passed_over", ()))}
    return Dataset(name, values, labels, tuple(facts["classes"]), None, facts["content"], **more)


def _captions(target: Path) -> Captions:
    """The captions beside a prepared file."""
    return Captions(tuple(map(tuple, json.loads(target.with_suffix(".captions.json").read_bytes()))))
