"""What the tests of objectives, divergences and theory share: two known distributions and every objective."""

import torch

from sparring.objectives import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Relativistic,
    RelativisticAverage,
    Wasserstein,
    hinged,
    logistic,
    squared,
)
from sparring.objectives.f_divergences import DIVERGENCES, FGAN, FGANAlternative, alpha, weighted_jensen_shannon

P = torch.tensor([0.10, 0.20, 0.30, 0.25, 0.15], dtype=torch.float64)  # the data
Q = torch.tensor([0.30, 0.10, 0.15, 0.05, 0.40], dtype=torch.float64)  # the model
CHANCE = torch.full((5,), 0.2, dtype=torch.float64)

ROWS = {
    row.name: row for row in [*DIVERGENCES.values(), weighted_jensen_shannon(0.3), *map(alpha, (0.5, -1.0, 2.0, 3.0))]
}
RELATIVISTIC = {
    "RSGAN": Relativistic(logistic),
    "RpLS": Relativistic(squared),
    "RpHinge": Relativistic(hinged),
    "RaSGAN": RelativisticAverage(logistic),
    "RaLSGAN": RelativisticAverage(squared),
    "RaHinge": RelativisticAverage(hinged),
}
OBJECTIVES = {
    "minimax": Minimax(),
    "non-saturating": NonSaturating(),
    "smoothed": NonSaturating(smoothing=0.9),
    "smoothed twice": NonSaturating(smoothing=0.9, fake_target=0.1),
    "least squares 0 1 1": LeastSquares(),
    "least squares -1 1 0": LeastSquares(-1, 1, 0),
    "hinge": Hinge(),
    "wasserstein": Wasserstein(),
    **RELATIVISTIC,
    **{f"f-GAN {name}": FGAN(row) for name, row in ROWS.items()},
    **{f"f-GAN {name}, alternative": FGANAlternative(row) for name, row in ROWS.items()},
}


def generator_gradient(objective, critic):
    """The gradient of E_q L_G in the softmax logits of q, at Q, with the critic held fixed."""
    logits = Q.log().requires_grad_()
    prices = torch.stack([objective.generator(output.reshape(1)) for output in critic])
    return torch.autograd.grad((logits.softmax(0) * prices).sum(), logits)[0]


def divergence_gradient(divergence):
    """The gradient of a function of q in its softmax logits, at Q."""
    logits = Q.log().requires_grad_()
    return torch.autograd.grad(divergence(logits.softmax(0)), logits)[0]


VALUES = {
    "total-variation": 0.450000,
    "kl": 0.491947,
    "reverse-kl": 0.468157,
    "pearson": 1.339583,
    "neyman": 1.101667,
    "squared-hellinger": 0.232978,
    "jeffrey": 0.960104,
    "jensen-shannon": 0.226532,
    "jensen-shannon(0.3)": 0.096623,
    "gan": -1.159762,
    "alpha(0.5)": 0.465957,
    "alpha(-1)": 0.550833,
    "alpha(2)": 0.669792,
    "alpha(3)": 1.213701,
}
"""f-divergences of P and Q, by the names of `ROWS`."""
