"""The report of a comparison: compare.md, and compare.html with everything embedded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from sparring._io.folder import Folder, open_atomic
from sparring._types import JsonObject
from sparring.evaluation.significance import LEVEL
from sparring.experiments.experiment import Trial
from sparring.experiments.plots import film, plot_scores, sample_files
from sparring.experiments.results import COLUMNS, to_plain
from sparring.reports.html import Image, embed, render
from sparring.theory.lessons.page import Table
from sparring.visualization import images

__all__ = ["FILES", "save_report", "tables", "verdicts"]

Values = JsonObject
FILES = ("curves.png", "compare.json", "compare.md", "compare.html")  # in addition to the folder of the trials
SHOWN = 3  # seeds whose samples are in the page
HOW = (
    "At the end: mean ± standard deviation over seeds. Over training: minimum, maximum, mean and standard deviation of "
    "the scores of one training at all its evaluations, averaged over seeds. Statistics are of finished trials only; "
    "the mean of an entry that lost seeds is optimistic."
)
TEST = (
    f"Welch's t-test of the scores at the end, one value a seed, two-sided, adjusted by Holm's method for all pairs; "
    f"below {LEVEL:g} is called a difference. A dash: no test (fewer than two seeds, or no spread). "
    "Of two scores that mean something only together the harmonic mean is tested, each relative to real data's."
)


def save_report(result: Values, trials: Sequence[Trial], out: Path) -> Path:
    """Write compare.json, compare.md, curves.png, films of points, and compare.html; return the path of the last.

    Args:
        result: What `sparring.experiments.collect` returned.
        trials: All of them.
        out: The comparison's folder.
    """
    images.save_image(images.render_figure(plot_scores(result)), out / "curves.png")
    films = [film(trial.folder) for trial in trials] if len(result["shape"]) == 1 else []
    text = json.dumps(to_plain(result), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    page = _page(result, trials, out, bool(films))
    for name, content in zip(FILES[1:], (text, _markdown(result), page), strict=True):
        with open_atomic(out / name) as file:
            file.write(content.encode(errors="backslashreplace"))
    return out / "compare.html"


def tables(result: Values) -> dict[str, Table]:
    """Return the tables of a comparison by their titles.

    Args:
        result: What `sparring.experiments.collect` returned.
    """
    found = {"At the end": _ends(result), "Over training": _courses(result)}
    if len(result["entries"]) > 1:
        found |= {f"Differences in {name}: p": _differences(result, name) for name in result["significance"]}
    return {**found, "Trials": _cells(result)}


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
    labels, known = result["entries"], {}
    for pair in result["significance"][score]:
        known[pair["first"], pair["second"]] = known[pair["second"], pair["first"]] = _chance(pair.get("adjusted"))
    rows = tuple((one, *("" if one == other else known[one, other] for other in labels)) for one in labels)
    return Table(("", *labels), rows)


def _cells(result: Values) -> Table:
    heads = ("entry", "seed", "state", "steps", "images", "seconds", "parameters", "why")
    rows = []
    for trial in result["trials"]:
        counts = [f"{trial[name]:,}" if trial[name] is not None else "" for name in ("step", "images", "seconds")]
        sizes = ", ".join(f"{name} {count:,}" for name, count in (trial["parameters"] or {}).items())
        rows.append((trial["label"], str(trial["seed"]), trial["state"], *counts, sizes, trial["error"]))
    return Table(heads, tuple(rows))


def verdicts(result: Values) -> Iterator[str]:
    """Yield inequalities between entries, then the verdict with its reason, then entries that lost seeds.

    Args:
        result: What `sparring.experiments.collect` returned.
    """
    yield from (f"Not alike: {line}" for line in result["unlike"])
    yield result["verdict"]["sentence"]
    for line in result["table"]:
        if line["lost"] and line["seeds"]:
            yield f"{line['label']} lost {len(line['lost'])} seeds, which are not counted."


def _facts(result: Values) -> str:
    machine, versions = result["machine"], ", ".join(f"{name} {value}" for name, value in result["versions"].items())
    return f"{versions}; {machine['cores']} of {machine['of']} cores, {machine['system']}; one thread a trial."


def _title(result: Values) -> str:
    budget = result["budget"]
    return f"{len(result['entries'])} entries on {result['data']}, {budget['amount']:,g} {budget['axis']} each"


def _notes(result: Values) -> dict[str, str]:
    """Return the text below a table, by its title; that of the tests is below the last."""
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


def _page(result: Values, trials: Sequence[Trial], out: Path, filmed: bool) -> str:
    values = {
        "title": _title(result),
        "command": result["command"],
        "verdicts": list(verdicts(result)),
        "tables": {title: {"heads": table.heads, "rows": _plain(table)} for title, table in tables(result).items()},
        "notes": _notes(result),
        "curves": _embedded(out / "curves.png", "").source,
        "seeds": list(dict.fromkeys(trial.seed for trial in trials))[:SHOWN],
        "stills": _samples(trials, filmed=False),
        "films": _samples(trials, filmed=True) if filmed else None,
        "protocol": [*result["protocol"], _facts(result)],
    }
    return render("compare.html.j2", values)


def _plain(table: Table) -> list[list[str]]:
    """Return the cells of a table without the emphasis of Markdown."""
    return [[cell.strip("*") for cell in row] for row in table.cells()]


def _samples(trials: Sequence[Trial], *, filmed: bool) -> dict[str, list[Image | None]]:
    """Return the last samples, or the films, by entry, one for each seed."""
    seeds, labels = (list(dict.fromkeys(part)) for part in zip(*((c.seed, c.entry.label) for c in trials), strict=True))
    found: dict[str, list[Image | None]] = {}
    for label in labels:
        mine = [trial for trial in trials if trial.entry.label == label and trial.seed in seeds[:SHOWN]]
        paths = [[c.folder / "film.gif"] if filmed else sample_files(c.folder)[-1:] for c in mine]
        found[label] = [
            _embedded(path[0], f"{label}, seed {trial.seed}") if path and path[0].exists() else None
            for trial, path in zip(mine, paths, strict=True)
        ]
    real = next((path for trial in trials if (path := trial.folder / "reals.png").exists()), None)
    if real is not None and not filmed:
        found["the data"] = [_embedded(real, "the data")]
    return found


def _embedded(path: Path, caption: str) -> Image:
    return embed(path, caption, Folder.open(path.parent.parent).subfolder(path.parent.name))


def _spread(value: Values) -> str:
    deviation = f" ± {value['SD']:.2g}" if value["SD"] is not None else ""
    return f"{_number(value['mean'])}{deviation}"


def _number(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:,.4g}"


def _chance(p: float | None) -> str:
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
