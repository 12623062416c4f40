"""NICE-GAN: the critic's first part is the encoder of translation (Chen et al., 2020, equations 1 to 5).

D_X = C_X ∘ E_X separates images of X from fakes, by scores of small patches, of large ones and of its attention; and
z = E_X(x) is the input of translation out of X: b̃ = G_AB(E_A(a)), ã = G_BA(E_B(b)). With
adv(x, t) = Σ E (score − t)² over the three, and means of absolute values:

    D minimises   adv_A(a, 1) + adv_A(ã, 0) + adv_B(b, 1) + adv_B(b̃, 0)
    G minimises   adv_A(ã, 1) + adv_B(b̃, 1)
                  + λ |G_BA(E_B(b̃)) − a| + λ |G_AB(E_A(ã)) − b|                         the cycle
                  + ρ |G_BA(E_A(a)) − a| + ρ |G_AB(E_B(b)) − b|                         one latent space for both

D moves first. E is trained in D's move only (section 3.3): in G's move gradients flow *through* E
and C into the fakes, without an update of E. An encoder trained by G as well would adapt to its fakes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

import torch
from torch import Tensor, nn

from sparring.game import CriticOutput, CriticSpec, Data, Move, PlayerSettings
from sparring.games.common.two_domain import TwoDomainGame, l1, least_squares


class NICEGAN(TwoDomainGame):
    """Two generators that begin where two critics' encoders end.

    Args:
        G_AB: Generator of B, codes -> images.
        G_BA: Generator of A.
        D_A: Critic of A, images -> several tensors of scores; with methods ``encode``, images -> codes, and ``heat``,
            images -> attention maps.
        D_B: Critic of B.
        adversarial: Weight of the adversarial terms.
        cycle: λ.
        reconstruction: ρ.
        **learning: As for `TwoDomainGame`.
    """

    def __init__(
        self,
        G_AB: nn.Module,
        G_BA: nn.Module,
        D_A: nn.Module,
        D_B: nn.Module,
        *,
        adversarial: float = 1.0,
        cycle: float = 10.0,
        reconstruction: float = 10.0,
        **learning: Unpack[PlayerSettings],
    ) -> None:
        super().__init__(G_AB, G_BA, D_A, D_B, **learning)
        self.adversarial, self.cycle, self.reconstruction = adversarial, cycle, reconstruction

    def sampling_networks(self) -> tuple[str, ...]:
        """Translation uses the generators and the encoders, which are part of the critics."""
        return ("G_AB", "G_BA", "D_A", "D_B")

    def critic_spec(self) -> CriticSpec:
        """Return that both critics score patches, and that G reads their encoders."""
        return CriticSpec(
            output=CriticOutput.PATCHES, adversarial_terms=("fool_A", "fool_B"), features_shared_with="translation"
        )

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D, which encodes the images, then G from the new codes."""
        a, b, *_ = next(data)
        fake_a, fake_b = self.translate(b, "A"), self.translate(a, "B")
        yield Move(
            "D",
            A=self.adversarial * (self.judged(self.D_A, a, 1) + self.judged(self.D_A, fake_a, 0)),
            B=self.adversarial * (self.judged(self.D_B, b, 1) + self.judged(self.D_B, fake_b, 0)),
        )
        z_a, z_b = self.code(a, "A"), self.code(b, "B")
        fake_a, fake_b = self.drawn(z_b, "A", b), self.drawn(z_a, "B", a)
        yield Move(
            "G",
            fool_A=self.adversarial * self.judged(self.D_A, fake_a, 1),
            fool_B=self.adversarial * self.judged(self.D_B, fake_b, 1),
            cycle_A=self.cycle * l1(self.translate_with_grad(fake_b, "A"), a),
            cycle_B=self.cycle * l1(self.translate_with_grad(fake_a, "B"), b),
            reconstruction_A=self.reconstruction * l1(self.drawn(z_a, "A", a), a),
            reconstruction_B=self.reconstruction * l1(self.drawn(z_b, "B", b), b),
        )

    def judged(self, D: nn.Module, x: Tensor, target: float) -> Tensor:
        """Return adv(x, t), the price of all of a critic's scores."""
        return torch.stack([least_squares(scores, target) for scores in D(x)]).sum()

    def encode(self, x: Tensor, domain: str = "A") -> Tensor:
        """Return the codes of images of a domain; both domains have one space of codes."""
        with torch.no_grad():
            return self.code(x, domain)

    def code(self, x: Tensor, domain: str) -> Tensor:
        """Return the codes of images of a domain, with gradients."""
        encoded: Tensor = self.get_submodule(f"D_{domain}").encode(x)  # type: ignore[operator]
        return encoded

    def translate_with_grad(self, x: Tensor, to: str) -> Tensor:
        """Return images encoded by the critic of their own domain, and drawn by the other one's generator."""
        return self.drawn(self.code(x, "A" if to == "B" else "B"), to, x)

    def drawn(self, z: Tensor, to: str, x: Tensor) -> Tensor:
        """Return the images of a domain that codes are drawn to, cropped about their centre to the size of images x."""
        samples: Tensor = self.G_AB(z) if to == "B" else self.G_BA(z)
        (height, width), (rows, columns) = x.shape[2:], samples.shape[2:]
        top, left = (rows - height) // 2, (columns - width) // 2
        return samples[..., top : top + height, left : left + width]

    def attention_map(self, x: Tensor, domain: str) -> Tensor:
        """Return attention maps of a domain's critic for images of it, (N, 1, h, w), large = attended."""
        with torch.no_grad():
            attention: Tensor = self.get_submodule(f"D_{domain}").attention_map(x)  # type: ignore[operator]
            return attention
