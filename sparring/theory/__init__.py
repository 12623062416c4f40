"""Theory of GANs on finite distributions and systems of two parameters.

* `sparring.theory.distances`: distances of two known distributions;
* `sparring.theory.optimal_critics`: the optimal critic of an objective, in closed form and by search;
* `sparring.theory.generator_gradients`: the gradient of a generator under a critic, and the divergence it follows;
* `sparring.theory.dynamics`: trajectories of both players under training.

``sparring theory`` (`sparring.theory.lessons`) presents it as lessons.
"""

from sparring.theory.distances import (
    f_divergence,
    gaussian_jensen_shannon,
    jensen_shannon,
    kl,
    ordered_pairs,
    total_variation,
    triangular,
    variational_bound,
    wasserstein1,
    wasserstein1_samples,
)
from sparring.theory.dynamics import (
    alternating,
    dirac_eigenvalues,
    dirac_gradient_field,
    historical_averaging,
    penalised_slope,
    simultaneous,
    spectral_radius,
    trajectory,
)
from sparring.theory.generator_gradients import (
    divergence_gradient,
    fit_gaussian,
    gaussian_model_gradient,
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
from sparring.theory.search import minimize_convex, minimize_smooth

__all__ = [
    "alternating",
    "best_classifier",
    "best_critic",
    "best_realness",
    "dirac_eigenvalues",
    "dirac_gradient_field",
    "divergence_gradient",
    "f_divergence",
    "fit_gaussian",
    "gaussian_jensen_shannon",
    "gaussian_model_gradient",
    "generator_gradient",
    "historical_averaging",
    "jensen_shannon",
    "kl",
    "minimize_convex",
    "minimize_smooth",
    "optimal_classifier",
    "optimal_critic",
    "optimal_noisy_critic",
    "optimal_realness",
    "ordered_pairs",
    "output_slopes",
    "penalised_slope",
    "repeated_points",
    "simultaneous",
    "spectral_radius",
    "total_variation",
    "trajectory",
    "triangular",
    "variational_bound",
    "wasserstein1",
    "wasserstein1_samples",
]
