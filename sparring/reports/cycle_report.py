"""The report page of translations of two sets of images, each to the other domain and back."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sparring._io.folder import open_atomic
from sparring._io.paths import expand_user
from sparring._types import JsonObject, Settings
from sparring.inference.translation import OTHER, plan_jobs, translate_jobs
from sparring.reports.html import embed, render
from sparring.reports.run_report import scores
from sparring.runs import config
from sparring.runs.outputs import require_outputs
from sparring.runs.state import load_game

__all__ = ["write_cycle_report"]

SHOWN = 24  # strips of each direction in the page


def write_cycle_report(
    run: str | Path,
    a: str | Path,
    b: str | Path,
    out: str | Path,
    *,
    checkpoint: str = "newest",
    device: str = "auto",
    **settings: Any,
) -> Path:
    """Translate images of both domains and translate them back, and write a page of the results.

    Args:
        run: The run's folder.
        a: A file, folder or zip of images of A.
        b: A file, folder or zip of images of B.
        out: Folder of ``report.html`` and of the folders ``to-B`` and ``to-A`` with the translations and their strips.
        checkpoint: newest, best, or the step of one that is kept.
        device: cpu, cuda, cuda:N, mps or auto.
        settings: Settings of `sparring.inference.translation.translate_jobs`.

    Returns:
        The path of the page.

    Raises:
        SparringError: If the game does not translate in both directions, or files cannot be read or written.
    """
    run, out, settings = expand_user(run), expand_user(out), {**settings, "cycle": True, "strips": True}
    with ExitStack() as stack:
        jobs = {to: plan_jobs(stack, [source], out / f"to-{to}") for to, source in (("B", a), ("A", b))}
        drawn: Settings = {"strips": True, "heatmaps": bool(settings.get("heatmaps"))}
        targets = [path for each in jobs.values() for job in each for path in job.targets(**drawn)]
        require_outputs(run, [*targets, out / "report.html"], [a, b])
        game, facts = load_game(run, device=device, checkpoint=checkpoint), config.facts(run)
        directions = [
            _direction(to, [job.strip for job in translate_jobs(game, facts, each, to, **settings)])
            for to, each in jobs.items()
        ]
    record = config.read(run)
    title = f"{record.recipe} on {record.data.name}, both ways"
    page = render("cycle.html.j2", {"title": title, "directions": directions, "scores": scores(run)})
    with open_atomic(out / "report.html") as file:
        file.write(page.encode())
    return out / "report.html"


def _direction(to: str, strips: list[Path]) -> JsonObject:
    """Return a section of the page: some strips, evenly chosen."""
    chosen = [strips[len(strips) * k // SHOWN] for k in range(SHOWN)] if len(strips) > SHOWN else strips
    images = [embed(strip, strip.stem) for strip in chosen]
    return {"to": to, "source": OTHER[to], "strips": images, "count": len(strips)}
