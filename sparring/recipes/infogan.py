"""The recipe of InfoGAN."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from sparring.games.common.latent_codes import LatentCodes
from sparring.games.infogan import InfoGAN, InfoGANQWithG, InfoGANSeparateQ
from sparring.networks.common.base import Shape
from sparring.networks.common.code_reader import CodeReader
from sparring.networks.common.heads import head_features, widen_outputs
from sparring.objectives import NonSaturating
from sparring.recipes.options import BATCH_NORM, Adam, Network, Networks

SMALL = 32  # side in pixels up to which the networks are those of the experiment on MNIST; dense layers grow with it
Owner = Literal["critic", "generator", "itself"]
_GAMES: dict[Owner, type[InfoGAN]] = {"critic": InfoGAN, "generator": InfoGANQWithG, "itself": InfoGANSeparateQ}


def infogan(
    shape: Shape,
    *,
    categories: tuple[int, ...] | None = None,
    continuous: int | None = None,
    categorical_weight: float = 1.0,
    continuous_weight: float = 0.1,
    owner: Owner = "critic",
    networks: Networks = Networks(),
    critic: Adam = Adam(),
    generator: Adam = Adam(1e-3),
) -> InfoGAN:
    """InfoGAN (Chen et al., 2016): learns interpretable latent codes without labels.

    The settings are those of the MNIST experiment, with normal z, and a predicted variance of the continuous codes.

    Args:
        shape: (2,) for points or (C, H, W) for images.
        categories: Values of each categorical code. Default: one code of 10 for images and of 8 for points.
        continuous: Number of continuous codes, on [-1, 1]. Default: 2 for images and 1 for points.
        categorical_weight: λ_d, the weight of the information on the categorical codes.
        continuous_weight: λ_c, that of the continuous codes.
        owner: Whose optimiser moves Q, which reads the codes: the critic's, as in the authors' code; the generator's;
            or its own, which moves the critic's trunk and the generator as well.
        networks: Kind and size of the networks. Default: 62 coordinates of z for images, and up to
            32 × 32 the paper's networks, whose critic ends in a dense layer, so that codes depend on whole images.
        critic: Optimiser of D.
        generator: Optimiser of G.
    """
    images = len(shape) == 3
    several = (10 if images else 8,) if categories is None else categories
    codes = LatentCodes(tuple(several), (2 if images else 1) if continuous is None else continuous)
    latent = networks.latent or (62 if images else 2)
    known: Network = "infogan" if images and max(shape[1:]) <= SMALL else "dcgan"
    G, D = replace(networks, latent=latent + codes.size).pair(shape, BATCH_NORM, images=known)
    return _GAMES[owner](
        G,
        widen_outputs(D, 1),  # a head that reads flattened features, as Q does
        CodeReader(head_features(D), codes.num_outputs),
        NonSaturating(),
        codes,
        categorical=categorical_weight,
        continuous=continuous_weight,
        critic=critic,
        generator=generator,
    )
