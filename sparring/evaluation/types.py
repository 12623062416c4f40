"""What a judge may look at: samples, real and generated, as features, labels and bytes; and what a metric is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from sparring.abilities import SupportsSampling
from sparring.data.dataset import Dataset
from sparring.errors import DataError
from sparring.metrics import Direction, FeatureExtractor

__all__ = ["Estimate", "EvalContext", "Metric", "Requirement", "SampleSet"]

Requirement = Literal["mixture", "images", "pixels", "classes", "labels", "stacks", "held-out data", "sampler"]
Estimate = tuple[float, tuple[float, float] | None]
"""A score, and the 95 % interval around it where one is known."""


@dataclass(frozen=True, eq=False)
class SampleSet:
    """A set of samples, as the judge sees it.

    Attributes:
        features: Of each sample, (N, d); points as they are.
        pixels: As an 8-bit file holds them, (N, C, H, W) bytes, if a metric needs them.
        labels: The classes that they belong to, or were drawn for, (N,), where there are any.
    """

    features: Tensor
    pixels: Tensor | None = None
    labels: Tensor | None = None

    @property
    def scaled(self) -> Tensor:
        """The pixels in [−1, 1]."""
        assert self.pixels is not None
        return self.pixels.float() / 127.5 - 1


@dataclass(frozen=True, eq=False)
class EvalContext:
    """What is judged, and everything that may be looked at for it.

    Attributes:
        real: Real samples; held-out ones where there are any.
        fake: Those that are judged: the generator's, or a reference in their place.
        dataset: What the generator was trained on.
        training: All of it as features, if a metric needs it.
        extractor: What gave the features; None for points.
        sampler: The game, where it is a game that is judged.
        seed: Decides everything random.
        resamples: Of a bootstrap; 0 for no intervals.
        exhibits: Pictures that a metric leaves, by name: images (N, C, H, W) in [−1, 1].
    """

    real: SampleSet
    fake: SampleSet
    dataset: Dataset
    training: SampleSet | None
    extractor: FeatureExtractor | None
    sampler: SupportsSampling | None
    seed: int
    resamples: int
    exhibits: dict[str, Tensor] = field(default_factory=dict)

    def logits(self, features: Tensor) -> Tensor:
        """Returns the class logits (N, K) behind features (N, d)."""
        return self.extractor.logits_of(features).cpu()  # type: ignore[union-attr]  # whoever needs classes has them


@dataclass(frozen=True)
class Metric:
    """A way to judge samples.

    Attributes:
        scores: The names of its scores, and which way each improves.
        measure: From a case to the scores in that order.
        needs: What it cannot do without.
        settings: Its constants, for the stamp.
        official: The names its scores bear when the features are those of the reference Inception.
    """

    scores: dict[str, Direction]
    measure: Callable[[EvalContext], Sequence[Estimate]]
    needs: frozenset[Requirement] = frozenset()
    settings: dict[str, Any] = field(default_factory=dict)
    official: tuple[str, ...] = ()

    def named(self, extractor: FeatureExtractor | None) -> dict[str, Direction]:
        """Returns the names of its scores under this extractor, and which way each improves."""
        if self.official and getattr(extractor, "reference", False):
            return dict(zip(self.official, self.scores.values(), strict=True))
        return self.scores


def require_many_images(dataset: Dataset) -> None:
    """Refuses data of one image, whose distribution is a matter of its patches.

    Raises:
        DataError: The message says who judges it.
    """
    if len(dataset) == 1:
        raise DataError(f"{dataset.name} is one image: judge what was learned from it with `sparring singan evaluate`.")
