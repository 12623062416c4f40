"""Directions in latent space along which samples change most, and the effect of truncation.

* **Principal directions** (after Härkönen et al., 2020): principal components of samples, regressed on the noise. With
  samples x(z) and their components c_k = u_k · (x − x̄),

      v_k = E [c_k z] / E [c_k²]

* **Closed-form directions** (Shen & Zhou, 2021): with A the first affine map of the noise, the unit vectors v that
  maximise ‖A v‖, which are the eigenvectors of AᵀA.

All functions run in evaluation mode and leave the game unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from sparring.abilities import require_sampling
from sparring.errors import DataError, GameError
from sparring.game import Game, evaluation_mode
from sparring.inference.sampling import generate, latents_from_seeds
from sparring.rng import fixed_seed, hash_seed

__all__ = ["closed_form_directions", "principal_directions", "require_rows", "shift_along", "truncation_sweep"]

BATCH = 64
NUM_SAMPLES = 2000  # samples behind principal directions


def principal_directions(
    game: Game, count: int = 5, *, samples: int = NUM_SAMPLES, features: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """Return the directions of noise along which samples vary most, each of unit length.

    Args:
        game: A game that samples from rows of noise.
        count: Number of directions, at most the coordinates of noise and fewer than the samples.
        samples: Number of samples to draw.
        features: Function from samples (n, *shape) to the features whose variance counts, (n, d). Default: pixels.

    Returns:
        Directions (count, latent), the strongest first.

    Raises:
        DataError: If there are not that many directions.
    """
    able = require_sampling(game)
    with evaluation_mode(game), fixed_seed(hash_seed(0, 7)):
        z = require_rows(able.noise(samples))
    _require_count(count, min(z.shape[1], samples - 1))
    made = generate(able, z, batch=BATCH)
    x = (features(made) if features else made.flatten(1)).double().to(z.device)
    # only the largest components: images have many more coordinates than directions are needed
    _, _, axes = torch.pca_lowrank(x, q=min(count + 8, *x.shape), niter=4)
    scores = (x - x.mean(0)) @ axes[:, :count]
    return nn.functional.normalize(scores.T @ (z.double() - z.double().mean(0)), dim=1).to(z.dtype)


def closed_form_directions(game: Game, count: int = 5) -> Tensor:
    """Return the directions of noise that the generator's first layer amplifies most, each of unit length.

    Args:
        game: A game whose generator starts with a linear or transposed convolutional layer on the noise.
        count: Number of directions, at most the coordinates of noise.

    Returns:
        Directions (count, latent), the strongest first.

    Raises:
        GameError: If no layer takes the noise unchanged.
        DataError: If there are not that many directions.
    """
    latent = require_rows(require_sampling(game).noise(1)).shape[1]
    for module in (part for name in game.sampling_networks() for part in game.get_submodule(name).modules()):
        if isinstance(module, nn.Linear) and module.in_features == latent:
            matrix = module.weight
        elif isinstance(module, nn.ConvTranspose2d) and module.in_channels == latent:
            matrix = module.weight.flatten(1).T
        else:
            continue
        _require_count(count, latent)
        _, _, rows = torch.linalg.svd(matrix.detach().double(), full_matrices=False)
        directions: Tensor = rows[:count].to(matrix.dtype)
        return directions
    raise GameError(
        f"No first layer of {type(game.unwrapped).__name__} takes its {latent} coordinates of noise alone: "
        "use principal directions."
    )


def shift_along(game: Game, noise: Tensor, direction: Tensor, reach: Sequence[float]) -> Tensor:
    """Return samples of noise that is shifted along a direction.

    Args:
        game: A game that samples.
        noise: Rows (N, latent).
        direction: One row.
        reach: Multiples of the direction, such as −3 to 3.

    Returns:
        Samples (N, len(reach), *shape).
    """
    rows = torch.cat([noise + step * direction for step in reach])
    swept: Tensor = generate(require_sampling(game), rows, batch=BATCH).unflatten(0, (len(reach), len(noise)))
    return swept.transpose(0, 1)


def truncation_sweep(game: Game, seeds: Sequence[int], strengths: Sequence[float]) -> Tensor:
    """Return the samples of seeds at several truncations, (len(seeds), len(strengths), *shape).

    Args:
        game: A game that samples.
        seeds: One number per row.
        strengths: Values of ψ, as for `sparring.inference.sampling.sample_seeds`.
    """
    noise = latents_from_seeds(game, seeds)
    return torch.stack([generate(require_sampling(game), noise, truncation=strength) for strength in strengths], 1)


def require_rows(noise: Tensor) -> Tensor:
    """Return noise if it is in rows (N, latent).

    Args:
        noise: The noise of a game.

    Raises:
        GameError: If it has another shape.
    """
    if noise.dim() != 2:
        raise GameError(f"Directions and inversions need noise in rows, not of shape {tuple(noise.shape[1:])}.")
    return noise


def _require_count(count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise DataError(f"There are no {count} directions: request 1 to {most}.")
