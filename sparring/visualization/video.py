"""Films of samples: GIF, WebP, animated PNG, and MP4 by ffmpeg."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from sparring._io.folder import Folder, open_atomic
from sparring._io.paths import expand_user
from sparring.errors import DataError, RunError
from sparring.visualization.images import SIDE, format_of, grid, scatter

__all__ = ["frames", "require_video_format", "save_animation"]

SLOWEST, FASTEST = 0.02, 1000  # frames a second of a film: the range of GIF
FILMS = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG"}


def require_video_format(path: Path) -> str:
    """Return the format of a film by the ending of its file.

    Raises:
        RunError: If the ending names no format, or ffmpeg is needed and missing.
    """
    kind = format_of(path, FILMS | {".mp4": "MP4"})
    if kind == "MP4" and shutil.which("ffmpeg") is None:
        raise RunError(f"{path} needs ffmpeg, which is not installed: end the name in .gif or .webp instead.")
    return kind


def save_animation(
    frames: Iterable[Image.Image], path: str | Path, *, fps: float = 20.0, folder: Folder | None = None
) -> Path:
    """Save a looping film as GIF, WebP or animated PNG, or as MP4 if ffmpeg is installed.

    Args:
        frames: Images of one size.
        path: The file; its ending chooses the format.
        fps: Frames per second.
        folder: The folder that the file is in, if that is open; not for MP4. Default: found by the path.

    Returns:
        The path.

    Raises:
        DataError: If the formats do not allow the frames per second.
        RunError: If the file cannot be written, its ending names no format, or ffmpeg is needed and missing.
    """
    path, pictures = expand_user(path), list(frames)
    if not pictures:
        raise RunError(f"{path} would have no frame: give at least one.")
    kind = require_video_format(path)
    if not SLOWEST <= fps <= FASTEST:
        raise DataError(f"A film cannot show {fps:g} frames a second: give a number from {SLOWEST} to {FASTEST}.")
    if kind == "MP4":
        return _save_mp4(pictures, path, fps)
    first, *rest = pictures
    # Lossless WebP: lossy compression blurs enlarged pixels.
    settings = {"lossless": True} if kind == "WEBP" else {}
    with open_atomic(path, folder) as file:
        first.save(file, kind, save_all=True, append_images=rest, duration=round(1000 / fps), loop=0, **settings)
    return path


def frames(way: Tensor, *, real: Tensor | None = None) -> list[Image.Image]:
    """Return the frames of an interpolation: one image each, or for points the path so far.

    Args:
        way: Images (T, C, H, W) or points (T, 2), one for each frame.
        real: Points (M, 2) of the data to show behind.
    """
    if way.dim() == 4:
        return [grid(image[None], scale=max(1, SIDE // 2 // image.shape[-1])) for image in way]
    return [scatter(way[: end + 1], real=way if real is None else real) for end in range(len(way))]


def _save_mp4(frames: Sequence[Image.Image], path: Path, fps: float) -> Path:
    """Pipe raw frames to ffmpeg. H.264 needs even sides, so odd ones are padded."""
    width, height = frames[0].size
    form = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "-"]
    pad = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white", "-pix_fmt", "yuv420p"]
    raw = b"".join(frame.convert("RGB").tobytes() for frame in frames)
    with open_atomic(path) as file:
        command = ["ffmpeg", "-y", "-loglevel", "error", *form, *pad, "-f", "mp4", file.name]
        done = subprocess.run(command, input=raw, capture_output=True)
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip()
            raise RunError(f"{path} could not be written: ffmpeg failed with {words!r}.")
    return path
