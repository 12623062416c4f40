"""Energy-based GANs: margins against closed forms, the pulling-away term, the game, its autoencoders."""

import math

import pytest
import torch
from torch import nn

from sparring.check import check_game
from sparring.errors import DataError
from sparring.games.ebgan import EBGAN
from sparring.networks.autoencoder import Autoencoder, DCGANAutoencoder, MLPAutoencoder
from sparring.objectives.energy import margin_loss, pulling_away, reconstruction_error
from sparring.recipes.ebgan import ebgan
from sparring.recipes.options import Adam, Networks
from sparring.rng import turn_rng
from sparring.theory import repeated_points, total_variation
from sparring.training.trainer import train, trainable_parameters, update
from support.closed_forms import P, Q
from support.toys import Point, batches, learn


class Linear(nn.Module):
    """Enc(x) = a x, Dec(s) = b s, so that E(x) = |ab - 1| ‖x‖."""

    def __init__(self, a=2.0, b=2.0):
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor(a)), nn.Parameter(torch.tensor(b))

    def features(self, x):
        return self.a * x

    def forward(self, x):
        return -reconstruction_error(self.b * self.features(x), x)


def best_energies(p, q, margin):
    """The energies at least 0 that minimise the shipped loss, by projected descent with shrinking steps."""
    real, fake = repeated_points(p, 20), repeated_points(q, 20)
    energies = torch.full((len(p),), margin / 3, dtype=torch.float64)
    for step in range(600):
        energies.requires_grad_()
        (slope,) = torch.autograd.grad(margin_loss(energies[real], energies[fake], margin), energies)
        energies = (energies.detach() - 0.97**step * margin * slope).clamp(min=0)
    return energies, margin_loss(energies[real], energies[fake], margin).item()


@pytest.mark.parametrize("margin", [1.0, 10.0])
def test_the_best_energy_is_nothing_on_data_and_the_margin_elsewhere(margin):
    energies, least = best_energies(P, Q, margin)
    assert energies.tolist() == pytest.approx([margin, 0, 0, 0, margin], abs=1e-6 * margin)
    assert least == pytest.approx(0.55 * margin, abs=1e-6 * margin)
    assert least == pytest.approx(margin * (1 - total_variation(P, Q).item()), abs=1e-6 * margin)


def test_at_the_nash_equilibrium_the_loss_is_the_margin():
    _, least = best_energies(P, P, 4.0)
    assert least == pytest.approx(4.0)
    for level in (0.0, 1.7, 4.0):  # every constant up to the margin is as good
        assert margin_loss(torch.full((6,), level), torch.full((6,), level), 4.0).item() == pytest.approx(4.0)


def test_every_sample_has_a_hinge_of_its_own():
    """A hinge of the mean would find [0, 9] beyond a margin of 4."""
    real = torch.tensor([1.0, 3.0], requires_grad=True)
    fake = torch.tensor([0.0, 9.0], requires_grad=True)
    loss = margin_loss(real, fake, 4.0)
    loss.backward()
    assert loss.item() == 4.0
    assert real.grad.tolist() == [0.5, 0.5]
    assert fake.grad.tolist() == [-0.5, 0.0]


def test_a_margin_is_positive():
    with pytest.raises(ValueError, match="positive"):
        margin_loss(torch.ones(2), torch.ones(2), 0.0)


def test_the_energy_is_the_norm_of_each_sample_and_both_sides_feel_it():
    made = torch.zeros(2, 1, 2, 2, requires_grad=True)
    x = torch.tensor([[[[2.0, 2.0], [2.0, 2.0]]], [[[0.0, 3.0], [4.0, 0.0]]]], requires_grad=True)
    energies = reconstruction_error(made, x)
    assert energies.tolist() == [4.0, 5.0]
    energies.sum().backward()
    assert x.grad.flatten().tolist() == pytest.approx([0.5] * 4 + [0, 0.6, 0.8, 0])
    assert torch.equal(made.grad, -x.grad)


def test_the_slope_of_a_perfect_reconstruction_is_finite():
    x = torch.ones(2, 3, requires_grad=True)
    reconstruction_error(x * 1.0, x.detach()).sum().backward()
    assert x.grad.tolist() == [[0.0] * 3] * 2
    with pytest.raises(ValueError, match="shape"):
        reconstruction_error(torch.ones(2, 3), torch.ones(2, 1))


