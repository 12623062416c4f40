"""Conditional games: G and D take the class of a sample as a further input (Mirza & Osindero, 2014).

    repeat k times:  D minimises  L_D(D(x, y), D(G(z, y′), y′))       y′ as often as in the data, G held fixed
    once:            G minimises  L_G(D(G(z, y′), y′))                D held fixed

Any objective; how y enters the networks is theirs (projection: Miyato & Koyama, 2018). Data without classes play the
same game without y. A class is a row of weights over the classes, one-hot for one class, so that a row of noise
is [z, weights]: what starts from it (grids, walks between samples, scores) is the same with and without classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NotRequired, Unpack

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from sparring.errors import GameError
from sparring.game import Data, Move, PlayerSettings, latent
from sparring.games.common.adversarial import AdversarialGame
from sparring.games.common.class_frequencies import ClassFrequencies, ClassSampling
from sparring.games.common.standing_statistics import measure
from sparring.games.common.truncation import truncated
from sparring.games.common.turns import require_positive
from sparring.objectives import Objective


class ConditionalSettings(PlayerSettings):
    """Keyword arguments of `ConditionalGAN`."""

    classes: NotRequired[int | None]
    critic_steps: NotRequired[int]


class ConditionalGAN(ClassSampling, AdversarialGame):
    """k moves of D, each on labelled data and on new fakes of random classes, then one of G.

    Classes are drawn as often as the training data has them after `follow`, which `sparring.Run` calls; before, each is
    as likely as the others.

    Args:
        G: Generator (N, latent), (N, classes) -> (N, *shape), with an attribute ``latent``.
        D: Critic (N, *shape), (N, classes) -> (N,).
        objective: The two losses.
        classes: Number of classes; None for a game without y, on networks that take one argument.
        critic_steps: k, the moves of D in a round.
        settings: The optimisers and the schedule, see `LatentGame`.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        objective: Objective,
        *,
        classes: int | None = None,
        critic_steps: int = 1,
        **settings: Unpack[PlayerSettings],
    ):
        super().__init__(G, D, **settings)
        require_positive(critic_steps=critic_steps)
        self.objective, self.classes, self.critic_steps = objective, classes, critic_steps
        self.frequencies: Any = ClassFrequencies(classes) if classes else None

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D k times, then G."""
        for _ in range(self.critic_steps):
            x, *labels = next(data)
            z, *y = self.split(self.noise(len(x)))
            with torch.no_grad():
                fake = self.G(z, *y)
            real_scores, fake_scores = self.D(x, *self.one_hot(*labels)), self.D(fake, *y)
            yield Move("D", adversarial=self.objective.critic(real_scores, fake_scores))
        z, *y = self.split(self.noise(len(x)))
        yield Move("G", adversarial=self.objective.generator(self.D(self.G(z, *y), *y)))

    def noise(self, n: int) -> Tensor:
        """Draw rows [z, weights of the classes], z ~ N(0, I), each row of one class, as often as the data has it."""
        return self.noise_for(n)

    def noise_for(self, n: int, given: Tensor | None = None) -> Tensor:
        """Draw rows as `noise` does; with given counts int64 (classes,), each class as often as its count.

        Raises:
            GameError: If they are counts of another number of classes.
        """
        z = super().noise(n)
        return torch.cat([z, *self.one_hot(self.frequencies.sample(n, given))], 1) if self.frequencies else z

    def split(self, noise: Tensor) -> tuple[Tensor, ...]:
        """Cut noise into z and, where there are classes, their weights, which are made to add up to 1."""
        z, weights = noise.split([latent(self.G), self.classes or 0], 1)
        if self.classes is None:
            return (z,)
        return z, weights / weights.sum(1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)

    def class_of(self, latents: Tensor) -> Tensor | None:
        """Return the class (N,) with the largest weight in each row of noise; None where there are no classes."""
        return None if self.classes is None else self.split(latents)[1].argmax(1)

    def with_code(self, latents: Tensor, name: str, value: float) -> Tensor:
        """Return rows of noise with the class set to `value` and the same z.

        Raises:
            GameError: If there is no such class, or it has no images.
        """
        if name not in self.latent_codes():
            raise GameError(f"There is no {name} {value:g}: this game has {self.classes or 'no'} classes.")
        self.frequencies.require_class(value)
        z, *_ = self.split(latents)
        return torch.cat([z, *self.one_hot(torch.full((len(z),), int(value), device=z.device))], 1)

    def one_hot(self, *labels: Tensor) -> tuple[Tensor, ...]:
        """Turn labels (N,) into one-hot rows (N, classes); to nothing where there are no classes.

        Raises:
            GameError: If there are classes, but no labels.
        """
        if self.classes is None:
            return ()
        if not labels:
            raise GameError(f"The game has {self.classes} classes, but its data has no labels: pass classes=None.")
        return (one_hot(labels[0], self.classes).float(),)

    def fakes_with_grad(self, n: int) -> Tensor:
        """Draw n samples of random classes in G's graph."""
        z, *y = self.split(self.noise(n))
        samples: Tensor = self.G(z, *y)
        return samples

    def fakes(self, n: int) -> Tensor:
        """Draw n samples of random classes without a graph."""
        return self.sample(n)

    def sample(
        self, n: int, *, noise: Tensor | None = None, label: int | None = None, truncation: float | None = None
    ) -> Tensor:
        """Draw n samples, shape (n, *shape).

        Args:
            n: How many.
            noise: Rows as `noise` draws them; fresh ones unless given.
            label: The class of all samples; overrides that of the noise.
            truncation: τ; z is kept within ±τ, for better quality and less variety.

        Raises:
            GameError: If there is no such class.
        """
        noise = self.noise(n) if noise is None else noise
        z, *y = self.split(noise if label is None else self.with_code(noise, "class", label))
        with torch.no_grad():
            samples: Tensor = self.G(z if truncation is None else truncated(z, truncation), *y)
            return samples

    def standing(self, batches: int = 16, size: int = 64) -> None:
        """Recompute the statistics of G's batch norm and set G to evaluation mode.

        See `sparring.games.common.standing_statistics`.

        Args:
            batches: How many are drawn.
            size: Samples in each.
        """
        measure(self, self.G, lambda: self.sample(size), batches)
