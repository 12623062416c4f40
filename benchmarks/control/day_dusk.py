"""Unpaired translation of photographs: CamVid's streets by day and at dusk at 64 × 64, with sabotaged twins.

    python -m benchmarks day_dusk            GANILLA and CycleGAN, two seeds each, and a twin: half an hour of one core
    python -m benchmarks day_dusk --read     only write the record of what is finished

Needs $SPARRING_DATA/camvid. Day: training on two drives (305 photographs), test on a third. Dusk: one drive, training
on its first half, test on its second (62 each). There is no ground truth, so two scores are reported that exclude each
other's trivial solutions: the share of translations that an independent classifier assigns to the other time of day
("taken"; the identity scores low), and the correlation between the edges of a translation and of its source ("kept"; a
constant image scores low). *Learned*: at least .8 taken and .5 kept, in both directions. No photograph is published.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import zipfile
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import records
from benchmarks.control.translation import NO_CYCLE, Cell, there_and_back, translated
from benchmarks.trainings import known, recorded, train, train_missing
from sparring.data import Dataset, load
from sparring.data.stream import scale_images
from sparring.game import Game
from sparring.metrics.extractors.classifier import ClassifierExtractor, extractor_for
from sparring.runs.run import Run
from sparring.runs.state import TrainState
from sparring.visualization.images import save_grid

ROOT = Path(__file__).parents[2]
RESULT, RUNS = Path(__file__).parent / "results" / "day_dusk.json", ROOT / "runs" / "dusk"
DUSK, TESTED, SIDE = "0001TP", "Seq05VD", 64
WIDE, SLIM = {"width": 28, "blocks": 1}, {"width": 16, "blocks": 1}
WEIGHTS = {"cycle": [15.0, 15.0]}
FALLING = WEIGHTS | {"constant": 1500, "decay": 1500}
CELLS = [
    *(Cell("dusk", "ganilla", "ganilla", 1500, 1, WIDE | WEIGHTS, seed) for seed in range(2)),
    Cell("dusk", "no cycle", "ganilla", 3000, 1, SLIM | FALLING | NO_CYCLE, twin=True),
    *(Cell("dusk", "slim", "ganilla", 3000, 1, SLIM | FALLING, seed) for seed in range(2)),
    *(Cell("dusk", "cyclegan", "cyclegan", 3000, 1, SLIM | FALLING | {"blocks": 3}, seed) for seed in range(2)),
]


def streets() -> Path:
    """A folder of photographs: by day in A, at dusk in B."""
    folder = RUNS / "photographs"
    if not (folder / "done").exists():
        with zipfile.ZipFile(Path(os.environ["SPARRING_DATA"]) / "camvid" / "camvid_192x144.zip") as archive:
            for name in archive.namelist():
                part, _, file = name.partition("/images/")
                if not file:
                    continue
                dusk = file.startswith(DUSK)
                tested = part == "test" if dusk else file.startswith(TESTED)
                place = folder / f"{'test' if tested else 'train'}{'B' if dusk else 'A'}"
                place.mkdir(parents=True, exist_ok=True)
                (place / file).write_bytes(archive.read(name))
        (folder / "done").touch()
    return folder


@cache
def tests() -> tuple[Tensor, Tensor]:
    """Held-out photographs, by day and at dusk."""
    a, b = (load(streets() / f"test{which}", size=SIDE) for which in "AB")
    return scale_images(a.rows(np.arange(len(a)))[0]), scale_images(b.rows(np.arange(len(b)))[0])


@cache
def clock() -> ClassifierExtractor:
    """A classifier of day and dusk, trained on what is learned from."""
    parts = [np.asarray(load(streets() / f"train{which}", size=SIDE).values) for which in "AB"]
    labels = np.repeat([0, 1], [len(part) for part in parts])
    return extractor_for(Dataset("streets", np.concatenate(parts), labels, ("day", "dusk")), steps=300)


def distances(ab: Tensor, ba: Tensor) -> dict[str, float]:
    """How many translations are taken for the other time of day, and how much of the edges is kept."""
    found = {}
    for name, made, source, hour in (("AB", ab, tests()[0], 1), ("BA", ba, tests()[1], 0)):
        found[f"{name} taken"] = (clock().predict(made) == hour).double().mean().item()
        found[f"{name} kept"] = agreement(edges(made), edges(source))
    return found


def edges(x: Tensor) -> Tensor:
    """The size of the gradient of the brightness, one row an image."""
    grey = x.mean(1)
    return (grey.diff(dim=1)[:, :, :-1].square() + grey.diff(dim=2)[:, :-1].square()).sqrt().flatten(1)


def agreement(one: Tensor, other: Tensor) -> float:
    """The mean correlation of rows."""
    one, other = (row - row.mean(1, keepdim=True) for row in (one, other))
    return ((one * other).sum(1) / (one.norm(dim=1) * other.norm(dim=1)).clamp_min(1e-8)).mean().item()


def evaluate_game(game: Game) -> dict[str, float]:
    """Return the scores of a game's translations, and what is lost there and back."""
    ab, ba, cycles = there_and_back(game, *tests())
    return distances(ab, ba) | cycles


