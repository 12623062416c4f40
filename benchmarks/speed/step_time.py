"""Time of a training step: sparring against the textbook loop on the same networks, and against the machine's limit.

    python -m benchmarks step_time                    every case, one thread, CPU seconds
    python -m benchmarks step_time --threads 2        two threads, wall seconds
    python -m benchmarks step_time --cases dcgan32 --rounds 5     one case; the record keeps the others

Each case runs the same algorithm on the same networks with random images in memory: the *textbook* loop as in the
papers' boxes and most public scripts (gradients for every network in every move, plain Adam, contiguous tensors, plain
resampling, full precision; all but the DCGANs and `wgan-gp32` have the steps of public code, see `reference_loops.py`),
and ours in full precision and in bfloat16, after `--fast auto` was tried on it as in a run of a user's game. The three
are separate processes, interleaved step by step, and medians are compared. The limit is the floating-point work of a
step, counted on our own step, over the best rate at which this machine convolves; gradient penalties and their slopes
stay in full precision, and the *own* limit of bfloat16 charges them at its rate. `pytorch-gan32-as-is` has the public
classes unchanged, `pytorch-gan32` the same layers of ours. Compare ratios, not seconds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks import records
from benchmarks.speed.reference_loops import (
    Cycle,
    GeneratorFirst,
    GeneratorFirstAsItIs,
    Penalised,
    unchanged_dcgan,
    upsampling_dcgan,
)
from sparring.game import Game
from sparring.networks.common.base import Shape
from sparring.recipes import recipe
from sparring.recipes.options import Networks
from sparring.runs import performance
from sparring.runs.performance_trial import safe_options
from sparring.training import parent_watch
from sparring.training.trainer import train

RESULTS = Path(__file__).parent / "results"
SEED = 0


class Textbook:
    """The loop of the textbooks on a copy of a game's networks.

    Args:
        G: Generator.
        D: Critic.
        critic_loss: (D, x, fake) -> the critic's loss.
        generator_loss: scores of fakes -> the generator's loss.
        rate: Adam's learning rate.
        betas: Adam's decay rates.
        critic_steps: Moves of D for each move of G.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        critic_loss: Callable[[nn.Module, Tensor, Tensor], Tensor],
        generator_loss: Callable[[Tensor], Tensor],
        rate: float,
        betas: tuple[float, float],
        critic_steps: int,
    ) -> None:
        self.G, self.D = G, D
        self.critic_loss, self.generator_loss, self.critic_steps = critic_loss, generator_loss, critic_steps
        self.D_adam = torch.optim.Adam(self.D.parameters(), lr=rate, betas=betas)
        self.G_adam = torch.optim.Adam(self.G.parameters(), lr=rate, betas=betas)

    def step(self, x: Tensor) -> None:
        """One move of G after `critic_steps` moves of D; with a single one, both share one draw of fakes."""
        for _ in range(self.critic_steps):
            fake = self.G(torch.randn(len(x), self.G.latent))
            self.D_adam.zero_grad()
            self.critic_loss(self.D, x, fake.detach()).backward()
            self.D_adam.step()
        if self.critic_steps > 1:
            fake = self.G(torch.randn(len(x), self.G.latent))
        self.G_adam.zero_grad()
        self.generator_loss(self.D(fake)).backward()
        self.G_adam.step()


class Work(TorchDispatchMode):
    """Counts floating-point operations of convolutions and matrix products by precision, with second derivatives."""

    def __init__(self) -> None:
        super().__init__()
        self.done: Counter[torch.dtype] = Counter()

    def __torch_dispatch__(self, operation, types, arguments=(), settings=None):
        settings = settings or {}
        result = operation(*arguments, **settings)
        rule = flop_registry.get(operation._overloadpacket)
        if rule:
            dtype = next(each.dtype for each in arguments if isinstance(each, Tensor))
            if operation is torch.ops.aten.convolution_backward.default:
                rule = by_groups(rule)
            self.done[dtype] += rule(*arguments, **settings, out_val=result)
        return result


