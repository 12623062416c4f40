"""Who competes: contestants from the words that were typed.

A flag that no comparison has is a recipe's, and goes to every contestant that knows it; ``--NAME.flag`` goes to the
recipe NAME only; a varied setting makes a contestant of each of its values. What is typed for a contestant is read as
``sparring train`` reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from inspect import signature
from itertools import product
from typing import TYPE_CHECKING, Any, get_type_hints

from sparring.cli.options import OWN_WORDS, parsed, with_recipe
from sparring.errors import SparringError
from sparring.recipes import FACTS

if TYPE_CHECKING:
    from sparring.experiments import Contestant

__all__ = ["contestants", "grouped", "known_flags", "sorted_flags"]

Group = list[str]  # a flag and its values
Variation = tuple[str, list[str]]  # a flag and what stands behind it in turn


def sorted_flags(form: type, words: Sequence[str]) -> tuple[list[str], list[Group]]:
    """Returns the words that are everybody's, and the flags that are the recipes'.

    Args:
        form: The dataclass of what is asked of everybody, with aids.
        words: What was typed after the recipes' names.
    """
    own = {field.name for field in fields(form)}
    groups = list(grouped(words))
    common = [group for group in groups if _flag(group) in own or _flag(group).startswith("aids.")]
    return [word for group in common for word in group], [group for group in groups if group not in common]


def grouped(words: Sequence[str]) -> Iterator[Group]:
    """Yields each flag with its values.

    >>> list(grouped(["--a", "1", "2", "--b=3", "--c"]))
    [['--a', '1', '2'], ['--b=3'], ['--c']]
    """
    group: Group = []
    for word in words:
        if word.startswith("--") and group:
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def contestants(
    form: type, names: Sequence[str], common: Sequence[str], groups: Sequence[Group], varied: Sequence[str]
) -> Iterator[Contestant]:
    """Yields the contestants: every recipe under every combination of the varied settings that it knows.

    Args:
        form: The dataclass of what is asked of everybody, with aids.
        names: Of the recipes.
        common: Words that are everybody's.
        groups: Flags that are the recipes'.
        varied: Each a setting and its values.

    Raises:
        SparringError: If no contestant knows a flag or a varied setting, or a value does not fit.
    """
    from sparring.experiments import Contestant
    from sparring.recipes import recipe
    from sparring.runs.config import play

    variations = [_variation(text) for text in varied]
    known = {name: known_flags(recipe(name)) for name in names}
    forms = {name: with_recipe(form, recipe(name), name) for name in names}
    _require_known(groups, variations, known, lambda words: parsed(forms[names[0]], [*common, *words], "compare"))
    for name in names:
        mine = [word for group in groups for word in _addressed(group, name, known)]
        open_ = [(flag, values) for flag, values in variations if flag in known[name] or flag.startswith("aids.")]
        for chosen in product(*(values for _, values in open_)):
            settings = {flag: value for (flag, _), value in zip(open_, chosen, strict=True)}
            words = [word for flag, value in settings.items() for word in (f"--{flag}", *value.split())]
            filled: Any = parsed(forms[name], [*common, *mine, *words], f"train {name}")
            arguments = {field.name: getattr(filled.arguments, field.name) for field in fields(filled.arguments)}
            label = " ".join([name, *(f"{flag}={value}" for flag, value in settings.items())])
            yield Contestant(**play(name, arguments, filled.given.aids), label=label)


def known_flags(recipe: Callable[..., Any]) -> set[str]:
    """Returns the names of a recipe's own flags, fields of dataclasses behind a dot.

    Args:
        recipe: The function.
    """
    hints, found = get_type_hints(recipe), set()
    for name in signature(recipe).parameters:
        if name not in FACTS:
            inner = fields(hints[name]) if is_dataclass(hints.get(name)) else None
            before = "" if name in OWN_WORDS else f"{name}."
            found |= {f"{before}{field.name}" for field in inner} if inner else {name}
    return found


def _flag(group: Group) -> str:
    return group[0].lstrip("-").partition("=")[0].replace("-", "_")


def _addressed(group: Group, name: str, known: dict[str, set[str]]) -> Group:
    """Returns a flag as the recipe `name` is to read it, nothing if it is not meant."""
    flag = _flag(group)
    if flag in known[name]:
        return group
    rest = flag.removeprefix(f"{name.replace('-', '_')}.")
    return [f"--{group[0][len(f'--{name}.') :]}", *group[1:]] if rest != flag and rest in known[name] else []


def _require_known(
    groups: Sequence[Group],
    variations: Sequence[Variation],
    known: dict[str, set[str]],
    read: Callable[[list[str]], object],
) -> None:
    """Refuses what nobody knows, in the words of the first recipe, which name the nearest flag."""
    for group in groups:
        if not any(_addressed(group, name, known) for name in known):
            read(group)
            raise SparringError(f"No contestant knows {group[0]}: see `sparring train {next(iter(known))} --help`.")
    for flag, values in variations:
        if not any(flag in flags for flags in known.values()):
            read([f"--{flag}", *values[0].split()])
            if not flag.startswith("aids."):
                raise SparringError(f"--vary {flag}=... varies what must be the same for all: vary a recipe's setting.")


def _variation(text: str) -> Variation:
    """Reads a setting and its values.

    >>> _variation("critic.betas=0 0.9,0.5 0.999")
    ('critic.betas', ['0 0.9', '0.5 0.999'])
    >>> _variation("--critic-steps=1,5")
    ('critic_steps', ['1', '5'])
    """
    name, equals, values = text.partition("=")
    found = [value.strip() for value in values.split(",")]
    if not (name.strip() and equals and all(found)):
        raise SparringError(f"--vary {text} cannot be read: write a setting and its values, such as outcomes=2,5,10.")
    return name.strip().lstrip("-").replace("-", "_"), found
