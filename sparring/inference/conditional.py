"""Samples of a class, of a caption or with a latent code at a value; the rest of the latent stays the same.

Conditional games have classes, InfoGAN has codes (`sparring.abilities.SupportsLatentCodes`), and games of captioned
images have captions (`sparring.abilities.SupportsText`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from sparring.abilities import (
    SupportsCaptionLookup,
    require_latent_code,
    require_latent_codes,
    require_sampling,
    require_text,
)
from sparring.data.annotations.captions import split_words, tokenize
from sparring.errors import DataError
from sparring.game import Game
from sparring.inference.sampling import generate, interpolate, latents_from_seeds, require_interpolation

__all__ = [
    "class_index",
    "code_names",
    "interpolate_classes",
    "interpolate_texts",
    "sample_class",
    "sample_text",
    "traverse",
    "unknown_words",
]


def class_index(text: str, names: Sequence[str]) -> int:
    """Return the index of a class, given by its name or, if that is not a name, by its index.

    Args:
        text: Name or index of the class, such as ``"dog"`` or ``"0"``.
        names: Names of all classes.

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
        choices = f"choose from {', '.join(names[:20])}" if names else "the data has no classes"
        raise DataError(f"There is no class {text!r}: {choices}.")
    return known[text.strip()]


def code_names(game: Game) -> list[str]:
    """Return the names of a game's latent codes.

    Args:
        game: A game with latent codes.

    Raises:
        GameError: If it has none.
    """
    return list(require_latent_codes(game).latent_codes())


def sample_class(game: Game, seeds: Sequence[int], label: int, *, truncation: float = 1.0) -> Tensor:
    """Return the sample of each seed, of a given class.

    Args:
        game: A conditional game.
        seeds: One number a sample.
        label: Index of the class.
        truncation: As for `sparring.inference.sampling.sample_seeds`.

    Returns:
        Samples (len(seeds), *shape).

    Raises:
        GameError: If the game has no classes, or not this one.
    """
    rows = require_latent_code(game, "class").with_code(latents_from_seeds(game, seeds), "class", label)
    return generate(require_sampling(game), rows, truncation=truncation)


def traverse(
    game: Game, code: str, seeds: Sequence[int], *, values: Sequence[float] = (), truncation: float = 1.0
) -> Tensor:
    """Return the samples of each seed with a latent code at several values.

    Args:
        game: A game with codes.
        code: Name of the code, "class" for classes.
        seeds: One number a row.
        values: Values of the code. Default: those that the game suggests.
        truncation: As for `sparring.inference.sampling.sample_seeds`.

    Returns:
        Samples (len(seeds), values, *shape); only the code changes along the second axis.

    Raises:
        GameError: If the game has no such code or value.
    """
    able, rows = require_latent_code(game, code), latents_from_seeds(game, seeds)
    columns = [able.with_code(rows, code, value) for value in values or able.latent_codes()[code]]
    drawn = generate(require_sampling(game), torch.stack(columns, 1).flatten(0, 1), truncation=truncation)
    grid: Tensor = drawn.unflatten(0, (len(rows), len(columns)))
    return grid


def interpolate_classes(
    game: Game, seed: int, labels: Sequence[int], frames: int = 60, *, loop: bool = True, truncation: float = 1.0
) -> Tensor:
    """Return samples of one z interpolated from class to class, by the weights of two classes at a time.

    Args:
        game: A conditional game.
        seed: Seed of z.
        labels: Indices of the classes, at least 2.
        frames: Number of samples.
        loop: Whether to return to the first class, which is then not repeated at the end.
        truncation: As for `sparring.inference.sampling.sample_seeds`.

    Returns:
        Samples (frames, *shape).

    Raises:
        DataError: If there are fewer than two classes, or no frame.
        GameError: If the game has no classes.
    """
    able, row = require_latent_code(game, "class"), latents_from_seeds(game, [seed])
    require_interpolation(len(labels), frames, "labels 3,8")
    stops = torch.cat([able.with_code(row, "class", label) for label in labels])
    return generate(
        require_sampling(game), interpolate(stops, frames, loop=loop, between=torch.lerp), truncation=truncation
    )


def unknown_words(vocabulary: Collection[str], *texts: str) -> list[str]:
    """Return the words of captions that are not in a vocabulary.

    Args:
        vocabulary: The words of the training captions.
        texts: The captions.
    """
    return [
        word for word in dict.fromkeys(word for text in texts for word in split_words(text)) if word not in vocabulary
    ]


def sample_text(game: Game, seeds: Sequence[int], text: str, *, truncation: float = 1.0) -> Tensor:
    """Return the sample of each seed, of a given caption.

    Args:
        game: A game of captioned images.
        seeds: One number a sample.
        text: The caption.
        truncation: As for `sparring.inference.sampling.sample_seeds`.

    Returns:
        Samples (len(seeds), *shape).

    Raises:
        DataError: If the caption has no words.
        GameError: If the game has no captions.
    """
    latents = _latents_of_text(game, latents_from_seeds(game, seeds), text)
    return generate(require_sampling(game), latents, truncation=truncation)


def interpolate_texts(
    game: Game, seed: int, texts: Sequence[str], frames: int = 60, *, loop: bool = True, truncation: float = 1.0
) -> Tensor:
    """Return samples of one seed interpolated from caption to caption.

    Args:
        game: A game of captioned images.
        seed: Seed of the rest of the latent.
        texts: The captions, at least 2.
        frames: Number of samples.
        loop: Whether to return to the first caption, which is then not repeated at the end.
        truncation: As for `sparring.inference.sampling.sample_seeds`.

    Returns:
        Samples (frames, *shape).

    Raises:
        DataError: If there are fewer than two captions, one has no words, or there is no frame.
        GameError: If the game has no captions.
    """
    require_text(game)
    require_interpolation(len(texts), frames, 'texts "a" "b"')
    row = latents_from_seeds(game, [seed])
    stops = torch.cat([_latents_of_text(game, row, text) for text in texts])
    return generate(
        require_sampling(game), interpolate(stops, frames, loop=loop, between=torch.lerp), truncation=truncation
    )


def _latents_of_text(game: Game, rows: Tensor, text: str) -> Tensor:
    able = require_text(game)
    if not split_words(text):
        raise DataError(f"The caption {text!r} has no words: describe an image, such as 'a red heart'.")
    if isinstance(game.unwrapped, SupportsCaptionLookup):
        game.unwrapped.register_captions([text])
    return able.with_text(rows, tokenize([text]))
