"""The recipe that trains on one photograph, by `sparring.games.singan`."""

from __future__ import annotations

import math

from sparring.errors import DataError
from sparring.games.singan import SinGAN
from sparring.layers.palette import Palette
from sparring.layers.resampling import resize_bicubic
from sparring.networks.common.base import Shape
from sparring.networks.singan import MARGIN, SinGANCritic, SinGANGenerator
from sparring.recipes.options import Adam, channels_last

PATCH = 2 * MARGIN + 1  # side of a network's receptive field
COLOURS, MANY = 5, 256  # of drawings, in the authors' code and at most
DOUBLED = (4, 4)  # the width doubles every 4 scales, up to 4 times the first


def singan(
    shape: Shape,
    *,
    width: int = 32,
    smallest: int = 25,
    ratio: float = 0.75,
    rounds: int = 2000,
    reconstruction: float = 10.0,
    penalty: float = 0.1,
    spread: float = 0.1,
    noisy_border: bool = False,
    quantise: int | None = None,
    colours: int | None = None,
    critic: Adam = Adam(5e-4),
    generator: Adam = Adam(5e-4),
) -> SinGAN:
    """SinGAN: trains on one photograph, scale after scale (Shaham, Dekel & Michaeli, 2019).

    Args:
        shape: (C, H, W) of the photograph, any.
        width: Channels of the networks; twice as many from the fifth scale on, four times from the ninth.
        smallest: Pixels of the photograph's shorter side at the coarsest scale.
        ratio: Size of a scale to that of the next; made a little larger so that the scales fit exactly.
        rounds: Rounds of training of each scale.
        reconstruction: Weight of the reconstruction of the photograph; 100 to learn for super-resolution.
        penalty: Weight of the gradient penalty.
        spread: Strength of a scale's noise, as a share of the missing detail.
        noisy_border: Let noise reach beyond the image, where else zeros mark the border for the networks: for
            films, and for more variety there.
        quantise: Train this scale, from 1, on images in a few of the photograph's colours, for drawings to enter there.
        colours: Number of colours. Default: 5.
        critic: How every scale's critic learns.
        generator: How every scale's generator learns.

    Raises:
        DataError: If there is no such pyramid of the photograph, or no such scale or number of colours.
    """
    sizes = pyramid(shape, smallest, ratio)
    entrance = _entrance(quantise, colours, len(sizes) - 1)
    widths = [width * min(2 ** (k // DOUBLED[0]), DOUBLED[1]) for k in range(len(sizes))]
    G = [channels_last(SinGANGenerator(shape[0], each)) for each in widths]
    D = [channels_last(SinGANCritic(shape[0], each)) for each in widths]
    return SinGAN(
        G,
        D,
        shape,
        sizes,
        rounds=rounds,
        reconstruction=reconstruction,
        penalty=penalty,
        spread=spread,
        critic=critic,
        generator=generator,
        resize=resize_bicubic,
        border=MARGIN if noisy_border else 0,
        palette=Palette(shape[0], colours or COLOURS) if entrance else None,
        entrance=entrance or 1,
    )


def _entrance(quantise: int | None, colours: int | None, last: int) -> int | None:
    """Return the scale trained on quantised images, if any.

    Raises:
        DataError: There is no such scale, or colours are given without a scale.
    """
    if quantise is None and colours is not None:
        raise DataError("Colours are for the scale where drawings enter: add --quantise 1, or leave --colours out.")
    if quantise is not None and not 1 <= quantise <= last:
        raise DataError(f"Drawings cannot enter at scale {quantise}: the scales above the coarsest are 1 to {last}.")
    if colours is not None and not 2 <= colours <= MANY:
        raise DataError(f"A drawing cannot have {colours} colours: give 2 to {MANY}.")
    return quantise


def pyramid(shape: Shape, smallest: int, ratio: float) -> list[tuple[int, int]]:
    """Return the height and width of a photograph at each scale, the coarsest first.

    Args:
        shape: (C, H, W) of the photograph.
        smallest: Pixels of its shorter side at the coarsest scale.
        ratio: Size of a scale to that of the next, at least.

    Raises:
        DataError: If these are points, a side is too short for the networks, or the ratio is out of range.

    >>> pyramid((3, 53, 80), 14, 0.7)
    [(14, 21), (20, 29), (27, 41), (38, 57), (53, 80)]
    """
    if len(shape) != 3 or min(shape[1:]) < PATCH:
        raise DataError(f"SinGAN learns from a photograph of {PATCH} pixels a side or more, not {tuple(shape)}.")
    if smallest < PATCH or not 0 < ratio < 1:
        raise DataError(f"Scales begin at {PATCH} pixels and grow: --smallest {smallest} --ratio {ratio:g} do not fit.")
    _, height, length = shape
    share = min(smallest / min(height, length), 1.0)
    steps = math.ceil(math.log(share) / math.log(ratio) - 1e-9)
    shares = [share ** (1 - k / steps) if steps else 1.0 for k in range(steps + 1)]
    return [(max(PATCH, round(height * each)), max(PATCH, round(length * each))) for each in shares]
