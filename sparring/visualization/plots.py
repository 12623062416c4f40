"""Plots of losses, one panel per player.

The losses of a GAN do not fall as the samples improve, since each player changes the other's task. The dashed line in
each panel is the loss of the objective at equilibrium, where the model equals the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sparring._types import JsonObject
from sparring.errors import RunError, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_losses", "smoothed"]

LIMIT = 1e300  # of the size of a number; larger ones overflow when they are drawn


def plot_losses(lines: Sequence[JsonObject], theory: dict[str, float]) -> Figure:
    """Plot every term of every player against the step, raw and smoothed, one panel per player.

    Args:
        lines: Of ``log.jsonl``.
        theory: The value of each player's loss at equilibrium.

    Raises:
        RunError: If there is no term, or a term is not a number.
    """
    from matplotlib.figure import Figure

    for line in lines:
        terms = line.get("terms")
        if not isinstance(terms, dict) or not all(map(_drawable, terms.values())):
            step = line["step"]
            raise RunError(f"The terms of step {step} in log.jsonl are no numbers to draw: restore it from a copy.")
    names = list(dict.fromkeys(name for line in lines for name in line["terms"]))
    if not names:
        raise RunError("There is nothing to draw, the log is empty: train the run first.")
    players = list(dict.fromkeys(name.partition("/")[0] for name in names))
    figure = Figure(figsize=(8, 2.6 * len(players)), dpi=110, layout="constrained")
    panels = figure.subplots(len(players), 1, sharex=True, squeeze=False)[:, 0]
    for axes, player in zip(panels, players, strict=True):
        _panel(axes, player, lines, [name for name in names if name.partition("/")[0] == player], theory.get(player))
    panels[-1].set_xlabel("step")
    return figure


def _drawable(value: object) -> bool:
    return isinstance(value, (int, float)) and abs(value) <= LIMIT


def _words(name: str) -> str:
    """Return a name as a figure shows it: printable, and not a formula."""
    return printable(name).replace("$", r"\$")


def smoothed(values: np.ndarray, width: int) -> np.ndarray:
    """Return the running mean of `values` (N,) over the `width` values around each, fewer at the ends.

    >>> smoothed(np.array([0.0, 3.0, 0.0, 3.0]), 3).tolist()
    [1.5, 1.0, 2.0, 1.5]
    """
    kernel = np.ones(min(width, 2 * len(values) - 1))
    reach = len(kernel) // 2
    total, count = (np.convolve(x, kernel)[reach : reach + len(values)] for x in (values, np.ones_like(values)))
    return total / count


def _panel(axes: Axes, player: str, lines: Sequence[JsonObject], names: Sequence[str], theory: float | None) -> None:
    """Plot one player. The first tenth of the training, where losses vary most, does not set the limits."""
    seen = [] if theory is None else [theory]
    for index, name in enumerate(names):
        steps, values = np.array([(line["step"], line["terms"][name]) for line in lines if name in line["terms"]]).T
        seen += [*np.quantile(values[len(values) // 10 :], (0.005, 0.995))]
        colour = f"C{index}"
        axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.6)
        width = 2 * (len(values) // 100) + 1
        axes.plot(steps, smoothed(values, width), color=colour, linewidth=1.6, label=_words(name))
    if theory is not None:
        axes.axhline(theory, color="0.3", linestyle="--", linewidth=1, label=f"theory: {theory:.3g} at equilibrium")
    margin = 0.15 * (max(seen) - min(seen)) or 0.1
    axes.set_ylim(min(seen) - margin, max(seen) + margin)
    axes.set_title(f"player {_words(player)}", loc="left", fontsize=10)
    axes.grid(alpha=0.2)
    axes.legend(fontsize=8, loc="best")
