"""The recipe of an encoder for the generator of a finished run, fitted to the generator's samples.

``sparring train-encoder`` trains it. It belongs to runs because it opens one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sparring.abilities import SupportsSampling
from sparring.errors import GameError
from sparring.games.latent_regressor import FittedEncoder
from sparring.recipes.autoencoders import encoder_for
from sparring.recipes.options import Adam
from sparring.runs import config
from sparring.runs.state import load_game

__all__ = ["RECIPE", "fitted_encoder"]

RECIPE = "sparring.runs.fitted_encoder:fitted_encoder"
LEARNING = Adam()


def fitted_encoder(
    shape: tuple[int, ...],
    *,
    of: str,
    checkpoint: str = "newest",
    network: Literal["mlp", "dcgan"] | None = None,
    width: int | None = None,
    encoder: Adam = LEARNING,
) -> FittedEncoder:
    """An encoder for the generator of a finished run, fitted to its samples, whose latents are known.

    Only the networks of the run are used, and saved with the encoder.

    Args:
        shape: Shape of the run's data.
        of: Folder of the finished run.
        checkpoint: newest, best, or the step of one that is kept.
        network: Kind of encoder. Default: convolutional for images, mlp for points.
        width: Units or channels of its layers. Default: as its kind has.
        encoder: Settings of its optimiser.

    Raises:
        GameError: If the run is a fitted encoder itself, does not sample, has samples of another shape, or its latents
            are not rows.
    """
    if config.read(Path(of)).recipe == RECIPE:
        raise GameError(f"{of} is a fitted encoder: name the run of its generator.")
    game = load_game(of, device="cpu", checkpoint=checkpoint)
    if not isinstance(game, SupportsSampling):
        raise GameError(f"{type(game).__name__} does not sample, so that there is nothing to encode: name another run.")
    noise, made = game.noise(2), game.sample(2)
    if made.shape[1:] != tuple(shape):
        raise GameError(
            f"{of} makes samples of shape {tuple(made.shape[1:])}, the data have {tuple(shape)}: "
            "use the data of that run."
        )
    if noise.dim() != 2:
        raise GameError(
            f"{type(game).__name__} has latents of shape {tuple(noise.shape[1:])}, and an encoder needs rows: "
            "name another run."
        )
    return FittedEncoder(game, encoder_for(tuple(shape), noise.shape[1], network, width), encoder=encoder)
