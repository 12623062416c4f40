"""A run at a glance: one page of HTML that needs nothing but itself.

Everything is read from the run's folder: pictures are inlined, there is no script, and nothing is asked of a network.
"""

from __future__ import annotations

import base64
import html
import json
import math
import shlex
from pathlib import Path
from typing import Any

import numpy as np

from sparring._io.folder import Folder, open_atomic
from sparring.abilities import SupportsLabelMaps, SupportsSingleImage, SupportsTranslation
from sparring.errors import UNREADABLE, RunError, printable
from sparring.evaluation import evaluator
from sparring.game import Game
from sparring.metrics import Score
from sparring.recipes.importing import outside
from sparring.runs import logs
from sparring.runs.config import REALS, SAMPLES
from sparring.runs.run import Run
from sparring.visualization import images
from sparring.visualization.plots import plot_losses

__all__ = [
    "PAGE",
    "commands",
    "equilibrium",
    "escaped",
    "evaluation",
    "figure",
    "page",
    "parameters",
    "protocol",
    "save_losses",
    "save_report",
    "scores",
    "table",
]

SHOWN = 6  # pictures of the training in the page
TYPES = {".png": "image/png", ".gif": "image/gif", ".webp": "image/webp"}


def save_report(run: Run) -> Path:
    """Writes ``losses.png`` and ``report.html`` into a run's folder, and returns the path of the page.

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


def table(result: evaluator.Evaluation) -> tuple[list[str], list[list[str]]]:
    """Returns an evaluation as headings and rows of text: each score, beside it its references.

    Args:
        result: What was measured.
    """
    heads = ["score", "generated", "95 % interval", *result.references, "better"]
    rows = []
    for index, score in enumerate(result.scores):
        sure = "–" if score.interval is None else " to ".join(map(_number, score.interval))
        beside = [_number(column[index].value) for column in result.references.values()]
        rows.append([score.name, _number(score.value), sure, *beside, score.better])
    return heads, rows


def protocol(score: Score) -> str:
    """Returns in one line how a score was measured."""
    how = score.stamp
    raw = "points" if len(how["shape"]) == 1 else "pixels"
    judge = f"{how['extractor']} ({how['extractor_sha256'][:12]}), {how['resize']}" if how["extractor"] else raw
    constants = "".join(f", {name} {value:g}" for name, value in how["settings"].items())
    data = f"{how['dataset']} ({how['fingerprint'][:12]}), {how['split']}"
    counts = f"{how['real']} real, {how['fake']} generated"
    asked = f"; {how['conditions']}" if how.get("conditions") else ""
    return f"{how['metric']}{constants}; {counts}{asked}; {data}; {judge}; seed {how['seed']}"


def page(run: Run) -> str:
    """Returns the page: what was trained, what it makes, how it went, how good it is, how to go on.

    Args:
        run: The run.
    """
    title = f"{run.record['recipe']} on {run.record['data']['name']}"
    parts = [_facts(run), _films(run.home), _over_time(run.home), _curves(run), scores(run.home), _commands(run)]
    body = f"<h1>{escaped(title)}</h1>" + "".join(parts)
    return PAGE.format(title=escaped(title), body=body)


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
h1, h2 {{ line-height: 1.2; }} h2 {{ margin-top: 2.5rem; }}
img {{ max-width: 100%; image-rendering: pixelated; }}
figure {{ display: inline-block; margin: 0 1rem 1rem 0; vertical-align: top; max-width: 18rem; }}
figcaption, small {{ color: #666; }}
table {{ border-collapse: collapse; }}
td, th {{ padding: .25rem .9rem .25rem 0; text-align: left; vertical-align: top; }}
thead th {{ border-bottom: 1px solid #999; }}
pre {{ background: #f4f4f4; padding: .8rem; overflow-x: auto; }}
</style></head>
<body>
{body}
</body></html>
"""


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"


def escaped(text: str) -> str:
    """Returns a text as HTML shows it, with what no page can hold made printable.

    Args:
        text: One line, from anywhere.
    """
    return html.escape(printable(text))


def figure(path: Path, caption: str, folder: Folder | None = None) -> str:
    """Returns a picture with a caption as HTML, its file inlined.

    Args:
        path: A .png, .gif or .webp.
        caption: Its words, which are escaped here.
        folder: The folder that it is in, if that is open. Default: found by the path.

    Raises:
        RunError: If it is a link or no regular file.
    """
    content = base64.b64encode((folder or Folder.at(path.parent)).read(path.name)).decode()
    source = f"data:{TYPES[path.suffix]};base64,{content}"
    words = escaped(caption)
    return f'<figure><img alt="{words}" src="{source}"><figcaption>{words}</figcaption></figure>'


