"""Penalties on the critic's slope, for any game: R1, R2 and DRAGAN.

    `R1`      + γ/2 E ‖∇D(x)‖²                 on reals     Mescheder et al. (2018), equation 9
    `R2`      + γ/2 E ‖∇D(G(z))‖²              on fakes     the same, with new fakes
    `DRAGAN`  + λ E (‖∇D(x + noise)‖ − 1)²     near reals   Kodali et al. (2017)

With R1 a game converges whose data lie on one point or on a thin surface. In the Dirac game, D(x) = ψx against a
fake at θ, the linearised flow has the eigenvalues −γ/2 ± √(γ²/4 − φ′(0)²): without γ it circles for ever.

The slope is that in the sample itself: gradients pass through an augmentation before D. D must
score each sample by itself, so without batch norm and without minibatch discrimination; StyleGAN2's minibatch deviation
couples samples so little that its authors accept it. Where D scores patches, R1 and R2 are of the sum of an image's
scores, as in published code; DRAGAN's slope of 1 means nothing for a sum over patches, and it needs one score.
Logits of classes or of outcomes have no slope that these penalties mean. A slope cannot be drawn towards 0 and towards
1 at once: R1 and R2 exclude DRAGAN, and the penalty of WGAN-GP.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from torch import Tensor

from sparring.game import CriticOutput, CriticSpec, Game
from sparring.objectives.penalties import dragan, r1, r2
from sparring.wrappers.critic_term import CriticTerm
from sparring.wrappers.requirements import (
    Need,
    critic_outputs,
    has_attributes,
    no_lookahead,
    no_penalty_named,
    one_critic,
    same_penalty_target,
    samples_only,
    scores_each_sample,
)

SLOPED = (
    one_critic,
    samples_only,
    critic_outputs(CriticOutput.SCORE, CriticOutput.PATCHES),
    scores_each_sample,
    no_lookahead,
)


class GradientPenalty(CriticTerm):
    """A penalty on the slope of each score in its own sample.

    Attributes:
        target: The norm of the slope at which the penalty is 0.
    """

    target: ClassVar[float] = 0

    def critic_spec(self) -> CriticSpec:
        """Return that of the game, which now pays for slopes."""
        known = super().critic_spec()
        return replace(
            known,
            gradient_penalties=(*known.gradient_penalties, type(self).__name__.lower()),
            penalty_target=self.target,
        )


class R1(GradientPenalty):
    """Adds γ/2 E ‖∇D(x)‖² to D's loss (Mescheder et al., 2018, equation 9).

    Args:
        game: The game to play.
        gamma: γ; StyleGAN2-ADA begins at .0002 · pixels / batch.
        every: Steps from one payment of the penalty to the next; the penalty is multiplied by this number.
    """

    needs: ClassVar[tuple[Need, ...]] = (no_penalty_named("r1"), *SLOPED, same_penalty_target(0))

    def __init__(self, game: Game, gamma: float, every: int = 1) -> None:
        super().__init__(game, gamma / 2, every)

    def term(self, x: Tensor) -> Tensor:
        """Return E ‖∇D(x)‖²."""
        return r1(self.critic, x)


class R2(GradientPenalty):
    """Adds γ/2 E ‖∇D(G(z))‖² to D's loss, on fakes drawn for the purpose (Mescheder et al., 2018).

    Args:
        game: The game to play.
        gamma: γ.
        every: Steps from one payment of the penalty to the next; the penalty is multiplied by this number.

    Raises:
        GameError: If the game cannot draw fakes.
    """

    needs: ClassVar[tuple[Need, ...]] = (
        no_penalty_named("r2"),
        *SLOPED,
        has_attributes("fakes"),
        same_penalty_target(0),
    )

    def __init__(self, game: Game, gamma: float, every: int = 1) -> None:
        super().__init__(game, gamma / 2, every)

    def term(self, x: Tensor) -> Tensor:
        """Return E ‖∇D(G(z))‖²."""
        return r2(self.critic, self.fakes(len(x)))


class DRAGAN(GradientPenalty):
    """Adds λ E (‖∇D‖ − 1)² around the data to D's loss (Kodali et al., 2017).

    Args:
        game: The game to play.
        weight: λ.
        spread: Reach of the noise, in standard deviations of the batch.
        every: Steps from one payment of the penalty to the next; the penalty is multiplied by this number.
    """

    needs: ClassVar[tuple[Need, ...]] = (
        no_penalty_named("dragan"),
        one_critic,
        samples_only,
        critic_outputs(CriticOutput.SCORE),
        scores_each_sample,
        no_lookahead,
        same_penalty_target(1),
    )
    target: ClassVar[float] = 1

    def __init__(self, game: Game, weight: float = 10.0, spread: float = 0.5, every: int = 1) -> None:
        super().__init__(game, weight, every)
        self.spread = spread

    def over_batch(self, step: int) -> bool:
        """The reach of the noise is a deviation of the batch."""
        return step % self.every == 0 or super().over_batch(step)

    def term(self, x: Tensor) -> Tensor:
        """Return E (‖∇D(x + noise)‖ − 1)²."""
        return dragan(self.critic, x, spread=self.spread)
