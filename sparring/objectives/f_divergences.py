"""f-divergences and the GANs that minimise them (Nowozin et al., 2016).

For convex f and its conjugate f*, every critic V gives a lower bound on D_f(P‖Q) = E_Q f(p/q) (equation 4):

    F(V) = E_P g_f(V(x)) − E_Q f*(g_f(V(x))) ≤ D_f(P‖Q),   attained at g_f(V(x)) = f'(p(x)/q(x)),

where the activation g_f maps the raw critic output into the domain of f*, increasing, so large means real. The critic
maximises F. P is the data, Q the model. Each row below also gives f* ∘ g_f in one stable formula. A
critic calls x real where g_f(V(x)) > f'(1).

Two names mislead: "jensen-shannon" is *twice* the Jensen–Shannon divergence, and "gan" is that minus log 4.
Exponentials of a critic output are replaced by their tangent beyond e^20, so losses and gradients stay finite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from sparring._types import Context
from sparring.objectives.adversarial import Objective

Function = Callable[[Tensor], Tensor]

LIMIT = 20.0
"""Exponents above this are continued by the tangent."""


@dataclass(frozen=True)
class Divergence:
    """One row of the table: a convex f with the functions that a GAN needs (Nowozin et al., 2016, tables 1, 2 and 6).

    Args:
        name: Its name.
        f: The convex function of the ratio u = p/q.
        conjugate: f*(t) = sup_u ut − f(u).
        activation: g_f, increasing, from raw critic outputs into the domain of f*.
        composite: f*(g_f(v)) in one stable formula.
        threshold: f'(1), the output of an undecided critic after the activation.
        optimum: The raw critic output at which the bound is attained, given u; infinite for total variation.
    """

    name: str
    f: Function
    conjugate: Function
    activation: Function
    composite: Function
    threshold: float
    optimum: Function


@dataclass(frozen=True)
class FGAN(Objective):
    """f-GAN with the saturating generator, which follows the named divergence (Nowozin et al., 2016, equation 6).

    Args:
        divergence: A row of `DIVERGENCES`, `weighted_jensen_shannon` or `alpha`.

    >>> FGAN(DIVERGENCES["kl"]).equilibrium
    {'D': 0.0, 'G': -1.0}
    """

    needs_real: ClassVar[bool] = False
    divergence: Divergence

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return −F = E f*(g_f(V(G))) − E g_f(V(x))."""
        return self.divergence.composite(fake).mean() - self.divergence.activation(real).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return −E f*(g_f(V(G)))."""
        return -self.divergence.composite(fake).mean()

    @property
    def centred(self) -> bool:
        """Return whether the optimal critic is 0 where p = q."""
        return abs(self.divergence.optimum(torch.ones((), dtype=torch.float64)).item()) < 1e-9

    @property
    def equilibrium(self) -> dict[str, float]:
        """There g_f(V) = f'(1), F = D_f(P‖P) = f(1), and f*(f'(1)) = f'(1) − f(1)."""
        at_one = self.divergence.f(torch.ones((), dtype=torch.float64)).item() + 0.0  # no −0.0
        return {"D": 0.0 - at_one, "G": at_one - self.divergence.threshold}


