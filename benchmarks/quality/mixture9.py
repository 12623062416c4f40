"""RealnessGAN's toy experiment (Xiangli et al., 2020): nine Gaussians on a 3 × 3 lattice, with the paper's figures.

    python -m benchmarks mixture9 compare      RealnessGAN, with and without skew, against four games on its networks
    python -m benchmarks mixture9 outcomes     number of outcomes, with as many moves of G as in the paper's figure 3
    python -m benchmarks mixture9 anchors      fixed anchors of growing divergence against the drawn ones
    python -m benchmarks mixture9 goals        the three objectives of G

Means {−2, 0, 2}², σ = .05; batches of 100, Adam 1e-4 (.8, .999), noise of 128 coordinates; an iteration is one move of
D and those of G. The authors' script stops after 500 iterations; this one continues to 2,000 and evaluates every 500:
10,000 samples of the latest weights, of high quality within 4 σ of the nearest mean; a mode counts with more than 100
samples.

Every trial is a run folder under ``runs/mixture9``, shared between suites: an interrupted benchmark continues. A trial
that was evaluated far enough, here or in a record with the same settings, is not trained again. Each suite writes a
record and a figure in ``docs``. Trials run one after another on one thread, seed by seed; ``--share 0/2`` and ``--share
1/2`` use two cores.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import statistics
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks import records
from sparring._io.atomic import atomic_write
from sparring.abilities import require_sampling
from sparring.errors import Diverged
from sparring.inference.sampling import generate
from sparring.metrics import mode_coverage
from sparring.rng import fixed_seed, hash_seed
from sparring.runs.run import Run

ROOT = Path(__file__).parents[2]
RESULTS, DOCS = Path(__file__).parent / "results", ROOT / "docs" / "explanation" / "measured"
RUNS = ROOT / "runs" / "mixture9"
MARK = 500  # iterations between evaluations
SAMPLES, WITHIN, FEWEST = 10_000, 4.0, 101  # the paper's protocol
COLUMNS = ("modes", "high_quality", "reverse_kl", "spread", "cpu_seconds")

PUBLISHED = {  # outcomes: (share of high quality, modes)
    2: (0.43, 4),
    5: (0.54, 4),
    10: (0.54, 5),
    15: (0.58, 6),
    20: (0.62, 6),
    25: (0.71, 7),
    30: (0.72, 8),
    35: (0.69, 8),
    40: (0.76, 8),
    45: (0.79, 8),
    50: (0.85, 8),
}
SOURCE = "Xiangli et al. (2020), figure 3, converged, no spread given; read off the image"


@dataclass(frozen=True)
class Kind:
    """One column of a comparison, trained with several seeds.

    Attributes:
        recipe: What is trained.
        arguments: The recipe's.
    """

    recipe: str = "sparring.recipes.realness:realness"
    arguments: dict[str, Any] = field(default_factory=dict)


def realness(outcomes: int = 5, generator_steps: int = 3, **others: Any) -> Kind:
    return Kind(arguments={"outcomes": outcomes, "generator_steps": generator_steps, **others})


KINDS = {
    "realness": realness(),
    "realness, no skew": realness(skew=0.0),
    "realness, one move of G": realness(generator_steps=1),
    "nsgan": Kind("benchmarks.quality.baselines:nsgan"),
    "lsgan": Kind("benchmarks.quality.baselines:lsgan"),
    "hinge": Kind("benchmarks.quality.baselines:hinge"),
    "wgan-gp": Kind("benchmarks.quality.baselines:wgan_gp"),
    "broken twin": Kind("benchmarks.quality.baselines:flipped"),
    "away": realness(goal="away"),
    "anchored": realness(goal="anchored"),
    **{f"N = {n}, k_G = {k}": realness(n, k) for n, k in ((2, 1), (10, 6), (20, 14), (30, 25), (40, 36))},
    **{f"KL = {distance}": realness(10, 6, distance=distance) for distance in (1.66, 5.11, 7.81, 11.05)},
    "N = 10, no skew": realness(10, 6, skew=0.0),
}
OUTCOMES = {
    "N = 2, k_G = 1": 2,
    "realness": 5,
    **{name: n for n in (10, 20, 30, 40) for name in KINDS if f"N = {n}, k" in name},
}
SUITES = {
    "compare": [
        "realness",
        "realness, no skew",
        "realness, one move of G",
        "nsgan",
        "lsgan",
        "hinge",
        "wgan-gp",
        "broken twin",
    ],
    "outcomes": list(OUTCOMES),
    "anchors": ["N = 10, no skew", "KL = 1.66", "KL = 5.11", "KL = 7.81", "KL = 11.05", "N = 10, k_G = 6"],
    "goals": ["realness", "away", "anchored"],
}


def play(name: str, seed: int, steps: int) -> None:
    """Train or resume a cell, and evaluate it at every mark; earlier evaluations are kept."""
    kind, folder = KINDS[name], cell(name, seed)
    if marks(steps) <= set(known(name, seed)):
        return
    settings = {"data": "mixture9", "batch_size": 100, "seed": seed, "ema_decay": 0.0, "device": "cpu"}
    run = Run.create(folder, kind.recipe, arguments=kind.arguments, **settings)
    note(run, steps, math.nan)  # stopped between saving and evaluation
    start = time.process_time()
    try:
        for report in run.fit(steps, save_every=MARK, sample_every=steps):
            if report.step in marks(steps):
                note(run, steps, time.process_time() - start)
                start = time.process_time()
    except Diverged as error:
        print(f"{folder.name}: {error}", flush=True)


def note(run: Run, steps: int, seconds: float) -> None:
    """Evaluate this iteration, unless it is no mark or has been evaluated."""
    before = evaluated(run.folder)
    if run.step not in marks(steps) or run.step in before:
        return
    found = evaluate_run(run) | {"cpu_seconds": seconds}
    with atomic_write(run.folder / "modes.json") as file:
        file.write(json.dumps(_plain({**before, run.step: found}), indent=1).encode())
    print(
        f"{run.folder.name} {run.step}: {found['modes']} modes, {found['high_quality']:.1%}, {found['counts']}",
        flush=True,
    )


def evaluate_run(run: Run) -> dict[str, Any]:
    """Return the coverage of the latest weights by the paper's protocol, noise included a function of the seed."""
    with fixed_seed(hash_seed(run.config.seed, 9)):
        noise = require_sampling(run.game).noise(SAMPLES)
    samples = generate(require_sampling(run.game), noise, batch=500).float()
    truth = run.dataset.mixture
    return asdict(mode_coverage(samples, truth.centres, truth.deviation, within=WITHIN, fewest=FEWEST))


