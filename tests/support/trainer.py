"""Games and helpers for the tests of the trainer."""

import torch
from torch import nn

from sparring.game import Game, Move
from support.toys import learn


class Wide(nn.Sequential):
    latent = 4


def wide_game(game, **settings):
    torch.manual_seed(0)
    G = Wide(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
    D = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(), nn.Linear(32, 1), nn.Flatten(0))
    return game(G, D, **learn, **settings)


class Saddle(Game):
    """min over x, max over y of xy, by plain gradient steps of size 0.1, one after another or at once."""

    def __init__(self, simultaneous):
        super().__init__()
        self.x, self.y = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        nn.init.ones_(self.x.weight)
        nn.init.ones_(self.y.weight)
        self.simultaneous = simultaneous

    def players(self):
        return {name: torch.optim.SGD(getattr(self, name).parameters(), lr=0.1) for name in ("x", "y")}

    def round(self, data, step):
        if self.simultaneous:
            value = (self.x.weight * self.y.weight).sum()
            yield Move("x", value=value), Move("y", value=-value)
        else:
            yield Move("x", value=(self.x.weight * self.y.weight).sum())
            yield Move("y", value=-(self.x.weight * self.y.weight).sum())

    def lr_scale(self, step):
        return 0.5 if step else 1.0
