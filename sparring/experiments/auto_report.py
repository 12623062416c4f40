"""The report of an automatic training: one page with everything embedded, ``auto.html``.

What was tried and why it was chosen, scores over time, grids of samples side by side, samples beside their nearest
training images, what more time would bring, and the commands to run next.
"""

from __future__ import annotations

import io
import shlex
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from sparring._io.folder import Folder, open_atomic
from sparring._types import JsonObject
from sparring.experiments.extrapolation import Forecast, forecast
from sparring.experiments.plots import sample_files
from sparring.reports.html import Image, embed, render
from sparring.reports.run_report import scores as evaluation_of
from sparring.runs.config import REALS
from sparring.visualization.images import render_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sparring.experiments.auto import AutoSettings, AutoTraining

__all__ = ["save_auto_report", "verdict"]

PAIRS = "nearest"  # the image of samples beside their nearest training images
MORE = 2  # times the training whose score is forecast


def save_auto_report(training: AutoTraining) -> Path:
    """Write ``auto.html``, and return its path.

    Args:
        training: An automatic training with its journal open.
    """
    target = training.folder / "auto.html"
    with open_atomic(target) as file:
        file.write(render("auto.html.j2", _values(training)).encode(errors="backslashreplace"))
    return target


def verdict(training: AutoTraining) -> list[str]:
    """Return what was chosen and why, as sentences.

    Args:
        training: An automatic training with its journal open.
    """
    best, reference = training.best(), training.rows.last("reference")
    if best is None or reference is None:
        return ["No candidate was scored."]
    name, value = best["candidate"], f"{best['value']:.4g}"
    beside = f"other real data {_number(reference['data'])}, noise {_number(reference['noise'])}"
    score = f"{best['score']} {value} on {_held(training)} ({beside}; {best['better']} is better)"
    if not training.clear(best["value"]):
        return [f"No candidate is clearly better than noise: the best is {name} with {score}. Give it more time."]
    lines = [f"Chosen: {name} at step {best['at']:,}, by {score}."]
    lines += [f"Its record: {training.candidates[name].record}."]
    others = [row for row in _last_scores(training) if row["candidate"] != name]
    if others:
        lines.append(f"When they retired, {', '.join(_retired(training, row) for row in others)}.")
    return [*lines, *_forecast(training, best, reference["data"])]


def _held(training: AutoTraining) -> str:
    return "images that none was trained on" if training.facts.images else "points that none was trained on"


def _retired(training: AutoTraining, row: JsonObject) -> str:
    clear = "" if training.clear(row["value"]) else ", not clearly better than noise"
    return f"{row['candidate']} had {row['value']:.4g} after {_trained(training, row)}{clear}"


def _trained(training: AutoTraining, row: JsonObject) -> str:
    if training.settings.budget.unit == "steps":
        return f"{row['at']:,} steps"
    return f"{row['trained'] / 60:.1f} min" if row["trained"] >= 60 else f"{row['trained']:.0f} s"


def _last_scores(training: AutoTraining) -> list[JsonObject]:
    found = (training.rows.last("score", candidate=name) for name in training.candidates)
    return [row for row in found if row]


def _forecast(training: AutoTraining, best: JsonObject, limit: float) -> list[str]:
    """Return what twice the training of the winner would bring."""
    found = more_time(training, best["candidate"], limit)
    if found is None:
        return ["More time: there are too few scores to say what it would bring."]
    low, high = found.interval
    length = f"{MORE} times the training of {best['candidate']}"
    if found.exponent <= 0:
        return [f"More time: the score of {best['candidate']} no longer improves; its curve promises nothing."]
    return [
        f"More time: after {length} its curve gives {found.value:.3g} (95 % of new scores: {low:.3g} to {high:.3g})."
    ]


def more_time(training: AutoTraining, name: str, limit: float) -> Forecast | None:
    """Return the forecast of the score of a candidate after more training.

    Args:
        training: An automatic training with its journal open.
        name: The candidate's.
        limit: The score of other real data.
    """
    rows = training.rows.find("score", candidate=name)
    times, values = [float(row["images"]) for row in rows], [float(row["value"]) for row in rows]
    return forecast(times, values, limit, MORE * times[-1]) if times else None


def next_commands(training: AutoTraining, best: JsonObject) -> list[str]:
    """Return the commands that use, continue or examine the best run.

    Args:
        training: An automatic training.
        best: The row of its best score.
    """
    where = shlex.quote(str(training.path(best["candidate"])))
    budget, data = training.settings.budget, shlex.quote(str(training.settings.data))
    more = f"--steps {2 * int(budget.amount)}" if budget.unit == "steps" else f"--minutes {2 * budget.amount / 60:g}"
    commands = [
        f"sparring sample {where} --checkpoint best --seeds 0-63 --out samples.png",
        f"sparring interpolate {where} --checkpoint best --seeds 0,1,2 --frames 60 --out walk.gif",
        f"sparring evaluate {where} --checkpoint best",
    ]
    if training.settings.conditional:
        commands.insert(
            1, f"sparring sample {where} --checkpoint best --label {training.dataset.classes[0]} --out one.png"
        )
    again = [f"sparring auto {data} --out {shlex.quote(str(training.folder))}", *_given(training.settings), more]
    return [*commands, " ".join(again)]


