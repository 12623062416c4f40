"""Randomness as a function of (seed, step, turn, shard), so that resume is exact and ranks are independent.

No random state is kept from one turn to the next: before each turn the trainer enters `turn_rng`, which seeds

* torch's own generators from (seed, step, turn, shard): dropout, mixing coefficients, anything a network draws;
* one generator from (seed, step, turn), the same on every shard: `randn` and `rand` draw the *whole* batch's noise
  from it and return this shard's rows. So one process and many draw the same noise for the same image.

A shard is one equal part of the global batch: micro-batch j of rank r among world size × micro-batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

_WORD = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, the increment of SplitMix64
Word = TypeVar("Word", int, np.ndarray)


def splitmix64(x: Word) -> Word:
    """Return the finaliser of SplitMix64 (Steele, Lea and Flood, 2014), a bijection of 64-bit numbers.

    Args:
        x: An integer below 2⁶⁴, or an array of uint64.
    """
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & _WORD
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & _WORD
    mixed: Word = x ^ (x >> 31)
    return mixed


def hash_seed(*numbers: int) -> int:
    """Return a 63-bit hash of integers: the finaliser of SplitMix64, chained.

    >>> hash_seed(0, 1) != hash_seed(1, 0)
    True
    """
    state = 0
    for number in numbers:
        state = splitmix64((state + number + GOLDEN) & _WORD)
    return state >> 1


@dataclass
class _Draw:
    generator: torch.Generator | None = None
    shard: int = 0
    num_shards: int = 1
    first: int = 0  # the seed of shard 0


_now = _Draw()
_generators: dict[torch.device, torch.Generator] = {}


@contextmanager
def turn_rng(
    seed: int, step: int, turn: int, *, shard: int = 0, num_shards: int = 1, device: torch.device | str = "cpu"
) -> Iterator[None]:
    """Return a context in which draws depend on (seed, step, turn) and, where shards must differ, on the shard.

    Args:
        seed: The run's seed.
        step: The current step.
        turn: Position of the turn in its round.
        shard: Index of this shard of the global batch, from 0 to ``num_shards - 1``.
        num_shards: Number of shards of the global batch.
        device: Device on which `randn` and `rand` draw.
    """
    device = torch.device(device)
    _seed(hash_seed(seed, step, turn, shard), device)
    generator = _generators.setdefault(device, torch.Generator(device))
    with _using(
        _Draw(generator.manual_seed(hash_seed(seed, step, turn, -1)), shard, num_shards, hash_seed(seed, step, turn, 0))
    ):
        yield


def _seed(value: int, device: torch.device) -> None:
    """Seed torch on the CPU and the device; `torch.manual_seed` would format a stack trace for each absent backend."""
    torch.default_generator.manual_seed(value)
    if device.type != "cpu":
        backend = getattr(torch, device.type)
        getattr(backend, "manual_seed_all", backend.manual_seed)(value)  # CUDA's plain one seeds the current device


@contextmanager
def fixed_seed(seed: int) -> Iterator[None]:
    """Return a context in which `randn` and `rand` depend on `seed` only. torch's own state is not changed."""
    with _using(_Draw(torch.Generator().manual_seed(hash_seed(seed)))):
        yield


@contextmanager
def _using(draw: _Draw) -> Iterator[None]:
    global _now
    before, _now = _now, draw
    try:
        yield
    finally:
        _now = before


@contextmanager
def replicated(device: torch.device | str) -> Iterator[None]:
    """Return a context in which every shard draws what the first one draws, for values shared by the whole batch.

    Args:
        device: Device of torch's generators.
    """
    if _now.shard == 0:
        with _using(replace(_now, num_shards=1)):
            yield
        return
    device = torch.device(device)
    kept: list[tuple[Callable[[Tensor], object], Tensor]] = [(torch.set_rng_state, torch.get_rng_state())]
    if device.type != "cpu":
        backend, where = getattr(torch, device.type), (device,) if device.type == "cuda" else ()
        kept.append((lambda state: backend.set_rng_state(state, *where), backend.get_rng_state(*where)))
    _seed(_now.first, device)
    try:
        with _using(replace(_now, shard=0, num_shards=1)):
            yield
    finally:
        for put_back, state in kept:
            put_back(state)


def num_shards() -> int:
    """Return the number of shards of the global batch.

    Losses of shards are averaged: a sum over the global batch is a shard's sum times this number.
    """
    return _now.num_shards


def randn(n: int, *shape: int, device: torch.device | str = "cpu") -> Tensor:
    """Draw this shard's n rows of standard normal noise, shape (n, *shape)."""
    return _rows(torch.randn, n, shape, device)


def rand(n: int, *shape: int, device: torch.device | str = "cpu") -> Tensor:
    """Draw this shard's n rows of noise uniform on [0, 1), shape (n, *shape)."""
    return _rows(torch.rand, n, shape, device)


def _rows(draw, n: int, shape: tuple[int, ...], device: torch.device | str) -> Tensor:  # type: ignore[no-untyped-def]
    where = device if _now.generator is None else _now.generator.device
    whole = draw(n * _now.num_shards, *shape, generator=_now.generator, device=where)
    rows: Tensor = whole[_now.shard * n : (_now.shard + 1) * n].to(device)
    return rows
