"""Inputs available to metrics (real and generated samples as features, labels and pixels), and the `Metric` type."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, TypedDict

from torch import Tensor

from sparring._types import JsonObject
from sparring.abilities import SupportsSampling
from sparring.data.dataset import Dataset
from sparring.errors import DataError
from sparring.metrics import Direction, FeatureExtractor, Score

__all__ = ["Estimate", "EvalContext", "Evaluation", "Metric", "Requirement", "SampleSet", "normal_interval"]

Requirement = Literal["mixture", "images", "pixels", "classes", "labels", "stacks", "held-out data", "sampler"]
"""What a metric needs of the data, the game or the extractor."""

Estimate = tuple[float, tuple[float, float] | None]
"""A score, and its 95 % interval where one is known."""

NORMAL = 1.96  # standard errors on either side of a 95 % interval


@dataclass(frozen=True, eq=False)
class SampleSet:
    """A set of samples, real or generated.

    Attributes:
        features: Features of the samples, (N, d); points are their own features.
        pixels: The samples as 8-bit images, (N, C, H, W), if a metric needs them.
        labels: Classes of the samples, (N,), if there are any: true ones of real samples, requested ones of generated.
    """

    features: Tensor
    pixels: Tensor | None = None
    labels: Tensor | None = None

    @property
    def scaled(self) -> Tensor:
        """The pixels in [−1, 1]."""
        assert self.pixels is not None
        return self.pixels.float() / 127.5 - 1


class MetricSettings(TypedDict, total=False):
    """Keyword arguments of `sparring.evaluation.evaluate` that concern the metrics."""

    metrics: Mapping[str, Metric] | None
    extractor: FeatureExtractor | None
    resamples: int
    progress: Callable[[int, int], None] | None


class EvaluationSettings(MetricSettings, total=False):
    """Keyword arguments of `sparring.evaluation.evaluate`, apart from the held-out data."""

    samples: int | None
    seed: int
    references: bool


@dataclass(frozen=True, eq=False)
class EvalContext:
    """Everything that a metric may use.

    Attributes:
        real: Real samples; held-out ones if there are any.
        fake: The samples to score: generated ones, or a reference in their place.
        dataset: The training data.
        training: All of the training data as features, if a metric needs it.
        extractor: The feature extractor; None for points.
        sampler: The game that generated the samples; None for a reference.
        seed: Seed of all random choices.
        resamples: Number of bootstrap resamples; 0 for no intervals.
        images: Images that metrics add to the evaluation, by name: (N, C, H, W) in [−1, 1].
    """

    real: SampleSet
    fake: SampleSet
    dataset: Dataset
    training: SampleSet | None
    extractor: FeatureExtractor | None
    sampler: SupportsSampling | None
    seed: int
    resamples: int
    images: dict[str, Tensor] = field(default_factory=dict)

    def logits(self, features: Tensor) -> Tensor:
        """Return the class logits (N, K) of features (N, d)."""
        logits: Tensor = self.extractor.logits_of(features).cpu()  # type: ignore[union-attr]  # required by "classes"
        return logits


@dataclass(frozen=True)
class Metric:
    """A metric of samples.

    Attributes:
        scores: Names of its scores, and the direction in which each improves.
        measure: Function from a context to the scores, in that order.
        needs: Requirements on the data, the game and the extractor.
        settings: Constants of the metric, recorded with its scores.
        official: Names of the scores if the features are those of the reference Inception network.
        features: Whether it reads features of images, which a game must not have been trained on.
    """

    scores: dict[str, Direction]
    measure: Callable[[EvalContext], Sequence[Estimate]]
    needs: frozenset[Requirement] = frozenset()
    settings: JsonObject = field(default_factory=dict)
    official: tuple[str, ...] = ()
    features: bool = True

    def score_names(self, extractor: FeatureExtractor | None) -> dict[str, Direction]:
        """Return the names of the scores under an extractor, and the direction in which each improves."""
        if self.official and getattr(extractor, "reference", False):
            return dict(zip(self.official, self.scores.values(), strict=True))
        return self.scores


@dataclass(frozen=True)
class Evaluation:
    """Scores of a trained game.

    Attributes:
        scores: Scores of the generated samples.
        references: The same scores of other real samples ("data") and of noise ("noise").
        seconds: Time spent on samples and their features ("sampling"), and on metrics ("metrics").
        images: Images that metrics added, by name.
        notes: Remarks on the scores, for example that fewer samples were scored than requested.
    """

    scores: list[Score]
    references: dict[str, list[Score]]
    seconds: dict[str, float] = field(default_factory=dict, compare=False)
    images: dict[str, Tensor] = field(default_factory=dict, compare=False)
    notes: tuple[str, ...] = ()

    def to_json(self) -> JsonObject:
        """Return scores, references and notes as plain JSON values."""
        rows = {"scores": self.scores, **self.references}
        plain = {name: [_plain(score) for score in scores] for name, scores in rows.items()}
        return {"scores": plain.pop("scores"), "references": plain, "notes": [*self.notes]}

    @classmethod
    def from_json(cls, values: JsonObject) -> Evaluation:
        """Return the evaluation that plain JSON values describe.

        Args:
            values: As returned by `to_json`; other entries are ignored.

        Raises:
            LookupError: If an entry is missing.
            TypeError: If an entry has another type.
            ValueError: If an entry has another value or length.
        """
        references = {name: _parse(scores) for name, scores in values["references"].items()}
        return cls(_parse(values["scores"]), references, notes=tuple(map(str, values.get("notes", ()))))


def normal_interval(value: float, error: float) -> tuple[float, float]:
    """Return the 95 % interval of a normal estimate.

    Args:
        value: The estimate.
        error: Its standard error.

    >>> normal_interval(2.0, 0.5)
    (1.02, 2.98)
    """
    return value - NORMAL * error, value + NORMAL * error


def require_many_images(dataset: Dataset) -> None:
    """Raise an error for a data set of one image, which metrics of distributions do not suit.

    Args:
        dataset: The training data.

    Raises:
        DataError: If it has one row.
    """
    if len(dataset) == 1:
        raise DataError(f"{dataset.name} is one image: evaluate the run with `sparring singan evaluate`.")


def _parse(scores: list[JsonObject]) -> list[Score]:
    ends = [_interval(*s["interval"]) if s["interval"] else None for s in scores]
    rows = zip(scores, ends, strict=True)
    return [
        Score(str(s["name"]), float(s["value"]), dict(s["protocol"]), Direction(s["better"]), end) for s, end in rows
    ]


def _interval(low: float | str, high: float | str) -> tuple[float, float]:
    return float(low), float(high)


def _plain(score: Score) -> JsonObject:
    """Return a score as JSON values; infinity, which JSON lacks, as text that `float` reads."""
    plain = asdict(score)
    return plain | {"value": score.value if math.isfinite(score.value) else str(score.value)}
