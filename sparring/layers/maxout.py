"""Maxout (Goodfellow et al., 2013): each unit is the largest of several affine functions of the input.

h_i(x) = max_j  W_ij · x + b_ij
"""

from torch import Tensor, nn

__all__ = ["Maxout"]


class Maxout(nn.Module):
    """A dense layer of maxout units (Goodfellow et al., 2013, section 2).

    Args:
        inputs: Number of input features.
        outputs: Number of units.
        pieces: Affine functions that each unit takes the maximum of.

    Example:
        >>> import torch
        >>> Maxout(3, 7, pieces=5)(torch.zeros(2, 3)).shape
        torch.Size([2, 7])
    """

    def __init__(self, inputs: int, outputs: int, pieces: int = 5) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs * pieces)
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs) to (N, outputs)."""
        return self.linear(x).unflatten(1, (-1, self.pieces)).max(2).values
