"""Whether pictures respect the label maps that they were painted from, told by colours alone.

Of each class the colours in photographs are taken for a normal distribution. A picture respects its map at a place if
the colour there is likeliest for the class that the map says:

    layout    mean over classes of the share of their places that do,    chance 1 / classes

It sees no shapes: it is a test that colours are where they belong, and says nothing of how good they look.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["LabelMapAccuracy"]

MIN_PIXELS = 100  # pixels of a class, below which its colours are not known
VARIANCE_FLOOR = 1e-3  # added to variances, of colours in [−1, 1]: a class of one colour has some breadth, too


class LabelMapAccuracy:
    """The colours of every class, learnt from photographs with label maps, and what they say of pictures.

    Args:
        classes: Of the label maps; class numbers outside of 0 to `classes` − 1 are passed over.
        channels: Of the images.

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
        """Adds photographs.

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
        """The classes whose colours are known."""
        return (self.counts >= MIN_PIXELS).nonzero().flatten().tolist()

    def hits(self, x: Tensor, labels: Tensor) -> Tensor:
        """Returns of every known class how many of its places respect the map, and how many there are, (2, known).

        Args:
            x: Pictures (N, C, H, W) in [−1, 1].
            labels: The maps that they were painted from, int64 (N, H, W).
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
        """Returns the layout that hits (2, known), perhaps of many pictures together, amount to; NaN for none."""
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
        """The colours of every class that is there, (places, C)."""
        flat, classes = x.movedim(1, 3).flatten(0, 2).double().cpu(), labels.flatten().cpu()
        there = [number for number in classes.unique().tolist() if 0 <= number < self.classes]
        return [(number, flat[classes == number]) for number in there]
