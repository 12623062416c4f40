"""Scores of a game's samples, each beside the scores of two references.

* *data*: other real samples in place of the generated ones, the score of a perfect generator at these counts;
* *noise*: independent coordinates with the means and deviations of the data, the score of a generator that models no
  more than these.

All three are compared with the same real samples, in equal numbers, by the same protocol: with held-out rows if there
are any, otherwise with a seeded half of the data. Everything is a function of the seed. Class- and caption-conditional
games are sampled with the conditions of the data that they are compared with, in the same frequencies: with uniform
classes a perfect generator of unbalanced data would score worse than noise.
Points of a known mixture are scored by mode coverage (Srivastava et al., 2017; Lin et al., 2018: 2,500 samples, 3 σ).
Images are scored in the features of the library's own classifier, not of Inception: its Fréchet distance compares only
with itself and is never called FID. With the reference weights of Inception it is called FID.
Of images with a border (letterbox) the centre is scored, of real and generated ones, which shows pictures in 95 of 100
real ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from sparring._types import JsonObject, Settings
from sparring.abilities import has_classes, require_sampling
from sparring.data.dataset import Dataset
from sparring.data.loading import STACKED, load
from sparring.data.sources.in_memory import DataLike
from sparring.errors import DataError
from sparring.evaluation.independence import require_independent
from sparring.evaluation.registry import METRICS, default_metrics, get_metrics
from sparring.evaluation.sample_sets import (
    FeatureCollector,
    RealSplits,
    condition_sampler,
    generated_batches,
    sample_count,
    shortfall_notes,
)
from sparring.evaluation.types import EvalContext, Evaluation, Metric, Requirement
from sparring.game import Game, evaluation_mode
from sparring.metrics import FeatureExtractor, Score, extractor_for, make_protocol
from sparring.rng import fixed_seed

__all__ = ["METRICS", "Evaluation", "default_metrics", "evaluate", "get_metrics", "require_metrics", "shortfall_notes"]

RESAMPLES = 100  # of a bootstrap


def evaluate(
    game: Game,
    data: DataLike,
    *,
    held_out: DataLike | None = None,
    metrics: Mapping[str, Metric] | None = None,
    samples: int | None = None,
    seed: int = 0,
    extractor: FeatureExtractor | None = None,
    references: bool = True,
    resamples: int = RESAMPLES,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score a game's samples and two references. The game and all random states are left unchanged, bit for bit.

    Args:
        game: A game that samples.
        data: The training data, or anything that `sparring.data.load` takes.
        held_out: Data that was not trained on, in the same forms.
        metrics: Rows of `METRICS`. Default: those that suit the data.
        samples: Number of generated samples, at most that of held-out rows or half of the data; with a note if it is
            reduced. Default: 2,500 points or 2,000 images.
        seed: Seed of the latents and of the choice of real rows.
        extractor: Feature extractor for images. Default: the library's classifier, trained on this data.
        references: Whether to score real data and noise.
        resamples: Bootstrap resamples for the intervals of distances, which need at most 256 features; 0 for none.
        progress: Called with the number of samples processed and their total.

    Raises:
        DataError: If a metric does not suit the data, or there are too few rows.
        GameError: If the game does not sample, its samples have another shape than the data, or it was trained on the
            features of the extractor.
    """
    dataset, unseen = load(data), None if held_out is None else load(held_out)
    metrics = default_metrics(dataset) if metrics is None else metrics
    whole, dataset, unseen = dataset, dataset.without_border(), unseen and unseen.without_border()
    images, count = len(dataset.shape) == 3, sample_count(dataset, unseen, samples)
    extractor = _independent_extractor(game, dataset, extractor, metrics) if images else extractor
    needs = require_metrics(metrics, game, dataset, unseen, classified=_knows_classes(extractor, dataset))
    rows = RealSplits(dataset, unseen, count, seed)
    everything = len(dataset) if "held-out data" in needs else 0
    total = count * (4 if references else 2) + everything
    collect = FeatureCollector(extractor, "pixels" in needs and images, progress, total)
    real = collect(rows.real())
    conditions, draw = condition_sampler(game, dataset, unseen)
    sets = {"": collect(generated_batches(game, whole, count, seed, draw, whole.content))}
    if references:
        sets |= {"data": collect(rows.other()), "noise": collect(rows.noise())}
    training = collect(rows.everything(), pixels=False) if everything else None
    settings: Settings = {"real": count, "fake": count, "seed": seed, "conditions": conditions}
    protocol = partial(make_protocol, dataset=dataset, split=rows.split, extractor=extractor, **settings)
    start = time.perf_counter()
    case = EvalContext(real, sets.pop(""), dataset, training, extractor, require_sampling(game), seed, resamples)
    scores = _scores(metrics, case, protocol)
    reference = replace(case, sampler=None, resamples=0, images={})
    others = {name: _scores(metrics, replace(reference, fake=each), protocol) for name, each in sets.items()}
    seconds = {"sampling": collect.seconds, "metrics": time.perf_counter() - start}
    notes = (*shortfall_notes(dataset, unseen, samples), *_border_notes(whole))
    return Evaluation(scores, others, seconds, case.images, notes)


