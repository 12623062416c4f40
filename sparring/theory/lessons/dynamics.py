"""Lessons: dynamics of two players that learn at once, and effects of training techniques on their equilibrium."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sparring import theory
from sparring.objectives import Minimax, Wasserstein
from sparring.objectives.penalties import gradient_penalty
from sparring.theory.lessons import figures
from sparring.theory.lessons.distributions import Pair
from sparring.theory.lessons.page import Lesson, Picture, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAMMAS = (0.0, 0.5, 1.0, 4.0)
RATE, STEPS, START = 0.2, 300, (1.0, 1.0)
WEIGHTS = (0.0, 0.1, 0.5, 1.0)


def dirac(pair: Pair) -> Lesson:
    """Return the lesson on the Dirac-GAN.

    Args:
        pair: Not used: this game has one real point.
    """
    game = Minimax()
    rows, paths = [], []
    for gamma in GAMMAS:
        row: list[str | float] = [f"{gamma:g}", _complex(theory.dirac_eigenvalues(gamma))]
        for rule in (theory.simultaneous, theory.alternating):
            step = rule(game, RATE, gamma)
            way = theory.trajectory(step, START, STEPS)
            row += [theory.spectral_radius(step), way[-1].norm().item()]
            paths.append(way)
        rows.append(tuple(row))
    return Lesson(
        name="dirac",
        title="Convergence of the Dirac-GAN",
        blocks=(
            "All data lies at 0, the whole model at θ, and the critic is C(x) = ψx. The equilibrium is (0, 0). Near it "
            "the motion of the players is linear, with the Jacobian "
            "[[0, ½], [−½, −γ]] and the eigenvalues −γ/2 ± √(γ²/4 − ¼), where γ/2 is the weight of the R1 penalty "
            "E‖∇C(x)‖² on real points (Mescheder et al., 2018).",
            f"Each step below has the rate {RATE}; its gradients come from the library's minimax loss and R1. 'Factor' "
            "is the asymptotic factor of a step on the distance from (0, 0) near it; the distance is that "
            f"after {STEPS} steps from ({START[0]:g}, {START[1]:g}).",
            Table(
                ("γ", "eigenvalues", "factor, simultaneous", "distance", "factor, alternating", "distance"), tuple(rows)
            ),
            "Without a penalty the eigenvalues are imaginary: the continuous flow circles for ever. Simultaneous "
            f"steps leave along the tangents, each by a factor √(1 + h²/4) = {math.sqrt(1 + RATE**2 / 4):.4f}, so the "
            "players diverge; alternating steps circle without converging. The penalty damps the critic. At γ = 1 the "
            "damping is critical; at γ = 4 the critic is overdamped, and the model converges slowly. Papers and codes "
            "differ by the ½: a code that multiplies the squared slope by 10 has γ = 20.",
        ),
        picture=Picture(
            lambda: _draw_dirac(paths),
            f"{STEPS} steps from the ringed point at four strengths of R1; the cross is the equilibrium.",
        ),
    )


def _complex(values: tuple[complex, complex]) -> str:
    first, second = values
    if first.imag:
        return f"{first.real + 0.0:.3f} ± {first.imag:.3f}i".replace("-", "−")
    return f"{first.real:.3f}, {second.real:.3f}".replace("-", "−")


def _draw_dirac(paths: list[Tensor]) -> Figure:
    figure, axes = figures.panels(2, height=3.7, sharex=True, sharey=True)
    for one, first, title in zip(axes, (0, 1), ("Simultaneous steps", "Alternating steps"), strict=True):
        for way, gamma, colour in zip(
            paths[first::2], GAMMAS, figures.SERIES[1::-1] + figures.SERIES[2:], strict=False
        ):
            one.plot(way[:, 0], way[:, 1], color=colour, linewidth=1.3, label=f"γ = {gamma:g}")
        one.plot(*START, "o", mfc="none", mec=figures.INK, markersize=9)
        one.plot(0, 0, "+", color=figures.INK, markersize=12, mew=1.6, zorder=5)
        one.set_aspect("equal")
        figures.name(one, title=title, x="θ, the model", y="ψ, the critic")
    figures.legend(axes[1], loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def techniques(pair: Pair) -> Lesson:
    """Return the lesson on the effect of training techniques on the equilibrium.

    Args:
        pair: The data of the lesson on several generators.
    """
    distances = {weight: theory.historical_averaging(weight) for weight in WEIGHTS}
    slopes = []
    for distance, penalty in ((2.0, 10.0), (2.0, 1.0), (2.0, 0.1)):
        slope, gain = searched_slope(distance, penalty)
        value = distance + distance**2 / (4 * penalty)
        slopes.append((f"{penalty:g}", theory.penalised_slope(distance, penalty), slope, value, gain))
    return Lesson(
        name="techniques",
        title="Effects of training techniques on the equilibrium",
        blocks=(
            "**Gradient penalty.** Between one real and one fake point at distance d the best critic of "
            "WGAN-GP has the slope 1 + d/2λ, not 1, and its gain d + d²/4λ overstates W1 = d. For d = 2:",
            Table(("λ", "1 + d/2λ", "slope by search", "d + d²/4λ", "gain by search"), tuple(slopes)),
            "**Several generators.** In MAD-GAN (Ghosh et al., 2018) a classifier separates the data and each of K "
            "generators. Its best probability of 'data' is p/(p + Σ gₖ), and the game's value is least, "
            "−(K + 1) log(K + 1) + K log K, where the *mean* of the generators is p: no single one has to cover every "
            "mode. The last row's two generators lie on either side of p.",
            Table(("generators", "closed form", "by search"), _several(pair.p), digits=6),
            "**Historical averaging.** In min over x, max over y of xy simultaneous steps spiral outwards. A term that "
            "draws each player towards the mean of its own past (weight w) stops the spiral, but a large weight slows "
            "convergence. Distance from the equilibrium after 6,000 steps of 0.05 from (1, 1):",
            Table(("w", "distance"), tuple((f"{w:g}", way[-1]) for w, way in distances.items())),
        ),
        picture=Picture(
            lambda: _draw_averaging(distances),
            "Historical averaging on xy: the players diverge without it, converge with a small weight, and are slow "
            "with a large one.",
        ),
    )


def searched_slope(distance: float, penalty: float) -> tuple[float, float]:
    """Return the slope of the best linear critic under WGAN-GP's loss, by search, and its gain.

    Args:
        distance: Between the real and the fake point.
        penalty: λ.
    """
    real, fake = torch.full((1, 1), distance, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    mix = torch.full((1,), 0.5)

    def loss(slope: Tensor) -> Tensor:
        def critic(x: Tensor) -> Tensor:
            return x @ slope

        slopes = penalty * gradient_penalty(critic, real, fake, mix=mix)
        return Wasserstein().critic(critic(real), critic(fake)) + slopes

    slope = theory.minimize_smooth(loss, torch.ones(1))
    return slope.item(), -loss(slope).item()


def game_value(p: Tensor, models: Tensor) -> float:
    """Return E_p log D + Σ E_gₖ log(1 − D) at the best classifier found by search, D its probability of 'data'.

    Args:
        p: Probabilities of the data (N,).
        models: Probabilities of the generators (K, N).
    """
    D = theory.best_classifier(p, models)[0][:, -1]
    return (p @ torch.log(D) + (models @ torch.log1p(-D)).sum()).item()


def _several(p: Tensor) -> tuple[tuple[str, float, float], ...]:
    lean = torch.zeros_like(p)
    lean[0], lean[1] = 0.5 * p[:2].min(), -0.5 * p[:2].min()
    teams = [(f"{k}, each equal to p", p.repeat(k, 1)) for k in (1, 2, 3)]
    teams.append(("2, apart, with mean p", torch.stack([p + lean, p - lean])))
    return tuple(
        (words, -(len(g) + 1) * math.log(len(g) + 1) + len(g) * math.log(len(g)), game_value(p, g))
        for words, g in teams
    )


def _draw_averaging(distances: dict[float, list[float]]) -> Figure:
    figure, (axes,) = figures.panels(1, height=3.5)
    for (weight, way), colour in zip(distances.items(), (figures.SERIES[1], *figures.SCALE[2:]), strict=True):
        axes.semilogy(way, color=colour, linewidth=1.6, label=f"w = {weight:g}")
    figures.name(axes, title="Simultaneous steps on xy", x="step", y="distance from the equilibrium")
    axes.set_xlim(0, 6000)
    figures.legend(axes, loc="upper left", ncols=4)
    axes.set_ylim(1e-3, 2e4)
    return figure
