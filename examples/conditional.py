"""Train a conditional GAN on handwritten digits, and draw every class from the same noise."""

from pathlib import Path

import torch
import tyro

from sparring import Run, load
from sparring.inference import sample_class
from sparring.visualization import save_grid


def main(out: Path = Path("runs/conditional"), steps: int = 1500, columns: int = 8) -> None:
    """Train, then draw one row for each digit.

    Args:
        out: The run's folder.
        steps: Training steps.
        columns: Seeds for each digit.
    """
    learning = {"lr": 5e-4}
    arguments = {
        "design": "auxiliary",
        "networks": {"network": "dcgan", "width": 24},
        "critic": learning,
        "generator": learning,
    }
    run = Run.create(out, "cgan", data="digits", size=16, arguments=arguments)
    for report in run.fit(steps=steps):
        if report.step % max(1, steps // 10) == 0:
            print(report.step, report.scalars())
    game, seeds = load(out), range(columns)
    rows = torch.cat([sample_class(game, seeds, digit) for digit in range(10)])  # a row is a digit, a column a seed
    print("The digits are in", save_grid(rows, out / "digits.png", columns=columns))


if __name__ == "__main__":
    tyro.cli(main)
