"""How good a game's samples are, in scores that can be read: beside every score stand two references.

* *data*: other real samples in the place of the generated ones — what a perfect generator would score at these counts;
* *noise*: independent coordinates with the data's means and deviations — what knowing nothing but these two scores.

All three are measured against the same real samples, in the same numbers, by the same protocol: against rows that the
generator never saw where some were held out, else against a seeded half of all. Everything is a function of the seed.
Games that are asked for classes or captions are asked for those of the data that they are held against, as often as
these have them: uniform classes would make a perfect generator of uneven data look worse than noise.
Points of a known mixture are judged by mode coverage (Srivastava et al., 2017; Lin et al., 2018: 2,500 samples, 3 σ).
Images are judged in the features of the tool's own classifier, which is no Inception: its Fréchet distance is
comparable with itself only, and is never called FID; with Inception's reference weights it is.

Samples pass by a few hundred at a time and only their features stay, so that memory does not grow with their number
(some metrics look at pixels: those stay, too, as bytes).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sparring._io.folder import open_atomic
from sparring.abilities import SupportsClassLabels, SupportsConditions, SupportsSampling, has_classes, require_sampling
from sparring.data.dataset import Dataset
from sparring.data.loading import STACKED
from sparring.data.stream import scaled
from sparring.errors import DataError, GameError
from sparring.evaluation.registry import METRICS, default_metrics, get_metrics
from sparring.evaluation.types import EvalContext, Metric, Requirement, SampleSet, require_many_images
from sparring.game import Game, evaluation_mode
from sparring.inference.sampling import generate
from sparring.metrics import Direction, FeatureExtractor, Score, extractor_for, make_protocol
from sparring.rng import fixed_seed, hash_seed
from sparring.runs.wellformed import MOST
from sparring.visualization.images import save_grid

if TYPE_CHECKING:
    from sparring.runs.run import Run

__all__ = [
    "METRICS",
    "Evaluation",
    "default_metrics",
    "evaluate",
    "evaluate_run",
    "get_metrics",
    "read",
    "save_evaluation",
    "shortfall_notes",
]

NUM_POINTS = 2_500  # the published protocol
NUM_IMAGES = 2_000  # at most; half of the data where there are fewer
CHUNK = 500  # samples that pass by together
RESAMPLES = 100  # of a bootstrap

Batches = Iterable[tuple[Tensor, Tensor | None]]
"""Samples (n, *shape) with their classes (n,), where there are any."""


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        scores: The scores of the generated samples.
        references: The same scores of other real samples ("data") and of noise ("noise").
        seconds: What it cost: sampling and looking at the samples, and measuring.
        exhibits: Pictures that metrics left, by name.
        notes: What deserves a sentence beside the scores, such as that fewer samples are judged than were asked for.
    """

    scores: list[Score]
    references: dict[str, list[Score]]
    seconds: dict[str, float] = field(default_factory=dict, compare=False)
    exhibits: dict[str, Tensor] = field(default_factory=dict, compare=False)
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Returns plain values, fit for JSON."""
        rows = {"scores": self.scores, **self.references}
        plain = {name: [_plain(score) for score in scores] for name, scores in rows.items()}
        return {"scores": plain.pop("scores"), "references": plain, "notes": [*self.notes]}


def evaluate(
    game: Game,
    dataset: Dataset,
    *,
    held_out: Dataset | None = None,
    metrics: Mapping[str, Metric] | None = None,
    samples: int | None = None,
    seed: int = 0,
    extractor: FeatureExtractor | None = None,
    references: bool = True,
    resamples: int = RESAMPLES,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Judges a game's samples, and the two references beside them.

    The game is left as it was, to the bit, and so is every random state.

    Args:
        game: A game that can sample.
        dataset: The real data that it was trained on.
        held_out: Real data that it never saw.
        metrics: From `METRICS`; those suited to the data unless told.
        samples: How many are generated; 2,500 points or 2,000 images unless told, never more than are held out, or
            half of the data, which a note says where it matters.
        seed: Decides the noise and the choice of real samples.
        extractor: What sees the images; the tool's own classifier, trained on this data, unless told.
        references: Whether to judge real data and noise, too.
        resamples: Bootstrap resamples for the intervals of distances, which need at most 256 features; 0 for none.
        progress: Called with the samples seen so far and to see.

    Raises:
        DataError: If a metric does not suit the data, or the data are too few.
        GameError: If the game cannot sample, or makes samples of another shape.
    """
    metrics = default_metrics(dataset) if metrics is None else metrics
    images, count = len(dataset.shape) == 3, sample_count(dataset, held_out, samples)
    if images and extractor is None:
        extractor = extractor_for(dataset, device=str(game.device))
    needs = require_metrics(metrics, game, dataset, held_out, classified=_knows_classes(extractor, dataset))
    rows = RealSplits(dataset, held_out, count, seed)
    everything = len(dataset) if "held-out data" in needs else 0
    total = count * (4 if references else 2) + everything
    look = FeatureCollector(extractor, "pixels" in needs and images, progress, total)
    real = look(rows.real())
    asked, drawing = _condition_sampler(game, dataset, held_out)
    sets = {"": look(_generated_batches(game, dataset, count, seed, drawing))}
    if references:
        sets |= {"data": look(rows.other()), "noise": look(rows.noise())}
    training = look(rows.everything(), pixels=False) if everything else None
    how: Any = {"real": count, "fake": count, "seed": seed, "conditions": asked}
    protocol = partial(make_protocol, dataset=dataset, split=rows.split, extractor=extractor, **how)
    start = time.perf_counter()
    case = EvalContext(real, sets.pop(""), dataset, training, extractor, require_sampling(game), seed, resamples)
    found = _scores(metrics, case, protocol)
    beside = {
        name: _scores(metrics, replace(case, fake=seen, sampler=None, resamples=0, exhibits={}), protocol)
        for name, seen in sets.items()
    }
    seconds = {"looking": look.seconds, "measuring": time.perf_counter() - start}
    return Evaluation(found, beside, seconds, case.exhibits, tuple(shortfall_notes(dataset, held_out, samples)))


