"""What techniques do to moves: feature matching, historical averaging, unrolling, each against its closed form."""

import math

import pytest
import torch
from torch import nn

from sparring.game import Game, Move
from sparring.games.gan import GAN, SharedFakesGAN
from sparring.games.relativistic import RelativisticGAN
from sparring.networks import MLPCritic, MLPGenerator, UnrolledToyCritic, UnrolledToyGenerator
from sparring.objectives import LeastSquares, Minimax, NonSaturating, RelativisticAverage, Wasserstein, logistic
from sparring.training.trainer import train, trainable_parameters, update
from sparring.wrappers.feature_matching import FeatureMatching, absolute, squared
from sparring.wrappers.historical_averaging import HistoricalAveraging
from sparring.wrappers.unrolling import Unrolling, adam, sgd
from support.toys import GAMES, LinearCritic, Point, batches, learn


class Seeing(LinearCritic):
    """A linear critic whose features are its samples and their products."""

    def features(self, x):
        return torch.cat([x, x.prod(1, keepdim=True)], 1)


def generators_move(game, data, step=0):
    *_, move = game.round(data, step)
    assert move.player == "G"
    return move


# Feature matching.


def matching(start, distance=squared, **settings):
    G = Point(start, spread=0.0)
    return FeatureMatching(GAN(G, Seeing((0.3, -0.2)), NonSaturating(), **learn), distance, **settings)


def constant(value, n=8):
    while True:
        yield (torch.full((n, 2), value),)


def test_matching_is_the_distance_of_the_means():
    move = generators_move(matching(2.0, weight=0.5), constant(3.0))
    assert list(move.terms) == ["matching"]
    assert move.loss.item() == pytest.approx(0.5 * (1 + 1 + 25), rel=1e-6)
    assert generators_move(matching(2.0, absolute), constant(3.0)).loss.item() == pytest.approx(7 / 3, rel=1e-6)


def test_matching_is_zero_exactly_where_the_means_agree():
    assert generators_move(matching(3.0), constant(3.0)).loss.item() == 0.0
    assert generators_move(matching(3.01), constant(3.0)).loss.item() > 0.0
    mixed = iter([(torch.zeros(2, 2),), (torch.tensor([[3.0, 3.0], [1.0, 3.0]]),)])
    agree = matching(0.0)
    agree.G.b.data = torch.tensor([2.0, 3.0])
    assert generators_move(agree, mixed).loss.item() == 0.0, "only means count"


def test_the_gradient_flows_through_the_fake_mean_alone():
    game = matching(2.0)
    move = generators_move(game, constant(3.0))
    move.loss.backward()
    # d/db [ 2 (b − 3)² + (b² − 9)² ] per coordinate: 2 (b₁ − 3) + 2 (b₁b₂ − 9) b₂
    assert game.G.b.grad.tolist() == pytest.approx([2 * (2 - 3) + 2 * (4 - 9) * 2] * 2, rel=1e-6)
    assert game.D.w.grad is None


def test_the_reals_of_matching_are_a_batch_of_their_own():
    data = iter([(torch.full((8, 2), 100.0),), (torch.full((8, 2), 2.0),)])
    assert generators_move(matching(2.0), data).loss.item() == 0.0


@pytest.mark.parametrize("keep", [True, False])
def test_matching_replaces_or_joins_the_generators_terms_and_leaves_the_critics(keep):
    plain = [
        move.terms
        for move in GAN(Point(2.0, spread=0.0), Seeing((0.3, -0.2)), NonSaturating(), **learn).round(constant(3.0), 0)
    ]
    D, G = (move.terms for move in matching(2.0, keep=keep).round(constant(3.0), 0))
    assert plain[0] == D
    assert list(G) == (["adversarial"] if keep else []) + ["matching"]
    assert not keep or G["adversarial"] == plain[1]["adversarial"]


def test_matching_moves_the_generator_onto_the_mean():
    game = matching(0.0)
    for _ in train(game, batches(3.0), 150):
        pass
    assert (game.G.b - 3.0).abs().max() < 0.1


# Historical averaging.


class Bilinear(Game):
    """min over a, max over b of a · b, played simultaneously."""

    def __init__(self):
        super().__init__()
        self.a, self.b = (nn.Parameter(torch.ones((), dtype=torch.float64)) for _ in "ab")

    def players(self):
        return {name: torch.optim.SGD([getattr(self, name)], lr=0.05) for name in "ab"}

    def round(self, data, step):
        yield Move("a", value=self.a * self.b), Move("b", value=-self.a * self.b)


