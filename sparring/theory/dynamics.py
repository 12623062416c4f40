"""Dynamics of two players under gradient descent, with one parameter each.

The Dirac-GAN (Mescheder et al., 2018, section 2.3): data at 0, model at θ, critic C(x) = ψx. It shows the behaviour of
GANs near their equilibrium: cycling, convergence and divergence.

References: Mescheder et al. (2018), Gulrajani et al. (2017), Salimans et al. (2016, section 3.3).
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable

import torch
from torch import Tensor

from sparring.objectives import Objective
from sparring.objectives.penalties import r1

State = Tensor
"""The players (θ, ψ) of a Dirac-GAN, in float64."""

Step = Callable[[State], State]
"""One step of both players."""


def dirac_eigenvalues(penalty: float, slope: float = 0.5) -> tuple[complex, complex]:
    """Return the eigenvalues of the Dirac-GAN's gradient field at its equilibrium (Mescheder et al., 2018, lemma 4.1).

    Data at 0, model at θ, critic ψx: the Jacobian is [[0, −f'(0)], [f'(0), −γ]] under an R1 penalty of γ/2. Without
    penalty the eigenvalues are imaginary and the players cycle; at γ = 2f'(0) damping is critical.

    Args:
        penalty: γ.
        slope: f'(0), ½ for the logistic losses.

    >>> round(dirac_eigenvalues(4.0)[0].real, 4)
    -0.0635
    """
    root = cmath.sqrt(penalty**2 / 4 - slope**2)
    return -penalty / 2 + root, -penalty / 2 - root


def penalised_slope(distance: float, penalty: float) -> float:
    """Return the slope 1 + d/(2λ) of the best WGAN-GP critic between one real and one fake point on a line.

    It minimises −sd + λ(s − 1)²: the critic exceeds the slope 1, and the loss overestimates W1 = d by d²/(4λ).

    Args:
        distance: d, between the two points.
        penalty: λ, the weight of the gradient penalty.

    >>> penalised_slope(distance=2.0, penalty=10.0)
    1.1
    """
    return 1 + distance / (2 * penalty)


def dirac_gradient_field(objective: Objective, state: State, penalty: float = 0.0) -> tuple[Tensor, Tensor]:
    """Return the directions (θ̇, ψ̇) in which the players descend their losses, D's with an R1 penalty of γ/2.

    Args:
        objective: The two losses; their gradients are taken by autograd.
        state: The players (θ, ψ).
        penalty: γ.
    """
    state = state if state.requires_grad else state.detach().requires_grad_()
    θ, ψ = state[:1], state[1:]
    real = torch.zeros_like(θ)
    critic = objective.critic(ψ * real, ψ * θ) + penalty / 2 * r1(lambda x: x @ ψ[:, None], real[None])
    generator = objective.generator(ψ * θ, ψ * real)
    down_θ = torch.autograd.grad(-generator, θ, create_graph=True)[0]
    down_ψ = torch.autograd.grad(-critic, ψ, create_graph=True)[0]
    return down_θ, down_ψ


def simultaneous(objective: Objective, rate: float, penalty: float = 0.0) -> Step:
    """Return the step with simultaneous updates of both players.

    Args:
        objective: The two losses.
        rate: The learning rate h of both.
        penalty: γ.
    """

    def step(state: State) -> State:
        return state + rate * torch.cat(dirac_gradient_field(objective, state, penalty))

    return step


def alternating(objective: Objective, rate: float, penalty: float = 0.0) -> Step:
    """Return the step with alternating updates, D first.

    Args:
        objective: The two losses.
        rate: The learning rate h of both.
        penalty: γ.
    """

    def step(state: State) -> State:
        ψ = state[1:] + rate * dirac_gradient_field(objective, state, penalty)[1]
        moved = torch.cat([state[:1], ψ])
        return torch.cat([state[:1] + rate * dirac_gradient_field(objective, moved, penalty)[0], ψ])

    return step


def trajectory(step: Step, start: tuple[float, float], steps: int) -> Tensor:
    """Return the trajectory (steps + 1, 2) of a step function.

    Args:
        step: The step function.
        start: Initial state.
        steps: Number of steps.
    """
    states = [torch.tensor(start, dtype=torch.float64)]
    for _ in range(steps):
        states.append(step(states[-1]).detach())
    return torch.stack(states)


def spectral_radius(step: Step) -> float:
    """Return the spectral radius of a step at the equilibrium 0, the asymptotic rate of convergence.

    It is the largest modulus of an eigenvalue of the Jacobian: below 1 the players converge, above 1 they diverge.

    Args:
        step: The step function.
    """
    jacobian = torch.autograd.functional.jacobian(step, torch.zeros(2, dtype=torch.float64))
    radius: float = torch.linalg.eigvals(jacobian).abs().max().item()
    return radius


def historical_averaging(weight: float, *, rate: float = 0.05, steps: int = 6000) -> list[float]:
    """Return the distances (steps + 1) from the equilibrium of min over x, max over y of xy, started at (1, 1).

    Both players step simultaneously; each cost has the term weight · (θ − mean of θ so far)² (Salimans et al., 2016,
    section 3.3), the mean held fixed in the gradient.

    Args:
        weight: Weight of the term; with 0 the players diverge by √(1 + rate²) per step.
        rate: Learning rate of both.
        steps: Number of steps.
    """
    x = y = mean_x = mean_y = 1.0
    distances = [math.hypot(x, y)]
    for seen in range(2, steps + 2):
        x, y = x - rate * (y + 2 * weight * (x - mean_x)), y + rate * (x - 2 * weight * (y - mean_y))
        mean_x, mean_y = mean_x + (x - mean_x) / seen, mean_y + (y - mean_y) / seen
        distances.append(math.hypot(x, y))
    return distances
