"""Exponential moving average (EMA) of the networks that sampling uses.

    theta_avg  <-  beta theta_avg + (1 - beta) theta,      beta = min(decay, (1 + t) / (10 + t))

The average removes the noise of the last updates and gives better samples than any single iterate (Yazıcı et al.,
2019); the ramp of beta discounts the untrained start.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from sparring.errors import GameError
from sparring.game import Game


class EMA:
    """A copy of a game whose sampling networks are averaged over training. All other networks are shared.

    Batch-norm statistics are averaged like weights; every other buffer is copied. The vectors of spectral norm must be
    copied: a mean of unit vectors is shorter than 1, which makes W / σ too large.

    Args:
        game: The game in training.
        decay: The limit of beta, in [0, 1).

    Raises:
        GameError: If the game names no network that sampling uses.

    Attributes:
        game: The averaged game, for sampling and evaluation.
    """

    def __init__(self, game: Game, decay: float = 0.999) -> None:
        self.decay = decay
        names = game.sampling_networks()
        if not names:
            raise GameError(
                f"{type(game).__name__} names no network in sampling_networks(): there is nothing to average."
            )
        shared = [module for path, module in game.named_modules() if path and not _related(path, names)]
        self.game: Game = copy.deepcopy(game, {id(module): module for module in shared})
        pairs = [pair for name in names for pair in _pairs(self.game.get_submodule(name), game.get_submodule(name))]
        self._means = [pair[1:] for pair in pairs if pair[0]]
        self._copies = [pair[1:] for pair in pairs if not pair[0]]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Update the average with the current weights, after `step` (counted from 0)."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        mine, theirs = (list(side) for side in zip(*self._means, strict=True))
        torch._foreach_lerp_(mine, theirs, weight)
        for copied, current in self._copies:
            copied.copy_(current)


def _related(path: str, names: tuple[str, ...]) -> bool:
    """Return whether a module is one of the named ones, inside one, or contains one."""
    return any(f"{path}.".startswith(f"{name}.") or f"{name}.".startswith(f"{path}.") for name in names)


def _pairs(mine: nn.Module, theirs: nn.Module) -> Iterator[tuple[bool, Tensor, Tensor]]:
    """Yield whether to average, and the tensors of the average and of the game, for parameters and buffers."""
    for parameter, current in zip(mine.parameters(), theirs.parameters(), strict=True):
        yield True, parameter, current
    for (name, buffer), now in zip(mine.named_buffers(), theirs.buffers(), strict=True):
        yield name.endswith(("running_mean", "running_var")), buffer, now