def untaught() -> dict[str, Any]:
    """What costs nothing: photographs left alone, another photograph of the other time, and its median."""
    a, b = tests()
    others = b[torch.arange(len(a)) % len(b)], a[torch.arange(len(b))]
    return {
        "identity": distances(a, b),
        "another photograph": distances(*others),
        "median": distances(b.median(0).values.expand_as(a), a.median(0).values.expand_as(b)),
        "classifier on unseen photographs": clock().accuracy,
    }


def play(cell: Cell) -> None:
    """Train or resume a cell, and evaluate it and its untrained weights."""
    how: Any = {"arguments": cell.arguments, "batch_size": cell.batch, "size": SIDE, "seed": cell.seed}
    how |= {"device": "cpu", "mirror": True, "precision": "bf16"}
    run, start = Run.create(RUNS / cell.name, cell.recipe, data=streets(), **how), time.process_time()
    train(run, cell.name, cell.steps)
    a, b = (part[::6][:10] for part in tests())
    rows = torch.cat([a, translated(run.inference_game, a, "B"), b, translated(run.inference_game, b, "A")])
    save_grid(rows, RUNS / f"{cell.name}.png", columns=len(a), scale=1)
    result = {
        **asdict(cell),
        "averaged": evaluate_game(run.inference_game),
        "untrained": evaluate_game(TrainState.fresh(run.config, run.training, run.game.device).game),
        "cpu seconds of the last start": round(time.process_time() - start, 1),
        "made": records.made(),
    }
    (RUNS / cell.name / "cell.json").write_text(json.dumps(result, indent=1))


def learned(scores: dict[str, float]) -> bool:
    """Whether scores are those of a translator, by the rule at the head of this file."""
    return min(scores["AB taken"], scores["BA taken"]) >= 0.8 and min(scores["AB kept"], scores["BA kept"]) >= 0.5


def finished() -> dict[str, dict[str, Any]]:
    """Return the cells that were trained here, and those of the record with the same settings."""
    return known(CELLS, RUNS, recorded(RESULT))


def record() -> None:
    """Write and print what is finished."""
    rows = [{**row, "learned": learned(row["averaged"])} for row in finished().values()]
    head = records.head(command="python -m benchmarks day_dusk")
    records.write(RESULT, {**head, "without training": untaught(), "cells": rows})
    for row in rows:
        scores = ", ".join(f"{name} {value:.3f}" for name, value in row["averaged"].items())
        print(f"{row['label']} {row['seed']}: {scores}  {'learned' if row['learned'] else 'not learned'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--read", action="store_true", help="train nothing, write the record of what is finished")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    train_missing([] if chosen.read else CELLS, finished(), play, record)
    record()
