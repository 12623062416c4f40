"""The command that looks at data, races candidates and trains the best: ``sparring auto``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from sparring._types import Settings
from sparring.cli.console import progress, say, say_data, warn
from sparring.cli.options import Device, ImageSize, parse_height_and_width

if TYPE_CHECKING:
    from sparring.experiments.auto import AutoSettings

__all__ = ["auto"]

MIRROR = {"auto": None, "on": True, "off": False}


def auto(
    data: Annotated[Positional[str], arg(metavar="DATA")],
    hours: float | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    out: Path | None = None,
    size: ImageSize = None,
    fit: Literal["crop", "pad", "stretch"] | None = None,
    channels: int | None = None,
    data_root: Path | None = None,
    conditional: bool = False,
    mirror: Literal["auto", "on", "off"] = "auto",
    only: tuple[str, ...] = (),
    extractor: str = "classifier",
    samples: int | None = None,
    seed: int = 0,
    device: Device = "auto",
) -> None:
    """Train the best generator that a budget allows: candidates race on the data, the winner gets most of the time.

    The same command continues after any stop. Give one of --hours, --minutes and --steps; a larger one goes on.

    Args:
        data: Name of a data set, or path of a folder, zip or array file.
        hours: The budget in hours of training and scoring.
        minutes: The budget in minutes.
        steps: The budget in training steps of all candidates together.
        out: The folder. Default: runs/auto-DATA.
        size: Height and width of images in pixels, such as 64 for squares, or 64x48 for 64 high and 48 wide.
            Default: as `sparring data check` proposes.
        fit: How pictures of other proportions get the size. Default: as proposed, or crop.
        channels: 1, 3 or 4. Default: that of the data.
        data_root: Folder of the standard data sets. Default: $SPARRING_DATA.
        conditional: Generate samples of a given class; the data needs labels.
        mirror: Flip images at random: auto for those in colour, on, or off, such as for letters.
        only: Names of the candidates to race. Default: all that suit the data.
        extractor: Feature extractor of the scores, as for `sparring evaluate`.
        samples: Number of generated samples per score. Default: 1,000 images or 2,500 points, at most those held out.
        seed: Seed of everything random.
        device: The device.
    """
    from sparring._io.paths import expand_user
    from sparring.experiments.auto import AutoSettings, Budget

    budget = Budget.of(minutes=minutes, hours=hours, steps=steps)
    folder = Path("runs") / f"auto-{Path(data).stem}" if out is None else expand_user(out)
    form: Settings = {
        "size": parse_height_and_width(size),
        "fit": fit,
        "channels": channels,
        "data_root": data_root,
        "conditional": conditional,
    }
    form |= {"mirror": MIRROR[mirror], "only": only, "extractor": extractor, "samples": samples, "seed": seed}
    _play(folder, AutoSettings(data, budget, device=device, **form))


def _play(folder: Path, settings: AutoSettings) -> None:
    """Run an automatic training, and print what it finds."""
    from sparring.experiments.auto import AutoTraining, Moment
    from sparring.experiments.auto_report import next_commands, verdict

    with progress(total=settings.budget.amount, keep=True) as show:

        def tell(moment: Moment) -> None:
            if show.due(moment.done, moment.total):
                show.update(moment.done, moment.total, head=moment.stage, tail=moment.score)

        training = AutoTraining(folder, settings, tell)
        say_data(training.dataset)
        for line in [*training.look, *training.notes]:
            say(f"  {line}")
        try:
            training.play()
        except (SystemExit, KeyboardInterrupt):
            warn(f"Stopped and saved. {training.usable()} The same command continues.")
            raise
    for line in verdict(training):
        say(line)
    best = training.best()
    for command in next_commands(training, best) if best else []:
        say(f"  {command}")
    say(f"Everything is in {folder / 'auto.html'}.")
