"""Colour quantisation by k-means of pixels (Lloyd, 1982), with k-means++ starts (Arthur & Vassilvitskii, 2007).

    centres    minimise  Σ_pixels min_k ‖x − c_k‖²;  every pixel becomes the nearest of them

SinGAN's code uses it for paint-to-image: the colours of a drawing are replaced by the nearest ones of the photograph.
"""

import torch
from torch import Tensor, nn

__all__ = ["Palette"]

STARTS, ROUNDS = 4, 30  # restarts, of which the best is kept; iterations of each


class Palette(nn.Module):
    """Replaces every pixel by the nearest of a number of colours, which are fitted to one image.

    Args:
        channels: Channels of the images.
        colours: Number of colours; 5 in SinGAN's code.

    Example:
        >>> palette, image = Palette(1, 2), torch.tensor([[[[0.0, 0.2, 0.8, 1.0]]]])
        >>> palette.fit(image)
        >>> palette(torch.tensor([[[[0.4, 0.6, -3.0]]]])).flatten()
        tensor([0.1000, 0.9000, 0.1000])
    """

    def __init__(self, channels: int, colours: int = 5) -> None:
        super().__init__()
        self.centres: Tensor
        self.register_buffer("centres", torch.zeros(colours, channels))

    def fit(self, image: Tensor) -> None:
        """Fit the colours to an image (1, C, H, W), the most frequent first; deterministic.

        An image with fewer colours has duplicate centres.
        """
        pixels = image[0].flatten(1).T.double().cpu()
        generator = torch.Generator().manual_seed(0)
        found = [_lloyd(pixels, _kmeans_plus_plus(pixels, len(self.centres), generator)) for _ in range(STARTS)]
        best = min(found, key=lambda centres: _squared_distances(pixels, centres).amin(1).sum().item())
        counts = _squared_distances(pixels, best).argmin(1).bincount(minlength=len(best))
        self.centres.copy_(best[counts.argsort(descending=True, stable=True)])

    def forward(self, x: Tensor) -> Tensor:
        """Return images (N, C, H, W) in the colours of the palette."""
        far = torch.stack([(x - colour[:, None, None]).square().sum(1) for colour in self.centres])
        return self.centres[far.argmin(0)].movedim(3, 1)


def _squared_distances(pixels: Tensor, centres: Tensor) -> Tensor:
    """Return squared distances (pixels, centres)."""
    return (pixels[:, None] - centres).square().sum(2)


def _kmeans_plus_plus(pixels: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return initial centres: pixels drawn in proportion to their squared distance to the centres before."""
    drawn = pixels[torch.randint(len(pixels), (1,), generator=generator)]
    while len(drawn) < count:
        far = _squared_distances(pixels, drawn).amin(1)
        chances = far if far.sum() > 0 else torch.ones_like(far)
        drawn = torch.cat([drawn, pixels[torch.multinomial(chances, 1, generator=generator)]])
    return drawn


def _lloyd(pixels: Tensor, centres: Tensor) -> Tensor:
    """Run Lloyd's iterations: move centres to the means of their nearest pixels until they converge."""
    for _ in range(ROUNDS):
        nearest = _squared_distances(pixels, centres).argmin(1)
        counts = nearest.bincount(minlength=len(centres))[:, None]
        means = torch.zeros_like(centres).index_add_(0, nearest, pixels) / counts.clamp(min=1)
        moved = means.where(counts > 0, centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres
