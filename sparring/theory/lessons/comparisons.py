"""Lessons: relativistic and Turing critics, and RealnessGAN."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sparring import theory
from sparring.objectives import Minimax, Relativistic, RelativisticAverage, logistic, squared
from sparring.theory.lessons import figures
from sparring.theory.lessons.distributions import Pair
from sparring.theory.lessons.page import Lesson, Picture, Rows, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL_ANCHOR = torch.tensor([0.0, 0.0, 0.202, 0.199, 0.599], dtype=torch.float64)
FAKE_ANCHOR = torch.tensor([0.739, 0.231, 0.030, 0.0, 0.0], dtype=torch.float64)


def relativistic(pair: Pair) -> Lesson:
    """Return the lesson on relativistic and Turing games.

    Args:
        pair: Data and model.
    """
    p, q = pair.p, pair.q
    both, swapped = theory.ordered_pairs(p, q)
    ratio = torch.log(p / q)
    apart = theory.jensen_shannon(both, swapped).item()
    paired, paired_loss = theory.best_critic(Relativistic(logistic), p, q, points=pair.points)
    averaged, averaged_loss = theory.best_critic(RelativisticAverage(logistic), p, q, points=pair.points)
    squares, squares_loss = theory.best_critic(RelativisticAverage(squared), p, q, points=pair.points)
    turing, turing_loss = theory.best_critic(Minimax(), both, swapped, points=pair.points**2)
    turing = turing.reshape(len(p), len(p))
    Δ = theory.triangular(p, q).item()
    slope = 2 / (1 + 3 * Δ / 2)
    share = slope * (p - q) / (p + q)
    critics: Rows = (
        ("RSGAN", "log(p/q)", *_centred(ratio)),
        ("", "by search", *_centred(paired)),
        ("RaLSGAN", f"{slope:.6f} (p − q)/(p + q)", *_centred(share)),
        ("", "by search", *_centred(squares)),
        ("RaSGAN", "by search", *_centred(averaged)),
        ("T-SGAN, mean over b of T(a, b)", "by search", *_centred(turing.mean(1))),
    )
    losses = (
        ("RSGAN", "log 2 − JSD(p⊗q‖q⊗p)", math.log(2) - apart, paired_loss),
        ("RaSGAN", "none known", "", averaged_loss),
        ("RaLSGAN", "2 − 2κΔ", 2 - 2 * slope * Δ, squares_loss),
        ("T-SGAN", "2 log 2 − 2 JSD(p⊗q‖q⊗p)", 2 * math.log(2) - 2 * apart, turing_loss),
    )
    gain, price = turing_wasserstein(p, q)
    return Lesson(
        name="relativistic",
        title="Critics of pairs",
        blocks=(
            "A relativistic critic estimates which of two samples is more real, not how real one is (Jolicoeur-"
            "Martineau, 2019). Only differences of its outputs count, so each row below is shifted to mean zero:",
            Table(("game", "best critic", *pair.heads), critics),
            "With the logistic loss on pairs (RSGAN) the best critic is again log(p/q). Around averages (RaSGAN) it "
            "rises with p/q, but no closed form is known; with squares (RaLSGAN) it is κ(p − q)/(p + q), "
            f"κ = 2/(1 + 3Δ/2) = {slope:.6f}.",
            "In a Turing game the critic predicts the order of a real and a fake sample, "
            "T(a, b) = D(E(a) − E(b)). That is a cross-entropy between p⊗q and q⊗p, so the best T is "
            "log p(a)q(b)/(p(b)q(a)), which changes its sign when a and b change places, without being constrained to: "
            f"the table found by search has T(a, b) + T(b, a) = 0 to {_power(turing)}.",
            Table(("game", "least loss", "closed form", "by search"), losses, digits=6),
            "T-SGAN's least loss is twice RSGAN's; if D is linear and without a bias, so is the whole loss. With W1 in "
            f"place of the cross-entropy (T-WGAN), the critic f(a) − f(b) with the best f of W1 gains {gain:.6f}; "
            f"the optimal transport of a and b costs {price:.6f}. Gain "
            "cannot exceed cost, so both are optimal: the value is 2 W1.",
        ),
        picture=Picture(
            lambda: _draw_orders(pair, both, swapped, turing),
            "Probabilities of a real a with a fake b and of the reverse, and the best critic's output, found by "
            "search.",
        ),
    )


def turing_wasserstein(p: Tensor, q: Tensor) -> tuple[float, float]:
    """Return the gain of a 1-Lipschitz T on p ⊗ q against q ⊗ p, and the transport cost between them.

    Distances of pairs are sums of distances on the line.

    Args:
        p: Probabilities of the data (N,).
        q: Probabilities of the model (N,).
    """
    both, swapped = theory.ordered_pairs(p, q)
    steps = -torch.sign((p - q).cumsum(0)[:-1])  # the best f steps down where the model lags behind
    f = torch.cat([steps.new_zeros(1), steps.cumsum(0)])
    T = (f[:, None] - f[None]).flatten()
    return (both @ T - swapped @ T).item(), 2 * theory.wasserstein1(p, q).item()


def _centred(critic: Tensor) -> list[float]:
    return (critic - critic.mean()).tolist()


def _power(table: Tensor) -> str:
    gap = (table + table.T).abs().max().item()
    return "four digits" if gap < 5e-5 else f"{gap:.0e}"


def _draw_orders(pair: Pair, both: Tensor, swapped: Tensor, turing: Tensor) -> Figure:
    n = len(pair.p)
    figure, axes = figures.panels(3, width=9.6, height=3.7)
    figures.matrix(axes[0], both.reshape(n, n), pair.heads, digits=4)
    figures.matrix(axes[1], swapped.reshape(n, n), pair.heads, digits=4)
    figures.matrix(axes[2], turing, pair.heads, digits=1, diverging=True)
    for one, title in zip(axes, ("real first: p(a) q(b)", "fake first: q(a) p(b)", "T(a, b), best"), strict=True):
        figures.name(one, title=title, x="b", y="a" if one is axes[0] else "")
    return figure


def realness(pair: Pair) -> Lesson:
    """Return the lesson on RealnessGAN.

    Args:
        pair: Data and model.
    """
    p, q = pair.p, pair.q
    closed = theory.optimal_realness(p, q, REAL_ANCHOR, FAKE_ANCHOR)
    found, loss = theory.best_realness(p, q, REAL_ANCHOR, FAKE_ANCHOR)
    ceiling = 2 * theory.jensen_shannon(REAL_ANCHOR, FAKE_ANCHOR).item()
    same = theory.best_realness(p, p, REAL_ANCHOR, FAKE_ANCHOR)[1]
    gap = 2 * theory.kl(*_mixtures(p, q)).item()
    ends = torch.eye(2, dtype=torch.float64)
    two = theory.best_realness(p, q, ends[1], ends[0])[1]
    outcomes = tuple(f"u{'₁₂₃₄₅'[i]}" for i in range(len(REAL_ANCHOR)))
    rows = [("A₁, of real", *REAL_ANCHOR.tolist()), ("A₀, of fake", *FAKE_ANCHOR.tolist())]
    for name, formula, search in zip(pair.heads, closed, found, strict=True):
        rows += [(f"D({name})", *formula.tolist()), ("by search", *search.tolist())]
    values = (
        ("the critic's least loss V", "2 JSD(A₁, A₀) − 2 KL", ceiling - gap, loss),
        ("the same, were q = p", "2 JSD(A₁, A₀)", ceiling, same),
        ("two outcomes, one for each: V", "2 log 2 − 2 JSD(p, q)", _cross_entropy(p, q), two),
    )
    return Lesson(
        name="realness",
        title="Realness as a distribution",
        blocks=(
            "The critic of RealnessGAN (Xiangli et al., 2020) outputs a distribution over outcomes u, trained "
            "towards an anchor A₁ on real and A₀ on fake samples: it minimises E_p KL(A₁‖D(x)) + E_q KL(A₀‖D(x)). The "
            "best output mixes the anchors by the share of real at x, D(x, u) = (p A₁(u) + q A₀(u))/(p + q):",
            Table(("", *outcomes), tuple(rows), digits=5),
            "Its least loss V falls short of 2 JSD(A₁, A₀) by twice "
            "KL((p A₁ + q A₀)/2 ‖ (p + q)(A₁ + A₀)/4), which is zero only where p = q; so a generator that raises V "
            "makes the model equal to the data, if the anchors differ at some outcome. With two outcomes and all of "
            "each anchor on one, this is the cross-entropy game.",
            Table(("", "formula", "closed form", "by search"), values, digits=6),
        ),
        picture=Picture(
            lambda: _draw_realness(pair, closed),
            "The two anchors, and the best critic's output at each point: the larger the share of real, the more of "
            "A₁.",
        ),
    )


def _mixtures(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """Return (p A₁ + q A₀)/2 and (p + q)(A₁ + A₀)/4 over all points and outcomes, those left out that neither has."""
    first = (torch.outer(p, REAL_ANCHOR) + torch.outer(q, FAKE_ANCHOR)) / 2
    second = torch.outer(p + q, REAL_ANCHOR + FAKE_ANCHOR) / 4
    return first.flatten(), second.flatten()


def _cross_entropy(p: Tensor, q: Tensor) -> float:
    return 2 * math.log(2) - 2 * theory.jensen_shannon(p, q).item()


def _draw_realness(pair: Pair, closed: Tensor) -> Figure:
    answers = [("A₀, fake", FAKE_ANCHOR), *zip(pair.heads, closed, strict=True), ("A₁, real", REAL_ANCHOR)]
    figure, axes = figures.panels(len(answers), width=10.0, height=2.6, sharey=True)
    shares = [0.0, *(pair.p / (pair.p + pair.q)).tolist(), 1.0]
    at = np.arange(len(REAL_ANCHOR))
    for one, (title, answer), share in zip(axes, answers, shares, strict=True):
        fake = (1 - share) * FAKE_ANCHOR
        one.bar(at, fake.numpy(), color=figures.FAKE, width=0.8)
        one.bar(at, (answer - fake).numpy(), bottom=fake.numpy(), color=figures.REAL, width=0.8)
        figures.name(one, title=f"{title}\n{share:.0%} real", x="outcome")
        one.set_xticks(at, [str(i + 1) for i in at])
        one.grid(visible=False, axis="x")
    axes[0].set_ylabel("probability", fontsize=9, color=figures.INK)
    axes[0].set_ylim(0, 0.8)
    return figure
