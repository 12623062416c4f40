"""Every recipe with every technique: what is trained or refused, and docs/reference/compatibility.md.

python tests/support/matrix.py        writes the tables into docs/reference/compatibility.md again
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import combinations
from pathlib import Path
from typing import Any

import torch

from sparring.data.annotations.captions import tokenize
from sparring.errors import SparringError
from sparring.game import Data, Game, Move
from sparring.recipes import RECIPES, recipe
from sparring.recipes.options import Networks
from sparring.recipes.techniques import IMAGE_TECHNIQUES, Techniques, apply_techniques
from sparring.rng import turn_rng
from sparring.runs.recipe_args import fill_arguments, find_recipe
from support.runs import tiny

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "compatibility.md"
TECHNIQUES: dict[str, dict[str, Any]] = {  # by the head of its column
    "IN": {"instance_noise": 0.5},
    "Diff": {"augment": "diff"},
    "Ada": {"augment": "adaptive"},
    "R1": {"r1": 1.0},
    "R2": {"r2": 1.0},
    "DRA": {"dragan": 10.0},
    "CR": {"consistency": 10.0},
    "bCR": {"balanced_consistency": 10.0},
    "zCR": {"latent_consistency": 20.0},
    "LeC": {"lecam": 0.3, "lecam_start": 0},
    "FM": {"feature_matching": 1.0},
    "MD": {"minibatch": "discrimination"},
    "MS": {"minibatch": "deviation"},
    "HA": {"historical_averaging": 0.1},
    "VBN": {"virtual_batch_norm": 4},
    "Unr": {"unrolling": 2},
    "Pac": {"packing": 2},
    "Ens": {"ensemble": 2},
    "Ini": {"initialisation": "orthogonal"},
    "Sch": {"schedule": "cosine", "schedule_steps": 3},
}
REASONS = {  # the letter in the table: a pattern of the message, and the text of the legend
    "n": (r"names no(ne| network) in critic_networks|acts on one critic, but \w+ names none", "the game has no critic"),
    "s": (r"acts on one critic, but", "several critics, of which each sees other samples"),
    "t": (r"also takes", "the critic takes more than the sample"),
    "o": (r" gives |several outputs", "the critic answers with something else than a score"),
    "b": (r"has batch norm", "batch norm in the critic"),
    "w": (r"draws slopes towards", "the game draws slopes towards another norm"),
    "a": (r"augments its samples already", "the recipe augments samples itself"),
    "p": (r"already: leave", "the game pays this penalty already"),
    "f": (r"needs a game that has 'fakes'", "the game cannot draw fakes by themselves"),
    "g": (r"needs a game of one G|puts another network in the place of G", "not one G from noise alone against one D"),
    "z": (r"needs noise of z alone", "noise holds more than z"),
    "e": (r"the encoder of", "an encoder reads single samples"),
    "d": (r"takes steps of D", "a step of D is not one of descent on stated terms"),
    "c": (r"changes each sample by a draw|place by place", "samples are compared one by one, or place by place"),
    "0": (r"0 is not midway", "a score of 0 is not midway between real and fake"),
    "m": (
        r"in one batch|adds to the critic's features|score each sample by itself",
        "batches are mixed, or features shared",
    ),
    "l": (r"couples the samples", "slopes of single scores are paid for"),
    "h": (r"leave this technique off|a method features", "the critic has no linear head, or no features"),
    "v": (r"has none here", "there is no batch norm"),
    "r": (r"counts from the first step", "parts of the game begin later"),
    "i": (r"start as its layers scale", "the layers scale their weights themselves"),
    "k": (r"images of 1 or 3 channels", "pre-trained features take images of 1 or 3 channels"),
    "x": (r"cannot sample", "the game cannot sample"),
}
POINTS, IMAGES, DOMAINS = (2,), (1, 16, 16), (1, 32, 32)
CAPTIONS = ("a red heart", "a blue heart", "one dog", "two dogs")


def shapes(name: str) -> tuple[tuple[int, ...], ...]:
    """The shapes of data that a recipe is tried with."""
    needs = RECIPES[name].needs
    images = (DOMAINS if needs.startswith("unpaired") else IMAGES,) if "image" in needs else ()
    return ((POINTS,) if "points" in needs else ()) + images


def known(name: str) -> tuple[dict[str, Any], tuple[torch.Tensor, ...]]:
    """Return the data facts of a recipe other than the shape, and the batch entries other than samples."""
    needs = RECIPES[name].needs
    generator = torch.Generator().manual_seed(1)
    if needs.startswith("labelled"):
        return {"classes": 3}, (torch.arange(4) % 3,)
    if needs.startswith("captioned"):
        return {"captions": CAPTIONS}, (tokenize(CAPTIONS),)
    if needs.startswith("unpaired"):
        return {"other": DOMAINS}, (torch.rand(4, *DOMAINS, generator=generator) * 2 - 1,)
    if needs.startswith("paired"):
        return {"other": IMAGES, "paired": True}, (torch.rand(4, *IMAGES, generator=generator) * 2 - 1,)
    if needs.endswith("label maps"):
        return {"regions": 3}, (torch.arange(4 * 16 * 16).view(4, 16, 16) % 4,)
    return {}, ()


def data(name: str, shape: tuple[int, ...]) -> Data:
    """Endless batches for a recipe."""
    generator = torch.Generator().manual_seed(0)
    conditions = known(name)[1]
    while True:
        yield (torch.randn(4, *shape, generator=generator).clamp(-1, 1), *conditions)


def build(name: str, shape: tuple[int, ...], techniques: dict[str, Any], **chosen: Any) -> Game:
    """A recipe's game with the smallest networks and some techniques."""
    function, facts = find_recipe(name), known(name)[0]

    def make(shape: tuple[int, ...]) -> Game:
        return function(shape, **facts, **fill_arguments(function, {**tiny(name), **chosen}))

    torch.manual_seed(0)
    return apply_techniques(make, shape, Techniques(**techniques))


