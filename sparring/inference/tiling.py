"""Tiled processing of large images with bounded memory: positions of tiles, blending weights, and size constraints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from sparring.errors import DataError
from sparring.game import Game

__all__ = ["OVERLAP", "TILE", "SizeConstraints", "blend_tiles", "resolve_overlap", "tiles"]

TILE, OVERLAP = 512, 64  # pixels

Window = tuple[slice, slice]


@dataclass(frozen=True)
class SizeConstraints:
    """Sides of images that networks accept.

    Attributes:
        multiple: Sides must be multiples of it.
        smallest: The smallest side.
        largest: The largest side, or None.
    """

    multiple: int
    smallest: int
    largest: int | None

    @classmethod
    def of(cls, game: Game) -> SizeConstraints:
        """Return the constraints that the modules of a game state as attributes of these names."""
        stated = [
            [getattr(module, name, None) for module in game.modules()] for name in ("multiple", "smallest", "largest")
        ]
        multiple, smallest, largest = ([int(value) for value in values if isinstance(value, int)] for values in stated)
        return cls(max(multiple, default=1), max(smallest, default=1), min(largest, default=None))

    def fit(self, side: int) -> int:
        """Return the smallest accepted side that is not smaller."""
        return -(-max(side, self.smallest) // self.multiple) * self.multiple

    def tile(self, side: int) -> int:
        """Return the largest accepted side that is not larger, or the smallest accepted one."""
        return max(self.fit(1), min(side, self.largest or side) // self.multiple * self.multiple)


def resolve_overlap(tile: int, overlap: int | None) -> int:
    """Return the number of pixels by which neighbouring tiles overlap.

    Args:
        tile: Side of a tile.
        overlap: The number requested. Default: 64, or a quarter of smaller tiles.

    Raises:
        DataError: If it is negative or more than half of a tile.
    """
    overlap = min(OVERLAP, tile // 4) if overlap is None else overlap
    if not 0 <= overlap <= tile // 2:
        raise DataError(f"Tiles of {tile} pixels cannot overlap by {overlap}: give at most half of a tile.")
    return overlap


def tiles(size: tuple[int, int], tile: int, overlap: int, multiple: int) -> list[tuple[Window, Tensor]]:
    """Return the windows of tiles with their blending weights (h, w), which sum to 1 at every pixel.

    Args:
        size: Height and width, multiples of `multiple`.
        tile: Side of a tile, a multiple of `multiple` as well.
        overlap: Least number of pixels that neighbouring tiles share, where they are blended.
        multiple: Tiles start at multiples of this number.
    """
    found, weights = [], torch.zeros(size)
    for top, left in product(*(_starts(side, tile, overlap, multiple) for side in size)):
        window = slice(top, min(top + tile, size[0])), slice(left, min(left + tile, size[1]))
        down, right = (_ramp(span.stop - span.start, overlap) for span in window)
        weights[window] += down[:, None] * right
        found.append((window, down[:, None] * right))
    return [(window, weight / weights[window]) for window, weight in found]


def blend_tiles(
    size: tuple[int, int], parts: Sequence[tuple[Window, Tensor]], make: Callable[[Window], Tensor]
) -> Tensor:
    """Return an image blended from tiles, which are computed one after another.

    Args:
        size: Height and width.
        parts: Windows and weights, as `tiles` returns them.
        make: Function from a window to its pixels, (N, C, h, w).

    Returns:
        Image (N, C, H, W), on the device of the tiles.
    """
    made = None
    for window, share in parts:
        y = make(window)
        made = y.new_zeros(*y.shape[:2], *size) if made is None else made
        made[:, :, *window] += share.to(y) * y
    assert made is not None
    return made


def _starts(side: int, tile: int, overlap: int, multiple: int) -> list[int]:
    """Return the starts of tiles, evenly spaced, so that each shares `overlap` pixels or more with the next."""
    if side <= tile:
        return [0]
    count = -(-(side - overlap) // (tile - overlap))
    return [(side - tile) * k // ((count - 1) * multiple) * multiple for k in range(count)]


def _ramp(side: int, overlap: int) -> Tensor:
    """Return the weights of a tile along one side, which decrease towards both ends."""
    places = torch.arange(1.0, side + 1)
    return torch.minimum(places, side + 1 - places).clamp(max=overlap + 1)
