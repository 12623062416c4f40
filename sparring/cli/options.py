"""Flags from signatures: what a function asks for is what can be typed, and a slip gets one sentence."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field, is_dataclass, make_dataclass
from inspect import Parameter, signature
from itertools import dropwhile, takewhile
from operator import not_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast, get_args, get_origin, get_type_hints

import tyro
from docstring_parser import parse
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from sparring._io.paths import expand_user
from sparring.errors import SparringError
from sparring.recipes import FACTS
from sparring.recipes.importing import trust

if TYPE_CHECKING:
    from sparring.game import Game
    from sparring.runs.run import Run

__all__ = ["NEWEST", "Model", "ModelOptions", "RunFolder", "Trust", "called", "flag_names", "parsed", "with_recipe"]

OWN_WORDS = ("networks",)  # settings whose fields say by themselves what they are: --width, not --networks.width
STYLE = (tyro.conf.FlagCreatePairsOff,)
TYPES = ConstructorRegistry()

RunFolder = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]

Trust = Annotated[
    tyro.conf.UseAppendAction[tuple[str, ...]],
    tyro.conf.arg(help="A recipe module:function outside the library that a run may name; may be given several times."),
]


@dataclass(frozen=True)
class ModelOptions:
    """The weights of a run that a command uses.

    Attributes:
        checkpoint: newest, best, or the step of a saved checkpoint.
        device: cpu, cuda, cuda:N, mps or auto.
    """

    checkpoint: str = "newest"
    device: str = "auto"

    def load(self, run: Path) -> Game:
        """Load the game of a run for inference.

        Args:
            run: The run's folder.
        """
        from sparring.runs.state import load

        return load(run, device=self.device, checkpoint=self.checkpoint)

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
def _path(kind: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Path] | None:
    """Reads a path; shells leave the ``~`` of --out=~/run to the program."""
    if kind.type is not Path:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="PATH",
        instance_from_str=lambda words: expand_user(words[0]),
        is_instance=lambda given: isinstance(given, Path),
        str_from_instance=lambda given: [str(given)],
    )


def called(command: Callable[..., T], words: Sequence[str], name: str) -> T:
    """Calls a function with the arguments that its words say; one that opens a run has the flag ``--trust``.

    Args:
        command: Its arguments are the flags, its docstring is the help.
        words: What was typed after the command's name.
        name: What the command is called.
    """
    arguments: dict[str, Any] = {}

    def keep(**given: Any) -> None:
        arguments.update(given)

    form, hints = signature(command), get_type_hints(command, include_extras=True)
    if "run" in form.parameters:
        flag = Parameter("trust", Parameter.KEYWORD_ONLY, default=(), annotation=Trust)
        form, hints = form.replace(parameters=[*form.parameters.values(), flag]), {**hints, "trust": Trust}
    keep.__signature__ = form  # type: ignore[attr-defined]
    keep.__annotations__ = hints
    keep.__doc__ = command.__doc__
    parsed(keep, words, name)
    trust(arguments.pop("trust", ()))
    return command(**arguments)


def parsed(form: Callable[..., T], words: Sequence[str], name: str) -> T:
    """Fills a form, a dataclass or a function, from words.

    Args:
        form: What to fill.
        words: What was typed.
        name: What the command is called.

    Raises:
        SparringError: If the words do not fit; the message names the flag and the nearest one there is.
    """
    told = io.StringIO()
    try:
        with redirect_stderr(told):
            return tyro.cli(form, args=list(words), prog=f"sparring {name}", config=STYLE, registry=TYPES)
    except SystemExit as end:
        if not end.code:
            raise
        raise SparringError(sentence(told.getvalue(), name)) from None


def sentence(box: str, name: str) -> str:
    """Returns in one sentence what tyro says in a box.

    Args:
        box: What it wrote.
        name: What the command is called.
    """
    title, *lines = [line.strip("│╭╮╰╯─ \t") for line in box.splitlines()]
    lines = [line if line.strip("-") else "" for line in lines]  # rules and blank lines part the paragraphs
    first = " ".join(takewhile(bool, dropwhile(not_, lines))) or title
    what = re.sub(r"^Missing from .*?: (--\S+).*", r"\1 is missing", first).replace("{None}|", "").strip(" .")
    near = re.search(r"Perhaps you meant:\W*(--[\w.-]+)", " ".join(lines))
    return f"{what}{f'; did you mean {near[1]}?' if near else '.'} See `sparring {name} --help`."


def flag_names(form: type) -> set[str]:
    """Return the names of the flags of a dataclass, with underscores; a field named "" adds those of its dataclass.

    Args:
        form: The dataclass.
    """
    names = set[str]()
    for key, hint in get_type_hints(form, include_extras=True).items():
        kind, name = hint, key
        if get_origin(hint) is Annotated:
            kind = get_args(hint)[0]
            given = [extra.name for extra in get_args(hint)[1:] if getattr(extra, "name", None) is not None]
            name = given[0].replace("-", "_") if given else key
        if is_dataclass(kind):
            names |= {f"{name}.{inner}" if name else inner for inner in flag_names(cast(type, kind))}
        else:
            names.add(name)
    return names


def with_recipe(form: type, recipe: Callable[..., Any], name: str) -> type:
    """Returns a form with two fields: ``given``, what is asked of every training, and ``arguments``, the recipe's own.

    Args:
        form: The dataclass of what is asked of every training.
        recipe: Its keyword arguments become flags. Fields of dataclasses get the argument's name before a dot, and an
            argument whose name the form has already gets ``recipe.`` before it.
        name: What the recipe is called.
    """
    hints, words = get_type_hints(recipe), parse(recipe.__doc__ or "")
    help_ = {item.arg_name: item.description or "" for item in words.params}
    fields, taken = [], flag_names(form)
    for key, item in signature(recipe).parameters.items():
        if key in FACTS:
            continue
        name_ = "" if key in OWN_WORDS else f"recipe.{key}" if key in taken else None
        own = tyro.conf.arg(name=name_, help=help_.get(key))
        default = field() if item.default is Parameter.empty else field(default=item.default)
        fields.append((key, Annotated[hints.get(key, str), own], default))
    arguments = make_dataclass("Arguments", fields, frozen=True, kw_only=True)
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
