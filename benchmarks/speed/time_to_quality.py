"""Time to reach the same quality: sparring against PyTorch-GAN's DCGAN loop, Fashion-MNIST at 32 × 32.

    python -m benchmarks time_to_quality                   two seeds, one thread, CPU seconds
    python -m benchmarks time_to_quality --seeds 1 --peer-steps 20 --steps 20 --samples 200 --out smoke.json

*Peer*: networks, rates and loop of `dcgan.py` (`reference_loops.GeneratorFirst`), plain PyTorch, batches of 64. *Ours*:
RSGAN on DCGAN networks of width 32 with higher rates, bfloat16, averaged weights; logs, images and checkpoints count.
Both read the same images in the same order, without the tenth that is held out for evaluation: the Fréchet distance of
as many samples in the features of the library's own classifier. Evaluation and opening the data are not counted. The
peer's networks are evaluated with their running statistics (it keeps no average). A distance counts as reached at the
first evaluation at or below it; the target is the best one of the peer. A seed that the record holds with the same
settings is not run again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks import records
from benchmarks.quality.suites import BRISK, NARROW
from benchmarks.speed.reference_loops import GeneratorFirst, upsampling_dcgan
from benchmarks.speed.step_time import RESULTS
from sparring import Run
from sparring.data import Dataset, Stream, load
from sparring.evaluation.evaluator import evaluate
from sparring.evaluation.registry import get_metrics
from sparring.game import Game
from sparring.metrics import extractor_for
from sparring.runs import performance

CLOCK = time.process_time
DATA, SIDE, BATCH, HELD_OUT = "fashion-mnist", 32, 64, 0.1
OURS: dict[str, Any] = {"recipe": "rsgan", "arguments": {**NARROW, **BRISK}, "precision": "bf16"}
LEVELS = (150, 100, 75, 50, 30, 20)
Evaluate = Callable[[Game], float]
Curve = list[tuple[int, float, float]]
"""Steps, seconds and the Fréchet distance then."""


def ours(seed: int, folder: Path) -> Generator[Game, None, None]:
    """Train a run, and yield the game to evaluate after each step."""
    how: Any = {"batch_size": BATCH, "size": SIDE, "hold_out": HELD_OUT, "seed": seed, "device": "cpu"}
    run = Run.create(folder, data=DATA, **OURS, **how)
    for _ in run.fit(sys.maxsize, save_every=1000, sample_every=1000):
        yield run.inference_game


def peer(seed: int, training: Dataset) -> Generator[Game, None, None]:
    """Play the peer's loop on plain networks, and yield the game of its networks after each step."""
    torch.manual_seed(seed)
    game = upsampling_dcgan((1, SIDE, SIDE))
    performance.PerformanceOptions("off").apply(game)
    loop = GeneratorFirst(game.G, game.D)
    for x, *_ in Stream(training, BATCH, seed=seed):
        loop.step(x)
        yield game


def curve(plays: Generator[Game, None, None], steps: int, every: int, judge: Evaluate) -> Curve:
    """Evaluate every `every` steps, more often at first, and return the seconds without evaluation."""
    found, spent, start = [], 0.0, CLOCK()
    for step, game in enumerate(plays, 1):
        if step % every == 0 or step == steps or (step < 4 * every and step % (every // 2 or 1) == 0):
            spent += CLOCK() - start
            found.append((step, spent, judge(game)))  # which leaves game and random states as they are
            print(f"  step {step:6}  {spent:8.1f} s  {found[-1][2]:8.2f}", flush=True)
            start = CLOCK()
        if step == steps:
            break
    plays.close()
    return found


def reached(found: Curve, level: float) -> float | None:
    """Return the seconds until a distance was reached, or None."""
    return next((seconds for _, seconds, distance in found if distance <= level), None)


def compared(mine: Curve, theirs: Curve) -> dict[str, dict[str, float | None]]:
    """Return the seconds of both to each distance, and their ratio; the last is the best of the peer's."""
    rows = {}
    for level in sorted({*map(float, LEVELS), min(distance for *_, distance in theirs)}, reverse=True):
        us, them = reached(mine, level), reached(theirs, level)
        rows[f"{level:.4g}"] = {"ours": us, "peer": them, "ratio": them / us if us and them else None}
    return rows


def evaluation_of(dataset: Dataset, samples: int) -> tuple[Dataset, Evaluate]:
    """Return the training data and the evaluation."""
    training, held_out = dataset.split(HELD_OUT)
    extractor = extractor_for(training)
    how: Any = {"metrics": get_metrics(["frechet"]), "samples": samples, "references": False, "resamples": 0}

    def judge(game: Game) -> float:
        return evaluate(game, training, held_out=held_out, extractor=extractor, **how).scores[0].value

    return training, judge


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--peer-steps", type=int, default=4000)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=RESULTS / "time_to_quality.json")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    training, judge = evaluation_of(load(DATA, size=SIDE), chosen.samples)
    settings = {"samples": chosen.samples, "setting": OURS, "peer steps": chosen.peer_steps, "steps": chosen.steps}
    settings = json.loads(json.dumps(settings))
    held = json.loads(chosen.out.read_text()) if chosen.out.exists() else {}
    seeds = held["results"] if settings.items() <= held.items() else {}
    for seed in (seed for seed in range(chosen.seeds) if str(seed) not in seeds):
        print(f"seed {seed}, peer", flush=True)
        theirs = curve(peer(seed, training), chosen.peer_steps, max(chosen.peer_steps // 20, 1), judge)
        print(f"seed {seed}, ours", flush=True)
        with TemporaryDirectory() as folder:
            mine = curve(ours(seed, Path(folder) / "run"), chosen.steps, max(chosen.steps // 30, 1), judge)
        rows, made = compared(mine, theirs), records.head(seeds=[seed], clock=CLOCK.__name__)
        seeds[str(seed)] = {"made": made, "ours": mine, "peer": theirs, "seconds to": rows}
        for level, row in rows.items():
            print(f"  Fréchet distance {level:>6}: {row}")
    records.write(chosen.out, {**records.head(clock=CLOCK.__name__), **settings, "results": seeds})
    print(f"Written to {chosen.out}.")
