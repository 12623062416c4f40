"""Decoding of images: upright orientation, 1, 3 or 4 channels, fitting to a size.

Transparent images are blended with white unless four channels are requested. Only the formats listed here are decoded,
and no image of more than 2²⁶ pixels.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps

from sparring.data.frames import MAX_SIDE, Size, border_in, fitted, height_and_width
from sparring.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
PIXELS = 2**26
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
DEEP = ("I;16", "I;16B", "I;16L")
GREY = ("1", "L", "LA", *DEEP)
TURNED = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
LATE = {  # orientation in PNG files, possibly after the pixels: Pillow's key, and the bytes that mark it
    "exif": b"eXIf",
    "Raw profile type exif": b"Raw profile type exif",
    "XML:com.adobe.xmp": b"XML:com.adobe.xmp",
}


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Suppress Pillow's warnings; images that are too large raise an error of their own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class ImageHeader(NamedTuple):
    """Header of an image file.

    Attributes:
        size: Width and height of the upright image.
        mode: Pillow's mode of the pixels.
        format: Pillow's name of the file format.
    """

    size: tuple[int, int]
    mode: str
    format: str


@contextmanager
def decode_errors(name: str) -> Iterator[None]:
    """Turn any exception of a decoder into a `DataError` that names the file.

    Args:
        name: Name of the file.

    Raises:
        DataError: Instead of any other exception.
    """
    try:
        yield
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise too_large(name) from error
    except Exception as error:  # decoders raise all kinds of exceptions for damaged bytes
        raise unreadable(name, error) from error


def open_image(name: str, content: bytes) -> Image.Image:
    """Read the header of an image file. Pixels are decoded on demand, by this module only.

    Args:
        name: For messages.
        content: Bytes of the file.

    Raises:
        DataError: If the file is not an image of a known format, or is too large.
    """
    with decode_errors(name):
        picture = Image.open(io.BytesIO(content), formats=FORMATS)
    if picture.width * picture.height > PIXELS:
        raise too_large(name)
    return picture


def decode_upright(name: str, content: bytes) -> Image.Image:
    """Decode an image file and apply its EXIF orientation.

    Args:
        name: For messages.
        content: Bytes of the file.

    Returns:
        The image in memory.

    Raises:
        DataError: If the file is damaged, of an unknown format or too large.
    """
    return _turned(name, open_image(name, content))


def _turned(name: str, picture: Image.Image) -> Image.Image:
    with decode_errors(name):
        ImageOps.exif_transpose(picture, in_place=True)
    return picture


def upright_copy(name: str, picture: Image.Image) -> Image.Image:
    """Return a copy of an image with its EXIF orientation applied.

    Args:
        name: For messages.
        picture: The image, which is left unchanged.

    Raises:
        DataError: If it cannot be decoded, is too large, or its pixels have 32 bits.
    """
    if picture.width * picture.height > PIXELS:
        raise too_large(name)
    if picture.mode in ("I", "F"):
        raise DataError(f"{name} has 32-bit pixels, whose range is unknown: convert it to 8 or 16 bits.")
    with decode_errors(name), quiet_pillow():
        return ImageOps.exif_transpose(picture)


def read_header(name: str, content: bytes) -> ImageHeader:
    r"""Read the upright size and the mode of an image file without decoding its pixels.

    Args:
        name: For messages.
        content: Bytes of the file.

    Raises:
        DataError: If the file is not an image of a known format, or is too large.

    Example:
        >>> read_header("dot.ppm", b"P6 2 1 255\n" + bytes(6))
        ImageHeader(size=(2, 1), mode='RGB', format='PPM')
    """
    picture = open_image(name, content)
    kind, form = picture.mode, picture.format or ""
    if form == "TIFF":  # Pillow applies their orientation while it decodes
        return ImageHeader(_turned(name, picture).size, kind, form)
    with decode_errors(name):
        late = form == "PNG" and any(mark in content and key not in picture.info for key, mark in LATE.items())
        exif = Image.Image.getexif(picture) if form == "PNG" and not late else picture.getexif()
    width, height = picture.size
    return ImageHeader(
        (height, width) if exif.get(ExifTags.Base.Orientation) in TURNED else (width, height), kind, form
    )


def decode(name: str, content: bytes, size: Size | None, channels: int) -> np.ndarray:
    """Decode an image file.

    Args:
        name: For messages.
        content: Bytes of the file.
        size: Height and width, or None to keep the picture's own.
        channels: 1, 3 or 4.

    Returns:
        ``uint8`` (H, W, C).

    Raises:
        DataError: If the file is damaged, of an unknown format or too large.
    """
    picture = open_image(name, content)
    if picture.mode in ("I", "F"):
        raise DataError(f"{name} has 32-bit pixels, whose range is unknown: convert it to 8 or 16 bits.")
    _turned(name, picture)
    with decode_errors(name):
        return to_pixels(picture, size, channels)


def to_pixels(picture: Image.Image, size: Size | None, channels: int) -> np.ndarray:
    """Convert an image to a number of channels and a size (central part, Lanczos; or as its frame says).

    Args:
        picture: Image of 8 or 16 bits a channel.
        size: Height and width, or None to keep the picture's own.
        channels: 1, 3 or 4.

    Returns:
        ``uint8`` (H, W, C).
    """
    if picture.mode in DEEP:
        picture = Image.fromarray(np.rint(np.asarray(picture) / 257).astype(np.uint8))
    if channels < 4 and picture.has_transparency_data:
        picture = on_white(picture.convert("RGBA"))
    picture = picture.convert(MODES[channels])
    if size is not None:
        picture = fitted(picture, size, Image.Resampling.LANCZOS, border_in(size, channels))
    values = np.array(picture)
    return values if values.ndim == 3 else values[..., None]


def on_white(picture: Image.Image) -> Image.Image:
    """Blend a transparent image with white.

    Args:
        picture: Image with an alpha channel (RGBA).
    """
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    return white.convert("RGB")


def require_form(title: str, size: Size | None, channels: int | None, margin: int = 0) -> None:
    """Raise an error for unsupported sizes and numbers of channels.

    Args:
        title: Name of the data, for messages.
        size: Height and width, or None.
        channels: Number of channels, or None.
        margin: Pixels of random cropping.

    Raises:
        DataError: If the size is not between 1 and 4096, the channels are not 1, 3 or 4, or the margin is out of range.
    """
    if not 0 <= margin <= 4096:
        raise DataError(f"{title} cannot have a margin of {margin} pixels: choose from 0 to 4096.")
    height, width = (1, 1) if size is None else height_and_width(size)
    if not 1 <= min(height, width) <= max(height, width) <= MAX_SIDE:
        said = height if height == width else f"{height} × {width}"
        raise DataError(f"{title} cannot be resized to {said} pixels: choose a size from 1 to {MAX_SIDE}.")
    if channels is not None and channels not in MODES:
        raise DataError(f"{title} cannot have {channels} channels: choose 1 (grey), 3 (colour) or 4 (with alpha).")


def too_large(name: str) -> DataError:
    """Return the error for an image with too many pixels.

    Args:
        name: Name of the file.
    """
    return DataError(f"{name} has more than {PIXELS} pixels: make it smaller or remove it.")


def unreadable(name: str, error: Exception) -> DataError:
    """Return the error for a file that cannot be decoded.

    Args:
        name: Name of the file.
        error: Exception of the decoder.
    """
    reason = str(error).split("<_io")[0].strip(" .:") or type(error).__name__
    return DataError(f"{name} is not a readable image ({reason}): replace or remove it.")
