"""What a record of the benchmark `photos` shows: the time in which the best method reaches the others' best distances.

A distance counts as reached at the first evaluation at or below it. The target is the best distance of all seeds and
all evaluations of a group of contestants; our method must reach it with each of its seeds, by each judge.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmarks.quality.photo_suites import BEST, EARLIER_BEST, EARLIER_DEFAULTS

SHARES = {"earlier defaults and peers": (EARLIER_DEFAULTS, 1 / 8), "earlier best settings": (EARLIER_BEST, 1 / 2)}
"""Contestants of each group, and the share of their time in which their best distance is to be reached."""
Curve = list[dict[str, Any]]


def reached(curve: Curve, judge: str, level: float) -> float | None:
    """Return the seconds until a distance was reached, or None.

    Args:
        curve: Rows of evaluations, in order.
        judge: Name of the judge.
        level: The distance.
    """
    return next((row["seconds"] for row in curve if row[judge]["distance"] <= level), None)


def curves(arena: dict[str, Any], names: Iterable[str]) -> dict[str, Curve]:
    """Return the curves of some contestants, over all seeds, by the names of their trainings.

    Args:
        arena: The part of a record about one data set.
        names: The contestants' names.
    """
    chosen = set(names)
    return {
        key: row["curve"] for key, row in arena["trainings"].items() if row["contestant"] in chosen and row["curve"]
    }


def claims(arena: dict[str, Any], minutes: float) -> dict[str, Any]:
    """Return, for each group and judge, the target, the time to reach it with each seed, and whether it is soon enough.

    Args:
        arena: The part of a record about one data set.
        minutes: Core-minutes of every training.
    """
    found: dict[str, Any] = {}
    ours = curves(arena, [BEST])
    judges = sorted({name for curve in ours.values() for name, row in curve[0].items() if isinstance(row, dict)})
    for group, (names, share) in SHARES.items():
        theirs = curves(arena, names)
        if theirs and ours:
            rows = {judge: _claim(ours, theirs, judge, share, minutes) for judge in judges}
            found[group] = {**rows, "holds": all(row["holds"] for row in rows.values())}
    rivals = curves(arena, {row["contestant"] for row in arena["trainings"].values()} - {BEST})
    if rivals and ours:
        rows = {judge: _end(ours, rivals, judge) for judge in judges}
        found["at the end"] = {**rows, "holds": all(row["holds"] for row in rows.values())}
    return found


def _claim(
    ours: dict[str, Curve], theirs: dict[str, Curve], judge: str, share: float, minutes: float
) -> dict[str, Any]:
    best, name = min((row[judge]["distance"], name) for name, curve in theirs.items() for row in curve)
    seconds = {name: reached(curve, judge, best) for name, curve in ours.items()}
    limit = share * minutes * 60
    return {
        "target": best,
        "of": name,
        "seconds": seconds,
        "times as fast": {name: round(minutes * 60 / value, 2) if value else None for name, value in seconds.items()},
        "required": round(1 / share, 2),
        "holds": all(value is not None and value <= limit for value in seconds.values()),
    }


def _end(ours: dict[str, Curve], rivals: dict[str, Curve], judge: str) -> dict[str, Any]:
    last = {name: curve[-1][judge]["distance"] for name, curve in ours.items()}
    best, name = min((curve[-1][judge]["distance"], name) for name, curve in rivals.items())
    return {"ours": last, "best of the others": best, "of": name, "holds": max(last.values()) < best}
