"""What a game that translates does with images of any size: there, and back again.

    padded to the sizes that the networks take (a mirror at the border), translated, cropped back
    larger than a tile: in tiles that overlap, blended from one to the next, so that memory is bounded

A tile is normalised by itself where networks have instance norm, so that colours may differ a little from tile to tile:
the overlap hides the seams, a larger tile avoids them. It happens in evaluation mode and leaves no trace in the game.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from sparring.abilities import SupportsTranslation, require_attention, require_translation
from sparring.data import Dataset
from sparring.data.stream import scale_images
from sparring.errors import DataError
from sparring.game import Game, evaluation_mode
from sparring.inference.tiling import TILE, blend_tiles, resolve_overlap, tiles

__all__ = [
    "OTHER",
    "attention_heatmap",
    "cycle_strip",
    "evenly_spaced_images",
    "side_by_side",
    "translate",
]

BATCH = 8
OTHER = {"A": "B", "B": "A"}
NUM_SHOWN = 8  # images of each domain in the pictures of a training


def translate(game: Game, x: Tensor, to: str, *, tile: int = TILE, overlap: int | None = None) -> Tensor:
    """Returns images as another domain would show them.

    Args:
        game: A game that translates.
        x: Images (N, C, H, W) in [−1, 1], of any size.
        to: The domain, A or B.
        tile: Sides of the largest image that goes through the networks at once.
        overlap: Pixels that neighbouring tiles share; 64, or a quarter of smaller tiles, unless told.

    Returns:
        Images (N, C', H, W), on the device of x.

    Raises:
        GameError: If it does not translate.
        DataError: If there is no such domain, or tile and overlap do not fit.
    """
    able, sizes = require_translation(game), SizeConstraints.of(game)
    tile = sizes.tile(tile)
    overlap = resolve_overlap(tile, overlap)
    with evaluation_mode(game):
        made = [_whole(able, rows, to, game.device, sizes, tile, overlap) for rows in x.split(BATCH)]
    return torch.cat(made)


@dataclass(frozen=True)
class SizeConstraints:
    """Which sides of images networks take.

    Attributes:
        multiple: Of which they must be multiples.
        smallest: The smallest one.
        largest: The largest one, or None.
    """

    multiple: int
    smallest: int
    largest: int | None

    @classmethod
    def of(cls, game: Game) -> SizeConstraints:
        """Returns what the networks of a game tell by attributes of these names."""
        told = [
            [getattr(module, name, None) for module in game.modules()] for name in ("multiple", "smallest", "largest")
        ]
        multiple, smallest, largest = ([int(value) for value in values if isinstance(value, int)] for values in told)
        return cls(max(multiple, default=1), max(smallest, default=1), min(largest, default=None))

    def fit(self, side: int) -> int:
        """Returns the smallest side that fits and is not smaller."""
        return -(-max(side, self.smallest) // self.multiple) * self.multiple

    def tile(self, side: int) -> int:
        """Returns the largest side that fits and is not larger, or the smallest that fits."""
        return max(self.fit(1), min(side, self.largest or side) // self.multiple * self.multiple)


def _whole(
    game: SupportsTranslation, x: Tensor, to: str, device: torch.device, sizes: SizeConstraints, tile: int, overlap: int
) -> Tensor:
    """Pads images, translates them tile by tile, and crops them back."""
    height, width = x.shape[2:]
    whole = _padded(x, sizes)

    def made(window: tuple[slice, slice]) -> Tensor:
        return game.translate(whole[:, :, *window].to(device), to).to(x)

    size = whole.shape[2], whole.shape[3]
    return blend_tiles(size, tiles(size, tile, overlap, sizes.multiple), made)[:, :, :height, :width]


def _padded(x: Tensor, sizes: SizeConstraints) -> Tensor:
    """Images (N, C, H, W) on whose right and lower border a mirror was put until they fit."""
    down, right = (sizes.fit(side) - side for side in x.shape[2:])
    mirrors = down < x.shape[2] and right < x.shape[3]
    return pad(x, (0, right, 0, down), mode="reflect" if mirrors else "replicate")


def attention_heatmap(game: Game, x: Tensor, domain: str) -> Tensor:
    """Returns images under the heat of where a critic looks: blue where it does not, red where it does.

    Args:
        game: A game that attends.
        x: Images (N, C, H, W) in [−1, 1] of the domain.
        domain: A or B.

    Returns:
        Images (N, 3, H, W) in [−1, 1].

    Raises:
        GameError: If it does not attend.
    """
    able, whole = require_attention(game), _padded(x, SizeConstraints.of(game))
    with evaluation_mode(game):
        heat = able.attention_map(whole.to(game.device), domain).to(x)
    low, high = heat.amin((2, 3), keepdim=True), heat.amax((2, 3), keepdim=True)
    heat = (heat - low) / (high - low).clamp(min=1e-8)
    heat = interpolate(heat, size=whole.shape[2:], mode="bilinear")[:, :, : x.shape[2], : x.shape[3]]
    colours = torch.cat([(1.5 - (4 * heat - peak).abs()).clamp(0, 1) for peak in (3, 2, 1)], 1)
    grey = x[:, :3].mean(1, keepdim=True)
    return 0.5 * grey + 0.5 * (2 * colours - 1)


def cycle_strip(game: Game, dataset: Dataset, count: int = NUM_SHOWN) -> Tensor:
    """Returns what a training shows: each image, its translation, and that translated back; of A, then of B.

    Where a game translates one way only, the third is the true partner instead, if there is one.

    Args:
        game: A game that translates.
        dataset: Two domains of images.
        count: Images of each domain at most, evenly spaced.

    Returns:
        Images (rows, columns, C, H, W), 6 columns, or 2 or 3 of a game that translates one way.
    """
    only = getattr(game, "domain", None)
    columns: list[Tensor] = []
    for to in ("B", "A") if only is None else (only,):
        x = evenly_spaced_images(dataset, OTHER[to], count)
        there = translate(game, x, to)
        columns += [x, there]
        if only is None:
            columns.append(translate(game, there, OTHER[to]))
        elif dataset.paired_domain is not None and dataset.paired_domain.paired:
            columns.append(evenly_spaced_images(dataset, to, count))
    return side_by_side(columns)


def side_by_side(columns: Sequence[Tensor]) -> Tensor:
    """Returns images of several columns, row after row, with as many channels each.

    Args:
        columns: Images (N, C, H, W); grey ones become colour where others are.

    Returns:
        (rows, columns, C, H, W), as many rows as the shortest column has.
    """
    rows, widest = min(map(len, columns)), max(column.shape[1] for column in columns)
    return torch.stack([column[:rows].expand(-1, widest, -1, -1) for column in columns], 1)


def evenly_spaced_images(dataset: Dataset, domain: str, count: int = NUM_SHOWN) -> Tensor:
    """Returns images of a domain, evenly spaced over the data.

    Args:
        dataset: Two domains of images.
        domain: A or B.
        count: How many at most.

    Raises:
        DataError: If there are no two domains of images.
    """
    if dataset.paired_domain is None or dataset.paired_domain.regions is not None:
        raise DataError(f"{dataset.name} has no two domains of images: give a folder with trainA and trainB.")
    rows = dataset if domain == "A" else dataset.paired_domain.dataset
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64)
    return scale_images(rows.rows(places)[0])
