"""A comparison to read: compare.md, and compare.html, one page that needs nothing but itself."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sparring._io.folder import Folder, open_atomic
from sparring.evaluation.significance import LEVEL
from sparring.experiments.experiment import Cell
from sparring.experiments.plots import curves, film, snapshots
from sparring.experiments.results import COLUMNS, plain
from sparring.reports.run_report import TYPES, escaped
from sparring.theory.lessons.page import Table
from sparring.visualization import images

__all__ = ["FILES", "save_pages", "tables", "verdicts"]

Values = dict[str, Any]
FILES = ("curves.png", "compare.json", "compare.md", "compare.html")  # besides the folder of the cells
SHOWN = 3  # seeds whose pictures are in the page
HOW = (
    "At the end: mean ± standard deviation over seeds. Over training: minimum, maximum, mean and standard deviation of "
    "the scores of one training at all its judgements, averaged over seeds. Statistics are of finished cells only; a "
    "contestant that lost seeds looks better than it is."
)
TEST = (
    f"Welch's t-test of the scores at the end, one value a seed, two-sided, adjusted by Holm's method for all pairs; "
    f"below {LEVEL:g} is called a difference. A dash: the test says nothing (fewer than two seeds, or no spread). "
    "Of two scores that mean something only together the harmonic mean is tested, each relative to real data's."
)


def save_pages(result: Values, cells: Sequence[Cell], out: Path) -> Path:
    """Writes compare.json, compare.md, curves.png, films of points, and compare.html; returns the path of the last.

    Args:
        result: What `sparring.experiments.outcome` returned.
        cells: All of them.
        out: The comparison's folder.
    """
    images.save_image(images.render_figure(curves(result)), out / "curves.png")
    films = [film(cell.folder) for cell in cells] if len(result["shape"]) == 1 else []
    text = json.dumps(plain(result), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    page = _page(result, cells, out, bool(films))
    for name, content in zip(FILES[1:], (text, _markdown(result), page), strict=True):
        with open_atomic(out / name) as file:
            file.write(content.encode(errors="backslashreplace"))
    return out / "compare.html"


def tables(result: Values) -> dict[str, Table]:
    """Returns the tables of a comparison by their titles.

    Args:
        result: What `sparring.experiments.outcome` returned.
    """
    found = {"At the end": _ends(result), "Over training": _courses(result)}
    if len(result["contestants"]) > 1:
        found |= {f"Differences in {name}: p": _differences(result, name) for name in result["significance"]}
    return {**found, "Cells": _cells(result)}


def _ends(result: Values) -> Table:
    rows = []
    for line in result["table"]:
        values = [_spread(line["scores"][score]) for score in result["scores"]]
        spent = [_number(line["images"] and line["images"] / 1000), _number(line["seconds"])]
        rows.append((line["label"], f"{line['seeds']} of {line['seeds'] + len(line['lost'])}", *values, *spent))
    for name, words in {"data": "other real data", "noise": "noise"}.items():
        values = [_number(result["references"][name][score]) for score in result["scores"]]
        rows.append((f"*{words}*", "", *values, "", ""))
    heads = [f"{score} {'↑' if better == 'higher' else '↓'}" for score, better in result["scores"].items()]
    return Table(("", "seeds", *heads, "thousand images", "seconds"), tuple(rows))


def _courses(result: Values) -> Table:
    rows = [
        (line["label"], score, *(_number(line["scores"][score]["training"][name]) for name in COLUMNS))
        for score in result["scores"]
        for line in result["table"]
    ]
    return Table(("", "score", *COLUMNS), tuple(rows))


def _differences(result: Values, score: str) -> Table:
    labels, known = result["contestants"], {}
    for pair in result["significance"][score]:
        known[pair["first"], pair["second"]] = known[pair["second"], pair["first"]] = _chance(pair.get("adjusted"))
    rows = tuple((one, *("" if one == other else known[one, other] for other in labels)) for one in labels)
    return Table(("", *labels), rows)


def _cells(result: Values) -> Table:
    heads = ("contestant", "seed", "state", "steps", "images", "seconds", "parameters", "why")
    rows = []
    for cell in result["cells"]:
        counts = [f"{cell[name]:,}" if cell[name] is not None else "" for name in ("step", "images", "seconds")]
        sizes = ", ".join(f"{name} {count:,}" for name, count in (cell["parameters"] or {}).items())
        rows.append((cell["label"], str(cell["seed"]), cell["state"], *counts, sizes, cell["sentence"]))
    return Table(heads, tuple(rows))


def verdicts(result: Values) -> Iterator[str]:
    """Yields what makes the comparison unfair, then the verdict with its reason, then who lost seeds.

    Args:
        result: What `sparring.experiments.outcome` returned.
    """
    yield from (f"Not alike: {line}" for line in result["unlike"])
    yield result["verdict"]["sentence"]
    for line in result["table"]:
        if line["lost"] and line["seeds"]:
            yield f"{line['label']} lost {len(line['lost'])} seeds, which are not counted."


def _facts(result: Values) -> str:
    machine, versions = result["machine"], ", ".join(f"{name} {value}" for name, value in result["versions"].items())
    return f"{versions}; {machine['cores']} of {machine['of']} cores, {machine['system']}; one thread a cell."


def _title(result: Values) -> str:
    budget = result["budget"]
    return f"{len(result['contestants'])} contestants on {result['data']}, {budget['amount']:,g} {budget['axis']} each"


def _notes(result: Values) -> dict[str, str]:
    """Returns what is to be said below a table, by its title; of the tests once, below the last."""
    return {"At the end": HOW, f"Differences in {list(result['significance'])[-1]}: p": TEST}


def _markdown(result: Values) -> str:
    notes = _notes(result)
    parts = [f"# {_title(result)}", "", "```bash", result["command"], "```", ""]
    parts += [f"- {line}" for line in verdicts(result)]
    for title, table in tables(result).items():
        parts += ["", f"## {title}", "", table.markdown(), *(["", notes[title]] if title in notes else [])]
    parts += ["", "![Scores over training](curves.png)", "", "## How it was measured", ""]
    parts += [f"- {line}" for line in result["protocol"]]
    return "\n".join([*parts, f"- {_facts(result)}", ""])


def _page(result: Values, cells: Sequence[Cell], out: Path, filmed: bool) -> str:
    parts = [f"<h1>{escaped(_title(result))}</h1>", f"<pre>{escaped(result['command'])}</pre>"]
    parts, notes = [*parts, _list(verdicts(result))], _notes(result)
    for title, table in tables(result).items():
        parts.append(f"<h2>{escaped(title)}</h2>{_table(table)}")
        parts += [f"<p><small>{escaped(notes[title])}</small></p>" if title in notes else ""]
        if title == "Over training":
            words = "Faint: each seed. Bold: their mean. Dashed: other real data, what a perfect generator would score."
            parts.append(f"{_embedded(out / 'curves.png', 'scores over training')}<p><small>{words}</small></p>")
            parts += [_samples(cells, filmed=False), _samples(cells, filmed=True) if filmed else ""]
    parts += ["<h2>How it was measured</h2>", _list([*result["protocol"], _facts(result)])]
    return _PAGE.format(title=escaped(_title(result)), body="".join(parts))


def _samples(cells: Sequence[Cell], *, filmed: bool) -> str:
    """The last pictures, or the films, side by side: a row a contestant, a column a seed."""
    seeds, labels = (
        list(dict.fromkeys(part)) for part in zip(*((c.seed, c.contestant.label) for c in cells), strict=True)
    )
    shown = seeds[:SHOWN]
    rows = []
    for label in labels:
        mine = [cell for cell in cells if cell.contestant.label == label and cell.seed in shown]
        paths = [[c.folder / "film.gif"] if filmed else snapshots(c.folder)[-1:] for c in mine]
        tiles = "".join(
            f"<td>{_embedded(path[0], f'{label}, seed {cell.seed}') if path and path[0].exists() else ''}</td>"
            for cell, path in zip(mine, paths, strict=True)
        )
        rows.append(f"<tr><th>{escaped(label)}</th>{tiles}</tr>")
    real = next((path for cell in cells if (path := cell.folder / "reals.png").exists()), None)
    if real is not None and not filmed:
        rows.append(f"<tr><th>the data</th><td>{_embedded(real, 'the data')}</td></tr>")
    heads = "".join(f"<th>seed {seed}</th>" for seed in shown)
    title = "Films of the training" if filmed else "Samples at the end"
    return f'<h2>{title}</h2><table class="pictures"><tr><th></th>{heads}</tr>{"".join(rows)}</table>'


def _embedded(path: Path, words: str) -> str:
    content = base64.b64encode(Folder.at(path.parent.parent).below(path.parent.name).read(path.name)).decode()
    return f'<img alt="{escaped(words)}" src="data:{TYPES[path.suffix]};base64,{content}">'


def _table(table: Table) -> str:
    head = "".join(f"<th>{escaped(cell)}</th>" for cell in table.heads)
    rows = ("".join(f"<td>{escaped(cell.strip('*'))}</td>" for cell in row) for row in table.cells())
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{row}</tr>' for row in rows)}</tbody></table>"


def _list(lines: Any) -> str:
    return f"<ul>{''.join(f'<li>{escaped(line)}</li>' for line in lines)}</ul>"


def _spread(value: Values) -> str:
    deviation = f" ± {value['SD']:.2g}" if value["SD"] is not None else ""
    return f"{_number(value['mean'])}{deviation}"


def _number(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:,.4g}"


def _chance(p: float | None) -> str:
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
h1, h2 {{ line-height: 1.2; }} h2 {{ margin-top: 2.5rem; }}
img {{ max-width: 100%; }} .pictures img {{ width: 20rem; image-rendering: pixelated; }} small {{ color: #666; }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; }}
td, th {{ padding: .25rem .9rem .25rem 0; text-align: left; vertical-align: top; }}
thead th {{ border-bottom: 1px solid #999; }}
pre {{ background: #f4f4f4; padding: .8rem; white-space: pre-wrap; }}
</style></head>
<body>
{body}
</body></html>
"""
