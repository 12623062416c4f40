"""The recipe of conditional GANs, by five designs of the critic."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, cast

from torch import nn

from sparring.errors import DataError
from sparring.games.cgan import AuxiliaryGAN, MatchingGAN, SeparateGAN
from sparring.games.conditional import ConditionalGAN
from sparring.layers.init import normal
from sparring.layers.spectral import spectral
from sparring.networks.common.base import Critic, Generator, Shape
from sparring.networks.common.conditional import ConcatCritic, ConcatGenerator, TwoHeadCritic, concat_shape
from sparring.networks.common.heads import head_features, widen_outputs
from sparring.networks.common.stages import ProjectionCritic
from sparring.objectives import Hinge, NonSaturating
from sparring.recipes.options import Adam, AdamOverrides, CriticConstraint, Networks, channels_last

Design = Literal["joint", "matching", "separate", "projection", "auxiliary"]
FREE = CriticConstraint(nn.Identity, bias=True)  # batch norm would expose a batch of wrong pairs
_GAMES: dict[Design, type[ConditionalGAN]] = {
    "joint": ConditionalGAN,
    "matching": MatchingGAN,
    "separate": SeparateGAN,
    "projection": ConditionalGAN,
    "auxiliary": AuxiliaryGAN,
}


def cgan(
    shape: Shape,
    classes: int | None = None,
    *,
    design: Design = "matching",
    networks: Networks = Networks(),
    critic: AdamOverrides = AdamOverrides(),
    generator: AdamOverrides = AdamOverrides(),
    critic_steps: int = 1,
) -> ConditionalGAN:
    """Conditional GAN (Mirza & Osindero, 2014): samples of given classes; needs labelled data.

    Args:
        shape: (2,) for points or (C, H, W) for images.
        classes: Number of classes, at least 1; 2 for designs with wrong labels.
        design: How D takes the class. joint: beside the image; matching: beside it, and wrong labels are fakes
            (Reed et al., 2016); separate: "real?" and "matches?" are two scores (Zhang et al., 2019); projection: by
            an inner product with its features, hinge and spectral norm (Miyato & Koyama, 2018); auxiliary: not at all,
            it classifies the image (Odena et al., 2017).
        networks: Kind and size of the networks; G gets the class beside its noise.
        critic: Optimiser of D. Default: Adam at 2e-4 with betas .5 and .999, or 0 and .9 for projection.
        generator: Optimiser of G. Default: the same.
        critic_steps: Moves of D for each move of G.

    Raises:
        DataError: If the data has no labels.
    """
    if not classes:
        raise DataError(
            "A conditional GAN needs labels: put each class into a folder of its own, or use nsgan without labels."
        )
    noise = networks.latent or (100 if len(shape) == 3 else 2)
    G, _ = replace(networks, latent=noise + classes).pair(shape, FREE)
    published = Adam(betas=(0.0, 0.9)) if design == "projection" else Adam()
    return _GAMES[design](
        ConcatGenerator(cast(Generator, G), classes),
        channels_last(_critic(design, shape, classes, networks)),
        Hinge() if design == "projection" else NonSaturating(),
        classes=classes,
        critic_steps=critic_steps,
        critic=critic.resolve(published),
        generator=generator.resolve(published),
    )


def _critic(design: Design, shape: Shape, classes: int, networks: Networks) -> nn.Module:
    if design in ("joint", "matching"):
        return ConcatCritic(cast(Critic, networks.pair(concat_shape(shape, classes), FREE)[1]), classes)
    D = cast(Critic, networks.pair(shape, FREE)[1])
    if design == "separate":
        return TwoHeadCritic(D, head_features(D), classes)
    if design == "auxiliary":
        return widen_outputs(D, 1 + classes)
    projecting = ProjectionCritic(shape, nn.Sequential(D.trunk, nn.Flatten()), head_features(D), classes)
    projecting.head.apply(normal(0.02))
    return spectral(projecting)
