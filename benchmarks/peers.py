"""Networks and steps of public GAN code, written anew from their layer tables, for timing ours beside theirs.

*PyTorch-GAN* (eriklindernoren, `dcgan.py`): a generator that up-samples and convolves, a critic with dropout; G moves
first, D judges the same fakes; plain Adam, contiguous tensors, gradients for every network in every move.

The steps of *mimicry* (kwotsin) are the textbook's of `speed.py` on residual networks: five moves of D, each on fakes
that were drawn with a graph and then detached.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparring.game import LatentGame
from sparring.games.gan import OneDrawGAN
from sparring.layers.resample import UpConv
from sparring.networks.roles import Shape
from sparring.objectives import NonSaturating
from sparring.recipes.settings import Adam, channels_last


class UpsamplingGenerator(nn.Module):
    """PyTorch-GAN's: noise → 128 maps of a quarter of the side, twice up-sampled and convolved; (N, 100) -> images."""

    latent = 100

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        channels, side, _ = shape
        self.side = side // 4
        self.start = nn.Linear(self.latent, 128 * self.side**2)
        self.body = nn.Sequential(
            nn.BatchNorm2d(128),
            UpConv(128, 128),
            nn.BatchNorm2d(128, 0.8),
            nn.LeakyReLU(0.2),
            UpConv(128, 64),
            nn.BatchNorm2d(64, 0.8),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, channels, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.body(self.start(z).unflatten(1, (128, self.side, self.side)))


class DropoutCritic(nn.Module):
    """PyTorch-GAN's: four strided convolutions with dropout, batch norm on all but the first; images -> (N,) logits."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        widths, layers = (shape[0], 16, 32, 64, 128), []
        for i in range(4):
            layers += [nn.Conv2d(widths[i], widths[i + 1], 3, 2, 1), nn.LeakyReLU(0.2), nn.Dropout2d(0.25)]
            layers += [nn.BatchNorm2d(widths[i + 1], 0.8)] if i else []
        self.body, self.head = nn.Sequential(*layers), nn.Linear(128 * (shape[1] // 16) ** 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).flatten(1)).squeeze(1)


def upsampling_dcgan(shape: Shape) -> LatentGame:
    """Our game on PyTorch-GAN's networks; its up-sampling layers are folded into their convolutions."""
    G, D = channels_last(UpsamplingGenerator(shape)), channels_last(DropoutCritic(shape))
    return OneDrawGAN(G, D, NonSaturating(), critic=Adam(), generator=Adam())


class GeneratorFirst:
    """PyTorch-GAN's loop: G, then D on the fakes that G has just learned from; probabilities and their entropy.

    Args:
        G: Its generator.
        D: Its critic.
    """

    def __init__(self, G: nn.Module, D: nn.Module) -> None:
        self.G, self.D = G, D
        self.G_adam, self.D_adam = (torch.optim.Adam(n.parameters(), lr=2e-4, betas=(0.5, 0.999)) for n in (G, D))

    def step(self, x: Tensor) -> None:
        valid, false = torch.ones(len(x)), torch.zeros(len(x))
        self.G_adam.zero_grad()
        fake = self.G(torch.randn(len(x), self.G.latent))  # type: ignore[call-overload]
        F.binary_cross_entropy(self.D(fake).sigmoid(), valid).backward()
        self.G_adam.step()
        self.D_adam.zero_grad()
        real = F.binary_cross_entropy(self.D(x).sigmoid(), valid)
        ((real + F.binary_cross_entropy(self.D(fake.detach()).sigmoid(), false)) / 2).backward()
        self.D_adam.step()
