"""Film a walk through the latent space of a trained generator: from seed to seed on arcs, and back to the first."""

from pathlib import Path

import tyro

from sparring import Run, load
from sparring.inference import interpolate_seeds
from sparring.visualization import frames, save_animation


def main(out: Path = Path("runs/walk"), steps: int = 1000, seeds: tuple[int, ...] = (0, 1, 2), count: int = 48) -> None:
    """Train the relativistic GAN on handwritten digits, then film it.

    Args:
        out: The run's folder.
        steps: Training steps; a finished run is only filmed.
        seeds: Seeds to visit.
        count: Frames of the film.
    """
    learning = {"critic": {"lr": 4e-3, "betas": (0.0, 0.99)}, "generator": {"lr": 2e-3, "betas": (0.0, 0.99)}}
    arguments = {"networks": {"network": "dcgan", "latent": 32, "width": 16}, **learning}
    run = Run.create(out, "rsgan", data="digits", size=16, arguments=arguments)
    for report in run.fit(steps=steps):
        if report.step % max(1, steps // 10) == 0:
            print(report.step, report.scalars())
    walk = interpolate_seeds(load(out), list(seeds), count)
    print("The film is", save_animation(frames(walk), out / "walk.gif"))


if __name__ == "__main__":
    tyro.cli(main)
