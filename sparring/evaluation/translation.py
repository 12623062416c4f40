"""Scores of translations between two domains, in each direction that a game supports.

A translator is adapted to the sampler interface: a latent is the index of a source image, a sample is its translation.
Every metric of samples then applies, in both directions. A third reference, *left alone*, is the score of the
untranslated source images, which measures the distance between the domains. None of these scores measures whether the
content of an image is preserved; where the data are pairs, the error to the partner does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Unpack

from torch import Tensor
from torch.optim import Optimizer

from sparring._types import Settings
from sparring.data import Dataset
from sparring.data.stream import scale_images
from sparring.errors import DataError
from sparring.evaluation.evaluator import evaluate
from sparring.evaluation.paired import (
    ImageReader,
    choose_rows,
    mean_score,
    merge_evaluations,
    mismatched,
    noise_reader,
    pair_protocol,
    pair_shortfall_notes,
    per_image_error,
)
from sparring.evaluation.sample_sets import central
from sparring.evaluation.types import Evaluation, EvaluationSettings
from sparring.game import Data, Game, Move
from sparring.inference.translation import OTHER, translate
from sparring.metrics import Direction, Score
from sparring.rng import rand

__all__ = ["DatasetSampler", "TranslationSampler", "evaluate_translation"]


class DatasetSampler(Game):
    """A game that is not trained and whose latents are the positions of rows of a data set.

    Args:
        game: The game that generates samples from these rows.
        source: The rows.
    """

    def __init__(self, game: Game, source: Dataset) -> None:
        super().__init__()
        self.game, self.source = game, source

    def players(self) -> dict[str, Optimizer]:
        """Return no players."""
        return {}

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Yield no moves."""
        yield from ()

    def noise(self, n: int) -> Tensor:
        """Draw positions of rows (n, 1), each once before any repeats."""
        order = rand(len(self.source), device=self.device).argsort()
        return order.repeat(-(-n // len(order)))[:n, None].float()


class TranslationSampler(DatasetSampler):
    """Translations of the rows of a domain, or the rows themselves, as samples.

    Args:
        game: The game that translates.
        source: The rows of the other domain.
        to: The domain to translate to, A or B. Default: rows are not translated.
    """

    def __init__(self, game: Game, source: Dataset, to: str = "") -> None:
        super().__init__(game, source)
        self.to_domain = to

    def sample(self, n: int, *, noise: Tensor | None = None) -> Tensor:
        """Return translated rows (n, C, H, W), from the given positions (n, 1) or from fresh ones."""
        places = self.noise(n) if noise is None else noise
        x = scale_images(self.source.rows(places[:, 0].long().cpu().numpy())[0]).to(self.device)
        return translate(self.game, x, self.to_domain) if self.to_domain else x


def evaluate_translation(
    game: Game, dataset: Dataset, *, held_out: Dataset | None = None, **settings: Unpack[EvaluationSettings]
) -> Evaluation:
    """Score a game's translations in every direction that it supports.

    Args:
        game: A game that translates.
        dataset: The training data, two domains of images.
        held_out: Rows of both domains that were not trained on.
        settings: The other arguments of `sparring.evaluation.evaluator.evaluate`.

    Raises:
        DataError: If the data does not have two domains, or there are too few rows.
    """
    if dataset.paired_domain is None:
        raise DataError(f"{dataset.name} does not have two domains of images: give a folder with trainA and trainB.")
    only = getattr(game, "domain", None)
    directions = ("B", "A") if only is None else (only,)
    found = [_evaluate_direction(game, dataset, held_out, to, **settings) for to in directions]
    if dataset.paired_domain.paired:
        given: Settings = {name: settings[name] for name in ("samples", "seed", "references") if name in settings}
        found += [_pair_errors(game, dataset, held_out, to, **given) for to in directions]
    return merge_evaluations(found)


def _evaluate_direction(
    game: Game, dataset: Dataset, held_out: Dataset | None, to: str, **settings: Unpack[EvaluationSettings]
) -> Evaluation:
    target, unseen = _domain(dataset, to), None if held_out is None else _domain(held_out, to)
    source = _domain(held_out or dataset, OTHER[to])
    found = evaluate(TranslationSampler(game, source, to), target, held_out=unseen, **settings)
    references = dict(found.references)
    if references and source.shape == target.shape:
        alone = evaluate(TranslationSampler(game, source), target, held_out=unseen, **settings | {"references": False})
        references["left alone"] = alone.scores
    titled = {name: _titled(scores, to) for name, scores in references.items()}
    return replace(found, scores=_titled(found.scores, to), references=titled)


def _pair_errors(
    game: Game,
    dataset: Dataset,
    held_out: Dataset | None,
    to: str,
    *,
    samples: int | None = None,
    seed: int = 0,
    references: bool = True,
) -> Evaluation:
    """Return the error of translations to the partners of their source images."""
    chosen, rows = choose_rows(dataset, held_out, samples, seed)
    source, target = _reader(_domain(chosen, OTHER[to])), _reader(_domain(chosen, to))
    kinds: dict[str, ImageReader] = {"": lambda some: translate(game, source(some), to)}
    if references:
        kinds |= {"noise": noise_reader(target, rows, seed), "another's": mismatched(target, rows)}
        kinds |= {"left alone": source} if _domain(chosen, "A").shape == _domain(chosen, "B").shape else {}
    if (size := _domain(chosen, to).content) is not None:
        kinds = {name: _centre_of(read, size) for name, read in kinds.items()}
        target = _centre_of(target, size)
    protocol = pair_protocol("error", dataset, held_out, count=len(rows), seed=seed)
    errors = per_image_error(kinds, target, rows)
    found = mean_score(f"to {to}: error to the partner", errors, protocol, Direction.LOWER)
    return replace(found, notes=pair_shortfall_notes(dataset, held_out, samples))


def _centre_of(read: ImageReader, size: Sequence[int]) -> ImageReader:
    """Return a reader of the centre of images, without their border."""
    return lambda rows: central(read(rows), size)


def _reader(dataset: Dataset) -> ImageReader:
    return lambda rows: scale_images(dataset.rows(rows)[0])


def _titled(scores: list[Score], to: str) -> list[Score]:
    return [replace(score, name=f"to {to}: {score.name}") for score in scores]


def _domain(dataset: Dataset, name: str) -> Dataset:
    """Return one of two domains."""
    assert dataset.paired_domain is not None
    return replace(dataset, paired_domain=None) if name == "A" else dataset.paired_domain.dataset
