"""Paths as users give them."""

from __future__ import annotations

from pathlib import Path

from sparring.errors import SparringError

__all__ = ["expand_user"]


def expand_user(path: str | Path) -> Path:
    """Returns a path in which a leading ``~`` or ``~name`` is the home folder of the user.

    Args:
        path: As the user gives it.

    Raises:
        SparringError: If there is no such home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise SparringError(
            f"{path} names a home folder that is not known: set $HOME, or give the whole path."
        ) from error
