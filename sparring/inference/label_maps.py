"""Generate images from label maps, in the styles of photographs or of seeds, and interpolate between styles.

Maps may have any size; large ones are processed in tiles, so that memory does not grow with them. All functions run in
evaluation mode and leave the game unchanged. The palette, the name and colour of every class, is stored with the run;
`sparring.data.annotations.palettes` reads and writes maps and palettes.
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
from sparring.data import DataFacts, Dataset, load_images
from sparring.data.annotations.label_maps import LabelMapClasses, instance_boundaries
from sparring.data.annotations.palettes import colourize
from sparring.data.stream import scale_images
from sparring.errors import DataError, GameError
from sparring.game import Game, evaluation_mode
from sparring.inference.sampling import interpolate, parse_seeds, require_interpolation
from sparring.inference.tiling import TILE, SizeConstraints, blend_tiles, resolve_overlap, tiles
from sparring.layers.borders import centre_crop, reflect_to
from sparring.layers.tiled_norm import collect_moments, with_moments
from sparring.rng import fixed_seed

__all__ = [
    "add_edges",
    "comparison_grid",
    "encode_styles",
    "interpolate_styles",
    "load_styles",
    "paint",
    "require_palette",
    "sample_styles",
]

BATCH = 16
PAINTER = "gaugan"  # the recipe of games that generate images from label maps


def require_palette(facts: DataFacts) -> LabelMapClasses:
    """Return the classes of label maps with their colours.

    Args:
        facts: Facts of the data that a game was trained on.

    Raises:
        DataError: If the data has no label maps.
    """
    if facts.regions is None:
        raise DataError(f"The run was not trained on label maps: train {PAINTER} on images with label maps.")
    return facts.regions


def encode_styles(game: Game, x: Tensor) -> Tensor:
    """Return the style of each image, one row each.

    Args:
        game: A game that generates images from label maps.
        x: Images (N, C, H, W) in [−1, 1].
    """
    able = require_label_maps(game)
    with evaluation_mode(game):
        return torch.cat([able.encode_style(rows.to(game.device)) for rows in x.split(BATCH)])


def sample_styles(game: Game, seeds: Sequence[int]) -> Tensor:
    """Return the style of each seed, one row each, independent of the other seeds.

    Args:
        game: A game that generates images from label maps.
        seeds: One number a row.
    """
    able, rows = require_label_maps(game), []
    for seed in seeds:
        with fixed_seed(seed):
            rows.append(able.styles(1))
    return torch.cat(rows)


def load_styles(
    game: Game, photographs: Sequence[Path] = (), seeds: str = "", *, shape: Sequence[int]
) -> dict[str, Tensor]:
    """Return styles by name: those of photographs by their files, those of seeds as ``seed-3``.

    Names are unique: a second photograph of the same name is called ``photo-2``.

    Args:
        game: A game that generates images from label maps.
        photographs: Image files, which are cropped and resized to the shape.
        seeds: Seeds, as `sparring.inference.sampling.parse_seeds` reads them.
        shape: Shape of the images that the game was trained on, (C, H, W).
    """
    numbers = list(dict.fromkeys(parse_seeds(seeds))) if seeds else []
    wanted = [*(photograph.stem for photograph in photographs), *(f"seed-{number}" for number in numbers)]
    rows = [encode_styles(game, load_images([photograph], shape=shape, max_images=1))[0] for photograph in photographs]
    rows += [sample_styles(game, [number])[0] for number in numbers]
    return dict(zip(unique_names(wanted, [""] * len(wanted)), rows, strict=True))


def paint(game: Game, labels: Tensor, styles: Tensor, *, tile: int = TILE, overlap: int | None = None) -> Tensor:
    """Return images of one label map, one for each style.

    A map larger than a tile is processed in tiles, as one scene: the features of a style are stretched over all of it,
    and instance norms use their moments over all tiles, which are collected first, one norm after another. That costs
    several times the computation. Batch norm uses its moments from training.

    Args:
        game: A game that generates images from label maps.
        labels: Class numbers, int64 (H, W), of any size; or class numbers and edges, (2, H, W), see `add_edges`.
        styles: Rows as `encode_styles` or `sample_styles` return them.
        tile: Side of the largest map that the networks process at once.
        overlap: Pixels that neighbouring tiles share. Default: 64, or a quarter of smaller tiles.

    Returns:
        Images (N, C, H, W) in [−1, 1], on the device of the labels.

    Raises:
        DataError: If tile and overlap do not fit.
    """
    able, sizes, labels = require_label_maps(game), SizeConstraints.of(game), _with_edges(game, labels)
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
    """Return a label map with the edges of its objects, (2, H, W).

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
            "give both in the same size."
        )
    return torch.stack([labels, instance_boundaries(objects).to(labels)])


def require_edges(game: Game) -> None:
    """Raise an error for a game that does not use the edges of objects.

    Args:
        game: A game that generates images from label maps.

    Raises:
        GameError: If it does not.
    """
    require_label_maps(game)
    if not getattr(game.unwrapped, "edges", False):
        raise GameError(
            "This run does not use the edges of objects: leave --instances out, "
            "or train on data with a folder instances."
        )


def _with_edges(game: Game, labels: Tensor) -> Tensor:
    """Return a map with edges if the game uses them; without instances, each class is one object."""
    return add_edges(labels, labels) if labels.dim() == 2 and getattr(game.unwrapped, "edges", False) else labels


def _in_tiles(game: Game, labels: Tensor, styles: Tensor, sizes: SizeConstraints, tile: int, overlap: int) -> Tensor:
    """Return images of a large map, generated in tiles of one scene."""
    able, (height, width) = require_label_maps(game), labels.shape[-2:]
    size = sizes.fit(height), sizes.fit(width)
    whole, parts = reflect_to(labels, *size), tiles(size, tile, overlap, sizes.multiple)

    def made(window: tuple[slice, slice]) -> Tensor:
        place = window[0].start, window[1].start, *size
        return able.paint(_each(game, whole[..., *window], styles), styles, place).to(labels.device)

    with with_moments(collect_moments(game, [(partial(made, window), share) for window, share in parts])):
        return centre_crop(blend_tiles(size, parts, made), height, width)


def _each(game: Game, labels: Tensor, styles: Tensor) -> Tensor:
    """Return a copy of a map for each style, on the device of the networks."""
    return labels.to(game.device).expand(len(styles), *labels.shape)


def interpolate_styles(
    game: Game, labels: Tensor, styles: Tensor, frames: int = 60, *, loop: bool = True, tile: int = TILE
) -> Tensor:
    """Return images of one label map in styles interpolated from each row to the next.

    Args:
        game: A game that generates images from label maps.
        labels: Class numbers, int64 (H, W).
        styles: At least two rows.
        frames: Number of images.
        loop: Whether to return to the first style.
        tile: As for `paint`.

    Raises:
        DataError: If there are fewer than two styles, or no frame.
    """
    require_interpolation(len(styles), frames, "seeds 0,1,2")
    if not styles.shape[1]:
        raise GameError("This run was trained without styles, so that each map has one image: train a run with styles.")
    return paint(game, labels, interpolate(styles, frames, loop=loop), tile=tile)


def comparison_grid(game: Game, dataset: Dataset, indices: np.ndarray) -> Tensor:
    """Return rows of a data set as maps, photographs, and images in the styles of their own and of the next row.

    Args:
        game: A game that generates images from label maps.
        dataset: Images with label maps.
        indices: Positions of rows, int64 (n,).

    Returns:
        Images (4 n, C, H, W), four for each row.

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
