"""Mixtures of K generators: the assignment of rows of noise to generators.

    k = ⌊K · angle(u) / 2π⌋,   u ~ N(0, I) in the plane:   uniform on {0, …, K − 1}

A row is [u, z]. u is Gaussian like z and decides by its direction alone. So scaling the noise (truncation) keeps
every sample's generator, and a walk between two samples crosses from one generator to the next.
"""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

from sparring.rng import randn

WIDTH = 2  # coordinates of u


def append_choice(z: Tensor) -> Tensor:
    """Put a random choice before every row of noise.

    Args:
        z: Noise (N, latent).
    """
    return torch.cat([randn(len(z), WIDTH, device=z.device), z], 1)


def split_choice(noise: Tensor, members: int) -> tuple[Tensor, Tensor]:
    """Split noise into the generators chosen (N,) and z (N, latent).

    Args:
        noise: Rows [u, z], (N, 2 + latent).
        members: K.

    >>> chosen, z = split_choice(torch.tensor([[1.0, 0.1, 7.0], [-1.0, 0.1, 8.0], [1.0, -0.1, 9.0]]), 4)
    >>> chosen.tolist(), z.flatten().tolist()
    ([0, 1, 3], [7.0, 8.0, 9.0])
    """
    u, z = noise[:, :WIDTH], noise[:, WIDTH:]
    turn = torch.atan2(u[:, 1], u[:, 0]) / (2 * pi) % 1
    return (members * turn).long().clamp(max=members - 1), z


def select_members(samples: Tensor, members: Tensor) -> Tensor:
    """Pick for every row the sample of its generator.

    Args:
        samples: What every generator makes of every row, (K, N, *shape).
        members: The generator of each row, (N,).
    """
    return samples[members, torch.arange(len(members), device=members.device)]
