"""Settings that recipes share: networks, constraints of the critic, optimisers.

Each is a small value with documented fields; on the command line the fields are flags (``--width 32``,
``--critic.lr 4e-4``), so that every recipe can be widened, narrowed or given two time scales (Heusel et al., 2017).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypedDict, TypeVar

import torch
from torch import nn
from torch.optim import Optimizer

from sparring import networks
from sparring._types import Settings
from sparring.errors import DataError
from sparring.game import adam, rmsprop
from sparring.layers.normalization import Norm
from sparring.layers.resampling import GlobalMean, GlobalSum
from sparring.layers.spectral import spectral
from sparring.networks.common.base import Shape

Network = Literal["toy", "mlp", "dcgan", "infogan", "cnn", "resnet"]
Pair = tuple[nn.Module, nn.Module]


@dataclass(frozen=True)
class Adam:
    """Optimiser of a player: Adam (Kingma & Ba, 2015).

    Attributes:
        lr: Learning rate.
        betas: Decay rates of the two moments.
    """

    lr: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)

    def __call__(self, network: nn.Module) -> Optimizer:
        """Build the optimiser of a network."""
        return adam(network, lr=self.lr, betas=self.betas)


@dataclass(frozen=True)
class AdamOverrides:
    """Optimiser of a player: Adam (Kingma & Ba, 2015), where the paper's settings depend on the data.

    Attributes:
        lr: Learning rate. Default: the one published for such data.
        betas: Decay rates of the two moments. Default: the published ones.
    """

    lr: float | None = None
    betas: tuple[float, float] | None = None

    def resolve(self, published: Adam) -> Adam:
        """Return Adam with these settings, and the published ones for the rest.

        Args:
            published: The settings for this data.
        """
        return Adam(self.lr or published.lr, self.betas or published.betas)


@dataclass(frozen=True)
class RMSprop:
    """Optimiser of a player: RMSprop (Hinton, 2012).

    Attributes:
        lr: Learning rate.
    """

    lr: float = 5e-5

    def __call__(self, network: nn.Module) -> Optimizer:
        """Build the optimiser of a network."""
        return rmsprop(network, lr=self.lr)


@dataclass(frozen=True)
class CriticConstraint:
    """Constraint of a critic.

    Attributes:
        norm: Makes the normalisation of its features.
        bias: Whether its convolutions need biases.
        pool: Makes the global pooling of a residual critic.
        finish: Function that is applied to the finished critic.
    """

    norm: Norm
    bias: bool = False
    pool: Callable[[], nn.Module] = GlobalSum
    finish: Callable[[nn.Module], nn.Module] = lambda critic: critic


BATCH_NORM = CriticConstraint(nn.BatchNorm2d)
PENALISED = CriticConstraint(nn.Identity, bias=True, pool=GlobalMean)
SPECTRAL = CriticConstraint(nn.Identity, bias=True, finish=spectral)


@dataclass(frozen=True)
class Networks:
    """Which generator and critic play.

    Attributes:
        network: Kind of network. Default: a perceptron for points and the paper's for images.
        latent: Coordinates of the noise z. Default: 2 for points and the paper's number for images.
        width: Units or channels of the networks. Default: the paper's.
    """

    network: Network | None = None
    latent: int | None = None
    width: int | None = None

    def pair(
        self,
        shape: Shape,
        restraint: CriticConstraint,
        images: Network = "dcgan",
        points: Network = "toy",
        latent: int = 100,
    ) -> Pair:
        """Build G and D.

        Args:
            shape: (2,) for points or (C, H, W) for images.
            restraint: What keeps D in bounds.
            images: The recipe's networks for images.
            points: The recipe's networks for points.
            latent: The recipe's noise for images. Points have 2 coordinates of it (Dumoulin et al., 2017; Lin et al.,
                2018; Gulrajani et al., 2017): with 128, WGAN-GP is far slower on the same plane (docs/notebook.md).

        Raises:
            DataError: If the networks cannot make data of this shape.
        """
        chosen = self.network or (images if len(shape) == 3 else points)
        if chosen in _CONVOLVE and len(shape) != 3:
            raise DataError(f"The network {chosen} makes images, not points: pass --network toy or --network mlp.")
        noise = self.latent or (latent if len(shape) == 3 else 2)
        G, D = _PAIRS[chosen](shape, noise, {} if self.width is None else {"width": self.width}, restraint)
        return channels_last(G), channels_last(restraint.finish(D))


Module = TypeVar("Module", bound=nn.Module)


def channels_last(network: Module) -> Module:
    """Lay the weights of convolutions out channels-last, which makes convolutions 1.2 times as fast.

    Args:
        network: Changed in place.

    Returns:
        The network itself.
    """
    made: Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not declared by torch
    return made


def _toy(shape: Shape, latent: int, width: Settings, restraint: CriticConstraint) -> Pair:
    return networks.AliToyGenerator(shape, latent, **width), networks.AliToyCritic(shape, **width)


def _mlp(shape: Shape, latent: int, width: Settings, restraint: CriticConstraint) -> Pair:
    return networks.MLPGenerator(shape, latent, **width), networks.MLPCritic(shape, **width)


def _dcgan(shape: Shape, latent: int, width: Settings, restraint: CriticConstraint) -> Pair:
    D = networks.DCGANCritic(shape, norm=restraint.norm, bias=restraint.bias, **width)
    return networks.DCGANGenerator(shape, latent, **width), D


def _infogan(shape: Shape, latent: int, width: Settings, restraint: CriticConstraint) -> Pair:
    return networks.InfoGANGenerator(shape, latent, **width), networks.InfoGANCritic(
        shape, norm=restraint.norm, **width
    )


def _cnn(shape: Shape, latent: int, width: Settings, restraint: CriticConstraint) -> Pair:
    return networks.SNCNNGenerator(shape, latent, **width), networks.SNCNNCritic(shape, norm=restraint.norm, **width)


def _resnet(shape: Shape, latent: int, width: Settings, restraint: CriticConstraint) -> Pair:
    return networks.ResNetGenerator(shape, latent, **width), networks.ResNetCritic(shape, pool=restraint.pool, **width)


_CONVOLVE = ("dcgan", "infogan", "cnn", "resnet")


class MoveCounts(TypedDict):
    """Moves of each player in a round."""

    critic_steps: int
    generator_steps: int


_PAIRS: dict[str, Callable[..., Pair]] = {
    "toy": _toy,
    "mlp": _mlp,
    "dcgan": _dcgan,
    "infogan": _infogan,
    "cnn": _cnn,
    "resnet": _resnet,
}
