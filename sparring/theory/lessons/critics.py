"""Lesson: the best critic of each objective, and what its loss measures."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sparring import theory
from sparring.objectives import Hinge, LeastSquares, NonSaturating, Objective
from sparring.theory.lessons import figures
from sparring.theory.lessons.distributions import Pair
from sparring.theory.lessons.page import Lesson, Picture, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Case:
    """One objective.

    Args:
        name: Name of the objective.
        objective: The objective.
        shows: Function of the critic's output that is shown.
        optimum: That of the best critic, as a formula.
        value: Its least loss as a formula.
        least: The same as a number, of p and q.
    """

    name: str
    objective: Objective
    shows: Callable[[Tensor], Tensor]
    optimum: str
    value: str
    least: Callable[[Tensor, Tensor], float]


def _as_it_is(outputs: Tensor) -> Tensor:
    return outputs


def _smoothed_value(p: Tensor, q: Tensor) -> float:
    s = 0.9 * p / (p + q)
    return -((p + q) * (torch.xlogy(s, s) + torch.xlogy(1 - s, 1 - s))).sum().item()


CASES = (
    Case(
        "cross-entropy",
        NonSaturating(),
        torch.sigmoid,
        "σ(C) = p/(p + q)",
        "2 log 2 − 2 JSD",
        lambda p, q: 2 * math.log(2) - 2 * theory.jensen_shannon(p, q).item(),
    ),
    Case(
        "cross-entropy, real target 0.9",
        NonSaturating(smoothing=0.9),
        torch.sigmoid,
        "s = σ(C) = 0.9 p/(p + q)",
        "−Σ (p + q)(s log s + (1 − s) log(1 − s))",
        _smoothed_value,
    ),
    Case(
        "least squares 0, 1",
        LeastSquares(),
        _as_it_is,
        "C = p/(p + q)",
        "(2 − Δ)/8",
        lambda p, q: (2 - theory.triangular(p, q).item()) / 8,
    ),
    Case(
        "least squares −1, 1",
        LeastSquares(-1, 1, 0),
        _as_it_is,
        "C = (p − q)/(p + q)",
        "(2 − Δ)/2",
        lambda p, q: (2 - theory.triangular(p, q).item()) / 2,
    ),
    Case(
        "hinge",
        Hinge(),
        _as_it_is,
        "C = sign(p − q)",
        "2 − 2 TV",
        lambda p, q: 2 - 2 * theory.total_variation(p, q).item(),
    ),
)


def critics(pair: Pair) -> Lesson:
    """Return the lesson on best critics.

    Args:
        pair: Data and model.
    """
    p, q = pair.p, pair.q
    found = {case.name: theory.best_critic(case.objective, p, q, points=pair.points) for case in CASES}
    closed = {case.name: theory.optimal_critic(case.objective, p, q) for case in CASES}
    rows, values = [], []
    for case in CASES:
        outputs, loss = found[case.name]
        rows.append((case.name, case.optimum, *case.shows(closed[case.name]).tolist()))
        rows.append(("", "by search", *case.shows(outputs).tolist()))
        values.append((case.name, case.value, case.least(p, q), loss))
    same = theory.best_critic(CASES[0].objective, p, p, points=pair.points)[1]
    values.append(("cross-entropy, were q = p", "2 log 2", 2 * math.log(2), same))
    return Lesson(
        name="critics",
        title="The best critic, and what its loss measures",
        blocks=(
            "Distances between data and model, by the measures of this page (W1 counts the distance from one point to "
            "the next as 1; Δ = Σ (p − q)²/(p + q)):",
            _distances(p, q),
            "For given p and q the critic's loss is a sum over points of a term for real samples and a term for fake "
            "ones. For the cross-entropy the sum is p sp(−C) + q sp(C), least where σ(C) = p/(p + q): the best σ(C) is "
            "the share of real samples. The search does not use this: it minimises the library's own loss over a free "
            "table of outputs.",
            Table(("objective", "best critic", *pair.heads), tuple(rows)),
            "At the best critic the loss becomes a distance between p and q. The lower the loss, the larger their "
            "distance; the loss is largest where the model equals the data.",
            Table(("objective", "least loss", "closed form", "by search"), tuple(values), digits=6),
            "A real target of 0.9 (one-sided label smoothing) scales the best σ(C) by 0.9. Where q = p its output "
            "is 0.45 instead of one half.",
        ),
        picture=Picture(
            lambda: _draw(pair, closed, {name: outputs for name, (outputs, _) in found.items()}),
            "Above, the two distributions. Below, best critics: rings by closed form, dots by search.",
        ),
    )


def _distances(p: Tensor, q: Tensor) -> Table:
    values = (
        theory.kl(p, q),
        theory.kl(q, p),
        theory.jensen_shannon(p, q),
        theory.total_variation(p, q),
        theory.wasserstein1(p, q),
        theory.triangular(p, q),
    )
    heads = ("KL(p‖q)", "KL(q‖p)", "JSD", "TV", "W1", "Δ")
    return Table(heads, (tuple(value.item() for value in values),), digits=6)


def _draw(pair: Pair, closed: dict[str, Tensor], found: dict[str, Tensor]) -> Figure:
    figure, (above, below) = figures.panels(2, height=5.0, rows=2, sharex=True)
    at = np.arange(len(pair.p))
    above.bar(at - 0.17, pair.p.numpy(), 0.32, color=figures.REAL, label="p, the data")
    above.bar(at + 0.17, pair.q.numpy(), 0.32, color=figures.FAKE, label="q, the model")
    figures.name(above, title="Data and model", y="probability")
    figures.legend(above, loc="upper center", ncols=2)
    above.set_ylim(0, 1.25 * torch.cat([pair.p, pair.q]).max().item())
    kept = [case for case in CASES if case.name != "least squares 0, 1"]  # equal to the cross-entropy's σ
    for index, (case, colour) in enumerate(zip(kept, figures.SERIES, strict=False)):
        x = at + 0.16 * (index - (len(kept) - 1) / 2)
        below.plot(x, case.shows(closed[case.name]), "o", markersize=10, mfc="none", mec=colour, mew=1.4)
        below.plot(x, case.shows(found[case.name]), "o", markersize=4, color=colour, label=case.name)
    below.axhline(0, color=figures.PALE, linewidth=1)
    below.set_xticks(at, pair.heads)
    below.set_ylim(-1.25, 2.15)
    figures.name(below, title="Best critics (of cross-entropies σ(C) is shown)", y="output")
    figures.legend(below, loc="upper center", ncols=2)
    return figure
