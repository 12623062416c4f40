"""Images of samples: grids of images and scatter plots of points.

Images are in [−1, 1]: a pixel p becomes the byte round(127.5 (p + 1)), cut to [0, 255]; NaN is black.
One channel is grey, two are red and green, three are colour, and a fourth lets white shine through. Small images are
enlarged by whole factors without smoothing, so that the picture shows the generated pixels.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sparring._io.folder import Folder, open_atomic
from sparring._io.paths import expand_user
from sparring.errors import DataError, RunError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "grid",
    "render_figure",
    "require_image_format",
    "save_grid",
    "save_image",
    "scatter",
    "to_image",
    "to_uint8",
]

SIDE = 512  # pixels that a grid is enlarged towards
LARGEST = 8  # times that an image is enlarged at most
GAP = 2  # pixels between two images
POINTS = 4000  # real points drawn at most
FEW = 200  # samples, up to which each is drawn large
STILLS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".gif": "GIF"}


def save_grid(
    samples: Tensor,
    path: str | Path,
    *,
    columns: int | None = None,
    scale: int | None = None,
    real: Tensor | None = None,
    folder: Folder | None = None,
) -> Path:
    """Save samples as one image: images as a grid, points as a scatter plot.

    Args:
        samples: Images (N, C, H, W) in [−1, 1] or points (N, 2).
        path: The file; its ending chooses the format.
        columns: Images in a row. Default: a square.
        scale: Factor by which images are enlarged. Default: towards 512 pixels.
        real: Points (M, 2) of the data to show behind the samples.
        folder: The folder that the file is in, if that is open. Default: found by the path.

    Returns:
        The path.

    Raises:
        DataError: If the samples are neither images nor points in the plane.
        RunError: If the file cannot be written, or its ending names no format.
    """
    return save_image(to_image(samples, columns=columns, scale=scale, real=real), path, folder)


def to_image(
    samples: Tensor, *, columns: int | None = None, scale: int | None = None, real: Tensor | None = None
) -> Image.Image:
    """Return samples as one image; the arguments are those of `save_grid`.

    >>> to_image(torch.zeros(4, 3, 8, 8), scale=2).size
    (34, 34)
    """
    if samples.dim() == 4:
        return grid(samples, columns=columns, scale=scale)
    return scatter(samples, real=real)


def grid(images: Tensor, *, columns: int | None = None, scale: int | None = None) -> Image.Image:
    """Return images (N, C, H, W) in [−1, 1] side by side, row after row, on white."""
    tiles = to_uint8(images)
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


def to_uint8(images: Tensor) -> np.ndarray:
    """Return images (N, C, H, W) in [−1, 1] as bytes, grey (N, H, W) or colour (N, H, W, 3).

    Raises:
        DataError: If these are no images of 1 to 4 channels.

    >>> to_uint8(torch.tensor([[[[-1.0, 0.0, 1.0, 7.0]]]])).tolist()
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
    """Return a scatter plot of points (N, 2), over real points in grey, which also set the limits.

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
    return render_figure(figure)


def render_figure(figure: Figure) -> Image.Image:
    """Return a matplotlib figure as an image, without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def save_image(image: Image.Image, path: str | Path, folder: Folder | None = None) -> Path:
    """Save an image; the file appears when it is complete.

    Args:
        image: The picture.
        path: The file; its ending chooses the format.
        folder: The folder that the file is in, if that is open. Default: found by the path.

    Raises:
        RunError: If the file cannot be written, or its ending names no format.
    """
    path, kind = expand_user(path), require_image_format(Path(path))
    with open_atomic(path, folder) as file:
        image.save(file, kind)
    return path


def require_image_format(path: Path) -> str:
    """Return the format of an image by the ending of its file.

    Raises:
        RunError: If the ending names no format.
    """
    return format_of(path, STILLS)


def _frame(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of a nearly square frame with a margin, without outliers and points that are not finite."""
    finite = points[np.isfinite(points).all(axis=1)]
    if len(finite) == 0:
        return np.full(2, -1.0), np.full(2, 1.0)
    low, high = np.quantile(finite, 0.005, axis=0), np.quantile(finite, 0.995, axis=0)
    margin = 0.2 * max(float((high - low).max()), 1e-3)
    return low - margin, high + margin


def format_of(path: Path, known: dict[str, str]) -> str:
    kind = known.get(path.suffix.lower())
    if kind is None:
        raise RunError(f"{path} has no ending that names a format: use one of {', '.join(known)}.")
    return kind
