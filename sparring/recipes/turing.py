"""Recipes of the Turing games."""

from __future__ import annotations

from typing import Literal

from torch import nn

from sparring.games.turing import TuringGAN
from sparring.layers.spectral import spectral, stateless_spectral
from sparring.networks import AliToyGenerator
from sparring.networks.common.base import Shape
from sparring.networks.turing import TuringCritic, TuringEncoder, TuringGenerator, TuringPointEncoder
from sparring.objectives import Hinge, LeastSquares, NonSaturating, Objective, Wasserstein
from sparring.objectives.f_divergences import DIVERGENCES, FGAN
from sparring.recipes.options import Adam, channels_last

Normalisation = Literal["stateless", "spectral", "none"]
PairObjective = Literal[
    "logistic",
    "wasserstein",
    "least-squares",
    "hinge",
    "total-variation",
    "kl",
    "reverse-kl",
    "pearson",
    "neyman",
    "squared-hellinger",
    "jeffrey",
    "jensen-shannon",
    "gan",
]


def tsgan(
    shape: Shape,
    *,
    latent: int | None = None,
    width: int | None = None,
    normalisation: Normalisation | None = None,
    critic: Adam = Adam(),
    generator: Adam = Adam(),
    generator_steps: int = 2,
) -> TuringGAN:
    """T-SGAN: D predicts which of a real and a fake image comes first, by cross-entropy (Su, 2018).

    Args:
        shape: (2,) for points or (C, H, W) for images.
        latent: Coordinates of the noise z. Default: 2 for points, 64 at 32 pixels and 100 elsewhere.
        width: Units or channels of the networks. Default: the code's.
        normalisation: Of E and D: the code's, without a memory, also of the gains; the usual spectral one; or none.
            Default: the code's for images, and none for points, between whose modes a critic of slope 1 is flat.
        critic: Optimiser of D and E.
        generator: Optimiser of G.
        generator_steps: Moves of G for each move of D.
    """
    objective = NonSaturating()
    normalised = normalisation or ("stateless" if len(shape) == 3 else "none")
    return _turing(objective, shape, latent, width, normalised, critic, generator, generator_steps)


def twgan(
    shape: Shape,
    *,
    latent: int | None = None,
    width: int | None = None,
    normalisation: Normalisation = "stateless",
    critic: Adam = Adam(),
    generator: Adam = Adam(),
    generator_steps: int = 2,
) -> TuringGAN:
    """T-WGAN: the earth mover's distance between the pairs (real, fake) and (fake, real) (Su, 2018).

    Args:
        shape: (2,) for points or (C, H, W) for images.
        latent: Coordinates of the noise z. Default: 2 for points, 64 at 32 pixels and 100 elsewhere.
        width: Units or channels of the networks. Default: the code's.
        normalisation: Of E and D, which it keeps Lipschitz: the code's, without a memory, also of the gains; the
            usual spectral one; or none.
        critic: Optimiser of D and E.
        generator: Optimiser of G.
        generator_steps: Moves of G for each move of D.
    """
    objective = Wasserstein()
    return _turing(objective, shape, latent, width, normalisation, critic, generator, generator_steps)


def tgan(
    shape: Shape,
    *,
    objective: PairObjective = "least-squares",
    latent: int | None = None,
    width: int | None = None,
    normalisation: Normalisation = "stateless",
    critic: Adam = Adam(),
    generator: Adam = Adam(),
    generator_steps: int = 2,
) -> TuringGAN:
    """A T-GAN with any objective on pairs: T-LSGAN, a hinge, an f-divergence (Su, 2018; Nowozin et al., 2016).

    Args:
        shape: (2,) for points or (C, H, W) for images.
        objective: What D minimises on pairs; G minimises it with real and fake exchanged.
        latent: Coordinates of the noise z. Default: 2 for points, 64 at 32 pixels and 100 elsewhere.
        width: Units or channels of the networks. Default: the code's.
        normalisation: Of E and D: the code's, without a memory, also of the gains; the usual spectral one; or none.
        critic: Optimiser of D and E.
        generator: Optimiser of G.
        generator_steps: Moves of G for each move of D.
    """
    chosen = _OBJECTIVES[objective]
    return _turing(chosen, shape, latent, width, normalisation, critic, generator, generator_steps)


def _turing(
    objective: Objective,
    shape: Shape,
    latent: int | None,
    width: int | None,
    normalisation: Normalisation,
    critic: Adam,
    generator: Adam,
    generator_steps: int,
) -> TuringGAN:
    build = _images if len(shape) == 3 else _points
    G, D, E = build(shape, latent, width)
    E, D = _NORMALISED[normalisation](E), _NORMALISED[normalisation](D)
    return TuringGAN(G, D, E, objective, generator_steps=generator_steps, critic=critic, generator=generator)


def _points(shape: Shape, latent: int | None, width: int | None) -> tuple[nn.Module, nn.Module, nn.Module]:
    E = TuringPointEncoder(shape, width or 256)
    return AliToyGenerator(shape, latent or 2, width or 400), TuringCritic(E.features, width or 256), E


def _images(shape: Shape, latent: int | None, width: int | None) -> tuple[nn.Module, nn.Module, nn.Module]:
    G, E = TuringGenerator(shape, latent, width), TuringEncoder(shape, width)
    D = TuringCritic(E.features, 256, 0.1) if tuple(shape[1:]) == (32, 32) else TuringCritic(E.features)
    return channels_last(G), D, channels_last(E)


_NORMALISED = {"stateless": stateless_spectral, "spectral": spectral, "none": lambda network: network}
_OBJECTIVES: dict[str, Objective] = {
    "logistic": NonSaturating(),
    "wasserstein": Wasserstein(),
    "least-squares": LeastSquares(),
    "hinge": Hinge(),
    **{name: FGAN(divergence) for name, divergence in DIVERGENCES.items()},
}
