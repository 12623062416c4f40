"""What techniques do to samples: instance noise, packing, virtual batches, each against its closed form."""

import math

import pytest
import torch
from torch import nn

from sparring.check import check_game
from sparring.errors import GameError
from sparring.game import Move
from sparring.games.gan import GAN
from sparring.games.relativistic import RelativisticGAN
from sparring.games.wgan import WGANGP
from sparring.inference.sampling import interpolate_seeds, sample_seeds
from sparring.layers.normalization import WithReferenceBatch
from sparring.networks import MLPCritic, MLPGenerator
from sparring.objectives import LeastSquares, NonSaturating, Relativistic, logistic
from sparring.objectives.penalties import gradient_penalty
from sparring.recipes import recipe
from sparring.recipes.options import Networks
from sparring.rng import fixed_seed, turn_rng
from sparring.training.trainer import train
from sparring.wrappers.instance_noise import Haze, InstanceNoise
from sparring.wrappers.packing import PackedGenerator, Packing, pack, packed
from sparring.wrappers.virtual_batch_norm import VirtualBatch
from support.toys import GAMES, LinearCritic, Point, batches, learn


class Spy(LinearCritic):
    """A linear critic that keeps what it was shown."""

    def __init__(self, weight=(0.1, 0.2)):
        super().__init__(weight)
        self.seen = []

    def forward(self, x):
        self.seen.append(x.detach())
        return super().forward(x)


# Instance noise.


def test_the_noise_fades_linearly_and_is_gone_after_its_steps():
    D = Spy()
    game = InstanceNoise(GAN(Point(spread=0.0), D, NonSaturating(), **learn), sigma=0.8, steps=100)
    for step, sigma in ((0, 0.8), (25, 0.6), (75, 0.2), (99, 0.008), (100, 0.0), (5000, 0.0)):
        D.seen.clear()
        for _ in game.round(iter([(torch.zeros(20_000, 2),)]), step):
            pass
        assert len(D.seen) == 3
        for x in D.seen:  # reals, fakes, and the fakes of G's move
            assert x.std().item() == pytest.approx(sigma, rel=0.02)
            assert abs(x.mean().item()) < 0.02


def test_every_forward_has_its_own_noise():
    D = Spy()
    for _ in InstanceNoise(GAN(Point(spread=0.0), D, NonSaturating(), **learn), 1.0).round(batches(0.0, n=4096), 0):
        pass
    real, fake, again = (x.flatten() for x in D.seen)
    for one, other in ((real, fake), (fake, again), (real, again)):
        assert abs(torch.corrcoef(torch.stack([one, other]))[0, 1].item()) < 0.05


def test_gradients_pass_through_the_noise_and_evaluation_has_none():
    haze = Haze()
    haze.sigma = 0.5
    x = torch.randn(3, 2, requires_grad=True)
    haze(x).sum().backward()
    assert torch.equal(x.grad, torch.ones(3, 2))
    assert haze.eval()(x) is x


@pytest.mark.parametrize(("theta", "sigma"), [(1.0, 1.0), (0.5, 1.0), (1.0, 0.7)])
def test_the_optimal_critic_of_two_points_has_the_slope_of_theory(theta, sigma):
    """T*(x) = (θ² − 2θx) / 2σ² for data at 0 and fakes at θ, seen through the shipped noise."""
    torch.manual_seed(0)
    haze = Haze()
    haze.sigma = sigma
    n = 8_000
    real = haze(torch.zeros(n, 1, dtype=torch.float64))
    fake = haze(torch.full((n, 1), theta, dtype=torch.float64))
    weights = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([weights], max_iter=30, line_search_fn="strong_wolfe")

    def loss():
        solver.zero_grad()
        value = NonSaturating().critic(weights[0] * real + weights[1], weights[0] * fake + weights[1])
        value.backward()
        return value

    solver.step(loss)
    assert weights[0].item() == pytest.approx(-theta / sigma**2, rel=0.08)
    assert weights[1].item() == pytest.approx(theta**2 / (2 * sigma**2), rel=0.12)


