"""T-GANs: the game of pairs against closed forms and a linear programme, its networks, its stateless normalisation."""

import itertools
import math
from typing import get_args

import pytest
import torch
from scipy.optimize import linprog
from torch import nn
from torch.nn.functional import softplus

from sparring.check import check_game
from sparring.games.turing import TuringGAN
from sparring.layers.spectral import spectral, stateless_spectral, stateless_spectral_norm
from sparring.objectives import Hinge, LeastSquares, NonSaturating, Relativistic, Wasserstein, logistic
from sparring.recipes import turing
from sparring.rng import turn_rng
from sparring.theory import jensen_shannon, repeated_points, wasserstein1
from sparring.training.trainer import train, trainable_parameters
from support.closed_forms import P, Q
from support.toys import LinearCritic, Point, batches, learn

OBJECTIVES = {
    "T-SGAN": NonSaturating(),
    "T-WGAN": Wasserstein(),
    "T-LSGAN": LeastSquares(-1.0, 1.0, 0.0),
    "hinge": Hinge(),
}


REAL = repeated_points(P, 20).repeat_interleave(20)


FAKE = repeated_points(Q, 20).repeat(20)


EVERY_PAIR = (torch.outer(P, Q) - torch.outer(Q, P)).flatten()  # P - Q over the 25 pairs


class Identity(nn.Identity):
    """E for toys: the code is the point; one parameter, so that E has something to own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.scale * x


class Table(nn.Module):
    """D as a free table over the differences of the codes 1, 2, 4, 8, 16, which separate all unequal pairs."""

    def __init__(self):
        super().__init__()
        self.values = nn.Parameter(torch.zeros(31, dtype=torch.float64))

    def forward(self, difference):
        return self.values[difference.squeeze(1).round().long() + 15]


class Fixed(nn.Module):
    """A generator of given samples for any noise."""

    latent = 1

    def __init__(self, samples):
        super().__init__()
        self.samples = nn.Parameter(samples)

    def forward(self, z):
        return self.samples


class Odd(nn.Module):
    """D(t) = a tanh(w·t) + b + c (w·t)²: neither odd nor even."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([0.7, -0.4]))
        self.b = nn.Parameter(torch.tensor(0.3))

    def forward(self, t):
        s = t @ self.w
        return torch.tanh(s) + self.b + 0.2 * s.square()


