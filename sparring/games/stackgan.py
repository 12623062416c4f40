"""StackGAN: text-to-image generation, coarse images first, then the same in twice the size.

    stage I    x̃ = G(z, c)                                z ~ N(0, I), c drawn around φ, images of half the side
    stage II   x̃ = G₂(G(z, c), c₂)                        G held fixed, in evaluation mode
    D minimises  mean_h R(D_h(x, φ)) + [Σ_h F(D_h(x̃, φ)) + F(D_match(x, φ′))] / (heads + 1) + γ/2 E ‖∇ₓ Σ_h D_h(x, φ)‖²
    G minimises  Σ_h R(D_h(x̃, φ)) + λ KL(N(μ, σ²) ‖ N(0, I)) / dims

R and F are the cross-entropies of "fits" and of "does not". In stage I D has one head, "does x match φ?", which makes
its loss the matching-aware one of Reed et al. (2016); in stage II also "is x real?", for which a wrong pair (x, φ′) has
no target (Zhang et al., 2017, 2019; weights of the authors' code, whose KL is also a mean over coordinates). The papers
have no γ, R1's weight.

φ′ is drawn from those of the batch with another caption *and* another image; a row that has none is left out.
Of several draws the nearest may be taken, from which D learns what a single word changes. The input of D is φ itself,
since G's conditions hardly differ between captions at first. T may be fixed, or trained for some rounds to match
captions with images E(x), by a margin (Reed et al., 2016, equation 2):

    T, E minimise   mean_ij [1 + s_ij − s_ii]₊ + [1 + s_ji − s_ii]₊,    s = ⟨E(x_i), T(words_j)⟩ / √features
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Unpack

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim import Optimizer

from sparring._types import Network
from sparring.game import CriticOutput, CriticSpec, Data, Move, evaluation_mode
from sparring.games.common.caption_pairs import are_different, sample_mismatched, structured_loss
from sparring.games.common.posterior import reparameterise
from sparring.games.common.text_game import Reading, TextGame, TextSettings
from sparring.objectives.penalties import r1
from sparring.objectives.variational import kl_to_prior


class Second(NamedTuple):
    """The second stage: its players, the step at which it takes over, how images are halved and doubled.

    G: images of stage I, (N, condition) -> (N, *shape), with a buffer ``begun``. D: images and captions -> (N, 2).
    """

    G: nn.Module
    D: nn.Module
    begins: int
    down: Callable[[Tensor], Tensor]
    up: Callable[[Tensor], Tensor]


class StackGAN(TextGame):
    """D, then G: of stage I, and from a step on of stage II.

    Args:
        text: T, see `TextGame`.
        G: Stage I, (N, latent), (N, condition) -> images; see `TextGame`.
        D: Critic of stage I's images and captions (N, features), (N, heads), matching first.
        divergence: λ.
        rivals: Rows that are drawn for a wrong pair, of which the nearest caption is taken.
        penalty: γ, the weight of R1 at true pairs, in either stage.
        second: The second stage, if any.
        reading: How T learns; None if it is fixed.
        settings: The captions of noise, the optimisers of D and G of either stage, and the schedule.
    """

    def __init__(
        self,
        text: nn.Module,
        G: nn.Module,
        D: nn.Module,
        *,
        divergence: float = 1.0,
        rivals: int = 1,
        penalty: float = 0.0,
        second: Second | None = None,
        reading: Reading | None = None,
        **settings: Unpack[TextSettings],
    ) -> None:
        super().__init__(text, G, D, **settings)
        self.divergence, self.rivals, self.penalty = divergence, rivals, penalty
        self.second, self.reading = second, reading
        self.G2: Network = second and second.G
        self.D2: Network = second and second.D
        self.E: Network = reading and reading.E

    def players(self) -> dict[str, Optimizer]:
        """Return the optimisers of D and G, of D2 and G2 where there are two stages, and of T where it learns."""
        second = {"D2": self._critic(self.D2), "G2": self._generator(self.G2)} if self.second else {}
        text = {"T": self.reading.learn(nn.ModuleList([self.text, self.E]))} if self.reading else {}
        return {**super().players(), **second, **text}

    def sampling_networks(self) -> tuple[str, ...]:
        """Sampling reads words, and draws with one generator or with two."""
        return ("text", "G", "G2") if self.second else ("text", "G")

    def critic_networks(self) -> tuple[str, ...]:
        """D, and D2 where there are two stages."""
        return ("D", "D2") if self.second else ("D",)

    def critic_spec(self) -> CriticSpec:
        """Return that D scores pairs of a sample and a sentence, in stage II with two logits."""
        output = CriticOutput.SCORES if self.second else CriticOutput.SCORE
        return CriticSpec(
            output=output,
            condition="a sentence",
            adversarial_terms=("adversarial",),
            gradient_penalties=("r1",) if self.penalty else (),
            penalty_target=0 if self.penalty else None,
            trained_later="stage II" if self.second else "",
            noise_condition="conditions and a sentence",
        )

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Train T at first; then play D and G of the current stage."""
        x, codes = self.captioned_batch(data)
        apart = are_different(x, codes)
        if self.reading and step < self.reading.rounds:
            yield Move("T", matching=structured_loss(self.E(x), self.text(codes), apart))
        x, D, stage = self.staged(x, step)
        with torch.no_grad():
            phi = self.text(codes)
            fake, _ = self.drawn(phi, stage)
        wrong, there = sample_mismatched(apart, phi, self.rivals)
        real, false, misfit = D(x, phi), D(fake, phi), softplus(D(x, phi[wrong])[:, 0]) * there
        parts = 1 + real.shape[1]
        adversarial = softplus(-real).mean() + softplus(false).sum(1).mean() / parts
        terms = {"adversarial": adversarial, "matching": misfit.sum() / there.sum().clamp_min(1) / parts}
        terms |= {"r1": self.penalty / 2 * r1(lambda x: D(x, phi).sum(1), x)} if self.penalty else {}
        yield Move(f"D{stage}", **terms)
        fake, far = self.drawn(phi, stage)
        yield Move(f"G{stage}", adversarial=softplus(-D(fake, phi)).sum(1).mean(), divergence=self.divergence * far)

    def staged(self, x: Tensor, step: int) -> tuple[Tensor, Network, str]:
        """Return the stage's input of x, its critic, and the suffix of its players' names."""
        if self.second is None or step < self.second.begins:
            return (self.second.down(x) if self.second else x), self.D, ""
        self.G2.begun.fill_(True)
        return x, self.D2, "2"

    def drawn(self, phi: Tensor, stage: str) -> tuple[Tensor, Tensor]:
        """Draw a sample of each caption by the stage; and returns its conditions' divergence, a coordinate."""
        start, G = self.z(len(phi)), self.G2 if stage else self.G
        if stage:
            with evaluation_mode(self.G):
                start = self.G(start, reparameterise(*self.G.augment(phi)))
        mean, log_variance = G.augment(phi)
        return G(start, reparameterise(mean, log_variance)), kl_to_prior(mean, log_variance).mean() / mean.shape[1]

    def generators(self) -> tuple[Network, ...]:
        """Return G, and G2 where there are two stages."""
        return (self.G, self.G2) if self.second else (self.G,)

    def paint(self, z: Tensor, conditions: list[Tensor]) -> Tensor:
        """Draw by stage I, and refines by stage II once its training has begun; before, only the size is doubled."""
        x: Tensor = self.G(z, conditions[0])
        if self.second is None:
            return x
        return self.G2(x, conditions[1]) if self.G2.begun else self.second.up(x)
