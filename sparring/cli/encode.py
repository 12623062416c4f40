"""The commands of games that encode: codes in a file, reconstructions, walks, attributes, encoders fitted to games."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from sparring.cli.console import say
from sparring.cli.options import RunFolder
from sparring.errors import DataError, SparringError

if TYPE_CHECKING:
    from torch import Tensor


USAGE = """usage: sparring train-encoder RUN --out FOLDER [--steps N] ...

Fits an encoder to the generator of a finished run, on its own samples, into a run of its own, which then reconstructs,
interpolates and edits real images. It takes every flag of `sparring train`, and those of the encoder:
see `sparring train-encoder RUN --help`."""


def reconstruct(
    run: RunFolder,
    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGES")],
    out: Path = Path("reconstructed.png"),
    most: int = 32,
    checkpoint: str = "newest",
    device: str = "auto",
) -> None:
    """Draws images, each beside what its code makes of it.

    Args:
        run: The run's folder.
        images: Files, folders or zips of images.
        out: The picture file.
        most: How many images are drawn.
        checkpoint: newest, best, or the step of one that is kept.
        device: cpu, cuda, cuda:N, mps or auto.
    """
    from sparring.inference import encoding
    from sparring.runs.outputs import require_picture
    from sparring.runs.state import load

    require_picture(run, out, images)
    game, x = load(run, device=device, checkpoint=checkpoint), encoding.images(run, images, most)
    _beside(out, x, encoding.reconstruct(game, x))
    say(f"{len(x)} images, each beside its reconstruction, are in {out}.")


def encode(
    run: RunFolder,
    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGES")],
    out: Path = Path("codes.npz"),
    most: int | None = None,
    checkpoint: str = "newest",
    device: str = "auto",
) -> None:
    """Writes the codes of images to a file: of an InfoGAN what it reads in them, else rows that samples start from.

    Args:
        run: The run's folder.
        images: Files, folders or zips of images, or names of data sets.
        out: The file: .npz with names, columns and codes, or .csv with a row an image.
        most: How many images are encoded; all unless told.
        checkpoint: newest, best, or the step of one that is kept.
        device: cpu, cuda, cuda:N, mps or auto.
    """
    from sparring.inference import latent_table
    from sparring.runs.outputs import require_outputs
    from sparring.runs.state import load

    latent_table.require_ending(out)
    require_outputs(run, [out], images)
    book = latent_table.encoded(load(run, device=device, checkpoint=checkpoint), run, images, most)
    saved = latent_table.saved(book, out)
    say(f"The codes of {len(book.names)} images, {len(book.columns)} numbers each, are in {saved}.")


def between(
    run: Path, images: Sequence[Path], frames: int, out: Path, rate: float, checkpoint: str, device: str
) -> None:
    """Films a walk between two real images: ``sparring interpolate RUN --images a.png b.png``.

    Args:
        run: The run's folder.
        images: Two files.
        frames: Pictures in the film.
        out: The film.
        rate: Pictures a second.
        checkpoint: newest, best, or the step of one that is kept.
        device: cpu, cuda, cuda:N, mps or auto.

    Raises:
        DataError: If there are not two images.
    """
    from sparring.inference import encoding
    from sparring.runs.state import load
    from sparring.visualization import images as pictures

    game, ends = load(run, device=device, checkpoint=checkpoint), encoding.images(run, images)
    if len(ends) != 2:
        raise DataError(f"A walk leads from one image to another, not through {len(ends)}: --images a.png b.png")
    way = encoding.interpolate(game, ends[0], ends[1], frames)
    say(f"The walk is in {pictures.save_animation(pictures.film(way), out, rate=rate)}.")


def attribute(
    run: RunFolder,
    with_: Annotated[Path, arg(name="with")],
    without: Path,
    images: tuple[Path, ...],
    strength: float = 1.0,
    out: Path = Path("attribute.png"),
    most: int = 16,
    checkpoint: str = "newest",
    device: str = "auto",
) -> None:
    """Gives images what others have, such as glasses: draws each, its reconstruction, and that with the attribute.

    Args:
        run: The run's folder.
        with_: Folder or zip of images that have it.
        without: Folder or zip of images that have not, otherwise as alike as can be.
        images: Files, folders or zips of the images to change.
        strength: How much of it; -1 takes it away.
        out: The picture file.
        most: How many images are drawn.
        checkpoint: newest, best, or the step of one that is kept.
        device: cpu, cuda, cuda:N, mps or auto.
    """
    from sparring.inference import encoding
    from sparring.runs.outputs import require_picture
    from sparring.runs.state import load

    require_picture(run, out, [with_, without, *images])
    game, x = load(run, device=device, checkpoint=checkpoint), encoding.images(run, images, most)
    direction = encoding.attribute(game, encoding.images(run, [with_]), encoding.images(run, [without]))
    _beside(out, x, encoding.reconstruct(game, x), encoding.edited(game, x, direction, strength))
    say(f"{len(x)} images, each beside its reconstruction without and with the attribute, are in {out}.")


def train_encoder(words: Sequence[str]) -> None:
    """Fits an encoder to a finished run: ``sparring train`` of a recipe that is told the run and its data.

    Args:
        words: The run's folder, then any flags of ``sparring train``.

    Raises:
        SparringError: If no run is named first.
    """
    if words and words[0] in ("-h", "--help"):
        print(USAGE)
        return
    if not words or words[0].startswith("-"):
        raise SparringError("Name the run first: sparring train-encoder RUN --out FOLDER")
    from sparring.cli.train import train
    from sparring.inference.encoding import HOME
    from sparring.runs import config

    run, *rest = words
    data = config.read(Path(run))["data"]
    known = {
        "--data": data["name"],
        "--size": data["size"],
        "--channels": data["channels"],
        "--data-root": data["root"],
    }
    told = [word for flag, value in known.items() if value is not None for word in (flag, str(value))]
    train([HOME, "--of", run, *([] if "--data" in rest else told), *rest])


def _beside(out: Path, *columns: Tensor) -> None:
    """Saves images with what became of them to their right, four such groups a row."""
    import torch

    from sparring.visualization.images import save_grid

    tiles = torch.stack([column.cpu() for column in columns], 1).flatten(0, 1)
    save_grid(tiles, out, columns=len(columns) * min(4, len(columns[0])))