def played(game: Game, batches: Data) -> Iterator[Move]:
    """The moves of the first round, of which none is made; every turn has draws of its own."""
    moves, turn = game.round(batches, 0), 0
    while True:
        with turn_rng(0, 0, turn):
            now = next(moves, None)
        if now is None:
            return
        yield from now if isinstance(now, tuple) else (now,)
        turn += 1


def refusal(make: Callable[[], Game]) -> str:
    """Return the sentence by which a game is refused when it is built; empty where it is built."""
    try:
        make()
    except SparringError as error:
        return str(error)
    return ""


def letter(sentence: str) -> str:
    """Return the letter of the one reason that a sentence gives, or ✓ for none."""
    if not sentence:
        return "✓"
    if not re.fullmatch(r"[A-Z].*\.", sentence):
        return f"?{sentence}"
    found = [key for key, (pattern, _) in REASONS.items() if re.search(pattern, sentence)]
    return found[0] if found else f"?{sentence}"


@cache
def cells(name: str) -> dict[str, str]:
    """The row of a recipe: for each technique ✓ or a reason's letter, for points and images where these differ."""
    row = {}
    for head, techniques in TECHNIQUES.items():
        tried = shapes(name)[-1:] if techniques.keys() & IMAGE_TECHNIQUES else shapes(name)
        row[head] = "/".join(dict.fromkeys(letter(refusal(partial(build, name, shape, techniques))) for shape in tried))
    return row


def default(techniques: dict[str, Any]) -> Game:
    """The default game, nsgan on images, with residual networks, whose critic has no batch norm."""
    torch.manual_seed(0)
    chosen = Networks(network="resnet", latent=4, width=4)
    return apply_techniques(
        lambda shape: recipe("nsgan")(shape, networks=chosen), (1, 32, 32), Techniques(**techniques)
    )


@cache
def pairs() -> dict[tuple[str, str], str]:
    """For each two techniques that can be named together the sentence that refuses the default game, or nothing."""
    named = combinations(TECHNIQUES, 2)
    both = [(one, other) for one, other in named if not TECHNIQUES[one].keys() & TECHNIQUES[other].keys()]
    return {(one, other): refusal(partial(default, {**TECHNIQUES[one], **TECHNIQUES[other]})) for one, other in both}


def tables() -> str:
    """The part of docs/reference/compatibility.md that is generated."""
    rows = {name: cells(name) for name in RECIPES}
    shown = "".join(mark for row in rows.values() for mark in row.values())
    used = [key for key in REASONS if key in shown]
    legend = "; ".join(f"**{key}** {REASONS[key][1]}" for key in used)
    lines = [f"| recipe | {' | '.join(TECHNIQUES)} |", "|---" * (1 + len(TECHNIQUES)) + "|"]
    lines += [f"| {name} | {' | '.join(row.values())} |" for name, row in rows.items()]
    refused = "\n".join(f"- {sentence}" for sentence in dict.fromkeys(filter(None, pairs().values())))
    heading = [
        "",
        "On one game, here `nsgan` with a critic without batch norm, two techniques exclude each other where:",
        "",
    ]
    return "\n".join([f"Refused, because: {legend}.", "", *lines, *heading, refused])


START, END = "<!-- begin: python tests/support/matrix.py -->", "<!-- end -->"


def page(text: str) -> str:
    """Return a page with the tables as they are now."""
    before, rest = text.split(START)
    return f"{before}{START}\n{tables()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
