"""Layers that compare the samples of a batch, so that a critic can detect collapse.

**Minibatch standard deviation** (Karras et al., 2018):

    σ_c = √(Var over the group of x_c + 1e-8),      one more channel: the mean of σ over channels and positions

Samples of a collapsed generator are alike, which no critic of single samples can detect. Groups are strided, as in the
authors' code: with k groups, sample i belongs to group i mod k.

**Minibatch discrimination** (Salimans et al., 2016, section 3.2), its more expensive predecessor:

    M_i = T h_i ∈ R^{B × C},   c_b(i, j) = exp(−‖M_ib − M_jb‖₁),   o_b(i) = Σ_{j ≠ i} c_b(i, j),   output [h_i, o(i)]

Real samples are far from each other, those of a collapsed generator are not. As in the authors' code a sample is not
compared with itself, so o lies between 0 (all far apart) and N − 1 (all alike).
"""

import torch
from torch import Tensor, nn

__all__ = ["MinibatchDiscrimination", "MinibatchStdDev"]


class MinibatchStdDev(nn.Module):
    """Appends the mean standard deviation of each group as a channel or feature.

    The samples of a group are no longer scored independently: avoid it in a critic with a penalty per sample, unless,
    as in StyleGAN2, the small coupling is acceptable.

    Args:
        group: Samples in a group, 4 in the papers; the largest divisor of the batch up to it is used.

    Example:
        >>> x = torch.stack([torch.zeros(2, 2, 2), torch.ones(2, 2, 2)])
        >>> MinibatchStdDev(2)(x)[:, 2, 0, 0].tolist()
        [0.5, 0.5]
    """

    def __init__(self, group: int = 4) -> None:
        super().__init__()
        if group < 1:
            raise ValueError(f"a group needs at least one sample, not {group}")
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, ...) to (N, C + 1, ...)."""
        n = len(x)
        size = max(k for k in range(1, min(self.group, n) + 1) if n % k == 0)
        groups = x.unflatten(0, (size, n // size))
        deviation = (groups.var(0, correction=0) + 1e-8).sqrt().flatten(1).mean(1)
        column = deviation.repeat(size).reshape(n, *[1] * (x.dim() - 1)).expand(n, 1, *x.shape[2:])
        return torch.cat([x, column], 1)

    def extra_repr(self) -> str:
        """Show the group in `print(network)`."""
        return f"group={self.group}"


class MinibatchDiscrimination(nn.Module):
    """Appends the closeness to the rest of the batch in several learned measures.

    The batch is the micro-batch of one process: with several, D compares fewer samples. Samples are no longer scored
    independently, so penalties on the gradient of single scores lose their meaning.

    Args:
        features: A, coordinates of h.
        measures: B, numbers appended; 100 in the paper.
        coordinates: C, of each measure; 5 in the paper.

    Example:
        >>> MinibatchDiscrimination(3, measures=2)(torch.ones(4, 3))[0].tolist()
        [1.0, 1.0, 1.0, 3.0, 3.0]

    Attributes:
        compares_samples: Marks that a score depends on other samples, for penalties per sample.
    """

    compares_samples = True

    def __init__(self, features: int, measures: int = 100, coordinates: int = 5) -> None:
        super().__init__()
        self.measures = measures
        # Every coordinate of M then has about the spread of one feature, whatever their number.
        self.T = nn.Parameter(torch.randn(features, measures * coordinates) / features**0.5)

    def forward(self, h: Tensor) -> Tensor:
        """Map (N, A) to (N, A + B)."""
        M = (h @ self.T).unflatten(1, (self.measures, -1))
        M = M.to(torch.promote_types(M.dtype, torch.float32))  # a sum over neighbours needs more than 8 bits
        distances = (M[:, None] - M[None]).abs().sum(3)
        return torch.cat([h, torch.exp(-distances).sum(1) - 1], 1)

    def extra_repr(self) -> str:
        """Show the sizes in `print(network)`."""
        features, columns = self.T.shape
        return f"{features}, measures={self.measures}, coordinates={columns // self.measures}"
