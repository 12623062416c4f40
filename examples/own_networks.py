"""Use your own generator and critic in a stock game, here the hinge GAN.

`mine` is a recipe, a function from the shape of the data to a game. Its keyword arguments are flags as well:

    sparring train own_networks:mine --data digits --size 16 --width 64
"""

from pathlib import Path

import tyro
from torch import nn

from sparring import Run
from sparring.games.gan import GAN
from sparring.objectives import Hinge
from sparring.recipes import Adam


class Generator(nn.Sequential):
    """From z (N, latent) to images (N, C, 16, 16) in [−1, 1]."""

    def __init__(self, channels: int, width: int, latent: int = 32) -> None:
        start = nn.Linear(latent, 4 * width * 16), nn.Unflatten(1, (4 * width, 4, 4)), nn.ReLU()
        middle = nn.Upsample(scale_factor=2), nn.Conv2d(4 * width, width, 3, padding=1), nn.ReLU()
        end = nn.Upsample(scale_factor=2), nn.Conv2d(width, channels, 3, padding=1), nn.Tanh()
        super().__init__(*start, *middle, *end)
        self.latent = latent


class Critic(nn.Sequential):
    """From images (N, C, 16, 16) to scores (N,)."""

    def __init__(self, channels: int, width: int) -> None:
        first = nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)
        second = nn.Conv2d(width, 4 * width, 4, 2, 1), nn.LeakyReLU(0.2)
        super().__init__(*first, *second, nn.Flatten(), nn.Linear(4 * width * 16, 1), nn.Flatten(0))


def mine(shape, *, width: int = 16, critic: Adam = Adam(4e-4), generator: Adam = Adam(1e-4)) -> GAN:
    """Return the hinge GAN on networks of my own, for data of a shape (C, 16, 16)."""
    networks = Generator(shape[0], width), Critic(shape[0], width)
    return GAN(*networks, Hinge(), critic=critic, generator=generator)


def main(out: Path = Path("runs/own-networks"), steps: int = 2000) -> None:
    """Train on handwritten digits.

    Args:
        out: The run's folder.
        steps: Training steps.
    """
    run = Run.create(out, "own_networks:mine", data="digits", size=16)
    for report in run.fit(steps=steps):
        if report.step % max(1, steps // 10) == 0:
            print(report.step, report.scalars())
    print("Samples over training are in", out / "samples")


if __name__ == "__main__":
    tyro.cli(main)
