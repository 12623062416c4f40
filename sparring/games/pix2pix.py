"""pix2pix: image-to-image translation, trained on pairs (a, b) of the same scene (Isola et al., 2017).

    b̃ = G(a)
    D minimises  ½ L_D(D(b, a), D(b̃, a))                G held fixed; D takes an image and its source
    G minimises  L_G(D(b̃, a)) + λ mean ‖b̃ − b‖₁         the b̃ that D has just learned from. Default: λ = 100

L_D and L_G are the cross-entropies of the paper. The half slows D down. There is no noise z: G's
samples vary by dropout, if it has any, and in evaluation mode one a has one b̃.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss
from torch.optim import Optimizer

from sparring.errors import GameError
from sparring.game import CriticOutput, CriticSpec, Data, Game, Move, Optimiser
from sparring.objectives import NonSaturating, Objective

CROSS_ENTROPY = NonSaturating()


class Pix2Pix(Game):
    """D, then G, on one draw of translations.

    Args:
        G: Pictures (N, C, H, W) to pictures (N, C', H, W).
        D: Critic (N, C', H, W), (N, C, H, W) -> scores of any shape, large = real.
        critic: Builds D's optimiser.
        generator: Builds G's optimiser.
        objective: The two losses.
        likeness: λ.
        to: The domain to translate to, "B" or "A"; from the other one.
        schedule: Factor of all learning rates, as a function of the step.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        *,
        critic: Optimiser,
        generator: Optimiser,
        objective: Objective = CROSS_ENTROPY,
        likeness: float = 100.0,
        to: str = "B",
        schedule: Callable[[int], float] = lambda step: 1.0,
    ) -> None:
        super().__init__()
        self.G, self.D = G, D
        self._critic, self._generator, self._schedule = critic, generator, schedule
        self.objective, self.likeness, self.domain = objective, likeness, to

    def players(self) -> dict[str, Optimizer]:
        """Return the optimisers of D and G."""
        return {"D": self._critic(self.D), "G": self._generator(self.G)}

    def lr_scale(self, step: int) -> float:
        """Follow the schedule given at construction."""
        return self._schedule(step)

    def sampling_networks(self) -> tuple[str, ...]:
        """Translating uses G alone."""
        return ("G",)

    def critic_networks(self) -> tuple[str, ...]:
        """Only D scores translations."""
        return ("D",)

    def critic_spec(self) -> CriticSpec:
        """Return that D scores patches of pairs of pictures."""
        return CriticSpec(
            output=CriticOutput.PATCHES,
            condition="its source image",
            adversarial_terms=("adversarial",),
            spatial_condition=True,
        )

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D, then G."""
        a, b = self.pair(data)
        fake = self.G(a)
        yield Move("D", adversarial=self.objective.critic(self.D(b, a), self.D(fake.detach(), a)) / 2)
        adversarial = self.objective.generator(self.D(fake, a))
        yield Move("G", adversarial=adversarial, likeness=self.likeness * l1_loss(fake, b))

    def pair(self, data: Data) -> tuple[Tensor, Tensor]:
        """Return the next source images and their targets.

        Raises:
            GameError: If the data are no pairs of pictures.
        """
        a, *second = next(data)
        if not second or second[0].dim() != 4:
            raise GameError("pix2pix needs pairs of pictures, and its data has none: see docs/how-to/label-maps.md.")
        return (a, second[0]) if self.domain == "B" else (second[0], a)

    def translate(self, x: Tensor, to: str) -> Tensor:
        """Return pictures (N, C, H, W) as the domain `to` would show them.

        Raises:
            GameError: If that is not the direction that was learned.
        """
        if to != self.domain:
            raise GameError(f"This pix2pix translates to {self.domain} only: train another run for pictures of {to}.")
        with torch.no_grad():
            samples: Tensor = self.G(x)
            return samples
