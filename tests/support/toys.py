"""The smallest games: networks whose gradients can be written down, and data whose batches are known."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from sparring.game import adam, rmsprop
from sparring.games.gan import GAN, SharedFakesGAN
from sparring.games.relativistic import RelativisticGAN
from sparring.games.wgan import WGAN, WGANGP
from sparring.objectives import Hinge, LeastSquares, Minimax, NonSaturating, Relativistic, RelativisticAverage, logistic


class Point(nn.Module):
    """A generator that ignores all but the scale of its noise: G(z) = b + s z."""

    def __init__(self, start: float = 0.0, spread: float = 0.1, dim: int = 2) -> None:
        super().__init__()
        self.latent = dim
        self.b = nn.Parameter(torch.full((dim,), start))
        self.spread = spread

    def forward(self, z: Tensor) -> Tensor:
        return self.b + self.spread * z


class LinearCritic(nn.Module):
    """D(x) = w·x + c."""

    def __init__(self, weight: tuple[float, ...] = (0.0, 0.0)) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(weight))
        self.c = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.w + self.c


def batches(centre: float = 3.0, n: int = 16, dim: int = 2, seed: int = 0) -> Iterator[tuple[Tensor, ...]]:
    """Endless batches of N(centre, 0.1²)."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield (centre + 0.1 * torch.randn(n, dim, generator=generator),)


learn = {"critic": partial(adam, lr=0.05), "generator": partial(adam, lr=0.05)}
slide = {"critic": partial(rmsprop, lr=0.05), "generator": partial(rmsprop, lr=0.05)}

GAMES = {
    "minimax": lambda G, D: GAN(G, D, Minimax(), **learn),
    "non-saturating": lambda G, D: GAN(G, D, NonSaturating(), critic_steps=2, **learn),
    "least squares": lambda G, D: GAN(G, D, LeastSquares(), **learn),
    "hinge": lambda G, D: GAN(G, D, Hinge(), **learn),
    "one draw": lambda G, D: SharedFakesGAN(G, D, NonSaturating(), **learn),
    "wgan": lambda G, D: WGAN(G, D, bound=0.1, critic_steps=2, **slide),
    "wgan-gp": lambda G, D: WGANGP(G, D, critic_steps=2, **learn),
    "relativistic": lambda G, D: RelativisticGAN(G, D, Relativistic(logistic), **learn),
    "relativistic average": lambda G, D: RelativisticGAN(G, D, RelativisticAverage(logistic), **learn),
}
