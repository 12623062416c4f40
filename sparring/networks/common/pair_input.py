"""A critic that sees what it judges beside what that was made of (Isola et al., 2017)."""

import torch
from torch import Tensor, nn

__all__ = ["PairCritic"]


class PairCritic(nn.Module):
    """D(x, given): the critic of both in one image, given first.

    Args:
        critic: Reads images of as many channels as both have together.

    Example:
        >>> PairCritic(nn.Conv2d(4, 1, 1))(torch.zeros(2, 3, 8, 8), torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(self, critic: nn.Module) -> None:
        super().__init__()
        self.critic = critic

    def forward(self, x: Tensor, given: Tensor) -> Tensor:
        """Score images x (N, C, H, W), made of images (N, C', H, W)."""
        return self.critic(torch.cat([given, x], 1))
