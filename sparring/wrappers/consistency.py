"""Regularisation of critics for any game: consistency regularisation and LeCam.

    `CR`     D:  + λ E (D(x) − D(Tx))²                               Zhang et al. (2020)
    `BCR`    D:  + the same on fakes                                 Zhao et al. (2021), section 3.1
    `ZCR`    D:  + λ E (D(G(z)) − D(G(z′)))²     z′ = z + σ n        Zhao et al. (2021), section 3.2
             G:  − μ E (G(z) − G(z′))²           n ~ N(0, I)
    `LeCam`  D:  + λ (E relu(D(x) − f̄)² + E relu(r̄ − D(G(z)))²)      Tseng et al. (2021)

T flips and shifts, which keep the content of an image and should keep its score. In ZCR G's term rewards a different
sample of z′, so that G does not ignore small moves of z; the mean also runs over the pixels. In LeCam r̄ and f̄ are
running means of D's scores on reals and fakes: no real may score far above the usual fake, no fake far below the usual
real.

CR and bCR compare the score of an image with that of the same image moved, so they need one score an image: a map of
scores would move with it, and logits of classes or outcomes have no published form. LeCam compares each score, of
images or of patches, with a mean. zCR needs noise z alone, since a code or a class has no small moves.

The terms are computed on passes of their own, for a technique has no access to the scores of the game that it wraps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import mse_loss, relu

from sparring.game import CriticOutput, Game
from sparring.objectives.batch_statistics import batch_mean
from sparring.rng import randn
from sparring.wrappers.critic_term import CriticTerm, owner
from sparring.wrappers.requirements import (
    Need,
    critic_outputs,
    has_attributes,
    no_lookahead,
    one_critic,
    plain_noise,
    samples_only,
)

Transform = Callable[[Tensor], Tensor]


class CR(CriticTerm):
    """Adds λ E (D(x) − D(Tx))² to D's loss (Zhang et al., 2020, equation 2).

    Args:
        game: The game to play.
        transform: T, such as `sparring.augment.flip_and_shift`; it draws anew at each call.
        weight: λ.
    """

    def __init__(self, game: Game, transform: Transform, weight: float = 10.0) -> None:
        super().__init__(game, weight)
        self.transform = transform

    def term(self, x: Tensor) -> Tensor:
        """Return E (D(x) − D(Tx))²."""
        return mse_loss(self.critic(x), self.critic(self.transform(x)))


class BCR(CriticTerm):
    """Adds λ E (D(x) − D(Tx))² and the same on fakes to D's loss: balanced (Zhao et al., 2021, algorithm 1).

    Args:
        game: The game to play.
        transform: T; it draws anew at each call.
        weight: λ, of both.

    Raises:
        GameError: If the game cannot draw fakes.
    """

    needs: ClassVar[tuple[Need, ...]] = (*CriticTerm.needs, has_attributes("fakes"))

    def __init__(self, game: Game, transform: Transform, weight: float = 10.0) -> None:
        super().__init__(game, weight)
        self.transform = transform

    def term(self, x: Tensor) -> Tensor:
        """Return E (D(x) − D(Tx))² + E (D(G(z)) − D(T G(z)))²."""
        both = x, self.fakes(len(x))
        first, second = (mse_loss(self.critic(x), self.critic(self.transform(x))) for x in both)
        return first + second


class ZCR(CriticTerm):
    """Adds λ E (D(G(z)) − D(G(z′)))² to D's loss and −μ E (G(z) − G(z′))² to G's (Zhao et al., 2021, algorithm 2).

    Args:
        game: The game to play.
        radius: σ, the deviation of z′ − z.
        weight: λ.
        spread: μ, which pays G for making different things of z and z′.

    Raises:
        GameError: If the game has no generator that starts from noise alone.
    """

    needs: ClassVar[tuple[Need, ...]] = (*CriticTerm.needs, has_attributes("noise", "G"), plain_noise)

    def __init__(self, game: Game, radius: float = 0.05, weight: float = 20.0, spread: float = 0.5) -> None:
        super().__init__(game, weight)
        self.radius, self.spread = radius, spread
        self._maker = owner(self, self.G)

    def terms(self, player: str, x: Tensor, step: int) -> dict[str, Tensor]:
        """Return D's term in D's moves, and G's in G's."""
        terms = super().terms(player, x, step)
        if player == self._maker:
            terms["variety"] = -self.spread * mse_loss(*self._pair(len(x)))
        return terms

    def term(self, x: Tensor) -> Tensor:
        """Return E (D(G(z)) − D(G(z′)))²."""
        with torch.no_grad():
            one, other = self._pair(len(x))
        return mse_loss(self.critic(one), self.critic(other))

    def _pair(self, n: int) -> tuple[Tensor, Tensor]:
        z = self.noise(n)
        return self.G(z), self.G(z + self.radius * randn(*z.shape, device=z.device))


class LeCam(CriticTerm):
    """Adds λ (E relu(D(x) − f̄)² + E relu(r̄ − D(G(z)))²) to D's loss (Tseng et al., 2021, equation 4; authors' code).

    Args:
        game: The game to play.
        weight: λ.
        decay: Of the running means, per move of D.
        start: The first step with this term; the means also start there.

    Attributes:
        usual_real: r̄, a buffer.
        usual_fake: f̄, a buffer.

    Raises:
        GameError: If the game cannot draw fakes.
    """

    usual_real: Tensor
    usual_fake: Tensor
    followed: Tensor

    needs: ClassVar[tuple[Need, ...]] = (
        one_critic,
        samples_only,
        critic_outputs(CriticOutput.SCORE, CriticOutput.PATCHES),
        has_attributes("fakes"),
        no_lookahead,
    )

    def __init__(self, game: Game, weight: float = 0.3, decay: float = 0.99, start: int = 1000) -> None:
        super().__init__(game, weight)
        self.decay, self.start = decay, start
        for name in ("usual_real", "usual_fake"):
            self.register_buffer(name, torch.zeros((), device=self.device))
        self.register_buffer("followed", torch.tensor(False, device=self.device))

    def over_batch(self, step: int) -> bool:
        """The running means follow those of the whole batch."""
        return step >= self.start or super().over_batch(step)

    def terms(self, player: str, x: Tensor, step: int) -> dict[str, Tensor]:
        """Return the term in D's moves from step `start` on."""
        return super().terms(player, x, step) if step >= self.start else {}

    def term(self, x: Tensor) -> Tensor:
        """Move the means, then returns E relu(D(x) − f̄)² + E relu(r̄ − D(G(z)))²."""
        real, fake = self.critic(x), self.critic(self.fakes(len(x)))
        self._follow(*(scores.detach().to(self.usual_real) for scores in (real, fake)))
        return relu(real - self.usual_fake).square().mean() + relu(self.usual_real - fake).square().mean()

    def _follow(self, real: Tensor, fake: Tensor) -> None:
        """Move both means towards those of the whole batch; at first onto them."""
        rate = torch.where(self.followed, 1 - self.decay, 1.0)
        self.usual_real.lerp_(batch_mean(real), rate)
        self.usual_fake.lerp_(batch_mean(fake), rate)
        self.followed.fill_(True)
