"""How good paintings of label maps are: as photographs, beside the photographs of their maps, and in what they obey.

* the metrics of samples: maps of the data, each painted in a style of its own drawn from N(0, I);
* *error*: maps in the styles of their own photographs, against these photographs (`sparring.evaluation.paired`);
* *layout*: whether colours are where the map says, in their own styles and in those of other photographs
  (`sparring.metrics.label_map_accuracy`; the colours are learnt from the training data). Beside it stands what the
  photographs themselves reach, *data*, and what photographs of other maps do, *another's*: the share that chance and
  the likeness of scenes give;
* *style*: how often the means and deviations of a picture's channels come nearer to those of another photograph when
  it is painted in that one's style. Half is what a painter reaches that ignores styles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from sparring.abilities import SupportsTranslation, require_label_maps
from sparring.data import Dataset
from sparring.data.stream import scaled
from sparring.evaluation.evaluator import Evaluation, evaluate
from sparring.evaluation.paired import (
    ImageReader,
    batches,
    choose_rows,
    mean_score,
    merge_evaluations,
    mismatched,
    moment_matched_noise,
    pair_protocol,
    pair_shortfall_notes,
)
from sparring.evaluation.translation import DatasetSampler, evaluate_translations
from sparring.game import evaluation_mode
from sparring.inference.label_maps import encode_styles
from sparring.metrics import Direction
from sparring.metrics.label_map_accuracy import LabelMapAccuracy

if TYPE_CHECKING:
    from sparring.runs.run import Run

__all__ = ["LabelMapSampler", "evaluate_label_maps", "evaluate_pictures"]


class LabelMapSampler(DatasetSampler):
    """Label maps of some rows, painted by a game in drawn styles, as samples.

    Args:
        game: What they are painted by; it is not played.
        source: Images with label maps.
    """

    def noise(self, n: int) -> Tensor:
        """Draws positions of rows, none twice before all had their turn, with styles: (n, 1 + latent)."""
        rows = super().noise(n)
        return torch.cat([rows, require_label_maps(self.game).styles(n).to(rows)], 1)

    def sample(self, n: int, *, noise: Tensor | None = None) -> Tensor:
        """Returns the maps of rows, painted, (n, C, H, W), from given rows of noise or from fresh ones."""
        known = self.noise(n) if noise is None else noise
        labels = _maps(self.source, known[:, 0].long().cpu().numpy())
        with evaluation_mode(self.game):
            return require_label_maps(self.game).paint(labels.to(self.device), known[:, 1:].to(self.device))


def evaluate_pictures(run: Run, **settings: Any) -> Evaluation:
    """Judges what a run makes of other pictures: paintings of label maps, or translations.

    Args:
        run: A run of a game that paints or translates.
        settings: Those of `sparring.evaluation.evaluator.evaluate`.

    Raises:
        GameError: If it does neither.
    """
    if isinstance(run.inference_game, SupportsTranslation):
        return evaluate_translations(run, **settings)
    return evaluate_label_maps(run, **settings)


def evaluate_label_maps(
    run: Run, *, samples: int | None = None, seed: int = 0, references: bool = True, **settings: Any
) -> Evaluation:
    """Judges a run's paintings, on held-out label maps where there are any.

    Args:
        run: A run of a game that paints.
        samples: How many maps; 2,000 unless told, never more than there are.
        seed: Decides which maps and styles.
        references: Whether to judge real pictures and noise, too.
        settings: The others of `sparring.evaluation.evaluator.evaluate`.

    Raises:
        DataError: If the data are too few.
        GameError: If the game does not paint.
    """
    require_label_maps(run.inference_game)
    how: Any = {"samples": samples, "seed": seed, "references": references}
    painted = LabelMapSampler(run.inference_game, run.held_out or run.training)
    found = evaluate(painted, run.training, held_out=run.held_out, **how, **settings)
    whole = merge_evaluations([found, *PairedImages(run, samples, seed, references).scores()])
    return replace(whole, notes=(*whole.notes, *pair_shortfall_notes(run, samples)))


class PairedImages:
    """Photographs with their label maps, and how these are painted in their own styles and in another's.

    Args:
        run: A run of a game that paints.
        samples: How many.
        seed: Decides which, and the noise beside them.
        references: Whether to look at noise and at other photographs, too.
    """

    def __init__(self, run: Run, samples: int | None, seed: int, references: bool) -> None:
        self.run, self.game, self.seed, self.references = run, run.inference_game, seed, references
        self.dataset, self.rows = choose_rows(run, samples, seed)
        self.photographs: ImageReader = partial(_photographs, self.dataset)
        self.other = mismatched(self.photographs, self.rows)
        self.noise = moment_matched_noise(self.photographs, self.rows, seed)
        self.tell = _fit_layout(run.training)

    def pictures(self, rows: np.ndarray) -> dict[str, Tensor]:
        """Returns pictures of the maps of some rows, by what they are."""
        x, other, labels = self.photographs(rows), self.other(rows), _maps(self.dataset, rows)
        shown = {"data": x, "another's": other}
        shown |= {"noise": self.noise(rows)} if self.references else {}
        for name, photographs in (("own", x), ("swapped", other)):
            styles = encode_styles(self.game, photographs)
            with evaluation_mode(self.game):
                made = require_label_maps(self.game).paint(labels.to(self.game.device), styles)
            shown[name] = made.cpu().clamp(-1, 1)
        return shown

    def seen(self) -> dict[str, _Statistics]:
        """Looks at all pictures, as they pass by."""
        found: dict[str, _Statistics] = {}
        for rows in batches(self.rows):
            x, labels = self.photographs(rows), _maps(self.dataset, rows)
            for name, made in self.pictures(rows).items():
                hits = self.tell.hits(made, _class_numbers(labels))
                now = _Statistics((made - x).abs().mean((1, 2, 3)), hits, _channel_moments(made))
                found[name] = found[name].and_then(now) if name in found else now
        return found

    def scores(self) -> Iterator[Evaluation]:
        """Yields error, layout, and, where there are styles, layout in another's style and style."""
        found, stamped = self.seen(), partial(pair_protocol, run=self.run, count=len(self.rows), seed=self.seed)
        beside = ("noise", "another's") if self.references else ()
        off = {"": found["own"].errors} | {name: found[name].errors for name in beside}
        yield mean_score("error in the own style", off, stamped("error"), Direction.LOWER)
        styled = require_label_maps(self.game).styles(1).shape[1] > 0
        named = {"layout": "own"} | ({"layout in another's style": "swapped"} if styled else {})
        for name, judged in named.items():
            kinds = {"": judged} | {each: each for each in (("data", *beside) if self.references else ())}
            shares = {kind: torch.tensor([self.tell.share(found[which].hits)]) for kind, which in kinds.items()}
            yield mean_score(name, shares, stamped("layout"), Direction.HIGHER)
        if styled:
            before, after, goal = (found[name].statistics for name in ("own", "swapped", "another's"))
            nearer = ((after - goal).norm(dim=1) < (before - goal).norm(dim=1)).double()
            yield mean_score("style taken over", {"": nearer}, stamped("style"), Direction.HIGHER)


