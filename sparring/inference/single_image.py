"""Applications of a game trained on one photograph (Shaham, Dekel & Michaeli, 2019, section 4).

In all of them an image, or nothing, enters at a scale, and the scales from there on generate.

    sample_seeds        nothing at scale 0, or the photograph's layout at a later scale; in any size
    super_resolve       the photograph, enlarged a little and passed through the last scale, repeatedly
    harmonize           a picture with something pasted or moved, at a middle scale; kept outside the mask
    paint_to_image      a drawing, at a coarse scale
    animate             the photograph with moving noise: z ← α z* + (1 − α) (z + β Δz + (1 − β) u),  u ~ N(0, I)

Memory is bounded by a few times the output, of any size: the generators process strips. Games are left unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sparring.abilities import Size, SupportsSingleImage, require_single_image
from sparring.data import load
from sparring.data.stream import scale_images
from sparring.errors import DataError, GameError
from sparring.game import Game, evaluation_mode
from sparring.layers.palette import Palette
from sparring.layers.resampling import back_project, resize_bicubic
from sparring.rng import fixed_seed, hash_seed

__all__ = [
    "animate",
    "feather_mask",
    "harmonize",
    "load_image_like",
    "load_mask",
    "paint_to_image",
    "require_trained",
    "sample_seeds",
    "super_resolve",
]

PIXELS = 2**25  # of an output
PUBLISHED = 250  # pixels of the longer side for which the published reach of masks holds
PROJECTIONS = 5  # after which an enlarged picture, reduced again, equals the picture to 0.01
PASTED, EDITED, BLUR = 7, 20, 5.0  # pixels in such a picture: dilation and blur of masks
LARGEST = 4096  # pixels of a side of a given picture


def sample_seeds(game: Game, seeds: Sequence[int], *, size: Size | None = None, start: int = 0) -> Tensor:
    """Return the sample of each seed.

    Args:
        game: A game trained on one photograph.
        seeds: One number per sample.
        size: Height and width. Default: those of the photograph.
        start: The scales below this one reconstruct the photograph, stretched to the size; those from it on generate.

    Returns:
        Images (len(seeds), C, H, W) in [−1, 1].

    Raises:
        DataError: If the size or the scale is out of range.
        GameError: If the game is not trained on one photograph, or its training is not complete.
    """
    one = require_trained(game, start)
    sizes = _sizes(one, size)
    with evaluation_mode(game):
        layout, made = one.reconstruct(start - 1), []
        for seed in seeds:
            with fixed_seed(seed):
                made.append(_climbed(one, layout, start, sizes))
    return torch.cat(made)


def super_resolve(
    game: Game,
    image: Tensor | None = None,
    *,
    factor: float = 4.0,
    noise: bool = False,
    projections: int = PROJECTIONS,
    seed: int = 0,
) -> Tensor:
    """Return an enlarged image, passed through the last scale repeatedly, which adds detail.

    The detail is invented. Back-projection (Irani & Peleg, 1991) preserves the given image: it adds, enlarged, the
    difference between the image and the result reduced to its size. The paper has no back-projection.

    Args:
        game: As for `sample_seeds`; best trained with a large weight of the reconstruction.
        image: Image (1, C, H, W) in [−1, 1]. Default: the photograph.
        factor: Factor of the size, above 1.
        noise: Whether to add noise, as in a sample.
        projections: Iterations of back-projection, 0 for the method of the paper.
        seed: Seed of the noise.

    Returns:
        (1, C, factor · H, factor · W).

    Raises:
        DataError: If the factor is not above 1, the iterations are negative, the result is too large, or the image
            has other channels.
        GameError: As for `sample_seeds`.
    """
    one = require_trained(game)
    image = one.photograph if image is None else _fitting(one, image)
    if factor <= 1:
        raise DataError(f"The factor {factor:g} does not enlarge the image: give a factor above 1.")
    if projections < 0:
        raise DataError(f"Back-projection cannot have {projections} iterations: give 0 or more.")
    known = image
    last, (height, width) = len(one.sizes) - 1, image.shape[2:]
    final = _require_size((round(height * factor), round(width * factor)))
    times = max(1, round(math.log(factor) / _growth(one)))
    with evaluation_mode(game), fixed_seed(hash_seed(seed, 9)):
        for k in range(1, times + 1):
            share = factor ** (k / times)
            size = final if k == times else (round(height * share), round(width * share))
            z = (
                one.z(last, 1, size)
                if noise
                else torch.zeros(1, *one.noise_shape(last, size), device=one.photograph.device)
            )
            image = one.run_scale(last, z, image, size)
    return back_project(image, known, projections)


def harmonize(
    game: Game,
    composite: Tensor,
    mask: Tensor,
    *,
    scale: int | None = None,
    reach: float = PASTED,
    blur: float = BLUR,
    seed: int = 0,
) -> Tensor:
    """Return a picture whose masked part is adapted to the photograph; the rest stays the same.

    Args:
        game: As for `sample_seeds`.
        composite: The photograph with something pasted into it, (1, C, H, W) of its size, in [−1, 1].
        mask: Mask of the pasted part, (1, 1, H, W), above 0 there.
        scale: Scale at which the picture enters; later scales change less. Default: two thirds of the last scale.
        reach: Pixels by which the mask is dilated, for a picture 250 pixels long; 20 suits edits, whose surroundings
            change.
        blur: Standard deviation of the blur of its edge, for a picture 250 pixels long.
        seed: Seed of the noise.

    Returns:
        (1, C, H, W).

    Raises:
        DataError: If picture or mask have another size than the photograph, or the scale is out of range.
        GameError: As for `sample_seeds`.
    """
    one = require_trained(game)
    scale = max(1, round(2 * (len(one.sizes) - 1) / 3)) if scale is None else scale
    share = max(one.sizes[-1]) / PUBLISHED
    if not (mask > 0).any():
        raise DataError("The mask is empty, so that nothing would change: make the pasted part white.")
    edge = feather_mask(mask.to(one.photograph.device), reach * share, blur * share)
    if composite.shape[2:] != mask.shape[2:]:
        raise DataError(
            f"The mask is {_size_of(mask)} pixels, the picture {_size_of(composite)}: give both in the same size."
        )
    if composite.shape[2:] != one.photograph.shape[2:]:
        raise DataError(
            f"The picture is {_size_of(composite)} pixels, the photograph {_size_of(one.photograph)}: "
            "give the size of the photograph."
        )
    return edge * paint_to_image(game, composite, scale=scale, seed=seed) + (1 - edge) * _fitting(one, composite)


def paint_to_image(
    game: Game, drawing: Tensor, *, scale: int | None = None, colours: int | None = None, seed: int = 0
) -> Tensor:
    """Return the image of a drawing that enters at a scale in place of the output of the scale below.

    Games trained on drawings in few colours quantise drawings to these colours.

    Args:
        game: As for `sample_seeds`.
        drawing: Drawing (1, C, H, W) in [−1, 1], of any size; it is resized to the photograph.
        scale: Scale at which it enters, from 1; earlier scales preserve less of it. Default: the scale for which the
            game was trained on drawings, or 1.
        colours: Number of the photograph's own colours, found by k-means, to which the drawing is quantised; 2 or
            more. Default: it is not quantised.
        seed: Seed of the noise.

    Returns:
        (1, C, H, W) of the photograph's size.

    Raises:
        DataError: If the scale or the colours are out of range, or the drawing has other channels.
        GameError: As for `sample_seeds`.
    """
    one = require_trained(game)
    scale = one.entrance if scale is None else scale
    require_trained(game, scale, first=1)
    with evaluation_mode(game), fixed_seed(hash_seed(seed, 10)):
        coarse = one.scaled(_fitting(one, drawing), one.sizes[scale - 1])
        entering = coarse if colours is None else _in_colours(one, coarse, scale, colours)
        return _climbed(one, entering, scale, one.sizes)


def _in_colours(one: SupportsSingleImage, coarse: Tensor, scale: int, colours: int) -> Tensor:
    """Return a drawing in the size of a scale, quantised to colours of the photograph at the scale below."""
    if colours < 2:
        raise DataError(f"A drawing cannot have {colours} colours: give 2 or more, 5 as in SinGAN's code.")
    palette = Palette(one.photograph.shape[1], colours).to(one.photograph)
    palette.fit(one.scaled(one.photograph, one.sizes[scale - 1]))
    image: Tensor = palette(one.scaled(coarse, one.sizes[scale]))
    return image


def animate(
    game: Game, frames: int = 100, *, start: int = 1, pull: float = 0.1, inertia: float = 0.9, seed: int = 0
) -> Iterator[Tensor]:
    """Yield frames (1, C, H, W) of the photograph in motion, starting with its reconstruction.

    Args:
        game: As for `sample_seeds`.
        frames: Number of frames.
        start: The scales below this one do not move; later scales give smaller motion.
        pull: α, the weight of the noise that reconstructs the photograph, from 0 to 1.
        inertia: β, the weight of the previous motion, from 0 to 1; near 1 the motion is smooth.
        seed: Seed of the motion.

    Raises:
        DataError: If there is no frame, or the scale, pull or inertia is out of range.
        GameError: As for `sample_seeds`.
    """
    one = require_trained(game, start)
    if frames < 1 or not (0 <= pull <= 1 and 0 <= inertia <= 1):
        raise DataError("A film needs a frame, and a pull and an inertia from 0 to 1: leave them out.")
    scales = range(start, len(one.sizes))
    now = before = [one.fixed_noise(k) for k in scales]
    with evaluation_mode(game):
        layout = one.reconstruct(start - 1)
    for frame in range(frames):
        with evaluation_mode(game), fixed_seed(hash_seed(seed, 11, frame)):
            made = one.run_scales(now, layout, start)
            blows = [(1 - inertia) * one.z(k, 1) for k in scales]
        ways = zip(scales, now, before, blows, strict=True)
        on = [pull * one.fixed_noise(k) + (1 - pull) * (z + inertia * (z - y) + u) for k, z, y, u in ways]
        now, before = on, now
        assert made is not None
        yield made.clamp(-1, 1)


def feather_mask(mask: Tensor, reach: float, blur: float) -> Tensor:
    """Return a mask dilated by a disc and blurred at its edge, (1, 1, H, W) from 0 to 1.

    Args:
        mask: Mask (1, 1, H, W), above 0 inside.
        reach: Radius of the disc in pixels.
        blur: Standard deviation of the Gaussian in pixels.
    """
    grown = (mask > 0).double()
    if reach >= 1:
        square = torch.arange(-int(reach), int(reach) + 1, dtype=torch.double, device=mask.device).square()
        grown = _spread(grown, (square[:, None] + square <= reach**2).double()).clamp(max=1)
    if blur > 0:
        side = torch.arange(-math.ceil(3 * blur), math.ceil(3 * blur) + 1, dtype=torch.double, device=mask.device)
        bell = (-side.square() / (2 * blur**2)).exp()
        grown = _spread(grown, bell[:, None] * bell / bell.sum() ** 2)
    return grown.float()


def load_image_like(path: str | Path, channels: int, size: Size | None = None) -> Tensor:
    """Load a picture, (1, C, H, W) in [−1, 1].

    Args:
        path: The file.
        channels: 1, 3 or 4.
        size: Height and width to resize it to, which must have its aspect ratio within a pixel. Default: its own.

    Raises:
        DataError: If it cannot be read, or has another aspect ratio.
    """
    dataset = load(f"whole:{path}", size=max(size) if size else LARGEST, channels=channels)
    image = scale_images(dataset.rows(np.zeros(1, np.int64))[0])
    if size is None:
        return image
    height, width = image.shape[2:]
    if abs(height * size[1] / width - size[0]) > 1.5:
        raise DataError(f"{path} does not have the aspect ratio {size[1]} × {size[0]}: crop it like the photograph.")
    return resize_bicubic(image, size)


def load_mask(path: str | Path, size: Size) -> Tensor:
    """Load a mask, (1, 1, H, W) in [−1, 1], above 0 inside.

    Args:
        path: A picture that is white inside the mask, or, if a part of it is transparent, opaque inside, of any colour.
        size: Height and width to resize it to, which must have its aspect ratio within a pixel.

    Raises:
        DataError: If it cannot be read, has another aspect ratio, or the mask is empty.
    """
    transparent = (load_image_like(path, 4)[:, 3] < 1).any()
    found = load_image_like(path, 4, size)[:, 3:] if transparent else load_image_like(path, 1, size)
    if not (found > 0).any():
        remedy = "make the pasted part opaque" if transparent else "make the pasted part white"
        raise DataError(f"The mask {path} is empty, so that nothing would change: {remedy}.")
    return found


def require_trained(game: Game, scale: int = 0, *, first: int = 0) -> SupportsSingleImage:
    """Return the game, without its wrappers, if its training on one photograph is complete and it has a scale.

    Args:
        game: Any game.
        scale: Scale at which something enters.
        first: The first scale at which it can enter.

    Raises:
        DataError: If there is no such scale.
        GameError: If the game is not trained on one photograph, or its training is not complete.
    """
    one = require_single_image(game)
    last = len(one.sizes) - 1
    if one.scales_begun <= last:
        raise GameError(f"Only {one.scales_begun} of {last + 1} scales have begun: go on with `sparring resume` first.")
    if last < first:
        raise DataError("There is only one scale, and nothing can enter after it: train with a smaller --smallest.")
    if not first <= scale <= last:
        raise DataError(f"There is no scale {scale} to start from: give one from {first} to {last}.")
    return one


def _climbed(one: SupportsSingleImage, image: Tensor | None, start: int, sizes: Sequence[Size]) -> Tensor:
    """Return the output of the scales from `start` on for an image, with fresh noise."""
    noise = (one.z(k, 1, sizes[k]) for k in range(start, len(sizes)))
    made = one.run_scales(noise, image, start, sizes)
    assert made is not None
    return made.clamp(-1, 1)


def _sizes(one: SupportsSingleImage, size: Size | None) -> Sequence[Size]:
    """Return the sizes of the scales for an output size, in the proportions of the photograph's scales."""
    if size is None:
        return one.sizes
    (height, width), (full_height, full_width) = _require_size(size), one.sizes[-1]
    share = height / full_height, width / full_width
    return [(max(1, round(h * share[0])), max(1, round(w * share[1]))) for h, w in one.sizes]


