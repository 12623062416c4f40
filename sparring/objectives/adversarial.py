"""Objectives: what critic and generator minimise, as pure functions of critic outputs.

A critic output C is raw (no sigmoid) and large on real data. Every objective gives two losses, both to be *minimised*;
each is the mean over the batch of every term, then the sum of the terms. With sp(t) = log(1 + exp t):

    =====================  ============================================  ========================================
    objective              L_D                                           L_G
    =====================  ============================================  ========================================
    `Minimax`              E sp(−C(x)) + E sp(C(G))                      −E sp(C(G))
    `NonSaturating`        the same, targets may be smoothed             E sp(−C(G))
    `LeastSquares`         ½E (C(x) − b)² + ½E (C(G) − a)²               ½E (C(G) − c)²
    `Hinge`                E relu(1 − C(x)) + E relu(1 + C(G))           −E C(G)
    `Wasserstein`          E C(G) − E C(x)                               −E C(G)
    `Relativistic`         E φ(C(x) − C(G))                              E φ(C(G) − C(x))
    `RelativisticAverage`  E φ(C(x) − E C(G)) + E φ(E C(x) − C(G))       the same with x and G exchanged
    =====================  ============================================  ========================================

The f-GAN family is in `sparring.objectives.f_divergences`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from sparring.objectives.batch_statistics import batch_mean

Link = Callable[[Tensor], Tensor]  # φ: loss of a comparison of two critic outputs, small where the first is larger


@runtime_checkable
class Objective(Protocol):
    """A pair of losses on critic outputs; subclass it to inherit the defaults of `needs_real` and `equilibrium`."""

    needs_real: ClassVar[bool] = False
    """Whether `generator` also needs the critic's outputs on real samples."""

    @abstractmethod
    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the loss the critic minimises, given its outputs on real and on fake samples."""

    @abstractmethod
    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return the loss the generator minimises, given the critic's outputs on its samples."""

    @property
    def centred(self) -> bool | None:
        """Return whether an output of 0 lies midway between real and fake; None if that is unknown."""
        return None

    @property
    def equilibrium(self) -> dict[str, float]:
        """The values of both losses where the model equals the data, under "D" and "G", as far as theory has them."""
        return {}


@dataclass(frozen=True)
class Minimax(Objective):
    """The zero-sum game of Goodfellow et al. (2014), equation 1.

    The generator's gradient vanishes where the critic is confident: dL_G/dC = −σ(C).
    """

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return −E log σ(C(x)) − E log(1 − σ(C(G)))."""
        return softplus(-real).mean() + softplus(fake).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return E log(1 − σ(C(G)))."""
        return -softplus(fake).mean()

    @property
    def centred(self) -> bool:
        """Yes: a logit of 0 is a probability of ½."""
        return True

    @property
    def equilibrium(self) -> dict[str, float]:
        """The critic is undecided: σ(C) = ½."""
        return {"D": 2 * math.log(2), "G": -math.log(2)}


@dataclass(frozen=True)
class NonSaturating(Objective):
    """The non-saturating game (Goodfellow et al., 2014, section 3): the generator maximises log σ(C(G)).

    dL_G/dC = −σ(−C): the same sign as minimax, strongest where the critic is confident.

    Args:
        smoothing: The critic's target on real samples; 0.9 is one-sided label smoothing (Salimans et al., 2016).
        fake_target: The critic's target on fakes; above 0 the smoothing is two-sided, which Salimans et
            al. advise against.
    """

    smoothing: float = 1.0
    fake_target: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.fake_target < self.smoothing <= 1:
            raise ValueError(
                f"targets need 0 <= fake_target < smoothing <= 1, got {self.fake_target} and {self.smoothing}"
            )

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the cross-entropies to the two targets: −t log σ(C) − (1 − t) log(1 − σ(C)) = sp(C) − tC."""
        on_real = softplus(-real) + (1 - self.smoothing) * real
        on_fake = softplus(fake) - self.fake_target * fake
        return on_real.mean() + on_fake.mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return −E log σ(C(G))."""
        return softplus(-fake).mean()

    @property
    def centred(self) -> bool:
        """Yes: a logit of 0 is a probability of ½, which lies between the two targets."""
        return True

    @property
    def equilibrium(self) -> dict[str, float]:
        """σ(C) is the mean s of the two targets, ½ without smoothing."""
        s = (self.smoothing + self.fake_target) / 2
        return {"D": -2 * (s * math.log(s) + (1 - s) * math.log1p(-s)), "G": -math.log(s)}


@dataclass(frozen=True)
class LeastSquares(Objective):
    """Least squares GAN (Mao et al., 2017, equation 2), halves included.

    Only the coding (a, b, c) = (−1, 1, 0) minimises a Pearson χ² (b − c = 1, b − a = 2); (0, 1, 1) is the one in use.

    Args:
        a: The critic's target on fakes.
        b: The critic's target on real samples.
        c: The generator's target for the critic's output on fakes.

    >>> LeastSquares().equilibrium
    {'D': 0.25, 'G': 0.125}
    """

    a: float = 0.0
    b: float = 1.0
    c: float = 1.0

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return ½E (C(x) − b)² + ½E (C(G) − a)²."""
        return (real - self.b).square().mean() / 2 + (fake - self.a).square().mean() / 2

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return ½E (C(G) − c)²."""
        return (fake - self.c).square().mean() / 2

    @property
    def centred(self) -> bool:
        """Only where the two targets are opposite."""
        return self.a + self.b == 0

    @property
    def equilibrium(self) -> dict[str, float]:
        """The critic's output is half-way between its two targets."""
        return {"D": (self.b - self.a) ** 2 / 4, "G": ((self.a + self.b) / 2 - self.c) ** 2 / 2}


