"""Label maps: images whose pixels are class numbers, or colours from a list of classes.

A list of classes, ``classes.txt``, ``palette.txt`` or ``label_colors.txt``, has one class a line, in order of the
numbers: its name, and optionally its colour before or after the name, as ``128 64 128`` or ``#804080``. Maps are
resized by nearest neighbour. The number 255 means unknown, except in masks, which hold only 0 and 255: there both are
classes.

Boundaries of instances follow Wang et al., 2018, section 3.3: e(p) = 1 where the instance at p differs from that above,
below, left or right of it, else 0. A label map does not separate two adjacent cars; their boundary does.
"""

from __future__ import annotations

import colorsys
import re
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sparring.data.frames import Size, fitted
from sparring.data.sources.images import DEEP, decode_errors, decode_upright
from sparring.errors import DataError

__all__ = [
    "LISTS",
    "MAX_CLASSES",
    "Colour",
    "LabelMapClasses",
    "class_numbers",
    "decode_boundaries",
    "decode_instances",
    "decode_label_map",
    "distinct_colours",
    "embedded_palette",
    "instance_boundaries",
    "looks_like_label_map",
    "mask_classes",
    "parse_class_list",
    "why_no_label_map",
]

Colour = tuple[int, int, int]
MAX_CLASSES = 255  # classes that fit into one byte, with one number left for unknown
LISTS = ("classes.txt", "palette.txt", "label_colors.txt")
INDEXED = ("P", "L", "1", "I", *DEEP)
FEW = 64  # a grey image with values below this, except 255, may be a label map
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
NUMBERS = r"(\d{1,3})[\s,;]+(\d{1,3})[\s,;]+(\d{1,3})"
BEFORE, BEHIND = re.compile(rf"^{NUMBERS}(?:[\s,;]+(.*))?$"), re.compile(rf"^(.*?)[\s,;]+{NUMBERS}$")
HEX = re.compile(r"#([0-9a-fA-F]{6})\b")


@dataclass(frozen=True)
class LabelMapClasses:
    """Names and colours of the classes in label maps. The number after the last class, and any above, means unknown.

    Args:
        names: Names of the classes, in the order of their numbers.
        colours: Red, green and blue of each class, from 0 to 255. Default: `distinct_colours`.

    Raises:
        DataError: If there are no classes, too many, or another number of colours.

    Example:
        >>> LabelMapClasses(("sky", "tree")).colours
        ((217, 68, 54), (54, 88, 217))
    """

    names: tuple[str, ...]
    colours: tuple[Colour, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.names) <= MAX_CLASSES:
            raise DataError(
                f"Label maps cannot have {len(self.names)} classes: name from 1 to {MAX_CLASSES}, one a line."
            )
        if not self.colours:
            object.__setattr__(self, "colours", distinct_colours(len(self.names)))
        if len(self.colours) != len(self.names):
            raise DataError(
                f"{len(self.names)} classes have {len(self.colours)} colours: give each class one, or none."
            )

    def __len__(self) -> int:
        return len(self.names)


def distinct_colours(count: int) -> tuple[Colour, ...]:
    """Return colours that are easy to distinguish, in particular consecutive ones.

    Args:
        count: Number of colours.
    """
    golden = 0.618034 * 360  # degrees between consecutive hues: every new hue falls into the widest gap
    hues = [(5 + golden * k) % 360 / 360 for k in range(count)]
    return tuple(_to_bytes(colorsys.hsv_to_rgb(hue, 0.75, 0.85)) for hue in hues)


def _to_bytes(colour: tuple[float, float, float]) -> Colour:
    red, green, blue = (round(255 * part) for part in colour)
    return red, green, blue


