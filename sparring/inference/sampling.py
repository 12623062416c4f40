"""Draw the samples of seeds, and interpolate between them: one seed is always one latent and one sample.

The latent of a seed depends on the seed alone, not on the batch or the device. Samples are computed in evaluation mode,
in batches of one fixed size, so that a sample does not depend on the others of its batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from inspect import signature
from itertools import pairwise

import torch
from torch import Tensor

from sparring._interpolation import slerp
from sparring.abilities import SupportsSampling, require_sampling
from sparring.errors import DataError
from sparring.game import Game, evaluation_mode
from sparring.rng import fixed_seed, hash_seed

__all__ = [
    "generate",
    "interpolate",
    "interpolate_seeds",
    "latents_from_seeds",
    "parse_seeds",
    "sample",
    "sample_seeds",
]

BATCH = 16
MAX_SEEDS = 1_000_000  # seeds in one request


def parse_seeds(text: str) -> list[int]:
    """Parse seeds: numbers and ranges, both ends included.

    Args:
        text: Numbers and ranges, such as ``"0-63,70"``.

    Raises:
        DataError: If it cannot be parsed, or has more than a million seeds.

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
            raise DataError(f"The seeds {item.strip()!r} are too many or descending: write a range such as 0-63.")
        seeds += range(low, high + 1)
    return seeds


def latents_from_seeds(game: Game, seeds: Sequence[int]) -> Tensor:
    """Return the latent of each seed, one row per seed, on the game's device; drawn in evaluation mode.

    Args:
        game: A game that samples.
        seeds: One number per row.

    Raises:
        GameError: If the game does not sample.
    """
    rows, able = [], require_sampling(game)
    with evaluation_mode(game):
        for seed in seeds:
            with fixed_seed(seed):
                rows.append(able.noise(1))
    return torch.cat(rows)


def sample(game: Game, n: int, *, seed: int = 0, truncation: float = 1.0) -> Tensor:
    """Return samples; the first ones of a seed are the same for every number of samples, bit for bit on one device.

    Sample i is that of the number `hash_seed` (seed, i), see `sample_seeds`, so two seeds share no sample.

    Args:
        game: A game that samples.
        n: Number of samples.
        seed: Decides all of them.
        truncation: As for `sample_seeds`.

    Returns:
        Samples (n, *shape), images in [−1, 1], on the game's device.

    Raises:
        DataError: If the number is not from 1 to a million.
        GameError: If the game does not sample.
    """
    if not 1 <= n <= MAX_SEEDS:
        raise DataError(f"There cannot be {n} samples: give a number from 1 to {MAX_SEEDS:,}.")
    return sample_seeds(game, [hash_seed(seed, index) for index in range(n)], truncation=truncation)


def sample_seeds(game: Game, seeds: Sequence[int], *, batch: int = BATCH, truncation: float = 1.0) -> Tensor:
    """Return the sample of each seed.

    Args:
        game: A game that samples.
        seeds: One number per sample.
        batch: Samples computed at once; on a CPU pixels depend on it only by floating-point rounding.
        truncation: ψ. Below 1 samples are more typical, with less variety and often better quality; above 1 less
            typical. Games whose `sample` has a truncation apply their own (StyleGAN2: in its styles; BigGAN: z cut off
            at ±ψ); otherwise ψ scales the noise.

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
    """Return samples on a path through the latents of seeds, at constant speed.

    Args:
        game: A game that samples.
        seeds: Seeds in order, at least 2.
        frames: Number of samples.
        loop: Whether to return to the first seed, which is then not repeated at the end.
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
    """Return the samples of given noise, without gradients; the game is left unchanged.

    Args:
        game: A game that samples.
        noise: One row per sample.
        batch: Samples computed at once; the last batch is padded, so that all have one size.
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
    """Return rows at constant speed from row to row.

    Args:
        ends: Rows (N, ...), N at least 2.
        frames: Number of rows.
        loop: Whether to return to the first row, which is then not repeated at the end.
        between: Function that interpolates two rows at t in [0, 1]. Default: `slerp`.

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
        rows.append((between or _slerp)(*arcs[arc], way - arc))
    return torch.stack(rows)


def require_interpolation(stops: int, frames: int, such: str) -> None:
    """Raise an error for an interpolation with too few stops, or too few or too many frames.

    Args:
        stops: Number of stops.
        frames: Number of samples.
        such: A flag that names stops, with example values, for the message.

    Raises:
        DataError: If there are fewer than two stops, or not 1 to a million frames.
    """
    if stops < 2:
        raise DataError(f"An interpolation needs two {such.partition(' ')[0]} or more, not {stops}: try --{such}.")
    if not 1 <= frames <= MAX_SEEDS:
        raise DataError(
            f"An interpolation cannot have {frames} frames: give a number from 1 to {MAX_SEEDS:,}, such as --frames 60."
        )


def _slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    return slerp(a.flatten()[None], b.flatten()[None], torch.tensor([t], dtype=torch.float64))[0].view_as(a)
