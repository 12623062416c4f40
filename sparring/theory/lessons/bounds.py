"""Lesson: every f-divergence is the maximum of a variational bound over critics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sparring import theory
from sparring.objectives.f_divergences import DIVERGENCES, FGAN, Divergence, alpha, weighted_jensen_shannon
from sparring.theory.lessons import figures
from sparring.theory.lessons.distributions import Pair
from sparring.theory.lessons.page import Lesson, Picture, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS = (*DIVERGENCES.values(), weighted_jensen_shannon(0.3), alpha(0.5), alpha(-1), alpha(2), alpha(3))
DRAWN = ("total-variation", "kl", "reverse-kl", "pearson", "squared-hellinger", "jensen-shannon")


def bounds(pair: Pair) -> Lesson:
    """Return the lesson on variational bounds.

    Args:
        pair: Data and model.
    """
    p, q = pair.p, pair.q
    rows = []
    for row in ROWS:
        found = -theory.best_critic(FGAN(row), p, q, points=pair.points)[1]
        at_optimum, half, blind = (bound(row, p, q, sureness) for sureness in (1.0, 0.5, 0.0))
        rows.append((row.name, theory.f_divergence(row, p, q).item(), at_optimum, found, half, blind))
    return Lesson(
        name="bounds",
        title="Variational bounds of f-divergences",
        blocks=(
            "For a convex f, the divergence D(p‖q) = Σ q f(p/q) needs densities, but samples are enough for any "
            "critic V to give a lower bound: F(V) = E_p g(V) − E_q h(g(V)), with h the conjugate of f and g an "
            "activation that keeps its argument in range (Nowozin et al., 2016). The bound is attained at g(V) = "
            "f'(p/q). So training a critic estimates a divergence, and a weak critic underestimates it:",
            Table(
                ("divergence", "D(p‖q)", "best V, formula", "best V, search", "half as sure", "blind"),
                tuple(rows),
                digits=6,
            ),
            "'Half as sure' is the critic that would be best if p/q were its own square root everywhere; 'blind' is "
            "the critic for p = q. Total variation depends only on which of the two is larger, so the half-sure critic "
            "attains it as well; all others need the ratio.",
            "'jensen-shannon' is twice the usual divergence, and 'gan' is the same minus log 4.",
        ),
        picture=Picture(
            lambda: _draw(pair),
            "The bound at critics that are best for (p/q)ˢ instead of p/q: underconfident for s < 1, overconfident for "
            "s > 1. Every divergence is attained at s = 1, where the bound is largest.",
        ),
    )


def bound(row: Divergence, p: Tensor, q: Tensor, sureness: float) -> float:
    """Return the bound at the critic that would be best for the ratio (p/q)^sureness.

    Args:
        row: The divergence.
        p: Probabilities of the data (N,).
        q: Probabilities of the model (N,).
        sureness: 1 for the best critic, 0 for the best critic of p = q.
    """
    return theory.variational_bound(row, row.optimum((p / q) ** sureness), p, q).item()


def _draw(pair: Pair) -> Figure:
    figure, (axes,) = figures.panels(1, height=3.9)
    sureness = torch.linspace(0, 2, 101, dtype=torch.float64)
    for name, colour in zip(DRAWN, figures.SERIES, strict=False):
        row = DIVERGENCES[name]
        best = theory.f_divergence(row, pair.p, pair.q).item() or 1.0
        curve = [bound(row, pair.p, pair.q, s) / best for s in sureness.tolist()]
        axes.plot(sureness, curve, color=colour, linewidth=1.9, label=name)
    axes.axhline(1, color=figures.PALE, linewidth=1, zorder=1)
    axes.axvline(1, color=figures.PALE, linewidth=1, zorder=1)
    axes.set(xlim=(0, 2), ylim=(-0.3, 1.15))
    figures.name(
        axes, title="How much of the divergence a critic sees", x="s, how sure the critic is", y="F(V) / D(p‖q)"
    )
    figures.legend(axes, loc="lower center", ncols=2)
    return figure
