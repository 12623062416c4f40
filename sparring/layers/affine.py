"""A fixed affine map, for networks whose paper keeps its pixels in another range than [−1, 1]."""

from torch import Tensor, nn

__all__ = ["Affine"]


class Affine(nn.Module):
    """x ↦ scale · x + shift, with nothing to learn.

    Example:
        >>> import torch
        >>> Affine(0.5, 0.5)(torch.tensor([-1.0, 1.0])).tolist()
        [0.0, 1.0]
    """

    def __init__(self, scale: float, shift: float = 0.0) -> None:
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, x: Tensor) -> Tensor:
        """Map a tensor of any shape."""
        return self.scale * x + self.shift

    def extra_repr(self) -> str:
        """Show the map in `print(network)`."""
        return f"{self.scale} * x + {self.shift}"
