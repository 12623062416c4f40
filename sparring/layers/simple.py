"""Small layers: a fixed affine map, maxout, a Gaussian head and a projection head.

    Affine           x ↦ scale · x + shift                                            no parameters
    Maxout           h_i(x) = max_j  W_ij · x + b_ij                                  Goodfellow et al. (2013)
    GaussianHead     h = μ(x) + σ(x) ⊙ ε,  ε ~ N(0, I),  (μ, log σ²) = W x + b        Xiangli et al. (2020), code
    ProjectionHead   ψ(h) + ⟨V y, h⟩,  ψ linear                                       Miyato & Koyama (2018), equation 5

Mean and spread of `GaussianHead` are learned through the draw (Kingma and Welling, 2014). ε is drawn at every forward,
in evaluation mode as well, and differs between real and fake samples.
"""

import torch
from torch import Tensor, nn

__all__ = ["Affine", "GaussianHead", "Maxout", "ProjectionHead"]


class Affine(nn.Module):
    """x ↦ scale · x + shift, without parameters.

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


class Maxout(nn.Module):
    """A dense layer of maxout units (Goodfellow et al., 2013, section 2).

    Args:
        inputs: Number of input features.
        outputs: Number of units.
        pieces: Number of affine functions per unit.

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


class GaussianHead(nn.Module):
    """A linear layer to means and log variances of independent Gaussians, and a draw from them.

    Args:
        inputs: Number of input features.
        outputs: Number of outputs.

    Example:
        >>> GaussianHead(3, 7).eval()(torch.zeros(2, 3)).shape
        torch.Size([2, 7])
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, 2 * outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs) to a draw (N, outputs)."""
        mean, log_variance = self.linear(x).chunk(2, dim=1)
        return mean + (log_variance / 2).exp() * torch.randn_like(mean)


class ProjectionHead(nn.Module):
    """Projection head of a class-conditional critic: ψ(h) + ⟨V y, h⟩, ψ linear (Miyato & Koyama, 2018, equation 5).

    Args:
        features: Coordinates of h.
        classes: Number of classes; with None the head is ψ alone.

    Example:
        >>> head = ProjectionHead(2, 3)
        >>> head(torch.ones(4, 2), torch.eye(3)[[0, 1, 2, 0]]).shape
        torch.Size([4])
    """

    def __init__(self, features: int, classes: int | None) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 1)
        self.embed = nn.Linear(classes, features, bias=False) if classes else None

    def forward(self, h: Tensor, *y: Tensor) -> Tensor:
        """Map features (N, features), and weights of classes (N, classes) if conditional, to scores (N,)."""
        score = self.linear(h).squeeze(1)
        return score if self.embed is None else score + (self.embed(*y) * h).sum(1)
