"""Differentiable augmentations of a critic's inputs, drawn anew for each sample at each call.

    `DiffAugment`     always on: colour, translation, cutout                   Zhao et al. (2020)
    `AdaptiveAugment`    on with probability p, which a wrapper moves             Karras et al. (2020)
    `flip_and_shift`  what consistency regularisation compares an image with   Zhang et al. (2020)

They map images (N, C, H, W) in [−1, 1] to images of the same shape, are differentiable to any order in the images, so
that penalties on slopes work through them, and draw from torch's global generators on the device of the images.
"""

from sparring.augment.ada import AdaptiveAugment, blitting, colours, geometry
from sparring.augment.diffaugment import DiffAugment, colour, cutout, translation
from sparring.augment.pixels import flip_and_shift

__all__ = [
    "AdaptiveAugment",
    "DiffAugment",
    "blitting",
    "colour",
    "colours",
    "cutout",
    "flip_and_shift",
    "geometry",
    "translation",
]
