"""Statistics of the whole batch, computed from its shards: means, standard deviation, gathered rows.

    m = (1/S) Σ_s x_s        S shards: the micro-batches of every process, of equal size

Over processes a mean is one all-reduce, which is its own derivative. Over micro-batches only one is in memory at a
time, so every turn has a pass that computes the means first (`sparring.training.accumulation`): `MicroBatch` records
the x of its micro-batch and returns m.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.distributed as dist
from torch import Tensor

from sparring._types import Context
from sparring.errors import GameError

__all__ = [
    "MicroBatch",
    "all_gather_rows",
    "all_reduce_mean",
    "batch_mean",
    "batch_std",
    "global_mean",
    "micro_batch",
    "num_shards",
]


@dataclass
class MicroBatch:
    """One micro-batch in one turn: the values it contributes to means over the batch, and the means it receives.

    Args:
        index: From 0 to ``parts - 1``.
        parts: Number of micro-batches.
        declared: Whether the game declares, by `over_batch`, that its round takes means over the batch.
        means: Means over all micro-batches, in the order of the calls; None while they are being computed.
        leaves: Whether each mean that depends on parameters is a leaf that requires a gradient.

    Attributes:
        said: The argument x of each call.
        given: What each call returned.
    """

    index: int
    parts: int
    declared: bool = True
    means: list[Tensor] | None = None
    leaves: bool = False
    said: list[Tensor] = field(default_factory=list)
    given: list[Tensor] = field(default_factory=list)

    def mean(self, x: Tensor) -> Tensor:
        """Return the mean of x over micro-batches, or x itself while that is being computed."""
        if not self.declared:
            raise GameError(
                "This game takes a mean over the whole batch, but its over_batch(step) is false: let it be true in the "
                "steps that do, or play the batch as a whole, with --grad-accum 1."
            )
        found = x
        if self.means is not None:
            if len(self.said) == len(self.means) or self.means[len(self.said)].shape != x.shape:
                raise GameError("Micro-batches took different means: let decisions of a round depend on `step` only.")
            found = self.means[len(self.said)].clone().requires_grad_(self.leaves and x.requires_grad)
        self.said.append(x)
        self.given.append(found)
        return found


_now: MicroBatch | None = None


@contextmanager
def micro_batch(part: MicroBatch | None) -> Iterator[None]:
    """Return a context in which means are taken over all micro-batches.

    Args:
        part: The current micro-batch; None if the batch is processed as a whole.
    """
    global _now
    before, _now = _now, part
    try:
        yield
    finally:
        _now = before


def num_shards() -> int:
    """Return the number of shards: processes times micro-batches."""
    return _world() * (_now.parts if _now else 1)


def global_mean(x: Tensor) -> Tensor:
    """Return the mean of `x` over all shards, with the value and gradient that the whole batch on one process gives."""
    return all_reduce_mean(_now.mean(x) if _now else x)


def batch_mean(x: Tensor) -> Tensor:
    """Return the mean of `x` over the whole batch, for shards of equal size. With one shard: `x.mean()`."""
    return global_mean(x.mean())


def batch_std(x: Tensor) -> Tensor:
    """Return the standard deviation of the whole batch, of which `x` is a shard. With one shard: `x.std()`."""
    if num_shards() == 1:
        return x.std()
    count = x.numel() * num_shards()
    mean: Tensor
    square: Tensor
    mean, square = global_mean(torch.stack([x.mean(), x.square().mean()]))
    return ((square - mean.square()).clamp(min=0) * count / (count - 1)).sqrt()


def all_gather_rows(x: Tensor) -> Tensor:
    """Return the rows of all shards, (S n, ...). With one shard: `x` itself.

    Args:
        x: The rows of this shard, (n, ...); n is the same on all.
    """
    count = num_shards()
    if count == 1:
        return x
    part = (_now.index, _now.parts) if _now else (0, 1)
    place = (dist.get_rank() if _world() > 1 else 0) * part[1] + part[0]
    before, after = (x.new_zeros((k * len(x), *x.shape[1:])) for k in (place, count - 1 - place))
    return global_mean(torch.cat([before, count * x, after]))


def all_reduce_mean(x: Tensor) -> Tensor:
    """Return the mean of `x` over processes, its gradient averaged in the same way."""
    return x if _world() == 1 else _AllReduceMean.apply(x)


def _world() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


class _AllReduceMean(torch.autograd.Function):
    """The mean over processes: a symmetric linear map, so its own backward, to any order."""

    apply: ClassVar[Callable[..., Tensor]]

    @staticmethod
    def forward(ctx: Context, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total / dist.get_world_size()

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> Tensor:
        return _AllReduceMean.apply(grads[0])
