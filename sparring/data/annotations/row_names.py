"""Names of the rows of a set: paths of image files, otherwise the name of the set with the number of the row."""

from contextlib import closing
from pathlib import Path

from sparring._io.paths import expand_user
from sparring.data.annotations.labels import read_labels
from sparring.data.loading import NAMES
from sparring.data.sources.files import SUFFIXES, open_files

__all__ = ["row_names"]


def row_names(name: str | Path, count: int) -> list[str]:
    """Return the names of the first rows of a set.

    Args:
        name: As for `sparring.data.load`.
        count: Number of rows.

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
