"""The recipes of pictures that are made of other pictures: pairs of them, and photographs of label maps."""

from __future__ import annotations

from typing import Literal

import torch

from sparring.errors import DataError
from sparring.games.gaugan import GauGAN
from sparring.layers.norm import Norm
from sparring.layers.spade import bare_batch_norm, bare_instance_norm
from sparring.networks.roles import Shape
from sparring.networks.spade import MultiScaleCritic, SPADEGenerator, StyleEncoder
from sparring.recipes.settings import Adam, channels_last

BARE: dict[str, Norm] = {"batch": bare_batch_norm, "instance": bare_instance_norm}
REDUCTIONS = {"sum": torch.sum, "mean": torch.mean}
LARGE = 128  # pixels, from which on the critic has the paper's four layers; three below


def gaugan(
    shape: Shape,
    regions: int = 0,
    *,
    style: bool = True,
    style_norm: bool = True,
    norm: Literal["batch", "instance"] = "batch",
    latent: int = 256,
    width: int = 64,
    hidden: int = 128,
    scales: int = 2,
    layers: int | None = None,
    gain: float = 0.02,
    matching: float = 10.0,
    divergence: float = 0.05,
    reduction: Literal["sum", "mean"] = "sum",
    critic_steps: int = 1,
    critic: Adam = Adam(4e-4, (0.0, 0.9)),
    generator: Adam = Adam(1e-4, (0.0, 0.9)),
) -> GauGAN:
    """GauGAN: paints label maps in the style of a photograph (Park et al., 2019); learns from images with label maps.

    Args:
        shape: (C, H, W) of the images, square, a power of two from 8 to 512.
        regions: Classes of the label maps.
        style: Whether there are styles; without any a map has one picture.
        style_norm: Instance norm in the encoder of styles, as in the paper. It takes away the mean colour of an image:
            leave it out where colours are most of the style.
        norm: What SPADE normalises by; instance for batches of four or fewer.
        latent: Coordinates of a style.
        width: Channels of the largest feature map of each network.
        hidden: Channels in which a SPADE layer reads the label map.
        scales: How many sizes of an image the critic looks at.
        layers: Of the critic before its scores; 4 in the paper, 3 for images below 128 pixels unless told.
        gain: Of the initialisation.
        matching: Weight of feature matching.
        divergence: Weight of the divergence of styles from N(0, I).
        reduction: Of that divergence over a batch: sum as in the authors' code, or mean.
        critic_steps: Moves of the critic in a round.
        critic: How the critic learns.
        generator: How the generator and the encoder learn.

    Raises:
        DataError: If the data has no label maps.
    """
    if not regions:
        raise DataError(
            "GauGAN needs a label map with each image: give pairs of images and label maps, see docs/paint.md."
        )
    depth = layers or (4 if shape[1] >= LARGE else 3)
    G = SPADEGenerator(shape, regions + 1, latent if style else None, width, hidden, BARE[norm], gain)
    E = StyleEncoder(shape, latent, width, style_norm, gain) if style else None
    return GauGAN(
        channels_last(G),
        channels_last(MultiScaleCritic(shape[0] + regions + 1, scales, depth, width, gain)),
        E and channels_last(E),
        regions=regions,
        matching=matching,
        divergence=divergence,
        reduction=REDUCTIONS[reduction],
        critic_steps=critic_steps,
        critic=critic,
        generator=generator,
    )
