"""Base of two-domain games: both directions, an image pool, least squares on scores of any form.

Unpaired images a ~ A and b ~ B; G_AB maps a to b̃, G_BA maps b to ã. Scores are one number an image or a patch.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer

from sparring.errors import DataError
from sparring.game import Game, Optimiser
from sparring.rng import rand
from sparring.training.gradient_sync import rank_and_world

__all__ = ["DOMAINS", "ImagePool", "TwoDomainGame", "l1", "least_squares"]

DOMAINS = ("A", "B")


def least_squares(scores: Tensor, target: float) -> Tensor:
    """Return E (C − t)², the least squares price of scores (Mao et al., 2017), over all samples and patches."""
    return (scores - target).square().mean()


def l1(one: Tensor, other: Tensor) -> Tensor:
    """Return E |x − y|, a mean over samples, channels and pixels."""
    return (one - other).abs().mean()


class ImagePool(nn.Module):
    """A history of fakes from which a critic learns, so that it does not forget (Shrivastava et al., 2017).

    Until it is full it keeps every image and returns it. Then, image by image, it returns the new one, or with
    probability ½ one that it holds, in whose place the new one goes. It is a buffer: a resumed training has the same
    history. Under several processes all share one.

    Args:
        size: Images that it holds; 0 returns every image as it is.
        shape: Of one image, (C, H, W).
    """

    images: Tensor
    held: Tensor
    sequential_micro_batches = True  # of the parts of a batch

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("images", torch.zeros(size, *shape))
        self.register_buffer("held", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Return as many images (N, C, H, W), without a graph, of which some are older."""
        images = images.detach()
        if not self.size:
            return images
        chances = _everyones(rand(len(images), 2, device=images.device))
        shown = [self.exchanged(one, chance) for one, chance in zip(_everyones(images), chances, strict=True)]
        first = len(images) * (dist.get_rank() if len(shown) > len(images) else 0)
        return torch.stack(shown[first : first + len(images)])

    def exchanged(self, image: Tensor, chance: Tensor) -> Tensor:
        """Put one image (C, H, W) in, by two chances in [0, 1), and returns one; the host need not wait for either."""
        full = self.held >= self.size
        slot = torch.where(full, (chance[1] * self.size).long(), self.held).clamp(max=self.size - 1)[None]
        old = self.images.index_select(0, slot)[0]
        swaps = full & (chance[0] < 0.5)
        new = image.to(old.dtype)
        self.images.index_copy_(0, slot, torch.where(swaps | ~full, new, old)[None])
        self.held.copy_((self.held + 1).clamp(max=self.size))
        return torch.where(swaps, old, new)


def _everyones(rows: Tensor) -> Tensor:
    """Return the rows of all processes, in order."""
    world = rank_and_world().world
    if world == 1:
        return rows
    gathered = [torch.empty_like(rows) for _ in range(world)]
    dist.all_gather(gathered, rows.contiguous())
    return torch.cat(gathered)


class TwoDomainGame(Game):
    """Two translators against two critics.

    Args:
        G_AB: Generator of images of B from images, or codes of images, of A.
        G_BA: Generator (N, *shape of B) -> (N, *shape of A).
        D_A: Critic of A.
        D_B: Critic of B.
        critic: Builds the optimiser of both critics.
        generator: Builds the optimiser of both generators.
        schedule: Factor of all learning rates, as a function of the step.
    """

    def __init__(
        self,
        G_AB: nn.Module,
        G_BA: nn.Module,
        D_A: nn.Module,
        D_B: nn.Module,
        *,
        critic: Optimiser,
        generator: Optimiser,
        schedule: Callable[[int], float] = lambda step: 1.0,
    ) -> None:
        super().__init__()
        self.G_AB, self.G_BA, self.D_A, self.D_B = G_AB, G_BA, D_A, D_B
        self._optimisers = {"D": critic, "G": generator}
        self._schedule = schedule

    def players(self) -> dict[str, Optimizer]:
        """Return the optimisers of both critics and of both generators."""
        pairs = {"D": (self.D_A, self.D_B), "G": (self.G_AB, self.G_BA)}
        return {player: self._optimisers[player](nn.ModuleList(pair)) for player, pair in pairs.items()}

    def lr_scale(self, step: int) -> float:
        """Follow the schedule given at construction."""
        return self._schedule(step)

    def critic_networks(self) -> tuple[str, ...]:
        """Both critics score images."""
        return ("D_A", "D_B")

    @abstractmethod
    def translate_with_grad(self, x: Tensor, to: str) -> Tensor:
        """Return images (N, C, H, W) translated to the domain A or B, with gradients."""

    def translate(self, x: Tensor, to: str) -> Tensor:
        """Return images as the other domain would show them.

        Args:
            x: Images (N, C, H, W) in [−1, 1], of the other domain than `to`.
            to: A or B.

        Raises:
            DataError: If there is no such domain.
        """
        if to not in DOMAINS:
            raise DataError(f"There is no domain {to!r}: give --to A or --to B.")
        with torch.no_grad():
            return self.translate_with_grad(x, to)
