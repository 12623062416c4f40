"""Labelled batches and small networks for the tests of BigGAN."""

import torch

from sparring.games.biggan import BigGAN
from sparring.recipes.sagan_biggan import biggan

SHAPE, CLASSES = (1, 8, 8), 3


def small(classes=CLASSES, shape=SHAPE, **settings) -> BigGAN:
    torch.manual_seed(0)
    return biggan(shape, classes, latent=9, width=2, **settings)
