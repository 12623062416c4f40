"""Every game: who moves, on which terms, in which direction; and the games' own closed forms."""

from inspect import signature

import pytest
import torch
from torch import nn

from sparring.check import check_game
from sparring.errors import GameError
from sparring.game import Move
from sparring.games.gan import GAN, SharedFakesGAN
from sparring.games.relativistic import RelativisticGAN
from sparring.games.wgan import WGAN, WGANGP
from sparring.layers.spectral import spectral
from sparring.objectives import LeastSquares, NonSaturating, Relativistic, RelativisticAverage, logistic
from sparring.objectives.penalties import gradient_penalty
from sparring.recipes import recipe
from sparring.rng import turn_rng
from sparring.training.trainer import train, trainable_parameters, update
from support.toys import GAMES, LinearCritic, Point, batches, learn, slide


@pytest.fixture(params=GAMES)
def make(request):
    return GAMES[request.param]


def play_until(game, player, data, step=0):
    """Advance a round without updates, and return the first move of a player."""
    for turn, move in enumerate(game.round(data, step)):
        if move.player == player:
            return move, turn
    raise AssertionError(player)


def test_every_game_keeps_the_rules(make):
    seen = check_game(make(Point(), LinearCritic((0.1, 0.2))), batches())
    assert seen.turns[-1] == ("G",)
    assert set(seen.turns[:-1]) == {("D",)}
    assert seen.owners == {"G.b": ("G",), "D.w": ("D",), "D.c": ("D",)}


@pytest.mark.parametrize("centre", [3.0, -3.0])
def test_a_linear_critic_pulls_the_generator_towards_the_data(make, centre):
    game = make(Point(), LinearCritic())
    for _ in train(game, batches(centre), 40):
        pass
    assert (game.G.b * centre > 0.3 * abs(centre)).all(), "G moved away from the data, or not at all"


def test_the_critic_ranks_real_above_fake(make):
    game = make(Point(), LinearCritic())
    players = game.players()
    for _ in range(20):
        for move in game.round(batches(3.0), 0):
            if move.player == "D":
                update(move, players)
    assert game.D(torch.full((1, 2), 3.0)) > game.D(torch.zeros(1, 2))


@pytest.mark.parametrize("kind", [GAN, RelativisticGAN, WGAN, WGANGP])
def test_either_player_moves_as_often_as_configured(kind):
    objective = {GAN: [LeastSquares()], RelativisticGAN: [Relativistic(logistic)]}.get(kind, [])
    game = kind(Point(), LinearCritic((0.1, 0.2)), *objective, critic_steps=3, generator_steps=2, **learn)
    assert check_game(game, batches()).turns == (("D",),) * 3 + (("G",),) * 2


def test_critic_and_generator_moves_are_the_objective_on_these_samples():
    objective = LeastSquares(a=-1.0, b=2.0, c=0.5)
    game = GAN(Point(0.3), LinearCritic((1.0, -2.0)), objective, critic_steps=1, **learn)
    x, *_ = next(batches())
    with turn_rng(7, 0, 0):
        move, _ = play_until(game, "D", iter([(x,)]))
    with turn_rng(7, 0, 0):
        fake = 0.3 + 0.1 * game.noise(16)
    real_scores, fake_scores = x @ torch.tensor([1.0, -2.0]), fake @ torch.tensor([1.0, -2.0])
    expected = ((real_scores - 2) ** 2).mean() / 2 + ((fake_scores + 1) ** 2).mean() / 2
    assert move.loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_one_draw_serves_both_moves_and_the_critic_receives_no_graph():
    game = SharedFakesGAN(Point(0.5), LinearCritic((1.0, 1.0)), NonSaturating(), **learn)
    moves = list(game.round(batches(), 0))
    moves[0].loss.backward()
    assert game.G.b.grad is None
    moves[1].loss.backward(inputs=trainable_parameters(game.players()["G"]))
    fake_score = (game.D.w * game.G.b).sum()
    assert game.G.b.grad.sign().tolist() == [-1.0, -1.0]
    assert moves[1].loss.item() == pytest.approx(nn.functional.softplus(-fake_score).item(), abs=0.1)


def test_wgan_gp_charges_160_for_a_linear_critic_of_norm_5():
    game = WGANGP(Point(), LinearCritic((3.0, 4.0)), penalty=10.0, **learn)
    move, _ = play_until(game, "D", batches())
    assert move.terms["penalty"].item() == pytest.approx(160.0, rel=1e-5)
    assert move.terms["wasserstein"].item() == pytest.approx(-7 * 3.0, abs=0.5), "mean D(G) - mean D(x)"


