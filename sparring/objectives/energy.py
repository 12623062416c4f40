"""Losses of energy-based GANs (Zhao et al., 2017).

    E(x) = ‖Dec(Enc(x)) - x‖                                              `reconstruction_error`
    L_D  = mean E(x) + mean max(0, m - E(G))                              `margin_loss`, equation 1
    f_PT = 1/(N (N - 1)) Σ_i Σ_{j≠i} (S_i · S_j / (‖S_i‖ ‖S_j‖))²           `pulling_away`, equation 4

Energies are low on real data. The best of them is 0 where p > q and m where p < q, with L_D = m (1 - TV(p, q)): m, the
value at the Nash equilibrium, if model and data agree. Each sample has its own hinge: a fake beyond the margin has no
loss, whatever the others are.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize, relu


def reconstruction_error(made: Tensor, x: Tensor) -> Tensor:
    """Return ‖made - x‖, the Euclidean distance over everything but the batch, one a sample (N,).

    `x` stays in the graph: a fake is moved towards its reconstruction as much as its reconstruction towards it.

    Args:
        made: Reconstructions (N, ...).
        x: The samples that they reconstruct, (N, ...).

    Raises:
        ValueError: If the shapes differ.

    >>> reconstruction_error(torch.zeros(1, 1, 1, 2), torch.tensor([[[[3.0, 4.0]]]]))
    tensor([5.])
    """
    if made.shape != x.shape:
        raise ValueError(f"a reconstruction has the shape of its sample: got {tuple(made.shape)} for {tuple(x.shape)}")
    gaps, still = _rows(made - x)
    return torch.where(still, 0, torch.linalg.vector_norm(gaps, dim=1))


def margin_loss(real: Tensor, fake: Tensor, margin: float) -> Tensor:
    """Return E real + E max(0, m - fake), which the critic minimises (Zhao et al., 2017, equation 1).

    Args:
        real: Energies of real samples (N,).
        fake: Energies of fakes (N,).
        margin: m, in the units of the energies.

    Raises:
        ValueError: If the margin is not positive.

    >>> margin_loss(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 9.0]), margin=4.0).item()
    4.0
    """
    if margin <= 0:
        raise ValueError(f"fakes are pushed to the energy `margin`, which must be positive, got {margin}")
    return real.mean() + relu(margin - fake).mean()


def pulling_away(codes: Tensor) -> Tensor:
    """Return the mean squared cosine between the codes of different samples (Zhao et al., 2017, equation 4).

    It is 0 where codes are orthogonal, 1 where they are parallel, and does not depend on their signs or lengths.

    Args:
        codes: Codes of the samples of one batch, (N, ...).

    Raises:
        ValueError: If there is only one sample.

    >>> pulling_away(torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])).item()  # one pair of three is parallel
    0.3333333432674408
    """
    n = len(codes)
    if n < 2:
        raise ValueError(f"codes are pulled away from each other: at least two samples are needed, got {n}")
    rows, empty = _rows(codes)
    directions = normalize(rows, dim=1) * ~empty[:, None]
    squares = (directions @ directions.T).square()
    return (squares.sum() - squares.diagonal().sum()) / (n * (n - 1))


def _rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return x as rows (N, F), and which of them are 0, bool (N,); those are replaced by constants.

    A norm has no derivative at 0, and torch's second one is not a number there. All derivatives at 0 are taken as 0.
    """
    rows = x.flatten(1)
    still = (rows == 0).all(1)
    return torch.where(still[:, None], 1, rows), still
