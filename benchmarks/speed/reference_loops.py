"""Networks and training steps of public GAN code, rewritten from their layer tables, as references for timing.

*PyTorch-GAN* (eriklindernoren, `dcgan.py`): a generator that up-samples and convolves, a critic with dropout; G moves
first and D uses the same fakes; plain Adam, contiguous tensors, gradients for every network in every move.

The steps of *mimicry* (kwotsin) are the textbook's of `step_time.py` on residual networks: five moves of D, each on
fakes that were drawn with a graph and then detached.

*R3GAN* (brownvc): both penalties at every step; the networks of the player that does not move need no gradients.
*CycleGAN* (junyanz): G with identity and cycle, then each D on its pool; the critics need no gradients in G's move.
Ours makes the same moves in these two: only memory layout and optimisers differ.
"""

from __future__ import annotations

import random
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparring.game import LatentGame
from sparring.games.gan import SharedFakesGAN
from sparring.layers.resampling import UpConv
from sparring.networks.common.base import Shape
from sparring.objectives import NonSaturating, Objective
from sparring.recipes.options import Adam, channels_last


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
    return SharedFakesGAN(G, D, NonSaturating(), critic=Adam(), generator=Adam())


class Upsampled(nn.Module):
    """The same generator in PyTorch-GAN's own layers, which sparring finds and folds; its author states no `latent`."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        channels, self.side = shape[0], shape[1] // 4
        self.start = nn.Sequential(nn.Linear(100, 128 * self.side**2))
        self.body = nn.Sequential(
            nn.BatchNorm2d(128),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(128, 128, 3, stride=1, padding=1),
            nn.BatchNorm2d(128, 0.8),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(128, 64, 3, stride=1, padding=1),
            nn.BatchNorm2d(64, 0.8),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(64, channels, 3, stride=1, padding=1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        h = self.start(z)
        return self.body(h.view(h.shape[0], 128, self.side, self.side))


class CriticNetwork(nn.Module):
    """The same critic as PyTorch-GAN has it: features are viewed as rows, and probabilities come out, (N, 1)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        widths, layers = (shape[0], 16, 32, 64, 128), []
        for i in range(4):
            layers += [
                nn.Conv2d(widths[i], widths[i + 1], 3, 2, 1),
                nn.LeakyReLU(0.2, inplace=True),
                nn.Dropout2d(0.25),
            ]
            layers += [nn.BatchNorm2d(widths[i + 1], 0.8)] if i else []
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Linear(128 * (shape[1] // 16) ** 2, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x)
        return self.head(h.view(h.shape[0], -1))


class Entropy(Objective):
    """The losses of PyTorch-GAN's loop, of probabilities; in full precision, which autocast demands on CUDA."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return (self.of(real, torch.ones_like(real)) + self.of(fake, torch.zeros_like(fake))) / 2

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return self.of(fake, torch.ones_like(fake))

    def of(self, p: Tensor, target: Tensor) -> Tensor:
        with torch.autocast(p.device.type, enabled=False):
            return F.binary_cross_entropy(p.float(), target.float())


def unchanged_dcgan(shape: Shape) -> LatentGame:
    """Our game on PyTorch-GAN's networks as they are; what makes them fast, ``--fast auto`` must find."""
    G = Upsampled(shape)
    G.latent = 100  # type: ignore[assignment]
    return SharedFakesGAN(G, CriticNetwork(shape), Entropy(), critic=plain_adam, generator=plain_adam)


def plain_adam(network: nn.Module) -> torch.optim.Optimizer:
    """PyTorch-GAN's optimiser."""
    return torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))


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
        F.binary_cross_entropy(self.probability(fake), valid).backward()
        self.G_adam.step()
        self.D_adam.zero_grad()
        real = F.binary_cross_entropy(self.probability(x), valid)
        ((real + F.binary_cross_entropy(self.probability(fake.detach()), false)) / 2).backward()
        self.D_adam.step()

    def probability(self, x: Tensor) -> Tensor:
        """Return the scores of x, (N,)."""
        return self.D(x).sigmoid()


