"""Samples of what a sentence says: everything else in their noise is kept, so that only the sentence changes.

Whatever game has the ability `SupportsText` can be asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from sparring.abilities import SupportsCaptionLookup, require_sampling, require_text
from sparring.data.annotations.captions import split_words, tokenize
from sparring.errors import DataError
from sparring.game import Game
from sparring.inference.sampling import generate, interpolate, latents_from_seeds, require_interpolation
from sparring.runs import config

__all__ = ["interpolate_texts", "sample_text", "unknown_words"]


def unknown_words(folder: str | Path, *texts: str) -> list[str]:
    """Returns the words of sentences that a run has never read.

    Args:
        folder: The run's.
        texts: The sentences.

    Raises:
        RunError: If it is no run.
    """
    known = set(config.read(Path(folder))["data"].get("words", ()))
    return [word for word in dict.fromkeys(word for text in texts for word in split_words(text)) if word not in known]


def sample_text(game: Game, seeds: Sequence[int], text: str, *, truncation: float = 1.0) -> Tensor:
    """Returns the sample of each seed, drawn as a sentence says.

    Args:
        game: A game of sentences.
        seeds: One number a sample.
        text: The sentence.
        truncation: As for `sparring.inference.sampling.sample_seeds`.

    Returns:
        Samples (len(seeds), *shape).

    Raises:
        DataError: If the sentence has no words.
        GameError: If the game draws no sentences.
    """
    return generate(require_sampling(game), _asking(game, latents_from_seeds(game, seeds), text), truncation=truncation)


def interpolate_texts(
    game: Game, seed: int, texts: Sequence[str], frames: int = 60, *, loop: bool = True, truncation: float = 1.0
) -> Tensor:
    """Returns the samples of one seed on a path from sentence to sentence: what the words say cross-fades.

    Args:
        game: A game of sentences.
        seed: Decides all but the sentence.
        texts: The sentences that are visited, at least 2.
        frames: Samples on the whole path.
        loop: Whether the path returns to its first sentence, which is then not repeated at the end.
        truncation: As for `sparring.inference.sampling.sample_seeds`.

    Returns:
        Samples (frames, *shape).

    Raises:
        DataError: If there are fewer than two sentences, one without words, or no frame.
        GameError: If the game draws no sentences.
    """
    require_text(game)
    require_interpolation(len(texts), frames, 'texts "a" "b"')
    row = latents_from_seeds(game, [seed])
    stops = torch.cat([_asking(game, row, text) for text in texts])
    return generate(
        require_sampling(game), interpolate(stops, frames, loop=loop, between=torch.lerp), truncation=truncation
    )


def _asking(game: Game, rows: Tensor, text: str) -> Tensor:
    able = require_text(game)
    if not split_words(text):
        raise DataError(f"The sentence {text!r} has no words: write what is to be seen, such as 'a red heart'.")
    if isinstance(game.unwrapped, SupportsCaptionLookup):
        game.unwrapped.register_captions([text])
    return able.with_text(rows, tokenize([text]))