def minimise(loss, table):
    optimiser = torch.optim.LBFGS(
        [table], max_iter=2000, tolerance_grad=1e-10, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def closure():
        table.grad = torch.autograd.grad(loss(), table)[0]
        return loss().item()

    optimiser.step(closure)
    return loss().item()


def test_the_best_critic_of_25_pairs_is_the_difference_of_log_ratios():
    table = torch.zeros(5, 5, dtype=torch.float64, requires_grad=True)
    least = minimise(lambda: NonSaturating().critic(table[REAL, FAKE], table[FAKE, REAL]), table)
    assert least == pytest.approx(0.980147, abs=1e-6)
    ratio = torch.log(P / Q)
    torch.testing.assert_close(table.detach(), ratio[:, None] - ratio[None, :], atol=1e-5, rtol=0)
    torch.testing.assert_close(table.detach(), -table.detach().T, atol=1e-5, rtol=0)


def test_the_least_loss_is_2_log_2_less_2_jensen_shannon_of_the_pairs():
    pairs, swapped = torch.outer(P, Q).flatten(), torch.outer(Q, P).flatten()
    assert 2 * math.log(2) - 2 * jensen_shannon(pairs, swapped).item() == pytest.approx(0.980147, abs=1e-6)


def test_the_games_own_move_finds_the_same_critic():
    codes = 2.0 ** torch.arange(5, dtype=torch.float64)
    game = TuringGAN(Fixed(codes[FAKE, None]), Table(), Identity(), NonSaturating(), **learn)
    x = codes[REAL, None]
    least = minimise(lambda: next(game.round(iter([(x,)]), 0)).loss, game.D.values)
    assert least == pytest.approx(0.980147, abs=1e-6)
    ratio, differences = torch.log(P / Q), codes[:, None] - codes[None, :]
    found = game.D(differences.reshape(-1, 1)).detach().reshape(5, 5)
    torch.testing.assert_close(found, ratio[:, None] - ratio[None, :], atol=1e-5, rtol=0)


def metric(kind):
    """Distances between the 25 pairs of points 0 to 4, in the sum or the Euclidean product metric."""
    pairs = list(itertools.product(range(5), repeat=2))
    return [[kind(abs(a - c), abs(b - d)) for c, d in pairs] for a, b in pairs]


@pytest.mark.parametrize(("kind", "value"), [(lambda s, t: s + t, 1.2), (math.hypot, 0.8669)])
def test_the_value_of_t_wgan_by_linear_programming(kind, value):
    rows, bounds = [], []
    for (i, row), j in itertools.product(enumerate(metric(kind)), range(25)):
        if i != j:
            rows.append([(k == i) - (k == j) for k in range(25)])
            bounds.append(row[j])
    best = linprog(-EVERY_PAIR.numpy(), A_ub=rows, b_ub=bounds, bounds=[(0, 20)] * 25)
    table = torch.tensor(best.x).reshape(5, 5)
    shipped = Wasserstein().critic(table[REAL, FAKE], table[FAKE, REAL]).item()
    assert -shipped == pytest.approx(value, abs=1e-4)
    assert -best.fun == pytest.approx(-shipped, abs=1e-9)
    assert -shipped >= math.sqrt(2) * wasserstein1(P, Q).item() - 1e-9


def test_in_the_sum_metric_t_wgan_measures_twice_the_distance():
    assert 2 * wasserstein1(P, Q).item() == pytest.approx(1.2)


def moves_of(game, reals, seed=3):
    """Return the moves of a round without updates, with the noise of each turn known."""
    rounds, found = game.round(iter([(x,) for x in reals]), 0), []
    for turn in range(1 + game.generator_steps):
        with turn_rng(seed, 0, turn):
            found.append(next(rounds))
    return found


def fakes_of(game, n, turn, seed=3):
    with turn_rng(seed, 0, turn):
        return game.G(game.noise(n))


def test_a_linear_critic_without_bias_makes_t_sgan_the_relativistic_game_twice():
    C = torch.tensor([0.8, -0.5])
    D = LinearCritic((0.8, -0.5))
    game = TuringGAN(Point(0.4), D, Identity(), NonSaturating(), generator_steps=1, **learn)
    reals = [torch.randn(16, 2), torch.randn(16, 2)]
    critic, generator = moves_of(game, reals)
    relativistic = Relativistic(logistic)
    first, second = fakes_of(game, 16, 0), fakes_of(game, 16, 1)
    assert critic.loss.item() == pytest.approx(2 * relativistic.critic(reals[0] @ C, first @ C).item(), rel=1e-6)
    assert generator.loss.item() == pytest.approx(2 * relativistic.generator(second @ C, reals[1] @ C).item(), rel=1e-6)


def test_the_losses_are_the_papers():
    """Term by term, for a critic that is neither odd nor even."""
    for name, objective in OBJECTIVES.items():
        game = TuringGAN(Point(0.4), Odd(), Identity(), objective, generator_steps=1, **learn)
        reals = [torch.randn(16, 2) + 1, torch.randn(16, 2) + 1]
        for move, x, turn, swap in zip(moves_of(game, reals), reals, (0, 1), (False, True), strict=True):
            fake = fakes_of(game, 16, turn)
            first, second = game.D(x - fake), game.D(fake - x)
            first, second = (second, first) if swap else (first, second)
            expected = {
                "T-SGAN": lambda r, f: (softplus(-r) + softplus(f)).mean(),
                "T-WGAN": lambda r, f: -(r - f).mean(),
                "T-LSGAN": lambda r, f: ((r - 1).square() + (f + 1).square()).mean() / 2,
                "hinge": lambda r, f: (torch.relu(1 - r) + torch.relu(1 + f)).mean(),
            }[name](first, second)
            assert move.loss.item() == pytest.approx(expected.item(), rel=1e-5), (name, turn)


def test_exchanging_real_and_fake_exchanges_the_two_objectives():
    game = TuringGAN(Point(), Odd(), Identity(), NonSaturating(), **learn)
    x, fake = torch.randn(8, 2), torch.randn(8, 2)
    assert game.test(x, fake).item() != pytest.approx(game.test(fake, x).item(), rel=1e-3)
    one = TuringGAN(Fixed(fake), game.D, game.E, NonSaturating(), generator_steps=1, **learn)
    other = TuringGAN(Fixed(x), game.D, game.E, NonSaturating(), generator_steps=1, **learn)
    assert [m.loss.item() for m in moves_of(one, [x, x])] == [m.loss.item() for m in moves_of(other, [fake, fake])][
        ::-1
    ]


def test_t_is_not_made_antisymmetric():
    game = TuringGAN(Point(), Odd(), Identity(), NonSaturating(), **learn)
    t = torch.randn(8, 2)
    assert not torch.allclose(game.D(t), -game.D(-t), atol=1e-2)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_t_game_keeps_the_rules_one_move_to_two(name):
    seen = check_game(TuringGAN(Point(), Odd(), Identity(), OBJECTIVES[name], **learn), batches())
    assert seen.turns == (("D",), ("G",), ("G",))
    assert seen.owners == {"G.b": ("G",), "D.w": ("D",), "D.b": ("D",), "E.scale": ("D",)}


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("centre", [3.0, -3.0])
def test_a_linear_critic_moves_the_generator_towards_the_data(name, centre):
    game = TuringGAN(Point(), LinearCritic((0.0, 0.0)), Identity(), OBJECTIVES[name], **learn)
    game.D.c.requires_grad_(False)
    for _ in train(game, batches(centre), 30):
        pass
    assert (game.G.b * centre > 0.3 * abs(centre)).all()


def test_each_move_draws_new_reals_and_new_noise():
    noises = []

    class Listening(Point):
        def forward(self, z):
            noises.append(z)
            return super().forward(z)

    drawn = []

    def stream():
        for batch in batches():
            drawn.append(batch)
            yield batch

    game = TuringGAN(Listening(), Odd(), Identity(), NonSaturating(), generator_steps=3, **learn)
    for _ in game.round(stream(), 0):
        pass
    assert len(drawn) == 4
    assert len({tuple(z.flatten().tolist()) for z in noises}) == 4


def test_e_encodes_real_and_fake_in_separate_passes():
    passes = []

    class Spy(Identity):
        def forward(self, x):
            passes.append({bool(value) for value in (x > 0).flatten().tolist()})
            return super().forward(x)

    for _ in TuringGAN(Point(-3.0), Odd(), Spy(), NonSaturating(), **learn).round(batches(3.0), 0):
        pass
    assert len(passes) == 6
    assert all(len(kind) == 1 for kind in passes)


def test_the_critics_move_reaches_both_of_its_networks_and_not_the_generator():
    game = TuringGAN(Point(0.5), Odd(), Identity(), NonSaturating(), **learn)
    critic, *generators = game.round(batches(), 0)
    assert torch.autograd.grad(critic.loss, game.G.b, allow_unused=True, retain_graph=True) == (None,)
    critic.loss.backward(inputs=trainable_parameters(game.players()["D"]))
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in [*game.D.parameters(), *game.E.parameters()])
    before = {name: p.grad.clone() for name, p in game.named_parameters() if p.grad is not None}
    generators[0].loss.backward(inputs=trainable_parameters(game.players()["G"]))
    assert game.G.b.grad is not None
    assert all(torch.equal(p.grad, before[name]) for name, p in game.named_parameters() if name in before)