def _given(settings: AutoSettings) -> list[str]:
    """Return the flags of settings that are not the defaults; the size is read from the folder."""
    flags = ["--conditional"] if settings.conditional else []
    flags += [] if settings.mirror is None else [f"--mirror {'on' if settings.mirror else 'off'}"]
    flags += [f"--only {' '.join(settings.only)}"] if settings.only else []
    usual = {"channels": None, "data_root": None, "extractor": "classifier", "samples": None, "seed": 0}
    values = {name: getattr(settings, name) for name, default in usual.items() if getattr(settings, name) != default}
    return [*flags, *(f"--{name.replace('_', '-')} {shlex.quote(str(value))}" for name, value in values.items())]


def _values(training: AutoTraining) -> dict[str, object]:
    best = training.best()
    folder = training.path(best["candidate"]) if best else None
    return {
        "title": f"Automatic training on {training.settings.data}",
        "verdict": verdict(training),
        "data": [": ".join(training.dataset.describe()), *training.look, *training.notes],
        "samples": _picture(folder, best) if folder and best else None,
        "real": _real(folder) if folder else None,
        "grids": _grids(training),
        "curves": _embedded(_curves(training)) if training.rows.find("score") else None,
        "table": _table(training),
        "nearest": _nearest(folder) if folder else None,
        "scores": evaluation_of(folder) if folder else None,
        "commands": next_commands(training, best) if best else [],
    }


def _picture(folder: Path, best: JsonObject) -> Image | None:
    """Return the samples of the best checkpoint: those of the step nearest to it."""
    files = sample_files(folder)
    if not files:
        return None
    nearest = min(files, key=lambda path: abs(int(path.stem) - best["at"]))
    return embed(nearest, f"samples of step {int(nearest.stem):,}", Folder.open(folder).subfolder(nearest.parent.name))


def _real(folder: Path) -> Image | None:
    home = Folder.open(folder)
    return None if home.mode(REALS) is None else embed(home.path / REALS, "the data", home)


def _nearest(folder: Path) -> Image | None:
    home = Folder.open(folder)
    names = [name for name in home.names() if name.startswith(PAIRS) and name.endswith(".png")]
    return embed(home.path / names[0], "each sample beside its nearest training image", home) if names else None


def _grids(training: AutoTraining) -> list[Image]:
    """Return the last samples of every candidate."""
    found = []
    for row in _last_scores(training):
        files = sample_files(training.path(row["candidate"]))
        if files:
            home = Folder.open(training.path(row["candidate"])).subfolder(files[-1].parent.name)
            words = f"{row['candidate']}: {row['value']:.4g} after {_trained(training, row)}"
            found.append(embed(files[-1], words, home))
    return found


def _table(training: AutoTraining) -> dict[str, Sequence[object]]:
    heads = ("candidate", "recipe and settings", "trained", "images", "best score", "outcome", "record")
    return {"heads": heads, "rows": [_row(training, name) for name in training.candidates]}


def _row(training: AutoTraining, name: str) -> list[str]:
    who, rows = training.candidates[name], training.rows.find("score", candidate=name)
    values = [float(row["value"]) for row in rows]
    value = (min if training.lower_is_better else max)(values) if values else None
    trained = _trained(training, rows[-1]) if rows else ""
    images = f"{rows[-1]['images']:,}" if rows else ""
    score = "" if value is None else f"{value:.4g}"
    return [name, _settings(training, name), trained, images, score, _outcome(training, name), who.record]


def _settings(training: AutoTraining, name: str) -> str:
    """Return the settings of a candidate as the words of its command."""
    who = training.candidates[name]
    words = [f"{who.recipe}, batch {who.batch_size}", *_flags(who.arguments), *_flags(who.techniques)]
    return ", ".join(words)


def _flags(values: JsonObject) -> list[str]:
    found = []
    for name, value in values.items():
        found += (
            [f"{name}.{key} {each}" for key, each in value.items()] if isinstance(value, dict) else [f"{name} {value}"]
        )
    return found


def _outcome(training: AutoTraining, name: str) -> str:
    failed = training.rows.last("out", candidate=name)
    if failed:
        return f"out: {failed['why']}"
    best = training.best()
    if best and best["candidate"] == name and training.clear(best["value"]):
        return "chosen"
    for row in training.rows.find("halved"):
        if name in row["retired"]:
            return f"retired after rung {row['rung'] + 1}"
    plan = training.rows.last("plan")
    return "" if plan and name in plan["candidates"] else "not raced: too slow for the budget"


def _curves(training: AutoTraining) -> Figure:
    """Draw the scores of all candidates over time, with the scores of real data and of noise."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2), dpi=110, layout="constrained")
    axes = figure.subplots()
    counted = training.settings.budget.unit == "steps"
    values = []
    for name in training.candidates:
        rows = training.rows.find("score", candidate=name)
        if rows:
            times = [row["at"] if counted else row["trained"] / 60 for row in rows]
            axes.plot(times, [row["value"] for row in rows], marker="o", markersize=4, label=name)
            values += [float(row["value"]) for row in rows]
    for key, words in {"data": "other real data", "noise": "noise"}.items():
        reference = training.rows.last("reference")
        if reference:
            axes.axhline(reference[key], color="0.4", linestyle="--" if key == "data" else ":", label=words)
            values.append(float(reference[key]))
    if min(values) > 0 and max(values) / min(values) > 20:
        axes.set_yscale("log")
    axes.set_xlabel("steps" if counted else "minutes of training of the candidate")
    axes.set_ylabel(training.rows.find("score")[0]["score"])
    axes.grid(alpha=0.2)
    axes.legend()
    return figure


def _embedded(figure: Figure) -> Markup:
    file = io.BytesIO()
    render_figure(figure).save(file, "PNG")
    return Markup(f"data:image/png;base64,{b64encode(file.getvalue()).decode()}")  # base64 holds no markup


def _number(value: float) -> str:
    return f"{value:.4g}"
