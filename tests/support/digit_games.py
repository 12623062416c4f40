"""Games that sample from digits, for the tests of metrics."""

import pytest
from torch import nn

from sparring import data
from sparring.game import Game
from sparring.metrics import train_extractor


class Shows(Game):
    """Samples given images, in the order of its noise, which is uniform; knows their classes if it is told."""

    def __init__(self, rows, classes=None):
        super().__init__()
        self.rows, self.classes = nn.Parameter(rows, requires_grad=False), classes

    def players(self):
        return {}

    def round(self, batches, step):
        yield

    def noise(self, n):
        from sparring.rng import rand

        return rand(n, 1)

    def _chosen(self, noise):
        return (noise[:, 0].clamp(0, 1 - 1e-6) * len(self.rows)).long()

    def sample(self, n, *, noise=None):
        return self.rows[self._chosen(self.noise(n) if noise is None else noise)]

    def class_of(self, noise):
        return None if self.classes is None else self.classes[self._chosen(noise)]


@pytest.fixture(scope="module")
def parts():
    return data.load("digits", size=8).split(0.4)


@pytest.fixture(scope="module")
def judge(parts):
    return train_extractor(parts[0], steps=150, side=8)