@dataclass(frozen=True)
class Hinge(Objective):
    """Hinge loss (Lim and Ye, 2017; as used by SNGAN, SAGAN, BigGAN); the critic needs a Lipschitz constraint.

    Its optimum is sign(p − q), and L_D = 2(1 − TV) there.
    """

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return E relu(1 − C(x)) + E relu(1 + C(G))."""
        return relu(1 - real).mean() + relu(1 + fake).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return −E C(G): there is no hinge in the generator's loss."""
        return -fake.mean()

    @property
    def centred(self) -> bool:
        """Yes: the margins are −1 and 1."""
        return True

    @property
    def equilibrium(self) -> dict[str, float]:
        """Any constant critic in [−1, 1] is optimal; the generator's value is that of the middle one."""
        return {"D": 2.0, "G": 0.0}


@dataclass(frozen=True)
class Wasserstein(Objective):
    """Wasserstein GAN (Arjovsky et al., 2017): −L_D is the distance W1 when the critic is 1-Lipschitz."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return E C(G) − E C(x)."""
        return fake.mean() - real.mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return −E C(G)."""
        return -fake.mean()

    @property
    def centred(self) -> bool:
        """No: a critic may be shifted by any constant."""
        return False

    @property
    def equilibrium(self) -> dict[str, float]:
        """W1 is 0; the generator's value is undetermined, since a critic may be shifted by any constant."""
        return {"D": 0.0}


def logistic(t: Tensor) -> Tensor:
    """Return sp(−t), the link of RSGAN and RaSGAN."""
    return softplus(-t)


def squared(t: Tensor) -> Tensor:
    """Return (t − 1)², the link of RaLSGAN."""
    return (t - 1).square()


def hinged(t: Tensor) -> Tensor:
    """Return relu(1 − t), the link of RaHinge."""
    return relu(1 - t)


@dataclass(frozen=True)
class Relativistic(Objective):
    """Relativistic GAN (Jolicoeur-Martineau, 2019, equations 7 and 8): is a real sample more realistic than a fake one?

    Samples are paired by index, so never sorted; the generator's turn needs fresh real samples.

    Args:
        link: φ; `logistic` gives RSGAN.

    Raises:
        ValueError: From the losses, if the reals are missing or differ from the fakes in shape.
    """

    needs_real: ClassVar[bool] = True
    link: Link = logistic

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return E φ(C(x) − C(G)); the two batches must have the same shape."""
        return self.link(_paired(real, fake)).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return E φ(C(G) − C(x)); the two batches must have the same shape."""
        return self.link(_paired(fake, _required(real, self))).mean()

    @property
    def centred(self) -> bool:
        """No: only differences of outputs count."""
        return False

    @property
    def equilibrium(self) -> dict[str, float]:
        """φ is convex and C(x) − C(G) has mean 0, so no critic does better than a constant (Jensen): φ(0)."""
        return dict.fromkeys("DG", self.link(torch.zeros((), dtype=torch.float64)).item())


@dataclass(frozen=True)
class RelativisticAverage(Objective):
    """Relativistic average GAN (Jolicoeur-Martineau, 2019, section 4.2): compared with the *average* of the other kind.

    The average is in the graph on both sides and runs over the whole batch: all processes and all micro-batches.
    The paper's sum is kept; its code halves it.

    Args:
        link: φ; `logistic` gives RaSGAN, `squared` RaLSGAN, `hinged` RaHinge.
    """

    needs_real: ClassVar[bool] = True
    over_batch: ClassVar[bool] = True
    link: Link = logistic

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return E φ(C(x) − E C(G)) + E φ(E C(x) − C(G))."""
        return self.link(real - batch_mean(fake)).mean() + self.link(batch_mean(real) - fake).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return E φ(C(G) − E C(x)) + E φ(E C(G) − C(x)), the critic's loss with the roles exchanged."""
        return self.critic(fake, _required(real, self))

    @property
    def centred(self) -> bool:
        """No: only differences of outputs count."""
        return False

    @property
    def equilibrium(self) -> dict[str, float]:
        """Twice φ(0), for the reason given in `Relativistic`."""
        return dict.fromkeys("DG", 2 * self.link(torch.zeros((), dtype=torch.float64)).item())


def _paired(first: Tensor, second: Tensor) -> Tensor:
    if first.shape != second.shape:
        raise ValueError(
            f"critic outputs are compared pair by pair: got shapes {tuple(first.shape)} and {tuple(second.shape)}; "
            "draw as many fakes as reals"
        )
    return first - second


def _required(real: Tensor | None, objective: Objective) -> Tensor:
    if real is None:
        raise ValueError(
            f"{type(objective).__name__} compares fakes with reals: pass `real`, the critic's output on reals"
        )
    return real
