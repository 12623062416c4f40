"""Instance noise on disjoint supports, and R1 on players that circle their equilibrium.

    python -m benchmarks stabilisers           about two minutes

*Supports.* The data are the segment {0} × [0, 1]; the generator makes the segment {a} × [0, 1] and starts at a = 1.5. A
confident critic gives the minimax generator no gradient (Arjovsky & Bottou, 2017); noise on the critic's inputs should
lead it to a = 0. *Circles.* All data at 0, the model at θ, the critic ψx (Mescheder et al., 2018): R1 should converge.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks import records
from sparring.game import Game, adam
from sparring.games.gan import GAN
from sparring.networks import MLPCritic
from sparring.objectives import Minimax, NonSaturating, Objective
from sparring.training.trainer import train
from sparring.wrappers.gradient_penalties import R1
from sparring.wrappers.instance_noise import InstanceNoise

OUT = Path(__file__).parent / "results" / "stabilisers.json"
SEEDS = range(5)


class Segment(nn.Module):
    """The generator {a} × [0, 1]."""

    latent = 1

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(1.5))

    def forward(self, z: Tensor) -> Tensor:
        return torch.cat([self.a.expand(len(z), 1), torch.sigmoid(z)], 1)


def segment(seed: int, n: int = 32) -> Iterator[tuple[Tensor, ...]]:
    """Endless batches of the data {0} × [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield (torch.cat([torch.zeros(n, 1), torch.sigmoid(torch.randn(n, 1, generator=generator))], 1),)


def distance(objective: Objective, sigma: float, seed: int, steps: int = 600) -> float:
    """Where the generator's segment is in the end."""
    torch.manual_seed(seed)
    learn = {"critic": partial(adam, lr=5e-3), "generator": partial(adam, lr=5e-3)}
    game = GAN(Segment(), MLPCritic((2,), width=16, depth=2), objective, critic_steps=3, **learn)
    wrapped: Game = InstanceNoise(game, sigma, steps) if sigma else game
    for _ in train(wrapped, segment(seed), steps, seed=seed):
        continue
    return game.G.a.item()


class Place(nn.Module):
    """The model: everything at θ."""

    latent = 1

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.ones(1))

    def forward(self, z: Tensor) -> Tensor:
        return self.theta.expand(len(z), 1)


class Slope(nn.Module):
    """The critic ψx."""

    def __init__(self) -> None:
        super().__init__()
        self.psi = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.psi).squeeze(1)


def circle(gamma: float, steps: int = 300) -> float:
    """How far from the equilibrium (0, 0) the two players end, from √2."""
    descend = partial(torch.optim.SGD, lr=0.2)
    learn = {name: lambda network: descend(network.parameters()) for name in ("critic", "generator")}
    game = GAN(Place(), Slope(), Minimax(), **learn)
    wrapped: Game = R1(game, gamma) if gamma else game
    for _ in train(wrapped, iter(lambda: (torch.zeros(1, 1),), None), steps):
        continue
    return torch.cat([game.G.theta, game.D.psi]).norm().item()


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    torch.set_num_threads(1)
    supports = {
        f"{type(objective).__name__}, noise {sigma:g}": [round(distance(objective, sigma, seed), 4) for seed in SEEDS]
        for objective in (Minimax(), NonSaturating())
        for sigma in (0.0, 1.0)
    }
    circles = {f"gamma {gamma:g}": circle(gamma) for gamma in (0.0, 0.25, 1.0)}
    for name, values in [*supports.items(), *circles.items()]:
        print(name, values)
    record = {
        **records.head(seeds=SEEDS),
        "supports: a after 600 rounds, from 1.5, over 5 seeds": supports,
        "circles: distance from (0, 0) after 300 rounds, from 1.41": circles,
    }
    records.write(OUT, record)
