"""Objectives of critics and generators, f-divergences, gradient penalties, energies and likelihoods."""

from sparring.objectives.adversarial import (
    Hinge,
    LeastSquares,
    Link,
    Minimax,
    NonSaturating,
    Objective,
    Relativistic,
    RelativisticAverage,
    Wasserstein,
    hinged,
    logistic,
    squared,
)
from sparring.objectives.energy import margin_loss, pulling_away, reconstruction_error
from sparring.objectives.f_divergences import (
    DIVERGENCES,
    FGAN,
    Divergence,
    FGANAlternative,
    alpha,
    weighted_jensen_shannon,
)
from sparring.objectives.penalties import dragan, gradient_penalty, orthogonal_penalty, patch_penalty, r1, r2
from sparring.objectives.realness import DrawnAnchors, FixedAnchors, Realness
from sparring.objectives.variational import active_units, kl_to_prior

__all__ = [
    "DIVERGENCES",
    "FGAN",
    "Divergence",
    "DrawnAnchors",
    "FGANAlternative",
    "FixedAnchors",
    "Hinge",
    "LeastSquares",
    "Link",
    "Minimax",
    "NonSaturating",
    "Objective",
    "Realness",
    "Relativistic",
    "RelativisticAverage",
    "Wasserstein",
    "active_units",
    "alpha",
    "dragan",
    "gradient_penalty",
    "hinged",
    "kl_to_prior",
    "logistic",
    "margin_loss",
    "orthogonal_penalty",
    "patch_penalty",
    "pulling_away",
    "r1",
    "r2",
    "reconstruction_error",
    "squared",
    "weighted_jensen_shannon",
]
