"""Results of a comparison as plain values: all numbers of compare.json, read from the folders of the trials."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Mapping, Sequence

import torch

from sparring import __version__
from sparring._types import JsonObject
from sparring.errors import RunError
from sparring.evaluation.significance import spread, summary_over_training
from sparring.evaluation.types import Evaluation
from sparring.experiments.experiment import Trial
from sparring.experiments.verdict import Criterion, compare_pairs, criteria, verdict
from sparring.experiments.workers import cores
from sparring.metrics import Score, require_same_protocol
from sparring.reports import run_report

__all__ = ["collect", "inequalities", "to_plain"]

Values = JsonObject
Counts = Mapping[str, float]
ALIKE = 1.1  # ratio of parameters or updates that counts as equal
COLUMNS = ("min", "max", "mean", "SD")


def collect(trials: Sequence[Trial], command: str) -> Values:
    """Collect the results of all trials.

    Args:
        trials: All trials.
        command: The command line.

    Raises:
        RunError: If no trial has finished.
        SparringError: If two trials were evaluated with different protocols.
    """
    records = [_trial_values(trial) for trial in trials]
    judged = [Evaluation.from_json(row) for trial in trials for row in trial.rows()[-1:]]
    if not any(one["state"] == "finished" for one in records):
        sentence = next((one["error"] for one in records if one["error"]), "none was trained yet.")
        raise RunError(f"No trial is finished, there is nothing to compare: {sentence}")
    for later in judged[1:]:
        for first, other in zip(judged[0].scores, later.scores, strict=True):
            require_same_protocol(first.protocol, other.protocol)
    scores, labels = judged[0].scores, list(dict.fromkeys(trial.entry.label for trial in trials))
    among = criteria(scores, _references(judged))
    rows = {label: [one["rows"][-1]["scores"] for one in _finished(label, records)] for label in labels}
    budget = trials[0].protocol.budget
    return {
        "command": command,
        "budget": {"axis": budget.axis, "amount": budget.amount, "marks": budget.marks()},
        "data": scores[0].protocol["dataset"],
        "shape": scores[0].protocol["shape"],
        "shared": {
            name: str(value) if value is not None else None for name, value in trials[0].protocol.shared.items()
        },
        "versions": {"sparring": __version__, "torch": str(torch.__version__), "python": platform.python_version()},
        "machine": {"system": platform.platform(), "cores": cores(), "of": os.cpu_count()},
        "scores": {score.name: score.better.value for score in scores},
        "protocol": list(dict.fromkeys(map(run_report.protocol, scores))),
        "references": {name: _values(row) for name, row in _references(judged).items()},
        "entries": labels,
        "trials": records,
        "table": [_line(label, records, scores) for label in labels],
        "significance": {one.name: compare_pairs(_ends(one, rows)) for one in among},
        "unlike": inequalities(_means(records, "parameters"), _means(records, "updates")),
        "verdict": verdict(among, rows),
    }


def to_plain(value: object) -> object:
    """Return values for JSON, with infinities as text and NaN as null.

    >>> to_plain({"a": [1.0, math.inf, math.nan]})
    {'a': [1.0, 'inf', None]}
    """
    if isinstance(value, dict):
        return {key: to_plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _trial_values(trial: Trial) -> Values:
    """Return settings, state and scores over training of a trial as plain values."""
    before = trial.read() or {"state": "not begun", "error": ""}
    kept = ("step", "images", "seconds", "evaluation_seconds")
    rows = [{**{k: row[k] for k in kept}, "scores": _values(Evaluation.from_json(row).scores)} for row in trial.rows()]
    facts = {name: before[name] for name in ("state", "error")}
    trained = {name: before.get(name) for name in ("step", "images", "seconds", "updates", "parameters", "made")}
    who = {"label": trial.entry.label, "seed": trial.seed, "folder": trial.folder.name}
    settings = {name: getattr(trial.entry, name) for name in ("recipe", "arguments", "techniques")}
    return {**who, **facts, **settings, **trained, "rows": rows}


def _values(scores: Sequence[Score]) -> dict[str, float]:
    return {score.name: score.value for score in scores}


def _references(judged: Sequence[Evaluation]) -> dict[str, list[Score]]:
    """Return the scores of real data and of noise, from the first trial that was evaluated at its end."""
    return next((one.references for one in judged if one.references), {})


def _ends(criterion: Criterion, rows: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, list[float]]:
    """Return the final values of a criterion by entry, one per seed."""
    return {label: [criterion.of(row) for row in seeds] for label, seeds in rows.items()}


def inequalities(parameters: Mapping[str, Counts], updates: Mapping[str, Counts] | None = None) -> list[str]:
    """Return notes about unequal numbers of parameters or updates of the entries.

    Args:
        parameters: Numbers of parameters of each entry, by network.
        updates: Numbers of updates of each entry, by player. Default: not trained yet.

    >>> inequalities({"a": {"G": 100, "D": 100}, "b": {"G": 105, "D": 100}, "c": {"G": 400, "D": 100}})
    ['The networks are of unlike size: a 200, b 205, c 500 parameters; --network and --width make them alike.']
    """
    found, sizes = [], {label: sum(counts.values()) for label, counts in parameters.items()}
    if sizes and max(sizes.values()) > ALIKE * min(sizes.values()):
        listed = ", ".join(f"{label} {size:,.0f}" for label, size in sizes.items())
        found.append(f"The networks are of unlike size: {listed} parameters; --network and --width make them alike.")
    moves = {label: counts["G"] for label, counts in (updates or {}).items() if "G" in counts}
    if moves and max(moves.values()) > ALIKE * min(moves.values()):
        listed = ", ".join(f"{label} {count:,.0f}" for label, count in moves.items())
        found.append(
            f"The generators moved unlike often: {listed} times; the same --steps would have been the same moves."
        )
    return found


def _means(records: Sequence[Values], fact: str) -> dict[str, Counts]:
    """Return mean counts over the finished trials of every entry."""
    labels = dict.fromkeys(one["label"] for one in records if one["state"] == "finished")
    every = {label: [one[fact] for one in _finished(label, records) if one[fact]] for label in labels}
    return {
        label: {name: spread([row[name] for row in rows]).mean or 0.0 for name in rows[0]}
        for label, rows in every.items()
        if rows
    }


def _finished(label: str, records: Sequence[Values]) -> list[Values]:
    return [one for one in records if one["label"] == label and one["state"] == "finished"]


def _finals(label: str, records: Sequence[Values], score: str) -> list[float]:
    """Return the final scores of an entry, one per seed."""
    return [one["rows"][-1]["scores"][score] for one in _finished(label, records)]


def _line(label: str, records: Sequence[Values], scores: Sequence[Score]) -> Values:
    """Return an entry's row of the table: scores at the end, and over training, each averaged over seeds."""
    finished, columns = _finished(label, records), {}
    for score in scores:
        end = spread(_finals(label, records, score.name))
        courses = [summary_over_training([row["scores"][score.name] for row in one["rows"]]) for one in finished]
        training = {name: spread([course[name] for course in courses]).mean for name in COLUMNS}
        columns[score.name] = {"mean": end.mean, "SD": end.deviation, "training": training}
    lost = [one["seed"] for one in records if one["label"] == label and one["state"] != "finished"]
    seconds = spread([one["seconds"] for one in finished]).mean
    images = spread([one["images"] for one in finished]).mean
    return {
        "label": label,
        "seeds": len(finished),
        "lost": lost,
        "images": images,
        "seconds": seconds,
        "scores": columns,
    }
