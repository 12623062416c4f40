"""Inversion: the noise of given images (Zhu et al., 2016).

    z = argmin ‖G(z) − x‖², by gradient descent from the best of many draws, or from the output of an encoder

It runs in evaluation mode and leaves the game unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sparring.abilities import SupportsEncoding, require_sampling
from sparring.errors import DataError, GameError
from sparring.game import Game, evaluation_mode
from sparring.inference.directions import require_rows
from sparring.rng import fixed_seed, hash_seed

__all__ = ["Inversion", "invert"]

BATCH = 64
NUM_CANDIDATES = 256  # draws among which an inversion starts


@dataclass(frozen=True, eq=False)
class Inversion:
    """The noise of images.

    Attributes:
        noise: A row for each image, (N, ...).
        made: The samples of these rows, (N, *shape).
        errors: Mean squared error of each sample, (N,), per coordinate.
    """

    noise: Tensor
    made: Tensor
    errors: Tensor


def invert(
    game: Game, x: Tensor, *, steps: int = 300, lr: float = 0.05, candidates: int = NUM_CANDIDATES, seed: int = 0
) -> Inversion:
    """Return the noise whose samples are closest to given images.

    Args:
        game: A game with one generator, ``G``, from rows of noise to samples.
        x: Images (N, *shape) in [−1, 1], or points.
        steps: Steps of Adam; 0 returns the best draw or encoding.
        lr: Learning rate, which decays to 0 along half a cosine.
        candidates: Number of draws of which the closest starts the descent; the encoding of the image, if the game
            encodes, is another candidate.
        seed: Seed of the draws.

    Raises:
        GameError: If the game is not one generator.
        DataError: If the images have another shape than its samples.
    """
    decode = _decoder(game)
    with fixed_seed(hash_seed(seed, 8)), evaluation_mode(game):
        draws = require_rows(require_sampling(game).noise(candidates))
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
            adam = torch.optim.Adam([z], lr=lr, betas=(0.9, 0.99))
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
    """Return the differentiable function from rows of noise to samples."""
    core = game.unwrapped
    if not isinstance(getattr(core, "G", None), nn.Module):
        raise GameError(f"{type(core).__name__} has no single generator G: invert another run.")
    parts: Callable[[Tensor], tuple[Tensor, ...]] = getattr(core, "split", lambda noise: (noise,))
    generator: nn.Module = core.G  # type: ignore[assignment]
    with evaluation_mode(game), fixed_seed(0):
        noise = require_sampling(game).noise(2)
        straight, made = generator(*parts(noise)), require_sampling(game).sample(2, noise=noise)
    if straight.shape != made.shape or not straight.allclose(made, atol=1e-4):
        raise GameError(f"{type(core).__name__} does not sample by its generator G alone: invert another run.")
    return lambda noise: generator(*parts(noise))


def _errors(made: Tensor, x: Tensor) -> Tensor:
    return (made - x).flatten(1).square().mean(1)


def _better(found: Tensor, best: Tensor, z: Tensor, errors: Tensor) -> tuple[Tensor, Tensor]:
    """Return, row by row, the noise with the smaller error."""
    closer = errors < best
    return torch.where(closer[:, None], z, found), torch.where(closer, errors, best)
