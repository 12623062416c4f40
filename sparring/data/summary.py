"""Summary of a data set in words: classes with counts, captions, second domain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparring.data.dataset import Dataset, PairedDomain

__all__ = ["details"]

NAMED = 10  # number of classes listed by name


def details(dataset: Dataset) -> list[str]:
    """Return labels, captions, second domain and skipped files of a set, in a few words each.

    Args:
        dataset: Loaded.
    """
    said = [*_labels(dataset), *_captions(dataset)] or (["no labels"] if dataset.paired_domain is None else [])
    said += [] if dataset.paired_domain is None else [_second(dataset.paired_domain)]
    left = len(dataset.skipped)
    return [*said, *dataset.understood, *([f"{left:,} skipped"] if left else [])]


def _labels(dataset: Dataset) -> list[str]:
    counts = dataset.counts()
    if counts is None:
        return []
    numbers = counts.tolist()
    if len(numbers) > 1 and len(set(numbers)) == 1:
        return [f"{len(numbers):,} classes of {numbers[0]:,} each: {_listed(dataset.classes)}"]
    named = [f"{name} ({count:,})" for name, count in zip(dataset.classes, numbers, strict=True)]
    spread = f", {min(numbers):,} to {max(numbers):,} rows each" if len(named) > NAMED else ""
    return [f"{_number(len(named), 'class', 'classes')}{spread}: {_listed(named)}"]


def _captions(dataset: Dataset) -> list[str]:
    if dataset.captions is None:
        return []
    return [f"{_number(int(dataset.captions.starts[-1]), 'caption', 'captions')} of {len(dataset.captions):,} images"]


def _second(second: PairedDomain) -> str:
    shape = tuple(second.dataset.shape)
    if second.regions is None:
        one, many = f"pairs, each with an image of shape {shape}", f"unpaired, with {len(second.dataset):,} rows of "
        return one if second.paired else f"{many}shape {shape} in the second domain"
    edges = " and borders of objects" if second.edges is not None else ""
    classes = _number(len(second.regions), "class", "classes")
    return f"pairs, each with a label map of {classes}{edges}: {_listed(second.regions.names)}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:NAMED])} and {more:,} more"


def _number(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
