"""A head whose outputs are drawn, not computed (Xiangli et al., 2020, official code).

h = μ(x) + σ(x) ⊙ ε,   ε ~ N(0, I),   (μ, log σ²) = W x + b

Mean and spread are learnt through the draw (Kingma and Welling, 2014). ε is new at every forward, in evaluation mode
too, and differs between real and fake samples.
"""

import torch
from torch import Tensor, nn

__all__ = ["GaussianHead"]


class GaussianHead(nn.Module):
    """A linear layer to the means and log variances of independent Gaussians, and a draw from them.

    Args:
        inputs: Number of input features.
        outputs: Numbers drawn for each sample.

    Example:
        >>> Stochastic(3, 7).eval()(torch.zeros(2, 3)).shape
        torch.Size([2, 7])
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, 2 * outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs) to a draw (N, outputs)."""
        mean, log_variance = self.linear(x).chunk(2, dim=1)
        return mean + (log_variance / 2).exp() * torch.randn_like(mean)
