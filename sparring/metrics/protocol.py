"""Scores with their measurement protocol; only scores of the same protocol can be compared.

The Fréchet distance of one generator changes with the extractor, the resizing, the split and the sample count (Parmar
et al., 2022; Chong & Forsyth, 2020). So a score includes its protocol, and a comparison requires equal ones.
"""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import torch

from sparring import __version__
from sparring._types import JsonObject
from sparring.data.dataset import Dataset
from sparring.errors import SparringError
from sparring.metrics.extractors.base import FeatureExtractor

__all__ = ["Direction", "Score", "make_protocol", "require_same_protocol", "same_protocol"]

RECORDED_ONLY = frozenset({"dataset", "extractor", "seed", "torch", "python"})
"""Keys that are not compared: names (hashes are compared), the seed (scores are averaged over it), versions."""


class Direction(StrEnum):
    """The direction in which a score improves."""

    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True)
class Score:
    """A score of a model, with its protocol.

    Attributes:
        name: name of the metric, such as "fid".
        value: the number.
        protocol: the protocol, from `make_protocol`.
        better: whether lower or higher is better.
        interval: lower and upper end of its uncertainty, or None if it was not measured.
    """

    name: str
    value: float
    protocol: JsonObject
    better: Direction
    interval: tuple[float, float] | None = None

    def beats(self, other: "Score") -> bool:
        """Return whether this score is strictly better than another of the same protocol.

        Args:
            other: A score of the same name.

        Raises:
            SparringError: The two were not measured by the same protocol.
        """
        if self.name != other.name:
            raise SparringError(f"{self.name} and {other.name} are different scores: compare scores of one name.")
        require_same_protocol(self.protocol, other.protocol)
        return self.value < other.value if self.better is Direction.LOWER else self.value > other.value


def make_protocol(
    metric: str,
    *,
    dataset: Dataset,
    split: str,
    real: int,
    fake: int,
    seed: int,
    extractor: FeatureExtractor | None = None,
    conditions: str | None = None,
    **settings: object,
) -> JsonObject:
    """Return everything that makes a score comparable, as a dictionary of JSON types.

    Args:
        metric: Name of the metric.
        dataset: The real data.
        split: Which part of it was used, such as "all" or "held out".
        real: Number of real samples.
        fake: Number of generated samples.
        seed: Seed of the generated samples and of the choice of the real ones.
        extractor: The feature extractor, or None for a metric without features.
        conditions: Conditions of the generated samples, such as "classes as in the held-out split"; None if
            unconditional.
        **settings: Constants of the metric, such as `neighbours=3`.

    Returns:
        The protocol.
    """
    return {
        "metric": metric,
        "settings": settings,
        "extractor": None if extractor is None else extractor.name,
        "extractor_sha256": None if extractor is None else extractor.sha256,
        "resize": None if extractor is None else extractor.resize,
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "shape": list(dataset.shape),
        "split": split,
        "real": real,
        "fake": fake,
        "conditions": conditions,
        "seed": seed,
        "sparring": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def same_protocol(a: Mapping[str, object], b: Mapping[str, object]) -> bool:
    """Return whether two protocols allow their scores to be compared.

    Args:
        a: A protocol.
        b: Another protocol.

    Example:
        >>> one = {"metric": "fid", "fake": 10_000, "seed": 0}
        >>> same_protocol(one, one | {"seed": 1}), same_protocol(one, one | {"fake": 5_000})
        (True, False)
    """
    return not _differences(a, b)


def require_same_protocol(a: Mapping[str, object], b: Mapping[str, object]) -> None:
    """Raise an error if two protocols differ.

    Args:
        a: A protocol.
        b: Another protocol.

    Raises:
        SparringError: If the protocols differ; the message names each difference.
    """
    if differences := _differences(a, b):
        found = ", ".join(f"{key} ({a.get(key)} and {b.get(key)})" for key in differences)
        raise SparringError(f"these scores differ in {found}: measure both again by one protocol to compare them.")


def _differences(a: Mapping[str, object], b: Mapping[str, object]) -> list[str]:
    keys = [*a, *(key for key in b if key not in a)]
    return [key for key in keys if key not in RECORDED_ONLY and a.get(key) != b.get(key)]
