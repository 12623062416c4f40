"""What a game that learned from one photograph is good for (Shaham, Dekel & Michaeli, 2019, section 4).

All of it is one climb: an image, or nothing, enters at a scale, and the scales from there on draw what they know.

    samples              nothing at scale 0; or the photograph's own layout at a later scale; in any size
    larger               the photograph, made a little larger and redrawn by the last scale, again and again
    harmonised, edited   a picture with something pasted or moved, at a middle scale; kept where the mask is
    painted              a drawing, at a coarse scale
    animated             the photograph, its noise wandering: z ← α z* + (1 − α) (z + β Δz + (1 − β) u),  u ~ N(0, I)

Memory is bounded by a few times the picture that is made, whatever its size: the generators draw in strips. Games are
left as they were, to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from sparring.abilities import Size, SupportsSingleImage, require_single_image
from sparring.errors import DataError, GameError
from sparring.game import Game, evaluation_mode
from sparring.inference.canvas import feather_mask
from sparring.layers.palette import Palette
from sparring.layers.resampling import back_project
from sparring.rng import fixed_seed, hash_seed

__all__ = ["animate", "harmonize", "paint_to_image", "require_trained", "sample_seeds", "super_resolve"]

PIXELS = 2**25  # of a picture that is made
PUBLISHED = 250  # pixels of the longer side, where the reach of masks was published
PROJECTIONS = 5  # after which a larger picture, made small again, is the picture to 0.01
PASTED, EDITED, BLUR = 7, 20, 5.0  # pixels of such a picture: how far a mask grows, how far it is blurred


def sample_seeds(game: Game, seeds: Sequence[int], *, size: Size | None = None, start: int = 0) -> Tensor:
    """Returns the sample of each seed.

    Args:
        game: A game that learned from one photograph.
        seeds: One number a sample.
        size: Height and width; the photograph's unless told.
        start: The scales below this one give the photograph back, stretched to the size, and those from it on draw.

    Returns:
        Images (len(seeds), C, H, W) in [−1, 1].

    Raises:
        DataError: If the size or the scale is out of range.
        GameError: If the game learned from no single photograph, or has not finished.
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
    """Returns an image made larger, by the last scale, which is asked again and again for the detail it would add.

    The detail is invented; what is known is kept: back-projection (Irani & Peleg, 1991) adds, enlarged, whatever the
    result lacks of the image when it is made small again. The paper has none.

    Args:
        game: As for `sample_seeds`; best trained with a large weight of the reconstruction.
        image: (1, C, H, W) in [−1, 1]; the photograph unless told.
        factor: How many times as large, above 1.
        noise: Whether to add noise, as in a sample; without any, the result is the likeliest.
        projections: Rounds of back-projection, 0 for the paper's form.
        seed: Decides the noise.

    Returns:
        (1, C, factor · H, factor · W).

    Raises:
        DataError: If the factor is not above 1, there are less than no rounds, the result is too large, or the image
            has other channels.
        GameError: As for `sample_seeds`.
    """
    one = require_trained(game)
    image = one.photograph if image is None else _fitting(one, image)
    if factor <= 1:
        raise DataError(f"A picture {factor:g} times as large is not larger: give a factor above 1.")
    if projections < 0:
        raise DataError(f"There are no {projections} rounds of back-projection: give 0 or more.")
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
    """Returns a picture in which what was pasted looks as if it belonged there; all else stays as it is.

    Args:
        game: As for `sample_seeds`.
        composite: The picture with something pasted into it, (1, C, H, W) of the photograph's size, in [−1, 1].
        mask: Where that is, (1, 1, H, W), above 0.
        scale: Where the picture enters; the later, the less is changed. Two thirds of the way up unless told.
        reach: Pixels by which the mask grows, in a picture 250 pixels long; 20 for edits, whose surroundings change.
        blur: Deviation of the blur of its edge, likewise.
        seed: Decides the noise.

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
        raise DataError("The mask is white nowhere, so that nothing would change: paint white what was pasted.")
    edge = feather_mask(mask.to(one.photograph.device), reach * share, blur * share)
    if composite.shape[2:] != mask.shape[2:]:
        raise DataError(f"The mask is {_said(mask)} pixels, the picture {_said(composite)}: give both in one size.")
    if composite.shape[2:] != one.photograph.shape[2:]:
        raise DataError(
            f"The picture is {_said(composite)} pixels, the photograph {_said(one.photograph)}: make them alike."
        )
    return edge * paint_to_image(game, composite, scale=scale, seed=seed) + (1 - edge) * _fitting(one, composite)


def paint_to_image(
    game: Game, drawing: Tensor, *, scale: int | None = None, colours: int | None = None, seed: int = 0
) -> Tensor:
    """Returns what a drawing becomes when it enters at a scale, as if the scale below had made it (paint-to-image).

    Where the game was trained to take drawings in few colours, it brings them to these by itself.

    Args:
        game: As for `sample_seeds`.
        drawing: (1, C, H, W) in [−1, 1], of any size; it is brought to the photograph's.
        scale: From 1; the earlier, the less of the drawing stays. 1 unless told, or where the game takes drawings.
        colours: Give it in so many of the photograph's own colours, by k-means; 2 or more. As it is unless told.
        seed: Decides the noise.

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
    """A drawing in the size of a scale, in colours of the photograph in the size of the scale below."""
    if colours < 2:
        raise DataError(f"A drawing cannot have {colours} colours: give 2 or more, 5 as in SinGAN's code.")
    palette = Palette(one.photograph.shape[1], colours).to(one.photograph)
    palette.fit(one.scaled(one.photograph, one.sizes[scale - 1]))
    return palette(one.scaled(coarse, one.sizes[scale]))


