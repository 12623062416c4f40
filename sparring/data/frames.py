"""Size and fit of images: how a picture of any proportions becomes an image of a height and a width.

    crop      the central part of the image's proportions, resized
    pad       the whole picture, resized, on a border of one colour (letterbox)
    stretch   the whole picture, resized to both sides, whatever its proportions

A square crop, the usual case, is written as its side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from PIL import Image, ImageColor

from sparring.errors import DataError

__all__ = ["FITS", "Fit", "Frame", "Size", "Sizes", "colour_of", "fitted", "frame_for", "height_and_width", "text_of"]

Fit = Literal["crop", "pad", "stretch"]
FITS: tuple[str, ...] = get_args(Fit)
WHITE = (255, 255, 255)
MAX_SIDE = 4096


@dataclass(frozen=True)
class Frame:
    """A size that is not a square crop.

    Attributes:
        height: In pixels.
        width: In pixels.
        fit: How pictures of other proportions are treated.
        colour: Of the border, where pictures are padded.

    Example:
        >>> Frame(64, 48).content(100, 100), Frame(64, 48, "pad").content(100, 100)
        ((64, 48), (48, 48))
    """

    height: int
    width: int
    fit: str = "crop"
    colour: tuple[int, int, int] = WHITE

    def content(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the part of an image that shows a picture.

        Args:
            height: Of the picture.
            width: Of the picture.
        """
        if self.fit != "pad":
            return self.height, self.width
        if self.height * width <= self.width * height:  # the picture is the narrower one
            return self.height, max(1, round(self.height * width / height))
        return max(1, round(self.width * height / width)), self.width

    def box(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Return the part of a picture that is shown: left, top, right and bottom.

        Args:
            height: Of the picture.
            width: Of the picture.
        """
        rows, columns = height, width
        if self.fit == "crop" and self.height * width > self.width * height:
            columns = max(1, round(height * self.width / self.height))
        elif self.fit == "crop":
            rows = max(1, round(width * self.height / self.width))
        left, top = (width - columns) // 2, (height - rows) // 2
        return left, top, left + columns, top + rows


Size = int | Frame
"""The side of a square crop, or a frame."""
Sizes = int | Sequence[int]
"""What a user gives: a side, or height and width."""


def frame_for(size: Sizes | Size | None, fit: str = "crop") -> Size | None:
    """Return a size as sources of images take it.

    Args:
        size: Height and width, or both in one; None for that of the data.
        fit: crop, pad or stretch; pad:COLOUR for a border of a colour, which has a name or is #rrggbb. Default: white.

    Raises:
        DataError: If there is no such size, fit or colour, or a fit is given without a size.

    Example:
        >>> frame_for(64), frame_for((64, 64)), frame_for((64, 48))
        (64, 64, Frame(height=64, width=48, fit='crop', colour=(255, 255, 255)))
    """
    kind, _, colour = fit.partition(":")
    if kind not in FITS or (colour and kind != "pad"):
        raise DataError(f"There is no fit {fit[:40]!r}: give crop, pad, pad:COLOUR or stretch.")
    if isinstance(size, Frame):
        return size
    if size is None:
        if kind != "crop":
            raise DataError(f"Images can be fitted by {kind} to a given size only: add --size, such as --size 64x48.")
        return None
    height, width = height_and_width(size)
    if kind == "crop" and height == width:
        return height
    return Frame(height, width, kind, colour_of(colour) if colour else WHITE)


def height_and_width(size: Sizes | Size) -> tuple[int, int]:
    """Return the height and the width that a size names.

    Args:
        size: A side, or height and width.

    Raises:
        DataError: If these are not one or two whole numbers.
    """
    if isinstance(size, Frame):
        return size.height, size.width
    sides = [size] if isinstance(size, int) else list(size)
    if len(sides) not in (1, 2) or not all(isinstance(side, int) and not isinstance(side, bool) for side in sides):
        raise DataError(f"The size {size!r} is neither a side nor a height and a width: give 64, or (64, 48).")
    return sides[0], sides[-1]


def plain_size(size: Sizes | None) -> int | tuple[int, int] | None:
    """Return a size as a run stores it: a side, or height and width where they differ.

    Args:
        size: A side, or height and width.
    """
    if size is None:
        return None
    height, width = height_and_width(size)
    return height if height == width else (height, width)


def text_of(size: Sizes | Size) -> str:
    """Return a size as it is written on the command line.

    Args:
        size: A side, or height and width.

    Example:
        >>> text_of(64), text_of((64, 48))
        ('64', '64x48')
    """
    height, width = height_and_width(size)
    return str(height) if height == width else f"{height}x{width}"


def enlarged(size: Size | None, margin: int) -> Size | None:
    """Return a size with some pixels more in height and in width.

    Args:
        size: The size, or None.
        margin: The pixels.

    Raises:
        DataError: If images would be padded, so that random crops would move their border.
    """
    if margin and isinstance(size, Frame) and size.fit == "pad":
        raise DataError("Random crops would move the border of padded images: leave --random-crop out, or --fit pad.")
    if size is None or isinstance(size, int):
        return None if size is None else size + margin
    return Frame(size.height + margin, size.width + margin, size.fit, size.colour) if margin else size


def colour_of(text: str) -> tuple[int, int, int]:
    """Return red, green and blue of a colour.

    Args:
        text: A name such as white, or #rrggbb.

    Raises:
        DataError: If there is no such colour.

    Example:
        >>> colour_of("#102030")
        (16, 32, 48)
    """
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise DataError(f"There is no colour {text[:40]!r}: give a name such as white, or #rrggbb.") from None
    return red, green, blue


def fitted(
    picture: Image.Image, size: Size, resample: Image.Resampling, border: float | tuple[int, ...]
) -> Image.Image:
    """Return a picture in a size.

    Args:
        picture: The picture, which may have the size already.
        size: The size.
        resample: Filter.
        border: Value of the border in the picture's mode, where it is padded.
    """
    frame = Frame(size, size) if isinstance(size, int) else size
    if picture.size == (frame.width, frame.height):
        return picture
    box = frame.box(picture.height, picture.width)
    shown = picture if box == (0, 0, *picture.size) else picture.crop(box)  # resize's box would mix in the outside
    height, width = frame.content(shown.height, shown.width)
    shown = shown.resize((width, height), resample)
    if frame.fit != "pad" or shown.size == (frame.width, frame.height):
        return shown
    whole = Image.new(picture.mode, (frame.width, frame.height), border)
    whole.paste(shown, ((frame.width - width) // 2, (frame.height - height) // 2))
    return whole


def border_in(frame: Size, channels: int) -> int | tuple[int, ...]:
    """Return the colour of a border in 1, 3 or 4 channels.

    Args:
        frame: The size.
        channels: Their number.
    """
    colour = frame.colour if isinstance(frame, Frame) else WHITE
    if channels == 1:
        return int(np.asarray(Image.new("RGB", (1, 1), colour).convert("L"))[0, 0])
    return colour if channels == 3 else (*colour, 255)


def common_content(sizes: Sequence[tuple[int, int]], size: Size) -> tuple[int, int] | None:
    """Return the centre of padded images that shows pictures in 95 of 100 of them; None where nothing is padded.

    Args:
        sizes: Height and width of each picture.
        size: The size of the images.

    Returns:
        Height and width.

    Example:
        >>> common_content([(100, 100), (100, 50)], Frame(64, 64, "pad"))
        (64, 32)
    """
    if isinstance(size, int) or size.fit != "pad" or not sizes:
        return None
    shown = np.sort(np.array([size.content(*each) for each in sizes]), axis=0)
    height, width = shown[(len(shown) - 1) * 5 // 100].tolist()
    return None if (height, width) == (size.height, size.width) else (height, width)
