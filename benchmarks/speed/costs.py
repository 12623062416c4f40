"""Growth of costs: a step over batch and resolution, a batch over the size of the data, metrics over samples.

    python -m benchmarks costs                    all four, one thread, CPU seconds
    python -m benchmarks costs --only batch data --out some.json

Batch and resolution are DCGAN's (width 64, three channels) with random images in memory, in full precision and in
bfloat16, interleaved. The data are a memory-mapped file of zeros: opening it, and gathering a batch of 64 images of 32
× 32 as bytes and scaling them. Metrics get features of 128 coordinates. Medians; ratios are more portable than seconds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks import records
from benchmarks.speed.step_time import RESULTS, SEED, interleaved, timed
from sparring.data import Dataset, Stream
from sparring.metrics import frechet_distance, kernel_distance, precision_recall, sliced_wasserstein
from sparring.recipes import recipe
from sparring.runs import performance
from sparring.training.trainer import train

Rows = dict[str, dict[str, float]]
CLOCK = time.process_time
BATCHES, SIDES, COUNTS, SAMPLES = (
    (16, 32, 64, 128, 256),
    (32, 64, 128),
    (1_000, 10_000, 100_000, 1_000_000),
    (500, 1_000, 2_000, 5_000),
)
PRECISIONS = {"fp32": None, "bf16": torch.bfloat16}


def medians(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Make the calls in turn, and return the median of each one's seconds."""
    return interleaved({name: partial(timed, call, CLOCK) for name, call in calls.items()}, rounds)


def step(shape: tuple[int, int, int], batch: int, rounds: int) -> dict[str, float]:
    """Return images a second of DCGAN, by precision."""
    torch.manual_seed(SEED)
    x = torch.randn(batch, *shape).clamp(-1, 1)
    plays = {
        name: train(recipe("dcgan")(shape), repeat((x,)), sys.maxsize, precision=precision)
        for name, precision in PRECISIONS.items()
    }
    seconds = medians({name: partial(next, play) for name, play in plays.items()}, rounds)
    return {name: batch / each for name, each in seconds.items()}


def over_batch(rounds: int) -> Rows:
    """Images a second by the size of the batch."""
    return {str(batch): step((3, 32, 32), batch, rounds) for batch in BATCHES}


def over_resolution(rounds: int) -> Rows:
    """Images a second by the side of an image, in batches of 16."""
    return {str(side): step((3, side, side), 16, rounds) for side in SIDES}


def over_data(rounds: int) -> Rows:
    """Milliseconds to open a file of `images` images, and to make a batch of 64 of them."""
    found = {}
    with TemporaryDirectory() as folder:
        for count in COUNTS:
            path = Path(folder) / f"{count}.npy"
            np.lib.format.open_memmap(path, "w+", np.uint8, (count, 32, 32, 1))
            start = CLOCK()
            dataset = Dataset("zeros", np.load(path, mmap_mode="r"))
            opened = CLOCK() - start
            batches = Stream(dataset, batch_size=64, seed=SEED)
            made = medians({"batch": partial(next, batches)}, 20 * rounds)["batch"]
            found[str(count)] = {"open": 1000 * opened, "batch": 1000 * made}
    return found


def over_samples(rounds: int) -> Rows:
    """Seconds of each metric by the number of samples."""
    measures = {
        "Fréchet": frechet_distance,
        "kernel": kernel_distance,
        "precision, recall": precision_recall,
        "sliced": sliced_wasserstein,
    }
    found: Rows = {}
    for count in SAMPLES:
        real, fake = torch.randn(2, count, 128, generator=torch.Generator().manual_seed(SEED))
        calls = {name: partial(measure, real, fake) for name, measure in measures.items()}
        found[str(count)] = medians(calls, min(rounds, 3))
    return found


COSTS: dict[str, tuple[Callable[[int], Rows], str, str]] = {
    "batch": (over_batch, "images of a batch", "images a second"),
    "resolution": (over_resolution, "side of an image", "images a second"),
    "data": (over_data, "images of the data", "milliseconds"),
    "samples": (over_samples, "samples", "seconds"),
}
"""What grows: how it is measured, and the names of the two axes."""


def draw(measured: dict[str, Rows], path: Path) -> None:
    """Draw one panel for each thing that grows."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.4 * len(measured), 3.2), dpi=110, layout="constrained")
    for axes, (name, rows) in zip(figure.subplots(1, len(measured), squeeze=False)[0], measured.items(), strict=True):
        for line in next(iter(rows.values())):
            axes.loglog([int(size) for size in rows], [row[line] for row in rows.values()], marker="o", label=line)
        axes.set_xticks([int(size) for size in rows], [f"{int(size):,}" for size in rows], fontsize=8)
        axes.set_xticks([], minor=True)
        axes.set_xlabel(COSTS[name][1])
        axes.set_ylabel(COSTS[name][2])
        axes.legend(fontsize=8)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=COSTS, default=list(COSTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS / "costs.json")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    performance.keep_freed_memory()
    measured: dict[str, Rows] = {}
    for name in chosen.only:
        measured[name] = COSTS[name][0](chosen.rounds)
        for size, row in measured[name].items():
            figures = "  ".join(f"{what} {value:.4g}" for what, value in row.items())
            print(f"{COSTS[name][1]:20}{size:>9}   {figures}   ({COSTS[name][2]})", flush=True)
    records.write(chosen.out, {**records.head(seeds=[SEED], clock=CLOCK.__name__), "costs": measured})
    draw(measured, chosen.out.with_suffix(".png"))
    print(f"Written to {chosen.out} and drawn beside it.")
