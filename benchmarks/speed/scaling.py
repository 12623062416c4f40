"""Data-parallel training: one process against two, the cost of communication, and a model for up to 64 GPUs.

    python -m benchmarks scaling              about three minutes on two free cores; also updates the tables in the docs
    python -m benchmarks scaling --steps 1    a quick check that it works
    python -m benchmarks scaling --paper      no measurement: recompute the model and the tables from the record

Every process has one thread and its own share of the batch, random images in memory. Two processes on the machine's
cores communicate by gloo. *Exchanging* is the time in all-reduce of the process that waits less, *waiting* the extra
time of the other one; the same number of bytes is also sent on its own. The model is a ring: n processes need 2 (n - 1)
hops a message, and each sends 2 (n - 1) / n of its bytes, without overlap with computation. Latency and bandwidth are
fitted to messages of 4 bytes to 64 MiB between two processes. Figures for GPUs are computed, not measured.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from benchmarks import records
from benchmarks.speed.step_time import CASES, RESULTS, Work, named
from sparring.game import Game
from sparring.recipes.options import Networks
from sparring.runs import performance
from sparring.training import distributed
from sparring.training.trainer import StepReport, train

ROOT = Path(__file__).parents[2]
OUT, PAGE = RESULTS / "scaling.json", ROOT / "docs" / "explanation" / "measured" / "distributed.md"
SIZES = tuple(4**k for k in range(1, 14))  # bytes of the messages that the link is fitted to
BUSY = 1.0  # load average beyond which times are meaningless
RUNS_OWN = 2  # small messages of a step that a run adds: the means of the terms, and a stop request


@dataclass(frozen=True)
class Case:
    """What is trained: its name, how it is built from a shape, images of each process, steps that are timed."""

    title: str
    game: Any
    batch: int
    steps: int


RESNET = named("sngan", networks=Networks(network="resnet", latent=128))
GAMES = {
    "dcgan32": Case("DCGAN-32", CASES["dcgan32"].game, 32, 24),
    "sngan-resnet32": Case("SNGAN-ResNet-32", RESNET, 8, 5),
}


@dataclass(frozen=True)
class Link:
    """What lies between neighbours of a ring: seconds of a hop, and bytes a second that a process sends."""

    latency: float
    bandwidth: float

    def seconds(self, processes: int, messages: int, size: float) -> float:
        """Seconds of so many all-reduces of so many bytes in all, in a ring of processes.

        >>> Link(1e-3, 1e6).seconds(2, 3, 1e6), Link(0, 1e6).seconds(4, 1, 1e6)
        (1.006, 1.5)
        """
        hops, share = 2 * (processes - 1), 2 * (processes - 1) / processes
        return messages * hops * self.latency + share * size / self.bandwidth


# What the calculation assumes of GPUs: published nominal figures rounded down, none of them measured here.
LINKS = {
    "NVLink, 300 GB/s, 5 µs": Link(5e-6, 300e9),
    "InfiniBand, 25 GB/s, 10 µs": Link(10e-6, 25e9),
    "Ethernet, 3 GB/s, 50 µs": Link(50e-6, 3e9),
}
GPU_RATE, GPU_BATCH, GPUS = 20e12, 64, (2, 8, 16, 64)


def played(case: Case, batch: int) -> Iterator[StepReport]:
    """Train without end, as a run would with --fast auto; every process builds the same game."""
    torch.manual_seed(0)
    game: Game = case.game((3, 32, 32))
    how = performance.PerformanceOptions.for_game("auto", game)
    assert how
    how.apply(game)
    players = game.players()
    how.fuse(players.values())
    x = torch.randn(batch, 3, 32, 32).clamp(-1, 1)
    return train(game, repeat((x,)), sys.maxsize, players=players)


def stepping(case: Case, batch: int, steps: int) -> dict[str, Any]:
    """Time steps after one that is not counted."""
    playing = played(case, batch)
    report, rows = next(playing), []
    for _ in range(steps):
        begin = time.perf_counter()
        report = next(playing)
        rows.append((time.perf_counter() - begin, report.exchange.seconds))
    took, exchanging = _everyone(torch.tensor(rows))
    return {
        "seconds_a_step": statistics.median(took.amax(0).tolist()),
        "exchanging": statistics.median(exchanging.amin(0).tolist()),
        "waiting": statistics.median((exchanging.amax(0) - exchanging.amin(0)).tolist()),
        "bytes": report.exchange.bytes,
        "messages": report.exchange.times,
    }


def _everyone(rows: torch.Tensor) -> torch.Tensor:
    """Columns of all processes, (columns, processes, rows)."""
    every = [rows.clone() for _ in range(distributed.world_size())]
    if len(every) > 1:
        dist.all_gather(every, rows)
    return torch.stack(every).permute(2, 0, 1)


def messages(sizes: tuple[int, ...]) -> dict[str, float]:
    """Seconds of an all-reduce of each size, with nothing else going on; the median of some."""
    measured = {}
    for size in sizes:
        flat, times = torch.ones(size // 4), []
        for _ in range(5 if size > 2**24 else 21):
            distributed.barrier()
            begin = time.perf_counter()
            dist.all_reduce(flat)
            times.append(time.perf_counter() - begin)
        measured[str(size)] = statistics.median(times)
    return measured


def worker(out: Path, steps: int | None) -> None:
    """Run one process; rank 0 writes the measurements."""
    torch.set_num_threads(1)
    performance.keep_freed_memory()
    distributed.init_process_group(torch.device("cpu"))
    seen: dict[str, Any] = {}
    for name, case in GAMES.items():
        for share in (1,) if distributed.world_size() > 1 else (1, 2):
            seen.setdefault(name, {})[str(share)] = stepping(case, share * case.batch, steps or case.steps)
    if distributed.world_size() > 1:
        seen["alone"] = messages(tuple(seen[name]["1"]["bytes"] for name in GAMES))
        seen["messages"] = messages(SIZES)
    if distributed.rank() == 0:
        out.write_text(json.dumps(seen))
    distributed.barrier()
    distributed.destroy_process_group()


def launched(processes: int, folder: Path, steps: int | None) -> dict[str, Any]:
    """Start the processes, and return what the first wrote down."""
    out = folder / f"{processes}.json"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    more = ["--steps", str(steps)] if steps else []
    subprocess.run([*launcher, "--module", __name__, "--worker", str(out), *more], cwd=ROOT, check=True)
    return json.loads(out.read_text())


def fitted(measured: dict[str, float]) -> Link:
    """Fit latency and bandwidth of the link to message times, by least squares of relative errors."""
    sizes, seconds = (np.array([*map(float, each)]) for each in (measured.keys(), measured.values()))
    slope, start = np.polyfit(sizes, seconds, 1, w=1 / seconds)
    return Link(float(max(start, 0) / 2), float(1 / slope))


def compared(name: str, one: dict[str, Any], two: dict[str, Any], link: Link) -> dict[str, Any]:
    """One process against two: the same share each, and the same batch in all."""
    case, alone, both, pair = GAMES[name], one[name]["1"], one[name]["2"], two[name]["1"]
    size = pair["bytes"]
    return {
        "images_of_a_process": case.batch,
        "bytes_a_step": size,
        "messages_a_step": pair["messages"],
        "one_process_seconds": alone["seconds_a_step"],
        "one_process_both_shares_seconds": both["seconds_a_step"],
        "two_processes_seconds": pair["seconds_a_step"],
        "exchanging_seconds": pair["exchanging"],
        "waiting_seconds": pair["waiting"],
        "same_bytes_alone_seconds": two["alone"][str(size)],
        "model_seconds": link.seconds(2, pair["messages"], size),
        "throughput": 2 * alone["seconds_a_step"] / pair["seconds_a_step"],
        "speed_up": both["seconds_a_step"] / pair["seconds_a_step"],
        "gflop_an_image": work(case) / 1e9,
    }


def work(case: Case) -> float:
    """Floating-point operations of a step for one of its images."""
    playing = played(case, 2)
    next(playing)
    with Work() as counted:
        next(playing)
    return counted.done.total() / 2


def on_paper(measured: dict[str, Any]) -> dict[str, Any]:
    """Efficiency of n GPUs: a GPU's own work as a share of its step, when nothing overlaps."""
    own = GPU_BATCH * measured["gflop_an_image"] * 1e9 / GPU_RATE
    told = measured["messages_a_step"] + RUNS_OWN
    return {
        "step_of_one_seconds": own,
        "efficiency": {
            name: {str(n): own / (own + link.seconds(n, told, measured["bytes_a_step"])) for n in GPUS}
            for name, link in LINKS.items()
        },
    }


