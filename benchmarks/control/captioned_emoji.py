"""StackGAN on emoji with their names: 3,043 captioned emoji at 32 × 32, a tenth of them held out.

    python -m benchmarks captioned_emoji            two seeds and two twins: 20 minutes of one core
    python -m benchmarks captioned_emoji --read     only write the record of what is finished

Needs $SPARRING_DATA. One sample is generated for each of 1,000 training names and for each held-out name, and compared
with twenty emoji: the one of that name and nineteen drawn at random. *Found* is the share of samples whose nearest
emoji by mean squared error over pixels is their own; chance is .05. Held-out names share words with training names:
"waving hand: dark skin tone" is one of six. The sabotaged twins are trained with shuffled names, or without mismatched
pairs. Trainings are run folders under ``runs/emoji``: an interrupted benchmark continues.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import records
from benchmarks.control.captioned_digits import RATE, written
from benchmarks.quality.suites import Cell
from benchmarks.trainings import known, recorded, train, train_missing
from sparring.data import Dataset, load
from sparring.data.annotations.captions import tokenize
from sparring.data.stream import scale_images
from sparring.game import Game
from sparring.inference.sampling import generate
from sparring.rng import fixed_seed
from sparring.runs import logs
from sparring.runs.run import Run
from sparring.runs.state import TrainState

ROOT = Path(__file__).parents[2]
RESULTS, RUNS = Path(__file__).parent / "results" / "captioned_emoji.json", ROOT / "runs" / "emoji"
SIDE, HELD_OUT, NAMES, BESIDE = 32, 0.1, 1000, 20
SLIM = {"width": 24, "features": 256, "latent": 16, "condition": 32, "divergence": 0.5, "penalty": 1.0}
GIVEN = SLIM | {"critic": RATE, "generator": RATE}
HOW: Any = {"steps": 2500, "batch": 64, "size": SIDE, "precision": "bf16", "arguments": GIVEN}
CELLS = [
    *(Cell("stackgan", "named", seed=seed, label="names", **HOW) for seed in range(2)),
    Cell("stackgan", "shuffled", label="dealt-at-random", **HOW),
    Cell("benchmarks.twins:unmatched", "named", label="no-wrong-pairs", **HOW | {"arguments": {"arguments": GIVEN}}),
]


def prepared(name: str) -> Path:
    """Return the file of the emoji with their own names, or with others', made where it is missing."""
    path = RUNS / f"{name}.npy"
    if not path.exists():
        source = Path(os.environ["SPARRING_DATA"]) / "emoji_text" / "noto_emoji_72.zip"
        written(load(source, size=SIDE), path, shuffled=name == "shuffled")
    return path


def play(cell: Cell) -> None:
    """Train or resume a cell, and evaluate it and its untrained weights."""
    folder = RUNS / cell.name
    run = Run.create(folder, data=prepared(cell.data), hold_out=HELD_OUT, **cell.settings())
    train(run, cell.name, cell.steps)
    result = {
        **asdict(cell),
        "images": run.images,
        "seconds": logs.read(folder / "timing.jsonl")[-1]["seconds"],
        **scores_of(run.inference_game),
        "untrained": scores_of(TrainState.fresh(run.config, run.training, run.game.device).game),
        "made": records.made(),
    }
    (folder / "cell.json").write_text(json.dumps(result, indent=1, ensure_ascii=False))


def scores_of(game: Game) -> dict[str, float]:
    """Return how often the emoji of a name is found by its sample: of names that were trained on, and of others."""
    trained, held = load(prepared("named"), size=SIDE).split(HELD_OUT)
    assert held is not None
    return {"found": found(game, trained), "found, never trained on": found(game, held)}


def found(game: Any, emoji: Dataset) -> float:
    """Return how often a sample is nearer to the emoji of its name than to all others laid beside it."""
    draw = np.random.default_rng(3)
    rows = np.sort(draw.permutation(len(emoji))[:NAMES])
    real = scale_images(emoji.rows(np.arange(len(emoji)))[0])
    names = [emoji.captions.texts[row][0] for row in (rows if emoji.indices is None else emoji.indices[rows])]
    with fixed_seed(5):
        noise = game.noise(len(rows))
    x = generate(game, game.with_text(noise, tokenize(names)))
    right = 0
    for sample, row in zip(x, rows, strict=True):
        others = draw.choice(np.delete(np.arange(len(real)), row), BESIDE - 1, replace=False)
        away = (real[[row, *others]] - sample).square().flatten(1).mean(1)
        right += int(away.argmin() == 0)
    return round(right / len(rows), 4)


def record() -> None:
    """Write and print what is finished."""
    rows = [{**row, "passed": row["found"] >= 0.5} for row in finished().values()]
    made = {
        **records.head(command="python -m benchmarks captioned_emoji"),
        "protocol": f"one sample a name, averaged weights; found among {BESIDE} emoji by square differences of pixels",
        "criterion": "found >= .5 of the names that were trained on; chance is .05",
        "finished": f"{len(rows)} of {len(CELLS)} cells",
        "cells": rows,
    }
    records.write(RESULTS, made)
    for row in rows:
        scores = ", ".join(f"{name} {row[name]:.3f}" for name in row["untrained"])
        print(f"{row['label']:24} seed {row['seed']}  {scores}  {'passed' if row['passed'] else 'failed'}")


def finished() -> dict[str, dict[str, Any]]:
    """Return the cells that were trained here, and those of the record with the same settings."""
    return known(CELLS, RUNS, recorded(RESULTS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--read", action="store_true", help="train nothing, write the record of what is finished")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if "SPARRING_DATA" not in os.environ:
        sys.exit("Set SPARRING_DATA to a folder that holds emoji_text/noto_emoji_72.zip.")
    train_missing([] if chosen.read else CELLS, finished(), play, record)
    record()
