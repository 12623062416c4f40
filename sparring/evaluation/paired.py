"""Errors of images whose ground truth is known, where the data are pairs.

    error    mean |image − truth|, of images in [−1, 1], so from 0 to 2

Its references are noise, *another's* (the truth of another row) and *left alone* (the unchanged input). Where large
parts of images are background, a constant image scores well; distances of distributions expose it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from sparring._types import JsonObject
from sparring.data import Dataset
from sparring.evaluation.sample_sets import NUM_IMAGES, moment_matched_noise, row_moments
from sparring.evaluation.types import Evaluation, normal_interval
from sparring.metrics import Direction, Score, make_protocol
from sparring.rng import hash_seed

__all__ = [
    "ImageReader",
    "batches",
    "choose_rows",
    "mean_score",
    "merge_evaluations",
    "mismatched",
    "noise_reader",
    "pair_protocol",
    "pair_shortfall_notes",
    "per_image_error",
]

BATCH = 16

ImageReader = Callable[[np.ndarray], Tensor]
"""Function from positions (n,) to images (n, C, H, W) in [−1, 1]."""


def choose_rows(
    dataset: Dataset, held_out: Dataset | None, samples: int | None, seed: int
) -> tuple[Dataset, np.ndarray]:
    """Return the data whose rows are compared, held-out rows if there are any, and positions in it.

    Args:
        dataset: The training data, of pairs.
        held_out: Pairs that were not trained on.
        samples: Number of rows, at most all. Default: 2,000.
        seed: Seed of the choice.
    """
    rows = held_out or dataset
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(hash_seed(seed, 4)))
    return rows, order[: min(samples or NUM_IMAGES, len(rows))].numpy()


def pair_shortfall_notes(dataset: Dataset, held_out: Dataset | None, samples: int | None) -> tuple[str, ...]:
    """Return a note if fewer pairs are compared than were requested.

    Args:
        dataset: The training data, of pairs.
        held_out: Pairs that were not trained on.
        samples: Number requested, if any.
    """
    most, which = len(held_out or dataset), " held-out" if held_out else ""
    if not samples or samples <= most:
        return ()
    return (f"{samples:,} images were requested and {most:,} are compared: there are {most:,}{which} pairs.",)


def batches(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield positions a few at a time, so that few images are in memory.

    Args:
        rows: Positions, int64 (n,).
    """
    yield from np.split(rows, range(BATCH, len(rows), BATCH))


def noise_reader(truth: ImageReader, rows: np.ndarray, seed: int) -> ImageReader:
    """Return noise with the mean and deviation of each coordinate of some images.

    Args:
        truth: The images.
        rows: Their positions.
        seed: Seed of the noise.
    """
    mean, deviation = row_moments((truth(some) for some in batches(rows)), correction=0)
    generator = torch.Generator().manual_seed(hash_seed(seed, 5))

    def read(some: np.ndarray) -> Tensor:
        return moment_matched_noise((len(some), *mean.shape), mean, deviation, generator).clamp(-1, 1)

    return read


def mismatched(truth: ImageReader, rows: np.ndarray) -> ImageReader:
    """Return the images of other rows: real, but of another pair.

    Args:
        truth: The images.
        rows: Positions; each gets the image of the one before it.
    """
    other = dict(zip(rows.tolist(), np.roll(rows, 1).tolist(), strict=True))
    return lambda some: truth(np.array([other[row] for row in some.tolist()]))


def per_image_error(kinds: Mapping[str, ImageReader], truth: ImageReader, rows: np.ndarray) -> dict[str, Tensor]:
    """Return the error of each row, (n,), for each kind of images.

    Args:
        kinds: Images to compare, by their kind.
        truth: The ground truth.
        rows: Positions, int64 (n,).
    """
    return {
        name: torch.cat([_error(read(some), truth(some)) for some in batches(rows)]) for name, read in kinds.items()
    }


def _error(images: Tensor, truth: Tensor) -> Tensor:
    return (images.cpu().clamp(-1, 1) - truth).abs().mean((1, 2, 3))


def pair_protocol(metric: str, dataset: Dataset, held_out: Dataset | None, *, count: int, seed: int) -> JsonObject:
    """Return the protocol of a score of pairs.

    Args:
        metric: Name of the metric.
        dataset: The training data.
        held_out: Pairs that were not trained on.
        count: Number of pairs compared.
        seed: Seed of their choice.
    """
    split = "held out" if held_out else "training"
    return make_protocol(metric, dataset=dataset, split=split, real=count, fake=count, seed=seed)


def mean_score(name: str, kinds: Mapping[str, Tensor], protocol: JsonObject, better: Direction) -> Evaluation:
    """Return the mean of a number per row with its interval, and those of the references.

    Args:
        name: Name of the score.
        kinds: Numbers (n,) by kind: "" for the images to score, the others are references. One number has no interval.
        protocol: Protocol of the score.
        better: Direction in which it improves.
    """
    score = partial(Score, name, protocol=protocol, better=better)
    rows = kinds[""].double()
    mean = rows.mean().item()
    error = (rows.std() / math.sqrt(len(rows))).item() if len(rows) > 1 else None
    interval = None if error is None else normal_interval(mean, error)
    references = {kind: [score(value=each.double().mean().item())] for kind, each in kinds.items() if kind}
    return Evaluation([score(value=mean, interval=interval)], references)


def merge_evaluations(parts: Sequence[Evaluation]) -> Evaluation:
    """Return several evaluations as one; the scores of a reference that one of them lacks are NaN there.

    Args:
        parts: The evaluations, in order.
    """
    names = dict.fromkeys(name for part in parts for name in part.references)

    def column(part: Evaluation, name: str) -> list[Score]:
        gaps = [Score(score.name, math.nan, score.protocol, score.better) for score in part.scores]
        return part.references.get(name, gaps)

    seconds = dict.fromkeys(name for part in parts for name in part.seconds)
    return Evaluation(
        [score for part in parts for score in part.scores],
        {name: [score for part in parts for score in column(part, name)] for name in names},
        {name: sum(part.seconds.get(name, 0.0) for part in parts) for name in seconds},
        {name: images for part in parts for name, images in part.images.items()},
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )
