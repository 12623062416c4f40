"""A text encoder that maps captions to vectors computed by a larger model, by a table.

Vectors are centred and scaled as the captions of the data are,

    φ = (e − mean e) / rms (e − mean e),        e: the embedding

since a general language model maps the captions of one data set close together. An embedding of another dimension is
projected by a fixed matrix of random signs, which nearly preserves angles (Achlioptas, 2003).

The table consists of buffers, so that a checkpoint contains it: the file or model is needed again only for new
captions.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sparring.data.annotations.captions import tokenize
from sparring.errors import DataError
from sparring.networks.common.text import hash32

__all__ = ["CaptionLookup", "caption_keys"]

TABLE = ("keys", "vectors", "centre", "scale")


def caption_keys(token_ids: Tensor) -> Tensor:
    """Return a hash of each caption, of all its words in order; among a million, two collide with probability 10⁻⁷.

    Args:
        token_ids: int64 (N, L), zero after the last word.

    Returns:
        int64 (N,), below 2⁶³.

    Example:
        >>> one, other, same = caption_keys(torch.tensor([[7, 8, 0], [8, 7, 0], [7, 8, 0]]))
        >>> bool(one == same), bool(one == other)
        (True, False)
    """
    mask, places = token_ids > 0, torch.arange(1, token_ids.shape[1] + 1, device=token_ids.device)
    lanes = [(hash32(hash32(token_ids) + hash32(places * odd)) * mask).sum(1) for odd in (3, 5)]
    return (lanes[0] & (2**31 - 1)) << 32 | (lanes[1] & (2**32 - 1))


class CaptionLookup(nn.Module):
    """Encodes captions that have been registered.

    Args:
        embed: Returns vectors (N, F) of N captions; raises a `DataError` if it has none.
        features: Dimension of a caption's vector.

    Example:
        >>> read = CaptionLookup(lambda texts: torch.tensor([[float(len(text)), 1.0] for text in texts]), 2)
        >>> read.register(["a dog", "a red heart"])
        >>> read(tokenize(["a dog", "A red heart!"]))
        tensor([[-1.4142,  0.0000],
                [ 1.4142,  0.0000]])
    """

    keys: Tensor
    vectors: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, embed: Callable[[Sequence[str]], Tensor], features: int = 128) -> None:
        super().__init__()
        self.embed, self.features = embed, features
        self.register_buffer("keys", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("vectors", torch.zeros(0, features))
        self.register_buffer("centre", torch.zeros(0))
        self.register_buffer("scale", torch.ones(()))

    def register(self, texts: Sequence[str]) -> None:
        """Add captions to the table; the first call determines the mean and the scale.

        Args:
            texts: The captions.

        Raises:
            DataError: If one of them cannot be embedded.
        """
        numbers = caption_keys(tokenize(texts).to(self.keys.device)).tolist()
        new = {number: text for number, text in zip(numbers, texts, strict=True) if not self._found(number)}
        if not new:
            return
        vectors = self.embed([*new.values()]).to(self.vectors)
        if not len(self.centre):
            self.centre = vectors.mean(0)
            self.scale = (vectors - self.centre).square().mean().sqrt().clamp_min(1e-6)
        every = torch.cat([self.keys, torch.tensor([*new], device=self.keys.device)])
        order = every.argsort()
        self.keys, self.vectors = every[order], torch.cat([self.vectors, self._placed(vectors)])[order]

    def forward(self, token_ids: Tensor) -> Tensor:
        """Return the vectors of captions.

        Args:
            token_ids: int64 (N, L), zero after the last word.

        Returns:
            (N, features), each coordinate of order 1.

        Raises:
            DataError: If a caption is not in the table.
        """
        wanted = caption_keys(token_ids)
        rows = torch.searchsorted(self.keys, wanted).clamp_max(max(len(self.keys) - 1, 0))
        if not len(self.keys) or not bool((self.keys[rows] == wanted).all()):
            raise DataError(
                f"{len(self.keys)} captions are embedded, and a requested one is not: request one of those, or "
                "train with --text hashed, which encodes any sentence."
            )
        return self.vectors[rows]

    def _found(self, number: int) -> bool:
        row = int(torch.searchsorted(self.keys, number))
        return row < len(self.keys) and int(self.keys[row]) == number

    def _placed(self, vectors: Tensor) -> Tensor:
        """Centre and scale embeddings (N, F), and project them to (N, features)."""
        given = (vectors - self.centre) / self.scale
        width = given.shape[1]
        if width == self.features:
            return given
        numbers = hash32(torch.arange(1, width + 1)[:, None] ^ hash32(torch.arange(1, self.features + 1)))
        return given @ (1 - 2 * (numbers >> 15 & 1)).to(given) / width**0.5

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *settings: Any) -> None:
        """Load a table of any length."""
        for name in TABLE:
            if (given := state_dict.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(given, device=self.keys.device))
        super()._load_from_state_dict(state_dict, prefix, *settings)
