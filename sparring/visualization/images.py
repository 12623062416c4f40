"""Samples made visible: grids of images, clouds of points, and films of either.

Images are in [−1, 1]: a pixel p becomes the byte round(127.5 (p + 1)), cut to [0, 255]; NaN is black.
One channel is grey, two are red and green, three are colour, and a fourth lets white shine through. Small images are
enlarged by whole factors without smoothing, so that what is seen is what was generated.
"""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sparring._io.atomic import writing, written
from sparring._io.folder import Folder
from sparring._io.paths import expanded
from sparring.errors import DataError, RunError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["film", "grid", "opened", "picture", "pixels", "rendered", "save", "save_animation", "save_grid", "scatter"]

SLOWEST, FASTEST = 0.02, 1000  # frames a second of a film: what GIF can say
SIDE = 512  # pixels that a grid is enlarged towards
LARGEST = 8  # times that an image is enlarged at most
GAP = 2  # pixels between two images
POINTS = 4000  # real points drawn at most
FEW = 200  # samples, up to which each is drawn large
STILLS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".gif": "GIF"}
FILMS = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG"}


def save_grid(
    samples: Tensor,
    path: str | Path,
    *,
    columns: int | None = None,
    scale: int | None = None,
    real: Tensor | None = None,
    folder: Folder | None = None,
) -> Path:
    """Save samples as one picture: images as a grid, points as a cloud.

    Args:
        samples: Images (N, C, H, W) in [−1, 1] or points (N, 2).
        path: The file; its ending chooses the format.
        columns: Images in a row; a square unless told.
        scale: How many times images are enlarged; towards 512 pixels unless told.
        real: Points (M, 2) of the data to show behind the samples.
        folder: The folder that the file is in, if that is open. Default: found by the path.

    Returns:
        The path.

    Raises:
        DataError: If the samples are neither images nor points in the plane.
        RunError: If the file cannot be written, or its ending names no format.
    """
    return save(picture(samples, columns=columns, scale=scale, real=real), path, folder)


def picture(
    samples: Tensor, *, columns: int | None = None, scale: int | None = None, real: Tensor | None = None
) -> Image.Image:
    """Returns samples as one picture; the arguments are those of `save_grid`.

    >>> picture(torch.zeros(4, 3, 8, 8), scale=2).size
    (34, 34)
    """
    if samples.dim() == 4:
        return grid(samples, columns=columns, scale=scale)
    return scatter(samples, real=real)


