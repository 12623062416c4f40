"""Style of the lessons' figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REAL, FAKE = "#2b6cb0", "#dd7a1d"  # data and model
SERIES = ("#2f855a", "#c53030", "#6b46c1", "#0f8b8d", "#8a6d3b", "#b83280")  # categorical colours
SCALE = ("#c6dbef", "#8fbbdc", "#4d94c7", "#1f66a8", "#0a3a73")  # sequential colours
INK, PALE = "#2d3748", "#a0aec0"


def panels(
    count: int, *, width: float = 8.0, height: float = 3.4, rows: int = 1, **settings: Any
) -> tuple[Figure, np.ndarray]:
    """Return a figure and its panels, an array (count,) side by side or, if rows is the count, one below the other.

    Args:
        count: Number of panels.
        width: In inches.
        height: In inches.
        rows: Rows of panels.
        settings: Arguments of `Figure.subplots`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    axes = figure.subplots(rows, -(-count // rows), squeeze=False, **settings).ravel()
    for one in axes:
        tidy(one)
    return figure, axes


def tidy(axes: Axes) -> None:
    """Remove the upper and right spines and add a light grid."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(PALE)
    axes.tick_params(colors=INK, labelsize=8.5, length=3)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)


def name(axes: Axes, *, title: str, x: str = "", y: str = "") -> None:
    """Set the title and the axis labels of a panel.

    Args:
        axes: The panel.
        title: Title.
        x: Label of the x axis.
        y: Label of the y axis.
    """
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_xlabel(x, fontsize=9, color=INK)
    axes.set_ylabel(y, fontsize=9, color=INK)


def legend(axes: Axes, **settings: Any) -> None:
    """Add a legend without a frame."""
    axes.legend(**{"fontsize": 8.5, "frameon": False, "labelcolor": INK, "handlelength": 1.6} | settings)


def matrix(
    axes: Axes,
    values: Tensor | np.ndarray,
    ticks: tuple[str, ...],
    *,
    digits: int,
    diverging: bool = False,
) -> None:
    """Draw a matrix as an annotated heat map.

    Args:
        axes: The panel.
        values: Numbers (N, N).
        ticks: Names of rows and columns.
        digits: Decimal places.
        diverging: Whether to use a diverging colour map around zero.
    """
    values = np.asarray(values)
    largest = float(np.abs(values).max()) or 1.0
    low = -largest if diverging else 0.0
    axes.imshow(values, cmap="PuOr_r" if diverging else "Blues", vmin=low, vmax=largest * (1.0 if diverging else 1.25))
    for (i, j), value in np.ndenumerate(values):
        colour = "white" if abs(value) > 0.5 * largest else INK
        label = f"{round(float(value), digits) + 0.0:.{digits}f}".replace("-", "−")
        axes.text(j, i, label, ha="center", va="center", fontsize=7.5, color=colour)
    axes.set_xticks(range(len(ticks)), ticks)
    axes.set_yticks(range(len(ticks)), ticks)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)
