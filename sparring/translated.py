"""Image files of any size, translated one at a time; each keeps its name and its place among folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparring import record
from sparring.data.files import SUFFIXES, Files, Folder, open_files
from sparring.data.pictures import decoded, quiet
from sparring.data.stream import scaled
from sparring.errors import DataError, GameError
from sparring.game import Attends
from sparring.pictures import STILLS, opened, picture
from sparring.state import load
from sparring.tiles import TILE
from sparring.translating import ABLE, OTHER, beside, heatmap, translate

__all__ = ["translate_files"]

KEPT = (".png", ".jpg", ".jpeg", ".webp")


def translate_files(
    run: str | Path,
    sources: Sequence[str | Path],
    to: str,
    out: str | Path,
    *,
    strips: bool = False,
    cycle: bool = False,
    heat: bool = False,
    tile: int = TILE,
    overlap: int | None = None,
    checkpoint: str = "newest",
    device: str = "auto",
) -> Iterator[Path]:
    """Translates image files of any size, one at a time, with their names and folders.

    Args:
        run: The run's folder.
        sources: Files, folders or zips of images of the other domain.
        to: The domain, A or B.
        out: Folder of the translations.
        strips: Draw each image beside its translation, too, into the folder strips below `out`.
        cycle: Draw besides what comes back when the translation is translated back, likewise.
        heat: Draw where the critic of the images' own domain looks, into the folder heat below `out`.
        tile: As for `translate`.
        overlap: As for `translate`.
        checkpoint: newest, best, or the step of one that is kept.
        device: cpu, cuda, cuda:N, mps or auto.

    Yields:
        The file of each translation, once it is written.

    Raises:
        SparringError: If the run does not translate, or files cannot be read or written.
    """
    channels, target = _channels(Path(run), to), Path(out)
    game = load(run, device=device, checkpoint=checkpoint)
    how: Any = {"tile": tile, "overlap": overlap}
    if heat and not isinstance(game, Attends):
        raise GameError(f"{type(game.core).__name__} has no attention to show: leave --heat out, or train nicegan.")
    for files, name in _pictures(sources, target):
        with quiet():
            content = decoded(f"{files.title}: {name}", files.read(name), None, channels)
        x = scaled(torch.from_numpy(content).permute(2, 0, 1)[None])
        row = [x, translate(game, x, to, **how)]
        if cycle:
            row.append(translate(game, row[1], OTHER[to], **how))
        if cycle or strips:
            _save(row, target / "strips" / Path(name).with_suffix(".png"))
        if heat:
            _save([x, heatmap(game, x, OTHER[to])], target / "heat" / Path(name).with_suffix(".png"))
        yield _save(row[1:2], target / _kept(name))


def _pictures(sources: Sequence[str | Path], out: Path) -> Iterator[tuple[Files, str]]:
    """Every image file of some sources, in order.

    Raises:
        DataError: A source holds none, or the translations would take the places of the originals.
    """
    for source in sources:
        files = open_files(Path(source).expanduser().absolute())
        if files is None:
            raise DataError(f"{source} is no image, folder or zip: give what is to be translated.")
        if isinstance(files, Folder) and files.path.resolve() == out.resolve():
            raise DataError(f"The translations would take the places of the images in {source}: give another --out.")
        with closing(files):
            yield from ((files, name) for name in _names(files))


def _names(files: Files) -> list[str]:
    names = [name for name in files.entries if name.lower().endswith(SUFFIXES)]
    if not names:
        raise DataError(f"{files.title} holds no images: give files that end in {', '.join(SUFFIXES)}.")
    return names


def _kept(name: str) -> str:
    """A file's name, with an ending that can be written."""
    return name if name.lower().endswith(KEPT) else str(Path(name).with_suffix(".png"))


def _save(images: Sequence[Tensor], path: Path) -> Path:
    """Saves images (1, C, H, W) side by side, and returns the path."""
    with opened(path) as file:
        picture(beside(images)[0], columns=len(images), scale=1).save(file, STILLS[path.suffix.lower()], quality=95)
    return path


def _channels(run: Path, to: str) -> int:
    """How many channels the images have that are translated to a domain.

    Raises:
        DataError: If there is no such domain, or the run has not learned from two domains of images.
    """
    facts = record.read(run)["data"]["facts"]
    if to not in OTHER:
        raise DataError(f"There is no domain {to!r}: give --to A or --to B.")
    if "other" not in facts or facts.get("regions"):
        raise DataError(
            f"{run} has not learned from two domains of images: train {', '.join(ABLE[:-1])} or {ABLE[-1]}."
        )
    return int(facts["shape" if to == "B" else "other"][0])
