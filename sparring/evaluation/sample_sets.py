"""The sample sets of an evaluation: real rows, generated samples and noise, in batches and as features.

Samples are processed a few hundred at a time and only their features are kept, so that memory does not grow with the
number of pixels. Metrics of pixels keep them as 8-bit values.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from sparring.abilities import SupportsClassLabels, SupportsConditions, has_classes, require_sampling
from sparring.data.dataset import Dataset
from sparring.data.stream import scale_images
from sparring.errors import DataError, GameError
from sparring.evaluation.types import SampleSet, require_many_images
from sparring.game import Game, evaluation_mode
from sparring.inference.sampling import generate
from sparring.metrics import FeatureExtractor
from sparring.rng import fixed_seed, hash_seed

__all__ = [
    "FeatureCollector",
    "RealSplits",
    "central",
    "condition_sampler",
    "generated_batches",
    "moment_matched_noise",
    "row_moments",
    "sample_count",
    "shortfall_notes",
]

NUM_POINTS = 2_500  # the published protocol
NUM_IMAGES = 2_000
CHUNK = 500  # samples in memory at a time
MAX_SEED = 2**63 - 1

Batches = Iterable[tuple[Tensor, Tensor | None]]
"""Samples (n, *shape) with their classes (n,), if there are any."""


class FeatureCollector:
    """Turns batches of samples into a `SampleSet`, and reports progress.

    Args:
        extractor: The feature extractor; None uses the samples themselves.
        pixels: Whether to keep the samples as 8-bit images.
        progress: Called with the number of samples processed and their total.
        total: Number of samples to process in all.

    Attributes:
        seconds: Time spent so far.
    """

    def __init__(
        self, extractor: FeatureExtractor | None, pixels: bool, progress: Callable[[int, int], None] | None, total: int
    ) -> None:
        self.extractor, self.pixels, self.progress, self.total = extractor, pixels, progress, total
        self.seconds, self.done = 0.0, 0

    def __call__(self, batches: Batches, *, pixels: bool = True) -> SampleSet:
        """Return the features, and the pixels and classes where they are kept, of all batches."""
        start, features, kept, labels = time.perf_counter(), [], [], []
        for rows, classes in batches:
            features.append((self.extractor.features(rows) if self.extractor else rows).cpu())
            if self.pixels and pixels:
                kept.append(((rows + 1) * 127.5).round().clamp(0, 255).to(torch.uint8))
            if classes is not None:
                labels.append(classes.cpu())
            self.done += len(rows)
            if self.progress:
                self.progress(self.done, self.total)
        self.seconds += time.perf_counter() - start
        return SampleSet(torch.cat(features), torch.cat(kept) if kept else None, torch.cat(labels) if labels else None)


class RealSplits:
    """Two disjoint sets of real rows, and noise with the means and deviations of the first.

    Args:
        dataset: The training data.
        held_out: Data that was not trained on; without any, both sets come from the training data.
        count: Number of rows in each set.
        seed: Seed of the choice of rows and of the noise.
    """

    def __init__(self, dataset: Dataset, held_out: Dataset | None, count: int, seed: int) -> None:
        if abs(seed) > MAX_SEED:
            raise DataError(f"The seed {seed} is too large: give one from {-MAX_SEED} to {MAX_SEED}.")
        self.dataset, self.seed, self.split = dataset, seed, "held out" if held_out else "seeded half"
        first, second = (
            torch.randperm(len(rows), generator=torch.Generator().manual_seed(hash_seed(seed, 1))).numpy()
            for rows in (held_out or dataset, dataset)
        )
        self._real = (held_out or dataset, first[:count])
        self._other = (dataset, second[:count] if held_out else second[count : 2 * count])

    def real(self) -> Batches:
        """Yield the rows that samples are compared with."""
        return _batches(*self._real)

    def other(self) -> Batches:
        """Yield other real rows, the reference "data"."""
        return _batches(*self._other)

    def everything(self) -> Batches:
        """Yield all rows of the training data."""
        return _batches(self.dataset, torch.arange(len(self.dataset)).numpy())

    def noise(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield noise, the reference "noise", with the classes of the real rows."""
        moments = row_moments(rows for rows, _ in self.real())
        generator = torch.Generator().manual_seed(hash_seed(self.seed, 3))
        for rows, classes in self.real():
            made = moment_matched_noise(rows.shape, *moments, generator)
            yield made.clamp(-1, 1) if len(self.dataset.shape) == 3 else made, classes


