"""How near pictures come to those that they should be, where data are pairs: the partner of each is known.

    error    mean |picture − partner|, of images in [−1, 1], hence from 0 to 2

Beside it stand what knows less: noise, *another's* partner (a real picture that belongs to another row), and the images
*left alone*. A constant picture may score well where grounds are large; distances of distributions beside it do not
let it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from sparring.data import Dataset
from sparring.evaluation.evaluator import NUM_IMAGES, Evaluation
from sparring.metrics import Direction, Score, make_protocol
from sparring.rng import hash_seed

if TYPE_CHECKING:
    from sparring.runs.run import Run

__all__ = [
    "ImageReader",
    "batches",
    "choose_rows",
    "mean_score",
    "merge_evaluations",
    "mismatched",
    "moment_matched_noise",
    "pair_protocol",
    "per_image_error",
]

BATCH = 16
NORMAL = 1.96  # standard errors on either side of a 95 % interval

ImageReader = Callable[[np.ndarray], Tensor]
"""Positions (n,) -> images (n, C, H, W) in [−1, 1]."""


def choose_rows(run: Run, samples: int | None, seed: int) -> tuple[Dataset, np.ndarray]:
    """Returns the rows that pictures are compared with: held-out ones where there are any, and which of them.

    Args:
        run: A run on pairs.
        samples: How many, 2,000 unless told, never more than there are.
        seed: Decides which.
    """
    dataset = run.held_out or run.training
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(hash_seed(seed, 4)))
    return dataset, order[: min(samples or NUM_IMAGES, len(dataset))].numpy()


def pair_shortfall_notes(run: Run, samples: int | None) -> tuple[str, ...]:
    """Says that fewer pictures are compared than were asked for, if it is so.

    Args:
        run: A run on pairs.
        samples: How many were asked for, if any number was.
    """
    most, held = len(run.held_out or run.training), " held-out" if run.held_out else ""
    if not samples or samples <= most:
        return ()
    return (f"{samples:,} pictures were asked for and {most:,} are compared: there are {most:,}{held} pairs.",)


def batches(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yields positions a few at a time, so that pictures pass by and do not stay."""
    yield from np.split(rows, range(BATCH, len(rows), BATCH))


def moment_matched_noise(truth: ImageReader, rows: np.ndarray, seed: int) -> ImageReader:
    """Returns noise with the means and deviations of some rows, of every coordinate by itself.

    Args:
        truth: The images.
        rows: Which of them.
        seed: Decides the noise.
    """
    parts = [truth(some).double() for some in batches(rows)]
    total, squares = sum(x.sum(0) for x in parts), sum(x.square().sum(0) for x in parts)
    mean = torch.as_tensor(total / len(rows))
    deviation = (torch.as_tensor(squares / len(rows)) - mean.square()).clamp(min=0).sqrt()
    generator = torch.Generator().manual_seed(hash_seed(seed, 5))

    def drawn(some: np.ndarray) -> Tensor:
        free = torch.randn(len(some), *mean.shape, generator=generator)
        return (mean + deviation * free).float().clamp(-1, 1)

    return drawn


def mismatched(truth: ImageReader, rows: np.ndarray) -> ImageReader:
    """Returns the images of others in the places of some rows: real ones, that belong elsewhere.

    Args:
        truth: The images.
        rows: Which of them; each gets that of the one before it.
    """
    other = dict(zip(rows.tolist(), np.roll(rows, 1).tolist(), strict=True))
    return lambda some: truth(np.array([other[row] for row in some.tolist()]))


def per_image_error(kinds: Mapping[str, ImageReader], truth: ImageReader, rows: np.ndarray) -> dict[str, Tensor]:
    """Returns the error of every row, (n,), of each kind of pictures.

    Args:
        kinds: Pictures by what they are.
        truth: What they should be.
        rows: Positions, int64 (n,).
    """
    return {name: torch.cat([_off(made(some), truth(some)) for some in batches(rows)]) for name, made in kinds.items()}


def _off(made: Tensor, truth: Tensor) -> Tensor:
    return (made.cpu().clamp(-1, 1) - truth).abs().mean((1, 2, 3))


def pair_protocol(metric: str, run: Run, count: int, seed: int) -> dict[str, Any]:
    """Returns the stamp of a score of pairs."""
    split = "held out" if run.held_out else "training"
    return make_protocol(metric, dataset=run.training, split=split, real=count, fake=count, seed=seed)


def mean_score(name: str, found: Mapping[str, Tensor], how: Mapping[str, Any], better: Direction) -> Evaluation:
    """Returns the mean of a number of every row, with its interval; and those beside it.

    Args:
        name: Of the score.
        found: Numbers (n,) by kind; that of the pictures that are judged has no name. One of all has no interval.
        how: The stamp.
        better: Which way it improves.
    """
    make = partial(Score, name, protocol=how, better=better)
    rows = found[""].double()
    mean = rows.mean().item()
    error = (rows.std() / math.sqrt(len(rows))).item() if len(rows) > 1 else None
    sure = None if error is None else (mean - NORMAL * error, mean + NORMAL * error)
    beside = {kind: [make(value=each.double().mean().item())] for kind, each in found.items() if kind}
    return Evaluation([make(value=mean, interval=sure)], beside)


def merge_evaluations(parts: Sequence[Evaluation]) -> Evaluation:
    """Returns several evaluations as one; a reference that one of them lacks is a gap there, NaN.

    Args:
        parts: In order.
    """
    names = dict.fromkeys(name for part in parts for name in part.references)

    def column(part: Evaluation, name: str) -> list[Score]:
        gaps = [Score(score.name, math.nan, score.protocol, score.better) for score in part.scores]
        return part.references.get(name, gaps)

    costs = dict.fromkeys(name for part in parts for name in part.seconds)
    return Evaluation(
        [score for part in parts for score in part.scores],
        {name: [score for part in parts for score in column(part, name)] for name in names},
        {name: sum(part.seconds.get(name, 0.0) for part in parts) for name in costs},
        {name: images for part in parts for name, images in part.exhibits.items()},
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )
