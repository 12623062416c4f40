"""Feature matching (Salimans et al., 2016, section 3.1): G matches the mean of D's features instead of D's score.

    L_G = ‖E f(x) − E f(G(z))‖²,        f: the features of D's last hidden layer

D's own loss is unchanged, so its features separate real from fake samples. G's goal moves more slowly than the
score, and is met exactly when the means agree. The reals are a batch of their own, which D has not just learnt from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from sparring.errors import GameError
from sparring.game import Data, Game, Move, Turn
from sparring.objectives.batch_statistics import global_mean
from sparring.wrappers.base import TransformedCritic, Wrapper, map_moves, remaining_terms
from sparring.wrappers.critic_term import latent_game
from sparring.wrappers.requirements import no_lookahead, one_pair, require, samples_only


def squared(gap: Tensor) -> Tensor:
    """Return ‖gap‖², the paper's distance."""
    return gap.square().sum()


def absolute(gap: Tensor) -> Tensor:
    """Return the mean |gap| of a feature, as the authors' code for CIFAR-10 has it."""
    return gap.abs().mean()


class FeatureMatching(Wrapper):
    """Replaces the adversarial term of G's moves by the distance of mean features, or adds it; other terms stay.

    It needs a game of one G that starts from noise and one D without a condition and with a method ``features``.
    The means are over the whole batch: all processes and all accumulated parts. G's path is the fake mean alone.

    Args:
        game: The game to play, with a critic that has features.
        distance: Measures the gap (F,) between the means: `squared` or `absolute`.
        weight: Multiplies the distance.
        keep: Whether G keeps its adversarial term.

    Raises:
        GameError: If the game has no such critic.
    """

    def __init__(
        self, game: Game, distance: Callable[[Tensor], Tensor] = squared, weight: float = 1.0, *, keep: bool = False
    ) -> None:
        super().__init__(game)
        require("Feature matching", game, one_pair, samples_only, no_lookahead)
        critic: nn.Module = latent_game(game).D
        while isinstance(critic, TransformedCritic):
            critic = critic.critic
        if not hasattr(critic, "features"):
            raise GameError("Feature matching needs a critic with a method features(x): derive it from Critic.")
        self.distance, self.weight, self.keep = distance, weight, keep

    def over_batch(self, step: int) -> bool:
        """G's goal is a mean over the batch."""
        return True

    def round(self, data: Data, step: int) -> Iterator[Turn]:
        """Play the game's round with another goal for G."""
        for turn in self.game.round(data, step):
            yield map_moves(turn, lambda move: self.matched(move, data) if move.player == "G" else move)

    def matched(self, move: Move, data: Data) -> Move:
        """Return a move of G towards the features of new real samples.

        Args:
            move: G's own.
            data: Gives the real samples.
        """
        terms = remaining_terms(move, self.game.critic_spec())
        if terms is None:
            return move
        game = latent_game(self)
        x, *_ = next(data)
        with torch.no_grad():
            real = over_batch(game.D.features(x))  # type: ignore[operator]
        fake = over_batch(game.D.features(game.fakes_with_grad(len(x))))  # type: ignore[operator]
        return Move("G", **(move.terms if self.keep else terms), matching=self.weight * self.distance(real - fake))


def over_batch(features: Tensor) -> Tensor:
    """Return the mean features (F,) of the whole batch, of which (N, F) are a share."""
    features = features.to(torch.promote_types(features.dtype, torch.float32))
    return global_mean(features.mean(0))
