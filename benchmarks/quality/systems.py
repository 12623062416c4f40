"""Quality of every system on points and images, with untrained and sabotaged controls and published figures.

    python -m benchmarks systems toys       ring-8 and grid-25 with the noise of image networks, three seeds
    python -m benchmarks systems points     every system for points, on ring-8
    python -m benchmarks systems diverse    techniques against mode collapse, on grid-25, five seeds
    python -m benchmarks systems hundred    R3GAN on 100 Gaussians
    python -m benchmarks systems fashion    DCGAN, RSGAN, WGAN-GP on Fashion-MNIST at 32 × 32 (needs $SPARRING_DATA)
    python -m benchmarks systems images     every other system for images, on Fashion-MNIST
    python -m benchmarks systems colour     the systems for colour images, on CIFAR-10 (needs $SPARRING_DATA)

Every trial is a run folder under ``runs/quality``: an interrupted benchmark continues. A trial that is finished, or
that a record holds with the same settings, is not trained again without ``--again``; ``--read`` only writes the records
of what is finished. Trials run one after another on one thread; start the command twice with ``--share 0/2`` and
``--share 1/2`` to use two cores.

A training has *learned* when its averaged generator reaches three quarters of the modes with a quarter of its samples
of high quality, or, on images, a fifth of the Fréchet distance of the untrained generator. Sabotaged twins must not.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import sparring
from benchmarks import records
from benchmarks.quality.suites import SUITES, Cell
from benchmarks.trainings import known, recorded, train
from sparring.evaluation.evaluator import evaluate
from sparring.inference.sampling import sample_seeds
from sparring.runs import logs
from sparring.runs.run import Run
from sparring.runs.state import TrainState, load_game
from sparring.visualization.images import GAP, save_grid

ROOT = Path(__file__).parents[2]
RESULTS, RUNS = Path(__file__).parent / "results", ROOT / "runs" / "quality"


def play(cell: Cell) -> dict[str, Any]:
    """Train or resume a cell, and evaluate it and its untrained weights."""
    folder = RUNS / cell.name
    here = Path(os.environ.get("SPARRING_DATA", "")) / cell.data
    run = Run.create(folder, data=here if "/" in cell.data else cell.data, **cell.settings())
    train(run, cell.name, cell.steps)
    result = {
        **asdict(cell),
        "images": run.images,
        "updates": run.updates,
        "seconds": logs.read(folder / "timing.jsonl")[-1]["seconds"],
        "averaged": evaluate_game(run, run.inference_game),
        "latest": evaluate_game(run, run.game),
        "untrained": evaluate_game(run, TrainState.fresh(run.config, run.training, run.game.device).game),
        "made": records.made(),
    }
    (folder / "cell.json").write_text(json.dumps(result, indent=1, ensure_ascii=False))
    return result


def finished(suite: str, *, again: bool = False) -> dict[str, dict[str, Any]]:
    """Return the cells that were trained here, and those of the record with the same settings, unless `again`."""
    return known(SUITES[suite], RUNS, [] if again else recorded(RESULTS / f"systems-{suite}.json"))


def evaluate_game(run: Run, game: sparring.Game) -> dict[str, Any]:
    """Return the scores of a game's samples, and what real data scores in their place."""
    evaluated = evaluate(game, run.dataset)
    scores = {score.name: score.value for score in evaluated.scores}
    return {**scores, "data": {score.name: score.value for score in evaluated.references["data"]}}


def learned(cell: dict[str, Any]) -> bool:
    """Whether a finished cell has learned, by the rule at the head of this file."""
    reached = cell["averaged"]
    if "modes" in reached:
        return reached["modes"] >= 0.75 * reached["data"]["modes"] and reached["high quality"] >= 0.25
    return reached["Fréchet distance"] <= cell["untrained"]["Fréchet distance"] / 5


