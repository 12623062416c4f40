"""Base of label-map games: maps in the batches, styles encoded from images or drawn, samples of maps.

A label map gives each place the number of its class, (N, H, W). Networks take it as one channel a class, and one
for what is unknown; and perhaps one for where objects meet, which lies beside the numbers, (N, 2, H, W): a map of
classes alone does not separate two adjacent cars. A style is a row z ~ N(μ, σ²), (μ, log σ²) = E(x). Without
an E there are no styles: empty rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NotRequired

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot
from torch.optim import Optimizer

from sparring._types import Network
from sparring.abilities import Window
from sparring.errors import GameError
from sparring.game import Data, Game, Optimiser, PlayerSettings
from sparring.games.common.posterior import mean_and_log_variance
from sparring.layers.borders import centre_crop, reflect_to
from sparring.rng import randn


class LabelMapSettings(PlayerSettings):
    """Keyword arguments of `LabelMapGame`."""

    regions: int
    edges: NotRequired[bool]


class LabelMapGame(Game):
    """A generator of images from label maps, an encoder of styles, a critic of images beside their maps.

    Args:
        G: Label maps (N, regions + 1, H, W), one channel more with edges, and styles (N, latent) where there is an E,
            -> images; with attributes ``latent`` and ``multiple``, of which the sides of its maps must be multiples.
        D: Critic of images (N, C, H, W) and their label maps.
        E: Images -> (N, 2 latent), means and log variances; None for no styles.
        regions: Classes of the label maps.
        critic: Builds D's optimiser.
        generator: Builds the optimiser of G and E.
        schedule: Factor of all learning rates, as a function of the step.
        edges: Whether the networks take a map of the edges of objects.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        E: nn.Module | None,
        *,
        regions: int,
        critic: Optimiser,
        generator: Optimiser,
        schedule: Callable[[int], float] = lambda step: 1.0,
        edges: bool = False,
    ) -> None:
        super().__init__()
        self.G: Network = G
        self.D, self.E, self.regions, self.edges = D, E, regions, edges
        self._critic, self._generator, self._schedule = critic, generator, schedule

    def players(self) -> dict[str, Optimizer]:
        """Return the optimisers of G with E, and of D."""
        painter = nn.ModuleList([self.G] if self.E is None else [self.G, self.E])
        return {"G": self._generator(painter), "D": self._critic(self.D)}

    def lr_scale(self, step: int) -> float:
        """Follow the schedule given at construction."""
        return self._schedule(step)

    def sampling_networks(self) -> tuple[str, ...]:
        """Painting uses G, and reads styles with E."""
        return ("G",) if self.E is None else ("E", "G")

    def critic_networks(self) -> tuple[str, ...]:
        """Only D scores images."""
        return ("D",)

    def shown(self, data: Data) -> tuple[Tensor, Tensor]:
        """Return the next images, and their label maps spread over channels.

        Raises:
            GameError: If the data has no label maps.
        """
        x, *second = next(data)
        if not second or second[0].dim() < 3 or second[0].is_floating_point():
            raise GameError(
                f"{type(self).__name__} learns from images with label maps, and its data has none: "
                "see docs/how-to/label-maps.md."
            )
        return x, self.spread(second[0]).to(x)

    def spread(self, labels: Tensor) -> Tensor:
        """Spread class numbers over channels, those of no class to the last of regions + 1; edges are one more.

        Args:
            labels: Class numbers, int64 (N, H, W), or class numbers and edges (N, 2, H, W).

        Raises:
            GameError: If the networks take edges, and there are none.
        """
        numbers, edges = (labels, None) if labels.dim() == 3 else labels.unbind(1)
        known = (numbers >= 0) & (numbers < self.regions)
        m = one_hot(numbers.where(known, self.regions), self.regions + 1).movedim(3, 1).float()
        if not self.edges:
            return m
        if edges is None:
            raise GameError("This game takes edges of objects: give class numbers and edges, (N, 2, H, W).")
        return torch.cat([m, edges[:, None].float()], 1)

    def styles(self, n: int) -> Tensor:
        """Draw styles z ~ N(0, I), (n, latent); (n, 0) where there are none."""
        return randn(n, self.G.latent or 0, device=self.device)

    def encode_style(self, x: Tensor) -> Tensor:
        """Return the mean style of each image, (N, latent); (N, 0) where there are no styles."""
        with torch.no_grad():
            return x.new_zeros(len(x), 0) if self.E is None else mean_and_log_variance(self.E(x))[0]

    def paint(self, labels: Tensor, styles: Tensor, within: Window | None = None) -> Tensor:
        """Paint label maps of any size, or parts of larger ones.

        Args:
            labels: Class numbers, int64 (N, H, W), or class numbers and edges (N, 2, H, W).
            styles: (N, latent), as `styles` or `encode_style` return them.
            within: Where the maps lie in larger ones, see `SupportsLabelMaps`; then all sides are multiples of G's.
        """
        height, width = labels.shape[-2:]
        sides = (-(-side // self.G.multiple) * self.G.multiple for side in (height, width))
        m = reflect_to(self.spread(labels), *sides)
        given, place = [] if self.E is None else [styles], {} if within is None else {"within": within}
        with torch.no_grad():
            return centre_crop(self.G(m, *given, **place), height, width)