def _require_size(size: Size) -> Size:
    if min(size) < 1 or size[0] * size[1] > PIXELS:
        raise DataError(f"The size {size[1]} × {size[0]} is not possible: give 1 to {PIXELS:,} pixels.")
    return size


def _fitting(one: SupportsSingleImage, image: Tensor) -> Tensor:
    if image.dim() != 4 or len(image) != 1 or image.shape[1] != one.photograph.shape[1]:
        wanted = f"(1, {one.photograph.shape[1]}, H, W)"
        raise DataError(
            f"The shape of the image is {tuple(image.shape)}: give {wanted}, the channels of the photograph."
        )
    return image.to(one.photograph)


def _growth(one: SupportsSingleImage) -> float:
    """Return the logarithm of the factor from the second largest scale to the largest."""
    if len(one.sizes) == 1:
        return math.log(4 / 3)
    (height, width), (full_height, full_width) = one.sizes[-2:]
    return math.log(full_height * full_width / (height * width)) / 2


def _size_of(image: Tensor) -> str:
    return f"{image.shape[3]} × {image.shape[2]}"


def _spread(mask: Tensor, kernel: Tensor) -> Tensor:
    """Return a mask convolved with a symmetric kernel, its border repeated."""
    margin = len(kernel) // 2
    return F.conv2d(F.pad(mask, [margin] * 4, mode="replicate"), kernel[None, None])
