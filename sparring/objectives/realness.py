"""Losses of RealnessGAN: realness is a distribution over N outcomes, not a number (Xiangli et al., 2020).

D outputs N logits, D(x) = softmax. Two *anchors*, distributions over the same outcomes, stand for "real" (A1) and
"fake" (A0). With the sum over outcomes, the mean over the batch, and natural logarithms:

    L_D = E KL(A1 ‖ D(x)) + E KL(A0 ‖ D(G))

    ==========  ===================================  ================================================
    goal        L_G                                  effect on D(G)
    ==========  ===================================  ================================================
    `Away`      −E KL(A0 ‖ D(G))                     away from the fake anchor
    `Paired`    E KL(D(x) ‖ D(G)) − E KL(A0 ‖ D(G))  the same, and towards D's output for real samples
    `Anchored`  E KL(A1 ‖ D(G)) − E KL(A0 ‖ D(G))    the same, and towards the real anchor
    ==========  ===================================  ================================================

The best D is (p A1 + q A0) / (p + q), outcome by outcome; at p = q its loss is 2 JSD(A1, A0), and it is lower by
2 KL((p A1 + q A0)/2 ‖ (p + q)(A1 + A0)/4) elsewhere. So G finds the data if A1 ≠ A0 somewhere. With two outcomes and
one-hot anchors L_D is the binary cross-entropy of the difference of the logits.

The anchors decide the rest. The authors' code draws both anew in every round, as histograms over the *sample's own*
range, and *skews* them apart: on the outcomes' support [−1, 1] the real one moves up by 1 and the fake one down by 1,
what would leave the support piles up at its end, the rest is shared out between neighbours (as Bellemare et al., 2017,
project distributions of returns). Without the skew the two nearly coincide.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor


class Anchors(NamedTuple):
    """Target distributions of D.

    Attributes:
        real: A1, of real samples; probabilities (N,).
        fake: A0, of fakes; probabilities (N,).
    """

    real: Tensor
    fake: Tensor


AnchorSource = Callable[[torch.device | str], Anchors]
"""Return the anchors of one round, on a device."""


@dataclass(frozen=True)
class DrawnAnchors:
    """Anchors drawn at each call: histograms of uniform (real) and Gaussian (fake) numbers, skewed apart.

    Because a histogram spans its own sample, the Gaussian's is a bell over all outcomes whatever its deviation.

    Args:
        outcomes: N, at least 2.
        skew: How far each anchor moves, in units of the support [−1, 1]; 0 leaves the two nearly alike.
        draws: Numbers in each histogram.

    Raises:
        ValueError: If there are fewer than two outcomes or draws.
    """

    outcomes: int
    skew: float = 1.0
    draws: int = 1000

    def __post_init__(self) -> None:
        if self.outcomes < 2 or self.draws < 2:
            raise ValueError(f"anchors need 2 outcomes and 2 draws, got {self.outcomes} and {self.draws}")

    def __call__(self, device: torch.device | str = "cpu") -> Anchors:
        """Draw both anchors from torch's generator."""
        real = histogram(torch.rand(self.draws, device=device), self.outcomes)
        fake = histogram(torch.randn(self.draws, device=device), self.outcomes)
        return Anchors(skewed(real, self.skew), skewed(fake, -self.skew))


@dataclass(frozen=True)
class FixedAnchors:
    """Constant anchors.

    Args:
        real: Probabilities of the N outcomes of real samples.
        fake: Probabilities of the N outcomes of fakes.

    Raises:
        ValueError: If they are not probabilities of equal length, or are equal, so that nothing can be learned.
    """

    real: tuple[float, ...]
    fake: tuple[float, ...]

    def __post_init__(self) -> None:
        for anchor in (self.real, self.fake):
            if min(anchor) < 0 or abs(sum(anchor) - 1) > 1e-6:
                raise ValueError(f"an anchor holds probabilities that sum to 1, got {anchor}")
        if len(self.real) != len(self.fake) or self.real == self.fake:
            raise ValueError(f"anchors must be two different ones of one length, got {self.real} and {self.fake}")

    def __call__(self, device: torch.device | str = "cpu") -> Anchors:
        """Return both anchors."""
        return Anchors(torch.tensor(self.real, device=device), torch.tensor(self.fake, device=device))


def skew_normal(outcomes: int, distance: float) -> FixedAnchors:
    """Return fixed anchors, mirror images of each other, at a chosen KL(A1 ‖ A0).

    A1 is a skew normal density (Azzalini, 1985) at N points t of [−2, 2], A1 ∝ φ(t) Φ(st), and A0 has −s. The
    divergence grows with the shape s from 0 without bound, so s is found by halving an interval. The family is ours:
    the paper also varies the divergence, over 1.66, 5.11, 7.81 and 11.05.

    Args:
        outcomes: N, at least 2.
        distance: KL(A1 ‖ A0) in nats, between 0.01 and 100.

    Raises:
        ValueError: If either is out of its range.
    """
    if outcomes < 2 or not 0.01 <= distance <= 100:
        raise ValueError(f"anchors need 2 outcomes and a distance in [0.01, 100], got {outcomes} and {distance}")
    t = torch.linspace(-2, 2, outcomes, dtype=torch.float64)
    least, most = 1e-3, 1e3
    for _ in range(60):
        shape = (least * most) ** 0.5
        real = (torch.special.log_ndtr(shape * t) - t.square() / 2).softmax(0)
        reached = (real * (torch.special.log_ndtr(shape * t) - torch.special.log_ndtr(-shape * t))).sum()
        least, most = (shape, most) if reached < distance else (least, shape)
    return FixedAnchors(tuple(real.tolist()), tuple(real.flip(0).tolist()))