@pytest.mark.parametrize(
    ("sigma", "divergence"),
    [(0.1, 0.693146), (0.25, 0.632720), (0.5, 0.336831), (1.0, 0.111421), (2.0, 0.030311), (5.0, 0.004975)],
)
def test_the_noise_gives_two_points_a_divergence_with_a_slope(sigma, divergence):
    """JSD of N(0, σ²) and N(1, σ²): the optimal critic's value under the shipped objective, by quadrature."""
    x = torch.linspace(-12 * sigma, 1 + 12 * sigma, 400_001, dtype=torch.float64)
    optimal = (1 - 2 * x) / (2 * sigma**2)
    p, q = (torch.exp(-((x - mean) ** 2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi)) for mean in (0, 1))
    softplus = nn.functional.softplus
    loss = torch.trapezoid(p * softplus(-optimal) + q * softplus(optimal), x)
    assert (2 * math.log(2) - loss.item()) / 2 == pytest.approx(divergence, abs=1e-6)


def test_penalties_are_taken_at_noisy_points():
    D = Spy((3.0, 4.0))
    game = InstanceNoise(WGANGP(Point(spread=0.0), D, critic_steps=1, **learn), 1.0)
    move = next(game.round(iter([(torch.zeros(2000, 2),)]), 0))
    assert D.seen[-1].std().item() == pytest.approx(1.0, rel=0.05)
    assert move.terms["penalty"].item() == pytest.approx(160.0, rel=1e-5)


# Packing.


def test_packs_hold_successive_samples_side_by_side():
    x = torch.arange(48.0).reshape(4, 3, 2, 2)
    packs = pack(x, 2)
    assert packs.shape == (2, 6, 2, 2)
    assert torch.equal(packs[1], torch.cat([x[2], x[3]]))
    with pytest.raises(GameError, match="multiple of 3"):
        pack(x, 3)


def test_a_packed_generator_makes_packs_of_its_samples():
    G = MLPGenerator((2,), latent=3, width=8)
    packed_G, z = PackedGenerator(G, 4), torch.randn(5, 12)
    assert packed_G.latent == 12
    out = packed_G(z)
    assert out.shape == (5, 8)
    torch.testing.assert_close(out[2, 4:6], G(z[2, 6:9][None])[0])


@pytest.mark.parametrize("name", [name for name in GAMES if name != "wgan-gp"])
def test_a_pack_is_all_real_or_all_fake(name):
    D = Spy((0.1,) * 6)
    game = Packing(GAMES[name](Point(-3.0), D), 3)
    for _ in game.round(batches(3.0, n=12), 0):
        pass
    assert {x.shape for x in D.seen} == {(4, 6)}, "as many packs as a third of the batch"
    assert all(len({bool(value) for value in (x > 0).flatten().tolist()}) == 1 for x in D.seen)


def test_the_norm_of_a_penalty_runs_over_the_whole_pack():
    """A linear critic of norm 5 on each of two members has norm √50 on the pack: 10 (√50 − 1)²."""
    D = LinearCritic((3.0, 4.0, 3.0, 4.0))
    move = next(Packing(WGANGP(Point(), D, penalty=10.0, **learn)).round(batches(), 0))
    assert move.terms["penalty"].item() == pytest.approx(10 * (math.sqrt(50) - 1) ** 2, rel=1e-5)
    assert move.terms["wasserstein"].item() == pytest.approx(-14 * 3.0, abs=1.0)


def test_packed_losses_are_those_of_packs_by_hand():
    D = LinearCritic((1.0, -2.0, 0.5, 3.0))
    game = Packing(GAN(Point(0.3), D, LeastSquares(-1.0, 2.0, 0.5), **learn))
    x, *_ = next(batches())
    with turn_rng(7, 0, 0):
        move = next(game.round(iter([(x, torch.zeros(16))]), 0))
    with turn_rng(7, 0, 0):
        fake = 0.3 + 0.1 * game.unwrapped.noise(8)
    expected = ((D(x.reshape(8, 4)) - 2) ** 2).mean() / 2 + ((D(fake) + 1) ** 2).mean() / 2
    assert move.loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_relativistic_pairs_are_packs():
    D = Spy((0.1,) * 4)
    game = Packing(RelativisticGAN(Point(-3.0), D, Relativistic(logistic), **learn))
    assert all(isinstance(move, Move) for move in game.round(batches(), 0))
    assert all(x.shape == (8, 4) for x in D.seen)


