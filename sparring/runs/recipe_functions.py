"""Recipes that are handed over as functions, instead of by name.

A function that an import finds again is stored as its name, ``module:function``, or the name of the table. Any other
one, of a notebook or ``__main__``, a lambda, a closure, a `functools.partial` or an object, is stored as what it was
and must be handed over again to open the run. Only functions that a caller hands over are called: a name in a file
never leads to one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from inspect import Parameter, signature
from pathlib import Path
from typing import get_type_hints

from sparring._types import Settings
from sparring.errors import GameError, RunError
from sparring.game import Game
from sparring.recipes import FACTS, RECIPES
from sparring.recipes.importing import imported, trust

__all__ = ["Recipe", "given_recipe", "handed_over", "hints_of", "recipe_name", "require_handed_over", "settings_of"]

Recipe = Callable[..., Game]
_handed: dict[str, Recipe] = {}


def recipe_name(recipe: str | Recipe) -> tuple[str, bool]:
    """Return the name under which a run stores a recipe, and whether the function must be handed over again.

    Args:
        recipe: A name as for `sparring.recipe`, or a function.

    Raises:
        GameError: If it is neither.

    >>> from sparring.recipes.gan import nsgan
    >>> recipe_name("nsgan"), recipe_name(nsgan), recipe_name(lambda shape: nsgan(shape))[1]
    (('nsgan', False), ('nsgan', False), True)
    """
    if isinstance(recipe, str):
        return recipe, False
    if not callable(recipe) or isinstance(recipe, type):
        kind = recipe.__name__ if isinstance(recipe, type) else type(recipe).__name__
        raise GameError(f"A recipe of type {kind} cannot be used: give a name, or a function from a shape to a game.")
    inner = recipe.func if isinstance(recipe, partial) else recipe
    named = inner if hasattr(inner, "__qualname__") else type(inner)
    place = f"{named.__module__}:{named.__qualname__}"
    if _found_again(place, recipe):
        return next((name for name, row in RECIPES.items() if row.home == place), place), False
    return f"{place} (partial)" if isinstance(recipe, partial) else place, True


def _found_again(place: str, recipe: Recipe) -> bool:
    """Return whether an import finds a function under a name."""
    if place.startswith("__main__:"):  # another module in another process
        return False
    try:
        return imported(place, here=False) is recipe
    except Exception:  # of modules that cannot be imported again
        return False


@contextmanager
def handed_over(name: str, recipe: str | Recipe) -> Iterator[None]:
    """Let a name mean a function while games are built.

    Args:
        name: Name in the configuration of a run.
        recipe: The function; a name, or a function that an import finds under this name, changes nothing.
    """
    before = _handed.get(name)
    if not isinstance(recipe, str) and recipe_name(recipe) != (name, False):
        _handed[name] = recipe
    try:
        yield
    finally:
        _handed.pop(name, None)
        if before is not None:
            _handed[name] = before


def given_recipe(name: str) -> Recipe | None:
    """Return the function that was handed over under a name, or None.

    Args:
        name: Name in the configuration of a run.
    """
    return _handed.get(name)


def require_handed_over(
    folder: Path, name: str, in_python: bool, arguments: Iterable[str], recipe: Recipe | None
) -> str | Recipe:
    """Return the recipe of a run that is opened: its name, or the function that is handed over.

    Args:
        folder: The run's folder, for the message.
        name: Name in its configuration.
        in_python: Whether the function must be handed over.
        arguments: Names of its arguments in the configuration.
        recipe: The function that is handed over, or None.

    Raises:
        RunError: If a function is missing, or is another one than that of the run.
        GameError: If it is no function.
    """
    if recipe is None and in_python:
        raise RunError(
            f"The recipe of {folder} ({name}) is in no module: hand it over again, as in "
            "sparring.Run.open(folder, recipe=function) or sparring.load(folder, recipe=function)."
        )
    if recipe is None:
        return name
    other, again = recipe_name(recipe)
    if other != name and not (in_python and other.partition(":")[2] == name.partition(":")[2]):
        raise RunError(f"The recipe of {folder} is {name}, not {other}: hand over that one.")
    if not again and not in_python:
        trust(name)
        return name
    known, now = sorted(arguments), sorted(settings_of(recipe))
    if known != now:
        raise RunError(
            f"The recipe {name} of {folder} has the arguments {', '.join(known) or 'none'}, and this function "
            f"{', '.join(now) or 'none'}: hand over the same function."
        )
    return recipe


def settings_of(recipe: Recipe) -> dict[str, Parameter]:
    """Return the arguments of a recipe that a user may set: all but facts of the data and those that a partial binds.

    Args:
        recipe: The function.
    """
    bound = recipe.keywords if isinstance(recipe, partial) else {}
    found = signature(recipe).parameters.items()
    plain = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return {name: item for name, item in found if name not in FACTS and name not in bound and item.kind not in plain}


def hints_of(recipe: Recipe) -> Settings:
    """Return the type hints of a recipe; none if they cannot be resolved.

    Args:
        recipe: The function.
    """
    inner = recipe.func if isinstance(recipe, partial) else recipe
    try:
        return get_type_hints(inner if hasattr(inner, "__qualname__") else type(inner).__call__)
    except (TypeError, ValueError, NameError, AttributeError):
        return {}
