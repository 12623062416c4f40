"""Recipes of systems with an encoder, by which images are reconstructed, interpolated and edited."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from sparring.game import evaluation_mode
from sparring.games.bigan import ALI, BiGAN
from sparring.games.latent_regressor import LatentRegressor
from sparring.games.vae import VAE
from sparring.games.vaegan import VAEGAN
from sparring.networks.common.base import Shape
from sparring.networks.common.encoders import (
    DCGANEncoder,
    DCGANJointCritic,
    InjectedGenerator,
    MLPEncoder,
    MLPJointCritic,
)
from sparring.networks.dcgan import DCGANGenerator
from sparring.objectives import NonSaturating
from sparring.objectives.variational import bernoulli, gaussian
from sparring.recipes.options import BATCH_NORM, Adam, Networks, RMSprop, channels_last

SMALL = 32  # side in pixels up to which BiGAN is the permutation-invariant one of its experiments on MNIST


def vae(
    shape: Shape,
    *,
    networks: Networks = Networks(),
    autoencoder: Adam = Adam(1e-3, betas=(0.9, 0.999)),
    likelihood: Literal["gaussian", "bernoulli"] = "gaussian",
    deviation: float | None = None,
    beta: float = 1.0,
    warm_up: int = 0,
) -> VAE:
    """Variational autoencoder (Kingma & Welling, 2014): one player; a baseline for models with an encoder.

    Args:
        shape: (2,) for points or (C, H, W) for images.
        networks: Kind of the decoder; the encoder is convolutional where it is, else a perceptron.
        autoencoder: How encoder and decoder learn.
        likelihood: Of the data around a reconstruction; bernoulli is for images that are almost black and white.
        deviation: σ of the gaussian likelihood, on the scale of the data. Default: .5 for images and .1 for points.
        beta: Weight of the prior; above 1 the codes get more orderly and the images more blurred.
        warm_up: Steps over which that weight rises from 0.
    """
    G, _ = networks.pair(shape, BATCH_NORM, latent=32)
    sigma = deviation or (0.5 if len(shape) == 3 else 0.1)
    chosen = gaussian(sigma) if likelihood == "gaussian" else bernoulli
    E = _encoder(G, shape, 2 * _latent(G), networks.width)
    return VAE(E, G, chosen, autoencoder=autoencoder, beta=beta, warm_up=warm_up)


def vae_gan(
    shape: Shape,
    *,
    networks: Networks = Networks(),
    encoder: RMSprop = RMSprop(3e-4),
    generator: RMSprop = RMSprop(3e-4),
    critic: RMSprop = RMSprop(1e-4),
    likeness: float = 10.0,
    judge_reconstructions: bool = True,
    equilibrium: float | None = None,
    margin: float = 0.35,
) -> VAEGAN:
    """VAE-GAN (Larsen et al., 2016): an autoencoder whose reconstruction error is taken in a critic's features.

    Args:
        shape: (2,) for points or (C, H, W) for images.
        networks: Kind and size of the networks; the encoder is convolutional where the generator is, else a perceptron.
        encoder: Optimiser of E.
        generator: Optimiser of G.
        critic: Optimiser of D; slower than the others, since a D that wins makes all features differ.
        likeness: Weight of the reconstruction error in G's loss, times the number of features; γ in the paper is this
            divided by that number.
        judge_reconstructions: Let D score reconstructions as well, as in the paper; its code for faces does not.
        equilibrium: D or G does not move where its cross-entropy is too far from this; .68 in the authors' code.
            It cannot be combined with gradient accumulation. Default: none.
        margin: Largest distance of the cross-entropies from it.
    """
    G, D = networks.pair(shape, BATCH_NORM, latent=128)
    E = _encoder(G, shape, 2 * _latent(G), networks.width)
    return VAEGAN(
        E,
        G,
        D,
        encoder=encoder,
        generator=generator,
        critic=critic,
        gamma=likeness / _features(D, shape),
        judge_reconstructions=judge_reconstructions,
        equilibrium=equilibrium,
        margin=margin,
    )


def bigan(
    shape: Shape,
    *,
    networks: Networks = Networks(),
    stochastic: bool = False,
    critic: Adam = Adam(),
    generator: Adam = Adam(),
) -> BiGAN:
    """BiGAN (Donahue et al., 2017), or ALI (Dumoulin et al., 2017): a critic of pairs, whose optimum has E invert G.

    Args:
        shape: (2,) for points or (C, H, W) for images.
        networks: Perceptrons (toy, mlp) or convolutions (the others). Default: the former up to 32 × 32.
        stochastic: Let the encoder draw its codes, as ALI's does.
        critic: Optimiser of D.
        generator: How E and G learn.
    """
    small = len(shape) != 3 or max(shape[1:]) <= SMALL
    dense = small if networks.network is None else networks.network in ("toy", "mlp")
    latent = networks.latent or (50 if len(shape) == 3 else 2)
    outputs, width = 2 * latent if stochastic else latent, {} if networks.width is None else {"width": networks.width}
    E: nn.Module = MLPEncoder(shape, outputs, **width) if dense else DCGANEncoder(shape, outputs, **width)
    G: nn.Module = InjectedGenerator(shape, latent, **width) if dense else DCGANGenerator(shape, latent, **width)
    D: nn.Module = MLPJointCritic(shape, latent, **width) if dense else DCGANJointCritic(shape, latent, **width)
    game = ALI if stochastic else BiGAN
    return game(channels_last(E), channels_last(G), channels_last(D), critic=critic, generator=generator)


def latent_regressor(
    shape: Shape,
    *,
    networks: Networks = Networks(),
    critic: Adam = Adam(),
    generator: Adam = Adam(),
    encoder: Adam = Adam(),
    joint: float = 0.0,
) -> LatentRegressor:
    """The non-saturating GAN with an encoder that learns the codes of its samples (Donahue et al., 2017, section 4).

    Args:
        shape: (2,) for points or (C, H, W) for images.
        networks: Kind and size of the networks; the encoder is convolutional where the generator is, else a perceptron.
        critic: Optimiser of D.
        generator: Optimiser of G.
        encoder: Optimiser of E.
        joint: Weight of E's error in G's loss; 0.25 is the joint regressor of the authors' code.
    """
    G, D = networks.pair(shape, BATCH_NORM)
    E = _encoder(G, shape, _latent(G), networks.width)
    objective = NonSaturating()
    return LatentRegressor(E, G, D, objective, joint=joint, critic=critic, generator=generator, encoder=encoder)


def encoder_for(shape: Shape, outputs: int, network: Literal["mlp", "dcgan"] | None, width: int | None) -> nn.Module:
    """Return an encoder of data of a shape. Default: convolutional for images.

    Args:
        shape: (2,) for points or (C, H, W) for images.
        outputs: Numbers a row.
        network: Its kind.
        width: Units or channels. Default: the kind's own.
    """
    dense = network == "mlp" or (network is None and len(shape) != 3)
    given = {} if width is None else {"width": width}
    return MLPEncoder(shape, outputs, **given) if dense else channels_last(DCGANEncoder(shape, outputs, **given))


def _encoder(G: nn.Module, shape: Shape, outputs: int, width: int | None) -> nn.Module:
    """Return an encoder of the generator's kind."""
    convolves = any(isinstance(layer, nn.ConvTranspose2d | nn.Conv2d) for layer in G.modules())
    return encoder_for(shape, outputs, "dcgan" if convolves else "mlp", width)


def _latent(G: nn.Module) -> int:
    return G.latent  # type: ignore[return-value]


def _features(D: nn.Module, shape: Shape) -> int:
    """Return the number of features of a critic."""
    with evaluation_mode(D):
        features: int = D.features(torch.zeros(1, *shape)).shape[1]  # type: ignore[operator]
        return features
