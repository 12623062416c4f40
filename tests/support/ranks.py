"""Script of each of two processes under torchrun; test_parallel.py checks the files that they write.

torchrun --nproc-per-node 2 ranks.py FOLDER
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script, it finds its helpers

from sparring import data
from sparring.errors import DataError, Diverged, RunError
from sparring.runs import run as run_module
from sparring.runs import snapshots
from sparring.runs.run import Run
from sparring.runs.signals import Stopped
from sparring.training import distributed
from sparring.training.gradient_sync import GradientSync
from support import runs

STEPS = 6
MLP = {"networks": {"network": "mlp", "latent": 4, "width": 16}}
start = partial(Run.create, data="ring", batch_size=16, device="cpu", ema_decay=0.9, arguments=MLP)
TRANSLATION = {**runs.UNPAIRED, "batch_size": 4, "arguments": runs.tiny("cyclegan")}
VIEWED = {**runs.IMAGES, "size": 16, "batch_size": 4, "arguments": {}}
GAMES = ("nsgan", "wgan-gp", "rasgan", "ralsgan")
PHOTOGRAPHS = {**VIEWED, "arguments": {**runs.tiny("fastgan"), "conditional": True}}
TOGETHER = ("rasgan", "ebgan")  # whose losses compare the samples of the whole batch


def train(folder: Path, steps: int = STEPS, *, recipe: str, **settings) -> Run:
    """The command that every rank is given."""
    run = start(folder, recipe, **settings)
    for _ in run.fit(steps, save_every=2):
        continue
    return run


def drift(folder: Path, spoil) -> str:
    """Corrupt one rank's game after the first step, and return the error of the next checkpoint."""
    run = start(folder, "nsgan")
    try:
        for report in run.fit(STEPS, save_every=2):
            if distributed.rank() == 1 and report.step == 1:
                spoil(run.game)
    except RunError as error:
        return str(error)
    return ""


@torch.no_grad()
def nudge(game) -> None:
    """The smallest change there is."""
    weight = next(game.D.parameters())
    weight.view(-1)[3] = torch.nextafter(weight.view(-1)[3], torch.tensor(torch.inf))


@torch.no_grad()
def lose(game) -> None:
    """One rank's critic gives NaN; the other's does not, until gradients are averaged."""
    next(game.D.parameters()).fill_(torch.nan)


def stop(folder: Path) -> list[int]:
    """One rank alone gets a signal; both must stop at the same step."""
    run = start(folder, "nsgan")
    try:
        for report in run.fit(STEPS, save_every=100):
            if distributed.rank() == 1 and report.step == 3:
                signal.raise_signal(signal.SIGTERM)
    except Stopped as stopped:
        return [run.step, stopped.code]
    return [run.step, 0]


def diverge(folder: Path) -> str:
    run = start(folder, "nsgan")
    try:
        for report in run.fit(STEPS, save_every=1):
            if distributed.rank() == 1 and report.step == 2:
                lose(run.game)
    except (Diverged, RunError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def unequal(folder: Path) -> str:
    try:
        start(folder, "nsgan", batch_size=7)
    except DataError as error:
        return str(error)
    return ""


def main(folder: Path) -> None:
    """Run every scene, and record what this rank received."""
    torch.set_num_threads(1)
    run_module.load_data = cache(data.load)
    snapshots.save_grid = lambda *_, **__: None
    for name in GAMES:
        train(folder / name, recipe=name)
    train(folder / "stopped", 3, recipe="wgan-gp")
    train(folder / "stopped", recipe="wgan-gp")
    train(folder / "parts", recipe="wgan-gp", grad_accum=2)
    for name in TOGETHER:
        train(folder / f"{name}-parts", recipe=name, grad_accum=2)
    train(folder / "cyclegan", recipe="cyclegan", **TRANSLATION)
    train(folder / "cyclegan-stopped", 2, recipe="cyclegan", **TRANSLATION)
    train(folder / "cyclegan-stopped", recipe="cyclegan", **TRANSLATION)
    train(folder / "fastgan", recipe="fastgan", **PHOTOGRAPHS)
    train(folder / "fastgan-stopped", 3, recipe="fastgan", **PHOTOGRAPHS)
    train(folder / "fastgan-stopped", recipe="fastgan", **PHOTOGRAPHS)
    train(
        folder / "viewed",
        1,
        recipe="unit.runs.test_performance_trial:with_view",
        **{**runs.IMAGES, "size": 16, "batch_size": 4, "arguments": {}},
    )
    distributed.barrier()  # so that from here on the ranks are on time
    seen = {
        "world": distributed.world_size(),
        "largest": distributed.all_reduce_max(distributed.rank()),
        "mean": distributed.all_reduce_mean(torch.tensor([0.0, 4.0 * distributed.rank()])).tolist(),
        "drift": drift(folder / "drift", nudge),
        "statistics": statistics(),
        "exchange": exchanged(),
        "stop": stop(folder / "stop"),
        "diverge": diverge(folder / "diverge"),
        "unequal": unequal(folder / "unequal"),
    }
    (folder / f"rank{os.environ['RANK']}.json").write_text(json.dumps(seen))
    distributed.destroy_process_group()


def statistics() -> str:
    """Batch-norm statistics count; other buffers are a rank's own."""
    game = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    with torch.no_grad():
        game[0].weight.fill_(1), game[0].bias.fill_(0)
        game[1].running_var[1] += distributed.rank()
    game.register_buffer("pool", torch.full((3,), float(distributed.rank())))
    try:
        distributed.require_identical_replicas(game)
    except RunError as error:
        return str(error)
    return ""


def exchanged() -> dict[str, Any]:
    """Gradients of 3 and 2 numbers, one of them missing here and there, then statistics of 2 × 2; one rank is late."""
    exchange, parameters = GradientSync(), [torch.nn.Parameter(torch.zeros(n)) for n in (3, 2)]
    parameters[0].grad = torch.full((3,), float(distributed.rank()))
    parameters[1].grad = torch.ones(2) if distributed.rank() else None
    time.sleep(0.3 * distributed.rank())
    exchange.average_gradients(iter(parameters))
    norm = torch.nn.BatchNorm1d(2)
    norm.running_var += distributed.rank()
    exchange.average_statistics(torch.nn.Sequential(torch.nn.Linear(2, 2), norm))
    return {
        "gradients": [p.grad.tolist() for p in parameters],
        "variance": norm.running_var.tolist(),
        "bytes": exchange.bytes,
        "times": exchange.times,
        "seconds": exchange.seconds,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
