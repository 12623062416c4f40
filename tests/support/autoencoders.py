"""Images and toy networks for the tests of games with encoders."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from sparring.game import adam
from sparring.recipes.options import Networks

SHAPE = (1, 8, 8)


SMALL = Networks(latent=3, width=4)


learn = partial(adam, lr=0.01)


def images(n=4, shape=SHAPE):
    generator = torch.Generator().manual_seed(0)
    while True:
        yield (torch.rand(n, *shape, generator=generator) * 2 - 1,)


def only_turn(game, data=None, step=0):
    """The simultaneous moves of a round that has one turn, by player."""
    (turn,) = game.round(images() if data is None else data, step)
    return {move.player: move for move in (turn if isinstance(turn, tuple) else (turn,))}


def reached(term, game):
    """The networks whose parameters a term sends gradient to."""
    named = [(name, p) for name, p in game.named_parameters() if p.requires_grad]
    gradients = torch.autograd.grad(term, [p for _, p in named], retain_graph=True, allow_unused=True)
    return {name.split(".")[0] for (name, _), g in zip(named, gradients, strict=True) if g is not None and g.any()}


class Constant(nn.Module):
    """Says the same of every row; the parameter makes it somebody's."""

    def __init__(self, *values: float, latent: int = 2, features: tuple[float, ...] = (0.0,)) -> None:
        super().__init__()
        self.latent = latent
        self.values = nn.Parameter(torch.tensor(values, dtype=torch.float64))
        self.seen = nn.Parameter(torch.tensor(features, dtype=torch.float64))

    def forward(self, x, *given):
        rows = self.values.expand(len(x), -1)
        return rows[:, 0] if len(self.values) == 1 else rows

    def features(self, x):
        return x.flatten(1).sum(1, keepdim=True) * self.seen


ROWS = torch.tensor([[1.0, 3.0], [1.0, 3.0]], dtype=torch.float64)
