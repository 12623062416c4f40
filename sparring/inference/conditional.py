"""Samples of a class, or with a code at a value: everything else in their noise is kept, so that only that changes.

Any game with the ability `SupportsLatentCodes` works: conditional games by their class, InfoGAN by its codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from sparring.abilities import require_latent_code, require_latent_codes, require_sampling
from sparring.errors import DataError
from sparring.game import Game
from sparring.inference.sampling import generate, interpolate, latents_from_seeds, require_interpolation
from sparring.runs import config

__all__ = ["class_index", "class_names", "code_names", "interpolate_classes", "sample_class", "traverse"]


def class_names(folder: str | Path) -> list[str]:
    """Returns the names of the classes that a run learned from; their numbers, where they have no other.

    Args:
        folder: The run's.

    Raises:
        RunError: If it is no run.
    """
    data = config.read(Path(folder))["data"]
    return data.get("names") or [str(number) for number in range(data["facts"].get("classes", 0))]


def class_index(text: str, names: Sequence[str]) -> int:
    """Finds a class by its name, or by its number where that is no name.

    Args:
        text: Such as ``"dog"`` or ``"0"``.
        names: Of all classes.

    Raises:
        DataError: If there is no such class.

    >>> class_index("dog", ["cat", "dog"]), class_index("0", ["cat", "dog"])
    (1, 0)
    >>> class_index("5", ["2", "5", "7"])
    1
    """
    numbers = not all(name.isdecimal() for name in names)  # where names are numbers, a number is a name
    known = {str(number): number for number in range(len(names))} if numbers else {}
    known |= {name: number for number, name in enumerate(names)}
    if text.strip() not in known:
        raise DataError(f"There is no class {text!r}: this run knows {', '.join(names[:20]) or 'no classes'}.")
    return known[text.strip()]


def code_names(game: Game) -> list[str]:
    """Returns the names of a game's codes.

    Args:
        game: Any game.

    Raises:
        GameError: If it has none.
    """
    return list(require_latent_codes(game).latent_codes())


def sample_class(game: Game, seeds: Sequence[int], label: int, *, truncation: float = 1.0) -> Tensor:
    """Returns the sample of each seed, drawn as a class.

    Args:
        game: A conditional game.
        seeds: One number a sample.
        label: The class.
        truncation: As for `sparring.inference.sampling.sample_seeds`.

    Returns:
        Samples (len(seeds), *shape).

    Raises:
        GameError: If it draws no classes, or not this one.
    """
    rows = require_latent_code(game, "class").with_code(latents_from_seeds(game, seeds), "class", label)
    return generate(require_sampling(game), rows, truncation=truncation)


def traverse(
    game: Game, code: str, seeds: Sequence[int], *, values: Sequence[float] = (), truncation: float = 1.0
) -> Tensor:
    """Returns for each seed its samples with a code at one value after the other.

    Args:
        game: A game with codes.
        code: The code's name; a conditional game's is "class".
        seeds: One number a row.
        values: What the code is set to; all that are worth seeing unless told.
        truncation: As for `sparring.inference.sampling.sample_seeds`.

    Returns:
        Samples (len(seeds), values, *shape); along the second axis nothing but the code changes.

    Raises:
        GameError: If the game has no such code or value.
    """
    able, rows = require_latent_code(game, code), latents_from_seeds(game, seeds)
    columns = [able.with_code(rows, code, value) for value in values or able.latent_codes()[code]]
    drawn = generate(require_sampling(game), torch.stack(columns, 1).flatten(0, 1), truncation=truncation)
    return drawn.unflatten(0, (len(rows), len(columns)))


def interpolate_classes(
    game: Game, seed: int, labels: Sequence[int], frames: int = 60, *, loop: bool = True, truncation: float = 1.0
) -> Tensor:
    """Returns the samples of one z on a path from class to class: the weights of two classes cross-fade.

    Args:
        game: A conditional game.
        seed: Decides z.
        labels: The classes that are visited, at least 2.
        frames: Samples on the whole path.
        loop: Whether the path returns to its first class, which is then not repeated at the end.
        truncation: As for `sparring.inference.sampling.sample_seeds`.

    Returns:
        Samples (frames, *shape).

    Raises:
        DataError: If there are fewer than two classes, or no frame.
        GameError: If the game draws no classes.
    """
    able, row = require_latent_code(game, "class"), latents_from_seeds(game, [seed])
    require_interpolation(len(labels), frames, "labels 3,8")
    stops = torch.cat([able.with_code(row, "class", label) for label in labels])
    return generate(
        require_sampling(game), interpolate(stops, frames, loop=loop, between=torch.lerp), truncation=truncation
    )
