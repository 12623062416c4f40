"""The command of lessons in theory."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import Annotated

from tyro.conf import Positional, arg

from sparring.cli.console import say, show_table
from sparring.cli.help import keys_of

LESSONS = f"Lessons, of {keys_of('theory/lessons/__init__.py', 'LESSONS')}. Default: all."
PAIR = (".1,.2,.3,.25,.15", ".3,.1,.15,.05,.4")  # as in `sparring.theory.lessons`, which needs torch


def theory(
    lessons: Annotated[Positional[tuple[str, ...]], arg(metavar="[LESSON ...]", help=LESSONS)] = (),
    p: str = PAIR[0],
    q: str = PAIR[1],
    out: Path | None = None,
) -> None:
    """Compute results of GAN theory on small discrete distributions, as lessons with tables and figures.

    Args:
        lessons: Names of lessons. Default: all.
        p: Probabilities of the data, as decimals or fractions with commas between, all above 0.
        q: Probabilities of the model.
        out: Folder of theory.md and its figures. Default: print only.
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
    """Return the command line, without arguments at their defaults."""
    words = ["sparring theory", *lessons]
    if (p, q) != PAIR:
        words += ["--p", p, "--q", q]
    return " ".join([*words, "--out", str(out)])
