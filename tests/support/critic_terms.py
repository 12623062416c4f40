"""Small critics and games for the tests of terms of the critic."""

import torch
from torch import nn

from sparring.game import Game, Move
from sparring.games.gan import GAN
from sparring.layers.spectral import spectral
from sparring.objectives import NonSaturating
from sparring.rng import turn_rng
from sparring.wrappers.augmentation import AdaptiveAugmentation
from support.toys import LinearCritic, Point, batches, learn


def gan(weight=(3.0, 4.0), start=0.0, spread=0.1, **settings):
    return GAN(Point(start, spread), LinearCritic(weight), NonSaturating(), **learn, **settings)


def moves(game, data=None, step=0, seed=0):
    """Plays a round that updates nobody and returns the moves."""
    with turn_rng(seed, step, 0):
        return list(game.round(batches() if data is None else data, step))


class Alone(Game):
    """A game with nothing but a network."""

    names = ()

    def __init__(self, *names):
        super().__init__()
        self.D, self.E, self.names = LinearCritic((1.0, 1.0)), LinearCritic(), names

    def players(self):
        return {"D": learn["critic"](self.D)}

    def critic_networks(self):
        return self.names

    def round(self, data, step):
        x, *_ = next(data)
        yield Move("D", fit=self.D(x).mean())


class Image(nn.Module):
    """A generator of images of one colour each, and a bit of noise."""

    def __init__(self, channels=1):
        super().__init__()
        self.latent, self.shape = 3, (channels, 8, 8)
        self.body = nn.Linear(3, channels * 64)

    def forward(self, z):
        return self.body(z).view(-1, *self.shape).tanh()


def eye(norm=nn.Identity):
    return nn.Sequential(
        spectral(nn.Conv2d(1, 4, 3, padding=1)),
        norm(4),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(256, 1),
        nn.Flatten(0),
    )


def pictures(n=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield (torch.rand(n, 1, 8, 8, generator=generator) * 2 - 1,)


class Scaled(nn.Module):
    """A transform of points: a random factor of each coordinate, and a buffer p, as the pipe has."""

    def __init__(self):
        super().__init__()
        self.register_buffer("p", torch.tensor(0.0))

    def forward(self, x):
        return x * (1 + self.p * torch.rand_like(x))


class Sure(nn.Module):
    """A critic that scores everything alike, and counts its passes in a buffer."""

    def __init__(self, score):
        super().__init__()
        self.c = nn.Parameter(torch.tensor(score))
        self.register_buffer("passes", torch.tensor(0))

    def forward(self, x):
        self.passes += 1
        return self.c + 0 * x[:, 0]


def adaptive(score, p=0.0, **settings):
    def transform():
        made = Scaled()
        made.p.fill_(p)
        return made

    return AdaptiveAugmentation(GAN(Point(), Sure(score), NonSaturating(), **learn), transform, **settings)
