"""Minibatch standard deviation (Karras et al., 2018): a critic sees how much the samples of a group differ.

    σ_c = √(Var over the group of x_c + 1e-8),      one more channel: the mean of σ over channels and positions

Samples of a collapsed generator are alike, which no critic of single samples can see. It is the cheap heir of minibatch
discrimination. Groups are strided, as in the authors' code: with k groups, sample i belongs to group i mod k.
"""

import torch
from torch import Tensor, nn

__all__ = ["MinibatchStdDev"]


class MinibatchStdDev(nn.Module):
    """Appends the mean standard deviation of each group as one more channel, or feature.

    The samples of a group are no longer scored apart: do not put it into a critic that is penalised per sample,
    unless, as StyleGAN2 does, you accept the small coupling.

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
            raise ValueError(f"a group holds at least one sample, not {group}")
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
