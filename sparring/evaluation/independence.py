"""A game is never judged by the features that it trains on.

A generator that is trained against the features of a fixed network learns to please this network, and its distance in
these features falls whether or not the images become better (Kynkäänniemi et al., 2023, arXiv 2203.06026). So
`evaluate`, early stopping and comparisons refuse such a judge.

A game, a wrapper, or a network inside a game states the features by an attribute ``trains_on_features``: names of
extractors (``classifier``, ``inception``, ``squeezenet``, ``lite0``), or hashes of weights. An extractor around a
network with that attribute has the same features.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import nn

from sparring.errors import GameError
from sparring.evaluation.types import Metric
from sparring.game import Game
from sparring.metrics import FeatureExtractor

__all__ = ["TrainsOnFeatures", "require_independent", "trained_features"]


@runtime_checkable
class TrainsOnFeatures(Protocol):
    """A game, or a part of one, that trains on features of fixed networks."""

    @property
    def trains_on_features(self) -> tuple[str, ...]:
        """Names of extractors with these features, or hashes of weights."""


def trained_features(game: Game) -> frozenset[str]:
    """Return the names and hashes of the features that a game trains on, those of its parts included.

    Args:
        game: The game.
    """
    return _stated(game)


def require_independent(
    game: Game, extractor: FeatureExtractor | str, metrics: Mapping[str, Metric] | None = None
) -> None:
    """Raise an error if a game trains on the features of an extractor and a metric reads them.

    Args:
        game: The game to judge.
        extractor: The extractor, or the name of one that is not built yet, as for `get_extractor`.
        metrics: The metrics. Default: one that reads features.

    Raises:
        GameError: The message names another extractor.
    """
    trained = trained_features(game)
    reading = [name for name, metric in (metrics or {}).items() if metric.features]
    if not trained or (metrics is not None and not reading):
        return
    if isinstance(extractor, str):
        known, model = {extractor, extractor.partition(":")[0]}, extractor.partition("transformers:")[2]
    else:
        known, model = _identities(extractor), getattr(extractor, "model_name", "")
    spelt = re.sub(r"[^a-z0-9]", "", model.lower())
    if same := sorted(name for name in trained if name in known or (spelt and name in spelt)):
        other = "squeezenet:FILE" if "classifier" in trained else "classifier"
        raise GameError(
            f"{type(game.unwrapped).__name__} trains on the features {same[0][:20]}, which therefore cannot judge it: "
            f"choose another extractor, such as {other}, or a metric of pixels, such as sliced."
        )


def _identities(extractor: FeatureExtractor) -> set[str]:
    """Return the names of an extractor, the hash of its weights, and what the networks in it state."""
    networks = (value for value in vars(extractor).values() if isinstance(value, nn.Module))
    stated = {name for network in networks for name in _stated(network)}
    return {extractor.name, getattr(extractor, "family", extractor.name), extractor.sha256, *stated}


def _stated(module: nn.Module) -> frozenset[str]:
    parts = (part for part in module.modules() if isinstance(part, TrainsOnFeatures))
    return frozenset(name for part in parts for name in part.trains_on_features)
