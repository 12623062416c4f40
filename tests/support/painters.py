"""Label maps, small painters and stub critics for the tests of GauGAN."""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from sparring.game import adam
from sparring.games.gaugan import GauGAN
from sparring.recipes.pix2pix_gaugan import Painters, gaugan
from sparring.training.trainer import update

SHAPE, REGIONS = (3, 16, 16), 3


TINY = Painters(latent=5, width=4, hidden=4, gain=1.0)


LEARN = {"critic": partial(adam, lr=1e-3), "generator": partial(adam, lr=1e-3)}


def mapped(n=4, shape=SHAPE, regions=REGIONS):
    """Endless random images with random label maps, some of whose places are unknown."""
    generator = torch.Generator().manual_seed(0)
    while True:
        x = torch.randn(n, *shape, generator=generator).clamp(-1, 1)
        yield x, torch.randint(regions + 1, (n, *shape[1:]), generator=generator)


def small(shape=SHAPE, **settings) -> GauGAN:
    torch.manual_seed(0)
    known = {field: settings.pop(field) for field in Painters.__dataclass_fields__ if field in settings}
    return gaugan(shape, REGIONS, networks=replace(TINY, **known), **settings)


# --- the terms


class Stub(nn.Module):
    """A network with a given answer; its one parameter gets a gradient of zero. It remembers what it was shown."""

    def __init__(self, answer, latent=4, multiple=1):
        super().__init__()
        self.weight, self.answer, self.latent, self.multiple = nn.Parameter(torch.zeros(())), answer, latent, multiple
        self.shown: list[tuple[Tensor, ...]] = []

    def forward(self, *given):
        self.shown.append(given)
        answer = self.answer(*given)
        if isinstance(answer, list):
            return [[each + 0 * self.weight for each in scale] for scale in answer]
        return answer + 0 * self.weight


def painter(value=0.0):
    return Stub(lambda m, *z: torch.full((len(m), 3, *m.shape[2:]), value))


def encoder(mean=0.0, log_variance=0.0):
    return Stub(lambda x: torch.cat([torch.full((len(x), 4), mean), torch.full((len(x), 4), log_variance)], 1))


def scales(*answers):
    """D whose every scale answers a feature map and scores."""
    return Stub(lambda x, m: [[feature(x), score(x)] for feature, score in answers])


def flat(value):
    return lambda x: torch.full((len(x), 1, 2, 2), value)


def by_hand(D, E=None, G=None, **settings):
    """The terms of a round between stubs; real images are −1, and fakes 0 unless told."""
    game = GauGAN(G or painter(), D, encoder() if E is None else E, regions=REGIONS, **LEARN, **settings)
    data = iter([(torch.full((2, *SHAPE), -1.0), torch.zeros(2, 16, 16, dtype=torch.long))] * 9)
    return [(move.player, {name: term.item() for name, term in move.terms.items()}) for move in game.round(data, 0)]


# --- whose gradient


def touched(game, move):
    before = {name: parameter.detach().clone() for name, parameter in game.named_parameters()}
    update(move, game.players())
    return {name.split(".")[0] for name, p in game.named_parameters() if not torch.equal(p, before[name])}
