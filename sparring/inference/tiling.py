"""Pictures that are made tile by tile, so that memory does not grow with them: where tiles lie, how they are joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import torch
from torch import Tensor

from sparring.errors import DataError

__all__ = ["OVERLAP", "TILE", "blend_tiles", "resolve_overlap", "tiles"]

TILE, OVERLAP = 512, 64  # pixels

Window = tuple[slice, slice]


def resolve_overlap(tile: int, overlap: int | None) -> int:
    """Returns by how many pixels neighbouring tiles overlap: 64, or a quarter of smaller tiles, unless told.

    Args:
        tile: Their side.
        overlap: As told.

    Raises:
        DataError: If they cannot overlap by so many.
    """
    overlap = min(OVERLAP, tile // 4) if overlap is None else overlap
    if not 0 <= overlap <= tile // 2:
        raise DataError(f"Tiles of {tile} pixels cannot overlap by {overlap}: give at most half of a tile.")
    return overlap


def tiles(size: tuple[int, int], tile: int, overlap: int, multiple: int) -> list[tuple[Window, Tensor]]:
    """Returns where tiles lie, and the share (h, w) of every place that is each one's; the shares of a place sum to 1.

    Args:
        size: Height and width, multiples of `multiple`.
        tile: Sides of a tile, a multiple of it, too.
        overlap: Pixels that neighbouring tiles share, at least; there one fades into the other.
        multiple: Where tiles may begin.
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
    """Returns a picture whose tiles are made one after another.

    Args:
        size: Height and width.
        parts: Of `tiles`.
        make: From rows and columns to what is there, (N, C, h, w).

    Returns:
        (N, C, H, W), where the tiles are.
    """
    made = None
    for window, share in parts:
        y = make(window)
        made = y.new_zeros(*y.shape[:2], *size) if made is None else made
        made[:, :, *window] += share.to(y) * y
    assert made is not None
    return made


def _starts(side: int, tile: int, overlap: int, multiple: int) -> list[int]:
    """Where tiles begin: evenly, at multiples, so that each shares `overlap` pixels or more with the next."""
    if side <= tile:
        return [0]
    count = -(-(side - overlap) // (tile - overlap))
    return [(side - tile) * k // ((count - 1) * multiple) * multiple for k in range(count)]


def _ramp(side: int, overlap: int) -> Tensor:
    """Weights of the pixels of a tile along one side, which fall towards both of its ends."""
    places = torch.arange(1.0, side + 1)
    return torch.minimum(places, side + 1 - places).clamp(max=overlap + 1)
