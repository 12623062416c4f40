"""Paths given by users."""

from __future__ import annotations

from pathlib import Path

from sparring.errors import SparringError

__all__ = ["expand_user"]


def expand_user(path: str | Path) -> Path:
    """Replace a leading ``~`` or ``~name`` in a path by the home folder of the user.

    Args:
        path: Any path.

    Raises:
        SparringError: If the home folder is unknown.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise SparringError(f"The home folder in {path} is unknown: set $HOME, or give the full path.") from error