def evaluate_run(run: Run, **settings: Any) -> Evaluation:
    """Judges what a run draws on the run's own data; writes ``evaluation.json`` and pictures into its folder.

    Args:
        run: The run.
        settings: Those of `evaluate`.
    """
    if run.dataset.second and not isinstance(run.inference_game, SupportsSampling):
        from sparring.evaluation.label_maps import evaluate_pictures  # which builds on this module

        return save_evaluation(run, evaluate_pictures(run, **settings))
    return save_evaluation(run, evaluate(run.inference_game, run.training, held_out=run.held_out, **settings))


def save_evaluation(run: Run, result: Evaluation) -> Evaluation:
    """Writes ``evaluation.json`` and the pictures of an evaluation into a run's folder, and returns it."""
    record = {"step": run.step, "images": run.images, "seconds": result.seconds, **result.as_json()}
    with open_atomic(run.folder / "evaluation.json", run.home) as file:
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
        file.write(text.encode(errors="backslashreplace"))
    for name, images in result.exhibits.items():
        save_grid(images, run.folder / f"{name}.png", columns=8, folder=run.home)
    return result


def read(record: Mapping[str, Any]) -> Evaluation:
    """Returns the evaluation that ``evaluation.json`` holds."""
    references = {name: _read(scores) for name, scores in record["references"].items()}
    return Evaluation(_read(record["scores"]), references, notes=tuple(map(str, record.get("notes", ()))))


def _read(scores: list[dict[str, Any]]) -> list[Score]:
    both = lambda low, high: (float(low), float(high))  # noqa: E731 (refuses any other number of ends)
    ends = [both(*s["interval"]) if s["interval"] else None for s in scores]
    told = zip(scores, ends, strict=True)
    return [
        Score(str(s["name"]), float(s["value"]), dict(s["protocol"]), Direction(s["better"]), end) for s, end in told
    ]


def _plain(score: Score) -> dict[str, Any]:
    """JSON knows no infinity, so it is written as text, which `float` reads."""
    plain = asdict(score)
    return plain | {"value": score.value if math.isfinite(score.value) else str(score.value)}


