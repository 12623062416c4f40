"""Tables of encoded images: one row per image, one column per coordinate, both named.

Of games with posteriors of their codes (InfoGAN) the table holds these, in columns such as category0=3 and continuous0.
Of other games that encode it holds latents, in columns z0, z1, ...
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sparring._io.folder import open_atomic
from sparring._io.paths import expand_user
from sparring.abilities import SupportsPosteriors
from sparring.data import load_named_images
from sparring.errors import DataError
from sparring.game import Game, evaluation_mode
from sparring.inference.encoding import BATCH, encode

__all__ = ["LatentTable", "encode_files", "require_suffix"]


@dataclass(frozen=True, eq=False)
class LatentTable:
    """Encoded images.

    Attributes:
        names: Names of the images, N.
        columns: Names of the coordinates, d.
        codes: Latents or posteriors, float32 (N, d).
    """

    names: tuple[str, ...]
    columns: tuple[str, ...]
    codes: np.ndarray

    def save(self, path: str | Path) -> Path:
        """Write an ``.npz`` of ``names``, ``columns`` and ``codes``, or a ``.csv`` with the names in the first column.

        Args:
            path: The file.

        Returns:
            The path.

        Raises:
            DataError: If its suffix is neither.
            RunError: If it cannot be written.
        """
        path = expand_user(path)
        require_suffix(path)
        with open_atomic(path) as file:
            if path.suffix.lower() == ".npz":
                np.savez(file, names=np.array(self.names), columns=np.array(self.columns), codes=self.codes)
            else:
                text = io.StringIO(newline="")
                rows = csv.writer(text)
                rows.writerow(["name", *self.columns])
                rows.writerows([name, *code] for name, code in zip(self.names, self.codes.tolist(), strict=True))
                file.write(text.getvalue().encode(errors="backslashreplace"))
        return path


def encode_files(
    game: Game, sources: Iterable[str | Path], *, shape: Sequence[int], max_images: int | None = None
) -> LatentTable:
    """Encode images.

    Args:
        game: A game that encodes.
        sources: Names, files, folders or zips of images, see `sparring.data.load`.
        shape: Shape of an image that the game takes, (C, H, W).
        max_images: Number of images to encode, the first ones. Default: all.

    Raises:
        GameError: If the game does not encode.
        DataError: If there is no image.
    """
    names, x = load_named_images(sources, shape=shape, max_images=max_images)
    if not isinstance(game.unwrapped, SupportsPosteriors):
        codes = encode(game, x).flatten(1).cpu().numpy()
        return LatentTable(names, tuple(f"z{k}" for k in range(codes.shape[1])), codes)
    with evaluation_mode(game):
        rows = [game.unwrapped.posteriors(part.to(game.device)) for part in x.split(BATCH)]
    parts = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    columns = [name for code, part in parts.items() for name in _columns(code, part.shape[1])]
    return LatentTable(names, tuple(columns), torch.cat([*parts.values()], 1).cpu().numpy())


def require_suffix(path: Path) -> None:
    """Raise an error for a file whose suffix is neither .npz nor .csv.

    Args:
        path: The file.

    Raises:
        DataError: If it is neither.
    """
    if path.suffix.lower() not in (".npz", ".csv"):
        raise DataError(f"{path} has no suffix of a table: use .npz or .csv.")


def _columns(code: str, count: int) -> list[str]:
    return [code] if count == 1 else [f"{code}={value}" for value in range(count)]
