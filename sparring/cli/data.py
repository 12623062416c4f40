"""Commands about data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from sparring._types import Settings
from sparring.cli.console import progress, say, say_data


def prepare(
    source: Annotated[Positional[str], arg(metavar="SOURCE")],
    target: Annotated[Positional[Path], arg(metavar="TARGET")],
    size: int | None = None,
    channels: int | None = None,
    data_root: Path | None = None,
    skip_unreadable: bool = False,
) -> None:
    """Decode images once, into a file that trainings open without decoding.

    Args:
        source: Name of a data set, folder or zip of images, or array file.
        target: The .npy file.
        size: Height and width.
        channels: 1, 3 or 4.
        data_root: Where the standard data sets are.
        skip_unreadable: Skip image files that cannot be read. Default: they are an error.
    """
    from sparring.data import load
    from sparring.data import prepare as write

    with progress("preparing images") as show:
        settings: Settings = {"size": size, "channels": channels, "root": data_root, "skip_unreadable": skip_unreadable}
        path = write(source, target, progress=show.update, **settings)
    dataset = load(path)
    say_data(dataset)
    for sentence in dataset.skipped:
        say(f"Passed over: {sentence}")
    say(f"The images are in {path}; train on it with --data {path}.")
