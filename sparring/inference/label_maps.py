"""What a game that paints does with label maps: in the styles of images or of seeds, and on the way between styles.

Maps may be of any size; large ones are painted in tiles, so that memory does not grow with them. All of it happens in
evaluation mode and leaves no trace in the game. The palette, the name and colour of every class, is stored with the
run; `sparring.data.annotations.palettes` reads and writes maps and palettes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sparring._io.targets import unique_names
from sparring.abilities import require_label_maps
from sparring.data import Dataset
from sparring.data.annotations.label_maps import LabelMapClasses, instance_boundaries
from sparring.data.annotations.palettes import colourize
from sparring.data.stream import scale_images
from sparring.errors import DataError, GameError, RunError
from sparring.game import Game, evaluation_mode
from sparring.inference.encoding import images
from sparring.inference.sampling import interpolate, parse_seeds, require_interpolation
from sparring.inference.tiling import TILE, blend_tiles, resolve_overlap, tiles
from sparring.inference.translation import SizeConstraints
from sparring.layers.tiled_norm import collect_moments, with_moments
from sparring.rng import fixed_seed
from sparring.runs import config

__all__ = [
    "add_edges",
    "comparison_grid",
    "encode_styles",
    "interpolate_styles",
    "load_styles",
    "paint",
    "palette",
    "sample_styles",
]

BATCH = 16
PAINTER = "gaugan"  # the recipe whose games paint


def palette(run: str | Path) -> LabelMapClasses:
    """Returns the classes that a run paints, with their colours.

    Args:
        run: The run's folder.

    Raises:
        RunError: If it learned from no label maps.
    """
    known = config.read(Path(run))["data"].get("regions")
    if known is None:
        raise RunError(f"{run} learned from no label maps: train {PAINTER} on images with label maps.")
    return LabelMapClasses(tuple(known["names"]), tuple((red, green, blue) for red, green, blue in known["colours"]))


def encode_styles(game: Game, x: Tensor) -> Tensor:
    """Returns the style of each image, one row each.

    Args:
        game: A game that paints.
        x: Images (N, C, H, W) in [−1, 1].
    """
    able = require_label_maps(game)
    with evaluation_mode(game):
        return torch.cat([able.encode_style(rows.to(game.device)) for rows in x.split(BATCH)])


def sample_styles(game: Game, seeds: Sequence[int]) -> Tensor:
    """Returns the style of each seed, one row each, whatever the others are.

    Args:
        game: A game that paints.
        seeds: One number a row.
    """
    able, rows = require_label_maps(game), []
    for seed in seeds:
        with fixed_seed(seed):
            rows.append(able.styles(1))
    return torch.cat(rows)


def load_styles(game: Game, run: str | Path, photographs: Sequence[Path] = (), seeds: str = "") -> dict[str, Tensor]:
    """Returns styles by name: those of photographs by their files, those of seeds as ``seed-3``.

    No two names are alike: a second photograph of the same name is called ``photo-2``.

    Args:
        game: A game that paints.
        run: Its folder.
        photographs: Image files, which are cropped and resized as the run's own.
        seeds: As `sparring.inference.sampling.parse_seeds` reads them.
    """
    numbers = list(dict.fromkeys(parse_seeds(seeds))) if seeds else []
    wanted = [*(photograph.stem for photograph in photographs), *(f"seed-{number}" for number in numbers)]
    rows = [encode_styles(game, images(run, [photograph], 1))[0] for photograph in photographs]
    rows += [sample_styles(game, [number])[0] for number in numbers]
    return dict(zip(unique_names(wanted, [""] * len(wanted)), rows, strict=True))


def paint(game: Game, labels: Tensor, styles: Tensor, *, tile: int = TILE, overlap: int | None = None) -> Tensor:
    """Returns pictures of one label map, one for each style.

    A map larger than a tile is painted tile by tile, in the one scene: a style's features are stretched over all of it,
    and instance norms go by their moments over all tiles, which are gathered first, norm after norm. That takes several
    times the work; batch norm has its moments from the training.

    Args:
        game: A game that paints.
        labels: Class numbers, int64 (H, W), of any size; or class numbers and edges, (2, H, W), see `add_edges`.
        styles: Rows as `encode_styles` or `sample_styles` return them.
        tile: Sides of the largest map that goes through the networks at once.
        overlap: Pixels that neighbouring tiles share; 64, or a quarter of smaller tiles, unless told.

    Returns:
        (N, C, H, W) in [−1, 1], where the labels are.

    Raises:
        DataError: If tile and overlap do not fit.
    """
    able, sizes, labels = require_label_maps(game), SizeConstraints.of(game), _told(game, labels)
    tile = sizes.tile(tile)
    overlap, most = resolve_overlap(tile, overlap), max(1, BATCH * 128**2 // labels.numel())  # large maps one by one
    large = max(labels.shape[-2:]) > tile
    with evaluation_mode(game):
        made = [
            _in_tiles(game, labels, rows, sizes, tile, overlap)
            if large
            else able.paint(_each(game, labels, rows), rows)
            for rows in styles.split(most)
        ]
    return torch.cat([part.to(labels.device) for part in made])


def add_edges(labels: Tensor, objects: Tensor) -> Tensor:
    """Returns a label map beside where its objects meet, (2, H, W).

    Args:
        labels: Class numbers, int64 (H, W).
        objects: Numbers of objects, int64 (H, W).

    Raises:
        DataError: If they differ in size.
    """
    if labels.shape != objects.shape:
        (height, width), (other_height, other_width) = labels.shape, objects.shape
        raise DataError(
            f"The label map is {width} × {height} pixels, the map of objects {other_width} × {other_height}: "
            "give both in one size."
        )
    return torch.stack([labels, instance_boundaries(objects).to(labels)])


def require_edges(game: Game) -> None:
    """Refuses a game that is not told where objects meet.

    Raises:
        GameError: The message says what to train.
    """
    require_label_maps(game)
    if not getattr(game.unwrapped, "edges", False):
        raise GameError(
            "This run was not told where objects meet: leave --instances out, or train on data with a folder instances."
        )


def _told(game: Game, labels: Tensor) -> Tensor:
    """A map as a game is told it: where nothing is known of objects, and it is told edges, classes are objects."""
    return add_edges(labels, labels) if labels.dim() == 2 and getattr(game.unwrapped, "edges", False) else labels


def _in_tiles(game: Game, labels: Tensor, styles: Tensor, sizes: SizeConstraints, tile: int, overlap: int) -> Tensor:
    """Paints a large map tile by tile, as parts of one scene."""
    able, (height, width) = require_label_maps(game), labels.shape[-2:]
    size = sizes.fit(height), sizes.fit(width)
    whole, parts = _filled(labels, size), tiles(size, tile, overlap, sizes.multiple)

    def made(window: tuple[slice, slice]) -> Tensor:
        place = window[0].start, window[1].start, *size
        return able.paint(_each(game, whole[..., *window], styles), styles, place).to(labels.device)

    with with_moments(collect_moments(game, [(partial(made, window), share) for window, share in parts])):
        return blend_tiles(size, parts, made)[..., :height, :width]


def _each(game: Game, labels: Tensor, styles: Tensor) -> Tensor:
    """A map for every style, where the networks are."""
    return labels.to(game.device).expand(len(styles), *labels.shape)


def _filled(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """A map whose last row and column go on to a size."""
    down, right = (torch.arange(side).clamp(max=old - 1) for side, old in zip(size, labels.shape[-2:], strict=True))
    return labels[..., down, :][..., right]


def interpolate_styles(
    game: Game, labels: Tensor, styles: Tensor, frames: int = 60, *, loop: bool = True, tile: int = TILE
) -> Tensor:
    """Returns pictures of one label map whose style goes from each row to the next.

    Args:
        game: A game that paints.
        labels: Class numbers, int64 (H, W).
        styles: At least two rows.
        frames: Pictures on the whole way.
        loop: Whether it returns to the first style.
        tile: As for `paint`.

    Raises:
        DataError: If there are fewer than two styles, or no frame.
    """
    require_interpolation(len(styles), frames, "seeds 0,1,2")
    if not styles.shape[1]:
        raise GameError("This run was trained without styles, so that a map has one picture: train one with styles.")
    return paint(game, labels, interpolate(styles, frames, loop=loop), tile=tile)


def comparison_grid(game: Game, dataset: Dataset, indices: np.ndarray) -> Tensor:
    """Returns rows of a data set as a game paints them: the map, the truth, the map in its style and in the next row's.

    Args:
        game: A game that paints.
        dataset: Images with label maps.
        indices: Which rows, int64 (n,).

    Returns:
        (4 n, C, H, W), four pictures a row.

    Raises:
        DataError: If the data has no label maps.
    """
    if dataset.paired_domain is None or dataset.paired_domain.regions is None:
        raise DataError(f"{dataset.name} has no label maps: give images with label maps.")
    x, labels = scale_images(dataset.rows(indices)[0]), dataset.paired_domain.rows(indices)
    styles = encode_styles(game, x)
    drawn = [
        torch.cat([paint(game, m, row[None]) for m, row in zip(labels, rows, strict=True)]).cpu()
        for rows in (styles, styles.roll(-1, 0))
    ]
    maps = colourize(labels if labels.dim() == 3 else labels[:, 0], dataset.paired_domain.regions)
    maps = maps if x.shape[1] == 3 else maps.mean(1, keepdim=True).expand_as(x)
    return torch.stack([maps, x, *drawn], 1).flatten(0, 1)
