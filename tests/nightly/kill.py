"""Nightly kill -9 test: every recipe of the table, in one process and in two, at least twenty kills a family.

    python tests/nightly/kill.py                    all of it
    python tests/nightly/kill.py --match gan        recipes whose name contains this
    python tests/nightly/kill.py --minutes 10       as much as can be done by then
    python tests/nightly/kill.py --share 2/5        every fifth case, from the second
    python tests/nightly/kill.py --missing          only what the record does not hold yet

A recipe is trained once without and once with kills at random moments, the same command again after each. What comes
out must be the same to the last bit: weights, averages, optimisers, log; no checkpoint may be broken and no temporary
file left. A family is a module of `sparring.recipes`; its kills are shared among its recipes and kinds of data, at
least two each, and two each again with two processes. Outcomes are added to tests/nightly/results/kill.json; the
command exits with 1 if any differs.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from sparring import RECIPES
from support import forked, runs

RESULTS = Path(__file__).parent / "results" / "kill.json"
A_FAMILY, EACH, STRIDE = 20, 2, 3


def captioned() -> dict[str, Any]:
    """A folder of images with a text beside each."""
    folder = Path(runs._folder("captioned", 16, images=(5, 256, 3)))
    for number in range(5):
        (folder / "images" / f"{number}.txt").write_text(f"a picture of number {number}\nnumber {number}\n")
    return {"data": str(folder), "size": 16, "batch_size": 4, "device": "cpu"}


def cases() -> list[tuple[str, str, dict[str, Any]]]:
    """Family, recipe and data, every recipe of the table with every kind of data that it takes."""
    kinds = runs.KINDS | {"captioned images": runs.KINDS["captioned images"] or [captioned()]}
    return [
        (row.home.split(":")[0].split(".")[-1], name, kind)
        for name, row in RECIPES.items()
        for kind in kinds[row.needs]
    ]


def kills(family: str, processes: int) -> int:
    """How often each recipe of a family is killed."""
    many = Counter(each for each, _, _ in cases())[family]
    return max(EACH, math.ceil(A_FAMILY / many)) if processes == 1 else EACH


def outcome(family: str, name: str, kind: dict[str, Any], processes: int, rng: random.Random) -> dict[str, Any]:
    """What became of one recipe."""
    folder, count = Path(tempfile.mkdtemp(prefix="kill-")), kills(family, processes)
    kind = {**kind, "batch_size": max(2, kind.get("batch_size", 1))} if processes > 1 else kind
    began = time.perf_counter()
    try:
        how = {"kills": count, "steps": 6 + STRIDE * count, "stride": STRIDE}
        found = forked.torment(folder, name, kind, processes, rng, **how)
    except Exception as error:  # is recorded as an outcome, and the next recipe follows
        message = f"{type(error).__name__}: {error}"
        found = {"deaths": [], "difference": message, "same log": False, "notes": [], "left over": []}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    same = found["difference"] == "" and found["same log"] and not found["notes"] and not found["left over"]
    facts = {"family": family, "recipe": name, "data": Path(kind["data"]).name, "processes": processes}
    seconds = round(time.perf_counter() - began, 1)
    return {
        **facts,
        "deaths": len(found["deaths"]),
        "same": same,
        "difference": found["difference"],
        "seconds": seconds,
    }


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["recipe"], row["data"], row["processes"]


def record(rows: list[dict[str, Any]]) -> None:
    """Write the outcomes over those of earlier nights."""
    before = json.loads(RESULTS.read_text())["outcomes"] if RESULTS.exists() else []
    known = {key(row): row for row in [*before, *rows]}
    listed = sorted(known.values(), key=lambda row: (row["family"], row["recipe"], row["data"], row["processes"]))
    deaths = Counter({row["family"]: 0 for row in listed})
    for row in listed:
        deaths[row["family"]] += row["deaths"]
    facts = {
        "command": "python tests/nightly/kill.py",
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }
    total = {"deaths": sum(deaths.values()), "recipes": len({row["recipe"] for row in listed}), "of": len(RECIPES)}
    differing = [key(row) for row in listed if not row["same"]]
    content = {**facts, "total": total, "differing": differing, "deaths of a family": dict(deaths), "outcomes": listed}
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--match", default="", help="only recipes whose name contains this")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin nothing new after so long")
    parser.add_argument("--missing", action="store_true", help="only what the record does not hold yet")
    parser.add_argument("--seed", type=int, default=None, help="seed of the moments of the kills; default: random")
    parser.add_argument("--share", default="1/1", help="K/N: every N-th case from the K-th")
    parser.add_argument("--merge", type=Path, nargs="*", default=(), help="add records from elsewhere, and run nothing")
    given = parser.parse_args()
    if given.merge:
        record([row for path in given.merge for row in json.loads(path.read_text())["outcomes"]])
        return
    rng, rows, began = random.Random(given.seed), [], time.monotonic()
    held = (
        {key(row) for row in json.loads(RESULTS.read_text())["outcomes"]}
        if given.missing and RESULTS.exists()
        else set()
    )
    plan = [(*case, processes) for processes in (1, 2) for case in cases() if given.match in case[1]]
    plan = [each for each in plan if (each[1], Path(each[2]["data"]).name, each[3]) not in held]
    first, each_of = map(int, given.share.split("/"))
    plan = plan[first - 1 :: each_of]
    forked.prepare()
    for done, (family, name, kind, processes) in enumerate(plan):
        if time.monotonic() - began > 60 * given.minutes:
            print(f"Time is up after {done} of {len(plan)}; the rest: --missing.")
            break
        rows.append(outcome(family, name, kind, processes, rng))
        row = rows[-1]
        verdict = "same" if row["same"] else f"DIFFERS {row['difference']}"
        print(
            f"{family}/{name} on {row['data']}, {processes}: {row['deaths']} deaths, {row['seconds']} s, {verdict}",
            flush=True,
        )
        record(rows)
    bad = [row for row in rows if not row["same"]]
    print(f"{sum(row['deaths'] for row in rows)} deaths, {len(bad)} of {len(rows)} outcomes differ.")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