def marks(steps: int) -> set[int]:
    """Iterations that are evaluated: every 500th, and the last."""
    return {*range(MARK, steps + 1, MARK), steps}


def cell(name: str, seed: int) -> Path:
    return RUNS / f"{name.replace(' = ', '-').replace(', ', '-').replace(' ', '-')}-{seed}"


def evaluated(folder: Path) -> dict[int, dict[str, Any]]:
    path = folder / "modes.json"
    return {int(step): found for step, found in json.loads(path.read_text()).items()} if path.exists() else {}


def known(name: str, seed: int) -> dict[int, dict[str, Any]]:
    """Return the evaluations of a cell, from its run and from the records."""
    kind = json.dumps(asdict(KINDS[name]), sort_keys=True)
    return dict(sorted({**recorded().get((kind, seed), {}), **evaluated(cell(name, seed))}.items()))


@functools.cache
def recorded() -> dict[tuple[str, int], dict[int, dict[str, Any]]]:
    """Return the evaluations of every cell in the committed records, by its settings and seed."""
    found: dict[tuple[str, int], dict[int, dict[str, Any]]] = {}
    for path in (RESULTS / f"mixture9-{suite}.json" for suite in SUITES):
        for row in json.loads(path.read_text())["cells"] if path.exists() else []:
            kind = json.dumps({key: row[key] for key in ("recipe", "arguments")}, sort_keys=True)
            seen = {int(step): each for step, each in row["judged"].items()}
            found[kind, row["seed"]] = {**found.get((kind, row["seed"]), {}), **seen}
    return found


def gathered(suite: str, seeds: int) -> list[dict[str, Any]]:
    """Return all evaluations of a suite, including those beyond this call."""
    rows = []
    for name in SUITES[suite]:
        for seed in range(max([seeds, *(seed + 1 for _, seed in recorded())])):
            if found := known(name, seed):
                rows.append({"name": name, "seed": seed, **asdict(KINDS[name]), "judged": found})
    return rows


def record(suite: str, seeds: int, steps: int) -> None:
    """Write and draw the evaluations of a suite, with everything needed to reproduce them."""
    cells = gathered(suite, seeds)
    content = {
        **records.head(
            command=f"python -m benchmarks mixture9 {suite} --seeds {seeds} --steps {steps}", seeds=range(seeds)
        ),
        "protocol": "10,000 samples of the latest weights in evaluation mode; high quality within 4 sigma of the "
        "nearest mean; a mode counts with more than 100 of them; spread is their root mean square per coordinate; "
        "divergences of no samples are null and left out of means",
        "published": {"source": SOURCE, "outcomes": {n: list(row) for n, row in PUBLISHED.items()}},
        "cells": cells,
    }
    out = RESULTS / f"mixture9-{suite}.json"
    records.write(out, content)
    if cells:
        table(cells)
        draw(suite, cells, DOCS / f"mixture9-{suite}.png")
    print(f"{len(cells)} trainings, of {seeds} seeds of {len(SUITES[suite])} kinds, written to {out.name}.")


def series(cells: list[dict[str, Any]], name: str, key: str) -> dict[int, list[float]]:
    """Return a score of every seed of one kind, by iteration."""
    steps = sorted({step for row in cells if row["name"] == name for step in row["judged"]})
    rows = [row["judged"] for row in cells if row["name"] == name]
    values = {step: [row[step][key] for row in rows if step in row] for step in steps}
    return {step: [value for value in seen if value is not None] for step, seen in values.items()}


