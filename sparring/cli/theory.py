"""The command that gives lessons in theory."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import Annotated

from tyro.conf import Positional, arg

from sparring.cli.console import say, show_table

PAIR = (".1,.2,.3,.25,.15", ".3,.1,.15,.05,.4")  # as in `sparring.theory.lessons`, which needs torch


def theory(
    lessons: Annotated[Positional[tuple[str, ...]], arg(metavar="LESSON")] = (),
    p: str = PAIR[0],
    q: str = PAIR[1],
    out: Path | None = None,
) -> None:
    """Computes what theory says of GANs on distributions small enough to know, as lessons with tables and pictures.

    Args:
        lessons: critics, supports, noise, directions, bounds, gradients, realness, relativistic, dirac, aids; all
            unless told.
        p: Probabilities of the data, decimals or fractions with commas between, none of them 0.
        q: Probabilities of the model.
        out: Folder for theory.md and its pictures; only printed unless told.
    """
    from sparring.theory.lessons import get_lessons, parse_pair, save_page

    pair = parse_pair(p, q)
    given = get_lessons(lessons, pair)
    for lesson in given:
        for line in ("", lesson.title, "=" * len(lesson.title)):
            say(line)
        for block in lesson.blocks:
            say()
            if isinstance(block, str):
                for line in wrap(block.replace("*", ""), 100):
                    say(line)
            else:
                show_table(block.heads, block.cells())
    if out is not None:
        say()
        say(f"The page is {save_page(given, pair, typed(lessons, p, q, out), out)}.")


def typed(lessons: tuple[str, ...], p: str, q: str, out: Path) -> str:
    """Returns the command as it was typed, without what goes without saying."""
    words = ["sparring theory", *lessons]
    if (p, q) != PAIR:
        words += ["--p", p, "--q", q]
    return " ".join([*words, "--out", str(out)])
