"""Names become data sets here: the one table of what ``load`` knows by name."""

from collections.abc import Callable
from pathlib import Path

from sparring.data.dataset import Dataset
from sparring.data.embedded import digits
from sparring.data.points import grid, mixture9, ring, spiral, swiss_roll
from sparring.errors import DataError

POINTS: dict[str, Callable[[], Dataset]] = {
    "ring": ring,
    "grid": grid,
    "mixture9": mixture9,
    "swiss-roll": swiss_roll,
    "spiral": spiral,
}


def load(
    name: str,
    *,
    size: int | None = None,
    channels: int | None = None,
    root: str | Path | None = None,
    cache: str | Path | None = None,
) -> Dataset:
    """Load a data set by its name in the catalogue."""
    if name in POINTS:
        return POINTS[name]()
    if name == "digits":
        return digits() if size is None else digits(size)
    raise DataError(f"{name} is not known.")
