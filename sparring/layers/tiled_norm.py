"""Instance norm of tiles by the moments of the whole image, for networks that are run tile by tile.

A tile normalised by itself loses its brightness and contrast relative to the others. So the mean and variance of every
norm's input are collected over all tiles first, norm after norm, since each depends on those before it: one pass over
all tiles per norm, each up to the next norm. Then tiles are normalised by these moments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

__all__ = ["collect_moments", "with_moments"]

Moments = dict[nn.Module, tuple[Tensor, Tensor]]
"""Mean and variance of each norm's input, (N, C, 1, 1)."""

Tile = tuple[Callable[[], object], Tensor]
"""A function that runs a tile through the network, and the weight of each of its positions, (h, w)."""


def collect_moments(network: nn.Module, parts: Sequence[Tile]) -> Moments:
    """Return the moments of all norms without gains over the whole image, collected tile by tile.

    Args:
        network: The network. Each norm is called once per run.
        parts: The tiles, each with the same number of images.

    Example:
        >>> norm, whole = nn.InstanceNorm2d(1), torch.tensor([[[[1.0, 3.0, 5.0, 7.0]]]])
        >>> parts = [(lambda x=x: norm(x), torch.ones(1, 2)) for x in whole.split(2, 3)]
        >>> with with_moments(collect_moments(norm, parts)):
        ...     bool(torch.isclose(norm(whole[..., :2]), nn.InstanceNorm2d(1)(whole)[..., :2]).all())
        True
    """
    norms = [module for module in network.modules() if isinstance(module, nn.InstanceNorm2d) and not module.affine]
    moments: Moments = {}
    for _ in norms:
        tally = _MomentAccumulator(moments)
        with with_moments(moments), ExitStack() as stack:
            for norm in norms:
                stack.callback(norm.register_forward_pre_hook(tally).remove)
            tally.run(parts)
        if tally.norm is None:  # the others are not called
            break
        moments[tally.norm] = tally.moments
    return moments


@contextmanager
def with_moments(moments: Moments) -> Iterator[None]:
    """Return a context in which norms use the collected moments.

    Args:
        moments: Moments of the same number of images.
    """

    def answer(module: Any, given: Any, made: Tensor) -> Tensor:
        mean, variance = moments[module]
        return (given[0] - mean) * (variance + module.eps).rsqrt()

    with ExitStack() as stack:
        for module in moments:
            stack.callback(module.register_forward_hook(answer).remove)
        yield


class _NormReached(Exception):
    """Raised when the next norm has been reached, so that the rest of the tile is not needed."""


class _MomentAccumulator:
    """Accumulates the input of the first norm whose moments are not yet known."""

    def __init__(self, moments: Moments) -> None:
        self.known, self.norm, self.share = moments, None, torch.ones(1, 1)
        self.weight, self.total, self.squares = 0.0, torch.zeros(()), torch.zeros(())

    def run(self, parts: Sequence[Tile]) -> None:
        for run, self.share in parts:
            try:
                run()
            except _NormReached:
                continue
            return  # to the end: all norms are known

    def __call__(self, norm: Any, given: Any) -> None:
        if norm in self.known:
            return
        self.norm, x = norm, given[0].double()
        weights = interpolate(self.share[None, None].to(x), size=x.shape[2:], mode="area")
        self.weight += weights.sum().item()
        self.total = self.total.to(x) + (weights * x).sum((2, 3), keepdim=True)
        self.squares = self.squares.to(x) + (weights * x.square()).sum((2, 3), keepdim=True)
        raise _NormReached

    @property
    def moments(self) -> tuple[Tensor, Tensor]:
        mean = self.total / self.weight
        return mean.float(), (self.squares / self.weight - mean.square()).clamp(min=0).float()
