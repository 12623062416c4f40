"""What users name as ``module:function``: recipes, games and judges of their own."""

from __future__ import annotations

import sys
from importlib import import_module
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
        return getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise GameError(f"The {what} {home!r} cannot be imported ({error}): give module:function.") from error
