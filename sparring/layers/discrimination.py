"""Minibatch discrimination (Salimans et al., 2016, section 3.2): D sees how close a sample is to its batch.

    M_i = T h_i ∈ R^{B × C},   c_b(i, j) = exp(−‖M_ib − M_jb‖₁),   o_b(i) = Σ_{j ≠ i} c_b(i, j),   output [h_i, o(i)]

Real samples are far from each other; those of a collapsed generator are not, and now D can tell. As in the authors'
code a sample is not compared with itself, so o lies between 0 (all far apart) and N − 1 (all alike).
"""

import torch
from torch import Tensor, nn

__all__ = ["MinibatchDiscrimination"]


class MinibatchDiscrimination(nn.Module):
    """Appends the closeness to the rest of the batch, by several learned measures.

    The batch is that of one process and one part: with more of them D compares fewer samples. Samples are no longer
    scored apart, so penalties on the slope of single scores lose their meaning.

    Args:
        features: A, coordinates of h.
        measures: B, numbers appended; 100 in the paper.
        coordinates: C, of each measure; 5 in the paper.

    Example:
        >>> MinibatchDiscrimination(3, measures=2)(torch.ones(4, 3))[0].tolist()
        [1.0, 1.0, 1.0, 3.0, 3.0]

    Attributes:
        compares_samples: Says so to those who ask for the slope of each sample's own score.
    """

    compares_samples = True

    def __init__(self, features: int, measures: int = 100, coordinates: int = 5) -> None:
        super().__init__()
        self.measures = measures
        # Every coordinate of M then has about the spread of one feature's, whatever their number.
        self.T = nn.Parameter(torch.randn(features, measures * coordinates) / features**0.5)

    def forward(self, h: Tensor) -> Tensor:
        """Map (N, A) to (N, A + B)."""
        M = (h @ self.T).unflatten(1, (self.measures, -1))
        M = M.to(torch.promote_types(M.dtype, torch.float32))  # a count of neighbours needs more than 8 bits
        distances = (M[:, None] - M[None]).abs().sum(3)
        return torch.cat([h, torch.exp(-distances).sum(1) - 1], 1)

    def extra_repr(self) -> str:
        """Show the sizes in `print(network)`."""
        features, columns = self.T.shape
        return f"{features}, measures={self.measures}, coordinates={columns // self.measures}"
