"""Commands about recipes: the table of all, and a conformance check of one."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from sparring.cli.console import say, show_table
from sparring.cli.options import Device
from sparring.errors import DataError

if TYPE_CHECKING:
    import torch


def show(match: str = "*") -> None:
    """Shows the recipes.

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


def check(
    recipe: Annotated[Positional[str], arg(metavar="RECIPE")],
    data: str | None = None,
    size: int | None = None,
    batch_size: int = 8,
    rounds: int = 2,
    grad_accum: int = 1,
    precision: Literal["fp32", "bf16"] = "fp32",
    fast: Literal["auto", "off"] = "auto",
    device: Device = "cpu",
) -> None:
    """Plays a few rounds of a recipe, of ours or module:function of yours, as a training would, and tests every rule.

    Args:
        recipe: Name of a recipe, or module:function.
        data: What to play on. Default: the points of ring, or the images of digits, 32 pixels a side, where the recipe
            cannot be played on points.
        size: Height and width of images.
        batch_size: Rows of a batch.
        rounds: How many rounds are played, at least 2.
        grad_accum: Play each batch in so many parts.
        precision: fp32, or bf16 for automatic mixed precision.
        fast: auto, which is tried on the game first, or off for the plain path.
        device: The device.
    """
    from sparring.errors import GameError, RoundError
    from sparring.recipes.importing import trust
    from sparring.runs.loop import PRECISIONS
    from sparring.training import distributed

    trust(recipe)
    how: Any = {"batch": batch_size, "rounds": rounds, "parts": grad_accum, "kind": PRECISIONS[precision], "fast": fast}
    how |= {"where": distributed.resolve_device(device)}
    try:
        lines = _conforms(recipe, data or "ring", size, **how)
    except Exception as error:
        broken_rule = isinstance(error, GameError) and not isinstance(error, RoundError)
        if broken_rule or data is not None:
            raise
        lines = _conforms_with_images(recipe, size, error, how)
    for line in lines:
        say(line)
    say(f"{recipe} keeps the rules.")


def _conforms_with_images(recipe: str, size: int | None, why: Exception, how: dict[str, Any]) -> list[str]:
    """Checks a recipe that cannot be played on points."""
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
    return [*lines, f"data: digits, {size or 32} pixels a side, since it cannot be played on the points of ring."]


def _conforms(
    recipe: str,
    data: str,
    size: int | None,
    *,
    batch: int,
    rounds: int,
    parts: int,
    kind: torch.dtype | None,
    fast: str,
    where: torch.device,
) -> list[str]:
    """Checks a recipe on some data and returns what was seen."""
    from sparring.check import check_game
    from sparring.data import Stream, load
    from sparring.runs.memory import TRAINED
    from sparring.runs.performance_trial import allowed
    from sparring.runs.recipe_args import suited
    from sparring.runs.state import built

    dataset = load(suited(recipe, data), size=size)
    settings = {"recipe": recipe, "arguments": {}, "data": {"facts": dataset.facts()}, "seed": 0}
    game = built(settings, where, dataset.captions.unique if dataset.captions else (), dataset, TRAINED)
    chosen, notes = allowed(game, Stream(dataset, batch, parts=parts, device=where), fast, kind)
    chosen.put_on(game)
    seen = check_game(
        game, Stream(dataset, batch, parts=parts, device=where), max(rounds, 2), grad_accum=parts, precision=kind
    )
    kinds = set(map(_numberless, seen.notes))
    told = [note for note in notes if _numberless(note) not in kinds]  # the trial plays with other draws
    return [*str(seen).splitlines(), *(f"note: {note}" for note in told), f"fast: {chosen}"]


def _numberless(note: str) -> str:
    """Returns a note without its figures, which other draws change."""
    return re.sub(r"\d[\d.]*", "", note)
