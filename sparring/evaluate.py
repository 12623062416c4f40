"""How good a game's samples are, in scores that can be read: beside every score stand two references.

* *data*: other real samples in the place of the generated ones — what a perfect generator would score at these counts;
* *noise*: independent coordinates with the data's means and deviations — what knowing nothing but these two scores.

All three are measured against the same real samples, in the same numbers, by the same protocol. The two halves of real
samples are disjoint; everything is a function of the seed. Points of a known mixture are judged by mode coverage
(Srivastava et al., 2017; Lin et al., 2018: 2,500 samples, 3 σ). Images are judged in the features of the tool's own
classifier, which is no Inception: its Fréchet distance is comparable with itself only, and is never called FID.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sparring.chance import mix, seeded
from sparring.data.dataset import Dataset, Mixture
from sparring.data.stream import scaled
from sparring.durable import written
from sparring.errors import DataError, GameError
from sparring.game import Game
from sparring.metrics import (
    Better,
    Extracts,
    Score,
    density_coverage,
    extractor_for,
    frechet_distance,
    kernel_distance,
    mode_coverage,
    precision_recall,
    stamp,
)
from sparring.sampling import generate, sampling

if TYPE_CHECKING:
    from sparring.run import Run

__all__ = ["METRICS", "Evaluation", "Metric", "evaluate", "evaluate_run", "metrics_named", "read", "suited"]

POINTS = 2_500  # the published protocol
IMAGES = 2_000  # at most; half of the data where there are fewer


@dataclass(frozen=True)
class Metric:
    """A way to judge samples.

    Attributes:
        scores: The names of its scores, and in which direction each improves.
        measure: From real and generated features (N, d), and the mixture behind them, to the values in that order.
        settings: Its constants, for the stamp.
        mixture: Whether it needs points of a known mixture.
    """

    scores: dict[str, Better]
    measure: Callable[[Tensor, Tensor, Mixture | None], tuple[float, ...]]
    settings: dict[str, Any] = field(default_factory=dict)
    mixture: bool = False


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        scores: The scores of the generated samples.
        references: The same scores of other real samples ("data") and of noise ("noise").
    """

    scores: list[Score]
    references: dict[str, list[Score]]

    def as_json(self) -> dict[str, Any]:
        """Returns plain values, fit for JSON."""
        rows = {"scores": self.scores, **self.references}
        plain = {name: [_plain(score) for score in scores] for name, scores in rows.items()}
        return {"scores": plain.pop("scores"), "references": plain}


def _modes(real: Tensor, fake: Tensor, mixture: Mixture | None) -> tuple[float, ...]:
    assert mixture is not None
    found = mode_coverage(fake, mixture.centres, mixture.deviation)
    return found.modes, found.high_quality, found.reverse_kl


def _frechet(real: Tensor, fake: Tensor, mixture: Mixture | None) -> tuple[float, ...]:
    return (frechet_distance(real, fake),)


def _kernel(real: Tensor, fake: Tensor, mixture: Mixture | None) -> tuple[float, ...]:
    return (kernel_distance(real, fake),)


def _precision(real: Tensor, fake: Tensor, mixture: Mixture | None) -> tuple[float, ...]:
    found = precision_recall(real, fake)
    return found.precision, found.recall


def _density(real: Tensor, fake: Tensor, mixture: Mixture | None) -> tuple[float, ...]:
    found = density_coverage(real, fake)
    return found.density, found.coverage


_UP, _DOWN = Better.HIGHER, Better.LOWER
METRICS: dict[str, Metric] = {
    "modes": Metric({"modes": _UP, "high quality": _UP, "reverse KL": _DOWN}, _modes, {"within": 3.0}, mixture=True),
    "frechet": Metric({"Fréchet distance": _DOWN}, _frechet),
    "kernel": Metric({"kernel distance": _DOWN}, _kernel, {"degree": 3}),
    "precision": Metric({"precision": _UP, "recall": _UP}, _precision, {"neighbours": 3}),
    "density": Metric({"density": _UP, "coverage": _UP}, _density, {"neighbours": 5}),
}
"""The metrics by name: the one place where a name becomes a metric."""


def metrics_named(names: Sequence[str]) -> dict[str, Metric]:
    """Returns metrics by their names.

    Raises:
        DataError: If there is none of a name; the message suggests the nearest.
    """
    for name in names:
        if name not in METRICS:
            near = get_close_matches(name, METRICS, n=1, cutoff=0.0)[0]
            raise DataError(f"There is no metric {name!r}: did you mean {near!r}, or another of {', '.join(METRICS)}?")
    return {name: METRICS[name] for name in names}


def suited(dataset: Dataset) -> dict[str, Metric]:
    """Returns the metrics that suit a data set: modes where they are known, else distance, precision and recall."""
    return metrics_named(["modes"] if dataset.mixture else ["frechet", "precision"])


