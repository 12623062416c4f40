"""Codes of images as a table in a file: a row an image, by its name, a column a coordinate, by its own.

A game that tells what it believes of its codes (InfoGAN) is asked for that: columns such as category0=3, continuous0.
Any other that encodes gives the row which `sample` starts from: columns z0, z1, ...
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sparring._io.folder import open_atomic
from sparring._io.paths import expand_user
from sparring.abilities import SupportsPosteriors
from sparring.errors import DataError
from sparring.game import Game, evaluation_mode
from sparring.inference.encoding import BATCH, encode, named_images

__all__ = ["LatentTable", "encode_files", "require_suffix", "saved"]


@dataclass(frozen=True, eq=False)
class LatentTable:
    """The codes of images.

    Attributes:
        names: Of the images, N.
        columns: What each coordinate is called, d.
        codes: float32 (N, d).
    """

    names: tuple[str, ...]
    columns: tuple[str, ...]
    codes: np.ndarray


def encode_files(game: Game, run: str | Path, sources: Iterable[str | Path], most: int | None = None) -> LatentTable:
    """Encodes images.

    Args:
        game: A game that encodes.
        run: The folder of its run, whose images have the shape that these are brought to.
        sources: Names, files, folders or zips of images, see `sparring.data.load`.
        most: How many are encoded of all of them, the first ones.

    Raises:
        GameError: If the game does not encode.
        DataError: If there is no image.
    """
    names, x = named_images(run, sources, most)
    if not isinstance(game.unwrapped, SupportsPosteriors):
        codes = encode(game, x)
        return LatentTable(
            names, tuple(f"z{k}" for k in range(codes.flatten(1).shape[1])), codes.flatten(1).cpu().numpy()
        )
    with evaluation_mode(game):
        rows = [game.unwrapped.posteriors(part.to(game.device)) for part in x.split(BATCH)]
    parts = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    columns = [name for code, part in parts.items() for name in _columns(code, part.shape[1])]
    return LatentTable(names, tuple(columns), torch.cat([*parts.values()], 1).cpu().numpy())


def saved(book: LatentTable, path: str | Path) -> Path:
    """Writes codes: an ``.npz`` of ``names``, ``columns`` and ``codes``, or a ``.csv``, the name in its first column.

    Args:
        book: What to write.
        path: The file.

    Returns:
        The path.

    Raises:
        DataError: If its ending is neither.
        RunError: If it cannot be written.
    """
    path = expand_user(path)
    require_suffix(path)
    with open_atomic(path) as file:
        if path.suffix.lower() == ".npz":
            np.savez(file, names=np.array(book.names), columns=np.array(book.columns), codes=book.codes)
        else:
            text = io.StringIO(newline="")
            rows = csv.writer(text)
            rows.writerow(["name", *book.columns])
            rows.writerows([name, *code] for name, code in zip(book.names, book.codes.tolist(), strict=True))
            file.write(text.getvalue().encode(errors="backslashreplace"))
    return path


def require_suffix(path: Path) -> None:
    """Refuses a file whose ending is neither .npz nor .csv.

    Args:
        path: The file.

    Raises:
        DataError: If it is.
    """
    if path.suffix.lower() not in (".npz", ".csv"):
        raise DataError(f"{path} has no ending that codes are written with: use .npz or .csv.")


def _columns(code: str, count: int) -> list[str]:
    return [code] if count == 1 else [f"{code}={value}" for value in range(count)]
