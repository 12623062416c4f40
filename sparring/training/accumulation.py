"""Accumulation that is the same step: what the parts of a batch must know of each other, and what they must not.

    loss = (1/P) Σ_p ℓ_p(θ, m),    m = (1/P) Σ_p x_p(θ)
    d loss / dθ = (1/P) Σ_p d/dθ [ℓ_p(θ, m) + ⟨g, x_p(θ)⟩],    g = (1/P) Σ_p ∂ℓ_p/∂m,    m and g held fixed in the sum

Where a round takes means m over the batch (`Game.over_batch`), each of its turns is played three times, part by part:
once for the x_p, once for g, once for the gradient. One part is in memory at a time, as ever, and the gradient is that
of the whole batch, also along m (for contrastive losses this is known as gradient caching: Gao et al., 2021).

Parts are to each other as processes are: all begin a turn with the same buffers, each draws rows of its own from every
batch, and running means end as the mean of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import torch
from torch import Tensor, nn

from sparring.errors import GameError
from sparring.game import Data, Game, Move, Turn
from sparring.objectives.batch_statistics import MicroBatch, all_reduce_mean

RunTurn = Callable[[int, Iterator[Turn], MicroBatch], tuple[Move, ...]]
"""Plays the next turn of a part's round: its index, the round, what it is given of the whole."""


class MicroBatches:
    """Hands the parts of every batch out, each to its part: the k-th batch of part p is part p of the k-th batch.

    Args:
        data: The parts of one batch after the other.
        parts: How many make a batch.
    """

    def __init__(self, data: Data, parts: int) -> None:
        self.data, self.parts = data, parts
        self._drawn: list[tuple[Tensor, ...]] = []

    def part(self, index: int) -> Data:
        """Returns the shares of one part, the same ones each time that it is asked.

        Args:
            index: Of the part.
        """
        return self.data if self.parts == 1 else self._shares(index)

    def _shares(self, index: int) -> Data:
        for place in count(index, self.parts):
            while len(self._drawn) <= place:
                self._drawn.append(next(self.data))
            yield self._drawn[place]


@dataclass
class BatchMeans:
    """What one turn takes over the batch.

    Attributes:
        values: The means, in the order of the calls.
        slopes: For each player how its loss depends on each mean; None where it does not.
    """

    values: list[Tensor] = field(default_factory=list)
    slopes: dict[str, list[Tensor | None]] = field(default_factory=dict)

    def along(self, player: str, said: Sequence[Tensor]) -> Tensor | None:
        """Returns ⟨g, x⟩ of a part, which a player minimises besides; None where no x depends on parameters.

        Args:
            player: The player.
            said: The x of the part, in the order of the calls.
        """
        pairs = zip(self.slopes.get(player, ()), said, strict=False)
        terms = [(slope * x).sum() for slope, x in pairs if slope is not None and x.requires_grad]
        return torch.stack(terms).sum() if terms else None


class GradientCache:
    """Plays a round ahead, turn by turn, for the means that its parts take over the batch.

    Args:
        game: The game.
        rounds: Begins the round of a part, by its index.
        parts: How many parts there are.
        play: Plays the next turn of a part.
    """

    def __init__(self, game: Game, rounds: Callable[[int], Iterator[Turn]], parts: int, play: RunTurn) -> None:
        self.game, self.parts, self.play = game, parts, play
        self._looking, self._sloping = ([rounds(part) for part in range(parts)] for _ in range(2))

    def turn(self) -> BatchMeans:
        """Returns the means of the next turn; the game's buffers are left as they were.

        Raises:
            GameError: If the parts take different means, or one mean depends on another.
        """
        buffers, said = BufferSnapshot(self.game), []
        for index in range(self.parts):
            part = MicroBatch(index, self.parts)
            self.play(index, self._looking[index], part)
            buffers.restore(everything=True)
            said.append([x.detach() for x in part.said])
        if len({tuple(x.shape for x in each) for each in said}) > 1:
            raise GameError("The parts of a batch took different means: let a round's decisions come from `step`.")
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
    """Returns how a move's loss depends on each mean."""
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
    """Returns the mean of the slopes of all parts, of which those that are missing are 0."""
    there = [slope for slope in slopes if slope is not None]
    return torch.stack(there).sum(0) / len(slopes) if there else None


BATCH_DEPENDENT = {
    "_BatchNorm": "batch norm takes the statistics of images",
    "MinibatchStdDev": "minibatch deviation compares images",
    "MinibatchDiscrimination": "minibatch discrimination compares images",
    "StackGAN": "wrong captions are drawn",
}
"""What looks at several images at once and sees those of its own part only, by the class of a module."""


def batch_dependent_layers(game: nn.Module) -> list[str]:
    """Says what makes a step that is played in parts another one than that of the whole batch; nothing if nothing does.

    Args:
        game: Any.
    """
    kinds = {kind.__name__ for module in game.modules() for kind in type(module).__mro__}
    found = [words for kind, words in BATCH_DEPENDENT.items() if kind in kinds]
    if not found:
        return []
    return [f"Within each part of a batch, {' and '.join(found)}: a step of several parts is another one than a whole."]


def require_divisible(game: Game, parts: int) -> None:
    """Refuses to play a game in parts that needs its batch as a whole.

    Args:
        game: Any.
        parts: How many parts a batch is played in.

    Raises:
        GameError: The message says why.
    """
    if parts > 1 and (reason := game.undivided()):
        raise GameError(f"{reason}: play it with --grad-accum 1.")


class BufferSnapshot:
    """The buffers of a game as they are before a turn of several parts.

    Modules with ``sequential_micro_batches`` are left out: their buffers take the rows of one micro-batch after the
    other.

    Args:
        game: The game.
    """

    def __init__(self, game: nn.Module) -> None:
        kept = [(buffer, module) for module in game.modules() for buffer in module.buffers(recurse=False)]
        self._all = [(buffer, buffer.clone()) for buffer, _ in kept]
        self._versions = [buffer._version for buffer, _ in kept]
        self._alike = [not getattr(module, "sequential_micro_batches", False) for _, module in kept]
        self._left: list[list[Tensor]] = []

    @torch.no_grad()
    def restore(self, *, everything: bool = False) -> None:
        """Puts back what has changed.

        Args:
            everything: Also what modules with ``sequential_micro_batches`` hold.
        """
        for index, (buffer, before) in enumerate(self._all):
            if (everything or self._alike[index]) and buffer._version != self._versions[index]:
                buffer.copy_(before)
                self._versions[index] = buffer._version

    def next_part(self) -> None:
        """Notes the buffers as a part has left them, and puts them back for the next."""
        self._left.append([buffer.clone() for buffer, _ in self._all])
        self.restore()

    @torch.no_grad()
    def settle(self) -> None:
        """Makes running means those of all parts, once the last part has been played."""
        if not self._left:
            return
        for index, (buffer, _) in enumerate(self._all):
            before = [left[index] for left in self._left]
            if self._alike[index] and buffer.is_floating_point() and buffer._version != self._versions[index]:
                parts = torch.stack([*before, buffer])
                same = (parts == buffer).all()
                buffer.copy_(torch.where(same, buffer, parts.mean(0)))
