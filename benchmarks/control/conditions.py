"""Conditional and encoding systems on MNIST and Fashion-MNIST, with untrained and sabotaged controls.

    python -m benchmarks conditions short      a minute each: CGAN in four designs, InfoGAN, VAE, VAE-GAN, BiGAN
    python -m benchmarks conditions long       some minutes each
    python -m benchmarks conditions clothes    the short suite on Fashion-MNIST
    python -m benchmarks conditions codes      InfoGAN with its authors' width and length, twenty minutes a seed

Needs $SPARRING_DATA. Every trial is a run folder under ``runs/control``: an interrupted benchmark continues. A trial
that is finished, or that the record holds with the same settings, is not trained again without ``--again``; ``--read``
only writes the record of what is finished. Trials run one after another on one thread; ``--match NAME`` selects
systems, ``--share 0/2`` and ``--share 1/2`` use two cores.

A system has *learned* when its averaged weights reach the ranges of `CRITERIA`, measured by a classifier that is
independent of the training (`benchmarks.control.scores`). Untrained and sabotaged systems must not reach them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks import records
from benchmarks.control.scores import CLASSIFIER, SAMPLES, Bench, Scores, class_control, encoding, informed
from benchmarks.control.suites import CRITERIA, HELD_OUT, SUITES, Ranges, Trial
from benchmarks.trainings import known, train
from sparring.data import load as load_data
from sparring.runs import logs
from sparring.runs.run import Run
from sparring.runs.state import TrainState

ROOT = Path(__file__).parents[2]
OUT, RUNS = Path(__file__).parent / "results" / "conditions.json", ROOT / "runs" / "control"
EVALUATIONS: dict[str, Callable[..., Scores]] = {
    "cgan": class_control,
    "infogan": informed,
    "vae": encoding,
    "vae-gan": encoding,
    "bigan": encoding,
}
_benches: dict[tuple[str, int], Bench] = {}


def bench(data: str, size: int) -> Bench:
    if (data, size) not in _benches:
        training, held = load_data(data, size=size).split(HELD_OUT)
        assert held is not None
        _benches[data, size] = Bench(training, held)
    return _benches[data, size]


def play(trial: Trial) -> None:
    """Train or resume a cell, and evaluate it and its untrained weights."""
    folder = RUNS / trial.name
    run = Run.create(folder, **trial.settings())
    train(run, trial.name, trial.steps)
    evaluation, place = EVALUATIONS[trial.system.split()[0]], bench(trial.data, trial.size)
    before = evaluation(TrainState.fresh(run.config, run.training, run.game.device).game, place)
    result = {
        **asdict(trial),
        "images": run.images,
        "seconds": logs.read(folder / "timing.jsonl")[-1]["seconds"],
        "scores": compared(evaluation(run.inference_game, place), before),
        "untrained": compared(before, before),
        "references": place.references(),
        "made": records.made(),
    }
    (folder / "cell.json").write_text(json.dumps(result, indent=1, ensure_ascii=False))


def compared(scores: Scores, before: Scores) -> Scores:
    """An untrained encoder separates classes as well: only the gain over it counts."""
    name = "1-NN of codes"
    return scores | ({f"{name}, gained": scores[name] - before[name]} if name in scores else {})


def fits(scores: Scores, ranges: Ranges) -> bool:
    return all(low <= scores[name] <= high for name, (low, high) in ranges.items())


def recorded() -> dict[str, Any]:
    return json.loads(OUT.read_text())["cells"] if OUT.exists() else {}


def finished(suite: str, *, again: bool = False) -> dict[str, dict[str, Any]]:
    """Return the cells that were trained here, and those of the record with the same settings, unless `again`."""
    return known(SUITES[suite], RUNS, [] if again else recorded().get(suite, []))


def record(suite: str) -> None:
    """Write the finished cells of a suite, with everything needed to run them again; other suites stay."""
    cells = [
        {
            **cell,
            "learned": fits(cell["scores"], CRITERIA[suite][cell["system"]]),
            "untrained learned": fits(cell["untrained"], CRITERIA[suite][cell["system"]]),
        }
        for cell in finished(suite).values()
    ]
    bounds = {
        key: {system: {name: list(map(str, ends)) for name, ends in ranges.items()} for system, ranges in rows.items()}
        for key, rows in CRITERIA.items()
    }
    written = {
        **records.head(command="python -m benchmarks conditions short long clothes codes"),
        "protocol": f"{SAMPLES} samples or held-out images; scored by a classifier of the rest, {CLASSIFIER}",
        "criteria": bounds,
        "finished": {suite: f"{len(cells)} of {len(SUITES[suite])} cells"},
        "cells": recorded() | {suite: cells},
    }
    if OUT.exists():
        written["finished"] = json.loads(OUT.read_text())["finished"] | written["finished"]
    records.write(OUT, written)
    table(cells)
    print(f"{len(cells)} of {len(SUITES[suite])} cells of {suite} written to {OUT.relative_to(ROOT)}.")


def table(cells: list[dict[str, Any]]) -> None:
    """Print every score, mean and extremes over seeds."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for cell in cells:
        groups.setdefault((cell["data"], cell["system"], cell["broken"]), []).append(cell)
    for key, members in groups.items():
        print(" · ".join(filter(None, key)), f"learned {sum(cell['learned'] for cell in members)} of {len(members)}")
        for which in ("untrained", "scores"):
            rows = [cell[which] for cell in members]
            print(f"  {which:10}" + ", ".join(f"{name} {_spread([row[name] for row in rows])}" for name in rows[0]))


def _spread(values: list[float]) -> str:
    ends = f" ({min(values):.3g}–{max(values):.3g})" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3g}{ends}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", choices=[*SUITES, []], default=[])
    parser.add_argument("--match", default="", help="only cells whose name contains this")
    parser.add_argument("--share", default="0/1", help="which share of the cells to train, such as 0/2")
    parser.add_argument("--again", action="store_true", help="train what is recorded, too")
    parser.add_argument("--read", action="store_true", help="train nothing, write the record of what is finished")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if "SPARRING_DATA" not in os.environ:
        sys.exit("Set SPARRING_DATA to a folder that holds MNIST/raw and FashionMNIST/raw.")
    mine, of = (int(part) for part in chosen.share.split("/"))
    for suite in chosen.suites or SUITES:
        done = finished(suite, again=chosen.again)
        missing = [] if chosen.read else [trial for trial in SUITES[suite] if trial.name not in done]
        for trial in [each for each in missing if chosen.match in each.name][mine::of]:
            play(trial)
        record(suite)