def circled(weight, steps, rate=0.05):
    """Where the two players are after so many steps, by plain arithmetic."""
    a, b, mean_a, mean_b = 1.0, 1.0, 0.0, 0.0
    for count in range(1, steps + 1):
        mean_a, mean_b = mean_a + (a - mean_a) / count, mean_b + (b - mean_b) / count
        a, b = a - rate * (b + 2 * weight * (a - mean_a)), b - rate * (-a + 2 * weight * (b - mean_b))
    return a, b


@pytest.mark.parametrize(("weight", "distance"), [(0.0, 2533.0), (0.1, 0.0015), (0.5, 0.091), (1.0, 0.47)])
def test_held_by_their_past_two_circling_players_meet(weight, distance):
    assert math.hypot(*circled(weight, 6000)) == pytest.approx(distance, rel=0.05)
    game = Bilinear()
    wrapped = HistoricalAveraging(game, weight) if weight else game
    for _ in train(wrapped, iter([]), 150):
        pass
    assert (game.a.item(), game.b.item()) == pytest.approx(circled(weight, 150), rel=1e-9, abs=1e-12)


def test_constant_weights_cost_nothing():
    game = HistoricalAveraging(Bilinear(), 1.0)
    for step in range(3):
        ((a, b),) = game.round(iter([]), step)
        assert a.terms["history"].item() == b.terms["history"].item() == 0.0


def test_the_mean_is_that_of_all_rounds_and_every_player_pays_for_its_own():
    game = HistoricalAveraging(Bilinear(), 0.5)
    for step, value in enumerate((1.0, 4.0, 7.0)):
        game.a.data.fill_(value)
        ((a, b),) = game.round(iter([]), step)
    assert a.terms["history"].item() == pytest.approx(0.5 * (7 - 4) ** 2)
    assert b.terms["history"].item() == 0.0
    (gradient,) = torch.autograd.grad(a.terms["history"], game.a)
    assert gradient.item() == pytest.approx(0.5 * 2 * 3), "the mean is held fixed"
    assert game.rounds == 3


def test_a_network_is_held_by_all_its_weights():
    game = HistoricalAveraging(GAN(Point(), LinearCritic((0.0, 0.0)), NonSaturating(), **learn), 2.0)
    next(game.round(batches(), 0))
    with torch.no_grad():
        game.D.w += torch.tensor([1.0, 2.0])
        game.D.c += 3.0
    move = next(game.round(batches(), 1))
    assert move.terms["history"].item() == pytest.approx(2.0 * (1 + 4 + 9) / 4)


# Unrolling.


def by_hand(b, w, c, x, noise, steps, rate):
    """G's loss against a linear critic that has taken `steps` steps of descent on the least squares (0, 1, 1)."""
    fake = b + 0.1 * noise
    for _ in range(steps):
        real_gap, fake_gap = x @ w + c - 1, fake @ w + c
        slope_w = (real_gap[:, None] * x + fake_gap[:, None] * fake).mean(0)
        slope_c = (real_gap + fake_gap).mean()
        w, c = w - rate * slope_w, c - rate * slope_c
    return ((fake @ w + c - 1) ** 2).mean() / 2


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_unrolling_differentiates_through_the_critics_steps(steps):
    torch.manual_seed(0)
    game = Unrolling(GAN(Point(0.4), LinearCritic((0.5, -1.0)), LeastSquares(), **learn), steps, sgd(0.1)).double()
    x, z = torch.randn(2, 12, 2, dtype=torch.float64)
    loss = game.loss(x, game.G(z))
    b = game.G.b.detach().clone().requires_grad_()
    expected = by_hand(b, game.D.w.detach(), game.D.c.detach(), x, z, steps, 0.1)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-10)
    (found,), (wanted,) = torch.autograd.grad(loss, [game.G.b]), torch.autograd.grad(expected, [b])
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)
    (direct,) = torch.autograd.grad(by_hand(b, game.D.w.detach(), game.D.c.detach(), x, z, 0, 0.1), [b])
    assert (found - direct).abs().max() > 1e-2, "looking ahead makes a difference"


