"""Scores of images generated from label maps: as samples, against the photographs of their maps, and in their layout.

* the metrics of samples: the label maps of the data, each in a style drawn from N(0, I);
* *error*: maps in the styles of their own photographs, compared with these photographs (`sparring.evaluation.paired`);
* *layout*: whether pixels have the colours of the classes that the map has there, in the styles of their own and of
  other photographs (`sparring.metrics.label_map_accuracy`; colours are estimated from the training data). References
  are the photographs themselves, *data*, and photographs of other maps, *another's*: the level of chance and of
  similar scenes;
* *style*: how often the means and deviations of an image's channels come closer to those of another photograph when
  the map is painted in the style of that one. A generator that ignores styles reaches one half.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Unpack

import numpy as np
import torch
from torch import Tensor

from sparring._types import Settings
from sparring.abilities import require_label_maps
from sparring.data import Dataset
from sparring.data.stream import scale_images
from sparring.errors import DataError
from sparring.evaluation.evaluator import evaluate
from sparring.evaluation.paired import (
    ImageReader,
    batches,
    choose_rows,
    mean_score,
    merge_evaluations,
    mismatched,
    noise_reader,
    pair_protocol,
    pair_shortfall_notes,
)
from sparring.evaluation.translation import DatasetSampler
from sparring.evaluation.types import Evaluation, MetricSettings
from sparring.game import Game, evaluation_mode
from sparring.inference.label_maps import encode_styles
from sparring.metrics import Direction
from sparring.metrics.label_map_accuracy import LabelMapAccuracy

__all__ = ["LabelMapSampler", "evaluate_label_maps"]


class LabelMapSampler(DatasetSampler):
    """Images that a game generates from the label maps of some rows in drawn styles, as samples.

    Args:
        game: A game that generates images from label maps.
        source: Images with label maps.
    """

    def noise(self, n: int) -> Tensor:
        """Draw positions of rows, each once before any repeats, with styles: (n, 1 + latent)."""
        rows = super().noise(n)
        return torch.cat([rows, require_label_maps(self.game).styles(n).to(rows)], 1)

    def sample(self, n: int, *, noise: Tensor | None = None) -> Tensor:
        """Return images (n, C, H, W) of the maps of rows, from given positions and styles or from fresh ones."""
        known = self.noise(n) if noise is None else noise
        labels = _maps(self.source, known[:, 0].long().cpu().numpy())
        with evaluation_mode(self.game):
            return require_label_maps(self.game).paint(labels.to(self.device), known[:, 1:].to(self.device))


def evaluate_label_maps(
    game: Game,
    dataset: Dataset,
    *,
    held_out: Dataset | None = None,
    samples: int | None = None,
    seed: int = 0,
    references: bool = True,
    **settings: Unpack[MetricSettings],
) -> Evaluation:
    """Score images that a game generates from label maps, from held-out maps if there are any.

    Args:
        game: A game that generates images from label maps.
        dataset: The training data, images with label maps.
        held_out: Rows that were not trained on.
        samples: Number of maps, at most all. Default: 2,000.
        seed: Seed of the choice of maps and styles.
        references: Whether to score real images and noise.
        settings: The other arguments of `sparring.evaluation.evaluator.evaluate`.

    Raises:
        DataError: If the data has no label maps, or there are too few rows.
        GameError: If the game does not generate images from label maps.
    """
    require_label_maps(game)
    if dataset.paired_domain is None or dataset.paired_domain.regions is None:
        raise DataError(f"{dataset.name} has no label maps: give images with label maps.")
    given: Settings = {"samples": samples, "seed": seed, "references": references}
    sampler = LabelMapSampler(game, held_out or dataset)
    found = evaluate(sampler, dataset, held_out=held_out, **given, **settings)
    whole = merge_evaluations([found, *PairedImages(game, dataset, held_out, **given).scores()])
    return replace(whole, notes=(*whole.notes, *pair_shortfall_notes(dataset, held_out, samples)))


class PairedImages:
    """Photographs, and images of their label maps in the styles of their own and of other photographs.

    Args:
        game: A game that generates images from label maps.
        dataset: The training data, images with label maps.
        held_out: Rows that were not trained on.
        samples: Number of rows.
        seed: Seed of the choice of rows and of the noise.
        references: Whether to score noise and other photographs.
    """

    def __init__(
        self,
        game: Game,
        dataset: Dataset,
        held_out: Dataset | None,
        *,
        samples: int | None,
        seed: int,
        references: bool,
    ) -> None:
        self.game, self.references = game, references
        self.dataset, self.rows = choose_rows(dataset, held_out, samples, seed)
        self.protocol = partial(pair_protocol, dataset=dataset, held_out=held_out, count=len(self.rows), seed=seed)
        self.photographs: ImageReader = partial(_photographs, self.dataset)
        self.other = mismatched(self.photographs, self.rows)
        self.noise = noise_reader(self.photographs, self.rows, seed)
        self.layout = _fit_layout(dataset)

    def images(self, rows: np.ndarray) -> dict[str, Tensor]:
        """Return images of the maps of some rows, by their kind."""
        x, other, labels = self.photographs(rows), self.other(rows), _maps(self.dataset, rows)
        found = {"data": x, "another's": other}
        found |= {"noise": self.noise(rows)} if self.references else {}
        for name, photographs in (("own", x), ("swapped", other)):
            styles = encode_styles(self.game, photographs)
            with evaluation_mode(self.game):
                made = require_label_maps(self.game).paint(labels.to(self.game.device), styles)
            found[name] = made.cpu().clamp(-1, 1)
        return found

    def statistics(self) -> dict[str, _Statistics]:
        """Return the statistics of all images, by their kind."""
        found: dict[str, _Statistics] = {}
        for rows in batches(self.rows):
            x, labels = self.photographs(rows), _maps(self.dataset, rows)
            for name, made in self.images(rows).items():
                hits = self.layout.hits(made, _class_numbers(labels))
                now = _Statistics((made - x).abs().mean((1, 2, 3)), hits, _channel_moments(made))
                found[name] = found[name].and_then(now) if name in found else now
        return found

    def scores(self) -> Iterator[Evaluation]:
        """Yield error and layout and, if the game has styles, layout in another's style and style."""
        found = self.statistics()
        beside = ("noise", "another's") if self.references else ()
        errors = {"": found["own"].errors} | {name: found[name].errors for name in beside}
        yield mean_score("error in the own style", errors, self.protocol("error"), Direction.LOWER)
        styled = require_label_maps(self.game).styles(1).shape[1] > 0
        named = {"layout": "own"} | ({"layout in another's style": "swapped"} if styled else {})
        for name, scored in named.items():
            kinds = {"": scored} | {each: each for each in (("data", *beside) if self.references else ())}
            shares = {kind: torch.tensor([self.layout.share(found[which].hits)]) for kind, which in kinds.items()}
            yield mean_score(name, shares, self.protocol("layout"), Direction.HIGHER)
        if styled:
            before, after, goal = (found[name].moments for name in ("own", "swapped", "another's"))
            nearer = ((after - goal).norm(dim=1) < (before - goal).norm(dim=1)).double()
            yield mean_score("style taken over", {"": nearer}, self.protocol("style"), Direction.HIGHER)


