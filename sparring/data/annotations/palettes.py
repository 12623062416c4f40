"""Drawn label maps, read strictly in the colours of a palette, and palette files for drawing programs.

A map is an image in the colours of the palette, or a grey or indexed image of class numbers, where 255 means unknown.
Other colours are an error, or optionally read as the nearest colour. Label maps of training data are read by
`sparring.data.annotations.label_maps`, where such colours mean unknown.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sparring._io.atomic import atomic_write, io_errors
from sparring._io.paths import expand_user
from sparring.data.annotations.label_maps import INDEXED, MAX_CLASSES, LabelMapClasses, class_numbers, decode_instances
from sparring.data.sources.files import SUFFIXES, open_files, read_file
from sparring.data.sources.images import decode_errors, decode_upright, quiet_pillow
from sparring.errors import DataError, printable

__all__ = [
    "colourize",
    "label_map_files",
    "matching_files",
    "read_instances",
    "read_label_map",
    "relative_to",
    "save_palette",
]

DIGITS = (65536, 256, 1)  # a colour as one number


def save_palette(regions: LabelMapClasses, path: str | Path) -> Path:
    """Save a palette: one class a line, or in the GIMP format for a name that ends in .gpl.

    Args:
        regions: The classes.
        path: The file.
    """
    path = expand_user(path)
    pairs = list(zip(map(printable, regions.names), regions.colours, strict=True))
    if path.suffix.lower() == ".gpl":
        lines = ["GIMP Palette", f"Name: {path.stem}", "Columns: 1", "#"]
        lines += [f"{red:3} {green:3} {blue:3}\t{name}" for name, (red, green, blue) in pairs]
    else:
        lines = [f"{_hex(colour)} {name}" for name, colour in pairs]
    with io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(("\n".join(lines) + "\n").encode())
    return path


def read_label_map(path: str | Path, regions: LabelMapClasses, *, nearest: bool = False) -> Tensor:
    """Read a label map.

    Args:
        path: An image in the colours of the palette, or a grey or indexed image of class numbers; 255 means unknown.
        regions: The palette.
        nearest: Read other colours as the nearest one, for maps saved as JPEG or with soft edges.

    Returns:
        Class numbers, int64 (H, W); the number after the last class means unknown.

    Raises:
        DataError: If it cannot be read, or has a colour or number of no class; the message names the nearest class.
    """
    with quiet_pillow(), decode_errors(str(path)):
        picture = decode_upright(str(path), read_file(expand_user(path)))
        numbers = _numbers(picture, regions)
        colours = np.asarray(picture.convert("RGB")).astype(np.int64)
    if numbers is None:
        numbers = _looked_up(str(path), colours, regions, nearest)
    elif (strange := (numbers >= len(regions)) & (numbers != MAX_CLASSES)).any():
        raise DataError(
            f"{path} has the class number {numbers[strange][0]}, but the palette has {len(regions)} classes, numbered "
            f"from 0: draw it in the colours of the palette, or in numbers up to {len(regions) - 1}."
        )
    return torch.from_numpy(np.minimum(numbers, len(regions)))


def read_instances(path: str | Path) -> Tensor:
    """Read a map of instances: an image in which every instance has its own number or colour.

    Args:
        path: The file. Grey or indexed images hold numbers of 8 or 16 bits, others colours.

    Returns:
        Instance numbers of the objects, int64 (H, W).

    Raises:
        DataError: If it cannot be read.
    """
    with quiet_pillow():
        return torch.from_numpy(decode_instances(str(path), read_file(expand_user(path))))


def _numbers(picture: Image.Image, regions: LabelMapClasses) -> np.ndarray | None:
    """Return the class numbers of a grey or indexed image; None for colours, also indexed ones of the palette."""
    if picture.mode not in INDEXED:
        return None
    if picture.mode == "P":
        used = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24) or []}
        if used <= set(regions.colours):
            return None
    return class_numbers(picture, regions)


def _looked_up(name: str, colours: np.ndarray, regions: LabelMapClasses, nearest: bool) -> np.ndarray:
    """Return the class numbers of colours (H, W, 3)."""
    keys, places, counts = np.unique(colours @ np.array(DIGITS), return_inverse=True, return_counts=True)
    seen = np.stack([keys // 65536, keys // 256 % 256, keys % 256], 1)
    far = np.abs(seen[:, None] - np.array(regions.colours)[None]).sum(2)
    strange = far.min(1) > 0
    if strange.any() and not nearest:
        first = np.flatnonzero(strange)[counts[strange].argmax()]
        close = far[first].argmin()
        raise DataError(
            f"{name} has {counts[strange].sum()} pixels in {strange.sum()} colours of no class, most of them "
            f"{_hex(seen[first])}, nearest to {regions.names[close]} ({_hex(regions.colours[close])}): draw in the "
            "colours of `sparring paint RUN --palette palette.txt`, or pass --nearest."
        )
    indices: np.ndarray = far.argmin(1)[places].reshape(colours.shape[:2])
    return indices


def _hex(colour: Sequence[int] | np.ndarray) -> str:
    return "#" + "".join(f"{int(part):02x}" for part in colour)


def label_map_files(place: str | Path) -> list[Path]:
    """Return the image files in a folder, in order, or the given file.

    Args:
        place: A file or folder.

    Raises:
        DataError: If there are no images.
    """
    place = expand_user(place)
    files = open_files(place) if place.is_dir() else None
    found = [place / name for name in files.entries if Path(name).suffix.lower() in SUFFIXES] if files else [place]
    if not found:
        raise DataError(f"{place} holds no label maps: put PNG files into it.")
    return found


def relative_to(place: str | Path, file: Path) -> Path:
    """Return the path of a file relative to the given folder; for a given file, its name.

    Args:
        place: The folder or file that was given.
        file: One of `label_map_files`.
    """
    return file.relative_to(place) if Path(place).is_dir() else Path(file.name)


def matching_files(place: str | Path, names: Sequence[str]) -> dict[str, Path]:
    """Return the image files with the given names, compared without suffixes.

    Args:
        place: A folder; or, for a single name, one file with any name.
        names: Names relative to their folder, without suffixes.

    Raises:
        DataError: If a name has no file.
    """
    files = label_map_files(place)
    if len(names) == 1 and len(files) == 1:
        return {names[0]: files[0]}
    found = {relative_to(place, file).with_suffix("").as_posix(): file for file in files}
    if alone := [name for name in names if name not in found]:
        raise DataError(
            f"{place} has no file for the label map {alone[0]} ({len(alone)} such): give files of the same name."
        )
    return found


def colourize(labels: Tensor, regions: LabelMapClasses) -> Tensor:
    """Return label maps (N, H, W) in the colours of the palette, (N, 3, H, W) in [−1, 1]; unknown is black.

    Args:
        labels: Class numbers.
        regions: The palette.
    """
    colours = torch.tensor([*regions.colours, (0, 0, 0)], dtype=torch.float32, device=labels.device)
    known = labels.where((labels >= 0) & (labels < len(regions)), len(regions))
    return colours[known].movedim(3, 1) / 127.5 - 1
