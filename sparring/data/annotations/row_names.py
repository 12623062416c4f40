"""What the rows of a set are called: image files by their paths, other rows by the set's name and their number."""

from contextlib import closing
from pathlib import Path

from sparring._io.paths import expand_user
from sparring.data.annotations.labels import read_labels
from sparring.data.loading import NAMES
from sparring.data.sources.files import SUFFIXES, open_files

__all__ = ["row_names"]


def row_names(name: str | Path, count: int) -> list[str]:
    """Names of the first rows of a set.

    Args:
        name: As for `sparring.data.load`.
        count: How many rows.

    Example:
        >>> row_names("digits", 2)
        ['digits/0', 'digits/1']
    """
    path = expand_user(name)
    if str(name) not in NAMES and path.suffix.lower() in SUFFIXES:
        return [str(path)]
    files = None if str(name) in NAMES else open_files(path.absolute())
    if files is None:
        return [f"{name}/{row}" for row in range(count)]
    with closing(files):
        return [str(path / member) for member in read_labels(files)[0][:count]]
