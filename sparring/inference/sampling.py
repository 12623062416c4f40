"""From seeds to samples: one seed is one noise row is one picture, always, and paths lead from one to the next.

A seed's row of noise depends on the seed alone: not on the batch it is drawn in, nor on the device. Samples are made in
evaluation mode, in batches of one fixed size, so that a picture does not depend on its company either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from inspect import signature
from itertools import pairwise

import torch
from torch import Tensor

from sparring.abilities import SupportsSampling, require_sampling
from sparring.errors import DataError
from sparring.game import Game, evaluation_mode
from sparring.rng import fixed_seed

__all__ = ["generate", "interpolate", "interpolate_seeds", "latents_from_seeds", "parse_seeds", "sample_seeds", "slerp"]

BATCH = 16
MAX_SEEDS = 1_000_000  # seeds in one request


def parse_seeds(text: str) -> list[int]:
    """Reads seeds as people write them: numbers and ranges, both ends included.

    Args:
        text: Such as ``"0-63,70"``.

    Raises:
        DataError: If it cannot be read, or asks for more than a million.

    >>> parse_seeds("0-3, 7")
    [0, 1, 2, 3, 7]
    """
    seeds: list[int] = []
    for item in text.split(","):
        first, dash, last = (end.strip() for end in item.partition("-"))
        ends = (first, last if dash else first)
        if not all(end.isascii() and end.isdigit() and len(end) < 19 for end in ends):
            raise DataError(f"The seeds {text!r} cannot be read: write numbers and ranges such as 0-63,70.")
        low, high = map(int, ends)
        if high < low or high - low + len(seeds) >= MAX_SEEDS:
            raise DataError(f"The seeds {item.strip()!r} are too many or run backwards: write a range such as 0-63.")
        seeds += range(low, high + 1)
    return seeds


def latents_from_seeds(game: Game, seeds: Sequence[int]) -> Tensor:
    """Returns the noise of each seed, one row a seed, on the game's device; drawn in evaluation mode.

    Args:
        game: A game that can sample.
        seeds: One number a row.

    Raises:
        GameError: If the game cannot sample.
    """
    rows, able = [], require_sampling(game)
    with evaluation_mode(game):
        for seed in seeds:
            with fixed_seed(seed):
                rows.append(able.noise(1))
    return torch.cat(rows)


def sample_seeds(game: Game, seeds: Sequence[int], *, batch: int = BATCH, truncation: float = 1.0) -> Tensor:
    """Returns the sample of each seed.

    Args:
        game: A game that can sample.
        seeds: One number a sample.
        batch: How many are made at once; on a CPU the pixels do not depend on it beyond the rounding of a float.
        truncation: ψ. Below 1 samples become more typical: less variety, often better looks; above 1 more daring. A
            game whose `sample` knows truncation decides how (StyleGAN2: in its styles; BigGAN: z cut off at ±ψ); else
            ψ scales the noise.

    Returns:
        Samples (len(seeds), *shape), on the game's device.
    """
    return generate(require_sampling(game), latents_from_seeds(game, seeds), batch=batch, truncation=truncation)


def interpolate_seeds(
    game: Game,
    seeds: Sequence[int],
    frames: int = 60,
    *,
    loop: bool = True,
    truncation: float = 1.0,
    batch: int = BATCH,
) -> Tensor:
    """Returns the samples on a path that visits the seeds at constant pace.

    Args:
        game: A game that can sample.
        seeds: What is visited, in order; at least 2.
        frames: Samples on the whole path.
        loop: Whether the path returns to its first seed, which is then not repeated at the end.
        truncation: As for `sample_seeds`.
        batch: As for `sample_seeds`.

    Returns:
        Samples (frames, *shape).

    Raises:
        DataError: If there are fewer than two seeds, or no frame.
    """
    require_interpolation(len(seeds), frames, "seeds 0,1,2")
    way = interpolate(latents_from_seeds(game, seeds), frames, loop=loop)
    return generate(require_sampling(game), way, batch=batch, truncation=truncation)


def generate(game: SupportsSampling, noise: Tensor, *, batch: int = BATCH, truncation: float = 1.0) -> Tensor:
    """Returns the samples of given noise, without gradients and without a trace in the game.

    Args:
        game: A game that can sample.
        noise: One row a sample.
        batch: How many are made at once; the last batch is filled up, so that every sample is made alike.
        truncation: As for `sample_seeds`.
    """
    made: list[Tensor] = []
    how = {"truncation": truncation} if truncation != 1 and "truncation" in signature(game.sample).parameters else {}
    noise = noise if how else truncation * noise
    if not math.isfinite(truncation):
        raise DataError(f"A truncation of {truncation} leaves no samples: give a number, such as 0.7.")
    with evaluation_mode(game):  # type: ignore[arg-type]
        for rows in noise.split(batch):
            full = rows.repeat(-(-batch // len(rows)), *[1] * (rows.dim() - 1))[:batch]
            made.append(game.sample(batch, noise=full, **how)[: len(rows)])
    return torch.cat(made)


def interpolate(
    ends: Tensor, frames: int, *, loop: bool = True, between: Callable[[Tensor, Tensor, float], Tensor] | None = None
) -> Tensor:
    """Returns `frames` rows at constant pace from row to row of `ends` (N, ...), N at least 2: along arcs unless told.

    >>> interpolate(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), 3, loop=False)
    tensor([[1.0000, 0.0000],
            [0.7071, 0.7071],
            [0.0000, 1.0000]])
    """
    stops = [*ends, ends[0]] if loop else [*ends]
    arcs = list(pairwise(stops))
    rows = []
    for frame in range(frames):
        way = frame * len(arcs) / (frames if loop else max(frames - 1, 1))
        arc = min(int(way), len(arcs) - 1)
        rows.append((between or slerp)(*arcs[arc], way - arc))
    return torch.stack(rows)


def require_interpolation(stops: int, frames: int, such: str) -> None:
    """Refuses a walk that leads nowhere or is too long.

    Args:
        stops: How many are visited.
        frames: Samples on the whole path.
        such: A flag that names stops, with values that would do, for the message.

    Raises:
        DataError: If there are fewer than two stops, or not 1 to a million frames.
    """
    if stops < 2:
        raise DataError(f"A walk needs two {such.partition(' ')[0]} or more, not {stops}: try --{such}.")
    if not 1 <= frames <= MAX_SEEDS:
        raise DataError(
            f"A walk cannot have {frames} frames: give a number from 1 to {MAX_SEEDS:,}, such as --frames 60."
        )


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Returns the point at t ∈ [0, 1] of the arc from a to b (Shoemake, 1985; White, 2016).

    Gaussian noise in many dimensions lies near a sphere, and a straight line would leave it: the middle of two noises
    has √½ of their length. The direction turns at constant speed, the length changes linearly.
    """
    lengths = a.norm(), b.norm()
    here, there = a / lengths[0], b / lengths[1]
    angle = torch.arccos((here * there).sum().clamp(-1, 1))
    if not torch.sin(angle) > 1e-4:  # the same direction, opposite ones, or no direction: there is no arc
        return (1 - t) * a + t * b
    direction = (torch.sin((1 - t) * angle) * here + torch.sin(t * angle) * there) / torch.sin(angle)
    return ((1 - t) * lengths[0] + t * lengths[1]) * direction
