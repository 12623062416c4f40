"""Similarity of the samples of a single-image game to its photograph, and their variety.

    distance   the single-image distance d² of samples and photograph (`sparring.metrics.single_image_frechet`), mean
    variety    mean standard deviation of a pixel over samples / standard deviation of the photograph's pixels

Both are needed: copies have distance 0 and variety 0. The references are noise with the mean and deviation of each
channel, and the photograph with its pixels shuffled.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from math import nan

import torch
from torch import Tensor

from sparring._types import Settings
from sparring.data import Dataset
from sparring.errors import DataError
from sparring.evaluation.sample_sets import moment_matched_noise
from sparring.evaluation.types import Evaluation, normal_interval
from sparring.game import Game
from sparring.inference import single_image
from sparring.metrics import (
    Direction,
    Score,
    inception,
    inception_maps,
    make_protocol,
    random_filters,
    single_image_distances,
)
from sparring.metrics.single_image_frechet import Maps

__all__ = ["FeatureMaps", "evaluate_single_image", "inception_feature_maps", "random_filter_maps"]

SCALES = 3  # coarsest scales to start samples from
SAMPLES = 16


@dataclass(frozen=True)
class FeatureMaps:
    """A function from an image to feature maps, with its identity.

    Attributes:
        maps: From an image (1, C, H, W) to features at each position.
        name: Name for the protocol.
        sha256: Hash of the network.
    """

    maps: Maps
    name: str
    sha256: str


def random_filter_maps(channels: int) -> FeatureMaps:
    """Return rectified random filters, which need no trained weights.

    Args:
        channels: Channels of the images.
    """
    name = f"64 random filters of 7 x 7 pixels, {channels} channels, seed 0"
    return FeatureMaps(random_filters(channels), name, hashlib.sha256(name.encode()).hexdigest())


def inception_feature_maps(device: str = "cpu") -> FeatureMaps:
    """Return the feature maps of SinGAN's SIFID, with the Inception weights of the FID in place of the paper's.

    Args:
        device: Device of the network.

    Raises:
        DataError: If the weights are absent and cannot be downloaded.
    """
    found = inception(device=device)
    return FeatureMaps(inception_maps(found.network), f"{found.name}, before its 2nd pool", found.sha256)


def evaluate_single_image(
    game: Game, dataset: Dataset, features: FeatureMaps | None = None, *, samples: int = SAMPLES, seed: int = 0
) -> Evaluation:
    """Score samples that start from each of the coarsest scales, and two references.

    Args:
        game: A game trained on one photograph.
        dataset: The photograph.
        features: Feature maps. Default: random filters.
        samples: Number of samples for each scale, at least 2.
        seed: Seed of the first sample; the others follow it.

    Raises:
        DataError: If there are fewer than 2 samples.
        GameError: If the game is not trained on one photograph, or its training is not complete.
    """
    one, start = single_image.require_trained(game), time.perf_counter()
    if samples < 2:
        raise DataError(f"The variety of {samples} samples is not defined: request 2 or more.")
    features = features or random_filter_maps(one.photograph.shape[1])
    protocol: Settings = {"dataset": dataset, "split": "all", "real": 1, "fake": samples, "seed": seed}
    extractor = {"extractor": features.name, "extractor_sha256": features.sha256, "resize": "none"}
    scores, sampling = [], 0.0
    for scale in range(min(SCALES, len(one.sizes))):
        begun = time.perf_counter()
        drawn = single_image.sample_seeds(game, range(seed, seed + samples), start=scale)
        sampling += time.perf_counter() - begun
        found = single_image_distances(one.photograph, drawn.split(1), features.maps)
        low, high = normal_interval(found.mean, found.standard_error)
        distance, variety = (
            make_protocol(name, **protocol, scale=scale) | extractor for name in ("single-image", "variety")
        )
        scores += [
            Score(f"distance, from scale {scale}", found.mean, distance, Direction.LOWER, (max(0.0, low), high)),
            Score(f"variety, from scale {scale}", _variety(drawn, one.photograph), variety, Direction.HIGHER),
        ]
    images = {name: made.split(1) for name, made in _reference_images(one.photograph)}
    others = {name: single_image_distances(one.photograph, made, features.maps).mean for name, made in images.items()}
    references = {
        name: [Score(s.name, nan if "variety" in s.name else value, s.protocol, s.better) for s in scores]
        for name, value in others.items()
    }
    total = time.perf_counter() - start
    return Evaluation(scores, references, {"sampling": sampling, "metrics": total - sampling})


def _variety(drawn: Tensor, photograph: Tensor) -> float:
    return (drawn.std(0).mean() / photograph.std()).item()


def _reference_images(x: Tensor) -> list[tuple[str, Tensor]]:
    """Return two images of each reference, by name; they share only the photograph's colours."""
    generator = torch.Generator().manual_seed(0)
    mean, deviation = x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True)
    noise = moment_matched_noise((2, *x.shape[1:]), mean, deviation, generator)
    orders = [torch.randperm(x[0, 0].numel(), generator=generator) for _ in range(2)]
    shuffled = [x.flatten(2)[..., order].view_as(x) for order in orders]
    return [("noise", noise.clamp(-1, 1)), ("pixels shuffled", torch.cat(shuffled))]
