"""Base of text-to-image games: captions in the batches, samples of a caption, conditions drawn around its embedding.

    φ = T(words);    c = μ(φ) + σ(φ) ⊙ ε,   ε ~ N(0, I)      conditioning augmentation, Zhang et al. (2017), section 3.2

A sentence is a row of tokens. Noise is a row [z, ε for each generator, φ], φ that of one of the captions
which the game was built with: callers that start from it need no sentences.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sparring._types import Network
from sparring.errors import GameError
from sparring.game import Data, Game, Optimiser, PlayerSettings
from sparring.rng import rand, randn


class Reading(NamedTuple):
    """Training of T: the encoder E, images (N, *shape) -> (N, features); the number of rounds; the optimiser."""

    E: nn.Module
    rounds: int
    learn: Optimiser


class TextSettings(PlayerSettings):
    """Keyword arguments of `TextGame`."""

    captions: Tensor


class TextGame(Game):
    """A text encoder, a generator and a critic that take its embedding.

    Args:
        text: T, word codes (N, L) -> (N, features), with an attribute ``features``, and a method ``register``
            where it needs the text of captions.
        G: Generator with attributes ``latent`` and ``condition`` and a method ``augment`` that makes of captions
            (N, features) means and log variances (N, condition).
        D: Critic of images and captions (N, features).
        captions: Word codes of some captions, (K, L), the captions of noise, each as often as it is among them.
        critic: Builds D's optimiser.
        generator: Builds G's optimiser.
        schedule: Factor of all learning rates, as a function of the step.
    """

    captions: Tensor

    def __init__(
        self,
        text: nn.Module,
        G: nn.Module,
        D: nn.Module,
        *,
        captions: Tensor,
        critic: Optimiser,
        generator: Optimiser,
        schedule: Callable[[int], float] = lambda step: 1.0,
    ) -> None:
        super().__init__()
        self.text: Network = text
        self.G: Network = G
        self.D: Network = D
        self.register_buffer("captions", captions)
        self._critic, self._generator, self._schedule = critic, generator, schedule

    def players(self) -> dict[str, Optimizer]:
        """Return the optimisers of D and G."""
        return {"D": self._critic(self.D), "G": self._generator(self.G)}

    def lr_scale(self, step: int) -> float:
        """Follow the schedule given at construction."""
        return self._schedule(step)

    def generators(self) -> tuple[Network, ...]:
        """Return the generators that take a condition each, in order."""
        return (self.G,)

    @abstractmethod
    def paint(self, z: Tensor, conditions: list[Tensor]) -> Tensor:
        """Draw samples from z (N, latent) and a condition (N, condition) for each generator."""

    def captioned_batch(self, data: Data) -> tuple[Tensor, Tensor]:
        """Return the next images (N, *shape), and the word codes (N, L) of their captions.

        Raises:
            GameError: If the data has no captions.
        """
        x, *codes = next(data)
        if not codes or codes[-1].dim() != 2:
            raise GameError(
                f"{type(self).__name__} learns from captions, and its data has none: give captioned images."
            )
        return x, codes[-1]

    def z(self, n: int) -> Tensor:
        """Draw z ~ N(0, I), (n, latent)."""
        return randn(n, self.G.latent, device=self.device)

    def noise(self, n: int) -> Tensor:
        """Draw rows [z, ε for each generator, φ], each of one of the captions, uniform over them."""
        return self.noise_for(n, self.captions)

    def conditions(self) -> str:
        """Return "captions"."""
        return "captions"

    def noise_for(self, n: int, given: Tensor) -> Tensor:
        """Draw rows as `noise` does, each of one of given captions, word codes (K, L), uniform over them."""
        draws = randn(n, self.G.latent + sum(G.condition for G in self.generators()), device=self.device)
        which = (len(given) * rand(n, device=self.device)).long()
        return self.with_text(
            torch.cat([draws, draws.new_zeros(n, self.text.features)], 1), given[which.to(given.device)]
        )

    def register_captions(self, texts: Sequence[str]) -> None:
        """Register captions with an encoder that needs their text; other encoders need tokens alone."""
        if hasattr(self.text, "register"):
            self.text.register(texts)

    def with_text(self, latents: Tensor, tokens: Tensor) -> Tensor:
        """Return rows of noise with their captions replaced.

        Args:
            latents: Rows of noise, (N, …).
            tokens: Tokens of the captions, (N, L), or (1, L) for one caption for all rows.
        """
        with torch.no_grad():
            phi = self.text(tokens.to(latents.device)).expand(len(latents), -1)
        return torch.cat([latents[:, : -self.text.features], phi.to(latents)], 1)

    def sample(self, n: int, *, noise: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """Draw n samples, (n, *shape).

        Args:
            n: How many.
            noise: Rows as `noise` draws them; fresh ones unless given.
            truncation: Multiplies z and ε: below 1 more typical samples of the sentence.
        """
        noise = self.noise(n) if noise is None else noise
        sizes = [self.G.latent, *(G.condition for G in self.generators()), self.text.features]
        z, *draws, phi = noise.split(sizes, 1)
        with torch.no_grad():
            pairs = zip(self.generators(), draws, strict=True)
            return self.paint(truncation * z, [around(G.augment(phi), truncation * e) for G, e in pairs])


def around(stated: tuple[Tensor, Tensor], draw: Tensor) -> Tensor:
    """Return μ + σ ⊙ ε of means and log variances, (N, condition) each."""
    mean, log_variance = stated
    return mean + (log_variance / 2).exp() * draw