def spread(values: list[float]) -> tuple[float, float]:
    """Return mean and standard error; NaN for fewer than two."""
    if len(values) < 2:
        return (values[0] if values else math.nan), math.nan
    return statistics.mean(values), statistics.stdev(values) / math.sqrt(len(values))


def table(cells: list[dict[str, Any]]) -> None:
    """Print mean ± standard error over seeds of every score at every mark."""
    for name in dict.fromkeys(row["name"] for row in cells):
        for step, seen in series(cells, name, "modes").items():
            scores = {key: spread(series(cells, name, key)[step]) for key in COLUMNS}
            text = ", ".join(f"{key} {mean:.3g} ± {error:.2g}" for key, (mean, error) in scores.items())
            print(f"{name:26} {step:5} ({len(seen)} seeds): {text}")


def draw(suite: str, cells: list[dict[str, Any]], target: Path) -> None:
    """Draw modes and share of high quality, over iterations or over outcomes, beside the published figures."""
    from matplotlib.figure import Figure

    from sparring.visualization import images

    figure = Figure(figsize=(10, 4.2), dpi=110, layout="constrained")
    panels = figure.subplots(1, 2)
    paint = over_outcomes if suite == "outcomes" else over_iterations
    for axes, key, which in zip(panels, ("modes", "high_quality"), (1, 0), strict=True):
        paint(axes, cells, key, which)
        axes.set_title(
            {"modes": "modes of 9 (more than 100 samples of 10,000)", "high_quality": "share within 4 σ"}[key],
            fontsize=10,
        )
        axes.set_ylim(0, {"modes": 9.3, "high_quality": 1.03}[key])
        axes.grid(alpha=0.2)
    figure.legend(*panels[0].get_legend_handles_labels(), fontsize=7, loc="outside lower center", ncols=5)
    figure.suptitle(f"mixture of nine, {suite}: mean ± s.e. over {seeds_of(cells)}. Published: {SOURCE}", fontsize=8)
    images.save_image(images.render_figure(figure), target)


def seeds_of(cells: list[dict[str, Any]]) -> str:
    kinds = {(row["name"], step) for row in cells for step in row["judged"]}
    counts = {sum(row["name"] == name and step in row["judged"] for row in cells) for name, step in kinds}
    return f"{min(counts)} to {max(counts)} seeds" if len(counts) > 1 else f"{min(counts)} seeds"


def over_iterations(axes: Any, cells: list[dict[str, Any]], key: str, which: int) -> None:
    """One line a kind; the published value of five outcomes is a level, for its iteration is not known."""
    for name in dict.fromkeys(row["name"] for row in cells):
        _line(axes, series(cells, name, key), name)
    axes.axhline(PUBLISHED[5][which], color="0.3", linestyle=":", linewidth=1, label="published, N = 5")
    axes.set_xlabel("iterations")


def over_outcomes(axes: Any, cells: list[dict[str, Any]], key: str, which: int) -> None:
    """One line an iteration; the published values are points."""
    by_step: dict[int, dict[int, list[float]]] = {}
    for name, outcomes in OUTCOMES.items():
        for step, values in series(cells, name, key).items():
            by_step.setdefault(step, {})[outcomes] = values
    for step, values in sorted(by_step.items()):
        _line(axes, values, f"{step} iterations")
    axes.plot(
        list(PUBLISHED),
        [row[which] for row in PUBLISHED.values()],
        "k^:",
        markersize=4,
        linewidth=0.8,
        label="published",
    )
    axes.set_xlabel("outcomes")


def _line(axes: Any, values: dict[int, list[float]], label: str) -> None:
    points = {x: spread(seen) for x, seen in values.items() if seen}
    means, errors = ([point[i] for point in points.values()] for i in range(2))
    axes.errorbar(
        list(points),
        means,
        [0 if math.isnan(e) else e for e in errors],
        marker="o",
        markersize=3,
        capsize=2,
        label=label,
    )


def _plain(value: Any) -> Any:
    """JSON has neither infinity nor NaN: both become null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", choices=[*SUITES, []], default=[], help="default: all")
    parser.add_argument("--seeds", type=int, default=10, help="how many seeds of each kind")
    parser.add_argument("--steps", type=int, default=2000, help="iterations of each cell")
    parser.add_argument("--share", default="0/1", help="which share of the cells to train, such as 0/2")
    parser.add_argument("--read", action="store_true", help="train nothing: record and draw existing evaluations")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    suites = chosen.suites or list(SUITES)
    mine, of = (int(part) for part in chosen.share.split("/"))
    cells = list(dict.fromkeys((name, n) for n in range(chosen.seeds) for suite in suites for name in SUITES[suite]))
    for name, seed in [] if chosen.read else cells[mine::of]:
        play(name, seed, chosen.steps)
    for suite in suites:
        record(suite, chosen.seeds, chosen.steps)