# Stateless spectral normalisation


def five_iterations(W):
    """The estimate in plain numpy, from the sheet's description."""
    u = W.new_ones(W.shape[1]).numpy()
    W = W.numpy()
    for _ in range(5):
        v = W @ u
        v = v / (v**2).sum() ** 0.5
        u = W.T @ v
        u = u / (u**2).sum() ** 0.5
    return float(v @ W @ u)


@pytest.mark.parametrize(
    "layer", [nn.Linear(7, 5), nn.Conv2d(3, 8, 4), nn.Embedding(6, 4), nn.ConvTranspose2d(3, 8, 4)]
)
def test_a_weight_is_divided_by_the_fifth_estimate(layer):
    layer = layer.double()
    raw = layer.weight.detach().clone()
    rows = raw.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else raw
    W = stateless_spectral(layer).weight
    torch.testing.assert_close(W.detach() * five_iterations(rows.flatten(1)), raw, rtol=1e-12, atol=0)
    assert W.flatten(1).shape == raw.flatten(1).shape


def test_five_iterations_fall_short_of_the_norm():
    torch.manual_seed(0)
    W = torch.randn(64, 64, dtype=torch.float64)
    exact = torch.linalg.matrix_norm(W, 2).item()
    assert 0.8 * exact < stateless_spectral_norm(W).item() < 0.999 * exact