def by_groups(rule: Callable[..., int]) -> Callable[..., int]:
    """Return torch's rule for the work of a convolution's gradients, which takes that of a weight for ungrouped."""

    def work(*arguments: Any, out_val: Any) -> int:
        *before, groups, (by_input, by_weight, _) = arguments
        x, weight = (
            rule(*before, groups, wanted, out_val=out_val)
            for wanted in ([by_input, False, False], [False, by_weight, False])
        )
        return x + weight // groups

    return work


def cross_entropy(D: nn.Module, x: Tensor, fake: Tensor) -> Tensor:
    real, fake = D(x), D(fake)
    ones, zeros = torch.ones_like(real), torch.zeros_like(fake)
    return F.binary_cross_entropy_with_logits(real, ones) + F.binary_cross_entropy_with_logits(fake, zeros)


def fool(scores: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(scores, torch.ones_like(scores))


def margins(D: nn.Module, x: Tensor, fake: Tensor) -> Tensor:
    return F.relu(1 - D(x)).mean() + F.relu(1 + D(fake)).mean()


def earth_mover(D: nn.Module, x: Tensor, fake: Tensor) -> Tensor:
    mix = torch.rand(len(x), 1, 1, 1)
    between = (mix * x + (1 - mix) * fake).requires_grad_()
    scores = D(between)
    (slope,) = torch.autograd.grad(scores, between, torch.ones_like(scores), create_graph=True)
    penalty = ((slope.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
    return D(fake).mean() - D(x).mean() + 10 * penalty


def raise_scores(scores: Tensor) -> Tensor:
    return -scores.mean()


@dataclass(frozen=True)
class Case:
    """What is timed.

    Attributes:
        game: Builds ours from the shape of an image.
        shape: (C, H, W).
        batch: Images of a batch.
        loop: Builds the loop that ours is compared with, from networks of its own.
        networks: Which these are.
        domains: Of how many domains images are drawn.
    """

    game: Callable[[Shape], Game]
    shape: Shape
    batch: int
    loop: Callable[..., Any]
    networks: tuple[str, ...] = ("G", "D")
    domains: int = 1


def named(name: str, domains: int = 1, **arguments: Any) -> Callable[[Shape], Game]:
    """Return a recipe with arguments, as a function of the shape."""
    return lambda shape: recipe(name)(shape, *[shape] * (domains - 1), **arguments)


NOISE = {"networks": Networks(latent=128)}
RESIDUAL = {"networks": Networks(network="resnet", latent=128)}
DCGAN = partial(Textbook, critic_loss=cross_entropy, generator_loss=fool, rate=2e-4, betas=(0.5, 0.999))
WGAN = partial(Textbook, critic_loss=earth_mover, generator_loss=raise_scores, betas=(0.5, 0.9), critic_steps=5)
SNGAN = partial(Textbook, critic_loss=margins, generator_loss=raise_scores, betas=(0.0, 0.9), critic_steps=5)
CASES = {
    "dcgan32": Case(named("dcgan"), (3, 32, 32), 64, partial(DCGAN, critic_steps=1)),
    "dcgan64": Case(named("dcgan"), (3, 64, 64), 64, partial(DCGAN, critic_steps=1)),
    "pytorch-gan32": Case(upsampling_dcgan, (1, 32, 32), 64, GeneratorFirst),
    "pytorch-gan32-as-is": Case(unchanged_dcgan, (1, 32, 32), 64, GeneratorFirstAsItIs),
    "wgan-gp32": Case(named("wgan-gp", **NOISE), (3, 32, 32), 64, partial(WGAN, rate=1e-4)),
    "wgan-gp-resnet32": Case(named("wgan-gp", **RESIDUAL), (3, 32, 32), 64, partial(WGAN, rate=2e-4)),
    "sngan32": Case(named("sngan", **NOISE), (3, 32, 32), 64, partial(SNGAN, rate=2e-4)),
    "r3gan32": Case(named("r3gan", width=128), (3, 32, 32), 16, Penalised),
    "cyclegan64": Case(named("cyclegan", domains=2), (3, 64, 64), 1, Cycle, ("G_AB", "G_BA", "D_A", "D_B"), 2),
}


def measure(name: str, rounds: int, clock: Callable[[], float]) -> dict[str, float]:
    """Time one case and returns medians, ratios and the share of the limit."""
    contestants = {player: Contestant(name, player, clock) for player in ("textbook", "fp32", "bf16")}
    plays = {player: contestant.step for player, contestant in contestants.items()}
    rates: Counter[torch.dtype] = Counter()
    seconds = interleaved(plays, rounds, after=partial(_raise_rates, rates, clock))
    work, mixed = (contestants[player].work() for player in ("fp32", "bf16"))
    for contestant in contestants.values():
        contestant.end()
    batch, limit = CASES[name].batch, work.total()
    own = sum(done / rates[dtype] for dtype, done in mixed.items())
    return {
        "batch": batch,
        **{f"{key}_seconds": value for key, value in seconds.items()},
        "fp32_ratio": seconds["textbook"] / seconds["fp32"],
        "bf16_ratio": seconds["textbook"] / seconds["bf16"],
        "gflop": limit / 1e9,
        "fp32_of_limit": limit / rates[torch.float32] / seconds["fp32"],
        "bf16_of_limit": limit / rates[torch.bfloat16] / seconds["bf16"],
        "in_bf16": mixed[torch.bfloat16] / mixed.total(),
        "bf16_of_own_limit": own / seconds["bf16"],
        "images_per_second_fp32": batch / seconds["fp32"],
        "images_per_second_bf16": batch / seconds["bf16"],
    }


class Contestant:
    """One way to play a case, in a process of its own: what `--fast` does to a process is done to ours alone.

    Args:
        name: The case.
        player: "textbook", or the precision of ours.
        clock: What seconds are read from.
    """

    def __init__(self, name: str, player: str, clock: Callable[[], float]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, there = context.Pipe()
        settings = (name, player, torch.get_num_threads(), clock, there, os.getpid())
        self.process = context.Process(target=_contend, args=settings, daemon=True)
        self.process.start()
        there.close()

    def step(self) -> float:
        """Play a step and return its seconds."""
        return self._asked("step")

    def work(self) -> Counter[torch.dtype]:
        """Play a step and return its floating-point operations."""
        return self._asked("work")

    def end(self) -> None:
        self.pipe.send("end")
        self.process.join()

    def _asked(self, what: str) -> Any:
        self.pipe.send(what)
        return self.pipe.recv()


def _contend(name: str, player: str, threads: int, clock: Callable[[], float], pipe: Connection, parent: int) -> None:
    """Serve the steps of a case on request, until the end message."""
    parent_watch.exit_with_parent(parent)
    torch.set_num_threads(threads)
    torch.manual_seed(SEED)
    case = CASES[name]
    game = case.game(case.shape)
    images = tuple(torch.randn(case.batch, *case.shape).clamp(-1, 1) for _ in range(case.domains))
    if player == "textbook":
        performance.PerformanceOptions("off").apply(game)
        loop = case.loop(*(game.get_submodule(network) for network in case.networks))
        play: Callable[[], Any] = partial(loop.step, *images)
    else:
        performance.keep_freed_memory()  # as `Run.fit` does
        precision = torch.bfloat16 if player == "bf16" else None
        chosen, _ = safe_options(game, repeat(images), "auto", precision)
        chosen.apply(game)
        players = game.players()
        chosen.fuse(players.values())
        play = partial(next, train(game, repeat(images), sys.maxsize, players=players, precision=precision))
    while (what := pipe.recv()) != "end":
        with Work() if what == "work" else nullcontext() as work:
            seconds = timed(play, clock)
        pipe.send(work.done if work else seconds)


def timed(play: Callable[[], Any], clock: Callable[[], float]) -> float:
    """Return the seconds that a call takes."""
    start = clock()
    play()
    return clock() - start


def interleaved(
    contestants: dict[str, Callable[[], float]], rounds: int, after: Callable[[], Any] | None = None
) -> dict[str, float]:
    """Time the contestants in turn, `rounds` times after a warm-up, and return each one's median.

    Args:
        contestants: Play once, and return their seconds.
        rounds: How many times.
        after: Called when all have played.
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds + 1):
        for name, play in contestants.items():
            times[name].append(play())
        if after:
            after()
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def _raise_rates(rates: Counter[torch.dtype], clock: Callable[[], float]) -> None:
    """Measure the best rates again, and keep the better ones."""
    for dtype in (torch.float32, torch.bfloat16):
        rates[dtype] = max(rates[dtype], best_rate(dtype, clock))


def best_rate(dtype: torch.dtype, clock: Callable[[], float]) -> float:
    """Return the best rate, in floating-point operations a second, of 3×3 convolutions of usual sizes."""
    best = 0.0
    for channels, side in ((64, 32), (128, 16), (256, 16)):
        x = torch.randn(32, channels, side, side, dtype=dtype).to(memory_format=torch.channels_last)
        weight = torch.randn(channels, channels, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
        work = 2 * 32 * side**2 * channels**2 * 9
        for _ in range(8):
            start = clock()
            F.conv2d(x, weight, padding=1)
            best = max(best, work / (clock() - start))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    clock = time.process_time if chosen.threads == 1 else time.perf_counter
    out = chosen.out or RESULTS / (
        "step_time.json" if chosen.threads == 1 else f"step_time-{chosen.threads}-threads.json"
    )
    recorded = json.loads(out.read_text())["cases"] if out.exists() else {}
    measured = {name: row for name, row in recorded.items() if name in CASES and row.get("batch") == CASES[name].batch}
    print(f"{'case':20}{'textbook':>10}{'fp32':>9}{'bf16':>9}   ratio fp32, bf16   share of the limit fp32, bf16")
    for name in chosen.cases:
        case = measured[name] = measure(name, chosen.rounds, clock)
        print(
            f"{name:20}{case['textbook_seconds']:9.3f}s{case['fp32_seconds']:8.3f}s{case['bf16_seconds']:8.3f}s"
            f"{case['fp32_ratio']:9.2f} {case['bf16_ratio']:8.2f}"
            f"{case['fp32_of_limit']:13.2f} {case['bf16_of_limit']:8.2f}",
            flush=True,
        )
    measured = {name: measured[name] for name in CASES if name in measured}
    records.write(out, {**records.head(seeds=[SEED], clock=clock.__name__), "cases": measured})
    draw(measured, out.with_suffix(".png"))
    print(f"The record is {out}, its figure {out.with_suffix('.png')}.")


def draw(measured: dict[str, dict[str, float]], path: Path) -> None:
    """Draw how many times as fast as the textbook each case is, and what share of the limit it reaches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), dpi=110, layout="constrained")
    for axes, (what, words) in zip(
        figure.subplots(1, 2),
        {"ratio": "times as fast as the loop compared with", "of_limit": "share of the limit"}.items(),
        strict=True,
    ):
        for shift, precision in ((-0.2, "fp32"), (0.2, "bf16")):
            places = [place + shift for place in range(len(measured))]
            axes.barh(places, [case[f"{precision}_{what}"] for case in measured.values()], 0.38, label=precision)
        axes.set_yticks(range(len(measured)), list(measured))
        axes.axvline(1, color="grey", linewidth=0.8)
        axes.set_xlabel(words)
        axes.legend()
    figure.savefig(path)
