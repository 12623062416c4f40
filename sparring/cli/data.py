"""Commands about data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from sparring.cli.console import say, say_data


def prepare(
    source: Annotated[Positional[str], arg(metavar="SOURCE")],
    target: Annotated[Positional[Path], arg(metavar="TARGET")],
    size: int | None = None,
    channels: int | None = None,
    data_root: Path | None = None,
    bad_images: Literal["error", "skip"] = "error",
) -> None:
    """Decodes images once, into a file that any training opens at once.

    Args:
        source: Name of a data set, folder or zip of images, or array file.
        target: The .npy file.
        size: Height and width.
        channels: 1, 3 or 4.
        data_root: Where the standard data sets are.
        bad_images: What to do with image files that cannot be read: error, or skip them.
    """
    from sparring.data import load
    from sparring.data import prepare as write

    path = write(source, target, size=size, channels=channels, root=data_root, skip_bad=bad_images == "skip")
    dataset = load(path)
    say_data(dataset)
    for sentence in dataset.passed_over:
        say(f"Passed over: {sentence}")
    say(f"The images are in {path}; train on it with --data {path}.")
