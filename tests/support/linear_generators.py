"""Linear generators for the tests of inference."""

import torch
from torch import nn

from sparring.game import LatentGame, adam

SIZES = torch.tensor([4.0, 2.0, 1.0, 0.5, 0.1])


class Linear(nn.Module):
    """x = b + z Aᵀ with A = U diag(SIZES) Vᵀ, as an image."""

    latent = 5

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.turn = torch.linalg.qr(torch.randn(5, 5))[0]
        self.layer = nn.Linear(5, 16)
        with torch.no_grad():
            self.layer.weight.copy_(torch.linalg.qr(torch.randn(16, 5))[0] @ torch.diag(SIZES) @ self.turn.T)

    def forward(self, z):
        return self.layer(z).unflatten(1, (1, 4, 4))


def learn(network):
    return adam(network, lr=1e-3)


def linear():
    return Still(Linear(), nn.Linear(16, 1), critic=learn, generator=learn)


class Still(LatentGame):
    """A game that is never played."""

    def round(self, batches, step):
        yield