def animate(
    game: Game, frames: int = 100, *, start: int = 1, pull: float = 0.1, inertia: float = 0.9, seed: int = 0
) -> Iterator[Tensor]:
    """Yields frames (1, C, H, W) of the photograph moving: its reconstruction first, then what wandering noise makes.

    Args:
        game: As for `sample_seeds`.
        frames: How many.
        start: The scales below this one stay still; the later, the smaller the motion.
        pull: α, how strongly noise is drawn back to that of the photograph, from 0 to 1.
        inertia: β, how far it goes on as before, from 0 to 1; near 1 the motion is smooth.
        seed: Decides the motion.

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


def require_trained(game: Game, scale: int = 0, *, first: int = 0) -> SupportsSingleImage:
    """Returns the game itself, known to have learned from a photograph, to its end, and to have such a scale.

    Args:
        game: Any.
        scale: Where something is to begin.
        first: The first scale where it can.

    Raises:
        DataError: If there is no such scale.
        GameError: If the game learned from no single photograph, or has not finished.
    """
    one = require_single_image(game)
    last = len(one.sizes) - 1
    if one.scales_begun <= last:
        raise GameError(f"Only {one.scales_begun} of {last + 1} scales have begun: go on with `sparring resume` first.")
    if last < first:
        raise DataError("There is but one scale, and nothing can begin after it: train with a smaller --smallest.")
    if not first <= scale <= last:
        raise DataError(f"There is no scale {scale} to begin at: give one from {first} to {last}.")
    return one


def _climbed(one: SupportsSingleImage, image: Tensor | None, start: int, sizes: Sequence[Size]) -> Tensor:
    """What the scales from `start` on make of an image, with fresh noise."""
    noise = (one.z(k, 1, sizes[k]) for k in range(start, len(sizes)))
    made = one.run_scales(noise, image, start, sizes)
    assert made is not None
    return made.clamp(-1, 1)


def _sizes(one: SupportsSingleImage, size: Size | None) -> Sequence[Size]:
    """The sizes of the scales for a picture of a size: in the same proportions to it as to the photograph."""
    if size is None:
        return one.sizes
    (height, width), (full_height, full_width) = _require_size(size), one.sizes[-1]
    share = height / full_height, width / full_width
    return [(max(1, round(h * share[0])), max(1, round(w * share[1]))) for h, w in one.sizes]


def _require_size(size: Size) -> Size:
    if min(size) < 1 or size[0] * size[1] > PIXELS:
        raise DataError(f"A picture of {size[1]} × {size[0]} cannot be made: it may have 1 to {PIXELS:,} pixels.")
    return size


def _fitting(one: SupportsSingleImage, image: Tensor) -> Tensor:
    if image.dim() != 4 or len(image) != 1 or image.shape[1] != one.photograph.shape[1]:
        wanted = f"(1, {one.photograph.shape[1]}, H, W)"
        raise DataError(f"The photograph has images {wanted}, this is {tuple(image.shape)}: give its channels.")
    return image.to(one.photograph)


def _growth(one: SupportsSingleImage) -> float:
    """The logarithm of how much larger the last scale is than the one below."""
    if len(one.sizes) == 1:
        return math.log(4 / 3)
    (height, width), (full_height, full_width) = one.sizes[-2:]
    return math.log(full_height * full_width / (height * width)) / 2


def _said(image: Tensor) -> str:
    return f"{image.shape[3]} × {image.shape[2]}"
