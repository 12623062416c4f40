"""MAD-GAN (Ghosh et al., 2018): K generators, and a critic that classifies which of them generated a sample, if any.

    D minimises  −E log D_{K+1}(x) − Σ_i E log D_i(G_i(z))          D = softmax over K + 1 classes, the last one "real"
    G_i minimises  −E log D_{K+1}(G_i(z))                           non-saturating; the paper's: E log(1 − D_{K+1})

A generator is classified most easily where the others have no samples: D drives them onto different modes. The best
D has D_{K+1} = p / (p + Σ g_i). Against it E log D_{K+1}(x) + Σ_i E log(1 − D_{K+1}(G_i(z))) depends on the mean of all
g_i alone, and is lowest where that is p: −(K+1) log(K+1) + K log K.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer

from sparring.game import CriticOutput, CriticSpec, Data, Game, Move, Optimiser, latent
from sparring.games.common.mixture import append_choice, select_members, split_choice
from sparring.rng import randn


def real_loss(scores: Tensor) -> Tensor:
    """Return −E log D_{K+1} of scores (N, K + 1): what D minimises on data, and every G_i on its samples."""
    return cross_entropy(scores, torch.full((len(scores),), scores.shape[1] - 1, device=scores.device))


def identity_loss(scores: Tensor) -> Tensor:
    """Return −Σ_i E log D_i of scores (K, N, K + 1), of N samples of each generator."""
    members, n, _ = scores.shape
    makers = torch.arange(members, device=scores.device).repeat_interleave(n)
    return members * cross_entropy(scores.flatten(0, 1), makers)


class MADGAN(Game):
    """Play D on data and on samples of all generators, then all G_i; shared layers get the gradients of all.

    Args:
        G: K generators in one network, (N, latent) -> (K, N, *shape), with attributes ``latent`` and ``members``.
        D: Critic (N, *shape) -> (N, K + 1).
        critic: Builds D's optimiser.
        generator: Builds G's optimiser.
    """

    def __init__(self, G: nn.Module, D: nn.Module, *, critic: Optimiser, generator: Optimiser) -> None:
        super().__init__()
        self.G, self.D = G, D
        self._optimisers = {"D": critic, "G": generator}

    def players(self) -> dict[str, Optimizer]:
        """Return the optimisers of D and of all generators together."""
        return {"D": self._optimisers["D"](self.D), "G": self._optimisers["G"](self.G)}

    def sampling_networks(self) -> tuple[str, ...]:
        """Sampling uses the generators alone."""
        return ("G",)

    def critic_networks(self) -> tuple[str, ...]:
        """Only D scores samples."""
        return ("D",)

    def critic_spec(self) -> CriticSpec:
        """Return that D classifies the generator of a sample, and scores the samples of all generators in one batch."""
        return CriticSpec(
            output=CriticOutput.CLASSES,
            noise_condition="a choice of a generator",
            generator_use="has several generators in one network",
            mixed_batches="the samples of all generators",
        )

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D, then the generators, each on n samples of each."""
        x, *_ = next(data)
        with torch.no_grad():
            fake = self.G(self._z(len(x)))
        yield Move("D", real=real_loss(self.D(x)), fake=identity_loss(self.scores(fake)))
        fool = self.scores(self.G(self._z(len(x))))
        yield Move("G", fool=fool.shape[0] * real_loss(fool.flatten(0, 1)))

    def scores(self, fake: Tensor) -> Tensor:
        """Return D's outputs for the samples of all generators, in one pass: (K, N, *shape) to (K, N, K + 1)."""
        scores: Tensor = self.D(fake.flatten(0, 1)).unflatten(0, fake.shape[:2])
        return scores

    def noise(self, n: int) -> Tensor:
        """Draw rows [choice of a generator, z], (n, 2 + latent)."""
        return append_choice(self._z(n))

    def sample(self, n: int, *, noise: Tensor | None = None) -> Tensor:
        """Draw n samples of the mixture, (n, *shape)."""
        members, z = split_choice(self.noise(n) if noise is None else noise, self.G.members)  # type: ignore[arg-type]
        with torch.no_grad():
            return select_members(self.G(z), members)

    def _z(self, n: int) -> Tensor:
        return randn(n, latent(self.G), device=self.device)
