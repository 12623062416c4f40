"""Translate between two domains without pairs: handwritten digits, and the same digits in negative."""

from pathlib import Path

import torch
import tyro
from PIL import Image

from sparring import Run, load
from sparring.data import load as load_data
from sparring.inference import translate
from sparring.visualization import save_grid


def write_domains(folder: Path, count: int) -> None:
    """Write digits to ``trainA`` and other digits, inverted, to ``trainB``."""
    images, *_ = load_data("digits", size=16).rows(range(2 * count))
    for row, pixels in enumerate(images):
        domain = "A" if row < count else "B"
        (folder / f"train{domain}").mkdir(parents=True, exist_ok=True)
        values = pixels[0] if domain == "A" else 255 - pixels[0]
        Image.fromarray(values.numpy()).save(folder / f"train{domain}" / f"{row:04}.png")


def main(out: Path = Path("runs/translation"), steps: int = 1000, count: int = 500, width: int = 16) -> None:
    """Train CycleGAN and translate held-out digits.

    Args:
        out: The run's folder; the images go to a folder beside it.
        steps: Training steps.
        count: Images of each domain.
        width: Channels of the networks.
    """
    data = out.parent / f"{out.name}-data"
    write_domains(data, count)
    arguments = {"width": width, "blocks": 2}
    run = Run.create(out, "cyclegan", data=data, size=16, batch_size=8, arguments=arguments)
    for report in run.fit(steps=steps):
        if report.step % max(1, steps // 10) == 0:
            print(report.step, report.scalars())
    held_out = load_data("digits", size=16).rows(range(1700, 1708))[0] / 127.5 - 1
    there = translate(load(out), held_out, "B")
    print(
        "Digits and their translations are in",
        save_grid(torch.cat([held_out, there]), out / "translated.png", columns=8),
    )


if __name__ == "__main__":
    tyro.cli(main)