def shortfall_notes(dataset: Dataset, held_out: Dataset | None, samples: int | None) -> list[str]:
    """Says that fewer samples are judged than were asked for, if it is so.

    Args:
        dataset: The real data that was trained on.
        held_out: Real data that was not.
        samples: How many were asked for, if any number was.
    """
    most = _max_count(dataset, held_out)
    if not samples or samples <= most:
        return []
    rows = f"there are {len(dataset):,} rows, and one half of them is compared with the other"
    if held_out is not None:
        rows = f"{len(held_out):,} rows are held out"
        rows += f" and {len(dataset):,} are not" if len(dataset) < len(held_out) else ""
    return [f"{samples:,} samples were asked for and {most:,} are judged, as many as real ones: {rows}."]


def _max_count(dataset: Dataset, held_out: Dataset | None) -> int:
    """Returns how many samples there are real ones for, and others to stand beside these."""
    return len(dataset) // 2 if held_out is None else min(len(held_out), len(dataset))


def sample_count(dataset: Dataset, held_out: Dataset | None = None, samples: int | None = None) -> int:
    """Returns how many samples are judged, against as many real ones and as many others.

    Args:
        dataset: The real data that was trained on.
        held_out: Real data that was not.
        samples: How many were asked for, if any number was.

    Raises:
        DataError: If there are fewer than 10.
    """
    require_many_images(dataset)
    count = min(samples or (NUM_IMAGES if len(dataset.shape) == 3 else NUM_POINTS), _max_count(dataset, held_out))
    if count < 10:
        raise DataError(_too_few(dataset, held_out, samples))
    return count


def _too_few(dataset: Dataset, held_out: Dataset | None, samples: int | None) -> str:
    """Returns which of the numbers is below 10, and what to do."""
    if held_out is not None and len(held_out) < 10:
        return (
            f"{len(held_out)} rows of {dataset.name} are held out, and 10 are needed to judge: train with a larger "
            "--hold-out, or without."
        )
    if _max_count(dataset, held_out) < 10:
        return f"{dataset.name} has {len(dataset)} rows, of which half are judged with, and 10 are needed: add data."
    return f"{samples} samples are asked for, and 10 are needed to judge: ask for more."


def _knows_classes(extractor: FeatureExtractor | None, dataset: Dataset) -> bool:
    """Tells whether an extractor knows classes."""
    return hasattr(extractor, "logits_of") and (bool(dataset.classes) or getattr(extractor, "reference", False))


def require_metrics(
    metrics: Mapping[str, Metric],
    game: Game,
    dataset: Dataset,
    held_out: Dataset | None = None,
    *,
    classified: bool | None = None,
) -> set[Requirement]:
    """Refuses metrics that cannot be had here; returns what the others need.

    Args:
        metrics: By name.
        game: What is to be judged.
        dataset: What it learns from.
        held_out: Rows that it never sees, if any.
        classified: Whether the extractor knows classes. Default: if the data has classes, as for the classifier that
            is trained on it.

    Raises:
        DataError: With the name of the metric and what it needs.
    """
    with evaluation_mode(game), fixed_seed(0):  # or neither the game nor the random state would be left as it was
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


def _scores(metrics: Mapping[str, Metric], case: EvalContext, protocol: Callable[..., dict[str, Any]]) -> list[Score]:
    scores = []
    for name, metric in metrics.items():
        try:
            found, made_by = metric.measure(case), protocol(name, **metric.settings)
        except ValueError as error:
            raise DataError(f"The metric {name} cannot be computed: {error}.") from error
        for (title, better), (value, interval) in zip(metric.named(case.extractor).items(), found, strict=True):
            scores.append(Score(title, float(value), made_by, better, interval))
    return scores


class FeatureCollector:
    """Looks at samples as they pass by, keeps what is needed of them, and counts."""

    def __init__(
        self, extractor: FeatureExtractor | None, pixels: bool, progress: Callable[[int, int], None] | None, goal: int
    ) -> None:
        self.extractor, self.pixels, self.progress, self.goal = extractor, pixels, progress, goal
        self.seconds, self.done = 0.0, 0

    def __call__(self, batches: Batches, *, pixels: bool = True) -> SampleSet:
        start, features, kept, labels = time.perf_counter(), [], [], []
        for rows, classes in batches:
            features.append((self.extractor.features(rows) if self.extractor else rows).cpu())
            if self.pixels and pixels:
                kept.append(((rows + 1) * 127.5).round().clamp(0, 255).to(torch.uint8))
            if classes is not None:
                labels.append(classes.cpu())
            self.done += len(rows)
            if self.progress:
                self.progress(self.done, self.goal)
        self.seconds += time.perf_counter() - start
        return SampleSet(torch.cat(features), torch.cat(kept) if kept else None, torch.cat(labels) if labels else None)


