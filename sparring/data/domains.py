"""The second of two domains: rows that belong to those of a set, or that merely stand beside them.

Paired rows show one thing twice, (a_i, b_i); they are cropped and mirrored alike. Unpaired ones are two sets of their
own sizes; B is read in an order of its own, and cropped and mirrored by its own chances. The second domain of pairs may
be maps that say for every pixel which class it belongs to.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sparring.errors import DataError

if TYPE_CHECKING:
    from sparring.data.dataset import Dataset

__all__ = ["Regions", "Second"]

Colour = tuple[int, int, int]
MOST = 255  # classes that one byte tells apart, with one number left for what is unknown


@dataclass(frozen=True)
class Regions:
    """What the numbers in label maps mean; the number behind the last class, and any above, is "unknown".

    Args:
        names: Of the classes, in order of their numbers.
        colours: Of the classes, red, green and blue from 0 to 255; those of `painted` unless told.

    Raises:
        DataError: There are no classes, too many, or another number of colours.

    Example:
        >>> Regions(("sky", "tree")).colours
        ((217, 68, 54), (54, 88, 217))
    """

    names: tuple[str, ...]
    colours: tuple[Colour, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.names) <= MOST:
            raise DataError(f"Label maps cannot have {len(self.names)} classes: name from 1 to {MOST}, one a line.")
        if not self.colours:
            object.__setattr__(self, "colours", painted(len(self.names)))
        if len(self.colours) != len(self.names):
            raise DataError(f"{len(self.names)} classes have {len(self.colours)} colours: give each one, or none any.")

    def __len__(self) -> int:
        return len(self.names)


def painted(count: int) -> tuple[Colour, ...]:
    """Colours that are told apart, neighbours above all.

    Args:
        count: How many.
    """
    golden = 0.618034 * 360  # degrees by which the hue advances: every new one falls into the widest gap
    hues = [(5 + golden * k) % 360 / 360 for k in range(count)]
    return tuple(_bytes(colorsys.hsv_to_rgb(hue, 0.75, 0.85)) for hue in hues)


def _bytes(colour: tuple[float, float, float]) -> Colour:
    red, green, blue = (round(255 * part) for part in colour)
    return red, green, blue


@dataclass(frozen=True, eq=False)
class Second:
    """The second domain of a set.

    Args:
        dataset: Its rows, images; or, where there are regions, class numbers as ``uint8`` (M, H, W, 1).
        paired: Whether row i belongs to row i of the first domain.
        regions: What the numbers of label maps mean; None for images.
        edges: Beside label maps, where objects meet: ``uint8`` (M, H, W, 1), 1 there and 0 elsewhere; or None.
    """

    dataset: Dataset
    paired: bool
    regions: Regions | None = None
    edges: Dataset | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row as a network sees it: (C, H, W) for images, (K, H, W) for maps of K classes."""
        channels, *size = self.dataset.shape
        return len(self.regions) if self.regions else channels, *size

    def rows(self, indices: np.ndarray, corners: np.ndarray | None = None) -> Tensor:
        """Gather rows.

        Args:
            indices: Positions, int64 (n,).
            corners: As for `Dataset.rows`.

        Returns:
            Images ``uint8`` (n, C, H, W); or class numbers ``int64`` (n, H, W), of which the number of classes means
            unknown; or, where there are edges, class numbers and edges ``int64`` (n, 2, H, W).
        """
        images = self.dataset.rows(indices, corners)[0]
        if self.regions is None:
            return images
        numbers = images[:, 0].to(torch.int64).clamp_(max=len(self.regions))
        if self.edges is None:
            return numbers
        return torch.stack([numbers, self.edges.rows(indices, corners)[0][:, 0].to(torch.int64)], 1)

    def following(self, rows: np.ndarray) -> Second:
        """The part of it that belongs to some rows of the first domain.

        Args:
            rows: Positions, int64 (n,).
        """
        return replace(self, dataset=self.dataset.part(rows), edges=self.edges and self.edges.part(rows))

    def divided(self, share: float) -> tuple[Second, Second]:
        """Hold a part of an unpaired domain out, as `Dataset.divided` does.

        Args:
            share: Of its rows, above 0 and below 1.
        """
        kept, held = self.dataset.divided(share)
        assert held is not None
        return replace(self, dataset=kept), replace(self, dataset=held)
