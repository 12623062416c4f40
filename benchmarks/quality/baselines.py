"""Baselines of RealnessGAN on the mixture of nine Gaussians: the same networks, noise and rates in other games.

Every recipe here uses the networks of `sparring.recipes.realness` for points (four layers of 400 batch-normalised ReLU
against three of 200 maxout units with 5 pieces, torch's default weights), with a critic of one output.
"""

from __future__ import annotations

from benchmarks.twins import Flipped
from sparring.games.gan import GAN
from sparring.games.wgan import WGANGP
from sparring.layers.init import gamma_normal
from sparring.networks import AliToyCritic, AliToyGenerator
from sparring.networks.common.base import Shape
from sparring.objectives import Hinge, LeastSquares, NonSaturating, Objective
from sparring.recipes.options import Adam
from sparring.recipes.realness import realness

ADAM = Adam(1e-4, (0.8, 0.999))


def _pair(shape: Shape, latent: int) -> tuple[AliToyGenerator, AliToyCritic]:
    return AliToyGenerator(shape, latent, init=gamma_normal()), AliToyCritic(shape, init=gamma_normal())


def _gan(shape: Shape, latent: int, objective: Objective) -> GAN:
    return GAN(*_pair(shape, latent), objective, critic=ADAM, generator=ADAM)


def nsgan(shape: Shape, *, latent: int = 128) -> GAN:
    """The non-saturating GAN, "Std-GAN" in the paper."""
    return _gan(shape, latent, NonSaturating())


def lsgan(shape: Shape, *, latent: int = 128) -> GAN:
    """Least squares GAN with targets 0, 1 and 1."""
    return _gan(shape, latent, LeastSquares())


def hinge(shape: Shape, *, latent: int = 128) -> GAN:
    """The hinge game; D is not normalised, as none of the others is."""
    return _gan(shape, latent, Hinge())


def wgan_gp(shape: Shape, *, latent: int = 128, penalty: float = 10.0, critic_steps: int = 1) -> WGANGP:
    """WGAN-GP with one move of D a round, as all the others have it."""
    settings = {"penalty": penalty, "critic_steps": critic_steps, "critic": ADAM, "generator": ADAM}
    return WGANGP(*_pair(shape, latent), **settings)


def flipped(shape: Shape, *, latent: int = 128) -> Flipped:
    """RealnessGAN's broken twin: the sign of G's loss is reversed."""
    return Flipped(realness(shape, latent=latent))