class GeneratorFirstAsItIs(GeneratorFirst):
    """The same loop with a critic that ends in a sigmoid."""

    def probability(self, x: Tensor) -> Tensor:
        return self.D(x).squeeze(1)


class Penalised:
    """R3GAN's loop: D on pairs of its own with R1 and R2, then G on fresh ones.

    Args:
        G: Its generator.
        D: Its critic.
        penalty: γ.
    """

    def __init__(self, G: nn.Module, D: nn.Module, penalty: float = 0.05) -> None:
        self.G, self.D, self.penalty = G, D, penalty
        self.G_adam, self.D_adam = (torch.optim.Adam(n.parameters(), lr=2e-4, betas=(0.0, 0.99)) for n in (G, D))

    def step(self, x: Tensor) -> None:
        moving(self.D, self.G)
        self.D_adam.zero_grad()
        x = x.detach().requires_grad_()
        fake = self.G(torch.randn(len(x), self.G.latent)).detach().requires_grad_()  # type: ignore[call-overload]
        real_scores, fake_scores = self.D(x), self.D(fake)
        slopes = self.slopes(real_scores, x) + self.slopes(fake_scores, fake)
        (F.softplus(fake_scores - real_scores) + self.penalty / 2 * slopes).mean().backward()
        self.D_adam.step()
        moving(self.G, self.D)
        self.G_adam.zero_grad()
        fake_scores = self.D(self.G(torch.randn(len(x), self.G.latent)))  # type: ignore[call-overload]
        F.softplus(self.D(x.detach()) - fake_scores).mean().backward()
        self.G_adam.step()

    def slopes(self, scores: Tensor, x: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
        return slope.square().sum((1, 2, 3))


class Cycle:
    """CycleGAN's loop: both generators, then both critics on pools of fakes.

    Args:
        G_AB: From A to B.
        G_BA: From B to A.
        D_A: Critic of A.
        D_B: Critic of B.
    """

    def __init__(self, G_AB: nn.Module, G_BA: nn.Module, D_A: nn.Module, D_B: nn.Module) -> None:
        self.G_AB, self.G_BA, self.D_A, self.D_B = G_AB, G_BA, D_A, D_B
        self.G_adam, self.D_adam = (
            torch.optim.Adam(chain(*(n.parameters() for n in pair)), lr=2e-4, betas=(0.5, 0.999))
            for pair in ((G_AB, G_BA), (D_A, D_B))
        )
        self.pools: tuple[list[Tensor], list[Tensor]] = ([], [])

    def step(self, a: Tensor, b: Tensor) -> None:
        fake_b, fake_a = self.G_AB(a), self.G_BA(b)
        for critic in (self.D_A, self.D_B):
            critic.requires_grad_(False)
        self.G_adam.zero_grad()
        identity = F.l1_loss(self.G_AB(b), b) + F.l1_loss(self.G_BA(a), a)
        cycle = F.l1_loss(self.G_BA(fake_b), a) + F.l1_loss(self.G_AB(fake_a), b)
        fooled = squared(self.D_B(fake_b), 1) + squared(self.D_A(fake_a), 1)
        (fooled + 10 * cycle + 5 * identity).backward()
        self.G_adam.step()
        self.D_adam.zero_grad()
        for critic, x, fake, pool in zip((self.D_A, self.D_B), (a, b), (fake_a, fake_b), self.pools, strict=True):
            critic.requires_grad_(True)
            old = pooled(pool, fake.detach())
            (0.5 * (squared(critic(x), 1) + squared(critic(old), 0))).backward()
        self.D_adam.step()


def moving(mover: nn.Module, other: nn.Module) -> None:
    """Let one network take gradients and not the other."""
    mover.requires_grad_(True)
    other.requires_grad_(False)


def squared(scores: Tensor, target: float) -> Tensor:
    return F.mse_loss(scores, torch.full_like(scores, target))


def pooled(pool: list[Tensor], images: Tensor, size: int = 50) -> Tensor:
    """Return each image, or an older one in its place every second time."""
    shown = []
    for image in images:
        if len(pool) < size:
            pool.append(image)
        elif random.random() < 0.5:
            slot = random.randrange(size)
            image, pool[slot] = pool[slot], image
        shown.append(image)
    return torch.stack(shown)
