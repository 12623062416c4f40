"""Class frequencies of a conditional game's samples: those of the data.

    y = max {k : n_0 + … + n_{k−1} ≤ u n}        u ~ U[0, 1),  n_k images of class k, n of all

A class without images is never drawn. Classes with equally many images are drawn as ⌊K u⌋, to the bit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sparring.errors import GameError
from sparring.rng import rand

__all__ = ["ClassFrequencies", "ClassSampling", "sample_classes"]


def sample_classes(counts: Tensor, n: int) -> Tensor:
    """Draw n classes, int64 (n,), each as often as it is counted; one that is counted 0 times is never drawn.

    Args:
        counts: Images of each class, int64 (classes,), not all 0.
        n: How many.
    """
    classes = len(counts)
    ends, total = classes * counts.cumsum(0)[:-1], counts.sum()
    places = classes * rand(n, device=counts.device)
    # Whole numbers stay whole, which makes this places.long() where all counts are equal.
    edges = ends.div(total, rounding_mode="floor").to(places) + (ends % total).to(places) / total.to(places)
    return torch.searchsorted(edges, places, right=True)


class ClassFrequencies(nn.Module):
    """The images of each class in the training data, part of a checkpoint.

    Args:
        classes: How many classes there are.

    Attributes:
        counts: int64 (classes,), a buffer. Default: 1 each.
    """

    counts: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.register_buffer("counts", torch.ones(classes, dtype=torch.int64))

    def set_class_counts(self, counts: Tensor, fewest: int = 1) -> None:
        """Take over how often each class occurs.

        Args:
            counts: Images of each class, int64 (classes,).
            fewest: Classes with images that the game needs.

        Raises:
            GameError: If they are of another number of classes, or too few have images.
        """
        self._require_fitting(counts)
        if (there := int((counts > 0).sum())) < fewest:
            raise GameError(
                f"The game needs images of {fewest} classes, and the data has images of {there}: train on data with "
                "more, or by another design."
            )
        self.counts.copy_(counts)

    def sample(self, n: int, given: Tensor | None = None) -> Tensor:
        """Draw n classes, int64 (n,).

        Args:
            n: How many.
            given: Images of each class in other data, int64 (classes,), to draw as often as these have them. Classes of
                which the training data has no image are left out; where none is left, it is as if nothing were given.

        Raises:
            GameError: If they are of another number of classes.
        """
        if given is None:
            return sample_classes(self.counts, n)
        self._require_fitting(given)
        known = given.to(self.counts) * (self.counts > 0)
        return sample_classes(known if known.any() else self.counts, n)

    def present_classes(self) -> tuple[int, ...]:
        """Return the classes that have images."""
        return tuple(self.counts.nonzero().flatten().tolist())

    def require_class(self, value: float) -> None:
        """Refuse to draw a class that has no images, or that there is none of.

        Raises:
            GameError: The message names those that have images.
        """
        known, classes = self.present_classes(), len(self.counts)
        if value in range(classes) and value not in known:
            named = ", ".join(map(str, known[:20]))
            raise GameError(f"The class {value:g} has no training images: choose one of {named}.")
        if value not in known:
            raise GameError(f"There is no class {value:g}: this game has {classes} classes.")

    def _require_fitting(self, counts: Tensor) -> None:
        if len(counts) != len(self.counts):
            raise GameError(
                f"The game has {len(self.counts)} classes, and the data has {len(counts)}: "
                "give data of the same classes."
            )

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *settings: Any) -> None:
        """Read checkpoints without counts as those of a game that drew each class as often as the others."""
        state_dict.setdefault(f"{prefix}counts", torch.ones_like(self.counts))
        super()._load_from_state_dict(state_dict, prefix, *settings)


class ClassSampling:
    """Mixin of class-conditional games: draws classes by their frequencies in the data.

    Attributes:
        frequencies: Of the classes; None where there are none.
        fewest: Classes with images that the game needs.
    """

    frequencies: Any
    fewest = 1

    def conditions(self) -> str:
        """Return "classes", or "" where there are none."""
        return "classes" if self.frequencies else ""

    def latent_codes(self) -> dict[str, tuple[float, ...]]:
        """Return the classes that have images, as the code "class", where there are classes."""
        return {"class": self.frequencies.present_classes()} if self.frequencies else {}

    def set_class_counts(self, counts: Tensor) -> None:
        """Take over how often each class occurs in the training data.

        Args:
            counts: Images of each class, int64 (classes,).

        Raises:
            GameError: If they are of another number of classes, or too few have images.
        """
        if self.frequencies:
            self.frequencies.set_class_counts(counts, self.fewest)
