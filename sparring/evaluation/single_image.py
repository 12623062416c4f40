"""How like its photograph a game of one image draws, and how unlike are its samples to one another.

    distance   the single-image distance d² of samples and photograph (`sparring.metrics.single_image_frechet`), their
    mean variety    mean deviation of a pixel among samples / deviation of the photograph's pixels among each other

Both are needed: copies have distance 0, and variety 0. Beside them stand two references, as far as knowing next to
nothing gets: noise with the mean and deviation of each channel, and the photograph's own pixels shuffled.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from math import nan
from typing import Any

import torch
from torch import Tensor

from sparring.errors import DataError
from sparring.evaluation.evaluator import Evaluation
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
from sparring.runs.run import Run

__all__ = ["FeatureMaps", "evaluate_single_image", "inception_feature_maps", "random_filter_maps"]

SCALES = 3  # that samples begin at, from the coarsest
NORMAL = 1.96  # standard errors on either side of a 95 % interval


@dataclass(frozen=True)
class FeatureMaps:
    """What sees single images.

    Attributes:
        maps: From an image (1, C, H, W) to features at each position.
        name: For people.
        sha256: Of what it computes.
    """

    maps: Maps
    name: str
    sha256: str


def random_filter_maps(channels: int) -> FeatureMaps:
    """Returns the judge that needs no weights: rectified random filters.

    Args:
        channels: Of the images.
    """
    name = f"64 random filters of 7 x 7 pixels, {channels} channels, seed 0"
    return FeatureMaps(random_filters(channels), name, hashlib.sha256(name.encode()).hexdigest())


def inception_feature_maps(device: str = "cpu") -> FeatureMaps:
    """Returns the judge of SinGAN's SIFID, with the weights of the FID: those of the paper are others.

    Args:
        device: Where it is to live.

    Raises:
        DataError: The weights are absent and cannot be downloaded.
    """
    found = inception(device=device)
    return FeatureMaps(inception_maps(found.network), f"{found.name}, before its 2nd pool", found.sha256)


def evaluate_single_image(
    run: Run, judge: FeatureMaps | None = None, *, samples: int = 16, seed: int = 0
) -> Evaluation:
    """Judges the samples of a run, begun at each of the first scales, and two references beside them.

    Args:
        run: Of a game that learned from one photograph.
        judge: `random_filter_maps` unless told.
        samples: How many from each scale, at least 2.
        seed: The seed of the first sample; those of the others follow.

    Raises:
        DataError: If there are too few samples.
        GameError: If the game learned from no single photograph, or has not finished.
    """
    one, start = single_image.require_trained(run.inference_game), time.perf_counter()
    if samples < 2:
        raise DataError(f"{samples} samples have no spread: ask for 2 or more.")
    judge = judge or random_filter_maps(one.photograph.shape[1])
    protocol: Any = {"dataset": run.dataset, "split": "all", "real": 1, "fake": samples, "seed": seed}
    seen = {"extractor": judge.name, "extractor_sha256": judge.sha256, "resize": "none"}
    scores, drawing = [], 0.0
    for scale in range(min(SCALES, len(one.sizes))):
        begun = time.perf_counter()
        drawn = single_image.sample_seeds(run.inference_game, range(seed, seed + samples), start=scale)
        drawing += time.perf_counter() - begun
        found = single_image_distances(one.photograph, drawn.split(1), judge.maps)
        sure = max(0.0, found.mean - NORMAL * found.standard_error), found.mean + NORMAL * found.standard_error
        distance, variety = (
            make_protocol(name, **protocol, scale=scale) | seen for name in ("single-image", "variety")
        )
        scores += [
            Score(f"distance, from scale {scale}", found.mean, distance, Direction.LOWER, sure),
            Score(f"variety, from scale {scale}", _variety(drawn, one.photograph), variety, Direction.HIGHER),
        ]
    ignorant = {name: made.split(1) for name, made in _reference_images(one.photograph)}
    beside = {name: single_image_distances(one.photograph, made, judge.maps).mean for name, made in ignorant.items()}
    references = {
        name: [Score(s.name, nan if "variety" in s.name else value, s.protocol, s.better) for s in scores]
        for name, value in beside.items()
    }
    spent = time.perf_counter() - start
    return Evaluation(scores, references, {"looking": drawing, "measuring": spent - drawing})


def _variety(drawn: Tensor, photograph: Tensor) -> float:
    return (drawn.std(0).mean() / photograph.std()).item()


def _reference_images(x: Tensor) -> list[tuple[str, Tensor]]:
    """Images that know only the photograph's colours, by name, two of each."""
    generator = torch.Generator().manual_seed(0)
    mean, deviation = x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True)
    noise = mean + deviation * torch.randn((2, *x.shape[1:]), generator=generator).to(x)
    orders = [torch.randperm(x[0, 0].numel(), generator=generator) for _ in range(2)]
    shuffled = [x.flatten(2)[..., order].view_as(x) for order in orders]
    return [("noise", noise.clamp(-1, 1)), ("pixels shuffled", torch.cat(shuffled))]
