"""SinGAN: a pyramid of patch GANs that learns from one photograph (Shaham, Dekel & Michaeli, 2019, sections 3 and 4).

The photograph in sizes x_0, the coarsest, to x_N. At every scale a generator refines the output of the scale below; see
`SingleImageGame` for how that becomes an image. Scales are trained one after another, each for a number of rounds on
fixed ones, and with fresh noise at *all* scales in every move:

    D_n minimises  mean D(x̃) − mean D(x_n) + λ mean_positions (‖∂ΣD(x̂) / ∂x̂‖ − 1)²      the norm over channels alone
    G_n minimises  −mean D(x̃) + α ‖r_n − x_n‖² / pixels,         r_n = G_n(a_n z*_n, ↑r_{n−1})

so that one choice of noise reconstructs the photograph. A new scale's networks are initialised from those below where
the shapes agree, and the strength of its noise is set by the missing detail:

    a_0 = 1,   a_n = .1 √mean (x_n − ↑r_{n−1})²         on the way of the reconstruction, not of a sample

z* is drawn once, as the paper has it; the authors' code draws it anew in every round. A scale that is to make images of
drawings may learn to do so from images in few colours, Q(↑r_{n−1}) in place of ↑r_{n−1}: those of the photograph in the
size of the scale below, by k-means (the authors' paint-to-image with quantisation).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import Optimizer

from sparring.abilities import Size
from sparring.game import CriticOutput, CriticSpec, Data, Move, Optimiser, Stage
from sparring.games.common.pyramid_game import PyramidSettings, SingleImageGame
from sparring.games.common.turns import require_positive
from sparring.objectives.penalties import patch_penalty

DROP, LATE = 0.8, 0.1  # for the last fifth of a scale's rounds every learning rate is a tenth


class SinGAN(SingleImageGame):
    """One generator and one critic a scale, trained scale after scale on the first image of the data.

    Args:
        G: The generators, see `SingleImageGame`.
        D: The critics: images (N, C, H, W) -> scores of their patches.
        shape: (C, H, W) of the photograph.
        sizes: Height and width at each scale; the last are the photograph's.
        rounds: For each scale.
        reconstruction: α.
        penalty: λ.
        spread: The strength of noise, as a share of the missing detail.
        critic: Builds each critic's optimiser.
        generator: Builds each generator's optimiser.
        critic_steps: Moves of D in a round.
        generator_steps: Moves of G in a round.
        drawing: The rest of what `SingleImageGame` takes.
    """

    def __init__(
        self,
        G: Sequence[nn.Module],
        D: Sequence[nn.Module],
        shape: Sequence[int],
        sizes: Sequence[Size],
        *,
        rounds: int,
        reconstruction: float = 10.0,
        penalty: float = 0.1,
        spread: float = 0.1,
        critic: Optimiser,
        generator: Optimiser,
        critic_steps: int = 3,
        generator_steps: int = 3,
        **drawing: Unpack[PyramidSettings],
    ) -> None:
        super().__init__(G, shape, sizes, **drawing)
        self.D, self._rounds = nn.ModuleList(D), rounds
        self.reconstruction, self.penalty, self.spread = reconstruction, penalty, spread
        require_positive(critic_steps=critic_steps, generator_steps=generator_steps)
        self.critic_steps, self.generator_steps = critic_steps, generator_steps
        self._optimisers = {"D": critic, "G": generator}

    def players(self) -> dict[str, Optimizer]:
        """Return the optimisers of D0, G0, D1, G1, ..."""
        pairs = [{"D": D, "G": G} for D, G in zip(self.D, self.G, strict=True)]
        return {f"{role}{k}": self._optimisers[role](pair[role]) for k, pair in enumerate(pairs) for role in pair}

    def critic_networks(self) -> tuple[str, ...]:
        """The critic of every scale scores images."""
        return tuple(f"D.{scale}" for scale in range(len(self.D)))

    def stages(self) -> tuple[Stage, ...]:
        """Return one stage for each scale."""
        names = [f"scale {k + 1} of {len(self.sizes)}, {w} × {h} pixels" for k, (h, w) in enumerate(self.sizes)]
        return tuple(Stage(name, k * self._rounds, (k + 1) * self._rounds) for k, name in enumerate(names))

    def lr_scale(self, step: int) -> float:
        """Fall to a tenth for the last fifth of every scale's rounds."""
        return LATE if step - self.scale_at(step) * self._rounds >= DROP * self._rounds else 1.0

    def scale_at(self, step: int) -> int:
        """Return the scale that is trained at a step; the last one has no end."""
        return min(step // self._rounds, len(self.sizes) - 1)

    def critic_spec(self) -> CriticSpec:
        """Return that the critic of each scale scores patches, and pays for their slope."""
        return CriticSpec(
            output=CriticOutput.PATCHES,
            adversarial_terms=("adversarial",),
            gradient_penalties=("penalty",),
            penalty_target=1,
            trained_later="each scale but the first",
            noise_condition="a part for each scale",
            generator_use="has a generator a scale",
        )

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D, then G, of the current scale."""
        (x, *_), n = next(data), self.scale_at(step)
        self.begin(n, x[:1])
        real, D, target = self.resize(x, self.sizes[n]), self.D[n], self.resize(self.image, self.sizes[n])
        for _ in range(self.critic_steps):
            with torch.no_grad():
                fake = self.sample_scale(n, len(x))
            penalty = self.penalty * patch_penalty(D, real, fake)
            yield Move(f"D{n}", adversarial=D(fake).mean() - D(real).mean(), penalty=penalty)
        below = self.reconstruct(n - 1)
        for _ in range(self.generator_steps):
            adversarial = -D(self.sample_scale(n, len(x))).mean()
            missed = mse_loss(self.run_scale(n, self.fixed_noise(n), below), target)
            yield Move(f"G{n}", adversarial=adversarial, reconstruction=self.reconstruction * missed)

    @torch.no_grad()
    def begin(self, n: int, x: Tensor) -> None:
        """Give scale n, when it begins, its start and the strength of its noise.

        Args:
            n: The scale.
            x: The photograph (1, C, H, W), which is kept at the very first time.
        """
        if n < self.begun:
            return
        self.begun.fill_(n + 1)
        if n == 0:
            self.image.copy_(x)
            return
        for networks in (self.G, self.D):
            if _alike(networks[n - 1], networks[n]):
                networks[n].load_state_dict(networks[n - 1].state_dict())
        below = self.reconstruct(n - 1)
        assert below is not None
        if self.palette is not None and n == self.entrance:
            self.palette.fit(self.resize(self.image, self.sizes[n - 1]))
        missing = self.resize(self.image, self.sizes[n]) - self.scale_input(n, below)
        self.amplitudes[n] = self.spread * missing.square().mean().sqrt()


def _alike(one: nn.Module, other: nn.Module) -> bool:
    """Return whether two networks have parameters of the same shapes."""
    return [p.shape for p in one.parameters()] == [p.shape for p in other.parameters()]
