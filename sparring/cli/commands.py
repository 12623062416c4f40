"""The commands beside training; each is what a Python user would write, in a few lines."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from sparring.cli.console import clock, say, say_data, show_table
from sparring.cli.options import RunFolder
from sparring.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import Tensor

    from sparring.evaluation.evaluator import Evaluation


def show(match: str = "*") -> None:
    """Shows the recipes.

    Args:
        match: Only names or systems that fit this pattern, such as "*wgan*".
    """
    from sparring.recipes import RECIPES

    found = {
        name: row for name, row in RECIPES.items() if any(fnmatch(x.lower(), match.lower()) for x in (name, row.system))
    }
    if not found:
        raise DataError(f"No recipe fits {match!r}: put stars around a part of its name, such as '*gan*'.")
    rows = [[name, row.system, str(row.year), row.paper, row.needs, row.home] for name, row in found.items()]
    show_table(["recipe", "system", "year", "paper", "needs", "code"], rows)


def sample(
    run: RunFolder,
    seeds: str | None = None,
    label: str | None = None,
    text: str | None = None,
    grid: Literal["classes"] | None = None,
    truncation: float = 1.0,
    size: str | None = None,
    start_scale: int = 0,
    out: Path = Path("samples.png"),
    columns: int | None = None,
    checkpoint: str = "newest",
    device: str = "auto",
) -> None:
    """Draws the samples of seeds; a seed gives the same sample always.

    Args:
        run: The run's folder.
        seeds: Numbers and ranges, such as 0-63,70; 0-63, or 0-7 for a grid of classes, unless told.
        label: Draws all of them as this class, by its name or number.
        text: Draws all of them as this sentence says, such as "a red heart".
        grid: classes draws every seed as every class: a row has one z, a column one class.
        truncation: Below 1 more typical samples, above 1 more daring ones.
        size: Width and height in pixels, such as 240x100, for a game that learned from one photograph.
        start_scale: Keeps the photograph's own layout below this scale, for the same; 0 keeps nothing.
        out: A picture file for one grid; a name without an ending, or a folder, for one file a seed.
        columns: Images in a row of the grid.
        checkpoint: newest, best, or the step of one that is kept.
        device: cpu, cuda, cuda:N, mps or auto.
    """
    from sparring.inference import canvas, conditional, sampling, sentences, single_image
    from sparring.runs.outputs import require_picture
    from sparring.runs.state import load
    from sparring.visualization import images as pictures

    if label is not None and grid is not None:
        raise DataError("A grid of classes draws every class: leave --label out, or --grid.")
    if text is not None and (label is not None or grid is not None):
        raise DataError("A sentence says all that is to be seen: leave --text out, or --label and --grid.")
    numbers = sampling.parse_seeds(seeds or ("0-7" if grid else "0-63"))
    if single := bool(out.suffix) and not out.is_dir():
        require_picture(run, out)
    game, names = load(run, device=device, checkpoint=checkpoint), [f"{number:06d}" for number in numbers]
    if grid:
        drawn = conditional.traverse(game, "class", numbers, truncation=truncation)
        columns = columns or drawn.shape[1]
        names, drawn = [f"{name}-{k}" for name in names for k in range(drawn.shape[1])], drawn.flatten(0, 1)
    elif label is not None:
        chosen = conditional.class_named(label, conditional.class_names(run))
        drawn = conditional.of_class(game, numbers, chosen, truncation=truncation)
    elif text is not None:
        drawn = sentences.of_sentence(game, numbers, text, truncation=truncation)
        tell_strangers(run, text)
    elif size is not None or start_scale:
        drawn = single_image.samples(game, numbers, size=canvas.parse_size(size), start=start_scale)
    else:
        drawn = sampling.samples(game, numbers, truncation=truncation)
    if not single:
        return _singly(run, out, names, drawn)
    return say(f"{len(names)} samples are in {pictures.save_grid(drawn, out, columns=columns)}.")


def _singly(run: Path, out: Path, names: Sequence[str], drawn: Tensor) -> None:
    """Saves each sample in a file of its own."""
    from sparring.runs.outputs import require_outputs
    from sparring.visualization import images as pictures

    files = {out / f"{name}.png": one for name, one in zip(names, drawn, strict=True)}  # a seed given twice is one file
    require_outputs(run, files)
    for path, one in files.items():
        pictures.save_grid(one[None], path, scale=1)
    say(f"{len(files)} samples are in {out}, one file a sample.")


def tell_strangers(run: Path, *texts: str) -> None:
    """Says which words of sentences a run has never read; it draws them all the same.

    Args:
        run: The run's folder.
        texts: The sentences.
    """
    from sparring.inference.sentences import strangers

    if unknown := strangers(run, *texts):
        say(f"The captions that {run} learned from never say: {', '.join(unknown)}.")


def interpolate(
    run: RunFolder,
    seeds: str | None = None,
    labels: str | None = None,
    texts: tuple[str, ...] = (),
    frames: int = 60,
    out: Path = Path("walk.gif"),
    rate: float = 20.0,
    truncation: float = 1.0,
    images: tuple[Path, ...] = (),
    checkpoint: str = "newest",
    device: str = "auto",
) -> None:
    """Films a walk from seed to seed and back, along arcs in the space of noise; or by classes, sentences, two images.

    Args:
        run: The run's folder.
        seeds: What is visited; 0,1,2, or for a walk between classes or sentences 0, unless told.
        labels: Classes to walk between, by name or number, such as 3,8, with the z of one seed.
        texts: Sentences to walk between, such as "a red heart" "a blue heart", with all else of one seed.
        frames: Pictures in the film.
        out: The film: .gif, .webp or .png, and .mp4 where ffmpeg is installed.
        rate: Pictures a second.
        truncation: Below 1 more typical samples, above 1 more daring ones.
        images: Two image files to walk between, in place of seeds, if the game encodes.
        checkpoint: newest, best, or the step of one that is kept.
        device: cpu, cuda, cuda:N, mps or auto.
    """
    from sparring.inference import conditional, sampling, sentences
    from sparring.runs.outputs import require_film
    from sparring.runs.state import load
    from sparring.visualization import images as pictures

    if labels and texts:
        raise DataError("A walk goes between classes or between sentences: leave --labels out, or --texts.")
    require_film(run, out, images)
    if images:
        from sparring.cli.encode import between

        between(run, images, frames, out, rate, checkpoint, device)
        return
    game = load(run, device=device, checkpoint=checkpoint)
    numbers = sampling.parse_seeds(seeds or ("0" if labels or texts else "0,1,2"))
    if labels is None and not texts:
        way = sampling.walk(game, numbers, frames, truncation=truncation)
    elif len(numbers) > 1:
        raise DataError(
            f"A walk between {'sentences' if texts else 'classes'} keeps one z, not {len(numbers)}: give one seed, "
            f"or leave --{'texts' if texts else 'labels'} out."
        )
    elif texts:
        way = sentences.sentence_walk(game, numbers[0], texts, frames, truncation=truncation)
        tell_strangers(run, *texts)
    else:
        visited = [conditional.class_named(label, conditional.class_names(run)) for label in (labels or "").split(",")]
        way = conditional.class_walk(game, numbers[0], visited, frames, truncation=truncation)
    say(f"The walk is in {pictures.save_animation(pictures.film(way), out, rate=rate)}.")


def evaluate(
    run: RunFolder,
    metrics: str = "",
    samples: int | None = None,
    extractor: str = "classifier",
    seed: int = 0,
    checkpoint: str = "newest",
    device: str = "auto",
) -> None:
    """Scores a run, beside what real data and noise would score, and writes evaluation.json into it.

    Args:
        run: The run's folder.
        metrics: Names with commas between, of modes, frechet, limit, kernel, precision, density, score, classes,
            labels, stacks, sliced, pyramid, similarity, memory, parzen, path; those that suit the data unless told.
        samples: How many are generated; 2,500 points or 2,000 images unless told, at most half of the data.
        extractor: What sees images: classifier (the tool's own, trained on the data), inception (downloads its weights
            once), or module:function of yours.
        seed: Decides the noise and the choice of real samples.
        checkpoint: newest, best, or the step of one that is kept.
        device: cpu, cuda, cuda:N, mps or auto.
    """
    from sparring.cli.console import bar
    from sparring.evaluation import evaluator as judge
    from sparring.evaluation.extractors import extractor_named
    from sparring.runs.run import Run

    chosen = judge.metrics_named([name.strip() for name in metrics.split(",")]) if metrics else None
    opened = Run.open(run, device=device, checkpoint=checkpoint)
    images = len(opened.dataset.shape) == 3
    seer = extractor_named(extractor, opened.training, str(opened.game.device)) if images else None
    with bar("looking at samples") as progress:
        result = judge.evaluate_run(
            opened, metrics=chosen, samples=samples, extractor=seer, seed=seed, progress=progress
        )
    show_evaluation(result)
    for name in result.exhibits:
        say(f"Samples, each beside its nearest training image: {run / name}.png")
    say(f"The scores are in {run / 'evaluation.json'}.")


def show_evaluation(result: Evaluation) -> None:
    """Prints the scores of an evaluation, how they were measured, and what that cost.

    Args:
        result: What `sparring.evaluation.evaluator` returned.
    """
    from sparring.reports.run_report import protocol, table

    show_table(*table(result))
    for line in dict.fromkeys(map(protocol, result.scores)):
        say(f"  {line}")
    for note in result.notes:
        say(f"  note: {note}")
    if cost := result.seconds:
        say(f"  {clock(cost['looking'])} of sampling and looking, {clock(cost['measuring'])} of measuring")


def report(run: RunFolder, device: str = "auto") -> None:
    """Writes losses.png and report.html, one page that needs nothing but itself, into a run.

    Args:
        run: The run's folder.
        device: cpu, cuda, cuda:N, mps or auto.
    """
    from sparring.reports.run_report import save_report
    from sparring.runs.run import Run

    say(f"The report is {save_report(Run.open(run, device=device))}.")


def check(
    recipe: Annotated[Positional[str], arg(metavar="RECIPE")],
    data: str | None = None,
    size: int | None = None,
    batch: int = 8,
    rounds: int = 2,
    parts: int = 1,
    precision: Literal["fp32", "bf16"] = "fp32",
    fast: Literal["auto", "off"] = "auto",
    device: str = "cpu",
) -> None:
    """Plays a few rounds of a recipe, of ours or module:function of yours, as a training would, and tests every rule.

    Args:
        recipe: Name of a recipe, or module:function.
        data: What to play on. Default: the points of ring, or the images of digits, 32 pixels a side, where the recipe
            cannot be played on points.
        size: Height and width of images.
        batch: Rows of a batch.
        rounds: How many rounds are played, at least 2.
        parts: Play each batch in so many parts.
        precision: fp32, or bf16 for automatic mixed precision.
        fast: auto, which is tried on the game first, or off for the plain path.
        device: cpu, cuda, cuda:N, mps or auto.
    """
    from sparring.errors import GameError
    from sparring.recipes.importing import trust
    from sparring.runs.loop import PRECISIONS
    from sparring.training import distributed

    trust(recipe)
    how: Any = {"batch": batch, "rounds": rounds, "parts": parts, "kind": PRECISIONS[precision], "fast": fast}
    how |= {"where": distributed.device(device)}
    try:
        lines = _conforms(recipe, data or "ring", size, **how)
    except GameError:
        raise  # a broken rule, whatever the data
    except Exception as error:
        if data is not None:
            raise
        lines = _conforms_with_images(recipe, size, error, how)
    for line in lines:
        say(line)
    say(f"{recipe} keeps the rules.")


def _conforms_with_images(recipe: str, size: int | None, why: Exception, how: dict[str, Any]) -> list[str]:
    """Checks a recipe that cannot be played on points."""
    from sparring.errors import GameError, SparringError

    try:
        lines = _conforms(recipe, "digits", size or 32, **how)
    except GameError:
        raise
    except Exception as error:
        if isinstance(why, SparringError):
            raise why from None
        points, images = (str(each).strip().partition("\n")[0] or type(each).__name__ for each in (why, error))
        raise GameError(
            f"{recipe} fails on the points of ring ({points}) and on the images of digits ({images}): name data that "
            "it takes, such as --data digits --size 64."
        ) from error
    return [*lines, f"data: digits, {size or 32} pixels a side, since it cannot be played on the points of ring."]


def _conforms(
    recipe: str,
    data: str,
    size: int | None,
    *,
    batch: int,
    rounds: int,
    parts: int,
    kind: torch.dtype | None,
    fast: str,
    where: torch.device,
) -> list[str]:
    """Checks a recipe on some data and returns what was seen."""
    from sparring.check import check_game
    from sparring.data import Stream, load
    from sparring.runs.memory import TRAINED
    from sparring.runs.performance_trial import allowed
    from sparring.runs.recipe_args import suited
    from sparring.runs.state import built

    dataset = load(suited(recipe, data), size=size)
    settings = {"recipe": recipe, "arguments": {}, "data": {"facts": dataset.facts()}, "seed": 0}
    game = built(settings, where, dataset.captions.distinct if dataset.captions else (), dataset, TRAINED)
    chosen, notes = allowed(game, Stream(dataset, batch, parts=parts, device=where), fast, kind)
    chosen.put_on(game)
    seen = check_game(
        game, Stream(dataset, batch, parts=parts, device=where), max(rounds, 2), parts=parts, precision=kind
    )
    kinds = set(map(_numberless, seen.notes))
    told = [note for note in notes if _numberless(note) not in kinds]  # the trial plays with other draws
    return [*str(seen).splitlines(), *(f"note: {note}" for note in told), f"fast: {chosen}"]


def _numberless(note: str) -> str:
    """Returns a note without its figures, which other draws change."""
    return re.sub(r"\d[\d.]*", "", note)


def prepare(
    source: Annotated[Positional[str], arg(metavar="SOURCE")],
    target: Annotated[Positional[Path], arg(metavar="TARGET")],
    size: int | None = None,
    channels: int | None = None,
    data_root: Path | None = None,
    bad_images: Literal["error", "skip"] = "error",
) -> None:
    """Decodes images once, into a file that any training opens at once.

    Args:
        source: Name of a data set, folder or zip of images, or array file.
        target: The .npy file.
        size: Height and width.
        channels: 1, 3 or 4.
        data_root: Where the standard data sets are.
        bad_images: What to do with image files that cannot be read: error, or skip them.
    """
    from sparring.data import load
    from sparring.data import prepare as write

    path = write(source, target, size=size, channels=channels, root=data_root, skip_bad=bad_images == "skip")
    dataset = load(path)
    say_data(dataset)
    for sentence in dataset.passed_over:
        say(f"Passed over: {sentence}")
    say(f"The images are in {path}; train on it with --data {path}.")


def demo(out: Path = Path("runs/demo"), steps: int | None = None, seed: int = 0) -> None:
    """Trains on handwritten digits for about a minute, then samples, films, scores and reports.

    Args:
        out: The run's folder.
        steps: How long to train; about a minute on two cores unless told.
        seed: Decides everything random.
    """
    from sparring.cli.demo import demo as play

    play(out, steps=steps, seed=seed)
