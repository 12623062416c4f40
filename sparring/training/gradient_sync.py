"""Averages gradients and statistics over processes, by an all-reduce of one flat tensor each; counted and timed.

A player's gradients are reduced when it moves, after its backward pass, and batch-norm statistics at the end of a step,
without overlap with computation.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.distributed as dist
import torch.distributed.nn.functional  # before any group: its default arguments keep the current one
from torch import Tensor, nn


class RankAndWorld(NamedTuple):
    """Rank of this process and number of processes."""

    rank: int
    world: int


SINGLE_PROCESS = RankAndWorld(0, 1)


class GradientSync:
    """Averages over processes and records the cost. With one process it does nothing.

    Attributes:
        bytes: Bytes that this process passed to all-reduce: 4 per single-precision number.
        times: Number of all-reduce calls.
    """

    def __init__(self) -> None:
        self.bytes = self.times = 0
        self._seconds = 0.0
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    @property
    def seconds(self) -> float:
        """Seconds spent in all-reduce, including the wait for other ranks. On a CUDA device this synchronises."""
        return self._seconds + sum(_elapsed(begin, end) for begin, end in self._events)

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Average gradients over processes; a missing one counts as zero.

        Args:
            parameters: The parameters of a player, in the same order in every process.
        """
        if rank_and_world() == SINGLE_PROCESS:
            return
        parameters = list(parameters)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        for parameter, gradient in zip(parameters, self._averaged(gradients), strict=True):
            # A fused optimiser pairs numbers by their place in memory: a gradient needs the layout of its parameter.
            parameter.grad = torch.empty_like(parameter).copy_(gradient)

    def average_statistics(self, game: nn.Module) -> None:
        """Average batch-norm statistics, so that replicas stay identical.

        Args:
            game: Any module.
        """
        if rank_and_world() == SINGLE_PROCESS:
            return
        norms = [module for module in game.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        buffers = [b for norm in norms for b in (norm.running_mean, norm.running_var) if b is not None]
        if buffers:
            for buffer, mean in zip(buffers, self._averaged(buffers), strict=True):
                buffer.copy_(mean)

    def _averaged(self, tensors: list[Tensor]) -> list[Tensor]:
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        self.bytes, self.times = self.bytes + flat.nbytes, self.times + 1
        with self._timed(flat.device):
            dist.all_reduce(flat)
        means = (flat / dist.get_world_size()).split_with_sizes([tensor.numel() for tensor in tensors])
        return [mean.view_as(tensor) for mean, tensor in zip(means, tensors, strict=True)]

    @contextmanager
    def _timed(self, device: torch.device) -> Iterator[None]:
        if device.type != "cuda":
            start = time.perf_counter()
            yield
            self._seconds += time.perf_counter() - start
            return
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()  # asynchronous: the host does not wait
        yield
        end.record()
        self._events.append((begin, end))


def rank_and_world() -> RankAndWorld:
    """Return the rank of this process and the number of processes."""
    if not (dist.is_available() and dist.is_initialized()):
        return SINGLE_PROCESS
    return RankAndWorld(dist.get_rank(), dist.get_world_size())


def _elapsed(begin: torch.cuda.Event, end: torch.cuda.Event) -> float:
    """Return the seconds between two events, after waiting for the second."""
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1e3
