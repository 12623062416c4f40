"""Labelled batches and toy networks for the tests of conditional games."""

import torch

from sparring.recipes.sagan_biggan import sagan

SHAPE, CLASSES = (1, 8, 8), 3


def labelled(shape=SHAPE, n=4, classes=CLASSES):
    generator = torch.Generator().manual_seed(0)
    while True:
        x = torch.randn(n, *shape, generator=generator).clamp(-1, 1)
        yield (x, torch.randint(classes, (n,), generator=generator)) if classes else (x,)


def small(classes=CLASSES, shape=SHAPE, **settings):
    torch.manual_seed(0)
    return sagan(shape, classes, latent=6, width=4, **settings)
