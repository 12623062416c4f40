"""What theory says of a game, on distributions small enough to know and systems of two numbers.

* `sparring.theory.distances`: how far two known distributions are apart;
* `sparring.theory.optimal_critics`: the best critic of an objective, in closed form and by search;
* `sparring.theory.generator_gradients`: what a generator feels of a critic, and which divergence it follows;
* `sparring.theory.dynamics`: how players move when both learn.

``sparring theory`` (`sparring.theory.lessons`) makes lessons of it.
"""

from sparring.theory.distances import (
    both_orders,
    f_divergence,
    gaussian_jensen_shannon,
    jensen_shannon,
    kl,
    total_variation,
    triangular,
    variational_bound,
    wasserstein1,
    wasserstein1_samples,
)
from sparring.theory.dynamics import (
    alternating,
    dirac_eigenvalues,
    dirac_pull,
    factor,
    historical_averaging,
    path,
    penalised_slope,
    simultaneous,
)
from sparring.theory.generator_gradients import (
    divergence_gradient,
    fit_gaussian,
    gaussian_pull,
    generator_gradient,
    output_slopes,
)
from sparring.theory.optimal_critics import (
    best_classifier,
    best_critic,
    best_realness,
    optimal_classifier,
    optimal_critic,
    optimal_noisy_critic,
    optimal_realness,
    repeated_points,
)
from sparring.theory.search import descend, least

__all__ = [
    "alternating",
    "best_classifier",
    "best_critic",
    "best_realness",
    "both_orders",
    "descend",
    "dirac_eigenvalues",
    "dirac_pull",
    "divergence_gradient",
    "f_divergence",
    "factor",
    "fit_gaussian",
    "gaussian_jensen_shannon",
    "gaussian_pull",
    "generator_gradient",
    "historical_averaging",
    "jensen_shannon",
    "kl",
    "least",
    "optimal_classifier",
    "optimal_critic",
    "optimal_noisy_critic",
    "optimal_realness",
    "output_slopes",
    "path",
    "penalised_slope",
    "repeated_points",
    "simultaneous",
    "total_variation",
    "triangular",
    "variational_bound",
    "wasserstein1",
    "wasserstein1_samples",
]
