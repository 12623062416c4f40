"""LAPGAN: a Laplacian pyramid of generative adversarial networks (Denton et al., 2015, Algorithm 1).

A level holds images I_k of one size. Each is a coarse image c_k = up(I_{k−1}), which the levels below generate, and a
residual h_k = I_k − c_k, which G_k draws given c_k. At level 0 there is nothing coarser: c_0 = 0 and h_0 = I_0. With
c, m the coarse images of *true* images, drawn independently, every level k plays a game of its own:

    D_k minimises  L_D(D_k(h_k + c_k), D_k(G_k(z_k, m_k) + m_k))         the real residual beside that of another image
                   + γ/2 E ‖∇D_k(h_k + c_k)‖²                            where γ is not zero (R1; not in the paper)
    G_k minimises  L_G(D_k(G_k(z_k, m_k) + m_k))

No gradient passes from level to level: their order and numbers of moves are free. Sampling runs from level 0 upwards:

    I_0 = G_0(z_0),   I_k = up(I_{k−1}) + G_k(z_k, up(I_{k−1}))          z uniform on [−1, 1]

Only in sampling does a level receive images that were generated below it. The last image alone is clamped to [−1, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sparring.errors import DataError, GameError
from sparring.game import CriticSpec, Data, Game, Move, Optimiser
from sparring.objectives import Objective
from sparring.objectives.penalties import r1
from sparring.rng import rand


class LAPGAN(Game):
    """One generator and one critic a level, each pair trained independently of the others.

    Args:
        G: The generators, the smallest level first: there (N, latent) -> (N, *shape), above (N, latent), (N, *shape)
            -> (N, *shape), from noise and coarse image to residual. Each has attributes ``latent`` and ``shape``.
        D: The critics, in the same order: (N, *shape) -> (N,), of residual and coarse image added.
        objective: The two losses.
        bands: Splits images into the residual and the coarse image of each level, the smallest first.
        up: Doubles the sides of images to a given height and width, as `bands` does.
        critic: Builds each critic's optimiser.
        generator: Builds each generator's optimiser.
        turns: Number of moves of each level in a round, in the same order. Default: once each.
        penalty: γ, the weight of R1 at every level (Mescheder et al., 2018).

    Raises:
        GameError: If there are not as many of them as levels, or one is below 1.
    """

    def __init__(
        self,
        G: Sequence[nn.Module],
        D: Sequence[nn.Module],
        objective: Objective,
        *,
        bands: Callable[[Tensor, int], list[tuple[Tensor, Tensor]]],
        up: Callable[[Tensor, Sequence[int]], Tensor],
        critic: Optimiser,
        generator: Optimiser,
        turns: Sequence[int] | None = None,
        penalty: float = 0.0,
    ) -> None:
        super().__init__()
        self.turns = tuple(turns or [1] * len(G))
        if len(self.turns) != len(G) or min(self.turns) < 1:
            raise GameError(f"{len(G)} levels cannot play {self.turns} times: give each level one number, 1 or more.")
        self.G, self.D = nn.ModuleList(G), nn.ModuleList(D)
        self.objective, self.penalty = objective, penalty
        self.bands, self.up = bands, up
        self._optimisers = {"D": critic, "G": generator}

    def players(self) -> dict[str, Optimizer]:
        """Return the optimisers of D0, G0, D1, G1, ..."""
        pairs = [{"D": D, "G": G} for D, G in zip(self.D, self.G, strict=True)]
        return {f"{role}{k}": self._optimisers[role](pair[role]) for k, pair in enumerate(pairs) for role in pair}

    def sampling_networks(self) -> tuple[str, ...]:
        """Sampling uses the generators alone."""
        return ("G",)

    def critic_networks(self) -> tuple[str, ...]:
        """The critic of every level scores images."""
        return tuple(f"D.{level}" for level in range(len(self.D)))

    def critic_spec(self) -> CriticSpec:
        """Return that each level has players of its own, and may pay for its slope."""
        penalties, slope = (("r1",), 0) if self.penalty else ((), None)
        return CriticSpec(
            gradient_penalties=penalties,
            penalty_target=slope,
            noise_condition="a part for each level",
            generator_use="has a generator a level",
        )

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play every level as often as it may: D on images and on fakes that continue others, then G on new fakes."""
        for turn in range(max(self.turns)):
            images, others = (self.bands(next(data)[0], len(self.G)) for _ in range(2))
            for k in (k for k, turns in enumerate(self.turns) if turn < turns):
                (h, c), (_, m) = images[k], others[k]
                with torch.no_grad():
                    fake = self.residual(k, m)
                terms = {"adversarial": self.objective.critic(self.score(k, h, c), self.score(k, fake, m))}
                terms |= {"r1": self.penalty / 2 * r1(self.D[k], h + c)} if self.penalty else {}
                yield Move(f"D{k}", **terms)
                yield Move(f"G{k}", adversarial=self.objective.generator(self.score(k, self.residual(k, m), m)))

    def score(self, level: int, residual: Tensor, coarse: Tensor) -> Tensor:
        """Return the scores (N,) of a level's critic for the sum of the two images (N, *shape)."""
        scores: Tensor = self.D[level](residual + coarse)
        return scores

    def residual(self, level: int, coarse: Tensor, z: Tensor | None = None) -> Tensor:
        """Draw a level's residuals for its coarse images (N, *shape), from noise (N, latent) or fresh noise."""
        z = self._draw(level, len(coarse)) if z is None else z
        samples: Tensor = self.G[level](z, coarse) if level else self.G[level](z)
        return samples

    def noise(self, n: int) -> Tensor:
        """Draw the noise of every level, uniform on [−1, 1), shape (n, sum of latents), the smallest level first."""
        return torch.cat([self._draw(level, n) for level in range(len(self.G))], 1)

    def sample(self, n: int, *, noise: Tensor | None = None) -> Tensor:
        """Draw n samples, shape (n, *shape), from the given noise, as `noise` draws it, or from fresh noise."""
        return self.levels(self.noise(n) if noise is None else noise)[-1]

    def levels(self, noise: Tensor) -> list[Tensor]:
        """Return how the samples of the given noise grow: one image (N, C, H, W) a level; the last are the samples."""
        channels, height, width = self.G[0].shape  # type: ignore[misc]
        return self._climb(noise.new_zeros(len(noise), channels, -(-height // 2), -(-width // 2)), 0, noise)

    def refine(self, images: Tensor, *, noise: Tensor | None = None) -> Tensor:
        """Return small images with the detail that the levels above theirs draw: a learned super-resolution.

        Args:
            images: (N, C, H, W) in [−1, 1], of the size of any level but the last.
            noise: As `noise` draws it; the part of the images' own level and of those below it is not used.

        Raises:
            DataError: If no level has images of this shape.
        """
        shapes, shape = [tuple(G.shape) for G in self.G], tuple(images.shape[1:])  # type: ignore[arg-type]
        if shape not in shapes[:-1]:
            raise DataError(f"No level refines images of shape {shape}: resize them to one of {shapes[:-1]}.")
        noise = self.noise(len(images)) if noise is None else noise
        return self._climb(images, shapes.index(shape) + 1, noise)[-1]

    def _climb(self, image: Tensor, level: int, noise: Tensor) -> list[Tensor]:
        """Return the images of `level` and those above it, begun with images of half its size."""
        parts = noise.split([G.latent for G in self.G], 1)
        made = []
        with torch.no_grad():
            for k in range(level, len(self.G)):
                coarse = self.up(image, self.G[k].shape[1:])  # type: ignore[index, arg-type]
                image = coarse + self.residual(k, coarse, parts[k])
                made.append(image)
        return [*made[:-1], made[-1].clamp(-1, 1)]

    def _draw(self, level: int, n: int) -> Tensor:
        return 2 * rand(n, self.G[level].latent, device=self.device) - 1  # type: ignore[arg-type]