def grid(images: Tensor, *, columns: int | None = None, scale: int | None = None) -> Image.Image:
    """Returns images (N, C, H, W) in [−1, 1] side by side, row after row, on white."""
    tiles = pixels(images)
    n, height, width = tiles.shape[:3]
    if columns is not None and columns < 1:
        raise DataError(f"A grid cannot have {columns} columns: give 1 or more.")
    columns = min(columns or math.ceil(math.sqrt(n)), n)
    scale = scale or max(1, min(LARGEST, SIDE // (columns * width)))
    tiles = tiles.repeat(scale, axis=1).repeat(scale, axis=2)
    down, right = height * scale + GAP, width * scale + GAP
    sheet = np.full((math.ceil(n / columns) * down - GAP, columns * right - GAP, *tiles.shape[3:]), 255, np.uint8)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        sheet[row * down : row * down + down - GAP, column * right : column * right + right - GAP] = tile
    return Image.fromarray(sheet)


def pixels(images: Tensor) -> np.ndarray:
    """Returns images (N, C, H, W) in [−1, 1] as bytes, grey (N, H, W) or colour (N, H, W, 3).

    Raises:
        DataError: If these are no images of 1 to 4 channels.

    >>> pixels(torch.tensor([[[[-1.0, 0.0, 1.0, 7.0]]]])).tolist()
    [[[0, 128, 255, 255]]]
    """
    if images.dim() != 4 or not 1 <= images.shape[1] <= 4 or len(images) == 0:
        raise DataError(f"A picture needs images (N, C, H, W) with 1 to 4 channels, not {tuple(images.shape)}.")
    values = images.detach().float().cpu().nan_to_num(-1.0, 1.0, -1.0).add(1).mul(127.5).clamp(0, 255)
    values = values.permute(0, 2, 3, 1)
    match images.shape[1]:
        case 1:
            values = values[..., 0]
        case 2:
            values = torch.cat([values, torch.zeros_like(values[..., :1])], dim=-1)
        case 4:
            cover = values[..., 3:] / 255
            values = cover * values[..., :3] + (1 - cover) * 255
    return values.round().byte().numpy()


def scatter(points: Tensor, *, real: Tensor | None = None, title: str | None = None) -> Image.Image:
    """Returns points (N, 2) as a cloud, over the real ones in grey, which also fix the frame.

    Raises:
        DataError: If the points are not in the plane.
    """
    from matplotlib.figure import Figure

    if points.dim() != 2 or points.shape[1] != 2 or len(points) == 0:
        raise DataError(f"Samples of shape {tuple(points.shape)} are neither images (N, C, H, W) nor points (N, 2).")
    x = points.detach().float().cpu().numpy()
    figure = Figure(figsize=(5.12, 5.12), dpi=100, layout="constrained")
    axes = figure.add_subplot(aspect="equal", title=title)
    if real is not None:
        y = real[:POINTS].detach().float().cpu().numpy()
        axes.scatter(y[:, 0], y[:, 1], s=3, color="0.75", linewidths=0, label="data")
    axes.scatter(
        x[:, 0], x[:, 1], s=4 if len(x) > FEW else 24, color="tab:blue", alpha=0.5, linewidths=0, label="samples"
    )
    low, high = _frame(x if real is None else y)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    axes.legend(loc="upper right", markerscale=3, framealpha=0.8)
    return rendered(figure)


def rendered(figure: Figure) -> Image.Image:
    """Returns a matplotlib figure as a picture, without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def save(image: Image.Image, path: str | Path, folder: Folder | None = None) -> Path:
    """Saves a picture whole or not at all.

    Args:
        image: The picture.
        path: The file; its ending chooses the format.
        folder: The folder that the file is in, if that is open. Default: found by the path.

    Raises:
        RunError: If the file cannot be written, or its ending names no format.
    """
    path, kind = expanded(path), require_still(Path(path))
    with opened(path, folder) as file:
        image.save(file, kind)
    return path


def require_still(path: Path) -> str:
    """Returns the format of a picture by the ending of its file.

    Raises:
        RunError: If the ending names no format.
    """
    return _format(path, STILLS)


def require_film(path: Path) -> str:
    """Returns the format of a film by the ending of its file.

    Raises:
        RunError: If the ending names no format, or ffmpeg is needed and missing.
    """
    kind = _format(path, FILMS | {".mp4": "MP4"})
    if kind == "MP4" and shutil.which("ffmpeg") is None:
        raise RunError(f"{path} needs ffmpeg, which is not installed: end the name in .gif or .webp instead.")
    return kind


def save_animation(
    frames: Iterable[Image.Image], path: str | Path, *, rate: float = 20.0, folder: Folder | None = None
) -> Path:
    """Saves a film that plays in a loop: GIF, WebP or animated PNG, and MP4 where ffmpeg is installed.

    Args:
        frames: Pictures of one size.
        path: The file; its ending chooses the format.
        rate: Frames a second.
        folder: The folder that the file is in, if that is open; not for MP4. Default: found by the path.

    Returns:
        The path.

    Raises:
        DataError: If no player shows so many frames a second.
        RunError: If the file cannot be written, its ending names no format, or ffmpeg is needed and missing.
    """
    path, pictures = expanded(path), list(frames)
    if not pictures:
        raise RunError(f"{path} would have no frame: ask for at least one.")
    kind = require_film(path)
    if not SLOWEST <= rate <= FASTEST:
        raise DataError(f"A film cannot show {rate:g} frames a second: give a number from {SLOWEST} to {FASTEST}.")
    if kind == "MP4":
        return _film(pictures, path, rate)
    first, *rest = pictures
    # Lossless WebP: a film of small pixels looks dirty otherwise.
    settings = {"lossless": True} if kind == "WEBP" else {}
    with opened(path, folder) as file:
        first.save(file, kind, save_all=True, append_images=rest, duration=round(1000 / rate), loop=0, **settings)
    return path


@contextmanager
def opened(path: Path, folder: Folder | None = None) -> Iterator[IO[bytes]]:
    """Opens a file, in a folder made where it is missing, that appears when it is whole.

    Args:
        path: The file.
        folder: The folder that it is in, if that is open. Default: found by the path.
    """
    with writing(path):
        if folder is not None:
            with folder.written(path.name) as file:
                yield file
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with written(path) as file:
            yield file


def film(way: Tensor, *, real: Tensor | None = None) -> list[Image.Image]:
    """Returns the frames of a walk: one image each, or for points the way so far.

    Args:
        way: Images (T, C, H, W) or points (T, 2), one for each frame.
        real: Points (M, 2) of the data to show behind.
    """
    if way.dim() == 4:
        return [grid(image[None], scale=max(1, SIDE // 2 // image.shape[-1])) for image in way]
    return [scatter(way[: end + 1], real=way if real is None else real) for end in range(len(way))]


def _film(frames: Sequence[Image.Image], path: Path, rate: float) -> Path:
    """Pipes raw frames to ffmpeg; H.264 wants even sides, so an odd one is padded."""
    width, height = frames[0].size
    form = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(rate), "-i", "-"]
    pad = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white", "-pix_fmt", "yuv420p"]
    raw = b"".join(frame.convert("RGB").tobytes() for frame in frames)
    with opened(path) as file:
        command = ["ffmpeg", "-y", "-loglevel", "error", *form, *pad, "-f", "mp4", file.name]
        done = subprocess.run(command, input=raw, capture_output=True)
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip()
            raise RunError(f"{path} could not be written: ffmpeg says {words!r}.")
    return path


def _frame(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners of a square-ish frame with a margin; a few strays and what is not finite do not widen it."""
    finite = points[np.isfinite(points).all(axis=1)]
    if len(finite) == 0:
        return np.full(2, -1.0), np.full(2, 1.0)
    low, high = np.quantile(finite, 0.005, axis=0), np.quantile(finite, 0.995, axis=0)
    margin = 0.2 * max(float((high - low).max()), 1e-3)
    return low - margin, high + margin


def _format(path: Path, known: dict[str, str]) -> str:
    kind = known.get(path.suffix.lower())
    if kind is None:
        raise RunError(f"{path} has no ending that names a format: use one of {', '.join(known)}.")
    return kind
