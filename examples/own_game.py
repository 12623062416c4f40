"""Write a game of your own, check it, and train it in a loop of your own.

The game is the GAN with a zero-centred gradient penalty on real data (R1; Mescheder et al., 2018):

    D minimises  E softplus(−D(x)) + E softplus(D(G(z))) + γ/2 E ‖∇D(x)‖²,    G minimises  E softplus(−D(G(z)))
"""

from pathlib import Path

import torch
import tyro
from torch.nn.functional import softplus

from sparring import EMA, LatentGame, Move, adam, check_game, train
from sparring.data import Stream, load
from sparring.networks import MLPCritic, MLPGenerator
from sparring.visualization import save_grid


class PenalisedGAN(LatentGame):
    """The non-saturating GAN with R1."""

    gamma = 0.1

    def round(self, data, step):
        """Update D, then G."""
        x, *_ = next(data)
        fake = self.fakes(len(x.requires_grad_()))  # G is held fixed
        real = self.D(x)
        (slope,) = torch.autograd.grad(real.sum(), x, create_graph=True)
        penalty = self.gamma / 2 * slope.flatten(1).square().sum(1).mean()
        yield Move("D", real=softplus(-real).mean(), fake=softplus(self.D(fake)).mean(), r1=penalty)
        yield Move("G", fool=softplus(-self.D(self.G(self.noise(len(x))))).mean())


def optimiser(network):
    """Return the optimiser of either player."""
    return adam(network, lr=1e-3, betas=(0.0, 0.99))


def main(out: Path = Path("runs/ring.png"), steps: int = 3000) -> None:
    """Train on a ring of eight Gaussians.

    Args:
        out: Picture of samples.
        steps: Training steps.
    """
    torch.manual_seed(0)
    game = PenalisedGAN(MLPGenerator((2,), latent=2), MLPCritic((2,)), critic=optimiser, generator=optimiser)
    data = Stream(load("ring"), batch_size=256)
    print(check_game(game, data))
    ema = EMA(game)
    for report in train(game, data, steps, ema=ema):
        if report.step % max(1, steps // 5) == 0:
            print(report.step, {name: round(value, 3) for name, value in report.scalars().items()})
    print("Samples are in", save_grid(ema.game.sample(1000), out))


if __name__ == "__main__":
    tyro.cli(main)