@dataclass(frozen=True)
class FGANAlternative(FGAN):
    """f-GAN with the non-saturating generator (Nowozin et al., 2016, section 3.2), which maximises g_f(V(G)).

    It follows *another* divergence than the named one: for KL(P‖Q) it follows KL(Q‖P), for the reverse KL ½χ²(Q‖P).
    """

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return −E g_f(V(G))."""
        return -self.divergence.activation(fake).mean()

    @property
    def equilibrium(self) -> dict[str, float]:
        """As for `FGAN`, but the generator's loss is −f'(1)."""
        return {"D": super().equilibrium["D"], "G": 0.0 - self.divergence.threshold}


def weighted_jensen_shannon(weight: float) -> Divergence:
    """Return π KL(P‖M) + (1 − π) KL(Q‖M) with M = πP + (1 − π)Q; unlike "jensen-shannon" it is not doubled.

    Args:
        weight: π, strictly between 0 and 1.

    Raises:
        ValueError: If the weight is outside.
    """
    if not 0 < weight < 1:
        raise ValueError(f"the weight of the data must be strictly between 0 and 1, got {weight}")
    π, rest = weight, 1 - weight

    def composite(v: Tensor) -> Tensor:
        return rest * (math.log(rest) - _log_one_minus_power(v, 1 / π))

    return Divergence(
        name=f"jensen-shannon({weight:g})",
        f=lambda u: π * torch.xlogy(u, u) - (rest + π * u) * torch.log(rest + π * u),
        conjugate=lambda t: rest * (math.log(rest) - torch.log1p(-π * torch.exp(t / π))),
        activation=lambda v: -π * math.log(π) - softplus(-v),
        composite=composite,
        threshold=0.0,
        optimum=lambda u: -_inverse_softplus(-π * torch.log(π * u / (rest + π * u))),
    )


def alpha(order: float) -> Divergence:
    """Return the α-divergence, f(u) = (u^α − 1 − α(u − 1)) / (α(α − 1)).

    Order 2 is ½ Pearson χ², −1 is ½ Neyman χ², ½ is twice the squared Hellinger distance; the limits at 1 and 0 are the
    Kullback–Leibler divergences, which have their own rows.

    Args:
        order: α, neither 0 nor 1.

    Raises:
        ValueError: If the order is 0 or 1.
    """
    if order in (0, 1):
        raise ValueError(f'the alpha divergence of order {order} is a limit: use "kl" for 1 and "reverse-kl" for 0')
    α, power = order, order / (order - 1)

    def conjugate(t: Tensor) -> Tensor:
        return (relu(t * (α - 1) + 1) ** power - 1) / α

    def composite(v: Tensor) -> Tensor:
        # ((1 − α) sp(−v))^power through its logarithm: it grows like e^(αv/(1−α)) if α > 0.
        return (_exp(power * (math.log(1 - α) + _log_softplus(-v))) - 1) / α

    above = α > 1
    return Divergence(
        name=f"alpha({α:g})",
        f=lambda u: (u**α - 1 - α * (u - 1)) / (α * (α - 1)),
        conjugate=conjugate,
        activation=_identity if above else lambda v: 1 / (1 - α) - softplus(-v),
        composite=conjugate if above else composite,
        threshold=0.0,
        optimum=lambda u: (u ** (α - 1) - 1) / (α - 1) if above else -_inverse_softplus(u ** (α - 1) / (1 - α)),
    )


def _identity(v: Tensor) -> Tensor:
    return v


def _exp(x: Tensor) -> Tensor:
    """Return e^x, continued by its tangent beyond `LIMIT`, where float32 would overflow soon after."""
    return torch.exp(x.clamp(max=LIMIT)) * (1 + relu(x - LIMIT))


def _log_softplus(x: Tensor) -> Tensor:
    """Return log sp(x), which is x itself far below zero, where sp(x) underflows."""
    return torch.where(x < -LIMIT, x, torch.log(softplus(x.clamp(min=-LIMIT))))


def _inverse_softplus(y: Tensor) -> Tensor:
    """Return log(e^y − 1) for positive y."""
    return y + torch.log(-torch.expm1(-y))


def _log_one_minus_power(v: Tensor, power: float) -> Tensor:
    """Return log(1 − σ(v)^power), which is log(power) − v far above zero, where σ(v) rounds to one."""
    near = torch.log(-torch.expm1(-power * softplus(-v.clamp(max=LIMIT))))
    return torch.where(v > LIMIT, math.log(power) - v, near)


class _Root(torch.autograd.Function):
    """s with e^s + s = y, which is log W(e^y) for Lambert's W.

    The equation is convex and increasing in s, so Newton's method started right of the root falls to it. Its derivative
    1 / (1 + e^s) is written in terms of the root itself, so derivatives of every order are exact.
    """

    apply: ClassVar[Callable[..., Tensor]]
    generate_vmap_rule = True

    @staticmethod
    def forward(y: Tensor) -> Tensor:
        s = torch.where(y > 1, torch.log(y.clamp(min=1)), y)
        for _ in range(9):
            s = s - (torch.exp(s) + s - y) / (torch.exp(s) + 1)
        return s

    @staticmethod
    def setup_context(ctx: Context, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> Tensor:
        (s,) = ctx.saved_tensors
        return grads[0] / (torch.exp(s) + 1)


def _jeffrey_conjugate(t: Tensor) -> Tensor:
    """Return w + 1/w + t − 2 where w + log w = 1 − t."""
    s = _Root.apply(1 - t)
    return torch.exp(s) + _exp(-s) + t - 2


_TABLE = (
    Divergence(
        name="total-variation",
        f=lambda u: (u - 1).abs() / 2,
        conjugate=_identity,
        activation=lambda v: torch.tanh(v) / 2,
        composite=lambda v: torch.tanh(v) / 2,
        threshold=0.0,
        optimum=lambda u: torch.where(u == 1, 0.0, torch.copysign(torch.full_like(u, math.inf), u - 1)),
    ),
    Divergence(
        name="kl",
        f=lambda u: torch.xlogy(u, u),
        conjugate=lambda t: torch.exp(t - 1),
        activation=_identity,
        composite=lambda v: _exp(v - 1),
        threshold=1.0,
        optimum=lambda u: 1 + torch.log(u),
    ),
    Divergence(
        name="reverse-kl",
        f=lambda u: -torch.log(u),
        conjugate=lambda t: -1 - torch.log(-t),
        activation=lambda v: -_exp(-v),
        composite=lambda v: v - 1,
        threshold=-1.0,
        optimum=torch.log,
    ),
    Divergence(
        name="pearson",
        f=lambda u: (u - 1).square(),
        conjugate=lambda t: t.square() / 4 + t,
        activation=_identity,
        composite=lambda v: v.square() / 4 + v,
        threshold=0.0,
        optimum=lambda u: 2 * (u - 1),
    ),
    Divergence(
        name="neyman",
        f=lambda u: (1 - u).square() / u,
        conjugate=lambda t: 2 - 2 * torch.sqrt(1 - t),
        activation=lambda v: 1 - _exp(-v),
        composite=lambda v: 2 - 2 * _exp(-v / 2),
        threshold=0.0,
        optimum=lambda u: 2 * torch.log(u),
    ),
    Divergence(
        name="squared-hellinger",
        f=lambda u: (u.sqrt() - 1).square(),
        conjugate=lambda t: t / (1 - t),
        activation=lambda v: 1 - _exp(-v),
        composite=lambda v: _exp(v) - 1,
        threshold=0.0,
        optimum=lambda u: torch.log(u) / 2,
    ),
    Divergence(
        name="jeffrey",
        f=lambda u: (u - 1) * torch.log(u),
        conjugate=_jeffrey_conjugate,
        activation=_identity,
        composite=_jeffrey_conjugate,
        threshold=0.0,
        optimum=lambda u: torch.log(u) + 1 - 1 / u,
    ),
    Divergence(
        name="jensen-shannon",
        f=lambda u: torch.xlogy(u, u) - (u + 1) * torch.log((1 + u) / 2),
        conjugate=lambda t: -torch.log(2 - torch.exp(t)),
        activation=lambda v: math.log(2) - softplus(-v),
        composite=lambda v: softplus(v) - math.log(2),
        threshold=0.0,
        optimum=torch.log,
    ),
    Divergence(
        name="gan",
        f=lambda u: torch.xlogy(u, u) - (u + 1) * torch.log(u + 1),
        conjugate=lambda t: -torch.log(1 - torch.exp(t)),
        activation=lambda v: -softplus(-v),
        composite=softplus,
        threshold=-math.log(2),
        optimum=torch.log,
    ),
)

DIVERGENCES: dict[str, Divergence] = {divergence.name: divergence for divergence in _TABLE}
"""The divergences without a parameter, by name."""