def require_metrics(
    metrics: Mapping[str, Metric],
    game: Game,
    dataset: Dataset,
    held_out: Dataset | None = None,
    *,
    classified: bool | None = None,
) -> set[Requirement]:
    """Return the requirements of metrics, and raise an error if one is not met.

    Args:
        metrics: Metrics by name.
        game: The game to evaluate.
        dataset: The training data.
        held_out: Data that was not trained on.
        classified: Whether the extractor predicts classes. Default: whether the data has classes, as for the
            classifier that is trained on it.

    Raises:
        DataError: If a requirement is not met; the message names the metric and the requirement.
    """
    with evaluation_mode(game), fixed_seed(0):  # leaves the game and the random state unchanged
        able = has_classes(game)
    classified = bool(dataset.classes) if classified is None else classified
    reasons: dict[Requirement, tuple[bool, str]] = {
        "mixture": (dataset.mixture is not None, f"points of a known mixture, which {dataset.name} is not."),
        "images": (len(dataset.shape) == 3, f"images, and {dataset.name} holds points."),
        "classes": (classified, f"a classifier, and {dataset.name} has no classes to train one: give labelled data."),
        "stacks": (dataset.name in STACKED, f"stacked digits, which {dataset.name} is not: try stacked-mnist."),
        "labels": (able and bool(dataset.classes), "a game that draws samples of a class, and labelled data."),
        "held-out data": (held_out is not None, "data that were not trained on: train with --hold-out 0.1."),
        "sampler": (not able, "a game without classes: there is no arc from class to class."),
    }
    for name, metric in metrics.items():
        for need in sorted(metric.needs - {"pixels"}):
            met, remedy = reasons[need]
            if not met:
                raise DataError(f"The metric {name!r} needs {remedy}")
    return {need for metric in metrics.values() for need in metric.needs}


def _independent_extractor(
    game: Game, dataset: Dataset, extractor: FeatureExtractor | None, metrics: Mapping[str, Metric]
) -> FeatureExtractor:
    require_independent(game, extractor or "classifier", metrics)
    return extractor or extractor_for(dataset, device=str(game.device))


def _border_notes(dataset: Dataset) -> list[str]:
    """Return a note if images have a border."""
    size = dataset.content
    return [] if size is None else [f"Scores are of the central {size[0]} × {size[1]} pixels, without the border."]


def _knows_classes(extractor: FeatureExtractor | None, dataset: Dataset) -> bool:
    return hasattr(extractor, "logits_of") and (bool(dataset.classes) or getattr(extractor, "reference", False))


def _scores(metrics: Mapping[str, Metric], case: EvalContext, protocol: Callable[..., JsonObject]) -> list[Score]:
    scores = []
    for name, metric in metrics.items():
        try:
            estimates, how = metric.measure(case), protocol(name, **metric.settings)
        except ValueError as error:
            raise DataError(f"The metric {name} cannot be computed: {error}.") from error
        for (title, better), (value, interval) in zip(
            metric.score_names(case.extractor).items(), estimates, strict=True
        ):
            scores.append(Score(title, float(value), how, better, interval))
    return scores
