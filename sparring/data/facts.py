"""Facts of a data set that networks, sampling and evaluation need without the data: shapes, classes, captions, palette.

A run stores them in ``run.json``, so that a trained game can be used where its data is absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from sparring._types import JsonObject
from sparring.data.annotations.label_maps import LabelMapClasses

if TYPE_CHECKING:
    from sparring.data.dataset import Dataset

__all__ = ["DataFacts"]

LARGEST_SIDE = 2**20


@dataclass(frozen=True)
class DataFacts:
    """Facts of a data set.

    Attributes:
        shape: Shape of one row as a network receives it: (2,) for points, (C, H, W) for images.
        class_names: Names of the classes in the order of their indices. Default: no classes.
        captions: A sample of the captions. Default: no captions.
        vocabulary: Words of all captions. Default: no captions.
        other: Shape of one row of the second domain, (K, H, W) for label maps of K classes. Default: one domain.
        paired: Whether row i of the second domain belongs to row i of the first.
        regions: Classes and colours of label maps. Default: the second domain has none.
        instances: Whether label maps have a channel of object borders.

    Example:
        >>> facts = DataFacts((3, 8, 8), ("cat", "dog"))
        >>> facts.arguments(), facts.to_json()
        ({'shape': (3, 8, 8), 'classes': 2}, {'shape': [3, 8, 8], 'class_names': ['cat', 'dog']})
        >>> DataFacts.from_json(facts.to_json()) == facts
        True
    """

    shape: tuple[int, ...]
    class_names: tuple[str, ...] = ()
    captions: tuple[str, ...] | None = None
    vocabulary: tuple[str, ...] | None = None
    other: tuple[int, ...] | None = None
    paired: bool = False
    regions: LabelMapClasses | None = None
    instances: bool = False

    @classmethod
    def of(cls, dataset: Dataset) -> DataFacts:
        """Return the facts of a data set.

        Args:
            dataset: The rows to train on.
        """
        captions, second = dataset.captions, dataset.paired_domain
        return cls(
            shape=tuple(dataset.shape),
            class_names=dataset.classes,
            captions=None if captions is None else tuple(captions.examples(indices=dataset.indices)),
            vocabulary=None if captions is None else tuple(captions.vocabulary),
            other=None if second is None else tuple(second.shape),
            paired=second is not None and second.paired,
            regions=None if second is None else second.regions,
            instances=second is not None and second.edges is not None,
        )

    @classmethod
    def from_json(cls, values: object) -> DataFacts:
        """Return the facts that plain JSON values describe.

        Args:
            values: As returned by `to_json`.

        Raises:
            ValueError: If an entry is missing, unknown, or of another type; the message names it.
        """
        if not isinstance(values, dict):
            raise ValueError("its data.facts are no table")
        if unknown := values.keys() - {field.name for field in fields(cls)}:
            raise ValueError(f"its data.facts have an unknown entry {min(unknown)[:40]!r}")
        if "shape" not in values:
            raise ValueError("it has no data.facts.shape")
        flags = {name: values.get(name, False) for name in ("paired", "instances")}
        for name, flag in flags.items():
            if not isinstance(flag, bool):
                raise ValueError(f"its data.facts.{name} cannot be {str(flag)[:40]!r}")
        return cls(
            shape=_shape("shape", values["shape"]),
            class_names=_texts("class_names", values.get("class_names", [])),
            captions=_texts("captions", values["captions"]) if "captions" in values else None,
            vocabulary=_texts("vocabulary", values["vocabulary"]) if "vocabulary" in values else None,
            other=_shape("other", values["other"]) if "other" in values else None,
            regions=_regions(values["regions"]) if "regions" in values else None,
            **flags,
        )

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def arguments(self) -> JsonObject:
        """Return the arguments of a recipe that the data determine.

        Returns:
            ``shape``, ``classes`` (their number), and ``captions`` where there are any; for two domains also ``other``,
            ``paired`` and ``regions`` (the number of classes in label maps, 0 for images), and ``instances`` if True.
        """
        found: JsonObject = {"shape": self.shape, "classes": self.classes}
        if self.captions is not None:
            found["captions"] = self.captions
        if self.other is not None:
            found |= {"other": self.other, "paired": self.paired, "regions": len(self.regions) if self.regions else 0}
            found |= {"instances": True} if self.instances else {}
        return found

    def to_json(self) -> JsonObject:
        """Return the facts as plain JSON values; those at their defaults are omitted."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.regions is not None:
            values["regions"] = {"names": list(self.regions.names), "colours": list(map(list, self.regions.colours))}
        kept = {field.name: values[field.name] for field in fields(self) if values[field.name] != field.default}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}


def _shape(name: str, value: object) -> tuple[int, ...]:
    sides: Sequence[int] = value if isinstance(value, list) else ()
    if not sides or not all(type(side) is int and 0 < side < LARGEST_SIDE for side in sides):
        raise ValueError(f"its data.facts.{name} is no shape of whole numbers above 0")
    return tuple(sides)


def _texts(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError(f"its data.facts.{name} are no list of texts")
    return tuple(value)


def _regions(value: object) -> LabelMapClasses:
    if not isinstance(value, dict) or value.keys() != {"names", "colours"}:
        raise ValueError("its data.facts.regions have no names and colours")
    names, colours = _texts("regions.names", value["names"]), value["colours"]
    if not isinstance(colours, list) or not all(isinstance(colour, list) for colour in colours):
        raise ValueError("its data.facts.regions.colours are no list of colours")
    for colour in colours:
        if len(colour) != 3 or not all(type(part) is int and 0 <= part <= 255 for part in colour):
            raise ValueError("its data.facts.regions.colours are no red, green and blue from 0 to 255")
    return LabelMapClasses(names, tuple((red, green, blue) for red, green, blue in colours))
