"""Help of commands: their flags by section, each with its type, its meaning and its default."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from inspect import Parameter, signature
from pathlib import Path
from textwrap import wrap
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from docstring_parser import parse
from tyro.conf import Positional, UseAppendAction

from sparring._types import Settings

__all__ = ["SECTIONS", "Flag", "flags", "help_of", "keys_of", "value_of"]

Sections = Mapping[str, Sequence[str]]
VALUES: dict[object, str] = {int: "N", float: "FLOAT", str: "TEXT", Path: "PATH", bool: "BOOL"}
NAME, WIDEST = 28, 110  # columns of a flag's name and value, and of a line
POSITIONAL, APPENDED = (get_args(marked[int])[1] for marked in (Positional, UseAppendAction))

SECTIONS: Sections = {
    "Data": (
        "data",
        "size",
        "fit",
        "pad_colour",
        "channels",
        "data_root",
        "mirror",
        "random_crop",
        "skip_unreadable",
        "hold_out",
    ),
    "Output": (
        "out",
        "save_every",
        "sample_every",
        "keep_checkpoints",
        "tensorboard",
        "dry_run",
        "estimate",
        "trust",
    ),
    "Networks": ("network", "latent", "width"),
}
"""Sections of the help of a training; optimisers, techniques and the recipe's own flags are found by their types."""

ORDER = ("Arguments", "Most used", "Data", "Training", "Networks", "Optimisers", "Recipe", "Techniques", "Output")


@dataclass(frozen=True)
class Flag:
    """One flag of a command.

    Attributes:
        name: Its name with underscores, and a dot after the name of a group of settings.
        value: Its value as it is typed, empty for a switch.
        text: What it does.
        default: Its default; `dataclasses.MISSING` if it has none.
        positional: Whether the value is given without the name.
        source: Name of the dataclass that defines it; of the function's it is empty.
    """

    name: str
    value: str
    text: str
    default: object
    positional: bool = False
    source: str = ""

    def shown(self) -> str:
        """Return the flag as it is typed; a switch that is on by default is typed to switch it off."""
        if self.positional or ":" in self.name:
            return self.value or self.name
        group, _, last = self.name.rpartition(".")
        off = "no-" if self.default is True and not self.value else ""
        name = f"{group and group + '.'}{off}{last}".replace("_", "-")
        return f"--{name} {self.value}".rstrip()

    def meaning(self) -> str:
        """Return what the flag does, with its default unless the text states it or there is none to state."""
        if self.default is MISSING and not self.positional:
            return f"{self.text} Required."
        if self.default is True and not self.value:
            return f"Switch off: {self.text}"
        plain = self.default in (None, False, "", ()) or self.default is MISSING
        return self.text if plain or "Default:" in self.text else f"{self.text} Default: {_typed(self.default)}."


def _typed(value: object) -> str:
    """Return a value as it is typed."""
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def flags(form: Callable[..., object], given: object = MISSING, before: str = "", texts: str = "") -> Iterator[Flag]:
    """Yield the flags of a function or a dataclass, in the order of its arguments.

    Args:
        form: Arguments that are dataclasses add their fields, after the argument's name and a dot, or without them if
            the argument is named "".
        given: An instance of the dataclass that holds the defaults.
        before: What the names begin with.
        texts: The docstring; the form's own if it is empty.
    """
    described = {item.arg_name: item.description or "" for item in parse(texts or form.__doc__ or "").params}
    hints = get_type_hints(form, include_extras=True)
    for key, default in _defaults(form, given).items():
        kind, extras = _parts(hints.get(key, str))
        name = next((extra.name for extra in extras if getattr(extra, "name", None) is not None), key)
        name = name.replace("-", "_")
        text = next((extra.help for extra in extras if getattr(extra, "help", None)), described.get(key, ""))
        if isinstance(kind, type) and is_dataclass(kind):
            inner = flags(kind, default, f"{before}{name}." if name else before)
            if default is None:  # settings that are chosen by a word of their own
                word = f"{name}:{kind.__name__.lower()}"
                yield Flag(word, "", text, None)
                inner = (replace(flag, text=f"After {word}: {flag.text}") for flag in inner)
            yield from inner
            continue
        typed = value_of(kind).removesuffix(" ...") if APPENDED in extras else value_of(kind)
        value = next((extra.metavar for extra in extras if getattr(extra, "metavar", None)), typed)
        source = getattr(form, "__name__", "") if isinstance(form, type) else ""
        yield Flag(f"{before}{name}", value, " ".join(text.split()), default, POSITIONAL in extras, source)


