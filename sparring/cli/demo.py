"""A demonstration in one minute: train on real handwritten digits, sample, interpolate, evaluate and report.

The digits are in the package (1,797, enlarged from 8 × 8 to 16 × 16), so nothing is downloaded. The game is the
relativistic GAN (Jolicoeur-Martineau, 2019) between small DCGAN networks; the spectrally normalised critic learns twice
as fast as the generator, both without momentum (Miyato et al., 2018; Heusel et al., 2017). Of what was tried it made
readable digits soonest, and its losses can be read, for theory expects log 2 of both players.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sparring.cli.console import say

if TYPE_CHECKING:
    from sparring.runs.run import Run

__all__ = ["demo"]

STEPS = 1500  # 25 to 45 ms each on one core
ARGUMENTS = {
    "networks": {"network": "dcgan", "latent": 32, "width": 24},
    "critic": {"lr": 4e-3, "betas": (0.0, 0.99)},
    "generator": {"lr": 2e-3, "betas": (0.0, 0.99)},
}
WALKS, STOPS, FRAMES = 16, 4, 96


def demo(out: Path = Path("runs/demo"), steps: int = STEPS, seed: int = 0) -> None:
    """Train on handwritten digits for about a minute, then sample, interpolate, evaluate and report.

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

    say("Training two networks: G generates digits, D discriminates them from real ones.")
    say()
    run = Run.create(out, "rsgan", data="digits", size=16, arguments=ARGUMENTS, seed=seed, ema_decay=0.998, begin=False)
    fit(run, Goal(steps=steps, sample_every=-(-steps // 10)))
    say()
    say("Filming interpolations in the latent space ...")
    film = save_walks(run, out / "walk.gif")
    say("Evaluating 898 samples in the features of a small classifier that is trained on the digits ...")
    say()
    show_evaluation(evaluate_run(run, seed=seed))
    page = save_report(run)
    say()
    say("Results:")
    for what, path in {
        "everything on one page": page,
        "samples over time": run.folder / "samples",
        "real digits": run.folder / "reals.png",
        "interpolations": film,
        "losses, with their values at equilibrium": run.folder / "losses.png",
        "scores": run.folder / "evaluation.json",
    }.items():
        say(f"  {path}  ({what})")
    farewell(run)


def save_walks(run: Run, path: Path) -> Path:
    """Film several interpolations side by side, each through seeds of its own.

    Args:
        run: The run.
        path: The film.
    """
    import torch

    from sparring.inference.sampling import interpolate_seeds
    from sparring.visualization.images import grid
    from sparring.visualization.video import save_animation

    seeds = torch.arange(WALKS * STOPS).view(WALKS, STOPS).tolist()
    ways = torch.stack([interpolate_seeds(run.inference_game, stops, FRAMES) for stops in seeds])
    return save_animation([grid(frame, scale=4) for frame in ways.unbind(1)], path)
