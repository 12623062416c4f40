"""StackGAN on coloured digits with captions such as "a red digit seven on black", evaluated by a classifier.

    python -m benchmarks captioned_digits short               one stage at 16 × 16, with twins: 5 minutes on one core
    python -m benchmarks captioned_digits long                both stages at 32 × 32: 20 minutes
    python -m benchmarks captioned_digits data digits F.npy   write the data only: digits (in the package) or mnist

The data are 20,000 digits of MNIST (needs $SPARRING_DATA), each in one of four colours drawn at random, with a caption.
An independent classifier, trained on the real images alone, predicts colour and digit of 25 samples for each of the 40
captions. The sabotaged twins are trained with shuffled captions, or without mismatched pairs. Trainings are run folders
under ``runs/words``: an interrupted benchmark continues. Trials that the record holds with the same settings are not
trained again without ``--again``; ``--read`` trains nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import records
from benchmarks.quality.suites import Cell
from benchmarks.trainings import known, recorded, train, train_missing
from sparring.data import Dataset, load
from sparring.data.annotations.captions import Captions, tokenize
from sparring.data.cache import prepare_file
from sparring.data.sources.image_sources import ImageArrays
from sparring.data.stream import scale_images
from sparring.inference.sampling import generate
from sparring.metrics.extractors.classifier import extractor_for
from sparring.metrics.frechet import frechet_distance
from sparring.rng import fixed_seed
from sparring.runs import logs
from sparring.runs.run import Run
from sparring.runs.state import load_game as learned

ROOT = Path(__file__).parents[2]
RESULTS, RUNS = Path(__file__).parent / "results" / "captioned_digits.json", ROOT / "runs" / "words"
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (64, 64, 255), "yellow": (255, 255, 0)}
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
KINDS = [(colour, digit) for colour in COLOURS for digit in range(10)]
ROWS, EACH = 20_000, 25
RATE = {"lr": 1e-3, "betas": (0.0, 0.99)}
BRISK = {"critic": RATE, "generator": RATE, "penalty": 1.0, "divergence": 0.5}
"""At rates of 2e-4 without R1, 1,500 rounds gave .54 and .40 of colours and digits together (docs/notebook.md)."""
NARROW = {"width": 20, "features": 128, "latent": 32, "condition": 16, "rivals": 8} | BRISK


def cells(steps: int, size: int, label: str, arguments: dict[str, Any], seeds: int = 2) -> list[Cell]:
    """Return one training over seeds."""
    how: Any = {
        "steps": steps,
        "batch": 64,
        "precision": "bf16",
        "size": size,
        "arguments": NARROW | arguments,
        "label": label,
    }
    return [Cell("stackgan", "coloured", seed=seed, **how) for seed in range(seeds)]


def twins(steps: int, size: int, label: str) -> list[Cell]:
    """Return the trainings that must fail."""
    how: Any = {"steps": steps, "batch": 64, "precision": "bf16", "size": size, "twin": True}
    wrapped = {"arguments": NARROW}
    return [
        Cell("stackgan", "shuffled", label=f"{label}-shuffled", arguments=NARROW, **how),
        Cell("benchmarks.twins:unmatched", "coloured", label=f"{label}-unmatched", arguments=wrapped, **how),
    ]


SUITES = {
    "short": [*cells(1500, 16, "short", {}), *twins(1500, 16, "short")],
    "long": cells(4500, 32, "long", {"refine_from": 2000}),
}


def sentence(kind: int) -> str:
    """Caption templates for a colour and a digit.

    >>> sentence(7)
    'a red digit seven on black'
    """
    colour, digit = KINDS[kind]
    return f"a {colour} digit {DIGITS[digit]} on black"


def coloured(name: str, rows: int = ROWS, seed: int = 0) -> Dataset:
    """Digits, each in a colour drawn at random, with its caption, and the kind of 40 that it is.

    Args:
        name: mnist, or digits.
        rows: How many at most.
        seed: Decides the colours.
    """
    grey = load(name, size=32, channels=1)
    values, digits = np.asarray(grey.values)[:rows], grey.labels[:rows]
    colours = np.random.default_rng(seed).integers(0, len(COLOURS), len(values))
    tints = np.array([*COLOURS.values()], np.float32)[colours] / 255
    tinted = (values * tints[:, None, None, :]).round().astype(np.uint8)
    kinds = colours * 10 + digits
    captions = Captions(tuple((sentence(kind),) for kind in kinds))
    return Dataset(
        name, tinted, kinds, tuple(f"{colour} {DIGITS[digit]}" for colour, digit in KINDS), captions=captions
    )


def written(dataset: Dataset, path: Path, *, shuffled: bool = False) -> Path:
    """Write a data set as a prepared file, with its own captions, or with those of other rows."""
    texts = np.array([said[0] for said in dataset.captions.texts])
    dealt = np.random.default_rng(1).permutation(texts) if shuffled else texts
    captions = Captions(tuple((str(text),) for text in dealt))
    arrays = (np.asarray(dataset.values), dataset.labels)
    source = ImageArrays(dataset.name, dataset.fingerprint, lambda: arrays, dataset.classes, captions=captions)
    return prepare_file(source, path, None, None)


def prepared(name: str) -> Path:
    """Return the file of a data set, made where it is missing."""
    path = RUNS / f"{name}.npy"
    return path if path.exists() else written(coloured("mnist"), path, shuffled=name == "shuffled")


def play(cell: Cell) -> dict[str, Any]:
    """Train or resume a cell, and evaluate it."""
    folder = RUNS / cell.name
    run = Run.create(
        folder, data=prepared(cell.data), **{**cell.settings(), "recipe": cell.recipe, "arguments": cell.arguments}
    )
    train(run, cell.name, cell.steps)
    result = {
        **asdict(cell),
        "images": run.images,
        "seconds": logs.read(folder / "timing.jsonl")[-1]["seconds"],
        **scores_of(learned(folder, device="cpu"), cell.size or 32),
        "made": records.made(),
    }
    (folder / "cell.json").write_text(json.dumps(result, indent=1, ensure_ascii=False))
    return result


def scores_of(game: Any, size: int) -> dict[str, Any]:
    """Return how often each sentence is drawn right, how much its samples vary, and how far all are from real ones."""
    real = load(prepared("coloured"), size=size)
    extractor = extractor_for(real, steps=600)
    x = sample_captions(game)
    kinds = torch.arange(len(KINDS)).repeat_interleave(EACH)
    seen = extractor.predict(x)
    right = {"colour": seen // 10 == kinds // 10, "digit": seen % 10 == kinds % 10, "both": seen == kinds}
    rows = np.sort(np.random.default_rng(2).permutation(len(real))[:2000])
    truth = extractor.features(scale_images(real.rows(rows)[0]))
    found = {name: round(one.double().mean().item(), 4) for name, one in right.items()}
    found["spread"] = round(x.unflatten(0, (len(KINDS), EACH)).std(1).mean().item(), 4)
    found["distance"] = round(frechet_distance(extractor.features(x), truth), 2)
    found["classifier"] = round(extractor.accuracy, 4)
    if getattr(game, "second", None) is not None:
        game.G2.begun.fill_(False)  # so that stage I's images are doubled, not refined
        found["doubled"] = round(frechet_distance(extractor.features(sample_captions(game)), truth), 2)
        game.G2.begun.fill_(True)
    return found


def sample_captions(game: Any) -> Tensor:
    """Draw the samples of every sentence, all from the same noise."""
    with fixed_seed(5):
        noise = game.noise(EACH)
    return torch.cat(
        [generate(game, game.with_text(noise, tokenize([sentence(k)])), batch=EACH) for k in range(len(KINDS))]
    )


def finished(*, again: bool = False) -> dict[str, dict[str, Any]]:
    """Return the cells that were trained here, and those of the record with the same settings, unless `again`."""
    return known((cell for suite in SUITES.values() for cell in suite), RUNS, [] if again else recorded(RESULTS))


def passed(cell: dict[str, Any]) -> bool:
    """Whether a finished cell meets its criterion: captions are drawn, and stage II is nearer than stage I."""
    return cell["colour"] >= 0.9 and cell["digit"] >= 0.8 and cell["distance"] < cell.get("doubled", math.inf)


def record(*, again: bool = False) -> None:
    """Write and print the finished cells of both suites."""
    done = finished(again=again)
    rows = [{**cell, "passed": passed(cell)} for cell in done.values()]
    records.write(
        RESULTS,
        {
            **records.head(command="python -m benchmarks captioned_digits short long"),
            "protocol": f"{EACH} samples of each of 40 sentences, averaged weights, named by a classifier of 40 "
            "kinds that is trained on real images; Fréchet distance in its features to 2,000 real images",
            "criteria": "colour >= .9, digit >= .8; long: distance below that of stage I's doubled images as well",
            "finished": {
                name: f"{sum(cell.name in done for cell in suite)} of {len(suite)} cells"
                for name, suite in SUITES.items()
            },
            "cells": rows,
        },
    )
    for row in rows:
        shown = [f"{name} {row[name]:.3g}" for name in ("colour", "digit", "both", "spread", "distance")]
        more = f", doubled {row['doubled']:.3g}" if "doubled" in row else ""
        print(
            f"{row['label']:18} seed {row['seed']}  {', '.join(shown)}{more}  {'passed' if row['passed'] else 'failed'}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="+", help="short, long; or: data mnist FILE.npy")
    parser.add_argument("--again", action="store_true", help="train what is recorded, too")
    parser.add_argument("--read", action="store_true", help="train nothing, write the record of what is finished")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.suites[0] == "data":
        _, name, path = chosen.suites
        print(f"The digits and their captions are in {written(coloured(name), Path(path))}.")
        return
    if unknown := set(chosen.suites) - set(SUITES):
        parser.error(f"there is no suite {', '.join(unknown)}: take {', '.join(SUITES)}")
    if "SPARRING_DATA" not in os.environ and not chosen.read:
        sys.exit("Set SPARRING_DATA to a folder that holds MNIST/raw.")
    requested = [] if chosen.read else [cell for suite in chosen.suites for cell in SUITES[suite]]
    train_missing(requested, finished(again=chosen.again), play, record)
    record()
