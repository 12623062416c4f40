"""Base classes of networks: a generator maps noise to data, a critic maps data to scores.

An architecture is a constructor only: it builds its layers and passes them to one of these classes.
"""

from torch import Tensor, nn

__all__ = ["Critic", "Generator", "Shape"]

Shape = tuple[int, ...]


class Generator(nn.Module):
    """G: noise (N, latent) to data (N, *shape).

    Args:
        shape: Shape of one sample: (D,) for points, (C, H, W) for images in [−1, 1].
        latent: Number of coordinates of z.
        body: Maps (N, latent) to (N, *shape).
    """

    def __init__(self, shape: Shape, latent: int, body: nn.Module) -> None:
        super().__init__()
        self.shape, self.latent, self.body = tuple(shape), latent, body

    def forward(self, z: Tensor) -> Tensor:
        """Return one sample for each row of z.

        Args:
            z: Noise, (N, latent).

        Returns:
            Samples, (N, *shape).

        Raises:
            ValueError: If z is not (N, latent).
        """
        if z.shape[1:] != (self.latent,):
            raise ValueError(f"this generator takes noise (N, {self.latent}), not {tuple(z.shape)}.")
        return self.body(z)


class Critic(nn.Module):
    """D: data (N, *shape) to raw scores, large = real; no sigmoid, as every objective expects.

    Args:
        shape: Shape of one sample.
        trunk: Maps (N, *shape) to features, (N, F) or (N, F, H, W).
        head: Maps the features to (N, outcomes).
        outcomes: Scores per sample.
    """

    def __init__(self, shape: Shape, trunk: nn.Module, head: nn.Module, outcomes: int = 1) -> None:
        super().__init__()
        self.shape, self.outcomes, self.trunk, self.head = tuple(shape), outcomes, trunk, head

    def features(self, x: Tensor) -> Tensor:
        """Return the features of x, flattened to (N, F), for feature matching and further heads."""
        return self._seen(x).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Score each sample.

        Args:
            x: Data, (N, *shape).

        Returns:
            Scores, (N,), or (N, outcomes) if there are several.

        Raises:
            ValueError: If x is not (N, *shape).
        """
        scores = self.head(self._seen(x))
        return scores.squeeze(1) if self.outcomes == 1 else scores

    def _seen(self, x: Tensor) -> Tensor:
        if x.shape[1:] != self.shape:
            raise ValueError(f"this critic takes data (N, {', '.join(map(str, self.shape))}), not {tuple(x.shape)}.")
        return self.trunk(x)