@dataclass(frozen=True)
class _Statistics:
    """Statistics of images: errors (n,), hits of the layout (2, known) and moments of the channels (n, 2 C)."""

    errors: Tensor
    hits: Tensor
    moments: Tensor

    def and_then(self, more: _Statistics) -> _Statistics:
        errors, moments = torch.cat((self.errors, more.errors)), torch.cat((self.moments, more.moments))
        return _Statistics(errors, self.hits + more.hits, moments)


def _fit_layout(dataset: Dataset) -> LabelMapAccuracy:
    """Return the colours of every class, estimated from photographs."""
    second = dataset.paired_domain
    assert second is not None
    assert second.regions is not None
    layout = LabelMapAccuracy(len(second.regions), dataset.shape[0])
    for rows in batches(np.arange(len(dataset))):
        layout.fit(_photographs(dataset, rows), _class_numbers(_maps(dataset, rows)))
    return layout


def _photographs(dataset: Dataset, rows: np.ndarray) -> Tensor:
    return scale_images(dataset.rows(rows)[0])


def _maps(dataset: Dataset, rows: np.ndarray) -> Tensor:
    assert dataset.paired_domain is not None
    return dataset.paired_domain.rows(rows)


def _class_numbers(labels: Tensor) -> Tensor:
    """Return the class numbers of label maps, (N, H, W), without edges."""
    return labels if labels.dim() == 3 else labels[:, 0]


def _channel_moments(x: Tensor) -> Tensor:
    """Return means and deviations of the channels, (N, 2 C)."""
    return torch.cat([x.mean((2, 3)), x.std((2, 3))], 1)