def test_the_iterations_start_from_ones():
    """A matrix whose first singular vector is orthogonal to ones: the second value is found, not the first."""
    W = torch.tensor([[3.0, -3.0], [1.0, 1.0]], dtype=torch.float64) / math.sqrt(2)
    assert torch.linalg.matrix_norm(W, 2).item() == pytest.approx(3)
    assert stateless_spectral_norm(W).item() == pytest.approx(1)


def test_no_state_is_kept():
    layer = stateless_spectral(nn.Linear(9, 9))
    state = {name: value.clone() for name, value in layer.state_dict().items()}
    first = layer.weight
    assert set(state) == {"bias", "parametrizations.weight.original"}
    assert torch.equal(layer.weight, first)
    assert torch.equal(layer.eval().weight, first)
    assert all(torch.equal(state[name], value) for name, value in layer.state_dict().items())


def test_the_gradient_runs_through_the_iterations():
    torch.manual_seed(0)
    W = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda W: W / stateless_spectral_norm(W), (W,))
    (through,) = torch.autograd.grad(stateless_spectral_norm(W), W)
    # the usual gradient, u and v held constant, is v uᵀ at convergence: here the two differ
    left, _, right = torch.linalg.svd(W.detach())
    assert (through - torch.outer(left[:, 0], right[0])).abs().max() > 1e-3
    assert (through * W).sum().item() == pytest.approx(stateless_spectral_norm(W).item())  # homogeneous of degree 1


def test_gains_are_divided_by_their_length():
    assert stateless_spectral(nn.BatchNorm2d(64)).weight.tolist() == [0.125] * 64
    norm = nn.BatchNorm1d(2)
    norm.weight.data = torch.tensor([3.0, -4.0])
    assert stateless_spectral(norm).weight.tolist() == pytest.approx([0.6, -0.8])


def test_gains_can_be_spared_and_bare_norms_are():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4, affine=False))
    stateless_spectral(network, (nn.Conv2d,))
    assert network[1].weight.tolist() == [1.0] * 4
    stateless_spectral(network)
    assert network[1].weight.tolist() == [0.5] * 4
    assert len(network[0].parametrizations.weight) == 1, "normalised once"


def test_a_weight_of_zeros_stays_zero():
    layer = nn.Linear(3, 3)
    nn.init.zeros_(layer.weight)
    layer = stateless_spectral(layer)
    layer(torch.ones(1, 3)).sum().backward()
    assert layer.weight.abs().sum() == 0
    assert torch.isfinite(layer.parametrizations.weight.original.grad).all()


