"""Figures of the benchmark `photos`: distances over CPU minutes, and samples side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

COLUMNS = 16
BORDER = 14  # pixels above a row, for its name
ORDER = ("projected", "fastgan", "rsgan", "stylegan2-ada", "dcgan", "r3gan", "pytorch-gan")


def save_figures(record: Path, state: Path) -> list[Path]:
    """Write ``photos-DATA.png`` for each data set of a record, and ``photos-DATA-samples.jpg`` where there are samples.

    Args:
        record: The record; the figures lie beside it.
        state: Folder of the trainings.
    """
    made = []
    for name, arena in json.loads(record.read_text())["arenas"].items():
        made.append(record.with_name(f"photos-{name}.png"))
        curves(arena, name).savefig(made[-1], dpi=110)
        if rows := list(samples(arena, state / name)):
            made.append(record.with_name(f"photos-{name}-samples.jpg"))
            side_by_side(rows).save(made[-1], quality=90)
    return made


def curves(arena: dict[str, Any], title: str) -> Figure:
    """Return a figure with a panel for each judge: the distance of every training over CPU minutes.

    Args:
        arena: The part of a record about one data set.
        title: Its name.
    """
    figure = Figure((11, 4.5), layout="constrained")
    for axes, judge in zip(figure.subplots(1, len(arena["judges"])), arena["judges"], strict=True):
        seen = set()
        for row in sorted(arena["trainings"].values(), key=lambda row: ORDER.index(row["contestant"])):
            who, curve = row["contestant"], row["curve"]
            x, y = ([point["seconds"] / 60 for point in curve], [point[judge]["distance"] for point in curve])
            style = {"color": f"C{ORDER.index(who)}", "label": "_" if who in seen else who, "lw": 1.5}
            axes.plot(x, y, "o-", ms=3, **style)
            seen.add(who)
        for kind, line in (("data", ":"), ("noise", "--")):
            axes.axhline(arena["references"][kind][judge]["distance"], color="gray", ls=line, lw=1, label=kind)
        axes.set(xscale="log", yscale="log", xlabel="CPU minutes", title=f"{title}, judged by {judge}")
        axes.set_ylabel("Fréchet distance")
        axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8)
    return figure


def samples(arena: dict[str, Any], state: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the last samples of each contestant, of its first seed, (N, C, H, W)."""
    for who in ORDER:
        file = state / f"{who}-0" / "samples.pt"
        if file.exists() and f"{who}-0" in arena["trainings"]:
            yield who, torch.load(file, weights_only=True).numpy()


def side_by_side(rows: list[tuple[str, np.ndarray]]) -> Image.Image:
    """Return samples of each contestant in two rows below its name.

    Args:
        rows: Names and samples, uint8 (N, C, H, W).
    """
    side = rows[0][1].shape[-1]
    height = BORDER + 2 * side
    sheet = Image.new("RGB", (COLUMNS * side, height * len(rows)), "white")
    draw = ImageDraw.Draw(sheet)
    for place, (name, images) in enumerate(rows):
        draw.text((2, place * height + 1), name, fill="black")
        for index, image in enumerate(images[: 2 * COLUMNS]):
            pixels = np.repeat(image, 3 // len(image), axis=0).transpose(1, 2, 0)
            down, across = divmod(index, COLUMNS)
            sheet.paste(Image.fromarray(pixels), (across * side, place * height + BORDER + down * side))
    return sheet
