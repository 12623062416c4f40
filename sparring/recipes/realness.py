"""The recipe of RealnessGAN."""

from __future__ import annotations

from typing import Literal

from torch import nn

from sparring import networks
from sparring._types import Settings
from sparring.errors import GameError
from sparring.games.realness import RealnessGAN
from sparring.layers.init import gamma_normal
from sparring.layers.simple import GaussianHead
from sparring.layers.spectral import spectral
from sparring.networks.common.base import Critic, Shape
from sparring.networks.common.heads import head_features
from sparring.objectives.realness import Anchored, AnchorSource, Away, DrawnAnchors, Paired, Realness, skew_normal
from sparring.recipes.options import Adam, AdamOverrides, channels_last

Goal = Literal["away", "paired", "anchored"]
_GOALS = {"away": Away(), "paired": Paired(), "anchored": Anchored()}


def realness(
    shape: Shape,
    *,
    outcomes: int | None = None,
    goal: Goal = "paired",
    skew: float = 1.0,
    distance: float | None = None,
    latent: int = 128,
    width: int | None = None,
    critic: AdamOverrides = AdamOverrides(),
    generator: AdamOverrides = AdamOverrides(),
    critic_steps: int = 1,
    generator_steps: int | None = None,
) -> RealnessGAN:
    """RealnessGAN (Xiangli et al., 2020): D outputs a distribution over outcomes instead of a number.

    Args:
        shape: (2,) for points or (C, H, W) for images.
        outcomes: Number of outcomes of realness, at least 2. Default: 5 for points and 51 for images.
        goal: Target of G: away from the fake anchor, that and paired with the outputs for real samples
            (the authors' default), or that and at the real anchor.
        skew: How far the drawn anchors are moved apart, in units of their support [-1, 1].
        distance: KL(A1 ‖ A0) of fixed skew normal anchors in nats. Default: drawn anchors.
        latent: Coordinates of the noise z.
        width: Channels of the largest feature map, or units of a layer. Default: the paper's.
        critic: Optimiser of D.
        generator: Optimiser of G.
        critic_steps: Moves of D in a round.
        generator_steps: Moves of G in a round. Default: 3 for points and 1 for images.

    Raises:
        GameError: If the outcomes are too few, or no anchors have this distance.
    """
    images = len(shape) == 3
    published = Adam(2e-4, (0.5, 0.999)) if images else Adam(1e-4, (0.8, 0.999))
    count = outcomes if outcomes is not None else 51 if images else 5
    objective = Realness(_anchors(count, skew, distance), _GOALS[goal])
    G, D = (_images if images else _points)(shape, count, latent, {} if width is None else {"width": width})
    return RealnessGAN(
        G,
        D,
        objective,
        critic_steps=critic_steps,
        generator_steps=generator_steps if generator_steps is not None else 1 if images else 3,
        critic=critic.resolve(published),
        generator=generator.resolve(published),
    )


def _anchors(outcomes: int, skew: float, distance: float | None) -> AnchorSource:
    if outcomes < 2:
        raise GameError(f"RealnessGAN's D chooses among outcomes, {outcomes} leave no choice: pass --outcomes 5.")
    if distance is None:
        return DrawnAnchors(outcomes, skew)
    if not 0.01 <= distance <= 100:
        raise GameError(f"No anchors are a distance of {distance} apart: pass --distance between 0.01 and 100.")
    return skew_normal(outcomes, distance)


def _points(shape: Shape, outcomes: int, latent: int, width: Settings) -> tuple[nn.Module, nn.Module]:
    """Return the mixture networks of ALI with torch's own weights (authors' code)."""
    init = gamma_normal()
    G = networks.AliToyGenerator(shape, latent, **width, init=init)
    return G, networks.AliToyCritic(shape, **width, outcomes=outcomes, init=init)


def _images(shape: Shape, outcomes: int, latent: int, width: Settings) -> tuple[nn.Module, nn.Module]:
    """Return DCGAN's networks; D has spectral norm in every layer, no batch norm, and a head with drawn outputs."""
    G = networks.DCGANGenerator(shape, latent, **width)
    plain = networks.DCGANCritic(shape, norm=nn.Identity, **width)
    head = nn.Sequential(nn.Flatten(), GaussianHead(head_features(plain), outcomes))
    D = spectral(Critic(shape, plain.trunk, head, outcomes))
    return channels_last(G), channels_last(D)
