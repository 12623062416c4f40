"""Regret of automatic training: how far it ends behind its best candidate trained alone for the whole time.

    python -m benchmarks auto_regret run FOLDER                     all data, 10 minutes of one core each: hours
    python -m benchmarks auto_regret run FOLDER --data ring         one of them
    python -m benchmarks auto_regret run FOLDER --minutes 2         a shorter budget
    python -m benchmarks auto_regret table                          print the record

For each data set and seed automatic training has the budget, and so has each of its candidates alone, with rates that
fall to zero and its best checkpoint kept, as the winner has. All are scored on the same held-out rows by the same
metric. Trainings that were interrupted continue. The record is benchmarks/quality/results/auto-regret.json.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import torch

from benchmarks import records
from sparring.experiments.auto import AutoSettings, AutoTraining, Budget
from sparring.metrics import Direction

RESULT = Path(__file__).parent / "results" / "auto-regret.json"
ALLOWED = 0.15  # regret
DATA: dict[str, dict[str, Any]] = {
    "ring": {"data": "ring"},
    "fashion-mnist": {"data": "fashion-mnist", "size": 32},
    "clothes": {"data": "clothes/clothes_128.zip", "size": 64},
    "emoji": {"data": "emoji_text/noto_emoji_72.zip", "size": 64},
}
SEEDS = {"ring": (0, 1), "clothes": (0, 1)}  # one seed for the others
DEFAULT = "dcgan"  # the rival that automatic training must not be behind, for images


def play(folder: Path, budget: Budget, seed: int, root: Path | None, **settings: Any) -> dict[str, Any]:
    """Run one automatic training, and return its best score with the names that raced."""
    place = settings.pop("data")
    data = str(root / place) if root and "/" in place else place
    training = AutoTraining(folder, AutoSettings(data, budget, seed=seed, device="cpu", **settings))
    training.play()
    rows = [json.loads(line) for line in (folder / "auto.jsonl").read_text().splitlines()]
    best = json.loads((folder / "best.json").read_text())
    direction = next(row["better"] for row in rows if row["event"] == "score")
    noise = next(row for row in rows if row["event"] == "reference")
    return {
        "value": best["value"],
        "chosen": best["run"].split("/")[-1],
        "score": best["score"],
        "better": direction,
        "raced": next(row["candidates"] for row in rows if row["event"] == "plan"),
        "suited": list(training.candidates),
        "references": {name: noise[name] for name in ("data", "noise")},
    }


def regret(found: float, best: float, better: str) -> float:
    """Return by which part of the best score another one is worse; negative if it is better.

    >>> regret(11.0, 10.0, "lower"), regret(0.75, 1.0, "higher")
    (0.1, 0.25)
    """
    return round((found - best if better == Direction.LOWER.value else best - found) / abs(best), 4)


def measure(name: str, seed: int, folder: Path, minutes: float, root: Path | None) -> dict[str, Any]:
    """Return the row of one data set and seed."""
    budget, place = Budget("seconds", 60 * minutes), folder / f"{name}-{seed}"
    raced = play(place / "auto", budget, seed, root, **DATA[name])
    alone = {}
    for each in raced["suited"]:
        if each in raced["raced"] or each == DEFAULT:
            alone[each] = play(place / f"alone-{each}", budget, seed, root, **DATA[name], only=(each,))["value"]
    better = raced["better"]
    pick = min if better == Direction.LOWER.value else max
    best = pick(alone, key=lambda each: alone[each])
    facts: dict[str, Any] = {"data": name, "seed": seed, "minutes": minutes, "alone": alone, "best alone": best}
    facts |= {key: raced[key] for key in ("value", "chosen", "score", "better", "raced", "references")}
    facts["regret"] = regret(raced["value"], alone[best], better)
    facts["within"] = facts["regret"] <= ALLOWED
    if DEFAULT in alone:
        facts["ahead of DCGAN"] = regret(raced["value"], alone[DEFAULT], better) <= 0
    return {**facts, "made": records.made()}


def table(record: dict[str, Any]) -> str:
    """Return the record as lines of text."""
    lines = []
    for row in record["results"]:
        alone = ", ".join(f"{name} {value:.4g}" for name, value in row["alone"].items())
        lines.append(
            f"{row['data']}, seed {row['seed']}, {row['minutes']:g} min: {row['chosen']} {row['value']:.4g}, regret "
            f"{row['regret']:+.1%} against {row['best alone']} (alone: {alone})"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("run", "table"))
    parser.add_argument("folder", nargs="?", type=Path, help="folder of the trainings")
    parser.add_argument("--data", choices=tuple(DATA), action="append", help="data sets, all by default")
    parser.add_argument("--minutes", type=float, default=10.0, help="budget of every training")
    parser.add_argument("--root", type=Path, help="folder of the data, $SPARRING_DATA by default")
    given = parser.parse_args()
    if given.action == "table":
        print(table(json.loads(RESULT.read_text())))
        return
    if given.folder is None:
        parser.error("name a folder of the trainings")
    torch.set_num_threads(1)
    root = given.root or (Path(os.environ["SPARRING_DATA"]) if "SPARRING_DATA" in os.environ else None)
    known = json.loads(RESULT.read_text())["results"] if RESULT.exists() else []
    for name in given.data or DATA:
        for seed in SEEDS.get(name, (0,)):
            row = measure(name, seed, given.folder, given.minutes, root)
            known = [each for each in known if (each["data"], each["seed"]) != (name, seed)] + [row]
            records.write(RESULT, {**records.head(), "results": known})
            print(table({"results": [row]}), flush=True)


if __name__ == "__main__":
    main()
