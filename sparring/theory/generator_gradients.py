"""Gradients of generators: the derivative of the loss in a critic's outputs, and the divergence that it follows.

A divergence is a function of q; a generator's loss at a fixed critic is linear in q. The generator *follows* the
divergence if both have the same gradient, whatever the parameters of q; here these are the logits of a softmax.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from sparring.objectives import Objective
from sparring.theory.search import minimize_smooth


def output_slopes(objective: Objective, outputs: Tensor) -> Tensor:
    """Return dL_G/dC of one fake at each of the critic's outputs (N,).

    Args:
        objective: An objective whose generator needs no reals.
        outputs: The critic's outputs on fakes (N,).
    """
    outputs = outputs.detach().requires_grad_()
    return len(outputs) * torch.autograd.grad(objective.generator(outputs), outputs)[0]


def generator_gradient(objective: Objective, critic: Tensor, q: Tensor) -> Tensor:
    """Return the gradient (N,) of E_q L_G in the softmax logits of q, the critic held fixed.

    Args:
        objective: An objective whose generator needs no reals.
        critic: The critic's outputs at the points (N,).
        q: Probabilities of the model (N,), none of them zero.
    """
    prices = torch.stack([objective.generator(output.reshape(1)) for output in critic])
    return divergence_gradient(lambda q: (q * prices).sum(), q)


def divergence_gradient(divergence: Callable[[Tensor], Tensor], q: Tensor) -> Tensor:
    """Return the gradient (N,) of a function of q in the softmax logits of q.

    To first order logits that change by ℓ move q to q(1 + ℓ − E_q ℓ); the function is evaluated at q exactly, so that
    one with kinks is differentiated on the side where q lies.

    Args:
        divergence: Maps probabilities (N,) to a scalar.
        q: Where the gradient is taken (N,), none of them zero.
    """
    change = torch.zeros_like(q, requires_grad=True)
    return torch.autograd.grad(divergence(q * (1 + change - (q * change).sum())), change)[0]


def gaussian_model_gradient(objective: Objective, critic: Callable[[Tensor], Tensor], distance: float) -> float:
    """Return dL_G/dθ of the model N(θ, 1) at θ = `distance` under a fixed critic of real numbers.

    The model is shifted as a whole: every sample x = θ + ε contributes dL_G/dC · C'(x).

    Args:
        objective: An objective whose generator needs no reals.
        critic: Maps numbers (N,) to outputs (N,), differentiably.
        distance: θ.
    """
    ε = torch.arange(-10, 10, 1 / 64, dtype=torch.float64)
    density = torch.exp(-ε.square() / 2) / math.sqrt(2 * math.pi) / 64
    x = (distance + ε).requires_grad_()
    outputs = critic(x)
    (slopes,) = torch.autograd.grad(outputs.sum(), x)
    return (density * output_slopes(objective, outputs) * slopes).sum().item()


def fit_gaussian(
    divergence: Callable[[Tensor, Tensor], Tensor], density: Tensor, x: Tensor, start: tuple[float, float]
) -> tuple[float, float, float]:
    """Return mean, deviation and divergence of the N(μ, σ²) that a descent from `start` finds for a density on a line.

    Args:
        divergence: Maps two logarithms of densities at `x` (N,), data and model, to its value at each point (N,).
        density: Logarithm of the data's density at `x` (N,).
        x: Evenly spaced places (N,), wide enough that both densities vanish at the ends.
        start: μ and σ at the start.
    """
    gap = x[1] - x[0]

    def cost(values: Tensor) -> Tensor:
        μ, log_σ = values
        model = -((x - μ) / log_σ.exp()).square() / 2 - log_σ - math.log(2 * math.pi) / 2
        return gap * divergence(density, model).sum()

    found = minimize_smooth(cost, torch.tensor([start[0], math.log(start[1])], dtype=torch.float64))
    return found[0].item(), found[1].exp().item(), cost(found).item()
