"""Energy-based GAN: D is an autoencoder, whose reconstruction error is the energy (Zhao et al., 2017).

    E(x) = ‖Dec(Enc(x)) - x‖ = -D(x)

    D minimises  mean E(x) + mean max(0, m - E(G(z)))          G minimises  mean E(G(z)) + w f_PT(Enc(G(z)))

Fakes with an energy above the margin m do not change D. The pulling-away term f_PT, the mean squared cosine between
the codes of a batch, keeps fakes diverse; only G has it. With it the game is called EBGAN-PT.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Unpack

from torch import Tensor, nn

from sparring.game import CriticSpec, Data, LatentGame, Move, PlayerSettings
from sparring.objectives.batch_statistics import all_gather_rows
from sparring.objectives.energy import margin_loss, pulling_away


class EBGAN(LatentGame):
    """One move of D, then one of G against new noise (Zhao et al., 2017, equations 1, 2 and 4).

    Args:
        G: Generator (N, latent) -> (N, *shape).
        D: Autoencoder: D(x) is minus the energy, (N,), large = real as of any critic; D.features(x) the codes, (N, F).
        margin: m, the energy up to which fakes are pushed; in the units of the energy, so with the norm it grows as the
            root of the number of pixels.
        pulling_away: w, the weight of the pulling-away term.
        settings: The optimisers and the schedule, see `LatentGame`.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        *,
        margin: float,
        pulling_away: float = 0.1,
        **settings: Unpack[PlayerSettings],
    ):
        super().__init__(G, D, **settings)
        self.margin, self.pulling_away = margin, pulling_away

    def energy(self, x: Tensor) -> Tensor:
        """Return E(x), (N,): how badly D reconstructs each sample."""
        scores: Tensor = -self.D(x)
        return scores

    def over_batch(self, step: int) -> bool:
        """The pulling-away term compares all samples of a batch."""
        return self.pulling_away > 0

    def critic_spec(self) -> CriticSpec:
        """Return that scores are minus energies, and that G also pays for its codes."""
        return replace(
            super().critic_spec(),
            adversarial_terms=("energy",),
            features_shared_with="the pulling-away term",
            zero_centred=False,
        )

    def critic_terms(self, x: Tensor, fake: Tensor, step: int = 0) -> dict[str, Tensor]:
        """Return what D minimises, given real samples and fakes (N, *shape)."""
        return {"margin": margin_loss(self.energy(x), self.energy(fake), self.margin)}

    def generator_terms(self, x: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Return the energy of fakes (N, *shape), G's adversarial term."""
        return {"energy": self.energy(fake).mean()}

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D, then G."""
        x, *_ = next(data)
        yield Move("D", margin=margin_loss(self.energy(x), self.energy(self.fakes(len(x))), self.margin))
        fake = self.G(self.noise(len(x)))
        terms = {"energy": self.energy(fake).mean()}
        if self.pulling_away > 0:
            terms["pulling_away"] = self.pulling_away * pulling_away(all_gather_rows(self.D.features(fake)))  # type: ignore[operator]
        yield Move("G", **terms)
