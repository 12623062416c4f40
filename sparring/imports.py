"""What users name as ``module:function``: recipes, games and judges of their own.

A run folder from elsewhere can name such a thing, too; so nothing is imported that a folder may have brought along, nor
any module of Python's own, some of which act when they are imported.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sparring.errors import GameError


def imported(home: str, what: str = "recipe") -> Any:
    """Imports ``module:function``; modules of the working directory are found too.

    Args:
        home: Where it is.
        what: What it is, for the message.

    Raises:
        GameError: If there is no such module or function.
    """
    module, _, function = home.partition(":")
    if "" not in sys.path:
        sys.path.append("")
    try:
        _require_own(module.partition(".")[0])
        return getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise GameError(f"The {what} {home!r} cannot be imported ({error}): give module:function.") from error


def _require_own(top: str) -> None:
    """Refuses modules that cannot hold what a user wrote for this, before they are imported."""
    if top in sys.stdlib_module_names:
        raise ImportError(f"{top} is Python's own module")
    spec = find_spec(top)
    places = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or [])]
    for place in filter(None, places):
        if any((folder / "run.json").exists() for folder in Path(place).absolute().parents):
            raise ImportError(f"{place} lies in the folder of a run, from which no code is loaded")
