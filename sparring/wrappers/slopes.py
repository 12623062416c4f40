"""Penalties on the critic's slope, for any game: R1, R2 and DRAGAN.

    `R1`      + γ/2 E ‖∇D(x)‖²                 on reals     Mescheder et al. (2018), equation 9
    `R2`      + γ/2 E ‖∇D(G(z))‖²              on fakes     the same, with new fakes
    `DRAGAN`  + λ E (‖∇D(x + noise)‖ − 1)²     near reals   Kodali et al. (2017)

R1 is what lets a game settle whose data lie on one point or on a thin surface. In the Dirac game, D(x) = ψx against a
fake at θ, the linearised flow has the eigenvalues −γ/2 ± √(γ²/4 − φ′(0)²): without γ it circles for ever.

The slope is that in the sample itself: if D sees it through an augmentation, that is differentiated through. D must
score each sample by itself, so without batch norm.
"""

from __future__ import annotations

from torch import Tensor

from sparring.game import Game
from sparring.penalties import dragan, r1, r2
from sparring.wrappers.critics import CriticTerm, require


class R1(CriticTerm):
    """Adds γ/2 E ‖∇D(x)‖² to D's loss (Mescheder et al., 2018, equation 9).

    Args:
        game: The game to play.
        gamma: γ; StyleGAN2-ADA begins at .0002 · pixels / batch.
        every: The penalty is paid every so many steps, that many times as high.
    """

    def __init__(self, game: Game, gamma: float, every: int = 1) -> None:
        super().__init__(game, gamma / 2, every)

    def term(self, x: Tensor) -> Tensor:
        """Returns E ‖∇D(x)‖²."""
        return r1(self.critic, x)


class R2(CriticTerm):
    """Adds γ/2 E ‖∇D(G(z))‖² to D's loss, on fakes drawn for the purpose (Mescheder et al., 2018).

    Args:
        game: The game to play.
        gamma: γ.
        every: The penalty is paid every so many steps, that many times as high.

    Raises:
        GameError: If the game cannot draw fakes.
    """

    def __init__(self, game: Game, gamma: float, every: int = 1) -> None:
        super().__init__(game, gamma / 2, every)
        require(self, "fakes")

    def term(self, x: Tensor) -> Tensor:
        """Returns E ‖∇D(G(z))‖²."""
        return r2(self.critic, self.fakes(len(x)))


class DRAGAN(CriticTerm):
    """Adds λ E (‖∇D‖ − 1)² around the data to D's loss (Kodali et al., 2017).

    Args:
        game: The game to play.
        weight: λ.
        spread: Reach of the noise, in standard deviations of the batch.
        every: The penalty is paid every so many steps, that many times as high.
    """

    def __init__(self, game: Game, weight: float = 10.0, spread: float = 0.5, every: int = 1) -> None:
        super().__init__(game, weight, every)
        self.spread = spread

    def over_batch(self, step: int) -> bool:
        """The reach of the noise is a deviation of the batch."""
        return step % self.every == 0 or super().over_batch(step)

    def term(self, x: Tensor) -> Tensor:
        """Returns E (‖∇D(x + noise)‖ − 1)²."""
        return dragan(self.critic, x, spread=self.spread)
