"""Train DCGAN on a folder of photographs, keep the best checkpoint, and draw samples from it."""

from pathlib import Path

import tyro
from tyro.conf import Positional

from sparring import Run, load
from sparring.runs import EarlyStopping
from sparring.visualization import save_grid


def main(
    photos: Positional[Path], out: Path = Path("runs/photographs"), size: int = 32, width: int = 64, steps: int = 20_000
) -> None:
    """Train on photographs.

    Args:
        photos: Folder or zip of images.
        out: The run's folder; run the same command again to resume.
        size: Height and width to which images are cropped and resized.
        width: Channels of the networks.
        steps: Training steps.
    """
    run = Run.create(
        out,
        "dcgan",
        data=photos,
        size=size,
        mirror=True,
        hold_out=0.1,
        arguments={"networks": {"width": width}},
        techniques={"augment": "diff"},
    )
    for report in run.fit(steps=steps, early_stopping=EarlyStopping(every=steps * 64 / 4000)):
        if report.step % max(1, steps // 10) == 0:
            print(report.step, report.scalars())
    game = load(out, checkpoint="best")
    print("Samples are in", save_grid(game.sample(64), out / "best.png"))


if __name__ == "__main__":
    tyro.cli(main)