def _defaults(form: Callable[..., object], given: object) -> Settings:
    """Return the default of each argument, by name."""
    if isinstance(form, type):
        found = {field.name: field.default for field in fields(form)}
        return found if given in (MISSING, None) else {name: getattr(given, name) for name in found}
    return {
        name: MISSING if item.default is Parameter.empty else item.default
        for name, item in signature(form).parameters.items()
    }


def _parts(hint: object) -> tuple[object, tuple[Any, ...]]:
    """Return a type and its annotation; an optional dataclass is the dataclass."""
    extras: tuple[Any, ...] = ()
    while get_origin(hint) is Annotated:
        hint, *more = get_args(hint)
        extras += tuple(more)
    kinds = [kind for kind in get_args(hint) if kind is not NoneType] if _is_union(hint) else [hint]
    return (kinds[0] if len(kinds) == 1 else hint), extras


def _is_union(hint: object) -> bool:
    return get_origin(hint) in (Union, UnionType)


def value_of(kind: object) -> str:
    """Return how a value of a type is typed; nothing for a switch.

    >>> value_of(int), value_of(float | None), value_of(tuple[float, float]), value_of(Literal["a", "b"])
    ('N', 'FLOAT', 'FLOAT FLOAT', '{a,b}')
    """
    kind, origin = _parts(kind)[0], get_origin(_parts(kind)[0])
    if kind is bool:
        return ""
    if origin is Literal:
        return "{" + ",".join(str(choice) for choice in get_args(kind) if choice is not None) + "}"
    if _is_union(kind):
        return "|".join(value_of(each) for each in get_args(kind) if each is not NoneType)
    if get_args(kind):
        inner = get_args(kind)
        whole = len(inner) == 1 or inner[-1] is Ellipsis
        return f"{value_of(inner[0])} ..." if whole else " ".join(map(value_of, inner))
    return VALUES.get(kind, "VALUE")


def keys_of(path: str, table: str) -> str:
    """Return the keys of a dictionary in a module, with commas between, without importing the module.

    Args:
        path: The module's file below the package.
        table: The name of the dictionary.
    """
    tree = ast.parse((Path(__file__).parents[1] / path).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == table:
            keys = node.value.keys if isinstance(node.value, ast.Dict) else []
            return ", ".join(str(key.value) for key in keys if isinstance(key, ast.Constant))
    raise KeyError(table)


def help_of(name: str, text: str, found: Sequence[Flag], sections: Sections | None = None, more: str = "") -> str:
    """Return the help of a command.

    Args:
        name: How the command is typed.
        text: What it does.
        found: Its flags.
        sections: Names of flags by section. Default: one section.
        more: A last line.
    """
    width = min(shutil.get_terminal_size((100, 24)).columns, WIDEST)
    places = [flag.shown() for flag in found if flag.positional]
    needed = [flag.shown() for flag in found if flag.default is MISSING and not flag.positional]
    blocks = ["\n".join(wrap(" ".join([f"usage: sparring {name}", *places, *needed, "[options]"]), width))]
    blocks += ["\n".join(wrap(part, width)) for part in text.split("\n\n") if part]
    groups: dict[str, list[Flag]] = {title: [] for title in ORDER}
    for flag in found:
        groups.setdefault(_section(flag, sections), []).append(flag)
    for title, those in groups.items():
        if those:
            blocks.append("\n".join([f"{title}:", *(line for flag in those for line in _lines(flag, width))]))
    return "\n\n".join([*blocks, *([more] if more else [])])


def _section(flag: Flag, sections: Sections | None) -> str:
    """Return the title of the section of a flag."""
    if sections is None:
        return "Arguments" if flag.positional else "Options"
    title = next((title for title, names in sections.items() if flag.name in names), None)
    if title is not None:
        return title
    if flag.source not in ("Techniques", "Arguments") and ("." in flag.name or ":" in flag.name):
        return "Optimisers"
    return {"Techniques": "Techniques", "Arguments": "Recipe"}.get(flag.source, "Training")


def _lines(flag: Flag, width: int) -> list[str]:
    """Return the lines of a flag: its name and value to the left, its description to the right."""
    name, text = f"  {flag.shown()}", wrap(flag.meaning(), max(20, width - NAME)) or [""]
    if len(name) < NAME - 1:
        return [f"{name:<{NAME}}{text[0]}".rstrip(), *(" " * NAME + line for line in text[1:])]
    return [name, *(" " * NAME + line for line in text)]
