"""Two sets of images, each translated to the other's domain and back, and one page that shows it all."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sparring._io.folder import open_atomic
from sparring._io.paths import expand_user
from sparring.inference.translated import plan_jobs, translate_jobs
from sparring.inference.translation import OTHER
from sparring.reports.html import embed, render
from sparring.reports.run_report import scores
from sparring.runs import config
from sparring.runs.outputs import require_outputs

__all__ = ["translate_both"]

SHOWN = 24  # strips of each direction in the page; all of them are in the folders


def translate_both(run: str | Path, a: str | Path, b: str | Path, out: str | Path, **how: Any) -> Path:
    """Translates images of both domains there and back, and writes a page that needs nothing but itself.

    Args:
        run: The run's folder.
        a: A file, folder or zip of images of A.
        b: Likewise of B.
        out: Gets the folders ``to-B`` and ``to-A``, each with the translations and their strips, and ``report.html``.
        how: What else `sparring.inference.translated.translate_files` takes.

    Returns:
        The path of the page.

    Raises:
        SparringError: As `translate_files`; a game that translates one way only among them.
    """
    run, out, how = expand_user(run), expand_user(out), {**how, "cycle": True, "strips": True}
    with ExitStack() as stack:
        jobs = {to: plan_jobs(stack, [source], out / f"to-{to}") for to, source in (("B", a), ("A", b))}
        heat = bool(how.get("heat"))
        targets = [path for each in jobs.values() for job in each for path in job.targets(strips=True, heat=heat)]
        require_outputs(run, [*targets, out / "report.html"], [a, b])
        directions = [
            _direction(to, [job.strip for job in translate_jobs(run, each, to, **how)]) for to, each in jobs.items()
        ]
    settings = config.read(run)
    title = f"{settings['recipe']} on {settings['data']['name']}, both ways"
    page = render("cycle.html.j2", {"title": title, "directions": directions, "scores": scores(run)})
    with open_atomic(out / "report.html") as file:
        file.write(page.encode())
    return out / "report.html"


def _direction(to: str, strips: list[Path]) -> dict[str, Any]:
    """Return a section of the page: some strips, evenly chosen."""
    chosen = [strips[len(strips) * k // SHOWN] for k in range(SHOWN)] if len(strips) > SHOWN else strips
    images = [embed(strip, strip.stem) for strip in chosen]
    return {"to": to, "source": OTHER[to], "strips": images, "count": len(strips)}
