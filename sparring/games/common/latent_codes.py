"""Codes c of an InfoGAN, and a lower bound of their mutual information with samples (Chen et al., 2016, section 5).

    I(c; G(z, c)) ≥ E log Q(c | G(z, c)) + H(c) = L                   for every Q (Barber & Agakov, 2003); in nats

Categorical, uniform over K: H = ln K, L ≤ ln K. Continuous, U[−1, 1]: H = ln 2 and Q is a normal distribution whose
mean and log-variance it predicts; the authors' code takes the entropy of N(0, 1) instead, which bounds nothing. The
variance is kept within [e⁻⁶, e³]: without a floor L could rise for ever. L is 0 for a Q that predicts the prior of a
category alone; of a continuous code it is 2.08 with the right mean and σ = .1, and −0.23 with σ = 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from sparring.errors import GameError
from sparring.rng import rand

LOG_VARIANCE = (-6.0, 3.0)
STEPS = 10  # values of a continuous code that are worth seeing


@dataclass(frozen=True)
class LatentCodes:
    """Codes of a sample in addition to its noise: a row [one-hot rows, continuous ones] of `size` coordinates.

    Args:
        categories: How many values each categorical code has.
        continuous: How many continuous codes there are, on [−1, 1].

    Raises:
        GameError: If there is no code, or a categorical one has no choice.

    >>> LatentCodes((10,), 2).size, LatentCodes((10,), 2).num_outputs
    (12, 14)
    """

    categories: tuple[int, ...] = (10,)
    continuous: int = 2

    def __post_init__(self) -> None:
        if self.continuous < 0 or min(self.categories, default=2) < 2 or not self.size:
            raise GameError("Codes need a category of at least 2 values, or a continuous one: try --categories 10.")

    @property
    def size(self) -> int:
        """Coordinates of c."""
        return sum(self.categories) + self.continuous

    @property
    def num_outputs(self) -> int:
        """Size of Q's output for a sample: logits, then means, then log-variances."""
        return self.size + self.continuous

    def sample(self, n: int, device: torch.device) -> Tensor:
        """Draw n codes, (n, size), every value as likely as the others."""
        u = rand(n, len(self.categories) + self.continuous, device=device)
        hot = [one_hot((k * u[:, i]).long(), k).to(u) for i, k in enumerate(self.categories)]
        return torch.cat([*hot, 2 * u[:, len(self.categories) :] - 1], 1)

    def bounds(self, answers: Tensor, c: Tensor) -> dict[str, Tensor]:
        """Return L of each code by its name, in nats.

        Args:
            answers: Outputs of Q for samples, (N, answers).
            c: Codes of the samples, (N, size).
        """
        *asked, values = c.split([*self.categories, self.continuous], 1)
        *logits, means, spreads = answers.split([*self.categories, self.continuous, self.continuous], 1)
        found = [math.log(y.shape[1]) - cross_entropy(a, y) for a, y in zip(logits, asked, strict=True)]
        spreads = spreads.clamp(*LOG_VARIANCE)
        likely = -((values - means).square() / spreads.exp() + spreads + math.log(2 * math.pi)) / 2
        return dict(zip(self.names(), [*found, *(math.log(2) + likely.mean(0))], strict=True))

    def terms(self, answers: Tensor, c: Tensor, categorical: float, continuous: float) -> dict[str, Tensor]:
        """Return −λ_d ΣL_d and −λ_c ΣL_c, to be minimised, for the kinds of codes that there are.

        Args:
            answers: Outputs of Q for samples, (N, answers).
            c: Codes of the samples, (N, size).
            categorical: λ_d.
            continuous: λ_c.
        """
        bounds, first = [*self.bounds(answers, c).values()], len(self.categories)
        kinds = {"categorical": (categorical, bounds[:first]), "continuous": (continuous, bounds[first:])}
        return {kind: -weight * torch.stack(each).sum() for kind, (weight, each) in kinds.items() if each}

    def posterior(self, answers: Tensor) -> Tensor:
        """Return Q's predictions, laid out like c (N, size): probabilities of categories, means of continuous ones."""
        *logits, means, _ = answers.split([*self.categories, self.continuous, self.continuous], 1)
        return torch.cat([*(each.softmax(1) for each in logits), means], 1)

    def parts(self, c: Tensor) -> dict[str, Tensor]:
        """Cut rows laid out like c (N, size) into the codes, by their names."""
        return dict(zip(self.names(), c.split([*self.categories, *[1] * self.continuous], 1), strict=True))

    def names(self) -> list[str]:
        """Return the names of the codes: category0, ..., continuous0, ..."""
        named = {"category": len(self.categories), "continuous": self.continuous}
        return [f"{kind}{i}" for kind, count in named.items() for i in range(count)]

    def values(self) -> dict[str, tuple[float, ...]]:
        """Return the values of each code to show."""
        steps = tuple(2 * i / (STEPS - 1) - 1 for i in range(STEPS))
        each = [*(tuple(range(k)) for k in self.categories), *[steps] * self.continuous]
        return dict(zip(self.names(), each, strict=True))

    def replaced(self, c: Tensor, name: str, value: float) -> Tensor:
        """Return codes (N, size) with one of them at a value, a continuous one beyond ±1 if given.

        Raises:
            GameError: If there is no such code, or no such value of a category.
        """
        known = self.values()
        if name not in known:
            raise GameError(f"There is no code {name!r}: this game has {', '.join(known)}.")
        parts = self.parts(c)
        if name.startswith("category"):
            if value not in known[name]:
                raise GameError(f"{name} has no value {value:g}: it has 0 to {len(known[name]) - 1}.")
            parts[name] = one_hot(torch.tensor([int(value)]), parts[name].shape[1]).to(c).expand_as(parts[name])
        else:
            parts[name] = torch.full_like(parts[name], value)
        return torch.cat([*parts.values()], 1)

    def normalised(self, c: Tensor) -> Tensor:
        """Make the weights of each category add up to 1, which mixtures of rows need not do."""
        *weights, values = c.split([*self.categories, self.continuous], 1)
        tiny = torch.finfo(c.dtype).tiny
        return torch.cat([*(w / w.sum(1, keepdim=True).clamp_min(tiny) for w in weights), values], 1)
