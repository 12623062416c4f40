"""Unpaired translation with known ground truth, with untrained, identity, median and sabotaged controls.

    python -m benchmarks translation digits     recoloured handwritten digits at 32 × 32 (needs $SPARRING_DATA/MNIST)
    python -m benchmarks translation emoji      emoji in two styles, at 64 × 64 (needs $SPARRING_DATA/emoji_style)
    python -m benchmarks translation digits --match nicegan

Training uses unpaired images; every test image of A has its true partner in B, which gives the error of a translation.
A plain mean over pixels is misleading: the median image of B scores well where backgrounds are large. So errors are
also weighted by the foreground ("stroke"): the digit's own brightness, or what is not white.

A trial that the record holds with the same settings is not trained again; an interrupted one continues from its run
folder under ``runs/translation``. A training has *learned* when the stroke error is below .35 in both directions and
the error of the cycle below .10.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import sparring
from benchmarks import records
from benchmarks.trainings import recorded, train
from sparring.data import load
from sparring.data.stream import scale_images
from sparring.runs.run import Run
from sparring.runs.state import TrainState
from sparring.visualization.images import save_grid

ROOT = Path(__file__).parents[2]
RESULT, RUNS = Path(__file__).parent / "results" / "translation.json", ROOT / "runs" / "translation"
STROKE, GROUND = np.array([230, 204, 25]), np.array([25, 51, 153])  # of A; B has them exchanged
SMALL = {"width": 12, "blocks": 3}
NO_CYCLE = {"cycle": [0.0, 0.0], "identity": 0.0}


@dataclass(frozen=True)
class Cell:
    """One training.

    Attributes:
        suite: digits or emoji.
        label: What is varied.
        recipe: Its name.
        steps: How far.
        batch: Images of each domain in a step.
        arguments: Of the recipe.
        seed: Decides everything random.
        twin: Whether it is broken on purpose, and must not learn.
    """

    suite: str
    label: str
    recipe: str
    steps: int
    batch: int
    arguments: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    twin: bool = False

    @property
    def name(self) -> str:
        """What its folder is called."""
        return f"{self.suite}-{self.label.replace(' ', '-')}-{self.seed}"


def rate(value: float) -> dict[str, Any]:
    """Both players' learning rate."""
    return {"critic": {"lr": value}, "generator": {"lr": value}}


CELLS = [
    cell
    for seed in (0, 1)
    for cell in (
        Cell("digits", "cyclegan", "cyclegan", 600, 8, SMALL, seed),
        Cell("digits", "cyclegan without cycle", "cyclegan", 300, 8, SMALL | NO_CYCLE, seed, True),
        Cell("digits", "ganilla", "ganilla", 1300, 8, {"width": 12, "blocks": 1}, seed),
        Cell("digits", "nicegan", "nicegan", 500, 8, {"width": 12, "blocks": 2, **rate(4e-4)}, seed),
        Cell("emoji", "cyclegan", "cyclegan", 900, 4, SMALL, seed),
    )
]


def digits() -> Path:
    """A folder of digits: 4,500 of A, 4,500 others of B, 500 held-out pairs."""
    folder = RUNS / "digits"
    done = folder / "done"
    if not done.exists():
        rows = load("mnist", size=32).rows(np.arange(9500))[0][:, 0].numpy() / 255
        for name, part, swapped in (
            ("trainA", slice(0, 4500), False),
            ("trainB", slice(4500, 9000), True),
            ("testA", slice(9000, 9500), False),
            ("testB", slice(9000, 9500), True),
        ):
            (folder / name).mkdir(parents=True, exist_ok=True)
            ground, stroke = (STROKE, GROUND) if swapped else (GROUND, STROKE)
            for index, image in enumerate(rows[part]):
                painted = ground + image[..., None] * (stroke - ground)
                Image.fromarray(np.rint(painted).astype(np.uint8)).save(folder / name / f"{index:04}.png")
        done.touch()
    return folder


def emoji() -> Path:
    """The archive of emoji in two styles."""
    return Path(os.environ["SPARRING_DATA"]) / "emoji_style" / "noto2emojitwo_64.zip"


SUITES = {"digits": (digits, 32), "emoji": (emoji, 64)}


@cache
def pairs(suite: str) -> tuple[Tensor, Tensor, Tensor]:
    """Test images of A, their true partners in B, and weights (N, 1, H, W) of the foreground."""
    place, size = SUITES[suite]
    dataset = load(f"pairs:{place()}/test", size=size)
    assert dataset.paired_domain is not None
    rows = np.arange(len(dataset))
    a, b = scale_images(dataset.rows(rows)[0]), scale_images(dataset.paired_domain.rows(rows))
    if suite == "digits":
        ground = scale_images(torch.tensor(GROUND, dtype=torch.uint8)[None, :, None, None])
        stroke = scale_images(torch.tensor(STROKE, dtype=torch.uint8)[None, :, None, None])
        return a, b, ((a - ground) / (stroke - ground)).mean(1, keepdim=True).clamp(0, 1)
    return a, b, ((a < 0.95).any(1, keepdim=True) | (b < 0.95).any(1, keepdim=True)).float()


