"""Commands that generate samples: from seeds, along interpolations, and over the values of latent codes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sparring.cli.console import say
from sparring.cli.options import NEWEST, Model, ModelOptions, RunFolder
from sparring.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from sparring.game import Game


def sample(
    run: RunFolder,
    seeds: str | None = None,
    label: str | None = None,
    text: str | None = None,
    grid: Literal["classes"] | None = None,
    truncation: tuple[float, ...] = (1.0,),
    size: str | None = None,
    start_scale: int = 0,
    out: Path = Path("samples.png"),
    columns: int | None = None,
    model: Model = NEWEST,
) -> None:
    """Generate samples from seeds; a seed always gives the same sample.

    Args:
        run: The run's folder.
        seeds: Numbers and ranges, such as 0-63,70. Default: 0-63; 0-7 for a grid of classes or of truncations.
        label: Class of all samples, by its name or number.
        text: Caption of all samples, such as "a red heart".
        grid: classes generates each seed as each class: a row has one z, a column one class.
        truncation: Below 1 more typical samples, above 1 more varied ones; several values give a column each.
        size: Height and width in pixels, such as 100x240, for runs on one photograph.
        start_scale: Scale below which the layout of the photograph is kept, for runs on one photograph.
        out: An image file for one grid; a folder for one file per sample.
        columns: Images in a row of the grid. Default: a square grid.
        model: Which checkpoint is used, and on which device.
    """
    from sparring.cli.options import parse_size
    from sparring.inference import conditional, directions, sampling, single_image
    from sparring.runs.outputs import require_picture
    from sparring.visualization import images as pictures

    if label is not None and grid is not None:
        raise DataError("--grid classes generates every class: leave --label or --grid out.")
    if text is not None and (label is not None or grid is not None):
        raise DataError("A caption determines the class: leave --text out, or --label and --grid.")
    numbers = sampling.parse_seeds(seeds or ("0-7" if grid or len(truncation) > 1 else "0-63"))
    cut = _one_truncation(truncation, label, text, grid, size or start_scale or None)
    if single := bool(out.suffix) and not out.is_dir():
        require_picture(run, out)
    game, names = model.load(run), [f"{number:06d}" for number in numbers]
    if cut is None:
        drawn = directions.truncation_sweep(game, numbers, truncation)
        names = [f"{name}-{value:g}" for name in names for value in truncation]
    elif grid:
        drawn = conditional.traverse(game, "class", numbers, truncation=cut)
        names = [f"{name}-{k}" for name in names for k in range(drawn.shape[1])]
    elif size is not None or start_scale:
        drawn = single_image.sample_seeds(game, numbers, size=parse_size(size), start=start_scale)
    else:
        drawn = _asked_for(run, game, numbers, label, text, cut)
    if cut is None or grid:
        columns, drawn = columns or drawn.shape[1], drawn.flatten(0, 1)
    if not single:
        return _singly(run, out, names, drawn)
    return say(f"{len(names)} samples are in {pictures.save_grid(drawn, out, columns=columns)}.")


def _asked_for(
    run: Path, game: Game, seeds: Sequence[int], label: str | None, text: str | None, truncation: float
) -> Tensor:
    """Return samples of seeds, of a class or a caption if one is given."""
    from sparring.inference import conditional, sampling
    from sparring.runs.config import facts

    if label is not None:
        chosen = conditional.class_index(label, facts(run).class_names)
        return conditional.sample_class(game, seeds, chosen, truncation=truncation)
    if text is not None:
        drawn = conditional.sample_text(game, seeds, text, truncation=truncation)
        warn_unknown_words(run, text)
        return drawn
    return sampling.sample_seeds(game, seeds, truncation=truncation)


def _one_truncation(truncation: Sequence[float], *other: object) -> float | None:
    """Return the only truncation, or None for a grid of several, which no other choice of samples goes with."""
    if len(truncation) == 1:
        return truncation[0]
    if not truncation or any(choice is not None for choice in other):
        raise DataError("Give one --truncation with --label, --text, --grid, --size or --start-scale.")
    return None


def _singly(run: Path, out: Path, names: Sequence[str], drawn: Tensor) -> None:
    """Save each sample in a file of its own."""
    from sparring.runs.outputs import require_outputs
    from sparring.visualization import images as pictures

    files = {out / f"{name}.png": one for name, one in zip(names, drawn, strict=True)}  # a seed given twice is one file
    require_outputs(run, files)
    for path, one in files.items():
        pictures.save_grid(one[None], path, scale=1)
    say(f"{len(files)} samples are in {out}, one file a sample.")


def warn_unknown_words(run: Path, *texts: str) -> None:
    """Warn about prompt words that do not occur in the training captions. Sampling continues.

    Args:
        run: The run's folder.
        texts: The prompts.
    """
    from sparring.inference.conditional import unknown_words
    from sparring.runs.config import facts

    if unknown := unknown_words(facts(run).vocabulary or (), *texts):
        say(f"Words that do not occur in the captions of {run}: {', '.join(unknown)}.")


def interpolate(
    run: RunFolder,
    seeds: str | None = None,
    labels: str | None = None,
    texts: tuple[str, ...] = (),
    frames: int = 60,
    out: Path = Path("walk.gif"),
    fps: float = 20.0,
    truncation: float = 1.0,
    images: tuple[Path, ...] = (),
    model: Model = NEWEST,
) -> None:
    """Film an interpolation through seeds and back, between classes, captions or two images.

    Args:
        run: The run's folder.
        seeds: Seeds to visit. Default: 0,1,2; 0 for classes and captions.
        labels: Classes to visit, by name or number, such as 3,8, with the z of one seed.
        texts: Captions to visit, such as "a red heart" "a blue heart", with the z of one seed.
        frames: Number of frames.
        out: The film: .gif, .webp or .png, and .mp4 where ffmpeg is installed.
        fps: Frames per second.
        truncation: Below 1 more typical samples, above 1 more varied ones.
        images: Two image files to interpolate between, for games that encode.
        model: Which checkpoint is used, and on which device.
    """
    from sparring.inference import conditional, sampling
    from sparring.runs.config import facts
    from sparring.runs.outputs import require_film
    from sparring.visualization import video

    if labels and texts:
        raise DataError("An interpolation visits classes or captions: leave --labels or --texts out.")
    require_film(run, out, images)
    if images:
        _between_images(run, images, frames, out, fps, model)
        return
    game = model.load(run)
    numbers = sampling.parse_seeds(seeds or ("0" if labels or texts else "0,1,2"))
    if labels is None and not texts:
        way = sampling.interpolate_seeds(game, numbers, frames, truncation=truncation)
    elif len(numbers) > 1:
        raise DataError(
            f"An interpolation between {'captions' if texts else 'classes'} has one z, not {len(numbers)}: give one "
            f"seed, or leave --{'texts' if texts else 'labels'} out."
        )
    elif texts:
        way = conditional.interpolate_texts(game, numbers[0], texts, frames, truncation=truncation)
        warn_unknown_words(run, *texts)
    else:
        names = facts(run).class_names
        visited = [conditional.class_index(label, names) for label in (labels or "").split(",")]
        way = conditional.interpolate_classes(game, numbers[0], visited, frames, truncation=truncation)
    say(f"The interpolation is in {video.save_animation(video.frames(way), out, fps=fps)}.")


def _between_images(run: Path, images: Sequence[Path], frames: int, out: Path, fps: float, model: ModelOptions) -> None:
    """Film an interpolation between two real images.

    Args:
        run: The run's folder.
        images: Two files.
        frames: Number of frames.
        out: The film.
        fps: Frames per second.
        model: Which checkpoint is used, and on which device.

    Raises:
        DataError: If there are not two images.
    """
    from sparring.data import load_images
    from sparring.inference import encoding
    from sparring.runs.config import facts
    from sparring.visualization import video

    game, ends = model.load(run), load_images(images, shape=facts(run).shape)
    if len(ends) != 2:
        raise DataError(f"An interpolation is between two images, not {len(ends)}: --images a.png b.png")
    way = encoding.interpolate_images(game, ends[0], ends[1], frames)
    say(f"The interpolation is in {video.save_animation(video.frames(way), out, fps=fps)}.")


def traverse(
    run: RunFolder,
    code: str | None = None,
    seeds: str = "0-7",
    values: tuple[float, ...] = (),
    truncation: float = 1.0,
    out: Path = Path("traversal"),
    model: Model = NEWEST,
) -> None:
    """Show what each latent code changes: one grid per code, one row per seed, one column per value.

    Args:
        run: The run's folder.
        code: Name of a code, such as category0, continuous1 or class. Default: all.
        seeds: Seeds of all other coordinates, such as 0-7.
        values: Values of the code, such as -2 -1 0 1 2. Default: its categories, or evenly spaced values.
        truncation: Below 1 more typical samples, above 1 more varied ones.
        out: Folder of the images, one per code; or an image file, to whose name the code is appended.
        model: Which checkpoint is used, and on which device.
    """
    from sparring.inference import conditional, sampling
    from sparring.runs.outputs import require_outputs
    from sparring.visualization import images

    game, numbers = model.load(run), sampling.parse_seeds(seeds)
    if out.suffix:
        images.require_image_format(out)
    names = [code] if code else conditional.code_names(game)
    files = {name: out.with_stem(f"{out.stem}-{name}") if out.suffix else out / f"{name}.png" for name in names}
    require_outputs(run, files.values())
    for name, target in files.items():
        drawn = conditional.traverse(game, name, numbers, values=values, truncation=truncation)
        path = images.save_grid(drawn.flatten(0, 1), target, columns=drawn.shape[1])
        say(f"{name}: {drawn.shape[1]} values of {drawn.shape[0]} seeds are in {path}.")