def histogram(draws: Tensor, outcomes: int) -> Tensor:
    """Return the shares (outcomes,) of draws (M,) in equal bins between their own minimum and maximum.

    >>> histogram(torch.tensor([0.0, 1.0, 2.0, 9.0]), 3).tolist()
    [0.75, 0.0, 0.25]
    """
    low, high = draws.aminmax()
    place = ((draws - low) / (high - low) * outcomes).long().clamp(max=outcomes - 1)
    return (place[:, None] == torch.arange(outcomes, device=draws.device)).to(draws.dtype).mean(0)


def skewed(anchor: Tensor, by: float) -> Tensor:
    """Return an anchor whose outcomes, evenly spread over [−1, 1], have moved by `by`; no mass is lost.

    An outcome that would leave the support is held at its end; one that falls between two others is shared linearly.

    Args:
        anchor: Probabilities (..., N).
        by: From −2 (all mass on the lowest outcome) over 0 (the identity) to 2 (all on the highest).

    >>> skewed(torch.tensor([0.2, 0.2, 0.2, 0.2, 0.2]), 0.75)
    tensor([0.0000, 0.1000, 0.2000, 0.2000, 0.5000])
    """
    last = anchor.shape[-1] - 1
    outcome = torch.arange(last + 1, device=anchor.device, dtype=anchor.dtype)
    moved = (outcome + by * last / 2).clamp(0, last)
    shares = (1 - (moved[:, None] - outcome).abs()).clamp(min=0)
    return (anchor[..., None] * shares).sum(-2)  # autocast would make a product of matrices imprecise


def divergence(target: Tensor, logits: Tensor) -> Tensor:
    """Return E KL(target ‖ softmax(logits)): summed over outcomes, averaged over the batch, in nats.

    Args:
        target: Probabilities (N,), or (B, N) for one a sample.
        logits: D's outputs (B, N).

    >>> divergence(torch.tensor([1.0, 0.0]), torch.zeros(7, 2))
    tensor(0.6931)
    """
    answers = logits.log_softmax(-1, dtype=torch.promote_types(logits.dtype, target.dtype))
    return (torch.xlogy(target, target) - target * answers).sum(-1).mean()


class Goal(Protocol):
    """The loss of G; subclass it to inherit the default of `needs_real`."""

    needs_real: ClassVar[bool] = False
    """Whether it also needs D's outputs on real samples."""

    @abstractmethod
    def __call__(self, fake: Tensor, anchors: Anchors, real: Tensor | None = None) -> Tensor:
        """Return G's loss, given D's logits (B, N) on G's samples."""


@dataclass(frozen=True)
class Away(Goal):
    """The first objective: −E KL(A0 ‖ D(G))."""

    def __call__(self, fake: Tensor, anchors: Anchors, real: Tensor | None = None) -> Tensor:
        """Return the loss; large where D recognises the fakes."""
        return -divergence(anchors.fake, fake)


@dataclass(frozen=True)
class Paired(Goal):
    """The second objective: E KL(D(x) ‖ D(G)) − E KL(A0 ‖ D(G)), the authors' default.

    Real and fake samples are paired by index. D(x) is a target without gradient, and it is not skewed.

    Raises:
        ValueError: From the loss, if the reals are missing or differ from the fakes in shape.
    """

    needs_real: ClassVar[bool] = True

    def __call__(self, fake: Tensor, anchors: Anchors, real: Tensor | None = None) -> Tensor:
        """Return the loss; `real` are D's logits (B, N) on real samples that D has not just been trained on."""
        if real is None or real.shape != fake.shape:
            seen = None if real is None else tuple(real.shape)
            raise ValueError(f"outputs for reals {seen} and fakes {tuple(fake.shape)} are paired: draw as many reals")
        target = real.detach().softmax(-1, dtype=torch.promote_types(real.dtype, anchors.real.dtype))
        return divergence(target, fake) - divergence(anchors.fake, fake)


@dataclass(frozen=True)
class Anchored(Goal):
    """The third objective: E KL(A1 ‖ D(G)) − E KL(A0 ‖ D(G)); identically zero if the anchors are equal."""

    def __call__(self, fake: Tensor, anchors: Anchors, real: Tensor | None = None) -> Tensor:
        """Return the loss."""
        return divergence(anchors.real, fake) - divergence(anchors.fake, fake)


@dataclass(frozen=True)
class Realness:
    """The losses of both players and the source of their anchors.

    Args:
        anchors: Source of the anchors of one round.
        goal: The loss of G.
    """

    anchors: AnchorSource
    goal: Goal = Paired()

    def critic(self, real: Tensor, fake: Tensor, anchors: Anchors) -> Tensor:
        """Return E KL(A1 ‖ D(x)) + E KL(A0 ‖ D(G)), given D's logits (B, N) on real and on fake samples."""
        return divergence(anchors.real, real) + divergence(anchors.fake, fake)

    def generator(self, fake: Tensor, anchors: Anchors, real: Tensor | None = None) -> Tensor:
        """Return G's loss, given D's logits (B, N) on its samples, and on real ones if the goal needs them."""
        return self.goal(fake, anchors, real)

    @property
    def equilibrium(self) -> dict[str, float]:
        """The values of both losses at p = q, where D is (A1 + A0)/2; for drawn anchors, their means over 200 draws."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            draws = [self.anchors("cpu") for _ in range(200)]
        mean = torch.stack([(each.real + each.fake) / 2 for each in draws]).mean(0, keepdim=True)
        logits = mean.clamp(min=1e-30).log()
        critic = torch.stack([self.critic(logits, logits, each) for each in draws]).mean()
        generator = torch.stack([self.generator(logits, each, logits) for each in draws]).mean()
        return {"D": critic.item(), "G": generator.item()}