def test_pulling_away_is_0_for_orthogonal_and_1_for_parallel_codes():
    assert pulling_away(torch.eye(5, dtype=torch.float64)[:4] * 3).item() == 0
    assert pulling_away(torch.randn(1, 7, dtype=torch.float64).expand(6, 7)).item() == pytest.approx(1)


def test_pulling_away_is_the_mean_squared_cosine():
    torch.manual_seed(0)
    codes = torch.randn(8, 5, dtype=torch.float64)
    value = pulling_away(codes).item()
    signs = torch.tensor([1, -1, 1, -1, -1, 1, -1, 1], dtype=torch.float64)[:, None]
    assert pulling_away(signs * codes).item() == pytest.approx(value)
    assert pulling_away(codes * torch.rand(8, 1, dtype=torch.float64) * 9).item() == pytest.approx(value)
    pairs = [(a, b) for a in range(8) for b in range(8) if a != b]
    cosines = [torch.cosine_similarity(codes[a], codes[b], dim=0).item() for a, b in pairs]
    assert value == pytest.approx(sum(c * c for c in cosines) / (8 * 7))
    half = torch.tensor([[1.0, 0.0], [0.5, math.sqrt(0.75)]])  # cosine 1/2
    assert pulling_away(half).item() == pytest.approx(0.25)


def test_pulling_away_reads_maps_ignores_dead_codes_and_needs_company():
    codes = torch.randn(4, 3, 2, 2)
    assert torch.equal(pulling_away(codes), pulling_away(codes.flatten(1)))
    dead = torch.zeros(3, 4, requires_grad=True)
    pulling_away(dead).backward()
    assert torch.isfinite(dead.grad).all()
    with pytest.raises(ValueError, match="two samples"):
        pulling_away(torch.ones(1, 4))


# The game


def moves_of(game, x, seed=3):
    turns, found = game.round(iter([(x,)]), 0), []
    for turn in range(2):
        with turn_rng(seed, 0, turn):
            found.append(next(turns))
    with turn_rng(seed, 0, 0):
        first = game.fakes(len(x))
    with turn_rng(seed, 0, 1):
        second = game.G(game.noise(len(x)))
    return *found, first, second


def test_the_moves_are_the_papers():
    game = EBGAN(Point(1.0, spread=0.5), Linear(), margin=7.0, pulling_away=0.1, **learn)
    x = torch.randn(16, 2)
    critic, generator, first, second = moves_of(game, x)
    norm = 3 * x.norm(dim=1).mean() + torch.relu(7 - 3 * first.norm(dim=1)).mean()  # |ab - 1| = 3
    assert critic.loss.item() == pytest.approx(norm.item(), rel=1e-5)
    assert generator.terms["energy"].item() == pytest.approx(3 * second.norm(dim=1).mean().item(), rel=1e-5)
    assert generator.terms["pulling_away"].item() == pytest.approx(0.1 * pulling_away(second).item(), rel=1e-5)


def test_the_generator_feels_its_sample_as_input_and_as_target():
    """E(G) = |ab - 1| ‖G‖ = 3 ‖G‖: a detached target would give ab = 4 times the direction, a detached input -1."""
    game = EBGAN(Point(1.0, spread=0.0), Linear(), margin=1.0, pulling_away=0.0, **learn)
    *_, generator = game.round(batches(), 0)
    generator.loss.backward(inputs=trainable_parameters(game.players()["G"]))
    assert game.G.b.grad.tolist() == pytest.approx([3 / math.sqrt(2)] * 2, rel=1e-5)


def test_pulling_away_belongs_to_the_generator_alone_and_pulls():
    game = EBGAN(Point(1.0, spread=0.5), Linear(), margin=1.0, **learn)
    critic, generator = game.round(batches(), 0)
    assert set(critic.terms) == {"margin"}
    assert set(generator.terms) == {"energy", "pulling_away"}
    (slope,) = torch.autograd.grad(generator.terms["pulling_away"], game.G.b, retain_graph=True)
    assert (slope > 0).all(), "towards 0, where the noise points in all directions"


def test_without_a_weight_there_is_no_such_term():
    game = EBGAN(Point(), Linear(), margin=1.0, pulling_away=0.0, **learn)
    assert [set(move.terms) for move in game.round(batches(), 0)] == [{"margin"}, {"energy"}]


