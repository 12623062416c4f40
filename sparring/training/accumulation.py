"""Gradient accumulation that gives the gradient of the whole batch, also along means over the batch.

    loss = (1/P) Σ_p ℓ_p(θ, m),    m = (1/P) Σ_p x_p(θ)
    d loss / dθ = (1/P) Σ_p d/dθ [ℓ_p(θ, m) + ⟨g, x_p(θ)⟩],    g = (1/P) Σ_p ∂ℓ_p/∂m,    m and g held fixed in the sum

Where a round takes means m over the batch (`Game.over_batch`), each of its turns is run three times for every
micro-batch p: once for the x_p, once for g, once for the gradient. One micro-batch is in memory at a time, and the
gradient is that of the whole batch (for contrastive losses this is known as gradient caching: Gao et al., 2021).

Micro-batches behave as processes do: all begin a turn with the same buffers, each takes its own rows of every batch,
and running means end as the mean over micro-batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from sparring.errors import GameError
from sparring.game import Data, Game, Move, Turn
from sparring.objectives.batch_statistics import MicroBatch, all_reduce_mean

RunTurn = Callable[[int, Iterator[Turn], MicroBatch], tuple[Move, ...]]
"""Runs the next turn of a micro-batch's round, given its index, the round and the `MicroBatch`."""


class MicroBatches:
    """Distributes a stream of micro-batches: the k-th batch of index p is micro-batch p of the k-th batch.

    Args:
        data: The micro-batches of one batch after the other.
        parts: Number of micro-batches per batch.
    """

    def __init__(self, data: Data, parts: int) -> None:
        self.data, self.parts = data, parts
        self._drawn: list[tuple[Tensor, ...]] = []

    def part(self, index: int) -> Data:
        """Return the batches of one index; every call starts at the first one.

        Args:
            index: Index of the micro-batch.
        """
        return self.data if self.parts == 1 else self._shares(index)

    def _shares(self, index: int) -> Data:
        for place in count(index, self.parts):
            while len(self._drawn) <= place:
                self._drawn.append(next(self.data))
            yield self._drawn[place]


@dataclass
class BatchMeans:
    """Means over the batch that one turn takes.

    Attributes:
        values: The means, in the order of the calls.
        slopes: For each player the gradient of its loss in each mean; None where it does not depend on it.
    """

    values: list[Tensor] = field(default_factory=list)
    slopes: dict[str, list[Tensor | None]] = field(default_factory=dict)

    def along(self, player: str, said: Sequence[Tensor]) -> Tensor | None:
        """Return ⟨g, x⟩ of a micro-batch, to be added to a player's loss; None where no x depends on parameters.

        Args:
            player: The player.
            said: The x of the micro-batch, in the order of the calls.
        """
        pairs = zip(self.slopes.get(player, ()), said, strict=False)
        terms = [(slope * x).sum() for slope, x in pairs if slope is not None and x.requires_grad]
        return torch.stack(terms).sum() if terms else None


class GradientCache:
    """Computes the means over the batch and the gradients in them before each turn.

    Args:
        game: The game.
        rounds: Starts the round of a micro-batch, given its index.
        parts: Number of micro-batches.
        play: Runs the next turn of a micro-batch.
    """

    def __init__(self, game: Game, rounds: Callable[[int], Iterator[Turn]], parts: int, play: RunTurn) -> None:
        self.game, self.parts, self.play = game, parts, play
        self._looking, self._sloping = ([rounds(part) for part in range(parts)] for _ in range(2))

    def turn(self) -> BatchMeans:
        """Return the means of the next turn. The game's buffers are restored.

        Raises:
            GameError: If micro-batches take different means, or one mean depends on another.
        """
        buffers, said = BufferSnapshot(self.game), []
        for index in range(self.parts):
            part = MicroBatch(index, self.parts)
            self.play(index, self._looking[index], part)
            buffers.restore(everything=True)
            said.append([x.detach() for x in part.said])
        if len({tuple(x.shape for x in each) for each in said}) > 1:
            raise GameError("Micro-batches took different means: let decisions of a round depend on `step` only.")
        means = BatchMeans([all_reduce_mean(torch.stack(each).mean(0)) for each in zip(*said, strict=True)])
        slopes: dict[str, list[list[Tensor | None]]] = {}
        for index in range(self.parts):
            part = MicroBatch(index, self.parts, means=means.values, leaves=True)
            for move in self.play(index, self._sloping[index], part):
                slopes.setdefault(move.player, []).append(_mean_gradients(move, part))
            buffers.restore(everything=True)
        for player, found in slopes.items():
            means.slopes[player] = [_mean_of_gradients(each) for each in zip(*found, strict=True)]
        return means


