"""Lessons of paragraphs, tables and figures, and the Markdown page of several lessons."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sparring._io.folder import open_atomic
from sparring.theory.lessons.distributions import Pair
from sparring.visualization.images import render_figure, save_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cell = str | float
Rows = tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Table:
    """A table; numbers are formatted on display.

    Args:
        heads: Head of each column.
        rows: Texts and numbers.
        digits: Decimals.

    >>> Table(("x", "log x"), ((1, 0.0), (0, -math.inf)), digits=2).cells()
    [['1', '0.00'], ['0', '−∞']]
    """

    heads: tuple[str, ...]
    rows: Rows
    digits: int = 4

    def cells(self) -> list[list[str]]:
        """Return the rows as text."""
        return [[shown(cell, self.digits) for cell in row] for row in self.rows]

    def markdown(self) -> str:
        """Return the table in Markdown, with columns of numbers aligned to the right."""
        numbers = [not all(isinstance(row[i], str) for row in self.rows) for i in range(len(self.heads))]
        rule = ["---:" if right else "---" for right in numbers]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in [self.heads, rule, *self.cells()])


@dataclass(frozen=True)
class Picture:
    """A figure that is drawn on demand.

    Args:
        draw: Draws it.
        caption: Its caption.
    """

    draw: Callable[[], Figure]
    caption: str


@dataclass(frozen=True)
class Lesson:
    """One result of the theory, computed.

    Args:
        name: Its name on the command line, and that of its figure's file.
        title: Its heading.
        blocks: Paragraphs and tables, in order.
        picture: The figure at the end.
    """

    name: str
    title: str
    blocks: tuple[str | Table, ...]
    picture: Picture

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables of the lesson."""
        return tuple(block for block in self.blocks if isinstance(block, Table))


def shown(cell: Cell, digits: int) -> str:
    """Return a cell as text: integers unchanged, no minus before a zero.

    Args:
        cell: A text or a number.
        digits: Decimals.

    >>> shown(-0.00001, 3), shown(-1.5, 1), shown(3, 3)
    ('0.000', '−1.5', '3')
    """
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return str(cell)
    if math.isinf(cell):
        return "∞" if cell > 0 else "−∞"
    return f"{round(cell, digits) + 0.0:.{digits}f}".replace("-", "−")


def text(lessons: Sequence[Lesson], pair: Pair, command: str) -> str:
    """Return the page of some lessons in Markdown; its figures are in the folder `theory` beside it.

    Args:
        lessons: The lessons.
        pair: Their distributions.
        command: The command that writes this page.
    """
    parts = [
        "# Theory",
        f"Theory of the games in this library, on small discrete distributions. Every number and picture of this page "
        f"is computed by `{command}`: closed forms are compared with a numerical search that does not use them, and "
        "both use the library's own losses. Other distributions are passed with `--p` and `--q`. Logarithms are "
        "natural; p is the data, q the model; C is the critic's output, large for points that it scores as real; "
        "σ(C) = 1/(1 + e⁻ᶜ) and sp(C) = log(1 + eᶜ).",
        f"The data of this page is p = ({pair.words(pair.p)}), the model q = ({pair.words(pair.q)}).",
    ]
    for lesson in lessons:
        parts.append(f"## {lesson.title}")
        parts += [block if isinstance(block, str) else block.markdown() for block in lesson.blocks]
        parts.append(f"![{lesson.title}](theory/{lesson.name}.png)")
        parts.append(f"*{lesson.picture.caption}*")
    return "\n\n".join(parts) + "\n"


def save_page(lessons: Sequence[Lesson], pair: Pair, command: str, folder: Path) -> Path:
    """Write ``theory.md`` and the figures in ``theory/`` into a folder.

    Args:
        lessons: The lessons.
        pair: Their distributions.
        command: The command that writes this page.
        folder: The folder; it is created if it is missing.

    Returns:
        The page's path.

    Raises:
        RunError: If a file cannot be written.
    """
    for lesson in lessons:
        save_image(render_figure(lesson.picture.draw()), folder / "theory" / f"{lesson.name}.png")
    path = folder / "theory.md"
    with open_atomic(path) as file:
        file.write(text(lessons, pair, command).encode())
    return path
