"""Photographs and small pyramids for the tests of SinGAN."""

import numpy as np
import torch
from PIL import Image

from sparring.recipes.singan import singan
from sparring.training.trainer import train
from support.runs import PHOTO


def count(network):
    return sum(weight.numel() for weight in network.parameters())


PIXELS = np.array(Image.open(PHOTO["data"]))


X = torch.from_numpy(PIXELS).permute(2, 0, 1)[None].float() / 127.5 - 1  # (1, 3, 16, 24)


def photographs(x=X):
    while True:
        yield (x.clone(),)


def small(seed=0, shape=(3, 16, 24), **settings):
    torch.manual_seed(seed)
    return singan(shape, **{"width": 4, "smallest": 11, "rounds": 2, **settings})


def trained(steps, **settings):
    game = small(**settings)
    for _ in train(game, photographs(), steps):
        pass
    return game
