"""StyleGAN2: the non-saturating game with two lazy regularisers (Karras et al., 2020).

    D minimises  E sp(−D(x)) + E sp(D(G))       and, every 16th step,   16 γ/2 E ‖∇D(x)‖²
    G minimises  E sp(−D(G))                    and, every 4th step,    4 β E (ℓ − a)²

    ℓ = √(mean over layers of ‖J_wᵀ y‖²),   y ~ N(0, I) / √(H W),   a the moving average of ℓ

A regulariser that is applied every k steps is weighted by k, in a move of its own. The path length
penalty is least if a step in w changes the image equally much everywhere; it is computed on half a batch. Fakes are
drawn anew for every move.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Unpack

import torch
from torch import Tensor, nn

from sparring._types import Network
from sparring.game import CriticSpec, Data, LatentGame, Move, PlayerSettings
from sparring.objectives import NonSaturating
from sparring.objectives.batch_statistics import batch_mean
from sparring.objectives.penalties import ROOT_GUARD, full_precision, r1

logistic = NonSaturating()


class StyleGAN2(LatentGame):
    """D, its penalty, G, its path lengths; the authors let G begin.

    Args:
        G: Generator with a ``mapping`` (N, latent) -> w (N, style) that can be ``truncated(w, ψ)``, and a
            ``synthesis`` with its number of ``layers``, which maps w, or (N, layers, style), into samples.
        D: Critic (N, *shape) -> (N,).
        penalty: γ, the weight of R1; 0 for none.
        path: β, the weight of the path lengths; 0 for none, 2 in the paper.
        mixing: The share of fakes that take the styles of their finer layers from another z; .9 in the paper.
        penalty_every: Steps between two payments of R1.
        path_every: Steps between two payments of the path lengths.
        settings: The optimisers and the schedule, see `LatentGame`.
    """

    G: Network  # a module with the parts described above
    path_length: Tensor

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        *,
        penalty: float,
        path: float = 0.0,
        mixing: float = 0.0,
        penalty_every: int = 16,
        path_every: int = 4,
        **settings: Unpack[PlayerSettings],
    ):
        super().__init__(G, D, **settings)
        self.penalty, self.path, self.mixing = penalty, path, mixing
        self.penalty_every, self.path_every = penalty_every, path_every
        self.register_buffer("path_length", torch.zeros(()))

    def over_batch(self, step: int) -> bool:
        """The path lengths are compared with a running mean of the whole batch."""
        return bool(self.path) and step % self.path_every == 0

    def critic_spec(self) -> CriticSpec:
        """Return that the slopes of D and G are paid for in moves of their own, and that G is used in two parts."""
        return CriticSpec(
            adversarial_terms=("adversarial",),
            regulariser_terms=("r1", "path"),
            gradient_penalties=("r1",) if self.penalty else (),
            penalty_target=0 if self.penalty else None,
            generator_use="calls its mapping and its synthesis apart",
            custom_critic_step="slopes are paid for in moves of their own",
            zero_centred=True,
        )

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D, then G, each with its regulariser where it is due."""
        x, *_ = next(data)
        with torch.no_grad():
            fake = self.drawn(len(x))
        yield Move("D", adversarial=logistic.critic(self.D(x), self.D(fake)))
        if self.penalty and step % self.penalty_every == 0:
            yield Move("D", r1=self.penalty_every * self.penalty / 2 * r1(self.D, x))
        yield Move("G", adversarial=logistic.generator(self.D(self.drawn(len(x)))))
        if self.path and step % self.path_every == 0:
            yield Move("G", path=self.path_every * self.path * self.deviation(max(len(x) // 2, 1)))

    def fakes_with_grad(self, n: int) -> Tensor:
        """Draw n samples in G's graph, as G's own move does."""
        return self.drawn(n)

    def drawn(self, n: int) -> Tensor:
        """Draw n samples for training, some of them of mixed styles."""
        w = self.G.mapping(self.noise(n))
        samples: Tensor = self.G.synthesis(self.mixed(w) if self.mixing else w)
        return samples

    def mixed(self, w: Tensor) -> Tensor:
        """Give some images another style from a random layer on, (N, style) -> (N, layers, style)."""
        layers = torch.arange(self.G.synthesis.layers, device=w.device)
        first = torch.randint(1, len(layers), (len(w), 1), device=w.device)
        other = (layers >= first) & (torch.rand(len(w), 1, device=w.device) < self.mixing)
        return torch.where(other[..., None], self.G.mapping(self.noise(len(w)))[:, None], w[:, None])

    def deviation(self, n: int) -> Tensor:
        """Return E (ℓ − a)² over n samples and moves a by a hundredth of the way to their mean."""
        w = self.G.mapping(self.noise(n))
        lengths = path_lengths(self.G.synthesis, w[:, None].repeat(1, self.G.synthesis.layers, 1))
        target = torch.lerp(self.path_length, batch_mean(lengths), 0.01)
        self.path_length.copy_(target.detach())
        return (lengths - target).square().mean()

    def sample(self, n: int, *, noise: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """Draw n samples.

        Args:
            n: How many.
            noise: Rows of noise, (n, latent). Default: fresh noise.
            truncation: ψ; below 1, styles move towards their average: less variety, often better quality.
        """
        with torch.no_grad():
            w = self.G.mapping(self.noise(n) if noise is None else noise)
            samples: Tensor = self.G.synthesis(self.G.mapping.truncated(w, truncation))
            return samples


def path_lengths(synthesis: Callable[[Tensor], Tensor], w: Tensor) -> Tensor:
    """Return how far images move with their styles, ℓ = √(mean over layers of ‖J_wᵀ y‖²), shape (N,).

    Its mean square is ‖J‖² / (H W) over layers, for J_wᵀ y is a random projection. In full precision, as slopes need.

    Args:
        synthesis: From styles to images (N, C, H, W).
        w: Styles (N, layers, style), in a graph or not.
    """
    with full_precision(w):
        styles = (w if w.dtype == torch.float64 else w.float()).requires_grad_()
        images = synthesis(styles)
        y = torch.randn_like(images) / (images[0, 0].numel() ** 0.5)
        (slopes,) = torch.autograd.grad((images * y).sum(), styles, create_graph=True)
        return (slopes.square().sum(2).mean(1) + ROOT_GUARD).sqrt()
