"""Lesson: forward and reverse Kullback–Leibler divergence, one Gaussian fitted to two modes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sparring import theory
from sparring.theory.lessons import figures
from sparring.theory.lessons.distributions import Pair
from sparring.theory.lessons.page import Lesson, Picture, Rows, Table, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WEIGHTS, MEANS, SCALE = (0.6, 0.4), (-2.0, 2.0), 0.5
X = torch.arange(-14, 14, 1 / 64, dtype=torch.float64)

Cost = Callable[[Tensor, Tensor], Tensor]


def forward(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return p log(p/q) at each point."""
    return log_p.exp() * (log_p - log_q)


def reverse(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return q log(q/p) at each point."""
    return log_q.exp() * (log_q - log_p)


def middle(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return the Jensen–Shannon divergence's share of each point."""
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    return (forward(log_p, log_m) + forward(log_q, log_m)) / 2


def gaussian(mean: float, scale: float) -> Tensor:
    """Return the logarithm of a Gaussian's density at the points of the line."""
    return -((X - mean) / scale).square() / 2 - math.log(scale * math.sqrt(2 * math.pi))


DATA = torch.logaddexp(*(math.log(w) + gaussian(mean, SCALE) for w, mean in zip(WEIGHTS, MEANS, strict=True)))

FITS = (
    ("KL(p‖q), forward", forward, (0.0, 1.0)),
    ("KL(q‖p), reverse", reverse, (-1.0, 1.0)),
    ("the same, started on the right", reverse, (1.0, 1.0)),
    ("JSD, started wide", middle, (0.0, 2.0)),
    ("JSD, started narrow", middle, (-2.0, 0.5)),
)


def directions(pair: Pair) -> Lesson:
    """Return the lesson on the two directions of KL.

    Args:
        pair: Not used: this lesson has a mixture of its own.
    """
    fits = [(words, theory.fit_gaussian(cost, DATA, X, start)) for words, cost, start in FITS]
    rows: Rows = tuple((words, mean, scale, *_values(mean, scale)) for words, (mean, scale, _) in fits)
    mean = sum(w * m for w, m in zip(WEIGHTS, MEANS, strict=True))
    spread = math.sqrt(SCALE**2 + sum(w * (m - mean) ** 2 for w, m in zip(WEIGHTS, MEANS, strict=True)))
    modes = " + ".join(f"{w} N({shown(m, 0)}, {SCALE}²)" for w, m in zip(WEIGHTS, MEANS, strict=True))
    left, right = (f"log(1/{weight}) = {shown(-math.log(weight), 4)}" for weight in WEIGHTS)
    return Lesson(
        name="directions",
        title="Forward and reverse KL: mode covering and mode seeking",
        blocks=(
            f"The data has two modes, {modes}; the model is one Gaussian and cannot fit both. The "
            "result depends on the divergence. Each fit below was found by descent on the divergence it is named "
            "after:",
            Table(("minimised", "mean", "deviation", "KL(p‖q)", "KL(q‖p)", "JSD"), rows),
            "KL(p‖q) averages log(p/q) over the data, with an unbounded loss for data that the model misses. So the "
            f"model *covers*: it takes the data's mean and deviation ({shown(mean, 4)} and {shown(spread, 4)} by "
            "formula) and puts much of its mass where there is no data. KL(q‖p) averages over the model, with a loss "
            "for samples away from the data. So the model *seeks* one mode and drops the other, at a loss of "
            f"{left} nats; started on the right it stays with the smaller one, at {right}. The Jensen–Shannon "
            "divergence has a minimum of either kind, of which the seeking one is lower here.",
            "So mode collapse can be the optimum and not a failure of optimisation: under a seeking divergence a "
            "generator gains nothing from a mode that it can only reach through regions without data.",
        ),
        picture=Picture(
            lambda: _draw(dict(fits)), "One Gaussian fitted to two modes, by descent on three divergences."
        ),
    )


def _values(mean: float, scale: float) -> tuple[float, ...]:
    model = gaussian(mean, scale)
    return tuple((cost(DATA, model).sum() / 64).item() for cost in (forward, reverse, middle))


def _draw(fits: dict[str, tuple[float, float, float]]) -> Figure:
    figure, (axes,) = figures.panels(1, height=3.6)
    seen = X.abs() < 6
    x = X[seen]
    axes.fill_between(x.numpy(), DATA.exp()[seen].numpy(), color=figures.PALE, alpha=0.45, linewidth=0, label="data")
    lines = (
        ("KL(p‖q), forward", "forward KL(p‖q): covers", "-"),
        ("KL(q‖p), reverse", "reverse KL(q‖p): seeks", "-"),
        ("JSD, started narrow", "JSD: seeks, too", ":"),
    )
    for (words, label, style), colour in zip(lines, (*figures.SERIES[:2], figures.INK), strict=True):
        mean, scale, _ = fits[words]
        axes.plot(x, gaussian(mean, scale).exp()[seen], color=colour, linestyle=style, linewidth=2, label=label)
    figures.name(axes, title="One Gaussian for two modes", x="x", y="density")
    figures.legend(axes, loc="upper right")
    axes.set_ylim(0)
    return figure
