"""VAE, VAE-GAN, BiGAN, ALI, latent regressors: values by hand, gradients, ablations that cannot learn."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from sparring.check import check_game
from sparring.errors import GameError
from sparring.games.bigan import ALI, BiGAN
from sparring.networks.common.encoders import InjectedGenerator, JointCritic, MLPJointCritic
from sparring.recipes.autoencoders import bigan, latent_regressor, vae, vae_gan
from sparring.recipes.options import Networks
from sparring.recipes.techniques import Techniques, apply_techniques
from sparring.training.trainer import trainable_parameters
from support.autoencoders import ROWS, SHAPE, SMALL, Constant, images, learn, only_turn, reached

# --- BiGAN and ALI


class PairCritic(nn.Module):
    """Scores the pairs by what it was given, for tests of values and signs."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([0.5, -2.0], dtype=torch.float64))

    def forward(self, x, z):
        return self.w[0] * x.sum(1) + self.w[1] * z.sum(1)


def test_the_terms_of_a_bigan_by_hand():
    E, G = Constant(0.5, 0.5), Constant(2.0, -1.0)
    game = BiGAN(E, G, PairCritic(), critic=learn, generator=learn)
    z = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    game.noise = lambda n: z
    moves = only_turn(game, iter([(ROWS,)]))
    real, fake = 0.5 * 4 - 2 * 1, 0.5 * 1 - 2 * 1
    sp = lambda t: math.log1p(math.exp(t))  # noqa: E731
    assert {n: t.item() for n, t in moves["D"].terms.items()} == pytest.approx({"real": sp(-real), "fake": sp(fake)})
    wanted = {"encoder": sp(real), "generator": sp(-fake)}
    assert {n: t.item() for n, t in moves["GE"].terms.items()} == pytest.approx(wanted)
    torch.nn.init.zeros_(game.D.w)
    assert only_turn(game, iter([(ROWS,)]))["D"].loss.item() == pytest.approx(2 * math.log(2))


@pytest.mark.parametrize("stochastic", [False, True])
def test_pairs_teach_the_encoder_on_data_and_the_generator_on_noise(stochastic):
    game = bigan(SHAPE, networks=SMALL, stochastic=stochastic)
    moves = only_turn(game)
    assert reached(moves["GE"].terms["encoder"], game) == {"E", "D"}
    assert reached(moves["GE"].terms["generator"], game) == {"G", "D"}
    players = game.players()
    both = {id(p) for name in "EG" for p in game.get_submodule(name).parameters()}
    assert {id(p) for p in trainable_parameters(players["GE"])} == both
    assert {id(p) for p in trainable_parameters(players["D"])} == {id(p) for p in game.D.parameters()}


def test_encoder_and_generator_move_against_the_critic():
    E, G = nn.Linear(2, 2, dtype=torch.float64), nn.Linear(2, 2, dtype=torch.float64)
    G.latent = 2
    game = BiGAN(E, G, PairCritic(), critic=learn, generator=learn)
    game.noise = lambda n: torch.zeros(n, 2, dtype=torch.float64)
    moves = only_turn(game, iter([(ROWS,)]))
    up_code, up_sample = torch.autograd.grad(moves["GE"].loss, [E.bias, G.bias], retain_graph=True)
    assert (up_sample < 0).all(), "samples grow: D likes large ones"
    assert (up_code < 0).all(), "codes grow: D takes pairs with small ones for data, and E denies it"
    torch.nn.init.zeros_(game.D.w)
    (critic,) = torch.autograd.grad(only_turn(game, iter([(10 * ROWS,)]))["D"].loss, [game.D.w])
    assert critic[0] < 0, "D's score of data, which are larger than samples, grows"


def test_ali_draws_its_codes_and_encodes_to_their_means():
    game = bigan(SHAPE, networks=SMALL, stochastic=True).eval()
    assert isinstance(game, ALI)
    assert game.E.outputs == 6
    x = next(images())[0]
    assert not torch.equal(game.code(x), game.code(x))
    assert torch.equal(game.encode(x), game.E(x)[:, :3])
    assert type(bigan(SHAPE, networks=SMALL)) is BiGAN


def test_perceptrons_play_up_to_32_pixels_and_convolutions_above():
    assert isinstance(bigan((1, 32, 32), networks=SMALL).D, MLPJointCritic)
    assert any(isinstance(layer, nn.Conv2d) for layer in bigan((1, 64, 64), networks=SMALL).D.modules())
    assert any(isinstance(layer, nn.Conv2d) for layer in bigan(SHAPE, networks=Networks("dcgan", 3, 4)).E.modules())


def test_noise_enters_every_hidden_layer_of_the_generator():
    G = InjectedGenerator((2,), latent=3, width=5, depth=3)
    assert [layer[0].in_features for layer in G.body.hidden] == [3, 8, 8]
    G(torch.randn(9, 3)).square().sum().backward()
    assert all(layer[0].weight.grad[:, -3:].any() for layer in G.body.hidden)


def test_a_critic_of_pairs_refuses_what_is_no_pair():
    D: JointCritic = MLPJointCritic(SHAPE, 3, 4)
    with pytest.raises(ValueError, match="data"):
        D(torch.zeros(2, 1, 4, 4), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="codes"):
        D(torch.zeros(2, *SHAPE), torch.zeros(2, 4))


def broken_bigan(game):
    """The sabotage: the encoder never learns."""
    code = game.code
    game.code = lambda x: code(x).detach()
    return game


@pytest.mark.parametrize(
    ("recipe", "reason"), [(bigan, "also takes a code"), (latent_regressor, "reads single samples")]
)
def test_packs_are_refused_where_an_encoder_reads_single_samples(recipe, reason):
    with pytest.raises(GameError, match=reason):
        apply_techniques(lambda shape: recipe(shape, networks=SMALL), SHAPE, Techniques(packing=2))


def test_a_bigan_whose_encoder_is_detached_is_refused():
    with pytest.raises(GameError, match=r"'E\."):
        check_game(broken_bigan(bigan(SHAPE, networks=SMALL)), images())


# --- every one of them


@pytest.mark.parametrize("recipe", [vae, vae_gan, bigan, latent_regressor])
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 64, 64)])
def test_codes_are_noise_at_every_size(recipe, shape):
    game = recipe(shape, networks=SMALL)
    assert set(game.sampling_networks()) == {"E", "G"}, "codes are read by the averaged networks that made them"
    x = torch.zeros(2, *shape)
    assert game.encode(x).shape == game.noise(2).shape == (2, 3)
    assert not game.encode(x).requires_grad
    assert game.sample(2, noise=game.encode(x)).shape == x.shape
