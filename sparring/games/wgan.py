"""Wasserstein GANs: the critic estimates the earth mover's distance, the generator shortens it.

    W1(p, q) = max over 1-Lipschitz f of  E_p f(x) - E_q f(x)            (Kantorovich–Rubinstein duality)

    D minimises  mean D(G(z)) - mean D(x)          G minimises  -mean D(G(z))

The two games differ in how D is kept Lipschitz: by a box around its weights (Arjovsky et al., 2017, Algorithm 1) or by
a penalty on the norm of its gradient between real and fake points (Gulrajani et al., 2017, Algorithm 1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Unpack

from torch import Tensor, nn

from sparring.game import CriticSpec, Data, Move, PlayerSettings
from sparring.games.common.adversarial import AdversarialGame
from sparring.games.common.turns import require_positive
from sparring.objectives import Wasserstein
from sparring.objectives.penalties import clip, gradient_penalty


class WGAN(AdversarialGame):
    """Wasserstein GAN with weight clipping (Arjovsky et al., 2017, Algorithm 1).

    Args:
        G: Generator (N, latent) -> (N, *shape).
        D: Critic (N, *shape) -> (N,).
        bound: c; after every move of D all its parameters are clamped to [-c, c].
        critic_steps: Moves of D in a round.
        burst: Moves of D in each of the first 25 rounds and in every 500th, to bring D near its optimum; the authors'
            code uses 100, the paper's box none.
        generator_steps: Moves of G in a round.
        settings: The optimisers and the schedule, see `LatentGame`.
    """

    adversarial = "wasserstein"

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        *,
        bound: float = 0.01,
        critic_steps: int = 5,
        burst: int | None = None,
        generator_steps: int = 1,
        **settings: Unpack[PlayerSettings],
    ):
        super().__init__(G, D, **settings)
        self.objective = Wasserstein()
        self.bound, self.critic_steps, self.generator_steps = bound, critic_steps, generator_steps
        self.burst = critic_steps if burst is None else burst
        require_positive(critic_steps=critic_steps, generator_steps=generator_steps, burst=self.burst)

    def critic_spec(self) -> CriticSpec:
        """Return the plain case, but for the clipping of D's weights."""
        return replace(super().critic_spec(), custom_critic_step="its weights are clipped after each step")

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D, clipping after each move, then G."""
        for _ in range(self.burst if step < 25 or step % 500 == 0 else self.critic_steps):
            x, *_ = next(data)
            fake = self.fakes(len(x))
            yield Move("D", wasserstein=self.objective.critic(self.D(x), self.D(fake)))
            clip(self.D, self.bound)
        for _ in range(self.generator_steps):
            yield Move("G", wasserstein=self.objective.generator(self.D(self.G(self.noise(len(x))))))


class WGANGP(AdversarialGame):
    """Wasserstein GAN with gradient penalty (Gulrajani et al., 2017, Algorithm 1).

    D must not use batch norm: the penalty is on the gradient of each score in its own image.

    Args:
        G: Generator (N, latent) -> (N, *shape).
        D: Critic (N, *shape) -> (N,).
        penalty: λ, the weight of (‖∇D‖₂ - 1)²; 10 for images, 0.1 for the paper's points in the plane.
        critic_steps: Moves of D in a round.
        generator_steps: Moves of G in a round.
        settings: The optimisers and the schedule, see `LatentGame`.
    """

    adversarial = "wasserstein"

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        *,
        penalty: float = 10.0,
        critic_steps: int = 5,
        generator_steps: int = 1,
        **settings: Unpack[PlayerSettings],
    ):
        super().__init__(G, D, **settings)
        self.objective = Wasserstein()
        require_positive(critic_steps=critic_steps, generator_steps=generator_steps)
        self.penalty, self.critic_steps, self.generator_steps = penalty, critic_steps, generator_steps

    def critic_spec(self) -> CriticSpec:
        """Return the plain case, and the penalty."""
        return replace(super().critic_spec(), gradient_penalties=("penalty",), penalty_target=1)

    def critic_terms(self, x: Tensor, fake: Tensor, step: int = 0) -> dict[str, Tensor]:
        """Return the estimate of the distance, and the penalty."""
        penalty = gradient_penalty(self.D, x, fake, through=fake.requires_grad)
        return {**super().critic_terms(x, fake, step), "penalty": self.penalty * penalty}

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D with its penalty, then G."""
        for _ in range(self.critic_steps):
            x, *_ = next(data)
            fake = self.fakes(len(x))
            yield Move("D", **self.critic_terms(x, fake))
        for _ in range(self.generator_steps):
            yield Move("G", wasserstein=self.objective.generator(self.D(self.G(self.noise(len(x))))))
