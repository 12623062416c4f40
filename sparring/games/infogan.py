"""InfoGAN (Chen et al., 2016): G takes codes and noise, and a third network Q predicts the codes of samples.

    `InfoGAN`          D (trunk, head, Q)  L_D − λ_d L_d − λ_c L_c      G         L_G − λ_d L_d − λ_c L_c
    `InfoGANQWithG`    D (trunk, head)     L_D                          G with Q  L_G − λ_d L_d − λ_c L_c
    `InfoGANSeparateQ` D (trunk, head)     L_D    G  L_G                Q (trunk, Q, G)  − λ_d L_d − λ_c L_c

L_d, L_c: lower bounds of the information on the categorical and the continuous codes, in nats
(`sparring.games.common.latent_codes`). Q shares D's trunk, and is trained on fakes only. The first is the authors'
code, the second the paper's equation 6, the third that of many other codes. Terms and logs include the weights:
at λ = 1 a term is −L, in nats.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sparring._types import Network
from sparring.game import CriticSpec, Data, LatentGame, Move, PlayerSettings, evaluation_mode, latent
from sparring.games.common.latent_codes import LatentCodes
from sparring.objectives import Objective
from sparring.rng import randn


class InfoGAN(LatentGame):
    """One move of D with Q, one of G, as in the authors' code.

    Args:
        G: Generator (N, latent) -> (N, *shape); the last coordinates of its noise are the codes.
        D: Critic (N, *shape) -> (N,) that is ``head``, (N, F) -> (N, 1), on ``features``, (N, *shape) -> (N, F).
        Q: Reads codes from features: (N, F) -> (N, code.num_outputs).
        objective: The two losses.
        code: The codes that there are.
        categorical: λ_d, the weight of the information on categorical codes; continuous: λ_c, that of the others.
        settings: The optimisers and the schedule, see `LatentGame`.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        Q: nn.Module,
        objective: Objective,
        code: LatentCodes,
        *,
        categorical: float = 1.0,
        continuous: float = 0.1,
        **settings: Unpack[PlayerSettings],
    ):
        super().__init__(G, D, **settings)
        self.Q, self.objective, self.code = Q, objective, code
        self.categorical, self.continuous = categorical, continuous

    def players(self) -> dict[str, Optimizer]:
        """Return the optimisers of D, which owns Q, and of G."""
        return {"D": self._optimisers["D"](nn.ModuleList([self.D, self.Q])), "G": self._optimisers["G"](self.G)}

    def critic_spec(self) -> CriticSpec:
        """Return that noise holds codes, which Q reads from D's features, and that G also pays for them."""
        ahead = "Q reads codes from D's features, which they would change"
        return replace(
            super().critic_spec(), adversarial_terms=("adversarial",), noise_condition="codes", custom_critic_step=ahead
        )

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D with Q, then G; each on codes of its own."""
        x, *_ = next(data)
        noise = self.noise(len(x))
        scores, answers = self.judged(self.sample(len(x), noise=noise))
        yield Move("D", adversarial=self.objective.critic(self.D(x), scores), **self.information(answers, noise))
        noise = self.noise(len(x))
        scores, answers = self.judged(self.G(noise))
        yield Move("G", adversarial=self.objective.generator(scores), **self.information(answers, noise))

    def judged(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return D's scores (N,) and Q's outputs (N, answers), by one pass through the trunk."""
        h = self.D.features(x)  # type: ignore[operator]
        return self.D.head(h).squeeze(1), self.Q(h)  # type: ignore[operator]

    def information(self, answers: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """Return the terms −λ_d L_d and −λ_c L_c."""
        return self.code.terms(answers, self.split(noise)[1], self.categorical, self.continuous)

    def bounds(self, n: int = 1000) -> dict[str, float]:
        """Return a lower bound of the information on each code in n new samples, in nats, by the current Q."""
        with evaluation_mode(self):
            noise = self.noise(n)
            bounds = self.code.bounds(self.judged(self.G(noise))[1], self.split(noise)[1])
        return {name: bound.item() for name, bound in bounds.items()}

    def noise(self, n: int) -> Tensor:
        """Draw rows [z, c], z ~ N(0, I), c uniform."""
        z = randn(n, latent(self.G) - self.code.size, device=self.device)
        return torch.cat([z, self.code.sample(n, self.device)], 1)

    def split(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Cut noise into z and c; weights of a category are made to add up to 1."""
        z, c = noise.split([noise.shape[1] - self.code.size, self.code.size], 1)
        return z, self.code.normalised(c)

    def latent_codes(self) -> dict[str, tuple[float, ...]]:
        """Return the values of each code to show."""
        return self.code.values()

    def with_code(self, latents: Tensor, name: str, value: float) -> Tensor:
        """Return rows of noise with one code set to a value and the same z and other codes."""
        z, c = self.split(latents)
        return torch.cat([z, self.code.replaced(c, name, value)], 1)

    def sample(self, n: int, *, noise: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """Draw n samples, (n, *shape), from given or fresh rows of noise; `truncation` scales z, not c."""
        z, c = self.split(self.noise(n) if noise is None else noise)
        with torch.no_grad():
            samples: Tensor = self.G(torch.cat([truncation * z, c], 1))
            return samples

    def encode(self, x: Tensor) -> Tensor:
        """Return rows that `sample` starts from: z = 0, which Q does not predict, then Q's codes of x (N, ...)."""
        return torch.cat([torch.zeros_like(self.split(self.noise(len(x)))[0]), *self.posteriors(x).values()], 1)

    def posteriors(self, x: Tensor) -> dict[str, Tensor]:
        """Return Q's predictions for x: probabilities of categorical codes (N, K), means of continuous ones (N, 1)."""
        return self.code.parts(self.code.posterior(self.judged(x)[1].detach()))


class InfoGANQWithG(InfoGAN):
    """Q is trained with G; D is trained without codes, so its trunk is not trained to predict them."""

    def players(self) -> dict[str, Optimizer]:
        """Return the optimisers of D and of G, which owns Q."""
        return {"D": self._optimisers["D"](self.D), "G": self._optimisers["G"](nn.ModuleList([self.G, self.Q]))}

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D, then G with Q."""
        x, *_ = next(data)
        yield Move("D", adversarial=self.objective.critic(self.D(x), self.D(self.fakes(len(x)))))
        noise = self.noise(len(x))
        scores, answers = self.judged(self.G(noise))
        yield Move("G", adversarial=self.objective.generator(scores), **self.information(answers, noise))


class InfoGANSeparateQ(InfoGAN):
    """Q is a third player, by an optimiser of its own over Q, the trunk and G, whom others own as well."""

    def players(self) -> dict[str, Optimizer]:
        """Return the optimisers of D, of G, and of Q, made as G's is."""
        owned: list[Network] = [self.Q, self.D.trunk, self.G]
        return {**LatentGame.players(self), "Q": self._optimisers["G"](nn.ModuleList(owned))}

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D, then G, then Q together with the trunk and G."""
        x, *_ = next(data)
        yield Move("D", adversarial=self.objective.critic(self.D(x), self.D(self.fakes(len(x)))))
        yield Move("G", adversarial=self.objective.generator(self.D(self.G(self.noise(len(x))))))
        noise = self.noise(len(x))
        yield Move("Q", **self.information(self.judged(self.G(noise))[1], noise))
