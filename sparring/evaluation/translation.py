"""How good translations are: those of real images of the one domain, judged as samples of the other.

A translator is given the form of a sampler: its noise is a row of the other domain, its sample that row's translation.
So every metric of samples serves, in both directions. Beside the references of samples stands a third, *left alone*:
what the images score if nothing is done to them. It says how far apart the domains are in the eyes of the judge; that
the content of an image is kept, no such score says. Where the data are pairs, the error to the partner does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor
from torch.optim import Optimizer

from sparring.data import Dataset
from sparring.data.stream import scaled
from sparring.evaluation.evaluator import Evaluation, evaluate
from sparring.evaluation.paired import (
    ImageReader,
    choose_rows,
    mean_score,
    merge_evaluations,
    mismatched,
    moment_matched_noise,
    pair_protocol,
    pair_shortfall_notes,
    per_image_error,
)
from sparring.game import Data, Game, Move
from sparring.inference.translation import OTHER, translate
from sparring.metrics import Direction, Score
from sparring.rng import rand

if TYPE_CHECKING:
    from sparring.runs.run import Run

__all__ = ["DatasetSampler", "TranslationSampler", "evaluate_translations"]


class DatasetSampler(Game):
    """What a game makes of rows of a data set, as samples; it is not played.

    Args:
        game: What makes it.
        source: Where the rows come from.
    """

    def __init__(self, game: Game, source: Dataset) -> None:
        super().__init__()
        self.game, self.source = game, source

    def players(self) -> dict[str, Optimizer]:
        """Nobody plays."""
        return {}

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Nothing is played."""
        yield from ()

    def noise(self, n: int) -> Tensor:
        """Draws positions of rows (n, 1), none twice before all had their turn."""
        order = rand(len(self.source), device=self.device).argsort()
        return order.repeat(-(-n // len(order)))[:n, None].float()


class TranslationSampler(DatasetSampler):
    """Rows of a domain, translated by a game or left alone, as samples.

    Args:
        game: What they are translated by; it is not played.
        source: The domain that the rows come from.
        to: The domain to translate to, A or B; nothing leaves them alone.
    """

    def __init__(self, game: Game, source: Dataset, to: str = "") -> None:
        super().__init__(game, source)
        self.to_domain = to

    def sample(self, n: int, *, noise: Tensor | None = None) -> Tensor:
        """Returns rows, translated, (n, C, H, W), from the given positions (n, 1) or from fresh ones."""
        places = self.noise(n) if noise is None else noise
        x = scaled(self.source.rows(places[:, 0].long().cpu().numpy())[0]).to(self.device)
        return translate(self.game, x, self.to_domain) if self.to_domain else x


def evaluate_translations(run: Run, **settings: Any) -> Evaluation:
    """Judges a run's translations, in every direction that it knows.

    Args:
        run: A run of a game that translates.
        settings: Those of `sparring.evaluation.evaluator.evaluate`.
    """
    only = getattr(run.inference_game, "domain", None)
    ways = ("B", "A") if only is None else (only,)
    found = [_evaluate_direction(run, to, **settings) for to in ways]
    if run.dataset.second and run.dataset.second.paired:
        how = {name: settings[name] for name in ("samples", "seed", "references") if name in settings}
        found += [_pair_errors(run, to, **how) for to in ways]
    return merge_evaluations(found)


def _evaluate_direction(run: Run, to: str, **settings: Any) -> Evaluation:
    target, held_out = (rows and _domain(rows, to) for rows in (run.training, run.held_out))
    source = _domain(run.held_out or run.training, OTHER[to])
    assert target is not None
    found = evaluate(TranslationSampler(run.inference_game, source, to), target, held_out=held_out, **settings)
    references = dict(found.references)
    if references and source.shape == target.shape:
        alone = evaluate(
            TranslationSampler(run.inference_game, source),
            target,
            held_out=held_out,
            **settings | {"references": False},
        )
        references["left alone"] = alone.scores
    titled = {name: _titled(scores, to) for name, scores in references.items()}
    return replace(found, scores=_titled(found.scores, to), references=titled)


def _pair_errors(run: Run, to: str, samples: int | None = None, seed: int = 0, references: bool = True) -> Evaluation:
    """How far translations are from their images' partners."""
    dataset, rows = choose_rows(run, samples, seed)
    source, target = (partial(_images, _domain(dataset, name)) for name in (OTHER[to], to))
    kinds: dict[str, ImageReader] = {"": lambda some: translate(run.inference_game, source(some), to)}
    if references:
        kinds |= {"noise": moment_matched_noise(target, rows, seed), "another's": mismatched(target, rows)}
        kinds |= {"left alone": source} if _domain(dataset, "A").shape == _domain(dataset, "B").shape else {}
    how = pair_protocol("error", run, len(rows), seed)
    found = mean_score(f"to {to}: error to the partner", per_image_error(kinds, target, rows), how, Direction.LOWER)
    return replace(found, notes=pair_shortfall_notes(run, samples))


def _images(dataset: Dataset, rows: np.ndarray) -> Tensor:
    return scaled(dataset.rows(rows)[0])


def _titled(scores: list[Score], to: str) -> list[Score]:
    return [replace(score, name=f"to {to}: {score.name}") for score in scores]


def _domain(dataset: Dataset, name: str) -> Dataset:
    """Returns one of two domains."""
    assert dataset.second is not None
    return replace(dataset, second=None) if name == "A" else dataset.second.dataset