def test_inner_adam_is_torchs_adam_from_zero_moments():
    torch.manual_seed(0)
    D, G = MLPCritic((2,), width=4, depth=1).double(), Point(0.4)
    game = Unrolling(GAN(G, D, NonSaturating(), **learn), 4, adam(0.01, (0.5, 0.9))).double()
    x, fake = torch.randn(2, 12, 2, dtype=torch.float64)
    loss = game.loss(x, fake)
    before = {name: value.clone() for name, value in D.state_dict().items()}
    optimiser = torch.optim.Adam(D.parameters(), lr=0.01, betas=(0.5, 0.9))
    for _ in range(4):
        optimiser.zero_grad()
        NonSaturating().critic(D(x), D(fake)).backward()
        optimiser.step()
    assert loss.item() == pytest.approx(NonSaturating().generator(D(fake)).item(), rel=1e-9)
    assert not torch.equal(before["head.weight"], D.head.weight)


def test_inner_adam_has_finite_gradients_where_a_slope_is_zero():
    game = Unrolling(GAN(Point(0.4), MLPCritic((2,), width=4, depth=1), NonSaturating(), **learn), 3, adam(0.01))
    game.D.trunk[1][0].bias.data.fill_(-100.0)  # every unit is dead
    move = generators_move(game, batches())
    move.loss.backward(inputs=[game.G.b])
    assert game.G.b.grad.isfinite().all()


@pytest.mark.parametrize("name", [name for name in GAMES if name != "wgan"])  # whose weights are clipped
def test_unrolling_by_no_step_is_the_plain_game_bit_for_bit(name):
    games = [GAMES[name](Point(), LinearCritic((0.1, 0.2))) for _ in range(2)]
    for game in (games[0], Unrolling(games[1], 0)):
        for _ in train(game, batches(), 5):
            pass
    for one, other in zip(*(game.state_dict().values() for game in games), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("objective", [Minimax(), NonSaturating(), Wasserstein(), RelativisticAverage(logistic)])
def test_steps_of_no_length_leave_the_plain_loss(objective):
    torch.manual_seed(0)
    game = Unrolling(GAN(Point(0.4), MLPCritic((2,), width=8), objective, **learn), 3, sgd(0.0)).double()
    x, z = torch.randn(2, 12, 2, dtype=torch.float64)
    fake = game.G(z)
    plain = objective.generator(game.D(fake), game.D(x))
    loss = game.loss(x, fake)
    assert loss.item() == pytest.approx(plain.item(), rel=1e-12)
    torch.testing.assert_close(
        *(torch.autograd.grad(value, [game.G.b])[0] for value in (loss, plain)), rtol=1e-9, atol=1e-12
    )


def test_the_critic_takes_its_ordinary_step_and_nothing_of_it_moves_while_it_is_unrolled():
    torch.manual_seed(0)
    D = MLPCritic((2,), width=8, norm=nn.BatchNorm1d)
    game = Unrolling(SharedFakesGAN(Point(0.4), D, NonSaturating(), **learn), 3)
    players, moves = game.players(), game.round(batches(), 0)
    first = next(moves)
    assert first.player == "D"
    assert list(first.terms) == ["adversarial"]
    update(first, players)
    game.D.requires_grad_(True)
    before = {name: value.clone() for name, value in D.state_dict().items()}
    move = game.ahead(Move("G", adversarial=torch.zeros(())), next(batches())[0], 0)
    update(move, players)
    assert all(torch.equal(value, before[name]) for name, value in D.state_dict().items())
    assert all(parameter.grad is None for parameter in D.parameters())
    assert list(trainable_parameters(players["G"])) == [game.G.b]


def test_unrolling_a_relativistic_game_compares_with_reals():
    game = Unrolling(RelativisticGAN(Point(0.4), LinearCritic((1.0, 0.0)), RelativisticAverage(logistic), **learn), 0)
    x = torch.zeros(4, 2)
    loss = game.loss(x, torch.ones(4, 2))
    assert loss.item() == pytest.approx(2 * math.log1p(math.exp(-1)), rel=1e-6)


def test_unrolling_with_the_papers_toy_networks():
    torch.manual_seed(0)
    game = GAN(UnrolledToyGenerator(latent=4, width=16), UnrolledToyCritic(width=16), NonSaturating(), **learn)
    reports = list(train(Unrolling(game, 2, adam(1e-2)), batches(), 3))
    assert all(math.isfinite(value) for report in reports for value in report.scalars().values())
    assert MLPGenerator((2,), width=4)(torch.zeros(1, 2)).shape == (1, 2)
