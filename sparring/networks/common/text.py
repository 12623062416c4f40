"""Text encoders: token ids (N, L) of `sparring.data.annotations.captions` to vectors (N, features).

`HashedTextEncoder` has no parameters: each word, and each pair of neighbours at half weight, has a fixed vector of
random signs, a function of its token id (feature hashing, Weinberger et al., 2009); a caption is their sum over the
root of its number of words. It gives the same result in every process and on every device, and encodes any new word.

`GRUTextEncoder` is trained: word embeddings and the last state of a gated recurrent network (Cho et al., 2014).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

__all__ = ["GRUTextEncoder", "HashedTextEncoder", "hash32"]

MASK = 2**32 - 1


def hash32(numbers: Tensor) -> Tensor:
    """Hash each number below 2³³ to one below 2³², every bit of which depends on all of its lower 32 bits.

    Args:
        numbers: int64, of any shape.

    Example:
        >>> hash32(torch.tensor([0, 1, 2]))
        tensor([         0,  824515495, 1722258072])
    """
    for _ in range(2):  # products stay below 2⁵⁹
        numbers = numbers & MASK
        numbers = (numbers ^ (numbers >> 16)) * 0x45D9F3B
    numbers = numbers & MASK
    return numbers ^ (numbers >> 16)


class HashedTextEncoder(nn.Module):
    """A bag of words and word pairs, each a fixed vector of random signs.

    Args:
        features: Dimension of a caption's vector.

    Example:
        >>> from sparring.data.annotations.captions import tokenize
        >>> HashedTextEncoder(64)(tokenize(["a red heart", "two dogs"])).shape
        torch.Size([2, 64])
    """

    def __init__(self, features: int = 64) -> None:
        super().__init__()
        self.features = features

    def forward(self, token_ids: Tensor) -> Tensor:
        """Encode captions.

        Args:
            token_ids: int64 (N, L), zero after the last word.

        Returns:
            (N, features), each coordinate of order 1; zero for an empty caption.
        """
        mask = token_ids > 0
        pairs = hash32(token_ids[:, :-1]) + (token_ids[:, 1:] & MASK)
        bag = self.signs(token_ids, mask) + self.signs(pairs, mask[:, 1:]) / 2
        return bag / mask.sum(1, keepdim=True).clamp_min(1).sqrt()

    def signs(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        """Return the sum of the sign vectors of tokens (N, L) under a mask, (N, features)."""
        coordinates = hash32(torch.arange(1, self.features + 1, device=token_ids.device))
        bits = hash32(token_ids[..., None] ^ coordinates) >> 15 & 1
        return ((1 - 2 * bits) * mask[..., None]).sum(1).to(torch.get_default_dtype())


class GRUTextEncoder(nn.Module):
    """Embedded words, read one after the other by a gated recurrent unit; to be trained.

    Args:
        features: Dimension of a caption's vector.
        width: Coordinates of a word and of the state.
        slots: Rows of the table of words; two words share a row with probability 1 / slots.

    Example:
        >>> from sparring.data.annotations.captions import tokenize
        >>> GRUTextEncoder(64, 32)(tokenize(["a red heart", "two dogs"])).shape
        torch.Size([2, 64])
    """

    def __init__(self, features: int = 64, width: int = 128, slots: int = 8192) -> None:
        super().__init__()
        self.features, self.slots = features, slots
        self.words = nn.Embedding(slots + 1, width, padding_idx=0)
        self.read = nn.GRU(width, width, batch_first=True)
        self.out = nn.Linear(width, features)

    def forward(self, token_ids: Tensor) -> Tensor:
        """Encode captions.

        Args:
            token_ids: int64 (N, L), zero after the last word.

        Returns:
            (N, features) of length √features, so that a coordinate is about 1 in size.
        """
        mask = token_ids > 0
        states, _ = self.read(self.words((1 + hash32(token_ids) % self.slots) * mask))
        last = (mask.sum(1) - 1).clamp_min(0)  # of the states, that behind the last word
        state = states.gather(1, last[:, None, None].expand(-1, 1, states.shape[2])).squeeze(1)
        return normalize(self.out(state), dim=1) * self.features**0.5