@dataclass(frozen=True)
class _Statistics:
    """What is kept of pictures: errors (n,), hits of the layout (2, known) and statistics (n, 2 C)."""

    errors: Tensor
    hits: Tensor
    statistics: Tensor

    def and_then(self, more: _Statistics) -> _Statistics:
        errors, statistics = (
            torch.cat(both) for both in ((self.errors, more.errors), (self.statistics, more.statistics))
        )
        return _Statistics(errors, self.hits + more.hits, statistics)


def _fit_layout(dataset: Dataset) -> LabelMapAccuracy:
    """What the colours of every class are in photographs."""
    second = dataset.second
    assert second is not None
    assert second.regions is not None
    tell = LabelMapAccuracy(len(second.regions), dataset.shape[0])
    for rows in batches(np.arange(len(dataset))):
        tell.fit(_photographs(dataset, rows), _class_numbers(_maps(dataset, rows)))
    return tell


def _photographs(dataset: Dataset, rows: np.ndarray) -> Tensor:
    return scaled(dataset.rows(rows)[0])


def _maps(dataset: Dataset, rows: np.ndarray) -> Tensor:
    assert dataset.second is not None
    return dataset.second.rows(rows)


def _class_numbers(labels: Tensor) -> Tensor:
    """The class numbers of label maps, (N, H, W), without the edges."""
    return labels if labels.dim() == 3 else labels[:, 0]


def _channel_moments(x: Tensor) -> Tensor:
    """Means and deviations of the channels, (N, 2 C)."""
    return torch.cat([x.mean((2, 3)), x.std((2, 3))], 1)
