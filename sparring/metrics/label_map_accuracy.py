"""Agreement of generated images with their label maps, by colours alone.

The colours of each class in photographs are modelled as a normal distribution. An image agrees with its map at a
position if the colour there is most likely for the class of the map:

    layout mean over classes of the share of agreeing positions, chance 1 / classes

It does not measure shapes or quality: it tests that colours are where they belong.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["LabelMapAccuracy"]

MIN_PIXELS = 100  # minimum number of pixels of a class
VARIANCE_FLOOR = 1e-3  # added to the variances of colours in [−1, 1]


class LabelMapAccuracy:
    """Colour models of classes, fitted to photographs with label maps, for scoring generated images.

    Args:
        classes: Number of classes of the label maps; other class numbers are ignored.
        channels: Channels of the images.

    Example:
        >>> labels = torch.arange(2).repeat_interleave(200).view(1, 20, 20)
        >>> x = torch.where(labels > 0, 0.5, -0.5)[:, None]
        >>> layout = LabelMapAccuracy(classes=2, channels=1)
        >>> layout.fit(x, labels)
        >>> layout.share(layout.hits(x, labels)), layout.share(layout.hits(-x, labels))
        (1.0, 0.0)
    """

    def __init__(self, classes: int, channels: int) -> None:
        self.classes = classes
        self.counts = torch.zeros(classes, dtype=torch.double)
        self.sums = torch.zeros(classes, channels, dtype=torch.double)
        self.products = torch.zeros(classes, channels, channels, dtype=torch.double)

    def fit(self, x: Tensor, labels: Tensor) -> None:
        """Add photographs with their label maps.

        Args:
            x: (N, C, H, W) in [−1, 1].
            labels: Class numbers, int64 (N, H, W).
        """
        for number, colours in self._colours(x, labels):
            self.counts[number] += len(colours)
            self.sums[number] += colours.sum(0)
            self.products[number] += colours.T @ colours

    @property
    def known(self) -> list[int]:
        """Return the classes with enough pixels."""
        return (self.counts >= MIN_PIXELS).nonzero().flatten().tolist()

    def hits(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return the number of agreeing positions and of all positions of every known class, (2, known).

        Args:
            x: Images (N, C, H, W) in [−1, 1].
            labels: Their label maps, int64 (N, H, W).
        """
        found, normals = torch.zeros(2, len(self.known), dtype=torch.double), self._normals()
        places = {number: place for place, number in enumerate(self.known)}
        for number, colours in self._colours(x, labels):
            if number in places:
                likely = torch.stack([normal.log_prob(colours) for normal in normals]).argmax(0)
                found[0, places[number]] = (likely == places[number]).sum()
                found[1, places[number]] = len(colours)
        return found

    @staticmethod
    def share(hits: Tensor) -> float:
        """Return the mean over classes of the share of hits (2, known), summed over images; NaN for none."""
        seen = hits[1] > 0
        return (hits[0, seen] / hits[1, seen]).mean().item()

    def _normals(self) -> list[torch.distributions.MultivariateNormal]:
        normals = []
        for number in self.known:
            mean = self.sums[number] / self.counts[number]
            covariance = self.products[number] / self.counts[number] - mean[:, None] * mean
            rough = VARIANCE_FLOOR * torch.eye(len(mean), dtype=torch.double)
            normals.append(torch.distributions.MultivariateNormal(mean, covariance + rough))
        return normals

    def _colours(self, x: Tensor, labels: Tensor) -> list[tuple[int, Tensor]]:
        """Return the colours of every class in the maps, (positions, C)."""
        flat, classes = x.movedim(1, 3).flatten(0, 2).double().cpu(), labels.flatten().cpu()
        there = [number for number in classes.unique().tolist() if 0 <= number < self.classes]
        return [(number, flat[classes == number]) for number in there]