def test_the_norm_is_taken_in_full_precision():
    layer = stateless_spectral(nn.Linear(32, 32))
    exact = layer.weight
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer.weight, exact)


# Recipes


@pytest.mark.parametrize("name", ["tsgan", "twgan", "tgan"])
@pytest.mark.parametrize("shape", [(2,), (1, 16, 16), (3, 32, 32)])
def test_every_recipe_keeps_the_rules(name, shape):
    torch.manual_seed(0)
    game = getattr(turing, name)(shape, latent=6, width=8)
    images = iter(lambda: (torch.randn(4, *shape).clamp(-1, 1),), None)
    seen = check_game(game, images)
    assert seen.turns == (("D",), ("G",), ("G",))
    assert game.sample(3).shape == (3, *shape)
    for player in game.players().values():
        (group,) = player.param_groups
        assert (group["lr"], group["betas"]) == (2e-4, (0.5, 0.999))


def test_every_objective_of_the_setting_plays():
    assert set(get_args(turing.PairObjective)) == set(turing._OBJECTIVES)
    for name in get_args(turing.PairObjective):
        game = turing.tgan((2,), objective=name, width=8)
        assert torch.isfinite(next(game.round(batches(), 0)).loss)
    assert isinstance(turing.twgan((2,), width=8).objective, Wasserstein)
    assert isinstance(turing.tsgan((2,), width=8).objective, NonSaturating)


def test_the_kinds_of_normalisation():
    def layers(kind):
        game = turing.tsgan((1, 16, 16), width=8, normalisation=kind)
        modules = [*game.E.modules(), *game.D.modules()]
        weighted = [m for m in modules if isinstance(m, nn.Conv2d | nn.Linear)]
        norms = [m for m in modules if isinstance(m, nn.BatchNorm2d)]
        return weighted, norms, game

    weighted, norms, game = layers("stateless")
    assert not any(name.endswith("_u") for name in game.state_dict())
    assert all(norm.weight.square().sum().item() == pytest.approx(1, rel=1e-5) for norm in norms)
    assert all(hasattr(layer, "parametrizations") for layer in weighted)
    weighted, norms, game = layers("spectral")
    assert sum(name.endswith("_u") for name in game.state_dict()) == len(weighted)
    assert all(norm.weight.tolist() == [1.0] * norm.num_features for norm in norms)
    weighted, norms, game = layers("none")
    assert not any(hasattr(layer, "parametrizations") for layer in weighted)
    assert not any("parametrizations" in name for name in game.G.state_dict())
    points = [make((2,), width=8).state_dict() for make in (turing.tsgan, turing.twgan)]
    assert [any("parametrizations" in name for name in state) for state in points] == [False, True]


def test_every_parameter_of_the_critic_matters():
    """No bias is cancelled by a batch norm or by the difference of two codes."""
    for shape in ((2,), (1, 16, 16), (1, 32, 32)):
        torch.manual_seed(0)
        game = turing.tsgan(shape, latent=6, width=8)
        x = torch.randn(16, *shape).clamp(-1, 1)
        move = next(game.round(iter([(x,)]), 0))
        parameters = dict([*game.D.named_parameters(), *game.E.named_parameters()])
        slopes = torch.autograd.grad(move.loss, parameters.values())
        for name, slope in zip(parameters, slopes, strict=True):
            assert slope.abs().max() > 1e-7, (shape, name)


def test_stateless_and_stateful_norms_agree_where_the_start_does_not_matter():
    rank_one = torch.outer(torch.randn(5), torch.randn(4))
    layers = nn.Linear(4, 5), nn.Linear(4, 5)
    for layer in layers:
        layer.weight.data.copy_(rank_one)
    torch.testing.assert_close(stateless_spectral(layers[0]).weight, spectral(layers[1]).weight)
