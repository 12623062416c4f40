"""The report page of a run: its settings, samples, losses and scores, and the commands to run next.

Everything is read from the run's folder.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from torch import nn

from sparring._io.folder import Folder, open_atomic
from sparring._types import JsonObject
from sparring.errors import UNREADABLE, RunError
from sparring.evaluation.types import Evaluation
from sparring.game import Game
from sparring.metrics import Score
from sparring.reports.html import Image, data_uri, embed, render
from sparring.reports.next_steps import commands
from sparring.runs import logs
from sparring.runs.config import REALS, SAMPLES
from sparring.runs.evaluation import read_evaluation
from sparring.runs.run import Run
from sparring.visualization import images
from sparring.visualization.plots import plot_losses

__all__ = [
    "equilibrium",
    "evaluation",
    "page",
    "parameters",
    "protocol",
    "save_losses",
    "save_report",
    "scores",
    "table",
]

SHOWN = 6  # grids of samples in the page


def save_report(run: Run) -> Path:
    """Write ``losses.png`` and ``report.html`` into a run's folder, and return the path of the page.

    Args:
        run: The run; its pictures, log and evaluation are read from its folder.

    Raises:
        RunError: If the run has not been trained yet, or its folder cannot be written.
    """
    save_losses(run)
    target = run.folder / "report.html"
    with open_atomic(target, run.home) as file:
        file.write(page(run).encode())
    return target


def save_losses(run: Run, target: Path | None = None) -> Path:
    """Save a plot of the losses of a run.

    Args:
        run: The run.
        target: The file; its ending chooses the format. Default: ``losses.png`` in the run's folder.
    """
    home = run.home if target is None else None
    target = run.folder / "losses.png" if target is None else target
    figure = plot_losses(logs.read(run.folder / "log.jsonl", run.notes, run.home), equilibrium(run.game))
    if target.suffix.lower() != ".svg":
        return images.save_image(images.render_figure(figure), target, home)
    with open_atomic(target) as file:
        figure.savefig(file, format="svg")
    return target


def equilibrium(game: Game) -> dict[str, float]:
    """Return the loss of each player at equilibrium, where the model equals the data, if the objective defines it."""
    return dict(getattr(getattr(game, "objective", None), "equilibrium", {}))


def table(result: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Return an evaluation as headings and rows of text: each score with its references.

    Args:
        result: The measurements.
    """
    heads = ["score", "generated", "95 % interval", *result.references, "better"]
    rows = []
    for index, score in enumerate(result.scores):
        sure = "–" if score.interval is None else " to ".join(map(_number, score.interval))
        beside = [_number(column[index].value) for column in result.references.values()]
        rows.append([score.name, _number(score.value), sure, *beside, score.better])
    return heads, rows


def protocol(score: Score) -> str:
    """Return the protocol of a score in one line."""
    how = score.protocol
    raw = "points" if len(how["shape"]) == 1 else "pixels"
    judge = f"{how['extractor']} ({how['extractor_sha256'][:12]}), {how['resize']}" if how["extractor"] else raw
    constants = "".join(f", {name} {value:g}" for name, value in how["settings"].items())
    data = f"{how['dataset']} ({how['fingerprint'][:12]}), {how['split']}"
    counts = f"{how['real']} real, {how['fake']} generated"
    asked = f"; {how['conditions']}" if how.get("conditions") else ""
    return f"{how['metric']}{constants}; {counts}{asked}; {data}; {judge}; seed {how['seed']}"


def page(run: Run) -> str:
    """Return the report page of a run.

    Args:
        run: The run.
    """
    home = run.home
    values = {
        "title": f"{run.config.recipe} on {run.config.data.name}",
        "facts": _facts(run),
        "films": [embed(home.path / name, name, home) for name in home.names() if name.endswith((".gif", ".webp"))],
        "samples": _samples(home),
        "losses": None if home.mode("losses.png") is None else data_uri(home.path / "losses.png", home),
        "scores": scores(home),
        "commands": commands(run),
    }
    return render("run.html.j2", values)


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"


def _facts(run: Run) -> dict[str, str]:
    config, game = run.config, run.game
    counts = ", ".join(
        f"{name} {parameters(net):,}" for name, net in game.unwrapped.named_children() if parameters(net)
    )
    moves = ", ".join(f"{player} {count:,}" for player, count in run.updates.items())
    return {
        "system": f"{config.recipe} ({type(game).__name__})",
        "data": f"{config.data.name}, {len(run.dataset):,} rows of shape {run.dataset.shape}",
        "trained": f"{run.step:,} steps, {run.images / 1000:,.1f} thousand training images; moves: {moves}",
        "parameters": counts,
        "settings": json.dumps(config.arguments),
        "batch, seed": f"{config.batch_size}, {config.seed}",
        "average": f"decay {config.ema_decay}" if config.ema_decay else "none",
        "made with": ", ".join(f"{key} {getattr(config.provenance, key)}" for key in ("sparring", "torch", "device")),
    }


def parameters(network: nn.Module) -> int:
    """Return the number of parameters of a network."""
    return sum(weight.numel() for weight in network.parameters())


def _samples(home: Folder) -> list[Image]:
    """Return grids of samples at several steps, and the data."""
    place = home if home.mode(SAMPLES) is None else home.subfolder(SAMPLES)
    every = [place.path / name for name in place.names() if name.endswith(".png")] if place is not home else []
    chosen = [every[i] for i in sorted({round(k) for k in np.linspace(0, len(every) - 1, SHOWN)})] if every else []
    shown = [embed(path, f"step {int(path.stem):,}", place) for path in chosen if path.stem.isdecimal()]
    if home.mode(REALS) is not None:
        shown.append(embed(home.path / REALS, "the data", home))
    return shown


def scores(folder: Path | Folder) -> JsonObject | None:
    """Return the evaluation in a run's folder for a page: heads, rows, and lines on its protocol; None without one.

    Args:
        folder: The run's.
    """
    found = evaluation(folder)
    if found is None:
        return None
    heads, rows = table(found)
    return {"heads": heads, "rows": rows, "lines": [*dict.fromkeys(map(protocol, found.scores)), *found.notes]}


def evaluation(folder: Path | Folder) -> Evaluation | None:
    """Return the contents of ``evaluation.json`` in a run's folder, or None where there is none.

    Args:
        folder: The run's.

    Raises:
        RunError: If it cannot be read.
    """
    home = Folder.open(folder)
    try:
        found = read_evaluation(home)
        if found is not None:
            table(found), list(map(protocol, found.scores))  # an evaluation that cannot be shown is damaged as well
        return found
    except UNREADABLE as error:
        path = home.path / "evaluation.json"
        raise RunError(f"{path} cannot be read ({error}): remove it, or evaluate the run again.") from error
