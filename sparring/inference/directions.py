"""What a trained generator's noise is good for: directions that change samples most, and the noise of a given image.

* **Principal directions** (after Härkönen et al., 2020): the principal components of what the generator makes, carried
  back to the noise by regression. With samples x(z) and their components c_k = u_k · (x − x̄),

      v_k = E [c_k z] / E [c_k²]

* **Closed-form directions** (Shen & Zhou, 2021): with A the first affine map that noise goes through, the unit v that
  maximise ‖A v‖, which are the eigenvectors of AᵀA.
* **Inversion** (Zhu et al., 2016): the z that minimises ‖G(z) − x‖², by descent from the best of many draws, or from
  what an encoder says.

All of it happens in evaluation mode and leaves no trace in the game.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sparring.abilities import SupportsEncoding, require_sampling
from sparring.errors import DataError, GameError
from sparring.game import Game, evaluation_mode
from sparring.inference.sampling import generate, latents_from_seeds
from sparring.rng import fixed_seed, hash_seed

__all__ = ["Inversion", "closed_form_directions", "invert", "principal_directions", "shift_along", "truncation_sweep"]

BATCH = 64
NUM_SAMPLES = 2000  # samples behind principal directions
NUM_CANDIDATES = 256  # draws among which an inversion begins


@dataclass(frozen=True, eq=False)
class Inversion:
    """What an inversion found.

    Attributes:
        noise: A row for each image, (N, ...).
        made: What the generator makes of them, (N, *shape).
        errors: Mean squared error of each image, (N,), per coordinate.
    """

    noise: Tensor
    made: Tensor
    errors: Tensor


def principal_directions(
    game: Game, count: int = 5, *, samples: int = NUM_SAMPLES, features: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """Returns directions of noise along which samples vary most, each of unit length.

    Args:
        game: A game that can sample, from rows of noise.
        count: How many, at most the coordinates of noise and fewer than the samples.
        samples: How many are drawn.
        features: From samples (n, *shape) to what is to vary, (n, d); their pixels unless told.

    Returns:
        Directions (count, latent), the strongest first.

    Raises:
        DataError: If so many directions do not exist.
    """
    able = require_sampling(game)
    with evaluation_mode(game), fixed_seed(hash_seed(0, 7)):
        z = _rows(able.noise(samples))
    _require_count(count, min(z.shape[1], samples - 1))
    made = generate(able, z, batch=BATCH)
    x = (features(made) if features else made.flatten(1)).double().to(z.device)
    # of the largest components only: images have more coordinates than are needed
    _, _, axes = torch.pca_lowrank(x, q=min(count + 8, *x.shape), niter=4)
    scores = (x - x.mean(0)) @ axes[:, :count]
    return nn.functional.normalize(scores.T @ (z.double() - z.double().mean(0)), dim=1).to(z.dtype)


def closed_form_directions(game: Game, count: int = 5) -> Tensor:
    """Returns the directions of noise that the generator's first layer stretches most, each of unit length.

    Args:
        game: A game whose generator begins with a linear or transposed convolutional layer on the noise.
        count: How many, at most the coordinates of noise.

    Returns:
        Directions (count, latent), the strongest first.

    Raises:
        GameError: If no layer takes the noise as it is.
        DataError: If so many directions do not exist.
    """
    latent = _rows(require_sampling(game).noise(1)).shape[1]
    for module in (part for name in game.sampling_networks() for part in game.get_submodule(name).modules()):
        if isinstance(module, nn.Linear) and module.in_features == latent:
            matrix = module.weight
        elif isinstance(module, nn.ConvTranspose2d) and module.in_channels == latent:
            matrix = module.weight.flatten(1).T
        else:
            continue
        _require_count(count, latent)
        _, _, rows = torch.linalg.svd(matrix.detach().double(), full_matrices=False)
        return rows[:count].to(matrix.dtype)
    raise GameError(
        f"No first layer of {type(game.unwrapped).__name__} takes its {latent} coordinates of noise alone: "
        "ask for principal directions."
    )


def shift_along(game: Game, noise: Tensor, direction: Tensor, reach: Sequence[float]) -> Tensor:
    """Returns samples of noise that is moved along a direction.

    Args:
        game: A game that can sample.
        noise: Rows (N, latent).
        direction: One row.
        reach: How far each time, such as −3 to 3.

    Returns:
        Samples (N, len(reach), *shape).
    """
    rows = torch.cat([noise + step * direction for step in reach])
    return generate(require_sampling(game), rows, batch=BATCH).unflatten(0, (len(reach), len(noise))).transpose(0, 1)


def truncation_sweep(game: Game, seeds: Sequence[int], strengths: Sequence[float]) -> Tensor:
    """Returns the samples of seeds under several truncations, (len(seeds), len(strengths), *shape).

    Args:
        game: A game that can sample.
        seeds: One number a row.
        strengths: ψ, as for `sparring.inference.sampling.sample_seeds`.
    """
    noise = latents_from_seeds(game, seeds)
    return torch.stack([generate(require_sampling(game), noise, truncation=strength) for strength in strengths], 1)


def invert(
    game: Game, x: Tensor, *, steps: int = 300, rate: float = 0.05, tried: int = NUM_CANDIDATES, seed: int = 0
) -> Inversion:
    """Returns the noise whose samples are nearest to given images.

    Args:
        game: A game of one generator, ``G``, that turns rows of noise into samples.
        x: Images (N, *shape) in [−1, 1], or points.
        steps: Moves of Adam; 0 takes the best draw, or the encoder's word for it.
        rate: Learning rate, which falls to 0 along half a cosine.
        tried: Draws among which each image's descent begins; an encoder's code is one more, where the game has one.
        seed: Decides the draws.

    Raises:
        GameError: If the game's generator cannot be descended through.
        DataError: If the images have another shape than its samples.
    """
    decode = _decoder(game)
    with fixed_seed(hash_seed(seed, 8)), evaluation_mode(game):
        draws = _rows(require_sampling(game).noise(tried))
        images = torch.cat([decode(rows) for rows in draws.split(BATCH)])
        if images.shape[1:] != x.shape[1:]:
            raise DataError(f"The game makes {tuple(images.shape[1:])}, the images are {tuple(x.shape[1:])}: resize.")
        x = x.to(images)
        starts = draws[torch.cdist(x.flatten(1), images.flatten(1)).argmin(1)]
        if isinstance(game, SupportsEncoding) and (codes := game.encode(x)).shape == starts.shape:
            closer = _errors(decode(codes), x) < _errors(decode(starts), x)
            starts = torch.where(closer[:, None], codes, starts)
        found, best = starts.clone(), _errors(decode(starts), x)
        with torch.enable_grad():
            z = starts.clone().requires_grad_()
            adam = torch.optim.Adam([z], lr=rate, betas=(0.9, 0.99))
            pace = torch.optim.lr_scheduler.CosineAnnealingLR(adam, max(steps, 1))
            for _ in range(steps):
                errors = _errors(decode(z), x)
                (z.grad,) = torch.autograd.grad(errors.sum(), z)
                found, best = _better(found, best, z.detach(), errors.detach())
                adam.step()
                pace.step()
        found, best = _better(found, best, z.detach(), _errors(decode(z), x).detach())
        return Inversion(found, decode(found), best)


def _decoder(game: Game) -> Callable[[Tensor], Tensor]:
    """The way from a row of noise to a sample that gradients can take."""
    core = game.unwrapped
    if not isinstance(getattr(core, "G", None), nn.Module):
        raise GameError(f"{type(core).__name__} has no single generator G to descend through: invert another run.")
    parts: Callable[[Tensor], tuple[Tensor, ...]] = getattr(core, "split", lambda noise: (noise,))
    generator: nn.Module = core.G  # type: ignore[assignment]
    with evaluation_mode(game), fixed_seed(0):
        noise = require_sampling(game).noise(2)
        straight, made = generator(*parts(noise)), require_sampling(game).sample(2, noise=noise)
    if straight.shape != made.shape or not straight.allclose(made, atol=1e-4):
        raise GameError(f"{type(core).__name__} does more than its generator G when it samples: invert another run.")
    return lambda noise: generator(*parts(noise))


def _errors(made: Tensor, x: Tensor) -> Tensor:
    return (made - x).flatten(1).square().mean(1)


def _better(found: Tensor, best: Tensor, z: Tensor, errors: Tensor) -> tuple[Tensor, Tensor]:
    """Keeps, row by row, the noise with the smaller error."""
    closer = errors < best
    return torch.where(closer[:, None], z, found), torch.where(closer, errors, best)


def _rows(noise: Tensor) -> Tensor:
    if noise.dim() != 2:
        raise GameError(f"Directions and inversions need noise in rows, not of shape {tuple(noise.shape[1:])}.")
    return noise


def _require_count(count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise DataError(f"{count} directions do not exist: ask for 1 to {most}.")
