"""Averaged weights: the exponential moving average of the networks that sampling uses.

    theta_avg  <-  beta theta_avg + (1 - beta) theta,      beta = min(decay, (1 + t) / (10 + t))

The average forgets the noise of the last moves and gives better samples than any single iterate (Yazıcı et al., 2019);
the ramp of beta lets it forget the untrained start.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from sparring.errors import GameError
from sparring.game import Game


class Average:
    """A copy of a game whose sampling networks are averaged over the training; every other network is shared.

    Floating buffers (batch-norm statistics) are averaged like weights, integer ones copied.

    Args:
        game: The game in training.
        decay: The limit of beta, in [0, 1).

    Raises:
        GameError: If the game names no network that sampling uses.

    Attributes:
        game: Sample and score with this one.
    """

    def __init__(self, game: Game, decay: float = 0.999) -> None:
        self.decay = decay
        names = game.sampling()
        if not names:
            raise GameError(f"{type(game).__name__} names no network in sampling(): there is nothing to average.")
        shared = [module for path, module in game.named_modules() if path and not _related(path, names)]
        self.game: Game = copy.deepcopy(game, {id(module): module for module in shared})
        pairs = [pair for name in names for pair in zip(_tensors(self.game, name), _tensors(game, name), strict=True)]
        self._floating = [pair for pair in pairs if pair[0].is_floating_point()]
        self._counts = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Moves the average towards the current weights, after `step` (counted from 0)."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        mine, theirs = (list(side) for side in zip(*self._floating, strict=True))
        torch._foreach_lerp_(mine, theirs, weight)
        for count, current in self._counts:
            count.copy_(current)


def _related(path: str, names: tuple[str, ...]) -> bool:
    """Tells whether a module is one of the named ones, inside one, or around one."""
    return any(f"{path}.".startswith(f"{name}.") or f"{name}.".startswith(f"{path}.") for name in names)


def _tensors(game: Game, name: str) -> list[Tensor]:
    network = game.get_submodule(name)
    return [*network.parameters(), *network.buffers()]
