"""Plots of a comparison: scores against images and against seconds, and films of points over training."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from sparring._io.folder import Folder, read
from sparring._types import JsonObject
from sparring.data.sources.images import decode_upright, quiet_pillow
from sparring.runs.config import SAMPLES
from sparring.visualization import video

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["film", "plot_scores", "sample_files"]

SIDE = 320  # pixels of a film
RATE = 4.0  # its frames a second
FAR = 20  # times that a distance may change before its axis is logarithmic
AXES = {"images": ("thousand training images", 1000), "seconds": ("seconds of training", 1)}


def plot_scores(result: JsonObject) -> Figure:
    """Draw every score over training: each seed faint, their mean bold, the reference of real data dashed.

    Args:
        result: What `sparring.experiments.collect` returned.
    """
    from matplotlib.figure import Figure

    names, labels = list(result["scores"]), result["entries"]
    height = 2.9 * len(names) + 0.25 * len(labels)
    figure = Figure(figsize=(10.5, height), dpi=110, layout="constrained")
    panels = figure.subplots(len(names), len(AXES), sharey="row", sharex="col", squeeze=False)
    for row, name in zip(panels, names, strict=True):
        for axes, axis in zip(row, AXES, strict=True):
            _panel(axes, result, name, axis)
        row[0].set_ylabel(f"{name} ({result['scores'][name]} is better)", fontsize=9)
    for axes, (words, _) in zip(panels[-1], AXES.values(), strict=True):
        axes.set_xlabel(words)
    lines, words = panels[0, 0].get_legend_handles_labels()
    figure.legend(lines, words, loc="outside lower center", ncols=max(1, min(4, 120 // max(map(len, words)))))
    return figure


def sample_files(folder: Path) -> list[Path]:
    """Return the pictures of a run, first to last; none where its folder is missing.

    Args:
        folder: The run's.

    Raises:
        RunError: If the folder of the pictures is a link.
    """
    if not folder.exists():
        return []
    home = Folder.open(folder)
    if home.mode(SAMPLES) is None:
        return []
    names = [name for name in home.subfolder(SAMPLES).names() if re.fullmatch(r"\d+\.png", name)]
    return [home.path / SAMPLES / name for name in sorted(names, key=lambda name: int(name[:-4]))]


def film(folder: Path) -> Path | None:
    """Write a run's pictures as ``film.gif`` into its folder, and return the path; None if there are none.

    Args:
        folder: The run's.
    """
    with quiet_pillow():
        shown = [decode_upright(str(path), read(path)).convert("RGB") for path in sample_files(folder)]
    frames = [picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS) for picture in shown]
    if not frames:
        return None
    still = [frames[-1]] * round(2 * RATE)  # holds the last frame
    return video.save_animation([*frames, *still], folder / "film.gif", fps=RATE)


def _panel(axes: Axes, result: JsonObject, score: str, axis: str) -> None:
    seen: list[float] = []
    for index, label in enumerate(result["entries"]):
        colour = f"C{index % 10}"
        style = ("-", "--", ":", "-.")[index // 10 % 4]
        courses = [
            _course(trial, score, axis) for trial in result["trials"] if trial["label"] == label and trial["rows"]
        ]
        for course in courses:
            axes.plot(*course.T, color=colour, linestyle=style, alpha=0.3, linewidth=0.8)
            seen += [*course[:, 1]]
        if bold := _mean(courses):
            axes.plot(*bold, color=colour, linestyle=style, linewidth=2, marker=".", label=label)
    axes.axhline(result["references"]["data"][score], color="0.4", linestyle="--", linewidth=1, label="other real data")
    finite = [value for value in seen if np.isfinite(value)]
    if result["scores"][score] == "lower" and finite and min(finite) > 0 and max(finite) / min(finite) > FAR:
        axes.set_yscale("log")
    axes.grid(alpha=0.2)


def _course(trial: JsonObject, score: str, axis: str) -> np.ndarray:
    """Return positions and scores, one row per evaluation."""
    scale = AXES[axis][1]
    return np.array([(row[axis] / scale, row["scores"][score]) for row in trial["rows"]], dtype=float)


def _mean(courses: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the mean over seeds at each evaluation; diverged trials are used as far as they came."""
    full = max((len(course) for course in courses), default=0)
    whole = [course for course in courses if len(course) == full]
    if not full:
        return None
    mean = np.mean(whole, axis=0)
    return mean[:, 0], mean[:, 1]
