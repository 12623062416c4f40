"""Flags from signatures: the arguments of a function or the fields of a dataclass are the flags of a command."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field, fields, is_dataclass, make_dataclass
from inspect import Parameter, signature
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_type_hints

import tyro
from docstring_parser import parse
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from sparring._io.paths import expand_user
from sparring._types import Settings
from sparring.cli.console import say_lines, warn
from sparring.cli.help import SECTIONS, VALUES, flags, help_of, keys_of
from sparring.errors import DataError
from sparring.recipes import FACTS
from sparring.recipes.importing import trust
from sparring.training.devices import DEVICES

if TYPE_CHECKING:
    from sparring.game import Game
    from sparring.runs.run import Run

__all__ = [
    "METRICS",
    "NEWEST",
    "Device",
    "ImageSize",
    "Model",
    "ModelOptions",
    "RunFolder",
    "Trust",
    "called",
    "fit_of",
    "flag_of",
    "given_values",
    "parse_height_and_width",
    "parse_size",
    "parsed",
    "recipe_arguments",
    "say_help",
    "with_recipe",
]

WHITE = "white"  # default colour of a border
OWN_WORDS = ("networks",)  # settings whose fields are flags without a prefix: --width, not --networks.width
STYLE = (tyro.conf.FlagCreatePairsOff,)
TYPES = ConstructorRegistry()

RunFolder = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]

Trust = Annotated[
    tyro.conf.UseAppendAction[tuple[str, ...]],
    tyro.conf.arg(
        metavar="MODULE:FUNCTION",
        help="A recipe outside the library that a run may name. May be given several times.",
    ),
]

Device = Annotated[str, tyro.conf.arg(metavar="DEVICE", help=f"One of {DEVICES}.")]

ImageSize = Annotated[str | None, tyro.conf.arg(metavar="SIZE")]
"""A side in pixels, or height x width, such as 64x48; see `parse_height_and_width`."""

METRICS = tyro.conf.arg(
    metavar="NAMES",
    help=f"Metrics, with commas between, of {keys_of('evaluation/registry.py', 'METRICS')}. "
    "Default: those that suit the data.",
)


@dataclass(frozen=True)
class ModelOptions:
    """The weights of a run that a command uses.

    Attributes:
        checkpoint: newest, best, or the step of a saved checkpoint.
        device: The device.
    """

    checkpoint: Annotated[str, tyro.conf.arg(metavar="NAME")] = "newest"
    device: Device = "auto"

    def load(self, run: Path) -> Game:
        """Load the game of a run for inference.

        Args:
            run: The run's folder.
        """
        from sparring.runs.state import load_game

        return load_game(run, device=self.device, checkpoint=self.checkpoint)

    def open(self, run: Path) -> Run:
        """Open a run with its data.

        Args:
            run: The run's folder.
        """
        from sparring.runs.run import Run

        return Run.open(run, device=self.device, checkpoint=self.checkpoint)


Model = Annotated[ModelOptions, tyro.conf.arg(name="")]
NEWEST = ModelOptions()

T = TypeVar("T")


@TYPES.primitive_rule
def _number_text_or_path(kind: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[object] | None:
    """Read a number, a text or a path, also an optional one; shells leave the ``~`` of --out=~/run to the program."""
    hint: Any = kind.type
    inner = [each for each in get_args(hint) if each is not NoneType] if NoneType in get_args(hint) else [hint]
    if len(inner) != 1 or inner[0] not in (int, float, str, Path):
        return None
    optional, make = inner[0] is not hint, expand_user if inner[0] is Path else inner[0]
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=VALUES[inner[0]],
        instance_from_str=lambda words: None if optional and words[0] == "None" else make(words[0]),
        is_instance=lambda given: isinstance(given, inner[0]) or (optional and given is None) or type(given) is int,
        str_from_instance=lambda given: [str(given)],
    )


def called(command: Callable[..., T], words: Sequence[str], name: str) -> T:
    """Call a command with the arguments in its words; a command that opens a run also has the flag ``--trust``.

    Args:
        command: Its arguments are the flags, its docstring is the help.
        words: Words after the command's name.
        name: What the command is called.
    """
    arguments: Settings = {}
    parsed(form_of(command, lambda **given: arguments.update(given)), words, name)
    trust(arguments.pop("trust", ()))
    return command(**arguments)


def form_of(command: Callable[..., object], call: Callable[..., None] = lambda **given: None) -> Callable[..., None]:
    """Return a function with the arguments and the docstring of a command; one that opens a run also takes ``trust``.

    Args:
        command: The command.
        call: What the function does.
    """

    def form(**given: object) -> None:
        call(**given)

    arguments, hints = signature(command), get_type_hints(command, include_extras=True)
    if "run" in arguments.parameters:
        flag = Parameter("trust", Parameter.KEYWORD_ONLY, default=(), annotation=Trust)
        arguments = arguments.replace(parameters=[*arguments.parameters.values(), flag])
        hints = {**hints, "trust": Trust}
    form.__signature__ = arguments  # type: ignore[attr-defined]
    form.__annotations__ = hints
    form.__doc__ = command.__doc__
    return form


def parsed(form: Callable[..., T], words: Sequence[str], name: str, most_used: Sequence[str] = ()) -> T:
    """Fill a form, a dataclass or a function, from words, or print its help.

    Args:
        form: What to fill.
        words: Words of the command line.
        name: How the command is typed.
        most_used: Names of the flags that ``--help`` shows; ``--help-all`` shows all, by section. Default: all.

    Raises:
        SystemExit: After the help; with code 2 after a message if the words do not fit.
    """
    if {"-h", "--help", "--help-all"} & set(words):
        say_help(form, name, [] if "--help-all" in words else most_used, sections=bool(most_used))
        raise SystemExit(0)
    message = io.StringIO()
    try:
        with redirect_stderr(message):
            return tyro.cli(form, args=list(words), prog=f"sparring {name}", config=STYLE, registry=TYPES)
    except SystemExit:
        for line in message.getvalue().splitlines():
            warn(line)
        raise


def say_help(form: Callable[..., object], name: str, most_used: Sequence[str] = (), *, sections: bool = False) -> None:
    """Print the help of a command.

    Args:
        form: Its flags.
        name: How it is typed.
        most_used: Names of the only flags that are shown, in this order. Default: all.
        sections: Show flags by section.
    """
    words, found = parse(form.__doc__ or ""), list(flags(form))
    text = "\n\n".join(filter(None, (words.short_description, words.long_description)))
    if not most_used:
        say_lines(help_of(name, text, found, SECTIONS if sections else None))
        return
    shown = [flag for key in most_used for flag in found if flag.name == key]
    more = f"{len(found) - len(shown)} more flags: --help-all"
    say_lines(help_of(name, text, shown, {"Most used": most_used}, more))


def recipe_arguments(recipe: Callable[..., object], taken: Collection[str] = ()) -> type:
    """Return the keyword arguments of a recipe as a dataclass.

    Args:
        recipe: Arguments that are dataclasses become groups of flags, with the argument's name before a dot.
        taken: Names of other flags. An argument of such a name gets ``recipe.`` before it.
    """
    hints, words = get_type_hints(recipe), parse(recipe.__doc__ or "")
    help_ = {item.arg_name: item.description or "" for item in words.params}
    items: list[Any] = []
    for key, item in signature(recipe).parameters.items():
        if key in FACTS:
            continue
        name = "" if key in OWN_WORDS else f"recipe.{key}" if key in taken else None
        own = tyro.conf.arg(name=name, help=help_.get(key))
        default = field() if item.default is Parameter.empty else field(default=item.default)
        items.append((key, Annotated[hints.get(key, str), own], default))
    return make_dataclass("Arguments", items, frozen=True, kw_only=True)


def with_recipe(form: type, recipe: Callable[..., object], name: str) -> type:
    """Return a dataclass of two fields: ``given``, the form, and ``arguments``, the recipe's own.

    Args:
        form: The dataclass of the options of every training.
        recipe: Its keyword arguments become flags. Fields of dataclasses get the argument's name before a dot, and an
            argument whose name the form has already gets ``recipe.`` before it.
        name: What the recipe is called.
    """
    words = parse(recipe.__doc__ or "")
    arguments = recipe_arguments(recipe, {flag.name for flag in flags(form)})
    both = make_dataclass(
        name.replace("-", "_").replace(":", "_").replace(".", "_"),
        [
            ("given", Annotated[form, tyro.conf.arg(name="")]),
            ("arguments", Annotated[arguments, tyro.conf.arg(name="")]),
        ],
        frozen=True,
    )
    both.__doc__ = words.short_description or f"Trains {name}."
    return both


def flag_of(path: str) -> str:
    """Return the flag of a setting of ``run.json``.

    Args:
        path: Dotted.

    >>> flag_of("arguments.networks.width"), flag_of("arguments.critic.lr"), flag_of("techniques.augment_images")
    ('--width', '--critic.lr', '--augment-images')
    """
    _, _, inner = path.rpartition("arguments.")
    for group in (*OWN_WORDS, "techniques"):
        inner = inner.removeprefix(f"{group}.")
    return f"--{inner.replace('_', '-')}"


def given_values(form: Any, words: Sequence[str]) -> Settings:
    """Return the values of a filled form that the words gave, or that are not at their defaults.

    Args:
        form: A dataclass; fields that are dataclasses become dicts of their given fields.
        words: Words of the command line.
    """
    typed = {word.partition("=")[0].lstrip("-").replace("_", "-") for word in words if word.startswith("--")}

    def is_given(name: str, value: object, usual: object) -> bool:
        flag = name.replace("_", "-")
        return value != usual or bool({flag, f"no-{flag}", f"recipe.{flag}"} & typed)

    found: Settings = {}
    for each in fields(form):
        value: Any = getattr(form, each.name)
        usual: Any = each.default
        group = "" if each.name in OWN_WORDS else f"{each.name}."
        if is_dataclass(value) and type(value) is type(usual):
            parts = {part.name: (getattr(value, part.name), getattr(usual, part.name)) for part in fields(value)}
            inner = {name: now for name, (now, then) in parts.items() if is_given(group + name, now, then)}
            found |= {each.name: inner} if inner else {}
        elif is_given(each.name, value, usual):
            found[each.name] = value
    return found


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Parse a height and a width, such as "100x240"; None stays None.

    Returns:
        Height and width.

    Raises:
        DataError: If it cannot be parsed.

    >>> parse_size("100x240")
    (100, 240)
    """
    if text is None:
        return None
    height, _, width = text.lower().replace("×", "x").partition("x")
    if not (width.strip().isdecimal() and height.strip().isdecimal()):
        raise DataError(f"The size {text!r} cannot be read: write height and width, such as 100x240.")
    return int(height), int(width)


