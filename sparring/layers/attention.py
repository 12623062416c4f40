"""Self-attention over the positions of a feature map (Zhang et al., 2019), as in the released code.

    A = softmax(θ(x)ᵀ φ(x)) over the positions of φ,   y = x + γ · o(A g(x))

θ, φ, g and o are 1×1 convolutions without bias, to C/8, C/8, C/2 and back to C channels. φ and g are pooled 2×2, so a
position attends to a quarter of the others. There is no 1/√d, and γ starts at 0: the layer starts as the identity. The
paper's text has C/8 channels in g, no pooling and another order of the indices; its experiments used the code.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["SelfAttention"]


def _halved() -> nn.Module:
    return nn.MaxPool2d(2)


class SelfAttention(nn.Module):
    """Self-attention with a learned residual weight (Zhang et al., 2019, equations 2 and 3; code).

    Args:
        channels: Channels of the feature map.
        pool: Builds the pooling of the attended positions; `nn.Identity` for none.

    Attributes:
        gain: γ, the weight of attention, initially 0.

    Example:
        >>> layer, x = SelfAttention(16), torch.randn(2, 16, 8, 8)
        >>> torch.equal(layer(x), x), layer.weights(x).shape
        (True, torch.Size([2, 64, 16]))
    """

    def __init__(self, channels: int, pool: Callable[[], nn.Module] = _halved) -> None:
        super().__init__()
        narrow, half = max(channels // 8, 1), max(channels // 2, 1)
        self.theta = nn.Conv2d(channels, narrow, 1, bias=False)
        self.phi = nn.Conv2d(channels, narrow, 1, bias=False)
        self.g = nn.Conv2d(channels, half, 1, bias=False)
        self.out = nn.Conv2d(half, channels, 1, bias=False)
        self.pool = pool()
        self.gain = nn.Parameter(torch.zeros(()))

    def weights(self, x: Tensor) -> Tensor:
        """Return the attention A, (N, positions, positions after pooling); each row sums to 1.

        Args:
            x: Feature map (N, C, H, W).
        """
        queries, keys = self.theta(x).flatten(2), self.pool(self.phi(x)).flatten(2)
        return (queries.mT @ keys).softmax(2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        values = self.pool(self.g(x)).flatten(2)
        seen = (values @ self.weights(x).mT).unflatten(2, x.shape[2:])
        return x + self.gain * self.out(seen)