def errors(ab: Tensor, ba: Tensor, suite: str) -> dict[str, float]:
    """Mean absolute errors of translations of all test images, plain and of the foreground, in [0, 2]."""
    a, b, weight = pairs(suite)
    gaps = {"AB": (ab - b).abs(), "BA": (ba - a).abs()}
    plain = {name: gap.mean().item() for name, gap in gaps.items()}
    stroke = {f"{k} stroke": ((gap * weight).sum() / (3 * weight.sum())).item() for k, gap in gaps.items()}
    return {**plain, **stroke}


def translated(game: sparring.Game, x: Tensor, to: str) -> Tensor:
    """Translate in batches, in evaluation mode."""
    game.eval()
    return torch.cat([game.translate(rows, to) for rows in x.split(50)])


def there_and_back(game: sparring.Game, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, dict[str, float]]:
    """Return the translations of both, and the mean absolute error of what comes back."""
    ab, ba = translated(game, a, "B"), translated(game, b, "A")
    gaps = {"A cycle": translated(game, ab, "A") - a, "B cycle": translated(game, ba, "B") - b}
    return ab, ba, {name: gap.abs().mean().item() for name, gap in gaps.items()}


def evaluate_game(game: sparring.Game, suite: str) -> dict[str, float]:
    """Return the errors of a game, and of its cycles."""
    a, b, _ = pairs(suite)
    ab, ba, cycles = there_and_back(game, a, b)
    return {**errors(ab, ba, suite), **cycles}


def untaught(suite: str) -> dict[str, dict[str, float]]:
    """Baselines without training: the identity, and the median of the other domain."""
    a, b, _ = pairs(suite)
    place, size = SUITES[suite]
    dataset = load(f"unpaired:{place()}", size=size)
    assert dataset.paired_domain is not None
    every = np.arange(min(len(dataset), len(dataset.paired_domain.dataset), 2000))
    medians = [
        scale_images(rows.median(0).values[None])
        for rows in (dataset.rows(every)[0], dataset.paired_domain.rows(every))
    ]
    constant = errors(medians[1].expand_as(b), medians[0].expand_as(a), suite)
    return {"identity": errors(a, b, suite), "median image": constant}


def play(cell: Cell) -> dict[str, Any]:
    """Train or resume a cell, and evaluate it and its untrained weights."""
    place, size = SUITES[cell.suite]
    settings: Any = {
        "arguments": cell.arguments,
        "batch_size": cell.batch,
        "size": size,
        "seed": cell.seed,
        "device": "cpu",
    }
    run = Run.create(RUNS / cell.name, cell.recipe, data=place(), **settings)
    start = time.process_time()
    train(run, cell.name, cell.steps, every=100)
    seconds = round(time.process_time() - start, 1)
    draw(run, cell)
    return {
        **asdict(cell),
        "averaged": evaluate_game(run.inference_game, cell.suite),
        "latest": evaluate_game(run.game, cell.suite),
        "untrained": evaluate_game(TrainState.fresh(run.config, run.training, run.game.device).game, cell.suite),
        "cpu seconds of the last start": seconds,
        "made": records.made(),
    }


def draw(run: Run, cell: Cell) -> None:
    """Draw test images, their translations, and the truth, both ways."""
    a, b, _ = (part[:60:5] for part in pairs(cell.suite))
    game = run.inference_game
    rows = torch.cat([a, translated(game, a, "B"), b, translated(game, b, "A")])
    save_grid(rows, RUNS / f"{cell.name}.png", columns=len(a), scale=1 if cell.suite == "emoji" else 2)


def learned(cell: dict[str, Any]) -> bool:
    """Whether a cell has learned, by the rule at the head of this file."""
    found = cell["averaged"]
    return max(found["AB stroke"], found["BA stroke"]) < 0.35 and max(found["A cycle"], found["B cycle"]) < 0.10


def same(cell: Cell, row: dict[str, Any]) -> bool:
    """Whether a row of the record is of a cell."""
    return json.loads(json.dumps(asdict(cell))).items() <= row.items()


def write(cells: list[dict[str, Any]], bases: dict[str, Any]) -> None:
    """Write the record."""
    order = [row for cell in CELLS for row in cells if same(cell, row)]
    for row in order:
        row["learned"] = learned(row)
    head = records.head(command="python -m benchmarks translation digits emoji")
    records.write(RESULT, {**head, "without training": bases, "cells": order})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="+", choices=[*SUITES])
    parser.add_argument("--match", default="", help="only cells whose name contains this")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for suite in chosen.suites:
        for cell in (each for each in CELLS if each.suite == suite and chosen.match in each.name):
            if not any(same(cell, row) for row in recorded(RESULT)):
                row = play(cell)
                bases = json.loads(RESULT.read_text())["without training"] if RESULT.exists() else {}
                write([*recorded(RESULT), row], {**bases, suite: untaught(suite)})
                print(json.dumps({name: round(value, 3) for name, value in row["averaged"].items()}), flush=True)
    for row in recorded(RESULT):
        if row["suite"] in chosen.suites:
            print(row["label"], row["seed"], {name: round(value, 3) for name, value in row["averaged"].items()})