def central(images: Tensor, size: Sequence[int]) -> Tensor:
    """Return the centre of images, or samples of no larger size as they are.

    Args:
        images: (N, C, H, W), or points.
        size: Height and width.
    """
    if images.dim() != 4 or tuple(images.shape[2:]) == tuple(size):
        return images
    top, left = ((side - part) // 2 for side, part in zip(images.shape[2:], size, strict=True))
    return images[..., top : top + size[0], left : left + size[1]]


def row_moments(batches: Iterable[Tensor], *, correction: int = 1) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation of each coordinate, float64.

    Args:
        batches: Rows (n, *shape).
        correction: Subtracted from the number of rows in the variance.
    """
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for rows in batches:
        x = rows.double()
        count, total, squares = count + len(x), total + x.sum(0), squares + x.square().sum(0)
    mean = total / count
    return mean, ((squares - count * mean.square()) / (count - correction)).clamp(min=0).sqrt()


def moment_matched_noise(shape: Sequence[int], mean: Tensor, deviation: Tensor, generator: torch.Generator) -> Tensor:
    """Draw Gaussian noise with independent coordinates of given means and deviations.

    Args:
        shape: Shape of the noise.
        mean: Means, broadcast to the shape.
        deviation: Standard deviations, broadcast to the shape.
        generator: Source of randomness, on the CPU.
    """
    return (mean + deviation * torch.randn(*shape, generator=generator).to(mean.device)).float()


def sample_count(dataset: Dataset, held_out: Dataset | None = None, samples: int | None = None) -> int:
    """Return the number of samples to score, which is also the number of real rows and of noise.

    Args:
        dataset: The training data.
        held_out: Data that was not trained on.
        samples: Number requested. Default: 2,500 points or 2,000 images.

    Raises:
        DataError: If it is below 10.
    """
    require_many_images(dataset)
    count = min(samples or (NUM_IMAGES if len(dataset.shape) == 3 else NUM_POINTS), _max_count(dataset, held_out))
    if count < 10:
        raise DataError(_too_few(dataset, held_out, samples))
    return count


def shortfall_notes(dataset: Dataset, held_out: Dataset | None, samples: int | None) -> list[str]:
    """Return a note if fewer samples are scored than were requested.

    Args:
        dataset: The training data.
        held_out: Data that was not trained on.
        samples: Number requested, if any.
    """
    most = _max_count(dataset, held_out)
    if not samples or samples <= most:
        return []
    rows = f"there are {len(dataset):,} rows, and one half of them is compared with the other"
    if held_out is not None:
        rows = f"{len(held_out):,} rows are held out"
        rows += f" and {len(dataset):,} are not" if len(dataset) < len(held_out) else ""
    return [f"{samples:,} samples were requested and {most:,} are scored, as many as real ones: {rows}."]


def condition_sampler(
    game: Game, dataset: Dataset, held_out: Dataset | None
) -> tuple[str | None, Callable[[int], Tensor]]:
    """Return how classes or captions of samples are chosen, and a function that draws latents accordingly.

    Args:
        game: A game that samples.
        dataset: The training data.
        held_out: Data that was not trained on, whose frequencies are used if it is given.

    Returns:
        A description for the protocol, None for unconditional games; and a function from a number of rows to latents.
    """
    kind = ""
    if isinstance(game, SupportsConditions) and (kind := game.conditions()):
        given = (held_out or dataset).conditions(kind)
        if given is not None:
            return f"{kind} as in the {'held-out split' if held_out else 'data'}", partial(game.noise_for, given=given)
    with evaluation_mode(game), fixed_seed(0):
        labelled = has_classes(game)
    return f"{kind or 'classes'} as the game draws them" if kind or labelled else None, require_sampling(game).noise


def generated_batches(
    game: Game,
    dataset: Dataset,
    count: int,
    seed: int,
    draw: Callable[[int], Tensor] | None = None,
    size: Sequence[int] | None = None,
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yield generated samples, images within [−1, 1].

    Args:
        game: A game that samples.
        dataset: The training data, whose shape samples must have.
        count: Number of samples.
        seed: Seed of the latents.
        draw: Function from a number of rows to latents. Default: the game's own.
        size: Height and width of the centre of each sample to yield. Default: all of it.

    Raises:
        GameError: If the samples have another shape than the data.
    """
    able = require_sampling(game)
    with evaluation_mode(game), fixed_seed(hash_seed(seed, 2)):
        noise = (draw or able.noise)(count)
    for rows in noise.split(CHUNK):
        fakes = generate(able, rows, batch=min(100, count)).float().cpu()
        if tuple(fakes.shape[1:]) != dataset.shape:
            raise GameError(
                f"The game makes samples {tuple(fakes.shape[1:])}, {dataset.name} holds {dataset.shape}: match --size."
            )
        if len(dataset.shape) == 3:
            fakes = fakes.clamp(-1, 1)  # as saved images are; not every generator ends in a tanh
        fakes = fakes if size is None else central(fakes, size)
        yield fakes, game.class_of(rows) if isinstance(game, SupportsClassLabels) else None


def _batches(dataset: Dataset, positions: np.ndarray) -> Iterator[tuple[Tensor, Tensor | None]]:
    for start in range(0, len(positions), CHUNK):
        rows, *labels = dataset.rows(positions[start : start + CHUNK])
        yield scale_images(rows) if rows.dtype == torch.uint8 else rows, labels[0] if labels else None


def _max_count(dataset: Dataset, held_out: Dataset | None) -> int:
    """Return the largest number of rows that two disjoint real sets can have."""
    return len(dataset) // 2 if held_out is None else min(len(held_out), len(dataset))


def _too_few(dataset: Dataset, held_out: Dataset | None, samples: int | None) -> str:
    """Return which number is below 10, and the remedy."""
    if held_out is not None and len(held_out) < 10:
        return (
            f"{len(held_out)} rows of {dataset.name} are held out, and an evaluation needs 10: train with a larger "
            "--hold-out, or without."
        )
    if _max_count(dataset, held_out) < 10:
        return f"{dataset.name} has {len(dataset)} rows, and an evaluation needs 20, two sets of 10: add data."
    return f"{samples} samples were requested, and an evaluation needs 10: request more."