def fit_of(fit: str, pad_colour: str) -> str:
    """Return a fit with its colour, as `sparring.data.load` takes it.

    Args:
        fit: crop, pad or stretch.
        pad_colour: Colour of the border.

    Raises:
        DataError: If a colour is given without a border.
    """
    if fit != "pad" and pad_colour != WHITE:
        raise DataError(f"--fit {fit} adds no border that could be {pad_colour}: leave --pad-colour out, or --fit pad.")
    return f"{fit}:{pad_colour}" if pad_colour != WHITE else fit


def parse_height_and_width(text: str | None) -> int | tuple[int, int] | None:
    """Parse a side such as 64, or a height and a width such as 64x48; None stays None.

    Args:
        text: On the command line.

    Raises:
        DataError: If it is neither.

    Example:
        >>> parse_height_and_width("64"), parse_height_and_width("64x48")
        (64, (64, 48))
    """
    if text is None:
        return None
    found = re.fullmatch(r"\s*(\d{1,6})\s*(?:[x×X]\s*(\d{1,6})\s*)?", text)
    if not found:
        raise DataError(f"The size {text[:40]!r} is neither a side nor height x width: write 64, or 64x48.")
    height, width = int(found[1]), int(found[2] or found[1])
    return height if height == width else (height, width)