class RealSplits:
    """The real samples: two disjoint sets of `count` rows, and noise with the means and deviations of the first."""

    def __init__(self, dataset: Dataset, held_out: Dataset | None, count: int, seed: int) -> None:
        if abs(seed) > MOST:
            raise DataError(f"The seed {seed} is too large: give one from {-MOST} to {MOST}.")
        self.dataset, self.seed, self.split = dataset, seed, "held out" if held_out else "seeded half"
        first, second = (
            torch.randperm(len(rows), generator=torch.Generator().manual_seed(hash_seed(seed, 1))).numpy()
            for rows in (held_out or dataset, dataset)
        )
        self._real = (held_out or dataset, first[:count])
        self._other = (dataset, second[:count] if held_out else second[count : 2 * count])

    def real(self) -> Batches:
        return _batches(*self._real)

    def other(self) -> Batches:
        return _batches(*self._other)

    def everything(self) -> Batches:
        return _batches(self.dataset, torch.arange(len(self.dataset)).numpy())

    def noise(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        total, squares = torch.zeros(2, *self.dataset.shape, dtype=torch.float64)
        images, count = len(self.dataset.shape) == 3, len(self._real[1])
        for rows, _ in self.real():
            total, squares = total + rows.double().sum(0), squares + rows.double().square().sum(0)
        mean = total / count
        deviation = ((squares - count * mean.square()) / (count - 1)).clamp(min=0).sqrt()
        generator = torch.Generator().manual_seed(hash_seed(self.seed, 3))
        for rows, classes in self.real():
            made = (mean + deviation * torch.randn(rows.shape, generator=generator)).float()
            yield made.clamp(-1, 1) if images else made, classes


def _batches(dataset: Dataset, positions: Any) -> Iterator[tuple[Tensor, Tensor | None]]:
    for start in range(0, len(positions), CHUNK):
        rows, *labels = dataset.rows(positions[start : start + CHUNK])
        yield scaled(rows) if rows.dtype == torch.uint8 else rows, labels[0] if labels else None


def _condition_sampler(
    game: Game, dataset: Dataset, held_out: Dataset | None
) -> tuple[str | None, Callable[[int], Tensor]]:
    """Returns what samples are asked for, for the stamp, None for nothing; and what draws noise that asks for it."""
    kind = game.conditions() if isinstance(game, SupportsConditions) else ""
    given = (held_out or dataset).conditions(kind) if kind else None
    if given is not None and isinstance(game, SupportsConditions):
        return f"{kind} as in the {'held-out split' if held_out else 'data'}", partial(game.noise_for, given=given)
    with evaluation_mode(game), fixed_seed(0):
        labelled = has_classes(game)
    return f"{kind or 'classes'} as the game draws them" if kind or labelled else None, require_sampling(game).noise


def _generated_batches(
    game: Game, dataset: Dataset, count: int, seed: int, drawing: Callable[[int], Tensor] | None = None
) -> Iterator[tuple[Tensor, Tensor | None]]:
    able: SupportsSampling = require_sampling(game)
    with evaluation_mode(game), fixed_seed(hash_seed(seed, 2)):
        noise = (drawing or able.noise)(count)
    for rows in noise.split(CHUNK):
        fakes = generate(able, rows, batch=min(100, count)).float().cpu()
        if tuple(fakes.shape[1:]) != dataset.shape:
            raise GameError(
                f"The game makes samples {tuple(fakes.shape[1:])}, {dataset.name} holds {dataset.shape}: match --size."
            )
        if len(dataset.shape) == 3:
            fakes = fakes.clamp(-1, 1)  # as they are drawn and saved: not every generator ends in a tanh
        yield fakes, game.class_of(rows) if isinstance(game, SupportsClassLabels) else None
