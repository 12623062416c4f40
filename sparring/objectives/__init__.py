"""What critics and generators minimise: objectives, f-divergences, penalties and energies."""

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

__all__ = [
    "Hinge",
    "LeastSquares",
    "Link",
    "Minimax",
    "NonSaturating",
    "Objective",
    "Relativistic",
    "RelativisticAverage",
    "Wasserstein",
    "hinged",
    "logistic",
    "squared",
]
