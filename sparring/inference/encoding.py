"""What a game that encodes can do with real images: give them back, walk between them, change what they have.

    reconstruction   G(E(x))
    walk             G(z), z on the arc from E(a) to E(b)
    attribute        G(E(x) + s v), v = mean code of images that have it − mean code of images that have not

The last is that of Larsen et al. (2016), section 4.1. Codes are rows that `sample` starts from, so that whatever can be
done with noise can be done with them. All of it happens in evaluation mode and leaves no trace in the game.

An encoder can also be fitted to a generator that has finished (`fitted_encoder`), whatever game it comes from.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor

from sparring.abilities import SupportsSampling, require_encoding, require_sampling
from sparring.data import load as load_data
from sparring.data.annotations.row_names import row_names
from sparring.data.stream import scale_images
from sparring.errors import DataError, GameError
from sparring.game import Game, evaluation_mode
from sparring.games.latent_regressor import FittedEncoder
from sparring.inference.sampling import generate, interpolate
from sparring.recipes.autoencoders import encoder_for
from sparring.recipes.options import Adam
from sparring.runs import config
from sparring.runs.state import load

__all__ = [
    "attribute_direction",
    "edit",
    "encode",
    "fitted_encoder",
    "images",
    "interpolate_images",
    "knn_accuracy",
    "nearest_neighbours",
    "reconstruct",
    "relative_error",
]

BATCH = 64
ENCODERS = ("vae", "vae-gan", "bigan", "latent-regressor")  # the recipes whose games encode
LEARNING = Adam()
HOME = "sparring.inference.encoding:fitted_encoder"


def encode(game: Game, x: Tensor) -> Tensor:
    """Returns the codes of data, rows that `sample` starts from.

    Args:
        game: A game that encodes and samples.
        x: Data (N, *shape); images in [−1, 1].

    Raises:
        GameError: If it does not; the message names recipes whose games do.
    """
    able = require_encoding(game)
    with evaluation_mode(game):
        codes = torch.cat([able.encode(rows.to(game.device)) for rows in x.split(BATCH)])
        wanted = require_sampling(game).noise(1)
    if codes.shape[1:] != wanted.shape[1:]:
        raise GameError(
            f"A code of {type(game.unwrapped).__name__} has the shape {tuple(codes.shape[1:])} and no sample starts "
            f"from it: that takes {tuple(wanted.shape[1:])}. "
            f"Train {', '.join(ENCODERS[:-1])} or {ENCODERS[-1]} instead."
        )
    return codes


def reconstruct(game: Game, x: Tensor) -> Tensor:
    """Returns what is left of data behind their codes, (N, *shape).

    Args:
        game: As for `encode`.
        x: Data (N, *shape).
    """
    return _decoded(game, encode(game, x))


def interpolate_images(game: Game, a: Tensor, b: Tensor, frames: int = 60) -> Tensor:
    """Returns samples on the arc between the codes of two samples; it begins and ends at their reconstructions.

    Args:
        game: As for `encode`.
        a: Where to begin, (*shape).
        b: Where to end, (*shape).
        frames: How many.

    Returns:
        Samples (frames, *shape).

    Raises:
        DataError: If there are fewer than 2 frames.
    """
    if frames < 2:
        raise DataError(f"A walk between two images needs 2 frames or more, not {frames}: try --frames 60.")
    return _decoded(game, interpolate(encode(game, torch.stack([a, b])), frames, loop=False))


def attribute_direction(game: Game, with_: Tensor, without: Tensor) -> Tensor:
    """Returns the direction of an attribute: the mean code of data that have it minus that of data that have not.

    Args:
        game: As for `encode`.
        with_: Data that have it, (N, *shape).
        without: Data that have not, (M, *shape), otherwise as alike as can be.

    Returns:
        One code row.
    """
    return encode(game, with_).mean(0) - encode(game, without).mean(0)


def edit(game: Game, x: Tensor, direction: Tensor, strength: float = 1.0) -> Tensor:
    """Returns reconstructions of data whose codes were moved along a direction.

    Args:
        game: As for `encode`.
        x: Data (N, *shape).
        direction: As `attribute_direction` returns it.
        strength: How far; 1 adds an attribute, -1 takes it away, 0 only reconstructs.

    Returns:
        Samples (N, *shape).
    """
    return _decoded(game, encode(game, x) + strength * direction)


def nearest_neighbours(game: Game, x: Tensor, among: Tensor, count: int = 1) -> Tensor:
    """Returns which data lie nearest in the space of codes.

    Args:
        game: As for `encode`.
        x: Data (N, *shape).
        among: Where to look, (M, *shape).
        count: How many of them, at most M.

    Returns:
        Positions in `among`, nearest first, (N, count).
    """
    codes, others = encode(game, x), encode(game, among)
    return torch.cat([torch.cdist(rows, others).topk(count, largest=False).indices for rows in codes.split(BATCH)])


def knn_accuracy(game: Game, x: Tensor, labels: Tensor, among: Tensor, known: Tensor) -> float:
    """Returns how often the nearest code has the same label: what classes are worth in the space of codes.

    An untrained encoder scores high on simple images, so the number means nothing but beside that twin's.

    Args:
        game: As for `encode`.
        x: Data (N, *shape) to name.
        labels: Their classes (N,).
        among: Data (M, *shape) whose classes are known.
        known: Those (M,).
    """
    nearest = nearest_neighbours(game, x, among)[:, 0].cpu()
    return (known.cpu()[nearest] == labels.cpu()).double().mean().item()


def relative_error(game: Game, x: Tensor) -> float:
    """Returns how far data lie from their reconstructions, by how far they lie from those of all other data.

    Distances are Euclidean, in pixels. 1 is an encoder that knows nothing of its data; 0 gives everything back. BiGAN's
    authors print both (code, MNIST: 5.95 by 9.60 after 400 epochs, which is .62).

    Args:
        game: As for `encode`.
        x: Data (N, *shape), N at least 2.

    Raises:
        DataError: If there is only one.
    """
    if len(x) < 2:
        raise DataError("A relative error needs 2 images or more, to have others to compare with.")
    rows, again = x.flatten(1), reconstruct(game, x).flatten(1).to(x)
    own, total = (rows - again).norm(dim=1).double().sum(), torch.cdist(rows, again).double().sum()
    return ((len(x) - 1) * own / (total - own)).item()


def images(run: str | Path, sources: Iterable[str | Path], most: int | None = None) -> Tensor:
    """Loads images in the shape that a run was trained on.

    Args:
        run: The run's folder.
        sources: Names, files, folders or zips of images, see `sparring.data.load`.
        most: How many are loaded of all of them, the first ones.

    Returns:
        Images (N, C, H, W) in [−1, 1], N at least 1.

    Raises:
        DataError: If the run was trained on points, or there is no image.
    """
    return named_images(run, sources, most)[1]


def named_images(
    run: str | Path, sources: Iterable[str | Path], most: int | None = None
) -> tuple[tuple[str, ...], Tensor]:
    """Loads images as `images` does, and says what each is called: its path, or the set's name and its number.

    Args:
        run: The run's folder.
        sources: As for `images`.
        most: As for `images`.

    Returns:
        N names, and images (N, C, H, W).

    Raises:
        DataError: As for `images`.
    """
    shape = config.read(Path(run))["data"]["facts"]["shape"]
    if len(shape) != 3:
        raise DataError(f"{run} was trained on points: give a run that was trained on images.")
    names: list[str] = []
    rows: list[Tensor] = []
    for source in sources:
        room = None if most is None else most - sum(map(len, rows))
        dataset = load_data(source, size=shape[1], channels=shape[0])
        if len(dataset.shape) != 3:
            raise DataError(f"{source} holds points, but {run} was trained on images: give images.")
        rows.append(scale_images(dataset.rows(np.arange(len(dataset))[:room])[0]))
        names += row_names(source, len(rows[-1]))
    if not sum(map(len, rows)):
        raise DataError("No image is given: name files, folders or zips of images.")
    return tuple(names), torch.cat(rows)


def fitted_encoder(
    shape: tuple[int, ...],
    *,
    of: str,
    checkpoint: str = "newest",
    network: Literal["mlp", "dcgan"] | None = None,
    width: int | None = None,
    encoder: Adam = LEARNING,
) -> FittedEncoder:
    """An encoder for the generator of a finished run, fitted to its samples, whose codes are known.

    The run lends its networks only: tensors, read as any run is. They are kept with the encoder.

    Args:
        shape: That of the run's data.
        of: Folder of the run.
        checkpoint: newest, best, or the step of one that is kept.
        network: Kind of encoder; convolutional for images unless told.
        width: Its units or channels.
        encoder: How it learns.

    Raises:
        GameError: If the run cannot be encoded: it has a fitted encoder already, makes samples of another shape, or
            starts from noise that is no row.
    """
    if config.read(Path(of)).get("recipe") == HOME:
        raise GameError(f"{of} is a fitted encoder already: name the run of its generator.")
    game = load(of, device="cpu", checkpoint=checkpoint)
    if not isinstance(game, SupportsSampling):
        raise GameError(f"{type(game).__name__} cannot sample, so there is nothing to encode: name another run.")
    noise, made = game.noise(2), game.sample(2)
    if made.shape[1:] != tuple(shape):
        raise GameError(f"{of} makes samples of shape {tuple(made.shape[1:])}, the data have {tuple(shape)}: use its.")
    if noise.dim() != 2:
        raise GameError(f"{type(game).__name__} starts from noise of shape {tuple(noise.shape[1:])}, which is no row.")
    return FittedEncoder(game, encoder_for(tuple(shape), noise.shape[1], network, width), encoder=encoder)


def _decoded(game: Game, codes: Tensor) -> Tensor:
    return generate(cast(SupportsSampling, game), codes)