def parse_class_list(title: str, text: str) -> LabelMapClasses:
    r"""Parse a list of classes.

    Args:
        title: Name of the file, for messages.
        text: One class a line. Empty lines are ignored.

    Raises:
        DataError: If only some classes have colours, or there are no classes or too many.

    Example:
        >>> parse_class_list("classes.txt", "sky\nold wall\n").names
        ('sky', 'old wall')
        >>> parse_class_list("palette.txt", "128 64 128 road\n#ff0000 car").colours
        ((128, 64, 128), (255, 0, 0))
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = [_class(line, str(number)) for number, line in enumerate(lines)]
    colours = tuple(colour for _, colour in found if colour)
    if colours and len(colours) != len(found):
        raise DataError(f"{title} has colours of {len(colours)} of {len(found)} classes: give one for each, or none.")
    if any(max(colour) > 255 for colour in colours) or len(set(colours)) != len(colours):
        raise DataError(f"{title} has a colour twice, or a number above 255: give each class another colour.")
    return LabelMapClasses(tuple(name for name, _ in found), colours)


def _class(line: str, number: str) -> tuple[str, Colour | None]:
    """Return name and colour of a line. A missing name is replaced by the number."""
    if found := HEX.search(line):
        red, green, blue = bytes.fromhex(found[1])
        return HEX.sub("", line).strip(" \t,;") or number, (red, green, blue)
    if found := BEFORE.match(line):
        return found[4] or number, (int(found[1]), int(found[2]), int(found[3]))
    if found := BEHIND.match(line):
        return found[1] or number, (int(found[2]), int(found[3]), int(found[4]))
    return line, None


def decode_label_map(
    name: str, content: bytes, size: Size | None, channels: int = 1, regions: LabelMapClasses | None = None
) -> np.ndarray:
    """Decode a label map: central part or as the frame says, nearest-neighbour resizing; a border is unknown.

    Args:
        name: For messages.
        content: Bytes of the file.
        size: Height and width. None: the central square of the image.
        channels: 1.
        regions: The classes, for images in colour.

    Returns:
        Class numbers, ``uint8`` (H, W, 1); 255 means unknown.

    Raises:
        DataError: If the file is damaged, or in colour without a list of classes.
    """
    picture = decode_upright(name, content)
    with decode_errors(name):
        numbers = _numbers(picture, regions)
    if numbers is None:
        raise DataError(f"{name} is an image in colour, not a label map: list its colours in palette.txt.")
    if regions is None and (high := _highest(numbers)) >= FEW:
        raise DataError(
            f"{name} has class numbers up to {high}: list the classes in classes.txt, next to the label maps."
        )
    return _nearest(numbers, size, MAX_CLASSES)[..., None]


def decode_boundaries(name: str, content: bytes, size: Size | None, channels: int = 1) -> np.ndarray:
    """Decode a map of instances to their boundaries: central part or as the frame says, nearest-neighbour resizing.

    Args:
        name: For messages.
        content: Bytes of the file.
        size: Height and width. None: the central square of the image.
        channels: 1.

    Returns:
        1 at boundaries and 0 elsewhere, ``uint8`` (H, W, 1).

    Raises:
        DataError: The file is damaged.
    """
    numbers = decode_instances(name, content).astype(np.int32)
    near = _nearest(numbers, size, -1)
    return instance_boundaries(torch.from_numpy(near)).numpy().astype(np.uint8)[..., None]


def _nearest(numbers: np.ndarray, size: Size | None, border: int) -> np.ndarray:
    """Return numbers (H, W) in a size, without mixing them.

    Args:
        numbers: Numbers of classes or instances.
        size: The size, or None for the central square.
        border: Number of a border.
    """
    return np.array(fitted(Image.fromarray(numbers), size or min(numbers.shape), Image.Resampling.NEAREST, border))


def instance_boundaries(objects: Tensor) -> Tensor:
    """Return a mask of pixels that differ from a neighbour.

    Args:
        objects: Numbers of instances or classes, integers (..., H, W).

    Example:
        >>> instance_boundaries(torch.tensor([[1, 1, 2, 2]])).int()
        tensor([[0, 1, 1, 0]], dtype=torch.int32)
    """
    found = torch.zeros_like(objects, dtype=torch.bool)
    across, down = objects.diff(dim=-1) != 0, objects.diff(dim=-2) != 0
    found[..., 1:] |= across
    found[..., :-1] |= across
    found[..., 1:, :] |= down
    found[..., :-1, :] |= down
    return found


def decode_instances(name: str, content: bytes) -> np.ndarray:
    """Decode a map of instances, each with a number or colour of its own.

    Args:
        name: For messages.
        content: Bytes of the file.

    Returns:
        Numbers of the instances, int64 (H, W).

    Raises:
        DataError: The file is damaged.
    """
    picture = decode_upright(name, content)
    with decode_errors(name):
        if picture.mode in INDEXED:
            return np.asarray(picture).astype(np.int64)
        colours: np.ndarray = np.asarray(picture.convert("RGB")).astype(np.int64) @ np.array([65536, 256, 1])
        return colours


def _numbers(picture: Image.Image, regions: LabelMapClasses | None) -> np.ndarray | None:
    """Return the class numbers of every pixel, ``uint8`` (H, W); None for colours without a list of classes."""
    if picture.mode in INDEXED:
        values = class_numbers(picture, regions)
        return np.where((values < 0) | (values > MAX_CLASSES), MAX_CLASSES, values).astype(np.uint8)
    if regions is None:
        return None
    pixels = np.asarray(picture.convert("RGB")).astype(np.int64) @ np.array([65536, 256, 1])
    keys = np.array(regions.colours) @ np.array([65536, 256, 1])
    order = np.argsort(keys)
    place = np.minimum(np.searchsorted(keys[order], pixels), len(keys) - 1)
    known = keys[order][place] == pixels
    return np.where(known, order[place], MAX_CLASSES).astype(np.uint8)


def class_numbers(picture: Image.Image, regions: LabelMapClasses | None) -> np.ndarray:
    """Return the class numbers of a grey or indexed image: its values, or for masks the classes of black and white.

    Args:
        picture: Decoded.
        regions: The classes, or None.

    Returns:
        int64 (H, W).
    """
    values = np.asarray(picture).astype(np.int64)
    if regions is None or set(regions.colours) != {BLACK, WHITE}:
        return values
    values = values * 255 if picture.mode == "1" else values
    if not np.isin(values, (0, 255, 65535)).all():
        return values
    return np.where(values > 0, regions.colours.index(WHITE), regions.colours.index(BLACK))


def mask_classes(numbers: np.ndarray, regions: LabelMapClasses | None) -> LabelMapClasses | None:
    """Return the two classes of masks; None if the numbers are not those of masks.

    Args:
        numbers: All class numbers in the maps.
        regions: Classes from a list, or None.
    """
    plain = regions is None or (len(regions) == 2 and regions.colours == distinct_colours(2))
    if not plain or 255 not in numbers or not set(numbers.tolist()) <= {0, 255}:
        return None
    return LabelMapClasses(("0", "255") if regions is None else regions.names, (BLACK, WHITE))


def why_no_label_map(picture: Image.Image, regions: LabelMapClasses | None) -> str:
    """Return why an image cannot be a label map, such as "it is a JPEG, …"; empty if it can be one.

    Args:
        picture: Decoded.
        regions: Classes from a list near the image, or None.
    """
    if picture.format == "JPEG":
        return "it is a JPEG, which blurs class numbers"
    numbers = _numbers(picture, regions)
    if numbers is None:
        return "it is in colour, and there is no list of its colours"
    if picture.mode not in INDEXED and (numbers == MAX_CLASSES).mean() >= 0.5:
        return "most of its colours are not in the list"
    if (high := _highest(numbers)) >= max(FEW, len(regions or ())):
        return f"it has grey levels up to {high}, too many for class numbers"
    return ""


def looks_like_label_map(picture: Image.Image, regions: LabelMapClasses | None) -> bool | None:
    """Return whether an image is probably a label map. Used if neither recipe nor user decides it.

    Args:
        picture: Decoded.
        regions: Classes from a list near the image, or None.

    Returns:
        True or False; None for a mask, which is ambiguous.
    """
    if why_no_label_map(picture, regions):
        return False
    numbers = _numbers(picture, regions)
    assert numbers is not None
    if mask_classes(np.unique(numbers), regions):
        return None
    return bool((numbers != MAX_CLASSES).mean() > 0.5)


def _highest(numbers: np.ndarray) -> int:
    """Return the highest class number except 255; −1 if there is none."""
    known = numbers[numbers != MAX_CLASSES]
    return int(known.max()) if known.size else -1


def embedded_palette(picture: Image.Image, count: int) -> tuple[Colour, ...]:
    """Return the colours of the first classes in the palette of an image, if they are distinct.

    Args:
        picture: Opened.
        count: Number of classes.
    """
    flat = picture.getpalette("RGB") if picture.mode == "P" else None
    found = [] if flat is None else [tuple(flat[3 * k : 3 * k + 3]) for k in range(count)]
    whole = len(set(found)) == count and all(len(colour) == 3 for colour in found)
    return tuple((colour[0], colour[1], colour[2]) for colour in found) if whole else ()