def test_packs_of_one_are_the_plain_game():
    games = [GAN(Point(), LinearCritic((0.1, 0.2)), NonSaturating(), **learn) for _ in range(2)]
    games[1] = Packing(games[1], 1)
    for game in games:
        for _ in train(game, batches(), 5):
            pass
    assert torch.equal(games[0].G.b, games[1].unwrapped.G.single.b)
    assert torch.equal(games[0].D.w, games[1].D.w)


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(GameError, match="16 cannot be cut into packs of 3"):
        next(Packing(GAN(Point(), LinearCritic((0.0,) * 6), NonSaturating(), **learn), 3).round(batches(), 0))


@pytest.mark.parametrize("name", ["nsgan", "wgan-gp", "rasgan"])
@pytest.mark.parametrize("shape", [(2,), (1, 16, 16)])
def test_any_recipe_is_packed_by_building_it_twice(name, shape):
    torch.manual_seed(0)
    small = Networks(latent=6, width=8)
    game = packed(lambda shape: recipe(name)(shape, networks=small), shape, 3)
    data = iter(lambda: (torch.randn(6, *shape).clamp(-1, 1),), None)
    check_game(game, data)
    assert game.D.shape == (3 * shape[0], *shape[1:])
    assert game.noise(4).shape == (4, 6)
    assert game.sample(4).shape == (4, *shape)
    with fixed_seed(3):
        z = game.noise(1)
    assert torch.allclose(sample_seeds(game, [3]), game.unwrapped.G.single.eval()(z), atol=1e-6)
    assert interpolate_seeds(game, [1, 2], frames=3).shape == (3, *shape)


# Virtual batches.


def virtual(**settings):
    torch.manual_seed(0)
    G = MLPGenerator((2,), latent=3, width=8, norm=nn.BatchNorm1d)
    D = MLPCritic((2,), width=8, norm=nn.BatchNorm1d)
    return VirtualBatch(GAN(G, D, NonSaturating(), **learn), (2,), WithReferenceBatch, **settings)


def test_the_references_are_the_first_samples_of_the_data_and_stay():
    game, first = virtual(size=24), torch.cat([x for (x,), _ in zip(batches(), range(2), strict=False)])
    noise = game.G.reference.clone()
    assert not game.ready
    for _ in train(game, batches(), 3):
        pass
    assert game.ready
    assert torch.equal(game.D.reference, first[:24])
    assert torch.equal(game.G.reference, noise)
    assert noise.std().item() == pytest.approx(1.0, abs=0.3)


def test_virtual_batches_keep_the_rules_and_resume():
    check_game(virtual(size=20), batches())
    assert set(virtual().state_dict()) >= {"ready", "game.D.reference", "game.G.reference"}


def test_no_sample_depends_on_its_company():
    game = virtual(size=8)
    for _ in train(game, batches(), 2):
        pass
    z, x = torch.randn(5, 3), torch.randn(5, 2)
    torch.testing.assert_close(game.G(z)[:2], game.G(z[:2]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(game.D(x)[:2], game.D(x[:2]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradient_penalty(game.D, x, x), gradient_penalty(game.D, x.flip(0), x.flip(0)))


def test_the_parts_of_the_first_step_share_the_references():
    game = virtual(size=16)
    drawn = [x for (x,), _ in zip(batches(), range(3), strict=False)]
    for _ in train(game, iter([(x,) for x in drawn]), 1, grad_accum=2):
        pass
    assert torch.equal(game.D.reference, drawn[0])


def test_a_network_without_batch_norm_is_left_alone():
    G = MLPGenerator((2,), latent=3, width=8, norm=nn.BatchNorm1d)
    game = VirtualBatch(GAN(G, MLPCritic((2,), width=8), NonSaturating(), **learn), (2,), WithReferenceBatch, 16)
    assert isinstance(game.unwrapped.G, WithReferenceBatch)
    assert isinstance(game.unwrapped.D, MLPCritic)
    (report,) = train(game, batches(), 1)
    assert report.images == 16, "no references were drawn"
    check_game(game, batches())


def test_sampling_leaves_the_references_alone():
    game = virtual(size=16)
    before = {name: value.clone() for name, value in game.state_dict().items()}
    sample_seeds(game, [0, 1])
    assert all(torch.equal(value, before[name]) for name, value in game.state_dict().items())