def test_wgan_gp_penalty_weight_multiplies_the_penalty():
    D = LinearCritic((3.0, 4.0))
    x = torch.randn(8, 2)
    one = gradient_penalty(D, x, x + 1)
    move, _ = play_until(WGANGP(Point(), D, penalty=0.25, **learn), "D", batches())
    assert move.terms["penalty"].item() == pytest.approx(0.25 * one.item(), rel=1e-5)


def test_wgan_clips_after_every_critic_move_and_only_the_critic():
    game = WGAN(Point(2.0), LinearCritic((5.0, -5.0)), bound=0.01, critic_steps=3, **slide)
    players, seen = game.players(), []
    for move in game.round(batches(), 1):
        seen.append(max(p.abs().max().item() for p in game.D.parameters()))
        update(move, players)
    assert seen[0] == 5.0
    assert all(bound <= 0.01 for bound in seen[1:]), "G must meet a critic inside the box"
    assert game.G.b.abs().min() > 1.0


def test_wgan_bursts_in_the_first_25_rounds_and_every_500th():
    game = WGAN(Point(), LinearCritic(), critic_steps=5, burst=12, **slide)
    counts = {step: sum(move.player == "D" for move in game.round(batches(), step)) for step in (0, 24, 25, 499, 500)}
    assert counts == {0: 12, 24: 12, 25: 5, 499: 5, 500: 12}


def test_the_relativistic_generator_meets_new_reals_and_averages_them():
    game = RelativisticGAN(Point(1.0, spread=0.0), LinearCritic((1.0, 0.0)), RelativisticAverage(logistic), **learn)
    reals = [torch.zeros(4, 2), torch.full((4, 2), 2.0)]
    move, _ = play_until(game, "G", iter([(x,) for x in reals]))
    # r = 2, f = 1:  φ(f − r̄) + φ(f̄ − r)(−) = sp(1) + sp(1)
    assert move.loss.item() == pytest.approx(2 * nn.functional.softplus(torch.tensor(1.0)).item(), rel=1e-6)


@pytest.mark.parametrize("name", [name for name in GAMES if name != "wgan-gp"])  # whose critic has no batch norm
def test_a_batch_norm_critic_scores_real_and_fake_in_separate_passes(name):
    passes = []

    class Spy(LinearCritic):
        def forward(self, x):
            passes.append(x.detach())
            return super().forward(x)

    for _ in GAMES[name](Point(-3.0), Spy((0.1, 0.1))).round(batches(3.0), 0):
        pass
    kinds = [{bool(value) for value in (x > 0).flatten().tolist()} for x in passes]
    assert kinds
    assert all(len(kind) == 1 for kind in kinds), "one pass held real and fake samples"


def test_the_generators_move_leaves_the_critic_no_gradient_and_moves_only_its_statistics():
    D = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), spectral(nn.Linear(4, 1)), nn.Flatten(0))
    game = GAN(Point(0.5), D, NonSaturating(), **learn)
    players = game.players()
    for move in game.round(batches(), 0):
        if move.player == "G":
            update(move, players)
    before = {name: value.clone() for name, value in D.state_dict().items()}
    moves = game.round(batches(), 0)
    next(moves)  # D's, not made
    between = {name: value.clone() for name, value in D.state_dict().items()}
    update(next(moves), players)
    assert all(parameter.grad is None for parameter in D.parameters())
    after = D.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, between[name])}
    assert changed == {"1.running_mean", "1.running_var", "1.num_batches_tracked"} | {
        name for name in changed if name.endswith(("_u", "_v"))
    }
    assert between["1.num_batches_tracked"] - before["1.num_batches_tracked"] == 2, "real and fake, one pass each"
    assert after["1.num_batches_tracked"] - between["1.num_batches_tracked"] == 1


def test_games_with_one_player_each_turn_yield_single_moves(make):
    assert all(isinstance(move, Move) for move in make(Point(), LinearCritic()).round(batches(), 0))


@pytest.mark.parametrize("name", ["nsgan", "rsgan", "wgan", "wgan-gp", "realness", "tsgan", "cgan"])
@pytest.mark.parametrize("count", [0, -1])
def test_every_player_moves_in_a_round(name, count):
    function = recipe(name)
    setting = "critic_steps" if "critic_steps" in signature(function).parameters else "generator_steps"
    facts = {"classes": 3} if name == "cgan" else {}
    with pytest.raises(GameError, match=f"{setting} cannot be {count}: give 1 or more"):
        function((1, 16, 16), **facts, **{setting: count})
