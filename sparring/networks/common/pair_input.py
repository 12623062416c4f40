"""A critic of pairs: an image and the input that it was generated from (Isola et al., 2017)."""

import torch
from torch import Tensor, nn

__all__ = ["PairCritic"]


class PairCritic(nn.Module):
    """D(x, given): a critic of the concatenation [given, x] along channels.

    Args:
        critic: A critic of images with the channels of both.

    Example:
        >>> PairCritic(nn.Conv2d(4, 1, 1))(torch.zeros(2, 3, 8, 8), torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(self, critic: nn.Module) -> None:
        super().__init__()
        self.critic = critic

    def forward(self, x: Tensor, given: Tensor) -> Tensor:
        """Score images x (N, C, H, W), generated from images (N, C', H, W)."""
        return self.critic(torch.cat([given, x], 1))
