"""Commands of SinGAN: ``sparring singan PHOTO`` trains on a photograph, the others use the run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from sparring.cli.console import say
from sparring.cli.options import NEWEST, Model, ModelOptions, RunFolder
from sparring.errors import SparringError

if TYPE_CHECKING:
    from torch import Tensor

    from sparring.game import Game

Picture = Annotated[Positional[Path], arg(metavar="PICTURE")]


def train(words: list[str]) -> None:
    """Train SinGAN on one photograph: short for ``sparring train singan --data PHOTO``.

    Args:
        words: The photograph, then flags.
    """
    from sparring.cli.train import train as train_recipe

    if words and words[0] in ("-h", "--help"):
        say("usage: sparring singan PHOTO [flags], for sparring train singan --data PHOTO [flags]")
        say()
        train_recipe(["singan", *words])
        return
    if not words or words[0].startswith("-"):
        raise SparringError("Name the photograph first: `sparring singan photo.jpg`.")
    train_recipe(["singan", "--data", *words])


def super_resolve(
    run: RunFolder,
    picture: Path | None = None,
    factor: float = 4.0,
    noise: bool = False,
    projections: int = 5,
    out: Path = Path("larger.png"),
    seed: int = 0,
    model: Model = NEWEST,
) -> None:
    """Increase the size of the photograph, or of another image, with detail like that of the photograph.

    Args:
        run: The run's folder, preferably trained with --reconstruction 100 --ratio 0.794.
        picture: The image. Default: the photograph.
        factor: Factor of the size.
        noise: Add noise, as in samples.
        projections: Rounds of back-projection (Irani & Peleg, 1991), so that the result, reduced again, equals the
            image. 0 is the method of the paper.
        out: The image file.
        seed: Seed of the noise.
        model: Which checkpoint is used, and on which device.
    """
    from sparring.inference import single_image
    from sparring.runs.outputs import require_picture

    require_picture(run, out, [] if picture is None else [picture])
    game = _loaded(run, model)
    image = None if picture is None else single_image.load_image_like(picture, _channels(game))
    made = single_image.super_resolve(game, image, factor=factor, noise=noise, projections=projections, seed=seed)
    _saved(made, out)


def harmonize(
    run: RunFolder,
    picture: Picture,
    mask: Path,
    scale: int | None = None,
    reach: float = 7.0,
    blur: float = 5.0,
    out: Path = Path("harmonized.png"),
    seed: int = 0,
    model: Model = NEWEST,
) -> None:
    """Blend pasted content into the photograph: it takes on the colours and textures of the rest.

    Args:
        run: The run's folder.
        picture: The photograph with pasted content.
        mask: Image that is white, or opaque, at that content, and black, or transparent, elsewhere.
        scale: Scale at which the image enters, from 1; later scales change less. Default: at two thirds.
        reach: Pixels by which the mask is dilated, for an image of 250 pixels.
        blur: Standard deviation of the blur of its edge, for an image of 250 pixels.
        out: The image file.
        seed: Seed of the noise.
        model: Which checkpoint is used, and on which device.
    """
    from sparring.inference import single_image
    from sparring.runs.outputs import require_picture

    require_picture(run, out, [picture, mask])
    game = _loaded(run, model)
    size = single_image.require_trained(game).sizes[-1]
    white = single_image.load_mask(mask, size)
    image = single_image.load_image_like(picture, _channels(game), size)
    _saved(single_image.harmonize(game, image, white, scale=scale, reach=reach, blur=blur, seed=seed), out)


def edit(
    run: RunFolder,
    picture: Picture,
    mask: Path,
    scale: int | None = None,
    reach: float = 20.0,
    blur: float = 5.0,
    out: Path = Path("edited.png"),
    seed: int = 0,
    model: Model = NEWEST,
) -> None:
    """Blend a rough edit, such as copied and moved parts, into the photograph.

    Args:
        run: The run's folder.
        picture: The photograph with some parts copied, moved or painted over.
        mask: Image that is white, or opaque, at that content, and black, or transparent, elsewhere.
        scale: Scale at which the image enters, from 1; later scales change less. Default: at two thirds.
        reach: Pixels by which the mask is dilated, for an image of 250 pixels.
        blur: Standard deviation of the blur of its edge, for an image of 250 pixels.
        out: The image file.
        seed: Seed of the noise.
        model: Which checkpoint is used, and on which device.
    """
    harmonize(run, picture, mask, scale, reach, blur, out, seed, model)


def paint(
    run: RunFolder,
    picture: Picture,
    scale: int | None = None,
    colours: int | None = None,
    out: Path = Path("painted.png"),
    seed: int = 0,
    model: Model = NEWEST,
) -> None:
    """Turn a drawing into an image like the photograph (paint-to-image).

    Args:
        run: The run's folder, preferably trained with --quantise 1, or another scale.
        picture: The drawing.
        scale: Scale at which it enters, from 1; earlier scales keep less of it. Default: that of --quantise, else 1.
        colours: Number of colours of the photograph to which the drawing is first reduced, such as 5. Runs trained with
            --quantise do this always.
        out: The image file.
        seed: Seed of the noise.
        model: Which checkpoint is used, and on which device.
    """
    from sparring.inference import single_image
    from sparring.runs.outputs import require_picture

    require_picture(run, out, [picture])
    game = _loaded(run, model)
    drawing = single_image.load_image_like(picture, _channels(game))
    _saved(single_image.paint_to_image(game, drawing, scale=scale, colours=colours, seed=seed), out)


def animate(
    run: RunFolder,
    frames: int = 100,
    start_scale: int = 1,
    pull: float = 0.1,
    inertia: float = 0.9,
    fps: float = 10.0,
    out: Path = Path("moving.gif"),
    seed: int = 0,
    model: Model = NEWEST,
) -> None:
    """Animate the photograph.

    Args:
        run: The run's folder, preferably trained with --noisy-border.
        frames: Number of frames.
        start_scale: Scale from which the image moves; later scales move less.
        pull: Weight of the photograph in each frame, from 0 to 1.
        inertia: Weight of the previous motion, from 0 to 1; .8 to .95 is smooth.
        fps: Frames per second.
        out: The film: .gif, .webp or .png, and .mp4 where ffmpeg is installed.
        seed: Seed of the motion.
        model: Which checkpoint is used, and on which device.
    """
    import torch

    from sparring.inference import single_image
    from sparring.runs.outputs import require_film
    from sparring.visualization import video

    require_film(run, out)
    game = _loaded(run, model)
    way = single_image.animate(game, frames, start=start_scale, pull=pull, inertia=inertia, seed=seed)
    made = video.frames(torch.cat([frame.cpu() for frame in way]))
    say(f"The film is in {video.save_animation(made, out, fps=fps)}.")


def evaluate(
    run: RunFolder,
    samples: int = 16,
    inception: bool = False,
    seed: int = 0,
    model: Model = NEWEST,
) -> None:
    """Measure the similarity of samples to the photograph, and their diversity; write evaluation.json into the run.

    Args:
        run: The run's folder.
        samples: Number of samples from each scale.
        inception: Use features of the Inception network of the FID (its weights are downloaded once) instead of random
            filters.
        seed: Seed of the first sample.
        model: Which checkpoint is used, and on which device.
    """
    from sparring.cli.evaluate import show_evaluation
    from sparring.evaluation.single_image import evaluate_single_image, inception_feature_maps
    from sparring.runs.evaluation import save_evaluation

    opened = model.open(run)
    features = inception_feature_maps(str(opened.game.device)) if inception else None
    found = evaluate_single_image(opened.inference_game, opened.dataset, features, samples=samples, seed=seed)
    show_evaluation(save_evaluation(opened, found))
    say(f"The scores are in {run / 'evaluation.json'}.")


def _loaded(run: Path, model: ModelOptions) -> Game:
    from sparring.inference.single_image import require_trained

    game = model.load(run)
    require_trained(game)
    return game


def _channels(game: Game) -> int:
    from sparring.inference.single_image import require_trained

    return require_trained(game).photograph.shape[1]


def _saved(image: Tensor, out: Path) -> None:
    from sparring.visualization import images

    path = images.save_grid(image, out, scale=1)
    say(f"The image, {image.shape[3]} × {image.shape[2]} pixels, is in {path}.")
