"""Commands of games that encode: latents in a file, reconstructions, attributes, and encoders for trained games."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from sparring.cli.console import say
from sparring.cli.options import NEWEST, Model, RunFolder
from sparring.errors import SparringError

if TYPE_CHECKING:
    from torch import Tensor


USAGE = """usage: sparring train-encoder RUN --out FOLDER [--steps N] ...

Train an encoder for the generator of a run, on its samples, into a new run, which reconstructs, interpolates and edits
real images. Flags are those of `sparring train` and of the encoder: `sparring train-encoder RUN --help`."""


def reconstruct(
    run: RunFolder,
    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGES")],
    out: Path = Path("reconstructed.png"),
    max_images: int = 32,
    model: Model = NEWEST,
) -> None:
    """Show images, each beside its reconstruction.

    Args:
        run: The run's folder.
        images: Files, folders or zips of images.
        out: The image file.
        max_images: Largest number of images.
        model: Which checkpoint is used, and on which device.
    """
    from sparring.data import load_images
    from sparring.inference import encoding
    from sparring.runs.config import facts
    from sparring.runs.outputs import require_picture

    require_picture(run, out, images)
    game, x = model.load(run), load_images(images, shape=facts(run).shape, max_images=max_images)
    _beside(out, x, encoding.reconstruct(game, x))
    say(f"{len(x)} images, each beside its reconstruction, are in {out}.")


def encode(
    run: RunFolder,
    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGES")],
    out: Path = Path("codes.npz"),
    max_images: int | None = None,
    model: Model = NEWEST,
) -> None:
    """Write the latents of images to a file; of InfoGAN, the latent codes that it recognises.

    Args:
        run: The run's folder.
        images: Files, folders or zips of images, or names of data sets.
        out: .npz file with names, columns and latents, or .csv file with a row per image.
        max_images: Largest number of images. Default: all.
        model: Which checkpoint is used, and on which device.
    """
    from sparring.inference import latent_table
    from sparring.runs.config import facts
    from sparring.runs.outputs import require_outputs

    latent_table.require_suffix(out)
    require_outputs(run, [out], images)
    table = latent_table.encode_files(model.load(run), images, shape=facts(run).shape, max_images=max_images)
    say(f"The codes of {len(table.names)} images, {len(table.columns)} numbers each, are in {table.save(out)}.")


def edit(
    run: RunFolder,
    with_: Annotated[Path, arg(name="with")],
    without: Path,
    images: tuple[Path, ...],
    strength: float = 1.0,
    out: Path = Path("edited.png"),
    max_images: int = 16,
    model: Model = NEWEST,
) -> None:
    """Add an attribute, such as glasses, to images: show each, its reconstruction, and the edit.

    Args:
        run: The run's folder.
        with_: Folder or zip of images with the attribute.
        without: Folder or zip of images without it, otherwise as similar as possible.
        images: Files, folders or zips of the images to edit.
        strength: Factor of the attribute direction; -1 removes the attribute.
        out: The image file.
        max_images: Largest number of images.
        model: Which checkpoint is used, and on which device.
    """
    from sparring.data import load_images
    from sparring.inference import encoding
    from sparring.runs.config import facts
    from sparring.runs.outputs import require_picture

    require_picture(run, out, [with_, without, *images])
    game, shape = model.load(run), facts(run).shape
    x = load_images(images, shape=shape, max_images=max_images)
    examples = (load_images([place], shape=shape) for place in (with_, without))
    direction = encoding.attribute_direction(game, *examples)
    _beside(out, x, encoding.reconstruct(game, x), encoding.edit(game, x, direction, strength))
    say(f"{len(x)} images, each beside its reconstruction without and with the attribute, are in {out}.")


def train_encoder(words: Sequence[str]) -> None:
    """Train an encoder for the generator of a run: ``sparring train`` with the run and its data as arguments.

    Args:
        words: The run's folder, then any flags of ``sparring train``.

    Raises:
        SparringError: If the first word is no run.
    """
    if words and words[0] in ("-h", "--help"):
        print(USAGE)
        return
    if not words or words[0].startswith("-"):
        raise SparringError("Name the run first: sparring train-encoder RUN --out FOLDER")
    from sparring.cli.train import train
    from sparring.data.frames import text_of
    from sparring.runs import config
    from sparring.runs.fitted_encoder import RECIPE

    run, *rest = words
    data = config.read(Path(run)).data
    known = {
        "--data": data.name,
        "--size": None if data.size is None else text_of(data.size),
        "--fit": data.fit.partition(":")[0],
        "--pad-colour": data.fit.partition(":")[2] or None,
        "--channels": data.channels,
        "--data-root": data.root,
    }
    arguments = [word for flag, value in known.items() if value is not None for word in (flag, str(value))]
    train([RECIPE, "--of", run, *([] if "--data" in rest else arguments), *rest])


def _beside(out: Path, *columns: Tensor) -> None:
    """Save images with their results to the right, four groups in a row."""
    import torch

    from sparring.visualization.images import save_grid

    tiles = torch.stack([column.cpu() for column in columns], 1).flatten(0, 1)
    save_grid(tiles, out, columns=len(columns) * min(4, len(columns[0])))
