"""Augmentation of everything that a critic receives, of fixed strength, or of one that adapts to how much D overfits.

    T before D, everywhere:   L_D(D(T x), D(T G(z)))      L_G(D(T G(z)))              Zhao et al. (2020)

    r = E sign D(T x)         p ← p + sign(r − target) · images since / images to go from 0 to 1
                                                                                      Karras et al. (2020), equation 1

A critic that has memorised its few images scores all of them above zero: r → 1, and p rises. So D's zero must lie
between real and fake, as that of a logit or of the hinge game does; a Wasserstein or relativistic critic is free to
shift all its scores, and least squares put the middle at ½.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from sparring.game import CriticOutput, Data, Game, Turn
from sparring.objectives.batch_statistics import batch_mean, num_shards
from sparring.wrappers.base import LastBatch, Wrapper, transform_critics
from sparring.wrappers.requirements import (
    critic_outputs,
    critics,
    no_compared_samples,
    no_spatial_condition,
    one_critic,
    require,
    samples_or_classes,
    zero_centred,
)


class Augmentation(Wrapper):
    """Augment all samples, real or fake, before every critic (Zhao et al., 2020, section 3.2).

    Each pass has a draw of its own, so it needs a game that compares no two samples in the critic's features, and a
    critic without an image or map as a condition, whose places would no longer be those of the sample.

    Args:
        game: The game to play.
        transform: Makes the augmentation of one critic, for example `sparring.augment.DiffAugment`.

    Raises:
        GameError: If the game lacks what this needs, or augments its samples already.
    """

    def __init__(self, game: Game, transform: Callable[[], nn.Module]) -> None:
        super().__init__(game)
        require("Augmentation", game, critics, no_compared_samples, no_spatial_condition, not_augmented)
        transform_critics(self, transform)


def not_augmented(name: str, game: Game) -> str:
    """Require a game without another `Augmentation`."""
    while isinstance(game, Wrapper):
        if isinstance(game, Augmentation):
            core = type(game.unwrapped).__name__
            return f"{core} augments its samples already: leave {name} out, or turn off that of the recipe."
        game = game.game
    return ""


class AdaptiveAugmentation(Wrapper):
    """Augments with a probability that rises while D overfits and falls otherwise (Karras et al., 2020, section 3).

    r is measured on the last real samples of every fourth round, by one more pass of D that leaves no trace: no
    gradients, and statistics that are thrown away. All processes and all accumulated parts count, and
    have the same p.

    Args:
        game: The game to play.
        transform: Makes the augmentation, for example `sparring.augment.AdaptiveAugment`; it has a buffer ``p``.
        target: The r to hold.
        every: Rounds between measurements.
        images: How many real images (in thousands) it takes p at least to go from 0 to 1.

    Raises:
        GameError: If the game has not one critic that gives one score a sample, centred at 0, of the sample alone or
            of it and its class.
    """

    def __init__(
        self,
        game: Game,
        transform: Callable[[], nn.Module],
        *,
        target: float = 0.6,
        every: int = 4,
        images: int = 500_000,
    ) -> None:
        super().__init__(game)
        self.target, self.every, self.images = target, every, images
        needs = one_critic, critic_outputs(CriticOutput.SCORE), samples_or_classes, no_compared_samples, zero_centred
        require("Adaptive augmentation", game, *needs)
        (self._path,) = self.critic_networks()
        made = transform().to(self.device)
        transform_critics(self, lambda: made)
        self._made = (made,)  # in a tuple, for it is registered with D already

    @property
    def p(self) -> Tensor:
        """The probability of each change, a tensor."""
        return self._made[0].p  # type: ignore[return-value]

    def readings(self) -> dict[str, Tensor]:
        """Return p beside those of the game."""
        return {**super().readings(), "augment/p": self.p}

    def over_batch(self, step: int) -> bool:
        """In every fourth round p follows a mean over the batch."""
        return (step + 1) % self.every == 0 or super().over_batch(step)

    def round(self, data: Data, step: int) -> Iterator[Turn]:
        """Play the game's round, then fits p in every fourth."""
        drawn = LastBatch(data)
        yield from self.game.round(drawn, step)
        if (step + 1) % self.every == 0:
            self.fit(drawn.x, *self._conditions(drawn.batch))

    def fit(self, x: Tensor, *given: Tensor) -> None:
        """Move p towards where r is on target.

        Args:
            x: Real samples (N, *shape).
            given: Further inputs of D.
        """
        r = batch_mean(self._scores(x, *given).sign())
        seen = self.every * len(x) * num_shards()
        self.p.add_((r - self.target).sign() * seen / self.images).clamp_(0, 1)

    def _conditions(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return a conditional game's condition of its critic for real samples."""
        return self.one_hot(*batch[1:]) if hasattr(self.game, "one_hot") else ()

    def _scores(self, x: Tensor, *given: Tensor) -> Tensor:
        """Return D's scores in training mode, as in D's own move, on copies of its buffers."""
        D = self.get_submodule(self._path)
        copies = {name: buffer.clone() for name, buffer in D.named_buffers()}
        with torch.no_grad():
            return torch.func.functional_call(D, copies, (x, *given)).float()
