"""A data set of a million images: time to open it, memory, and reading speed.

    python -m benchmarks large_data                  a few minutes, 3 GB in a temporary folder
    python -m benchmarks large_data --files 100000   also this many image files, as a folder and as a zip

One million images of 3 × 32 × 32 random bytes are opened, prepared and as a raw array, with the file in the page cache
(warm) and evicted from it (cold), and read in shuffled order. *Own* memory belongs to the process alone (anonymous
pages), *mapped* memory are pages of the file that the system reclaims when it needs them. CPU seconds are those of one
thread and hold on a busy machine; wall seconds depend on the load, which is recorded.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import sparring
from benchmarks import records
from sparring.data import Dataset, Stream, cache, load, readahead
from sparring.recipes import recipe
from sparring.training.trainer import train

OUT = Path(__file__).parent / "results" / "large_data.json"
SIDE, BATCH, BLOCK = 32, 64, 20_000
MIB = 2**20


def own() -> float:
    """MiB that belong to this process alone."""
    return _total(Path("/proc/self/smaps_rollup").read_text(), "Anonymous")


def mapped(path: Path) -> float:
    """MiB of a file that are lent to this process."""
    found = Path("/proc/self/smaps").read_text().split(str(path))[1:]
    return sum(_total(each, "Rss") for each in found)


def _total(text: str, name: str) -> float:
    return int(text.split(f"{name}:")[1].split()[0]) / 1024


def read_bytes() -> float:
    """MiB that this process made the disk read."""
    return int(Path("/proc/self/io").read_text().split("\nread_bytes:")[1].split()[0]) / MIB


@contextmanager
def costs(into: dict[str, Any]) -> Iterator[None]:
    """Note what the block costs."""
    wall, cpu, memory, disk = time.perf_counter(), time.process_time(), own(), read_bytes()
    yield
    into["wall_seconds"] = round(time.perf_counter() - wall, 3)
    into["cpu_seconds"] = round(time.process_time() - cpu, 3)
    into["own_memory_mib"] = round(own() - memory, 1)
    into["read_from_disk_mib"] = round(read_bytes() - disk, 1)


def forget(path: Path) -> None:
    """Throw a file out of the system's memory."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def make(path: Path, count: int) -> None:
    """Write random images as a raw array."""
    block = np.random.default_rng(0).integers(0, 256, (BLOCK, SIDE, SIDE, 3), np.uint8)
    with path.open("wb") as file:
        file.write(cache.npy_header((count, SIDE, SIDE, 3)))
        for start in range(0, count, BLOCK):
            file.write(np.roll(block, start // BLOCK, axis=0)[: count - start].tobytes())


def describe(path: Path, count: int) -> None:
    """Put behind it what preparing it would have."""
    shape = (count, SIDE, SIDE, 3)
    checksums = np.array([zlib.crc32(image) for image in np.load(path, mmap_mode="r")], np.uint32)
    with path.open("ab") as file:
        cache.write_rest(file, shape, checksums, None, None, {"classes": [], "content": "0" * 64})


def opening(path: Path) -> dict[str, Any]:
    """Open warm and cold."""
    measured: dict[str, Any] = {}
    for state in ("cold", "warm"):
        if state == "cold":
            forget(path)
        with costs(measured.setdefault(state, {})):
            data = load(path)
        measured[state]["mapped_mib"] = round(mapped(path), 1)
        del data
    return measured


def reading(stream: Stream, path: Path, batches: int) -> dict[str, Any]:
    """Read in shuffled order, in five stretches."""
    memory, seconds = [own()], []
    for _ in range(5):
        begin = time.process_time()
        for _ in islice(stream, batches // 5):
            continue
        seconds.append((time.process_time() - begin) / (batches // 5))
        memory.append(own())
    return {
        "batches": batches,
        "cpu_ms_a_batch": round(1e3 * statistics.median(seconds), 3),
        "batches_a_second_of_cpu": round(1 / statistics.median(seconds)),
        "own_memory_grew_mib": [round(now - memory[0], 1) for now in memory[1:]],
        "mapped_mib": round(mapped(path), 1),
    }


def checking(path: Path, batches: int) -> dict[str, Any]:
    """Milliseconds of CPU for a batch without checksums, when each image is checked, and when all of them have been."""
    data, found = load(path), {}
    plain = Dataset(data.name, data.values, fingerprint=data.fingerprint)
    ways = (("", plain), ("without checksums", plain), ("for the first time", data), ("again", data))
    for name, rows in ways:  # the first maps the pages of the file
        stream = Stream(rows.subset(np.arange(BATCH * batches)), BATCH, seed=2)
        begin = time.process_time()
        for _ in islice(stream, batches):
            continue
        found[name] = round(1e3 * (time.process_time() - begin) / batches, 3)
    return {"batches": batches, "cpu_ms_a_batch": {name: cost for name, cost in found.items() if name}}


def cold_reading(path: Path, batches: int) -> dict[str, Any]:
    """Read a set that is not in memory as one larger than it: by chance, and announced."""
    measured: dict[str, Any] = {}
    memory = readahead.total_memory
    for name, size in (("left to the system", memory), ("announced", lambda: 0)):
        readahead.total_memory = size
        forget(path)
        stream = Stream(load(path), BATCH, seed=1)
        disk, begin = read_bytes(), time.perf_counter()
        for _ in islice(stream, batches):
            continue
        seconds = time.perf_counter() - begin
        del stream  # what is mapped cannot be forgotten
        measured[name] = {
            "batches": batches,
            "batches_a_second": round(batches / seconds, 1),
            "read_from_disk_kib_an_image": round((read_bytes() - disk) * 1024 / (batches * BATCH), 1),
        }
    readahead.total_memory = memory
    return measured


def seeking(data: Dataset) -> dict[str, Any]:
    """Find positions of an endless order: the first batch after seeking, in milliseconds of CPU."""
    stream, times = Stream(data, BATCH), {}
    for position in (0, 10**4, 10**9, 10**14):
        begin = time.process_time()
        stream.seek(position)
        next(stream)
        times[f"{position:.0e}"] = round(1e3 * (time.process_time() - begin), 2)
    begin = time.process_time()
    for start in range(0, len(data), BLOCK):
        sparring.data.ordering.permute(np.arange(start, start + BLOCK), len(data), 0)
    return {"ms_by_position": times, "cpu_seconds_for_the_order_of_an_epoch": round(time.process_time() - begin, 3)}


def step_of_dcgan(steps: int) -> float:
    """CPU milliseconds that a step of DCGAN on such a batch takes."""
    x = torch.rand(BATCH, 3, SIDE, SIDE) * 2 - 1
    playing = train(recipe("dcgan")((3, SIDE, SIDE)), iter(lambda: (x,), None), steps + 1)
    next(playing)
    begin = time.process_time()
    for _ in playing:
        continue
    return 1e3 * (time.process_time() - begin) / steps


def listing(folder: Path, count: int) -> dict[str, Any]:
    """Open so many image files as a folder, where those of a thousand are links to one, and as a zip."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    with zipfile.ZipFile(folder / "many.zip", "w") as archive:
        for number in range(count):
            part = f"{number // 1000:04}"
            archive.writestr(f"{part}/{number:07}.png", file.getvalue())
            place, first = (folder / "many" / part / f"{each:07}.png" for each in (number, number // 1000 * 1000))
            if place != first:
                os.link(first, place)
            else:
                place.parent.mkdir(parents=True)
                place.write_bytes(file.getvalue())
    measured: dict[str, Any] = {"files": count}
    for kind in ("many", "many.zip"):
        with costs(measured.setdefault(f"{kind}, prepared now", {})):
            load(folder / kind, size=8, cache=folder / "cache")
        with costs(measured.setdefault(f"{kind}, prepared before", {})):
            load(folder / kind, size=8, cache=folder / "cache")
    return measured


def measure(folder: Path, count: int, files: int) -> dict[str, Any]:
    path = folder / "million.npy"
    make(path, count)
    found: dict[str, Any] = {"images": count, "bytes": path.stat().st_size}
    found["opened as a raw array"] = opening(path)
    describe(path, count)
    found["opened prepared"] = opening(path)
    found["read cold"] = cold_reading(path, 100)
    found["checked"] = checking(path, min(5000, count // BATCH))
    data = load(path)
    ways: dict[str, Callable[[], Stream]] = {
        "read": lambda: Stream(data, BATCH),
        "read and mirrored": lambda: Stream(data, BATCH, mirror=True),
        "read and cropped": lambda: Stream(windows(data), BATCH, mirror=True),
    }
    for name, stream in ways.items():
        found[name] = reading(stream(), path, 5000)
        print(name, found[name], flush=True)
    found["sought"] = seeking(data)
    found["dcgan_cpu_ms_a_step"] = round(step_of_dcgan(10), 1)
    found["dcgan_steps_for_one_batch"] = round(found["dcgan_cpu_ms_a_step"] / found["read"]["cpu_ms_a_batch"])
    found["listed"] = listing(folder, files)
    return found


def windows(data: Dataset) -> Dataset:
    """The same images, cropped to windows of 28 × 28."""
    return Dataset(data.name, data.values, crop_margin=4, fingerprint=data.fingerprint)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10**6)
    parser.add_argument("--files", type=int, default=10**5)
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), chosen.images, chosen.files)
    record = {
        **records.head(clock="process_time", load=os.getloadavg()[0]),
        **found,
    }
    records.write(chosen.out, record)
    print(json.dumps(record, indent=1))
