"""Generators with fixed samples, for the tests of evaluation."""

import numpy as np
import pytest
import torch
from torch import nn

from sparring import data
from sparring.data import Dataset
from sparring.game import Game
from sparring.metrics import ModuleExtractor


class Fixed(Game):
    """Samples rows of a set in place of learning anything."""

    def __init__(self, rows):
        super().__init__()
        self.rows = nn.Parameter(rows, requires_grad=False)

    def players(self):
        return {}

    def round(self, batches, step):
        yield

    def noise(self, n):
        from sparring.rng import rand

        return rand(n, 1)

    def sample(self, n, *, noise=None):
        assert not torch.is_grad_enabled()
        noise = self.noise(n) if noise is None else noise
        return self.rows[(noise[:, 0] * len(self.rows)).long()]


def images(n=400, seed=0, level=128):
    rng = np.random.default_rng(seed)
    values = rng.normal(level, 20, (n, 8, 8, 1)).clip(0, 255).astype(np.uint8)
    return Dataset("squares", values)


pixels = ModuleExtractor(nn.Flatten(), "pixels")


def values(scores):
    return {score.name: score.value for score in scores}


@pytest.fixture(scope="module")
def ring():
    return data.load("ring")
