"""The VAE-GAN (Larsen et al., 2016, Algorithm 1): the reconstruction error is that of a critic's features.

    L_prior = KL(N(μ, σ²) ‖ N(0, I))        x̃ = G(z), z ~ N(μ, σ²), (μ, log σ²) = E(x);   x_p = G(z_p), z_p ~ N(0, I)
    L_like  = ½ Σ (F(x) − F(x̃))²            over the features F of D; Gaussian of variance 1, without its constant

    E minimises  L_prior + L_like
    G minimises  γ L_like − E log σ(D(x̃)) − E log σ(D(x_p))               the paper's form saturates
    D minimises  −E log σ(D(x)) − E log σ(−D(x̃)) − E log σ(−D(x_p))

All three move at once, from one forward pass. D's loss on x̃ has no gradient for E, nor the likelihood for D, which
would make all features equal. γ weighs a sum: the more features, the smaller it must be.

Gates (authors' code): where D's loss on one kind of sample is below equilibrium − margin, it waits; where it exceeds
equilibrium + margin, G waits; if both would, both move.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim import Optimizer

from sparring.game import CriticSpec, Data, Move, Optimiser
from sparring.games.common.posterior import PosteriorGame, mean_and_log_variance, reparameterise
from sparring.objectives.batch_statistics import batch_mean
from sparring.objectives.variational import kl_to_prior


def unlikeness(features: Tensor, target: Tensor) -> Tensor:
    """Return L_like of features (N, F), a mean over samples."""
    return (features - target).square().sum(1).mean() / 2


class VAEGAN(PosteriorGame):
    """Encoder, generator and critic, simultaneously.

    Args:
        E: Encoder (N, *shape) -> (N, 2 latent), means and log variances.
        G: Generator (N, latent) -> (N, *shape), with an attribute ``latent``.
        D: Critic (N, *shape) -> (N,), with a method ``features`` (N, *shape) -> (N, F).
        encoder: Builds E's optimiser.
        generator: Builds G's optimiser.
        critic: Builds D's optimiser.
        gamma: γ, the weight of likeness in G's loss.
        judge_reconstructions: Whether D scores x̃ as well as x_p, as in the paper; its code for faces does not.
        equilibrium: Cross-entropy around which the gates are open, .68 in the authors' code; None leaves them open.
            Gates are decided by the whole batch.
        margin: Largest distance of the cross-entropies from it.
    """

    def __init__(
        self,
        E: nn.Module,
        G: nn.Module,
        D: nn.Module,
        *,
        encoder: Optimiser,
        generator: Optimiser,
        critic: Optimiser,
        gamma: float,
        judge_reconstructions: bool = True,
        equilibrium: float | None = None,
        margin: float = 0.35,
    ) -> None:
        super().__init__(E, G)
        self.D = D
        self._optimisers = {"E": encoder, "G": generator, "D": critic}
        self.gamma, self.judge_reconstructions = gamma, judge_reconstructions
        self.equilibrium, self.margin = equilibrium, margin

    def players(self) -> dict[str, Optimizer]:
        """Return the optimisers of encoder, generator and critic."""
        return {name: build(self.get_submodule(name)) for name, build in self._optimisers.items()}

    def critic_networks(self) -> tuple[str, ...]:
        """Only D scores samples."""
        return ("D",)

    def over_batch(self, step: int) -> bool:
        """Gates are decided by the whole batch."""
        return self.equilibrium is not None

    def critic_spec(self) -> CriticSpec:
        """Return that reconstructions are compared in D's features."""
        features = "the features of a sample and of its reconstruction"
        return CriticSpec(
            adversarial_terms=("fool",),
            compared_samples=features,
            features_shared_with="the likeness",
            zero_centred=True,
        )

    def round(self, data: Data, step: int) -> Iterator[tuple[Move, ...]]:
        """Move all three at once, or those with an open gate."""
        x, *_ = next(data)
        mean, log_variance = mean_and_log_variance(self.E(x))
        again, imagined = self.G(reparameterise(mean, log_variance)), self.G(self.noise(len(x)))
        with torch.no_grad():
            target = self.D.features(x)  # type: ignore[operator]
        likeness = unlikeness(self.D.features(again), target)  # type: ignore[operator]
        judged = [again, imagined] if self.judge_reconstructions else [imagined]
        on_real, fakes = softplus(-self.D(x)).mean(), torch.stack([self.D(fake) for fake in judged])
        on_fakes = softplus(fakes).mean(1)
        moves = (
            Move("E", prior=kl_to_prior(mean, log_variance).mean(), likeness=likeness),
            Move("G", likeness=self.gamma * likeness, fool=softplus(-fakes).mean(1).sum()),
            Move("D", real=on_real, fake=on_fakes.sum()),
        )
        waiting = self.waiting(on_real, on_fakes.mean())
        yield tuple(move for move in moves if move.player not in waiting)

    def waiting(self, on_real: Tensor, on_fake: Tensor) -> set[str]:
        """Return the players that wait at these cross-entropies of D, means over the batch."""
        if self.equilibrium is None:
            return set()
        costs = [batch_mean(cost.detach()).item() for cost in (on_real, on_fake)]
        waits = {"D"} if min(costs) < self.equilibrium - self.margin else set()
        waits |= {"G"} if max(costs) > self.equilibrium + self.margin else set()
        return waits if len(waits) == 1 else set()
