"""GauGAN: images from label maps, in the style of photographs (SPADE; Park et al., 2019).

    (μ, log σ²) = E(x),  z ~ N(μ, σ²),  x̃ = G(m, z)
    G and E minimise  mean_k L_G(D_k(x̃, m)) + λ mean_k Σ_j mean |F_kj(x̃, m) − sg F_kj(x, m)|
                      + γ KL(N(μ, σ²) ‖ N(0, I)) + perception, if any
    D minimises       mean_k L_D(D_k(x, m), D_k(x̃, m))            x̃ drawn anew; G and E held fixed

k counts the scales of D, j its feature maps; the last, F_k,last = D_k, are the scores and are left out. L is the hinge,
λ = 10, γ = .05. G moves first. KL is a plain *sum* over the batch, as in the authors' code, so that it weighs more in
larger batches, also over processes; `reduction` may be torch.mean. Without E a map has one image: G has no z.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self, Unpack

import torch
from torch import Tensor, nn

from sparring.game import CriticOutput, CriticSpec, Data, Move
from sparring.games.common.label_map_game import LabelMapGame, LabelMapSettings
from sparring.games.common.multiscale import Perception, halves, over_scales, unlikeness
from sparring.games.common.posterior import mean_and_log_variance, reparameterise
from sparring.games.common.turns import require_positive
from sparring.objectives import Hinge, Objective
from sparring.objectives.variational import kl_to_prior
from sparring.rng import num_shards

HINGE = Hinge()


def summed(divergences: Tensor) -> Tensor:
    """Return the sum over the global batch, of which the divergences (n,) are one part."""
    return divergences.sum() * num_shards()


class GauGAN(LabelMapGame):
    """G with E, then D, k times.

    Args:
        networks: G, D and E, see `LabelMapGame`; D returns `sparring.games.common.multiscale.Maps`.
        objective: The two losses.
        matching: λ.
        divergence: γ.
        reduction: Of the divergences (N,) of a batch to one number.
        perception: The perceptual term, if any; its network is kept as it is.
        critic_steps: k; every move of D but the first takes a new batch.
        settings: The classes, the optimisers and the schedule, see `LabelMapGame`.
    """

    def __init__(
        self,
        *networks: *tuple[nn.Module, nn.Module, nn.Module | None],
        objective: Objective = HINGE,
        matching: float = 10.0,
        divergence: float = 0.05,
        reduction: Callable[[Tensor], Tensor] = summed,
        perception: Perception | None = None,
        critic_steps: int = 1,
        **settings: Unpack[LabelMapSettings],
    ) -> None:
        super().__init__(*networks, **settings)
        self.objective, self.matching, self.divergence, self.reduction = objective, matching, divergence, reduction
        require_positive(critic_steps=critic_steps)
        self.perception, self.critic_steps = perception, critic_steps
        self.V = perception and perception.network.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Set the mode of every network but V, which stays in evaluation mode."""
        super().train(mode)
        if self.V is not None:
            self.V.eval()
        return self

    def critic_spec(self) -> CriticSpec:
        """Return that D gives maps at several scales, which are compared, of pictures beside their label maps."""
        return CriticSpec(
            output=CriticOutput.SCALES,
            condition="a label map",
            spatial_condition=True,
            adversarial_terms=("adversarial",),
            mixed_batches="real and made pictures",
            compared_samples="the features of a picture and of a made one",
        )

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play G with E, then D."""
        x, m = self.shown(data)
        style, terms = self.styled(x)
        fake = self.G(m, *style)
        seen = self.D(fake, m)
        with torch.no_grad():
            known = self.D(x, m)
        matching = self.matching * over_scales(unlikeness, seen, known)
        perception = {} if self.perception is None else {"perception": self.perception(fake, x)}
        adversarial = over_scales(lambda maps: self.objective.generator(maps[-1]), seen)
        yield Move("G", adversarial=adversarial, matching=matching, **terms, **perception)
        for again in range(self.critic_steps):
            x, m = self.shown(data) if again else (x, m)
            with torch.no_grad():
                fake = self.G(m, *self.styled(x)[0])
            false, real = halves(self.D(torch.cat([fake, x]), torch.cat([m, m])))
            yield Move("D", adversarial=over_scales(self._critic_loss, real, false))

    def styled(self, x: Tensor) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Return styles drawn around those of images, and the term that they cost; nothing where there are none."""
        if self.E is None:
            return [], {}
        mean, log_variance = mean_and_log_variance(self.E(x))
        far = self.reduction(kl_to_prior(mean, log_variance))
        return [reparameterise(mean, log_variance)], {"divergence": self.divergence * far}

    def _critic_loss(self, real: list[Tensor], fake: list[Tensor]) -> Tensor:
        return self.objective.critic(real[-1], fake[-1])