def tables(record: dict[str, Any]) -> list[str]:
    """The tables of the page: what was measured, and what was calculated."""
    rows = [
        "| | DCGAN-32 | SNGAN-ResNet-32 |\n|---|---|---|",
        _row(record, "images of a process and step", "{images_of_a_process}"),
        _row(record, "bytes that a process exchanges in a step", "{bytes_a_step:,}"),
        _row(record, "messages of a step", "{messages_a_step}"),
        _row(record, "step of one process with its share", "{one_process_seconds:.3f} s"),
        _row(record, "step of one process with both shares", "{one_process_both_shares_seconds:.3f} s"),
        _row(record, "step of two processes", "{two_processes_seconds:.3f} s"),
        _row(record, "of it exchanging", "{exchanging_seconds:.4f} s"),
        _row(record, "the later one's wait for the earlier, on top", "{waiting_seconds:.4f} s"),
        _row(record, "as many bytes in one message, nothing else going on", "{same_bytes_alone_seconds:.4f} s"),
        _row(record, "exchanging by the model", "{model_seconds:.4f} s"),
        _row(record, "images a second, two processes against one", "{throughput:.2f}"),
        _row(record, "the same batch sooner by", "{speed_up:.2f}"),
    ]
    link = Link(**record["link"])
    fit = f"Fitted link: {1e6 * link.latency:.0f} µs a hop, {link.bandwidth / 1e9:.2f} GB/s."
    if (load := record["machine"]["load"]) > BUSY:
        fit += f" **The machine was busy (load {load:.0f}): bytes and messages hold, seconds do not.**"
    paper = [f"| GPUs | {' | '.join(map(str, GPUS))} |\n|---{'|---' * len(GPUS)}|"]
    for name, case in GAMES.items():
        own = record["cases"][name]["on_paper"]
        for kind, efficiency in own["efficiency"].items():
            shares = " | ".join(f"{efficiency[str(n)]:.0%}" for n in GPUS)
            paper.append(f"| {case.title} ({1e3 * own['step_of_one_seconds']:.1f} ms), {kind} | {shares} |")
    return ["\n".join([*rows, "", fit]), "\n".join(paper)]


