"""Arguments of a recipe: from values to plain JSON, and back through the type hints of its signature.

So only names and numbers are stored, and reading them builds only the types of the signature. A ``run.json`` from
elsewhere can name a recipe ``module:function``: it is imported only if the user names it, and called only if it is
declared to return a game.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from inspect import Parameter, signature
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from sparring._types import Settings
from sparring.data.sources.in_memory import DataLike
from sparring.data.sources.layouts import MAPS, PAIRED, PAIRS, PICTURES, WHOLE, split_kind
from sparring.errors import DataError, GameError, RunError
from sparring.game import Game
from sparring.recipes import LABEL_MAPS, ONE_IMAGE, PAIRED_IMAGES, RECIPES, UNPAIRED_IMAGES, stored
from sparring.recipes.importing import trust
from sparring.recipes.techniques import Techniques
from sparring.runs.recipe_functions import Recipe, given_recipe, handed_over, hints_of, recipe_name, settings_of

READ = {PAIRED_IMAGES: PICTURES, UNPAIRED_IMAGES: PICTURES, LABEL_MAPS: MAPS}
"""How the second files of pairs are read, by the needs of a recipe."""

KINDS: dict[object, tuple[type, ...]] = {
    int: (int,),
    float: (int, float),
    bool: (bool,),
    str: (str, Path),
    NoneType: (NoneType,),
}
"""Types of values that a type hint allows; other hints are not checked."""
WORDS: dict[object, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    NoneType: "none",
}


def describe_game(recipe: str | Recipe, arguments: Settings, techniques: Techniques | Settings) -> Settings:
    """Return how a run describes its game: the recipe, all arguments, and techniques that are not at their defaults.

    Args:
        recipe: The recipe's name, or the function, as the user gives it.
        arguments: As given to `sparring.Run.create`.
        techniques: As given to `sparring.Run.create`.
    """
    name, again = recipe_name(recipe)
    if not again:
        trust(name)
    given = techniques if isinstance(techniques, Techniques) else from_plain(Techniques, techniques)
    with handed_over(name, recipe):
        plain = plain_arguments(name, arguments)
    return {"recipe": name, "arguments": plain, "techniques": given.chosen()}


def plain_arguments(name: str, given: Settings) -> Settings:
    """Return every keyword argument of a recipe as plain values, with defaults, since a run outlives a change of them.

    Args:
        name: Name of the recipe.
        given: Values by name, or for dataclasses dicts of their fields.
    """
    return {setting: to_plain(setting, value) for setting, value in fill_arguments(find_recipe(name), given).items()}


def find_recipe(name: str) -> Callable[..., Game]:
    """Return a recipe, after checking that it is declared as one.

    Args:
        name: Name of the recipe, as for `sparring.recipes.stored`, or of a function that is being handed over.

    Raises:
        GameError: If it is not trusted, takes no shape, or does not declare that it returns a game; a function that is
            handed over need not declare it.
    """
    given = given_recipe(name)
    if given is not None:
        if "shape" not in signature(given).parameters:
            raise GameError(f"The recipe {name} takes no argument shape: write a function from a shape to a game.")
        return given
    function = stored(name)
    try:
        returns = get_type_hints(function).get("return")
        fits = isinstance(returns, type) and issubclass(returns, Game) and "shape" in signature(function).parameters
    except (TypeError, ValueError, NameError):
        fits = False
    if not fits:
        raise GameError(f"{name} is no recipe: declare it as `def {name.rpartition(':')[2]}(shape, *, ...) -> Game`.")
    return function


def data_for(recipe: str | Recipe, data: DataLike) -> DataLike:
    """Return data as a recipe reads them: a name or path as `data_name` has it, other data as they are.

    Args:
        recipe: The recipe's name, or the function.
        data: As for `sparring.data.load`.
    """
    return data_name(recipe_name(recipe)[0], data) if isinstance(data, str | Path) else data


def data_name(name: str, data: str | Path) -> str:
    """Return the name of data as a recipe reads it: one whole image, pairs of images, or images with label maps.

    Args:
        name: Name of the recipe.
        data: Name or path of the data, as the user gives it.

    Raises:
        DataError: If label maps are requested where the recipe is trained on images, or the reverse.

    >>> data_name("gaugan", "pairs:streets"), data_name("pix2pix", "pairs:streets"), data_name("singan", "a.jpg")
    ('maps:streets', 'pictures:streets', 'whole:a.jpg')
    """
    needs, (kind, rest) = RECIPES[name].needs if name in RECIPES else "", split_kind(str(data))
    if needs == ONE_IMAGE and kind != WHOLE:
        return f"{WHOLE}:{data}"
    reads = READ.get(needs)
    if reads is None or kind not in PAIRED or kind == reads:
        return str(data)
    if kind != PAIRS:
        words = "pictures, and maps: reads label maps" if kind == MAPS else "label maps, and pictures: reads pictures"
        raise DataError(f"{name} learns from {words}: write {PAIRS}: before the path, or train another recipe on it.")
    return f"{reads}:{rest}"


def fill_arguments(function: Callable[..., Game], arguments: Settings) -> Settings:
    """Return every keyword argument of a recipe: those given, converted from plain values, and defaults.

    Args:
        function: The recipe.
        arguments: Values by name, or for dataclasses dicts of their fields.

    Raises:
        RunError: If the recipe has no such argument, needs one that is missing, or is given something of another kind.
    """
    hints, known, title = (
        hints_of(function),
        settings_of(function),
        getattr(function, "__name__", "that is handed over"),
    )
    require_names(f"recipe {title}", arguments, list(known))
    chosen = {}
    for name, item in known.items():
        default = None if item.default is Parameter.empty else item.default
        if name in arguments:
            chosen[name] = _fitting(name, hints.get(name, Any), arguments[name], default)
        elif item.default is Parameter.empty:
            raise RunError(f"The recipe {title} needs the setting {name!r}: give it a value.")
        else:
            chosen[name] = default
    return chosen


def from_plain(hint: object, value: object, default: object = None) -> Any:
    """Convert plain values to the type of a hint.

    Args:
        hint: A type, a union, or a generic type.
        value: A value from JSON, or one that is converted already.
        default: Source of missing fields of a dataclass.

    >>> from_plain(tuple[float, float], [0, 0.9])
    (0.0, 0.9)
    """
    kind, inner = get_origin(hint), get_args(hint)
    if kind in (Union, UnionType):
        return value if value is None else from_plain(_member(inner, value), value, default)
    if is_dataclass(hint) and isinstance(value, dict):
        return _dataclass(hint, value, default)
    if kind in (tuple, list) and isinstance(value, (tuple, list)):
        hints = inner if kind is tuple and inner[-1] is not Ellipsis else inner[:1] * len(value)
        return kind(map(from_plain, hints, value)) if len(hints) == len(value) else value
    return float(value) if hint is float and type(value) is int else value


def to_plain(name: str, value: object) -> Any:
    """Convert a setting to plain values that JSON can hold.

    Args:
        name: Name of the setting, for the message.
        value: A number, string, None, dataclass, path, or a dict, list or tuple of them.

    Raises:
        RunError: If it is anything else.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(f"{name}.{field.name}", getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): to_plain(f"{name}.{key}", part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(name, part) for part in value]
    if isinstance(value, Path):
        return str(value)
    raise RunError(f"The setting {name} is a {type(value).__name__}, which run.json cannot hold: use plain values.")


