"""A demonstration in one minute: train on real handwritten digits, sample by class, evaluate and report.

The digits are in the package (1,797, enlarged from 8 × 8 to 16 × 16), so nothing is downloaded. The game is the
conditional one between a hinge critic with spectral norm and class projection (Miyato & Koyama, 2018) and a DCGAN
generator; the critic learns twice as fast, both without momentum (Heusel et al., 2017). Of the five designs of the
recipe this one is nearest to the data after 20 seconds.

One half of the digits trains the game. The other half trains a classifier that the game never sees; it reads generated
digits, a hundred of each class, and real ones of the first half.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from sparring._types import JsonObject, Settings
from sparring.cli.console import say

if TYPE_CHECKING:
    from sparring.metrics.gan_train_test import Accuracy
    from sparring.runs.run import Run

__all__ = ["demo"]

STEPS = 1500  # about 15 ms each on one core
ARGUMENTS = {
    "design": "projection",
    "networks": {"network": "dcgan", "latent": 32, "width": 24},
    "critic": {"lr": 2e-3, "betas": (0.0, 0.99)},
    "generator": {"lr": 1e-3, "betas": (0.0, 0.99)},
}
HOLD_OUT = 0.5  # share of the digits that the game never sees
READ = 100  # generated digits of each class that are read
READER_STEPS = 600
FILE = "reader.json"  # in the run's folder
SHOWN = 16  # digits of each class in the picture
WALKS, STOPS, FRAMES = 4, 4, 60


def demo(out: Path = Path("runs/demo"), steps: int = STEPS, seed: int = 0) -> None:
    """Train on handwritten digits for about a minute, then sample by class, interpolate, evaluate and report.

    Args:
        out: The run's folder.
        steps: Steps of training.
        seed: Seed of everything random.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # networks this small are fastest, and always the same, on one
    try:
        _play(out, steps, seed)
    finally:
        torch.set_num_threads(threads)


def _play(out: Path, steps: int, seed: int) -> None:
    from sparring.cli.evaluate import show_evaluation
    from sparring.cli.train import Goal, farewell, fit
    from sparring.reports.run_report import save_report
    from sparring.runs.evaluation import evaluate_run
    from sparring.runs.run import Run

    say(
        "Training two networks: G generates digits of a given class, D discriminates them from real ones of that class."
    )
    say()
    settings: Settings = {"data": "digits", "size": 16, "hold_out": HOLD_OUT, "seed": seed, "ema_decay": 0.998}
    run = Run.create(out, "cgan", arguments=ARGUMENTS, begin=False, **settings)
    fit(run, Goal(steps=steps, sample_every=-(-steps // 10)))
    say()
    picture = save_digits(run, run.folder / "digits.png")
    film = save_walks(run, run.folder / "walk.gif")
    say("Reading generated digits with a classifier that is trained on the other half of the scans ...")
    for line in read_digits(run, seed):
        say(f"  {line}")
    say("Evaluating 898 samples in the features of a small classifier that is trained on the digits ...")
    say()
    show_evaluation(evaluate_run(run, seed=seed))
    page = save_report(run)
    say()
    say("Results:")
    for what, path in {
        "everything on one page": page,
        "ten digits by class, a row each": picture,
        "samples over time": run.folder / "samples",
        "real digits": run.folder / "reals.png",
        "interpolations, a column each class": film,
        "losses, with their values at equilibrium": run.folder / "losses.png",
        "accuracies of the reading": run.folder / FILE,
        "scores": run.folder / "evaluation.json",
    }.items():
        say(f"  {path}  ({what})")
    farewell(run)


def save_digits(run: Run, path: Path) -> Path:
    """Save samples by class: a row each class, a column each seed.

    Args:
        run: The run.
        path: The picture.
    """
    from sparring.inference.conditional import traverse
    from sparring.visualization.images import save_grid

    by_class = traverse(run.inference_game, "class", range(SHOWN)).transpose(0, 1)
    save_grid(by_class.flatten(0, 1), path, columns=SHOWN, scale=3, folder=run.home)
    return path


def save_walks(run: Run, path: Path) -> Path:
    """Film interpolations between seeds: a column each class, and each row through seeds of its own.

    Args:
        run: The run.
        path: The film.
    """
    import torch

    from sparring.abilities import require_latent_code, require_sampling
    from sparring.inference.sampling import generate, interpolate, latents_from_seeds
    from sparring.visualization.images import grid
    from sparring.visualization.video import save_animation

    game, classes = run.inference_game, len(run.dataset.classes)
    able, ways = require_latent_code(game, "class"), []
    for seeds in torch.arange(WALKS * STOPS).view(WALKS, STOPS).tolist():
        stops = latents_from_seeds(game, seeds)
        ways += [interpolate(able.with_code(stops, "class", label), FRAMES) for label in range(classes)]
    frames = generate(require_sampling(game), torch.stack(ways, 1).flatten(0, 1)).unflatten(0, (FRAMES, len(ways)))
    return save_animation([grid(frame, columns=classes, scale=3) for frame in frames], path)


def read_digits(run: Run, seed: int) -> list[str]:
    """Train a classifier on the held-out half, let it read generated digits and real ones, and write ``reader.json``.

    The generated digits are those of seeds 0, 1, 2, ..., each in all ten classes. The real ones are those that the game
    was trained on; the classifier has seen none of either.

    Args:
        run: The run.
        seed: Seed of the classifier.

    Returns:
        The two accuracies in words.
    """
    import numpy as np
    import torch

    from sparring._io.folder import open_atomic
    from sparring.inference.conditional import traverse
    from sparring.metrics.extractors.classifier import train_extractor
    from sparring.metrics.gan_train_test import gan_test

    assert run.held_out is not None
    reader = train_extractor(run.held_out, side=16, seed=seed, steps=READER_STEPS)
    classes = len(run.dataset.classes)
    fake = traverse(run.inference_game, "class", range(READ)).flatten(0, 1).cpu()
    asked = torch.arange(classes).repeat(READ)
    pixels, labels, *_ = run.training.rows(np.arange(len(run.training)))
    found = {
        "generated": gan_test(reader.predict, fake, asked, classes=classes),
        "real": gan_test(reader.predict, pixels.float() / 127.5 - 1, labels, classes=classes),
    }
    record = {name: _in_json(accuracy) for name, accuracy in found.items()}
    with open_atomic(run.folder / FILE, run.home) as file:
        file.write(json.dumps({"reader": reader.name, "trained_on": len(run.held_out), **record}, indent=2).encode())
    return [
        f"{found['generated'].value:.1%} of {len(asked):,} generated digits are read as their class",
        f"{found['real'].value:.1%} of {len(labels):,} real digits are, which the classifier has not seen either",
    ]


def _in_json(accuracy: Accuracy) -> JsonObject:
    interval = accuracy.interval()
    return {"accuracy": accuracy.value, "interval": interval, "right": accuracy.right, "images": accuracy.counts}
