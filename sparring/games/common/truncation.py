"""The truncation trick: noise kept within ±τ, for better quality and less variety (Brock et al., 2019, section 3.1).

To draw every coordinate beyond τ again is to draw from the normal distribution given |z| ≤ τ. So is to map z by the
odd, increasing function that maps the one distribution to the other,

    P(|z′| ≤ t) = P(|z| ≤ t) / P(|z| ≤ τ)  :      z′ = √2 erf⁻¹( erf(τ/√2) erf(z/√2) )

which needs no loop, and by which every row of noise keeps one truncated sample of its own.
"""

from __future__ import annotations

from math import erf, sqrt

import torch
from torch import Tensor


def truncated(z: Tensor, bound: float) -> Tensor:
    """Map normal noise to normal noise within ±bound: in law, every coordinate beyond is drawn again.

    Args:
        z: Standard normal noise, any shape.
        bound: τ, above 0.

    Raises:
        ValueError: If the bound is not positive.

    >>> truncated(torch.tensor([-9.0, 0.0, 9.0]), 0.5)
    tensor([-0.5000,  0.0000,  0.5000])
    """
    if bound <= 0:
        raise ValueError(f"noise is truncated to [-bound, bound]: bound must be positive, got {bound}")
    share = erf(bound / sqrt(2)) * torch.erf(z.double() / sqrt(2))
    return (sqrt(2) * torch.erfinv(share)).clamp(-bound, bound).to(z.dtype)