def require_names(owner: str, given: Settings, known: list[str]) -> None:
    """Refuse unknown names.

    Args:
        owner: Owner of the names, for the message.
        given: Values by name.
        known: The known names.

    Raises:
        RunError: With the nearest name.
    """
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}."
            raise RunError(f"The {owner} has no setting {name!r}: {hint}")


def _member(members: tuple[object, ...], value: object) -> object:
    """Return the member of a union that a plain value fits; of dataclasses the smallest with its fields."""
    if isinstance(value, dict):
        held = [kind for kind in members if is_dataclass(kind) and set(value) <= {field.name for field in fields(kind)}]
        return min(held, key=lambda kind: len(fields(kind)), default=Any)
    if isinstance(value, (list, tuple)):
        return next((kind for kind in members if get_origin(kind) in (list, tuple)), Any)
    return next((kind for kind in members if kind is type(value)), next(k for k in members if k is not NoneType))


def _dataclass(kind: Any, value: Settings, default: object) -> object:
    hints = get_type_hints(kind)
    require_names(kind.__name__, value, [field.name for field in fields(kind)])
    like = {field.name: getattr(default, field.name) for field in fields(kind)} if isinstance(default, kind) else {}
    made = {name: _fitting(name, hints[name], part, like.get(name)) for name, part in value.items()}
    return kind(**{**like, **made})


def _fitting(name: str, hint: object, given: object, default: object) -> object:
    """Convert a plain value to the type of a hint, or refuse it."""
    value = from_plain(hint, given, default)
    if not _fits(hint, value):
        raise RunError(f"The setting {name} cannot be {str(value)[:40]!r}: it is {_words(hint)}.")
    return value


def _fits(hint: object, value: object) -> bool:
    kind, inner = get_origin(hint), get_args(hint)
    if kind in (Union, UnionType):
        return any(_fits(member, value) for member in inner)
    if kind is tuple and inner[-1] is not Ellipsis:
        return isinstance(value, tuple) and len(value) == len(inner) and all(map(_fits, inner, value))
    allowed = KINDS.get(hint)
    return allowed is None or (isinstance(value, allowed) and (hint is bool or not isinstance(value, bool)))


def _words(hint: object) -> str:
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_words(member) for member in get_args(hint))
    if get_origin(hint) is tuple:
        return "several values"
    return WORDS.get(hint, str(getattr(hint, "__name__", hint)))