def record(suite: str) -> None:
    """Write the finished cells of a suite, with everything needed to run them again."""
    cells = [_plain({**cell, "learned": learned(cell)}) for cell in finished(suite).values()]
    record = {
        **records.head(command=f"python -m benchmarks systems {suite}"),
        "protocol": "toys: 2,500 samples, 3 sigma; images: Fréchet distance, precision and recall in the features of "
        "the classifier that the tool trains on the data, 2,000 against 2,000",
        "finished": f"{len(cells)} of {len(SUITES[suite])} cells",
        "cells": cells,
    }
    out = RESULTS / f"systems-{suite}.json"
    records.write(out, record)
    table(cells)
    print(f"{len(cells)} of {len(SUITES[suite])} cells written to {out.relative_to(ROOT)}.")


def table(cells: list[dict[str, Any]]) -> None:
    """Print mean and standard deviation over seeds of every score."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for cell in cells:
        words = [cell["recipe"], cell.get("label"), "twin" if cell.get("twin") else ""]
        groups.setdefault((cell["data"], " ".join(filter(None, words))), []).append(cell)
    for (data, recipe), members in groups.items():
        for which in ("untrained", "latest", "averaged"):
            evaluated = [cell[which] for cell in members]
            names = [name for name in evaluated[0] if name != "data"]
            values = (f"{name} {_spread([one[name] for one in evaluated if one[name] is not None])}" for name in names)
            print(f"{data:14} {recipe:26} {which:10} " + ", ".join(values))
        print(f"{data:14} {recipe:26} learned    {sum(cell['learned'] for cell in members)} of {len(members)}")


def rows(suite: str, path: Path, columns: int = 16) -> None:
    """Draw one row of samples for each system of a suite, in the order of the record: its first run that is here.

    A system without a run here keeps the row that it has in the picture.
    """
    here: dict[str, Path] = {}
    for cell in SUITES[suite]:
        if not cell.twin and (RUNS / cell.name / "cell.json").exists():
            here.setdefault(cell.recipe, RUNS / cell.name)
    kept, drawn = tiles(path), []
    for place, name in enumerate(dict.fromkeys(cell.recipe for cell in SUITES[suite])):
        if name in here:
            drawn.append(sample_seeds(load_game(here[name], device="cpu"), range(columns)))
        elif place < len(kept):
            drawn.append(kept[place])
    print(f"The rows are in {save_grid(torch.cat(drawn), path, columns=columns, scale=1)}.")


def tiles(path: Path, side: int = 32) -> torch.Tensor:
    """Read the images (rows, columns, C, side, side) of a picture that `rows` drew; none where there is no picture."""
    if not path.exists():
        return torch.empty(0)
    sheet = torch.from_numpy(np.array(Image.open(path))) / 127.5 - 1
    found = sheet.unfold(0, side, side + GAP).unfold(1, side, side + GAP)
    return found if found.dim() == 5 else found.unsqueeze(2)


def _plain(value: Any) -> Any:
    """JSON has no infinity; a divergence of no samples is recorded as null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _spread(values: list[float]) -> str:
    if not values:
        return "–"
    deviation = f" ± {statistics.stdev(values):.3g}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4g}{deviation}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", choices=[*SUITES, []], default=[])
    parser.add_argument("--share", default="0/1", help="which share of the cells to train, such as 0/2")
    parser.add_argument("--rows", type=Path, help="draw a row of samples for each system into this file")
    parser.add_argument("--again", action="store_true", help="train what is recorded, too")
    parser.add_argument("--read", action="store_true", help="train nothing, write the records of what is finished")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    mine, of = (int(part) for part in chosen.share.split("/"))
    for suite in chosen.suites or SUITES:
        if suite not in ("toys", "points", "diverse", "hundred") and "SPARRING_DATA" not in os.environ:
            sys.exit("Set SPARRING_DATA to a folder that holds FashionMNIST/raw and cifar10.")
        done = finished(suite, again=chosen.again)
        missing = [] if chosen.read else [cell for cell in SUITES[suite] if cell.name not in done]
        for cell in missing[mine::of]:
            play(cell)
        record(suite)
        if chosen.rows:
            rows(suite, chosen.rows)
