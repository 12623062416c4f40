"""The commands that explore the latent space: directions, and the latents of real images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from sparring.cli.console import say
from sparring.cli.options import NEWEST, Model, RunFolder
from sparring.errors import DataError

COLUMNS = 1000  # images in a row at most


def directions(
    run: RunFolder,
    kind: Literal["principal", "closed"] = "principal",
    count: int = 5,
    reach: float = 3.0,
    columns: int = 7,
    seeds: str = "0-3",
    out: Path = Path("directions"),
    model: Model = NEWEST,
) -> None:
    """Show the latent directions along which samples change most: one grid per direction, one row per seed.

    Args:
        run: The run's folder.
        kind: principal (principal components of samples, mapped back to the latent space) or closed (singular vectors
            of the first layer).
        count: Number of directions.
        reach: Distance in either direction.
        columns: Images in a row.
        seeds: Rows, such as 0-3.
        out: Folder of the images.
        model: Which checkpoint is used, and on which device.
    """
    from sparring.inference import directions as latent_directions
    from sparring.inference import sampling
    from sparring.runs.outputs import require_outputs
    from sparring.visualization import images as pictures

    if not 2 <= columns <= COLUMNS:
        raise DataError(f"A direction cannot be shown in {columns:,} pictures: give --columns 2 to {COLUMNS:,}.")
    game = model.load(run)
    find = latent_directions.principal_directions if kind == "principal" else latent_directions.closed_form_directions
    noise = sampling.latents_from_seeds(game, sampling.parse_seeds(seeds))
    steps = [reach * (2 * k / (columns - 1) - 1) for k in range(columns)]
    found = find(game, count)
    files = [out / f"{kind}-{number + 1}.png" for number in range(len(found))]
    require_outputs(run, files)
    for path, direction in zip(files, found, strict=True):
        drawn = latent_directions.shift_along(game, noise, direction, steps).flatten(0, 1)
        pictures.save_grid(drawn, path, columns=columns)
    say(f"{count} {kind} directions, from -{reach:g} to {reach:g}, are in {out}.")


def invert(
    run: RunFolder,
    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGES")],
    steps: int = 300,
    out: Path = Path("inverted.png"),
    max_images: int = 16,
    model: Model = NEWEST,
) -> None:
    """Find latents of real images by gradient descent, from the best of many draws or from the encoder.

    Args:
        run: The run's folder.
        images: Files, folders or zips of images.
        steps: Steps of gradient descent.
        out: Image file of each image beside its inversion; the latents are in a .npy file of the same name.
        max_images: Largest number of images.
        model: Which checkpoint is used, and on which device.
    """
    import numpy as np
    import torch

    from sparring._io.atomic import atomic_write, io_errors
    from sparring.data import load_images
    from sparring.inference.inversion import invert as find_noise
    from sparring.runs.config import facts
    from sparring.runs.outputs import require_outputs, require_picture
    from sparring.visualization import images as pictures

    numbers = out.with_suffix(".npy")
    require_picture(run, out, images)
    require_outputs(run, [numbers], images)
    game, x = model.load(run), load_images(images, shape=facts(run).shape, max_images=max_images)
    found = find_noise(game, x, steps=steps)
    pairs = torch.stack([x, found.made.cpu()], 1).flatten(0, 1)
    pictures.save_grid(pairs, out, columns=8)
    with io_errors(numbers), atomic_write(numbers) as file:
        np.save(file, found.noise.cpu().numpy())
    say(f"{len(x)} images, each beside its inversion (mean squared error {found.errors.mean():.4f}), are in {out}.")
