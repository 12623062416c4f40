"""The command that translates images from one domain to another."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from sparring._types import Settings
from sparring.cli.console import say
from sparring.cli.options import NEWEST, Model, RunFolder


def translate(
    run: RunFolder,
    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGES")],
    to: str = "B",
    out: Path = Path("translated"),
    strips: bool = False,
    cycle: bool = False,
    heatmaps: bool = False,
    tile: int = 512,
    overlap: int | None = None,
    model: Model = NEWEST,
) -> None:
    """Translate images of any size to the other domain; files keep their names.

    Args:
        run: The run's folder.
        images: Files, folders or zips of images of the source domain; for --to both a set of A, then one of B.
        to: Target domain, A or B; or both, which also writes a page of all strips, OUT/report.html.
        out: Folder of the translations.
        strips: Also save each image beside its translation, in OUT/strips.
        cycle: Also save the translation back, in OUT/strips.
        heatmaps: Also save the attention of the source domain's critic (nicegan), in OUT/heatmaps.
        tile: Largest side of an image that is translated at once; larger images are translated in tiles.
        overlap: Pixels that neighbouring tiles share. Default: 64, or a quarter of smaller tiles.
        model: Which checkpoint is used, and on which device.
    """
    from sparring.errors import DataError
    from sparring.inference.translation import translate_files
    from sparring.runs.config import facts
    from sparring.runs.outputs import belongings

    if not images:
        raise DataError("No image is given: name files, folders or zips of images to translate.")
    settings: Settings = {"heatmaps": heatmaps, "tile": tile, "overlap": overlap}
    if to == "both":
        _both(run, images, out, {**settings, **asdict(model)})
        return
    settings |= {"strips": strips, "cycle": cycle, "protected": belongings(run)}
    count = len(list(translate_files(model.load(run), facts(run), images, to, out, **settings)))
    say(f"{count} images, translated to {to}, are in {out}.")
    if strips or cycle:
        say(f"Each beside what became of it is in {out / 'strips'}.")
    if heatmaps:
        say(f"The critic's attention maps are in {out / 'heatmaps'}.")


def _both(run: Path, images: tuple[Path, ...], out: Path, how: Settings) -> None:
    """Translate one set of each domain, and print the path of the page."""
    from sparring.errors import DataError
    from sparring.reports.cycle_report import write_cycle_report

    if len(images) != 2:
        raise DataError(f"Both ways take two sets of images, of A and then of B, not {len(images)}: name two.")
    page = write_cycle_report(run, *images, out, **how)
    say(f"Translations of both domains are in {out}, and strips of them side by side in {page}.")