def _facts(run: Run) -> str:
    record, game = run.record, run.game
    counts = ", ".join(f"{name} {parameters(net):,}" for name, net in game.core.named_children() if parameters(net))
    moves = ", ".join(f"{player} {count:,}" for player, count in run.updates.items())
    rows = {
        "system": f"{record['recipe']} ({type(game).__name__})",
        "data": f"{record['data']['name']}, {len(run.dataset):,} rows of shape {run.dataset.shape}",
        "trained": f"{run.step:,} steps, {run.images / 1000:,.1f} thousand images seen; moves: {moves}",
        "parameters": counts,
        "settings": json.dumps(record["arguments"]),
        "batch, seed": f"{record['batch']}, {record['seed']}",
        "average": f"decay {record['average']}" if record["average"] else "none",
        "made with": ", ".join(
            f"{key} {record['made'].get(key, 'unknown')}" for key in ("sparring", "torch", "device")
        ),
    }
    cells = "".join(f"<tr><th>{key}</th><td>{escaped(str(value))}</td></tr>" for key, value in rows.items())
    return f"<table>{cells}</table>"


def parameters(network: Any) -> int:
    """Returns how many parameters a network has."""
    return sum(weight.numel() for weight in network.parameters())


def _films(home: Folder) -> str:
    films = [home.path / name for name in home.names() if name.endswith((".gif", ".webp"))]
    return "<h2>Walks</h2>" + "".join(figure(path, path.name, home) for path in films) if films else ""


def _over_time(home: Folder) -> str:
    place = home if home.mode(SAMPLES) is None else home.below(SAMPLES)
    every = [place.path / name for name in place.names() if name.endswith(".png")] if place is not home else []
    chosen = [every[i] for i in sorted({round(k) for k in np.linspace(0, len(every) - 1, SHOWN)})] if every else []
    shown = [figure(path, f"step {int(path.stem):,}", place) for path in chosen if path.stem.isdecimal()]
    if home.mode(REALS) is not None:
        shown.append(figure(home.path / REALS, "the data", home))
    return "<h2>Samples over time</h2>" + "".join(shown) if shown else ""


def _curves(run: Run) -> str:
    if run.home.mode("losses.png") is None:
        return ""
    content = base64.b64encode(run.home.read("losses.png")).decode()
    words = (
        "Faint: every step. Bold: running mean. Dashed: where theory puts the loss once the model equals the data; "
        "a game that is still being played stays on either side of it."
    )
    picture = f'<img alt="loss curves" src="data:image/png;base64,{content}">'
    return f"<h2>Losses</h2>{picture}<p><small>{words}</small></p>"


def scores(folder: Path | Folder) -> str:
    """Returns what ``evaluation.json`` in a run's folder holds as a table of HTML; nothing where there is none.

    Args:
        folder: The run's.
    """
    found = evaluation(folder)
    if found is None:
        return ""
    heads, rows = table(found)
    head = "".join(f"<th>{escaped(cell)}</th>" for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{escaped(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    stamps = "".join(
        f"<li>{escaped(line)}</li>" for line in [*dict.fromkeys(map(protocol, found.scores)), *found.notes]
    )
    words = (
        "generated: the generated samples. data: other real samples, what a perfect generator would score. "
        "noise: what knowing nothing scores."
    )
    return (
        f"<h2>Scores</h2><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"<p><small>{words}</small></p><ul><small>{stamps}</small></ul>"
    )


def evaluation(folder: Path | Folder) -> evaluator.Evaluation | None:
    """Returns what ``evaluation.json`` in a run's folder holds, or None where there is none.

    Args:
        folder: The run's.

    Raises:
        RunError: If it cannot be read.
    """
    home = Folder.at(folder)
    path = home.path / "evaluation.json"
    try:
        found = evaluator.read(json.loads(home.read(path.name)))
        table(found), list(map(protocol, found.scores))  # what cannot be shown is damaged, too
        return found
    except FileNotFoundError:
        return None
    except UNREADABLE as error:
        raise RunError(f"{path} cannot be read ({error}): remove it, or evaluate the run again.") from error


def _commands(run: Run) -> str:
    return f"<h2>Go on</h2><pre>{chr(10).join(map(escaped, commands(run)))}</pre>"


def commands(run: Run) -> list[str]:
    """Returns what to type next.

    Args:
        run: Trained.
    """
    named, step = run.record["recipe"], run.step
    where = shlex.quote(str(run.folder)) + (f" --trust {shlex.quote(named)}" if outside(named) else "")
    if isinstance(run.game, SupportsLabelMaps):
        uses = [
            f"paint {where} --palette palette.gpl",
            f"paint {where} --labels map.png --style photo.jpg --out painted.png",
            f"paint {where} --labels map.png --seeds 0,1,2 --frames 60 --out styles.gif",
        ]
    elif isinstance(run.game, SupportsTranslation):
        uses = [f"translate {where} photos/ --to {getattr(run.game, 'domain', 'B')} --strips --out translated"]
    elif isinstance(run.game.core, SupportsSingleImage):
        uses = [
            f"sample {where} --seeds 0-15 --out samples.png",
            f"sample {where} --seeds 0 --size 400x150 --start-scale 1 --out wide.png",
            f"singan super-resolve {where} --factor 2 --out larger.png",
            f"singan animate {where} --out moving.gif",
            f"singan judge {where}",
        ]
    else:
        uses = [
            f"sample {where} --seeds 0-63 --out samples.png",
            f"interpolate {where} --seeds 0,1,2 --frames 60 --out walk.gif",
            f"evaluate {where}",
        ]
    return [f"sparring {line}" for line in (f"resume {where} --steps {2 * step}", *uses, f"report {where}")]