def test_the_game_conforms_and_the_critic_learns_to_separate():
    torch.manual_seed(0)
    game = EBGAN(Point(-1.0), MLPAutoencoder((2,), 64, 2), margin=0.5, **learn)
    seen = check_game(game, batches(1.0))
    assert seen.turns == (("D",), ("G",))
    players = game.players()
    for _ in range(100):
        update(next(game.round(batches(1.0), 0)), players)
    real, fake = game.energy(torch.full((1, 2), 1.0)).item(), game.energy(torch.full((1, 2), -1.0)).item()
    assert real < 0.2 < 0.4 < fake


def test_the_generator_converges_to_the_data():
    torch.manual_seed(0)
    game = EBGAN(Point(0.0), MLPAutoencoder((2,), 64, 2), margin=0.5, **learn)
    for _ in train(game, batches(1.0), 200):
        pass
    assert (game.G.b > 0.5).all()


# Autoencoders and the recipe


@pytest.mark.parametrize("side", [8, 16, 32, 64, 128, 256])
@pytest.mark.parametrize("colours", [1, 3])
def test_every_size_can_be_reconstructed(side, colours):
    D = DCGANAutoencoder((colours, side, side), width=2)
    x = torch.randn(2, colours, side, side)
    assert D.reconstruct(x).shape == x.shape
    torch.testing.assert_close(D(x), -(D.reconstruct(x) - x).flatten(1).norm(dim=1))
    assert torch.equal(D.features(x), D.encoder(x).flatten(1))
    assert D.encoder(x).shape[2:] == (4, 4)


def test_other_sizes_and_other_data_are_refused():
    with pytest.raises(DataError, match="--size 32"):
        DCGANAutoencoder((3, 30, 30))
    with pytest.raises(ValueError, match="this critic takes"):
        MLPAutoencoder((2,), 8)(torch.ones(4, 3))


@pytest.mark.parametrize(
    ("D", "data"),
    [
        (MLPAutoencoder((1, 8, 8), 64), torch.rand(32, 1, 8, 8)),
        (DCGANAutoencoder((1, 8, 8), 16), torch.rand(32, 1, 8, 8)),
    ],
)
def test_autoencoders_learn_to_reconstruct(D, data):
    optimiser, before = torch.optim.Adam(D.parameters(), 1e-2), -D(data).mean().item()
    for _ in range(50):
        optimiser.zero_grad()
        (-D(data).mean()).backward()
        optimiser.step()
    assert -D(data).mean().item() < before / 2


def test_first_and_last_layers_have_no_batch_norm_and_the_end_is_linear():
    D = DCGANAutoencoder((3, 32, 32), 8)
    kinds = [type(layer).__name__ for part in (D.encoder, D.decoder) for layer in part]
    assert kinds[:3] == ["Conv2d", "LeakyReLU", "Conv2d"]
    assert kinds[-1] == "ConvTranspose2d"
    assert kinds.count("BatchNorm2d") == 4
    assert D.decoder[-1].weight.std().item() == pytest.approx(0.02, rel=0.2)


@pytest.mark.parametrize("shape", [(2,), (1, 16, 16), (3, 32, 32)])
def test_the_recipe_keeps_the_rules(shape):
    torch.manual_seed(0)
    game = ebgan(shape, networks=Networks(latent=6, width=8))
    seen = check_game(game, iter(lambda: (torch.randn(4, *shape).clamp(-1, 1),), None))
    assert seen.terms == {"D": ("margin",), "G": ("energy", "pulling_away")}
    assert game.sample(3).shape == (3, *shape)


@pytest.mark.parametrize(
    ("network", "kind"), [("toy", MLPAutoencoder), ("mlp", MLPAutoencoder), ("cnn", DCGANAutoencoder)]
)
def test_the_autoencoder_is_of_the_generators_kind(network, kind):
    assert isinstance(ebgan((1, 8, 8), networks=Networks(network, latent=6, width=8)).D, kind)


def test_the_settings_are_the_papers_and_margins_grow_with_the_images():
    def margin(*shape, **settings):
        return ebgan(shape, networks=Networks("mlp", width=8), **settings).margin

    assert margin(1, 28, 28) == pytest.approx(10)
    assert margin(3, 64, 64) == pytest.approx(39.59, abs=0.01)
    assert margin(1, 28, 28, margin=3.0) == 3.0
    game = ebgan((1, 16, 16), networks=Networks(width=8))
    assert game.pulling_away == 0.1
    assert isinstance(game.D, Autoencoder)
    assert {group["lr"] for player in game.players().values() for group in player.param_groups} == {Adam().lr}
