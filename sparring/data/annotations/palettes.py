"""Label maps that somebody draws: read strictly, in the colours of a palette, which is written for drawing programs.

A map is a picture in the palette's colours, or a grey or indexed one of class numbers, of which 255 is unknown. A
colour of no class is refused, since a guess would mean something else; or, where told, read as the nearest one. Those
that a training learns from are read by `sparring.data.annotations.label_maps`, to which such colours are unknown.
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
    """Saves a palette: one class a line, or, for a name that ends in .gpl, as drawing programs read it.

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
    """Reads a label map.

    Args:
        path: A picture in the palette's colours, or a grey or indexed one of class numbers; 255 is unknown.
        regions: The palette.
        nearest: Read a colour of no class as the nearest one, for maps that were saved as JPEG or drawn softly.

    Returns:
        Class numbers, int64 (H, W); that behind the last class is unknown.

    Raises:
        DataError: If it cannot be read, or shows what is no class; the message names the nearest class.
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
    """Reads a map of objects: a picture in which every object has a number, or a colour, of its own.

    Args:
        path: The file; grey or indexed pictures hold numbers, of 8 or 16 bits, others colours.

    Returns:
        Numbers that tell the objects apart, int64 (H, W).

    Raises:
        DataError: If it cannot be read.
    """
    with quiet_pillow():
        return torch.from_numpy(decode_instances(str(path), read_file(expand_user(path))))


def _numbers(picture: Image.Image, regions: LabelMapClasses) -> np.ndarray | None:
    """Class numbers of a grey or indexed picture; None of one in colour, also where it is indexed in the palette's."""
    if picture.mode not in INDEXED:
        return None
    if picture.mode == "P":
        used = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24) or []}
        if used <= set(regions.colours):
            return None
    return class_numbers(picture, regions)


def _looked_up(name: str, colours: np.ndarray, regions: LabelMapClasses, nearest: bool) -> np.ndarray:
    """Class numbers of colours (H, W, 3)."""
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
    return far.argmin(1)[places].reshape(colours.shape[:2])


def _hex(colour: Sequence[int] | np.ndarray) -> str:
    return "#" + "".join(f"{int(part):02x}" for part in colour)


def label_map_files(place: str | Path) -> list[Path]:
    """Returns the pictures in a folder, in order, or the one file that is named.

    Args:
        place: A file or folder.

    Raises:
        DataError: If there are none.
    """
    place = expand_user(place)
    files = open_files(place) if place.is_dir() else None
    found = [place / name for name in files.entries if Path(name).suffix.lower() in SUFFIXES] if files else [place]
    if not found:
        raise DataError(f"{place} holds no label maps: put PNG files into it.")
    return found


def relative_to(place: str | Path, file: Path) -> Path:
    """Returns the path of a file below the folder in which it was found; of a file that was named itself, its name.

    Args:
        place: The folder or file that was given.
        file: One of `label_map_files`.
    """
    return file.relative_to(place) if Path(place).is_dir() else Path(file.name)


def matching_files(place: str | Path, names: Sequence[str]) -> dict[str, Path]:
    """Returns the pictures that belong to others, by the names that these share with them, without endings.

    Args:
        place: A folder; or one file, where there is one name, whatever it is called.
        names: Of the others, below their folder.

    Raises:
        DataError: If one has no partner.
    """
    files = label_map_files(place)
    if len(names) == 1 and len(files) == 1:
        return {names[0]: files[0]}
    found = {relative_to(place, file).with_suffix("").as_posix(): file for file in files}
    if alone := [name for name in names if name not in found]:
        raise DataError(
            f"{place} has nothing for the label map {alone[0]} ({len(alone)} such): give files of its name."
        )
    return found


def colourize(labels: Tensor, regions: LabelMapClasses) -> Tensor:
    """Returns label maps (N, H, W) in the colours of the palette, (N, 3, H, W) in [−1, 1]; unknown is black.

    Args:
        labels: Class numbers.
        regions: The palette.
    """
    colours = torch.tensor([*regions.colours, (0, 0, 0)], dtype=torch.float32, device=labels.device)
    known = labels.where((labels >= 0) & (labels < len(regions)), len(regions))
    return colours[known].movedim(3, 1) / 127.5 - 1
