"""Points in the plane from known distributions: 100,000 rows each, drawn with a fixed seed.

| name       | definition                                                      | source                         |
|------------|-----------------------------------------------------------------|--------------------------------|
| ring       | 8 centres (cos 2πi/8, sin 2πi/8), σ = 0.01                      | Lin et al., 2018 (PacGAN)      |
| grid       | 25 centres {−4, −2, 0, 2, 4}², σ = 0.05                         | Lin et al., 2018 (PacGAN)      |
| grid100    | 100 centres on [−1, 1]², a step of 2/9, σ = 0.015               | HyperGAN 2.0, its default data |
| mixture9   | 9 centres {−2, 0, 2}², σ = 0.05                                 | Xiangli et al., 2020 (Realness) |
| swiss-roll | (t cos t, t sin t) + 0.25 N(0, I), t ~ U(1.5π, 4.5π), all / 7.5 | Gulrajani et al., 2017         |
| spiral     | s (cos 6πs, sin 6πs) + 0.01 N(0, I), s = √u, u ~ U(0, 1)        | ours: three turns, evenly      |
"""

import math

import numpy as np
import torch

from sparring.data.dataset import Dataset, Mixture

COUNT = 100_000
SEED = 2014


def ring() -> Dataset:
    """Return eight narrow modes on the unit circle."""
    angles = 2 * math.pi * np.arange(8) / 8
    return gaussians("ring", np.stack([np.cos(angles), np.sin(angles)], axis=1), 0.01)


def grid() -> Dataset:
    """Return twenty-five modes on a square lattice."""
    return gaussians("grid", lattice(-4, -2, 0, 2, 4), 0.05)


def grid100() -> Dataset:
    """Return a hundred modes on a square lattice."""
    return gaussians("grid100", lattice(*np.linspace(-1, 1, 10)), 0.015)


def mixture9() -> Dataset:
    """Return nine modes on a square lattice."""
    return gaussians("mixture9", lattice(-2, 0, 2), 0.05)


def swiss_roll() -> Dataset:
    """Return a noisy spiral band of one and a half turns."""
    rng = np.random.default_rng(SEED)
    t = 1.5 * np.pi * (1 + 2 * rng.random(COUNT))
    points = t[:, None] * np.stack([np.cos(t), np.sin(t)], axis=1) + 0.25 * rng.standard_normal((COUNT, 2))
    return Dataset("swiss-roll", (points / 7.5).astype(np.float32))


def spiral() -> Dataset:
    """Return a thin spiral of three turns within the unit disc."""
    rng = np.random.default_rng(SEED)
    s = np.sqrt(rng.random(COUNT))  # arc length grows as the square of the angle, so this is even along the arm
    arm = s[:, None] * np.stack([np.cos(6 * np.pi * s), np.sin(6 * np.pi * s)], axis=1)
    return Dataset("spiral", (arm + 0.01 * rng.standard_normal((COUNT, 2))).astype(np.float32))


def lattice(*ticks: float) -> np.ndarray:
    """Return every pair of ticks, shape (len(ticks)², 2).

    Args:
        *ticks: Coordinates along one axis.
    """
    return np.array([(x, y) for x in ticks for y in ticks], dtype=np.float64)


def gaussians(name: str, centres: np.ndarray, deviation: float) -> Dataset:
    """Draw a mixture of equal Gaussians; the label of a point is the index of its mode.

    Args:
        name: Name of the data.
        centres: Means (K, 2).
        deviation: Standard deviation of every mode along each axis.
    """
    rng = np.random.default_rng(SEED)
    modes = rng.integers(len(centres), size=COUNT)
    points = centres[modes] + deviation * rng.standard_normal((COUNT, 2))
    truth = Mixture(torch.from_numpy(centres).float(), deviation)
    classes = tuple(f"mode {index}" for index in range(len(centres)))
    return Dataset(name, points.astype(np.float32), modes, classes, truth)
