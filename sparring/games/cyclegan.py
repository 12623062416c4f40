"""CycleGAN: unpaired translation with cycle consistency (Zhu et al., 2017, equations 1 to 3 and section 4).

With b̃ = G_AB(a), ã = G_BA(b), least squares ls(C, t) = E (C − t)², and means of absolute values:

    G minimises   ls(D_B(b̃), 1) + ls(D_A(ã), 1)
                  + λ_A |G_BA(b̃) − a| + λ_B |G_AB(ã) − b|                              the cycle
                  + ι (λ_B |G_AB(b) − b| + λ_A |G_BA(a) − a|)                          identity: colours stay
    D minimises   ½ [ls(D_B(b), 1) + ls(D_B(pool(b̃)), 0)] + ½ [ls(D_A(a), 1) + ls(D_A(pool(ã)), 0)]

G moves first. D is then trained on the fakes generated before G's move, through a pool of older ones (`ImagePool`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from torch import Tensor, nn

from sparring.game import CriticOutput, CriticSpec, Data, Move, PlayerSettings
from sparring.games.common.two_domain import ImagePool, TwoDomainGame, l1, least_squares


class CycleGAN(TwoDomainGame):
    """Two generators and two critics.

    Args:
        G_AB: Generator (N, C, H, W) -> (N, C', H, W), from A to B.
        G_BA: Generator from B to A.
        D_A: Critic of A, images -> scores of any shape.
        D_B: Critic of B.
        pools: Histories of fakes of A and of B.
        cycle: λ_A and λ_B.
        identity: ι; 0 where the domains differ in channels.
        **learning: As for `TwoDomainGame`.
    """

    def __init__(
        self,
        G_AB: nn.Module,
        G_BA: nn.Module,
        D_A: nn.Module,
        D_B: nn.Module,
        *,
        pools: tuple[ImagePool, ImagePool],
        cycle: tuple[float, float] = (10.0, 10.0),
        identity: float = 0.5,
        **learning: Unpack[PlayerSettings],
    ) -> None:
        super().__init__(G_AB, G_BA, D_A, D_B, **learning)
        self.pool_A, self.pool_B = pools
        self.cycle, self.identity = cycle, identity

    def sampling_networks(self) -> tuple[str, ...]:
        """Translation uses the generators alone."""
        return ("G_AB", "G_BA")

    def critic_spec(self) -> CriticSpec:
        """Return that both critics score patches."""
        return CriticSpec(output=CriticOutput.PATCHES, adversarial_terms=("fool_A", "fool_B"))

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play G, then D on the same fakes or on older ones."""
        a, b, *_ = next(data)
        fake_b, fake_a = self.G_AB(a), self.G_BA(b)
        yield Move(
            "G",
            fool_A=least_squares(self.D_A(fake_a), 1),
            fool_B=least_squares(self.D_B(fake_b), 1),
            cycle_A=self.cycle[0] * l1(self.G_BA(fake_b), a),
            cycle_B=self.cycle[1] * l1(self.G_AB(fake_a), b),
            **self.unchanged(a, b),
        )
        old_a, old_b = self.pool_A(fake_a), self.pool_B(fake_b)
        yield Move(
            "D",
            A=(least_squares(self.D_A(a), 1) + least_squares(self.D_A(old_a), 0)) / 2,
            B=(least_squares(self.D_B(b), 1) + least_squares(self.D_B(old_b), 0)) / 2,
        )

    def unchanged(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
        """Return the identity terms: the price of changes to images of a generator's own target."""
        if not self.identity:
            return {}
        weights = [self.identity * weight for weight in self.cycle]
        return {
            "identity_A": weights[0] * l1(self.G_BA(a), a),
            "identity_B": weights[1] * l1(self.G_AB(b), b),
        }

    def translate_with_grad(self, x: Tensor, to: str) -> Tensor:
        """Return images translated by one generator."""
        samples: Tensor = self.G_AB(x) if to == "B" else self.G_BA(x)
        return samples
