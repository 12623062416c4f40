"""Adversarially learned inference: BiGAN (Donahue et al., 2017) and ALI (Dumoulin et al., 2017), found independently.

    D minimises        −E log σ(D(x, E(x))) − E log σ(−D(G(z), z))
    E and G minimise   −E log σ(−D(x, E(x))) − E log σ(D(G(z), z))         both targets exchanged: nothing saturates

D scores pairs, of data with their codes and of noise with its samples. They are indistinguishable only where both pairs
have one joint distribution, and there E inverts G. No term compares a reconstruction with its original. All move at
once, from one pass of D over both kinds of pair, as in both codes. BiGAN's E gives one code; ALI's draws it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim import Optimizer

from sparring.game import CriticSpec, Data, LatentGame, Move, PlayerSettings
from sparring.games.common.posterior import mean_and_log_variance, reparameterise


class BiGAN(LatentGame):
    """D on one side, E and G together on the other, simultaneously.

    Args:
        E: Encoder (N, *shape) -> (N, latent); its range must be that of the noise, or D separates the pairs by it.
        G: Generator (N, latent) -> (N, *shape), with an attribute ``latent``.
        D: Critic (N, *shape), (N, latent) -> (N,).
        settings: The optimisers (``critic`` of D, ``generator`` of E and G) and the schedule, see `LatentGame`.
    """

    def __init__(self, E: nn.Module, G: nn.Module, D: nn.Module, **settings: Unpack[PlayerSettings]) -> None:
        super().__init__(G, D, **settings)
        self.E = E

    def players(self) -> dict[str, Optimizer]:
        """Return the optimisers of D and of encoder and generator together."""
        both = nn.ModuleList([self.E, self.G])
        return {"D": self._optimisers["D"](self.D), "GE": self._optimisers["G"](both)}

    def sampling_networks(self) -> tuple[str, ...]:
        """Sampling uses G; its codes come from E, which is averaged as well."""
        return ("E", "G")

    def critic_spec(self) -> CriticSpec:
        """Return that D takes codes, and gets real and generated samples in one batch."""
        mixed, fooling = "real and made samples", ("encoder", "generator")
        return CriticSpec(condition="a code", mixed_batches=mixed, adversarial_terms=fooling, zero_centred=True)

    def round(self, data: Data, step: int) -> Iterator[tuple[Move, ...]]:
        """Play D, and E with G, at once."""
        x, *_ = next(data)
        z = self.noise(len(x))
        real, fake = self.D(torch.cat([x, self.G(z)]), torch.cat([self.code(x), z])).chunk(2)
        yield (
            Move("D", real=softplus(-real).mean(), fake=softplus(fake).mean()),
            Move("GE", encoder=softplus(real).mean(), generator=softplus(-fake).mean()),
        )

    def code(self, x: Tensor) -> Tensor:
        """Return the codes of x that D receives, (N, latent)."""
        encoded: Tensor = self.E(x)
        return encoded

    def encode(self, x: Tensor) -> Tensor:
        """Return the code of each row of x, (N, latent)."""
        with torch.no_grad():
            encoded: Tensor = self.E(x)
            return encoded


class ALI(BiGAN):
    """BiGAN with a stochastic encoder, (N, *shape) -> (N, 2 latent): means and log variances of the codes."""

    def code(self, x: Tensor) -> Tensor:
        """Draw a code of each row of x."""
        return reparameterise(*mean_and_log_variance(self.E(x)))

    def encode(self, x: Tensor) -> Tensor:
        """Return the mean code of each row of x, (N, latent)."""
        with torch.no_grad():
            return mean_and_log_variance(self.E(x))[0]