def _row(record: dict[str, Any], title: str, form: str) -> str:
    return " | ".join([f"| {title}", *(form.format(**record["cases"][name]) for name in GAMES)]) + " |"


def quoted(page: str, record: dict[str, Any]) -> str:
    """The page with its tables brought up to date: what stands between its marks."""
    for name, table in zip(("measured", "calculated"), tables(record), strict=True):
        before, _, rest = page.partition(f"<!-- {name} -->")
        _, _, after = rest.partition(f"<!-- end of {name} -->")
        page = f"{before}<!-- {name} -->\n\n{table}\n\n<!-- end of {name} -->{after}"
    return page


def measure(steps: int | None) -> dict[str, Any]:
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        one, two = (launched(processes, Path(folder), steps) for processes in (1, 2))
    link = fitted(two["messages"])
    cases = {name: compared(name, one, two, link) for name in GAMES}
    found = {"link": asdict(link), "messages": two["messages"], "cases": cases}
    return {**records.head(clock="perf_counter", load=load, threads=1), **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, help="how many are timed of each game")
    parser.add_argument("--paper", action="store_true", help="measure nothing, calculate from the record")
    parser.add_argument("--out", type=Path, help=f"write there, and leave {PAGE.name} alone")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker:
        worker(chosen.worker, chosen.steps)
        return
    record = json.loads(OUT.read_text()) if chosen.paper else measure(chosen.steps)
    for case in record["cases"].values():
        case["on_paper"] = on_paper(case)
    links = {name: asdict(link) for name, link in LINKS.items()}
    record["assumed"] = {"gpu_flops_a_second": GPU_RATE, "gpu_batch": GPU_BATCH, "links": links}
    records.write(chosen.out or OUT, record)
    if not chosen.out:
        PAGE.write_text(quoted(PAGE.read_text(), record))
    print("\n\n".join(tables(record)))


if __name__ == "__main__":
    main()
