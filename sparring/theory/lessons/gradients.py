"""Lesson: gradients of generators, and the divergences that they follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sparring import theory
from sparring.objectives import Hinge, LeastSquares, Minimax, NonSaturating, Objective, Wasserstein
from sparring.objectives.f_divergences import DIVERGENCES, FGAN, FGANAlternative
from sparring.theory.lessons import figures
from sparring.theory.lessons.distributions import Pair
from sparring.theory.lessons.page import Lesson, Picture, Rows, Table, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOSSES: dict[str, Objective] = {
    "minimax": Minimax(),
    "non-saturating": NonSaturating(),
    "least squares": LeastSquares(),
    "hinge": Hinge(),
}
FAR = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
PULLS = ("minimax", "non-saturating", "least squares", "W1")

Divergence = Callable[[Tensor], Tensor]


def gradients(pair: Pair) -> Lesson:
    """Return the lesson on the generator's gradient.

    Args:
        pair: Data and model.
    """
    outputs = torch.tensor([4.0, 2.0, 0.0, -2.0, -5.0, -10.0], dtype=torch.float64)
    slopes = [theory.output_slopes(objective, outputs).tolist() for objective in LOSSES.values()]
    felt: Rows = tuple((shown(c, 0), *row) for c, row in zip(outputs.tolist(), zip(*slopes, strict=True), strict=True))
    pulls: Rows = tuple((f"{distance:g}", *(pull(name, distance) for name in PULLS)) for distance in FAR)
    return Lesson(
        name="gradients",
        title="Gradients of the generator",
        blocks=(
            "The generator's gradient passes through the critic's output at its samples. The slope dL/dC of each loss, "
            "as the critic becomes sure that a sample is fake (C → −∞):",
            Table(("C", *LOSSES), felt, digits=5),
            "The slope of the minimax loss vanishes, like eᶜ, where the generator is worst; the non-saturating loss "
            "has the same sign and its largest slope there. The slope of least squares grows with the distance to its "
            "target 1, that of the hinge game's generator is constant.",
            "The other factor is the critic's own slope at the sample. Let the data be N(0, 1) and "
            "the model N(θ, 1), and let the critic be the best one for its loss; then the "
            "slope dL/dθ of the model is",
            Table(("θ", *PULLS), pulls),
            "The gradient of the non-saturating loss grows with the distance of the model. That of least squares "
            "vanishes like that of minimax: its best critic is flat wherever it is sure, and a flat critic has no "
            "gradient, whatever the loss. With the 1-Lipschitz critic of W1 the gradient is 1 everywhere. (The hinge's "
            "best critic, a sign, is flat where it does not jump; so it is used with a bound on the critic's slope.)",
            "At the best critic of the pair, each generator descends a divergence, not always the one its game is "
            "named after. The table compares gradients in the logits of q:",
            Table(("critic", "generator minimises", "follows", "same gradient"), followed(pair)),
            "m = (p + q)/2. On the last row: the least squares game with targets −1, 1 and 0 is known for "
            f"minimising a Pearson χ². Its loss with the constant term of the data does equal ½χ²(p + q‖2q) "
            f"= {theory.triangular(pair.p, pair.q).item() / 2:.6f} at the best critic, but the generator moves while "
            "the critic is fixed, and its gradient there is not that of χ².",
        ),
        picture=Picture(
            _draw,
            "Left: the slope of each generator's loss at a fake that the critic scores C. Right: the slope of a "
            "Gaussian model's loss at distance θ from the data under the best critic of the loss.",
        ),
    )


def pull(name: str, distance: float) -> float:
    """Return dL_G/dθ for data N(0, 1) and model N(θ, 1) under the best critic of the loss.

    Args:
        name: One of `PULLS`.
        distance: θ.
    """

    def logit(x: Tensor) -> Tensor:
        return theory.optimal_noisy_critic(x, distance, 1.0)

    if name == "W1":
        return theory.gaussian_model_gradient(Wasserstein(), lambda x: -x, distance)
    critic = (lambda x: logit(x).sigmoid()) if name == "least squares" else logit
    return theory.gaussian_model_gradient(LOSSES[name], critic, distance)


def followed(pair: Pair) -> tuple[tuple[str, str, str, str], ...]:
    """Return for each generator which divergence it follows, checked on a pair.

    Args:
        pair: Data and model.
    """
    p, q = pair.p, pair.q
    rows = []
    for critic, words, objective, name, divergence in _claims(p):
        optimum = _optimum(critic, objective, p, q)
        felt = theory.generator_gradient(objective, optimum, q)
        meant = theory.divergence_gradient(divergence, q)
        gap = (felt - meant).abs().max().item()
        rows.append((critic, words, name, "yes" if gap < 1e-9 * (1 + meant.abs().max().item()) else "no"))
    return tuple(rows)


def _optimum(critic: str, objective: Objective, p: Tensor, q: Tensor) -> Tensor:
    """Return the best critic's outputs: of the cross-entropy where that is the critic, else of the objective's own."""
    return theory.optimal_critic(Minimax() if critic == "cross-entropy" else objective, p, q)


def _claims(p: Tensor) -> tuple[tuple[str, str, Objective, str, Divergence], ...]:
    kl, jsd, triangular = theory.kl, theory.jensen_shannon, theory.triangular
    for_kl, for_reverse = DIVERGENCES["kl"], DIVERGENCES["reverse-kl"]
    return (
        ("cross-entropy", "minimax", Minimax(), "2 JSD", lambda q: 2 * jsd(p, q)),
        ("cross-entropy", "non-saturating", NonSaturating(), "KL(q‖p) − 2 JSD", lambda q: kl(q, p) - 2 * jsd(p, q)),
        ("cross-entropy", "−E C", Wasserstein(), "KL(q‖p)", lambda q: kl(q, p)),
        ("f-GAN kl", "saturating", FGAN(for_kl), "KL(p‖q)", lambda q: kl(p, q)),
        ("f-GAN kl", "alternative", FGANAlternative(for_kl), "KL(q‖p)", lambda q: kl(q, p)),
        ("f-GAN reverse-kl", "saturating", FGAN(for_reverse), "KL(q‖p)", lambda q: kl(q, p)),
        (
            "f-GAN reverse-kl",
            "alternative",
            FGANAlternative(for_reverse),
            "½χ²(q‖p)",
            lambda q: ((q - p).square() / p).sum() / 2,
        ),
        ("hinge", "−E C", Hinge(), "2 TV", lambda q: 2 * theory.total_variation(p, q)),
        (
            "least squares 0, 1",
            "½E (C − 1)²",
            LeastSquares(),
            "KL(p‖m) − Δ/8",
            lambda q: kl(p, (p + q) / 2) - triangular(p, q) / 8,
        ),
        ("least squares −1, 1", "½E C²", LeastSquares(-1, 1, 0), "½χ²(p + q‖2q)", lambda q: triangular(p, q) / 2),
    )


def _draw() -> Figure:
    figure, (left, right) = figures.panels(2, height=3.7)
    outputs = torch.linspace(-8, 4, 241, dtype=torch.float64)
    for (name, objective), colour in zip(LOSSES.items(), figures.SERIES, strict=False):
        left.plot(outputs, -theory.output_slopes(objective, outputs), color=colour, linewidth=1.9, label=name)
    left.set_ylim(-0.5, 3.2)
    left.axhline(0, color=figures.PALE, linewidth=1)
    figures.name(left, title="Slope of the generator's loss", x="C, the critic's score of a fake", y="−dL/dC")
    left.annotate("sure it is fake", (-8, -0.35), fontsize=8.5, color=figures.INK)
    figures.legend(left, loc="upper right")
    far = torch.linspace(0, 8, 65).tolist()
    for name, colour in zip(PULLS, (*figures.SERIES[:3], figures.INK), strict=True):
        right.plot(far, [pull(name, distance) for distance in far], color=colour, linewidth=1.9, label=name)
    right.set_ylim(-0.1, 3)
    figures.name(right, title="What a model N(θ, 1) feels", x="θ, its distance from the data", y="dL/dθ")
    figures.legend(right, loc="upper right")
    return figure
