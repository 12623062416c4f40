"""Unpaired batches, small translators and stub networks for the tests of two-domain games."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from sparring.game import adam
from sparring.games.common.two_domain import ImagePool
from sparring.games.cyclegan import CycleGAN
from sparring.games.nicegan import NICEGAN
from sparring.recipes.cyclegan_nicegan import cyclegan, ganilla, nicegan

SHAPE = (3, 32, 32)


learn = partial(adam, lr=0.01)


def batches(n=2, shape=SHAPE):
    generator = torch.Generator().manual_seed(0)
    while True:
        yield tuple(torch.rand(n, *shape, generator=generator) * 2 - 1 for _ in "AB")


def small(recipe, **settings):
    torch.manual_seed(0)
    return recipe(SHAPE, SHAPE, width=4, blocks=1, **settings)


RECIPES = {"cyclegan": cyclegan, "ganilla": ganilla, "nicegan": nicegan}


def moves(game, data=None, step=0):
    """The moves of a round by player, none of them made."""
    return {move.player: move for move in game.round(data or batches(), step)}


# values, sheet 3.3


class Shifted(nn.Module):
    """G(x) = x + c."""

    def __init__(self, shift=0.0):
        super().__init__()
        self.shift = nn.Parameter(torch.tensor(shift))

    def forward(self, x):
        return x + self.shift


class Says(nn.Module):
    """D(x) = c, at four patches; as an encoder, the image itself."""

    def __init__(self, score=0.25, scores=1):
        super().__init__()
        self.score, self.scores = nn.Parameter(torch.tensor(score)), scores

    def encode(self, x):
        return x

    def forward(self, x):
        patches = self.score.expand(len(x), 1, 2, 2)
        return patches if self.scores == 1 else (patches,) * self.scores


def constant(a=0.0, b=0.5):
    while True:
        yield torch.full((2, *SHAPE), a), torch.full((2, *SHAPE), b)


def stubbed(ab=0.0, ba=0.0, **settings):
    pools = ImagePool(2, SHAPE), ImagePool(2, SHAPE)
    learning = {"critic": learn, "generator": learn}
    return CycleGAN(Shifted(ab), Shifted(ba), Says(), Says(), pools=pools, **learning, **settings)


def near(value):
    return pytest.approx(value, abs=1e-5)


def reached(term, game):
    """The networks whose parameters a term sends gradient to."""
    named = [(name, p) for name, p in game.named_parameters() if p.requires_grad]
    gradients = torch.autograd.grad(term, [p for _, p in named], retain_graph=True, allow_unused=True)
    depth = 2 if isinstance(game, NICEGAN) else 1
    places = [
        ".".join(name.split(".")[:depth]) if name.startswith("D") else name.split(".")[0]
        for (name, _), g in zip(named, gradients, strict=True)
        if g is not None and g.any()
    ]
    return set(places)
