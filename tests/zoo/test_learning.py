"""Do they learn? Conditional and encoding systems on real 8 × 8 digits, in a second or two each, beside broken twins.

The classifier is trained on held-out digits. `python -m benchmarks conditions` does the same on MNIST.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from sparring.data import load
from sparring.data.stream import scale_images
from sparring.game import Move
from sparring.games.bigan import BiGAN
from sparring.inference.encoding import reconstruct
from sparring.inference.sampling import generate
from sparring.metrics import gan_test, intra_class_diversity, train_extractor
from sparring.recipes.autoencoders import bigan, vae, vae_gan
from sparring.recipes.cgan import cgan
from sparring.recipes.options import Adam, AdamOverrides, Networks, RMSprop
from sparring.training.trainer import train

SHAPE = (1, 8, 8)


class Digits:
    """The 1,797 digits, batches of them, and a classifier."""

    def __init__(self):
        data = load("digits", size=8)
        images, self.y = data.rows(np.arange(len(data)))
        self.x = scale_images(images)
        self.judge = partial(gan_test, train_extractor(data, side=8, steps=200).predict, classes=10)

    def batches(self, *, shuffled=False):
        generator = torch.Generator().manual_seed(0)
        while True:
            rows = torch.randint(len(self.x), (64,), generator=generator)
            yield self.x[rows], self.y[rows.roll(1) if shuffled else rows]

    def reconstructed(self, game, steps):
        """The share of digits that are still what they were after training and a passage through their codes."""
        for _ in train(game, self.batches(), steps):
            continue
        return self.judge(reconstruct(game, self.x[:500]), self.y[:500]).value


@pytest.fixture(scope="module")
def digits():
    return Digits()


def obeyed(design, digits, *, shuffled):
    """Train on labelled digits; return the share of samples of the requested class, and their variety."""
    torch.manual_seed(0)
    quick = {"critic": AdamOverrides(2e-3), "generator": AdamOverrides(2e-3)}
    game = cgan(SHAPE, 10, design=design, networks=Networks("dcgan", latent=16, width=24), **quick)
    for _ in train(game, digits.batches(shuffled=shuffled), 150):
        continue
    rows = game.noise(500)
    x, y = generate(game, rows, batch=100), game.class_of(rows)
    return digits.judge(x, y).value, intra_class_diversity(x, y, digits.x, digits.y, classes=10).value


@pytest.mark.parametrize("design", ["matching", "separate", "projection", "auxiliary"])
def test_digits_have_the_requested_class_unless_labels_were_shuffled(design, digits):
    accuracy, variety = obeyed(design, digits, shuffled=False)
    assert accuracy > 0.75
    assert variety > 0.3
    assert obeyed(design, digits, shuffled=True)[0] < 0.4


def autoencoder(**broken):
    torch.manual_seed(0)
    return vae(SHAPE, networks=Networks("dcgan", latent=8, width=16), autoencoder=Adam(3e-3, (0.9, 0.999)), **broken)


def test_digits_survive_a_vae_unless_the_likelihood_is_a_mean_over_pixels(digits):
    assert digits.reconstructed(autoencoder(), 150) > 0.75
    assert digits.reconstructed(autoencoder(deviation=0.5 * 8), 100) < 0.3, "σ √d in the place of σ is that mean"


def judged(likeness):
    torch.manual_seed(0)
    rates = {"encoder": RMSprop(1e-3), "generator": RMSprop(1e-3), "critic": RMSprop(3e-4)}
    return vae_gan(SHAPE, networks=Networks("mlp", latent=8, width=128), likeness=likeness, **rates)


def test_digits_survive_a_vae_gan_unless_its_generator_has_no_reconstruction_term(digits):
    assert digits.reconstructed(judged(100.0), 200) > 0.6
    assert digits.reconstructed(judged(0.0), 200) < 0.3


class Traitor(BiGAN):
    """Its encoder helps the critic. To detach it is no good sabotage here: G then learns to invert E as it began."""

    def round(self, data, step):
        for D, GE in super().round(data, step):
            yield D, Move("GE", encoder=-GE.terms["encoder"], generator=GE.terms["generator"])


def paired(kind=BiGAN):
    torch.manual_seed(0)
    game = bigan(SHAPE, networks=Networks("mlp", latent=8, width=128))
    return kind(game.E, game.G, game.D, critic=Adam(1e-3), generator=Adam(1e-3))


def test_digits_survive_a_bigan_unless_its_encoder_helps_the_critic(digits):
    assert digits.reconstructed(paired(), 800) > 0.35
    assert digits.reconstructed(paired(Traitor), 400) < 0.3
