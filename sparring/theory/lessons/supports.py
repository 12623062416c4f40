"""Lessons: distributions with disjoint supports, and instance noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sparring import theory
from sparring.objectives import Minimax
from sparring.theory.lessons import figures
from sparring.theory.lessons.distributions import Pair
from sparring.theory.lessons.page import Lesson, Picture, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCALES = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
STRATA = 4001  # quantiles that stand for a Gaussian


def supports(pair: Pair) -> Lesson:
    """Return the lesson on disjoint supports.

    Args:
        pair: Not used: this lesson is about two single points.
    """
    apart = []
    for distance in (4.0, 2.0, 1.0, 0.5, 0.25, 0.0):
        p, q, at = _two_points(distance)
        measures = (theory.kl(p, q), theory.jensen_shannon(p, q), theory.total_variation(p, q))
        apart.append((f"{distance:g}", *(m.item() for m in measures), theory.wasserstein1(p, q, at).item()))
    noisy = tuple((f"{s:g}", theory.gaussian_jensen_shannon(1.0, s), 1 / (8 * s * s)) for s in SCALES)
    return Lesson(
        name="supports",
        title="Distributions with disjoint supports",
        blocks=(
            "All data lies at 0, the whole model at θ. A useful distance should fall as the model comes nearer.",
            Table(("θ", "KL(p‖q)", "JSD", "TV", "W1"), tuple(apart), digits=6),
            "Divergences compare densities point by point. Where p and q share no point, each has its largest value — "
            "for the Jensen–Shannon divergence log 2 = 0.693147 — however near the model is, so its gradient is zero. "
            "W1 measures how far the mass must travel, so it has a gradient everywhere (Arjovsky et al., 2017).",
            "Noise of deviation σ on both, data and model, is another remedy (instance noise). Two points become two "
            "Gaussians, which always overlap: for θ = 1,",
            Table(("σ", "JSD under noise", "θ²/8σ²"), noisy, digits=6),
            "Much noise leaves the smooth bowl θ²/8σ², easy to descend but blunt; little noise leaves a plateau "
            "with a hole. So the noise is reduced during training.",
        ),
        picture=Picture(
            _draw_supports,
            "Left: the Jensen–Shannon divergence is constant, W1 shrinks with the distance. Right: the same "
            "divergence under instance noise slopes towards the data.",
        ),
    )


def _two_points(distance: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return all mass at 0, all mass at `distance`, and where the points lie."""
    if distance == 0:
        one = torch.ones(1, dtype=torch.float64)
        return one, one, torch.zeros(1, dtype=torch.float64)
    p, q = torch.eye(2, dtype=torch.float64)
    return p, q, torch.tensor([0.0, distance], dtype=torch.float64)


def _draw_supports() -> Figure:
    figure, (left, right) = figures.panels(2, sharex=True)
    far = torch.linspace(-3, 3, 241)
    left.plot(far, far.abs(), color=figures.SERIES[0], linewidth=2, label="W1")
    left.plot(far, torch.full_like(far, math.log(2)), color=figures.SERIES[1], linewidth=2, label="JSD")
    left.plot(0, math.log(2), "o", mfc="white", mec=figures.SERIES[1], markersize=6)
    left.plot(0, 0, "o", color=figures.SERIES[1], markersize=6)
    figures.name(left, title="Two points, no noise", x="θ, where the model is", y="distance from the data")
    left.set_ylim(-0.1, 2.2)
    figures.legend(left, loc="upper center", ncols=2)
    for scale, colour in zip((0.1, 0.25, 0.5, 1.0, 2.0), reversed(figures.SCALE), strict=True):
        curve = [theory.gaussian_jensen_shannon(distance, scale) for distance in far.tolist()]
        right.plot(far, curve, color=colour, linewidth=1.8, label=f"σ = {scale:g}")
    right.axhline(math.log(2), color=figures.PALE, linewidth=1, linestyle="--")
    right.text(-3, math.log(2) + 0.012, "log 2", fontsize=8.5, color=figures.INK)
    figures.name(right, title="JSD under instance noise", x="θ, where the model is")
    right.set_ylim(-0.03, 0.95)
    figures.legend(right, loc="upper center", ncols=3)
    return figure


def noise(pair: Pair) -> Lesson:
    """Return the lesson on the best critic under instance noise.

    Args:
        pair: Not used: this lesson is about two single points.
    """
    distance = 1.0
    rows = []
    for scale in SCALES[1:]:
        bias, slope = _searched_logit(distance, scale)
        rows.append((f"{scale:g}", -distance / scale**2, slope, distance**2 / (2 * scale**2), bias))
    return Lesson(
        name="noise",
        title="Best critics under instance noise",
        blocks=(
            "Without noise the best critic of two points is infinite at both and undefined between them. "
            "With noise N(0, σ²) on a real point at 0 and a fake one at θ, the best logit is a straight line, "
            "C(x) = (θ² − 2θx)/(2σ²): its slope −θ/σ² points from the model to the data at every x, and noise of twice "
            "the deviation makes it four times smaller. For θ = 1, compared with a line c + sx fitted with the "
            f"library's cross-entropy to {STRATA} quantiles of each:",
            Table(("σ", "−θ/σ²", "s by search", "θ²/2σ²", "c by search"), tuple(rows), digits=3),
            "The two columns differ slightly where σ is small: there the classes hardly overlap, and a finite sample "
            "determines a confident critic poorly.",
        ),
        picture=Picture(
            lambda: _draw_noise(distance),
            "The best critic's logit between a real point at 0 and a fake one at 1, under more and more noise. Above "
            "zero it means 'real'; all lines cross zero half-way.",
        ),
    )


def _searched_logit(distance: float, scale: float) -> tuple[float, float]:
    """Return c and s of the line c + sx that best separates the two noisy points."""
    middles = (torch.arange(STRATA, dtype=torch.float64) + 0.5) / STRATA
    x = scale * math.sqrt(2) * torch.erfinv(2 * middles - 1)

    def loss(line: Tensor) -> Tensor:
        return Minimax().critic(line[0] + line[1] * x, line[0] + line[1] * (distance + x))

    c, s = theory.minimize_smooth(loss, torch.zeros(2))
    return c.item(), s.item()


def _draw_noise(distance: float) -> Figure:
    figure, (above, below) = figures.panels(2, height=4.6, rows=2, sharex=True, height_ratios=(1, 1.6))
    x = torch.linspace(-1.5, 2.5, 401)
    for at, colour, words in ((0.0, figures.REAL, "data + noise"), (distance, figures.FAKE, "model + noise")):
        density = torch.exp(-((x - at) / 0.5).square() / 2) / (0.5 * math.sqrt(2 * math.pi))
        above.plot(x, density, color=colour, linewidth=2, label=words)
        above.fill_between(x.numpy(), density.numpy(), color=colour, alpha=0.15, linewidth=0)
    figures.name(above, title="Two points under noise of σ = 0.5", y="density")
    figures.legend(above, loc="upper right")
    for scale, colour in zip((0.25, 0.35, 0.5, 1.0, 2.0), reversed(figures.SCALE), strict=True):
        logit = theory.optimal_noisy_critic(x, distance, scale)
        below.plot(x, logit, color=colour, linewidth=1.8, label=f"σ = {scale:g}")
    below.axhline(0, color=figures.PALE, linewidth=1)
    below.set_ylim(-9, 9)
    figures.name(below, title="The best critic", x="x", y="logit")
    figures.legend(below, loc="upper right")
    return figure