def _mean_gradients(move: Move, part: MicroBatch) -> list[Tensor | None]:
    """Return the gradient of a move's loss in each mean."""
    leaves, loss = [given for given in part.given if given.requires_grad], move.loss
    if not leaves or not loss.requires_grad:
        return [None] * len(part.given)
    found = torch.autograd.grad(loss, leaves, retain_graph=True, allow_unused=True)
    inner = [x.sum() for x in part.said if x.requires_grad]
    if any(slope is not None for slope in torch.autograd.grad(inner, leaves, retain_graph=True, allow_unused=True)):
        raise GameError("A mean over the batch depends on another one: play this game with --grad-accum 1.")
    known = dict(zip(map(id, leaves), found, strict=True))
    return [known.get(id(given)) for given in part.given]


def _mean_of_gradients(slopes: Sequence[Tensor | None]) -> Tensor | None:
    """Return the mean of the gradients of all micro-batches; missing ones count as 0."""
    there = [slope for slope in slopes if slope is not None]
    return torch.stack(there).sum(0) / len(slopes) if there else None


BATCH_DEPENDENT = {
    "_BatchNorm": "batch norm takes statistics over images",
    "MinibatchStdDev": "minibatch deviation compares images",
    "MinibatchDiscrimination": "minibatch discrimination compares images",
    "StackGAN": "wrong captions are drawn",
}
"""Layers that combine images, but only within one micro-batch, by the name of the class."""


def batch_dependent_layers(game: nn.Module) -> list[str]:
    """Return a warning if an accumulated step differs from the step of the whole batch, else an empty list.

    Args:
        game: Any.
    """
    kinds = {kind.__name__ for module in game.modules() for kind in type(module).__mro__}
    found = [words for kind, words in BATCH_DEPENDENT.items() if kind in kinds]
    if not found:
        return []
    return [
        f"Within each micro-batch, {' and '.join(found)}: an accumulated step differs from the step of the whole batch."
    ]


def require_divisible(game: Game, parts: int) -> None:
    """Raise an error if a game that needs its whole batch is run with gradient accumulation.

    Args:
        game: Any.
        parts: Number of micro-batches.

    Raises:
        GameError: The message gives the reason.
    """
    if parts > 1 and (reason := game.undivided()):
        raise GameError(f"{reason}: play it with --grad-accum 1.")


class BufferSnapshot:
    """The buffers of a game before a turn that is accumulated over micro-batches.

    Modules with ``sequential_micro_batches`` are left out: their buffers take the rows of one micro-batch after the
    other.

    Args:
        game: The game.
    """

    def __init__(self, game: nn.Module) -> None:
        kept = [(buffer, module) for module in game.modules() for buffer in module.buffers(recurse=False)]
        self._all = [(buffer, buffer.clone()) for buffer, _ in kept]
        self._versions = [buffer._version for buffer, _ in kept]
        self._running = [_updates_statistics(module) for _, module in kept]
        self._alike = [not getattr(module, "sequential_micro_batches", False) for _, module in kept]
        self._left: list[list[Tensor]] = []

    @torch.no_grad()
    def restore(self, *, everything: bool = False) -> None:
        """Restore the buffers that have changed.

        Args:
            everything: Also restore modules with ``sequential_micro_batches``.
        """
        for index, (buffer, before) in enumerate(self._all):
            if (everything or self._alike[index]) and self._running[index]:
                buffer.data.copy_(before)  # a graph may hold it, but does not use its value in training
            elif (everything or self._alike[index]) and buffer._version != self._versions[index]:
                buffer.copy_(before)
                self._versions[index] = buffer._version

    def next_part(self) -> None:
        """Record the buffers at the end of a micro-batch and restore them for the next one."""
        self._left.append([buffer.clone() for buffer, _ in self._all])
        self.restore()

    @torch.no_grad()
    def settle(self) -> None:
        """Set running means to their mean over micro-batches, after the last one."""
        if not self._left:
            return
        for index, (buffer, _) in enumerate(self._all):
            before = [left[index] for left in self._left]
            changed = self._running[index] or buffer._version != self._versions[index]
            if self._alike[index] and buffer.is_floating_point() and changed:
                parts = torch.stack([*before, buffer])
                same = (parts == buffer).all()
                buffer.data.copy_(torch.where(same, buffer, parts.mean(0)))


def _updates_statistics(module: nn.Module) -> bool:
    """Return whether the kernel of a layer writes running statistics, which does not raise their version."""
    return isinstance(module, _NormBase) and module.training and module.track_running_stats
