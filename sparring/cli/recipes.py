"""Commands about recipes: the table of all, and a conformance check of one."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import arg

from sparring._types import Settings
from sparring.cli.console import say, show_table
from sparring.cli.options import Device, ImageSize, parse_height_and_width, parsed, with_recipe
from sparring.errors import DataError, SparringError

if TYPE_CHECKING:
    import torch

    from sparring.data.frames import Sizes


def show(match: str = "*") -> None:
    """List the recipes.

    Args:
        match: Only names or systems that fit this pattern, such as "*wgan*".
    """
    from sparring.recipes import RECIPES

    found = {
        name: row for name, row in RECIPES.items() if any(fnmatch(x.lower(), match.lower()) for x in (name, row.system))
    }
    if not found:
        raise DataError(f"No recipe fits {match!r}: put stars around a part of its name, such as '*gan*'.")
    rows = [[name, row.system, str(row.year), row.paper, row.needs, row.home] for name, row in found.items()]
    show_table(["recipe", "system", "year", "paper", "needs", "code"], rows)


@dataclass(frozen=True)
class Check:
    """Run a few rounds of a recipe, of this library or module:function, as a training does, and test every rule.

    Attributes:
        data: Name or path of the data. Default: the points of ring, or images of digits of 32 × 32 pixels if the recipe
            takes images only.
        size: Height and width of images in pixels, such as 64 for squares, or 64x48 for 64 high and 48 wide.
            Default: that of the data.
        batch_size: Rows of a batch.
        rounds: Number of rounds, at least 2.
        grad_accum: Number of parts in which the gradients of a batch are accumulated.
        precision: fp32, or bf16 for automatic mixed precision.
        fast: Performance options: auto, which are first tried on the game, or off.
        device: The device.
    """

    data: Annotated[str | None, arg(metavar="DATA")] = None
    size: ImageSize = None
    batch_size: int = 8
    rounds: int = 2
    grad_accum: int = 1
    precision: Literal["fp32", "bf16"] = "fp32"
    fast: Literal["auto", "off"] = "auto"
    device: Device = "cpu"


def check(words: list[str]) -> None:
    """Check a recipe.

    Args:
        words: The recipe's name, then flags: those of `Check` and those of the recipe.
    """
    if words and words[0] in ("-h", "--help", "--help-all"):
        parsed(Check, words, "check RECIPE")
    if not words or words[0].startswith("-"):
        raise SparringError("Name the recipe first: `sparring check RECIPE`; `sparring list` shows them.")
    from sparring.errors import GameError, RoundError
    from sparring.recipes import recipe as recipe_named
    from sparring.recipes.importing import trust
    from sparring.runs.config import PRECISIONS
    from sparring.runs.recipe_args import describe_game
    from sparring.training import distributed

    recipe, *rest = words
    trust(recipe)
    filled: Any = parsed(with_recipe(Check, recipe_named(recipe), recipe), rest, f"check {recipe}")
    given: Check = filled.given
    arguments = {field.name: getattr(filled.arguments, field.name) for field in fields(filled.arguments)}
    size = parse_height_and_width(given.size)
    how: Settings = {"batch": given.batch_size, "rounds": given.rounds, "parts": given.grad_accum, "fast": given.fast}
    how |= {"kind": PRECISIONS[given.precision], "where": distributed.resolve_device(given.device)}
    how |= {"settings": describe_game(recipe, arguments, {})}
    try:
        lines = _conforms(recipe, given.data or "ring", size, **how)
    except Exception as error:
        broken_rule = isinstance(error, GameError) and not isinstance(error, RoundError)
        if broken_rule or given.data is not None:
            raise
        lines = _conforms_with_images(recipe, size, error, how)
    for line in lines:
        say(line)
    say(f"{recipe} keeps the rules.")


def _conforms_with_images(recipe: str, size: Sizes | None, why: Exception, how: Settings) -> list[str]:
    """Check a recipe that does not take points."""
    from sparring.data.frames import text_of
    from sparring.errors import GameError, RoundError, SparringError

    try:
        lines = _conforms(recipe, "digits", size or 32, **how)
    except Exception as error:
        if isinstance(error, GameError) and not isinstance(error, RoundError):
            raise
        if isinstance(why, SparringError) and not isinstance(why, RoundError):
            raise why from None
        points, images = (str(each).strip().partition("\n")[0] or type(each).__name__ for each in (why, error))
        raise GameError(
            f"{recipe} fails on the points of ring ({points}) and on the images of digits ({images}): name data that "
            "it takes, such as --data digits --size 64."
        ) from error
    return [
        *lines,
        f"data: digits, {text_of(size or 32)} pixels, since it cannot be played on the points of ring.",
    ]


def _conforms(
    recipe: str,
    data: str,
    size: Sizes | None,
    *,
    batch: int,
    rounds: int,
    parts: int,
    kind: torch.dtype | None,
    fast: str,
    where: torch.device,
    settings: Settings,
) -> list[str]:
    """Check a recipe on some data, and return the findings."""
    from sparring.check import check_game
    from sparring.data import DataFacts, Stream, load
    from sparring.runs.memory import TRAINED
    from sparring.runs.performance_trial import safe_options
    from sparring.runs.recipe_args import data_name
    from sparring.runs.state import fit_to_data, make_game

    dataset = load(data_name(recipe, data), size=size)
    how: Settings = {"techniques": settings["techniques"], "device": where, "times": TRAINED}
    game = make_game(recipe, settings["arguments"], DataFacts.of(dataset), **how).to(where)
    fit_to_data(game, dataset)
    chosen, notes = safe_options(game, Stream(dataset, batch, grad_accum=parts, device=where), fast, kind)
    chosen.apply(game)
    seen = check_game(
        game, Stream(dataset, batch, grad_accum=parts, device=where), max(rounds, 2), grad_accum=parts, precision=kind
    )
    kinds = set(map(_numberless, seen.notes))
    new = [note for note in notes if _numberless(note) not in kinds]  # the trial has other draws
    return [*str(seen).splitlines(), *(f"note: {note}" for note in new), f"fast: {chosen}"]


def _numberless(note: str) -> str:
    """Return a note without its numbers, which depend on random draws."""
    return re.sub(r"\d[\d.]*", "", note)
