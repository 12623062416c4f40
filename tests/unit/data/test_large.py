"""Data sets larger than memory: opening reads no pixels, reading keeps nothing, any position is reached at once."""

from __future__ import annotations

import io
import os
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparring.data import Stream, cache, load, readahead
from sparring.data.fingerprint import MAX_BYTES, fingerprint
from sparring.data.ordering import permute
from sparring.data.sources.files import FolderFiles

ROWS, SIDE = 200_000, 32
ROW = SIDE * SIDE * 3
PROC = Path("/proc/self")
linux = pytest.mark.skipif(not (PROC / "smaps_rollup").exists(), reason="reads Linux' /proc")


def private() -> int:
    """Bytes of memory that are this process's own: what files it maps lend it is not."""
    text = (PROC / "smaps_rollup").read_text()
    return 1024 * int(text.split("Anonymous:")[1].split()[0])


def mapped(path: Path) -> int:
    """Bytes of a mapped file that this process has touched."""
    found = (PROC / "smaps").read_text().split(str(path))[1:]
    return sum(1024 * int(each.split("Rss:")[1].split()[0]) for each in found)


def sparse(path: Path, rows: int = ROWS) -> Path:
    """Raw images that are all holes: 600 MB which take no room on the disk."""
    with path.open("wb") as file:
        file.write(cache.npy_header((rows, SIDE, SIDE, 3)))
        file.truncate(file.tell() + rows * ROW)
    return path


def describe(path: Path, rows: int) -> Path:
    """Put a description behind raw images that are all alike, as if they had been prepared."""
    with path.open("rb+") as file:
        head = len(cache.npy_header((rows, SIDE, SIDE, 3)))
        file.seek(head)
        checksum = zlib.crc32(file.read(ROW))
        file.seek(head + rows * ROW)
        checksums = np.full(rows, checksum, np.uint32)
        cache.write_rest(file, (rows, SIDE, SIDE, 3), checksums, None, None, {"classes": [], "content": "0" * 64})
    return path


@pytest.fixture
def described(tmp_path):
    return describe(sparse(tmp_path / "large.npy"), ROWS)


@linux
def test_opening_prepared_images_reads_no_pixel(described):
    before = private()
    data = load(described)
    assert data.values.shape == (ROWS, SIDE, SIDE, 3)
    assert mapped(described) <= 256 * 1024, "more than the head was read"
    assert private() - before < 4e6


@linux
def test_reading_keeps_nothing_however_long(described):
    stream = Stream(load(described), 64, mirror=True)
    for _ in range(20):  # all permanent allocations are made by now
        next(stream)
    before = private()
    tracemalloc.start()
    for _ in range(160):
        next(stream)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert mapped(described) > 3e7, "the images were not read from the map"
    assert private() - before < 5e6
    assert peak < 5e6, "more was held for a moment than a few batches"


@linux
def test_raw_images_are_fingerprinted_by_a_part_of_them(tmp_path):
    path = sparse(tmp_path / "raw.npy")
    data = load(path)
    assert mapped(path) < 4 * MAX_BYTES < data.values.nbytes


def test_a_fingerprint_of_a_large_array_covers_both_ends_and_the_middle():
    values = np.zeros((MAX_BYTES // ROW + 9000, SIDE, SIDE, 3), np.uint8)
    prints = {fingerprint(values)}
    for place in (slice(0, 1), slice(-1, None), slice(len(values) // 2, len(values) // 2 + 40)):
        values[place] = 1
        prints.add(fingerprint(values))
    assert len(prints) == 4


def test_the_order_of_a_million_is_found_at_any_position_at_once():
    begin = time.process_time()
    for position in (0, 10**6 - 64, 10**12):
        permute(np.arange(position, position + 64), 10**6, seed=0)
    assert time.process_time() - begin < 0.1


def resident(path: Path, row: int) -> bool:
    """Whether a row is in memory: reading it does not wait."""
    with path.open("rb") as file:
        try:
            return os.preadv(file.fileno(), [bytearray(ROW)], 128 + row * ROW, os.RWF_NOWAIT) == ROW
        except BlockingIOError:
            return False


def cold(path: Path) -> None:
    """Forget what the system holds of a file."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="queries the page cache of Linux")
@pytest.mark.parametrize("larger", [True, False])
def test_rows_of_a_set_beyond_memory_and_no_others_are_fetched_before_they_are_read(tmp_path, monkeypatch, larger):
    rows = np.arange(500, 5000, 500)
    monkeypatch.setattr(readahead, "physical_memory", lambda: 5000 * ROW * (1 if larger else 3))
    probe = tmp_path / "probe.npy"
    probe.write_bytes(bytes(200 * ROW))
    cold(probe)
    if resident(probe, 100):
        pytest.skip("this disk forgets nothing")
    for patience in (0.2, 2, 10):  # a busy disk is late, and a page that is in use for a moment is not forgotten
        path = tmp_path / f"{patience}.npy"  # each is queried once, since a query makes the system fetch it
        np.save(path, np.ones((5000, SIDE, SIDE, 3), np.uint8))
        data = load(describe(path, 5000))
        cold(path)
        data.subset(np.arange(0, 5000, 500)).prefetch(np.arange(1, 10))
        time.sleep(patience)
        found = [[resident(path, row + off) for row in rows] for off in (0, 100)]
        if found == [[larger] * len(rows), [False] * len(rows)]:
            return
    pytest.fail(f"in memory of what was announced: {found[0]}, of what was not: {found[1]}")


def test_a_fingerprint_announces_what_it_reads(tmp_path, monkeypatch):
    calls, data = [], load(describe(sparse(tmp_path / "large.npy"), ROWS))
    advise = "sparring.data.fingerprint.advise"
    monkeypatch.setattr(advise, lambda values, starts, run: calls.append((starts.tolist(), run)))
    fingerprint(data.values)
    ((starts, run),) = calls
    assert (starts[0], starts[-1], len(starts), run) == (0, ROWS - run, 1024, 64 * 1024 // ROW)


def test_streams_announce_what_they_read(described, monkeypatch):
    calls, data = [], load(described)
    monkeypatch.setattr(type(data), "prefetch", lambda self, rows: calls.append(rows))
    stream = Stream(data, 8, seed=3)
    for _ in range(17):
        next(stream)
    assert np.concatenate(calls).tolist() == permute(np.arange(8 * 32), ROWS, seed=3).tolist()


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_many_files_are_listed_without_being_read_again(tmp_path, monkeypatch, kind):
    names = [f"{number // 100}/{number}.png" for number in range(400)]
    place = tmp_path / ("many.zip" if kind == "zip" else "many")
    if kind == "zip":
        with zipfile.ZipFile(place, "w") as archive:
            for name in names:
                archive.writestr(name, png())
    else:
        for name in names:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(png())
    first = load(place, size=8, cache=tmp_path / "cache")
    monkeypatch.setattr(FolderFiles, "read", None)
    monkeypatch.setattr(zipfile.ZipFile, "read", None)
    begin = time.process_time()
    again = load(place, size=8, cache=tmp_path / "cache")
    assert time.process_time() - begin < 400 * 100e-6, "a million must cost seconds"
    assert (len(again), again.fingerprint, len(again.classes)) == (400, first.fingerprint, 4)