def evaluate(
    game: Game,
    dataset: Dataset,
    *,
    metrics: Mapping[str, Metric] | None = None,
    samples: int | None = None,
    seed: int = 0,
    extractor: Extracts | None = None,
) -> Evaluation:
    """Judges a game's samples, and the two references beside them.

    The game is left as it was, to the bit, and so is every random state.

    Args:
        game: A game that can sample.
        dataset: The real data.
        metrics: From `METRICS`; those suited to the data unless told.
        samples: How many are generated; 2,500 points or 2,000 images unless told, never more than half of the data.
        seed: Decides the noise and the choice of real samples.
        extractor: What sees the images; the tool's own classifier, trained on this data, unless told.

    Raises:
        DataError: If a metric does not suit the data, or the data are too few.
        GameError: If the game cannot sample, or makes samples of another shape.
    """
    metrics = suited(dataset) if metrics is None else metrics
    images = len(dataset.shape) == 3
    for name, metric in metrics.items():
        if metric.mixture and dataset.mixture is None:
            raise DataError(f"The metric {name!r} needs points of a known mixture, which {dataset.name} is not.")
    count = min(samples or (IMAGES if images else POINTS), len(dataset) // 2)
    if count < 10:
        raise DataError(f"{dataset.name} has {len(dataset)} rows and {count} samples are asked for: 10 are needed.")
    if images and extractor is None:
        extractor = extractor_for(dataset, device=str(game.device))
    real, other = _halves(dataset, count, seed)
    sets = {"": _fakes(game, dataset, count, seed), "data": other, "noise": _noise(real, seed, bounded=images)}
    see = extractor.features if images and extractor else _as_they_are
    seen = {name: see(rows).cpu() for name, rows in {"real": real, **sets}.items()}
    protocol = partial(
        stamp, dataset=dataset, split="seeded half", real=count, fake=count, seed=seed, extractor=extractor
    )
    rows = {name: _scores(metrics, seen["real"], seen[name], dataset, protocol) for name in sets}
    return Evaluation(rows.pop(""), rows)


def evaluate_run(run: Run, **settings: Any) -> Evaluation:
    """Judges a run's sampler on the run's own data and writes ``evaluation.json`` into its folder.

    Args:
        run: The run.
        settings: Those of `evaluate`.
    """
    result = evaluate(run.sampler, run.dataset, **settings)
    record = {"step": run.step, "images": run.images, **result.as_json()}
    with written(run.folder / "evaluation.json") as file:
        file.write(json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False).encode())
    return result


def read(record: Mapping[str, Any]) -> Evaluation:
    """Returns the evaluation that ``evaluation.json`` holds."""
    return Evaluation(_read(record["scores"]), {name: _read(scores) for name, scores in record["references"].items()})


def _read(scores: list[dict[str, Any]]) -> list[Score]:
    return [Score(s["name"], float(s["value"]), s["stamp"], Better(s["better"])) for s in scores]


def _plain(score: Score) -> dict[str, Any]:
    """JSON knows no infinity, so it is written as text, which `float` reads."""
    plain = asdict(score)
    return plain | {"value": score.value if math.isfinite(score.value) else str(score.value)}


def _scores(
    metrics: Mapping[str, Metric], real: Tensor, fake: Tensor, dataset: Dataset, protocol: Callable[..., dict[str, Any]]
) -> list[Score]:
    scores = []
    for name, metric in metrics.items():
        values = metric.measure(real, fake, dataset.mixture)
        made_by = protocol(name, **metric.settings)
        for (title, better), value in zip(metric.scores.items(), values, strict=True):
            scores.append(Score(title, float(value), made_by, better))
    return scores


def _halves(dataset: Dataset, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two disjoint sets of `count` real rows each."""
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(mix(seed, 1))).numpy()
    first, second = (dataset.rows(order[k * count : (k + 1) * count])[0] for k in range(2))
    return (scaled(first), scaled(second)) if first.dtype == torch.uint8 else (first, second)


def _fakes(game: Game, dataset: Dataset, count: int, seed: int) -> Tensor:
    with seeded(mix(seed, 2)):
        noise = sampling(game).noise(count)
    fakes = generate(sampling(game), noise, batch=min(100, count)).float().cpu()
    if tuple(fakes.shape[1:]) != dataset.shape:
        raise GameError(
            f"The game makes samples {tuple(fakes.shape[1:])}, {dataset.name} holds {dataset.shape}: match --size."
        )
    return fakes


def _noise(real: Tensor, seed: int, *, bounded: bool) -> Tensor:
    generator = torch.Generator().manual_seed(mix(seed, 3))
    noise = real.mean(0) + real.std(0) * torch.randn(real.shape, generator=generator)
    return noise.clamp(-1, 1) if bounded else noise


def _as_they_are(points: Tensor) -> Tensor:
    return points
