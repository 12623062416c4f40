"""Import of recipes, games and extractors from outside the library by ``module:function``.

A name that the user gives is trusted; a name that comes out of a file is not. A file may name what the library holds;
any other ``module:function`` in it is refused before any search, unless the user repeats that name. No module inside
the folder of a run is ever imported, and no module of Python's own, since some of them act when they are imported.
"""

from __future__ import annotations

import os
import re
import shlex
import site
import sys
import sysconfig
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, distributions
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from sparring.errors import GameError

FORM = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
OWN = "sparring"
_trusted: set[str] = set()


def trust(names: str | Iterable[str]) -> None:
    """Allow files to name these functions from now on, in this process.

    Args:
        names: One ``module:function``, or several.
    """
    _trusted.update([names] if isinstance(names, str) else names)


def outside(name: str) -> bool:
    """Return whether a name is a ``module:function`` that the library does not hold.

    >>> outside("mine:game"), outside("nsgan"), outside("sparring.runs.fitted_encoder:fitted_encoder")
    (True, False, False)
    """
    module, colon, _ = name.partition(":")
    return bool(colon) and module.partition(".")[0] != OWN


def require_trusted(name: str, what: str = "recipe") -> None:
    """Refuse a ``module:function`` from a file, unless it is the library's or the user named it himself.

    Args:
        name: As in the file.
        what: What it is, for the message.

    Raises:
        GameError: The message names the flag to add.
    """
    if not outside(name) or name in _trusted:
        return
    if not FORM.fullmatch(name):
        raise GameError(f"The {what} {name[:200]!r}, which a file names, is no module:function: give another run.")
    raise GameError(
        f"The {what} {name!r}, which a file names, is code from outside the library: "
        f"if you trust it, add --trust {shlex.quote(name)} to the command, or trust={name!r} in Python."
    )


def imported(home: str, what: str = "recipe", *, here: bool = True) -> Callable[..., Any]:
    """Import ``module:function``; a module that is found nowhere else is searched in the working directory.

    Args:
        home: Where it is; trusted by the caller.
        what: What it is, for the message.
        here: Whether to search the working directory.

    Raises:
        GameError: If there is no such module or function.
    """
    module, _, function = home.partition(":")
    try:
        if not FORM.fullmatch(home):
            raise ImportError("it is no module:function")
        found: Callable[..., Any] = getattr(_module(module, here), function)
        return found
    except (ImportError, AttributeError, ValueError) as error:
        raise GameError(f"The {what} {home!r} cannot be imported ({error}): give module:function.") from error


def published(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of installed distributions, by name.

    Only the folders for installed packages are searched: the metadata of a distribution can lie in any folder, so also
    in one that was downloaded.

    Args:
        group: Such as ``sparring.recipes``.
    """
    places = {*site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    if site.ENABLE_USER_SITE:
        places.add(site.getusersitepackages())
    found = distributions(path=sorted(places & set(sys.path)))
    return {point.name: point for each in found for point in each.entry_points if point.group == group}


def _module(name: str, here: bool) -> ModuleType:
    """Import a module, after checking where it and each package around it come from."""
    parts = name.split(".")
    if parts[0] in sys.stdlib_module_names:
        raise ImportError(f"{parts[0]} is Python's own module")
    if here and find_spec(parts[0]) is None and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    for end in range(1, len(parts) + 1):
        part = ".".join(parts[:end])
        if (spec := find_spec(part)) is None:
            raise ModuleNotFoundError(f"No module named {part!r}")
        _require_own(spec)
        module = import_module(part)
    return module


def _require_own(spec: ModuleSpec) -> None:
    """Refuse a module that lies in the folder of a run, before it is imported."""
    for place in filter(None, [spec.origin, *(spec.submodule_search_locations or [])]):
        for path in (Path(place).absolute(), Path(place).resolve()):
            if any((folder / "run.json").exists() for folder in (path, *path.parents)):
                raise ImportError(f"{place} lies in the folder of a run, from which no code is loaded")
