"""Commands about data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from sparring._types import Settings
from sparring.cli.console import progress, say, say_data
from sparring.cli.options import ImageSize, fit_of, parse_height_and_width


def check(
    data: Annotated[Positional[str], arg(metavar="DATA")],
    data_root: Path | None = None,
    out: Path | None = None,
) -> None:
    """Look for damaged, duplicate, blank and grey images, count sizes and classes, and propose a size for training.

    Args:
        data: Name of a data set, or path of a folder, zip or array file.
        data_root: Where the standard data sets are.
        out: A .json file for all findings, with every name. Default: none is written.
    """
    from sparring._io.folder import open_atomic
    from sparring._io.targets import require_no_overwrite
    from sparring.data import NAMES, inspect
    from sparring.data.sources.layouts import data_paths

    if out is not None:
        places = [] if data in NAMES else data_paths(data)
        require_no_overwrite([out], places, keep=places)
    with progress("looking at images") as show:
        found = inspect(data, root=data_root, progress=show.update)
    say(data)
    for line in found.lines():
        say(f"  {line}")
    if out is not None:
        with open_atomic(out) as file:
            text = json.dumps(found.to_json(), indent=1, ensure_ascii=False)
            file.write(text.encode(errors="backslashreplace") + b"\n")
        say(f"All names are in {out}.")
    say(f"Next: {found.command()}")


def prepare(
    source: Annotated[Positional[str], arg(metavar="SOURCE")],
    target: Annotated[Positional[Path], arg(metavar="TARGET")],
    size: ImageSize = None,
    channels: int | None = None,
    fit: Literal["crop", "pad", "stretch"] = "crop",
    pad_colour: Annotated[str, arg(metavar="COLOUR")] = "white",
    data_root: Path | None = None,
    skip_unreadable: bool = False,
) -> None:
    """Decode images once, into a file that trainings open without decoding.

    Args:
        source: Name of a data set, folder or zip of images, or array file.
        target: The .npy file.
        size: Height and width in pixels, such as 64 for squares, or 64x48 for 64 high and 48 wide.
        channels: 1, 3 or 4.
        fit: How pictures of other proportions get the size: crop takes the central part, pad adds a border, stretch
            changes their proportions.
        pad_colour: Colour of the border of --fit pad, a name or #rrggbb.
        data_root: Where the standard data sets are.
        skip_unreadable: Skip image files that cannot be read. Default: they are an error.
    """
    from sparring.data import load
    from sparring.data import prepare as write

    with progress("preparing images") as show:
        settings: Settings = {"size": parse_height_and_width(size), "channels": channels}
        settings |= {"fit": fit_of(fit, pad_colour), "root": data_root, "skip_unreadable": skip_unreadable}
        path = write(source, target, progress=show.update, **settings)
    dataset = load(path)
    say_data(dataset)
    for sentence in dataset.skipped:
        say(f"Passed over: {sentence}")
    say(f"The images are in {path}; train on it with --data {path}.")
