"""The trainer: who receives which gradient, in what order, in how many parts, with what randomness."""

import copy
import math

import pytest
import torch
from torch import nn

from sparring.errors import Diverged, GameError
from sparring.game import Move, adam
from sparring.games.gan import GAN
from sparring.games.wgan import WGANGP
from sparring.objectives import NonSaturating
from sparring.training.trainer import train, trainable_parameters, update
from support.toys import GAMES, LinearCritic, Point, batches, learn
from support.trainer import Saddle, wide_game


@pytest.mark.parametrize(("simultaneous", "x", "y"), [(True, 0.9, 1.1), (False, 0.9, 1.09)])
def test_simultaneous_moves_take_all_gradients_before_any_step(simultaneous, x, y):
    game = Saddle(simultaneous)
    (report,) = train(game, batches(), 1)
    assert game.x.weight.item() == pytest.approx(x)
    assert game.y.weight.item() == pytest.approx(y)
    assert report.updates == {"x": 1, "y": 1}


def test_pace_multiplies_every_learning_rate():
    game = Saddle(simultaneous=True)
    players = game.players()
    list(train(game, batches(), 2, players=players))
    assert game.x.weight.item() == pytest.approx(0.9 - 0.05 * 1.1)
    list(train(game, batches(), 4, start=2, players=players))
    assert [group["lr"] for player in players.values() for group in player.param_groups] == [0.05, 0.05]


@pytest.mark.parametrize("player", ["D", "G"])
def test_a_move_gives_its_own_player_exactly_its_gradient_and_others_none(player):
    game = GAMES["wgan-gp"](Point(0.5), LinearCritic((1.0, -1.0)))
    players = game.players()
    for move in game.round(batches(), 0):
        if move.player == player:
            expected = torch.autograd.grad(
                sum(move.terms.values()), trainable_parameters(players[player]), retain_graph=True
            )
            before = copy.deepcopy(game.state_dict())
            update(move, players, step=False)
            break
    mine = trainable_parameters(players[player])
    for parameter, gradient in zip(mine, expected, strict=True):
        assert torch.equal(parameter.grad, gradient)
    others = [p for p in game.parameters() if all(p is not q for q in mine)]
    assert others
    assert all(p.grad is None for p in others)
    assert all(torch.equal(value, before[name]) for name, value in game.state_dict().items())


def test_a_step_leaves_no_gradient_behind_and_moves_only_the_mover():
    game = GAMES["one draw"](Point(0.5), LinearCritic((1.0, -1.0)))
    players = game.players()
    for move in game.round(batches(), 0):
        before = copy.deepcopy(game.state_dict())
        update(move, players)
        changed = {name[0] for name, value in game.state_dict().items() if not torch.equal(value, before[name])}
        assert changed == {move.player}
        assert all(parameter.grad is None for parameter in game.parameters())


def test_every_turn_of_every_step_draws_new_noise():
    drawn = []

    class Listener(Point):
        def forward(self, z):
            drawn.append(tuple(z.flatten().tolist()))
            return super().forward(z)

    list(train(GAN(Listener(), LinearCritic((1.0, 1.0)), NonSaturating(), **learn), batches(), 3))
    assert len(drawn) == len(set(drawn)) == 6


def test_training_is_a_function_of_seed_and_step_not_of_history():
    straight, stopped = (GAMES["non-saturating"](Point(), LinearCritic((0.1, 0.1))) for _ in range(2))
    data = [next(batches(seed=k)) for k in range(12)]
    reports = list(train(straight, iter(data), 6, seed=5))
    stream, players = iter(data), stopped.players()
    first = list(train(stopped, stream, 2, seed=5, players=players))
    torch.randn(1000)  # with other draws in between
    second = list(train(stopped, stream, 6, start=2, seed=5, players=players))
    assert [report.scalars() for report in reports] == [report.scalars() for report in first + second]
    for a, b in zip(straight.parameters(), stopped.parameters(), strict=True):
        assert torch.equal(a, b)


def test_seeds_differ():
    a, b = (GAMES["non-saturating"](Point(), LinearCritic((0.1, 0.1))) for _ in range(2))
    for game, seed in ((a, 0), (b, 1)):
        list(train(game, batches(), 2, seed=seed))
    assert not torch.equal(a.D.w, b.D.w)


def test_a_report_counts_images_and_averages_terms_over_moves():
    game = GAMES["wgan-gp"](Point(), LinearCritic((0.1, 0.1)))
    (report,) = train(game, batches(n=10), 1)
    assert report.step == 1
    assert report.images == 20
    assert report.updates == {"D": 2, "G": 1}
    assert set(report.terms) == {"D/wasserstein", "D/penalty", "G/wasserstein"}
    assert not any(value.requires_grad for value in report.terms.values())


def test_terms_are_means_over_a_players_moves():
    class Twice(Saddle):
        def round(self, data, step):
            yield Move("x", value=1.0 + 0 * self.x.weight.sum())
            yield Move("x", value=4.0 + 0 * self.x.weight.sum())

    (report,) = train(Twice(False), batches(), 1)
    assert report.scalars() == {"x/value": 2.5}


def test_a_term_of_some_moves_is_a_mean_over_those():
    class Lazily(Saddle):
        def round(self, data, step):
            yield Move("x", value=1.0 + 0 * self.x.weight.sum())
            yield Move("x", penalty=4.0 + 0 * self.x.weight.sum())

    (report,) = train(Lazily(False), batches(), 1)
    assert report.scalars() == {"x/value": 1.0, "x/penalty": 4.0}
    assert report.updates == {"x": 2}


def test_a_term_that_stops_being_finite_is_named():
    class Doomed(Saddle):
        def round(self, data, step):
            yield Move("x", fine=self.x.weight.sum(), broken=math.inf * self.x.weight.sum())

    (report,) = train(Doomed(False), batches(), 1)
    with pytest.raises(Diverged, match="x/broken"):
        report.scalars()


def test_a_move_without_a_player_is_refused():
    game = Saddle(False)
    with pytest.raises(GameError, match="'Q', but the players are x, y"):
        update(Move("Q", value=game.x.weight.sum()), game.players())


def test_a_move_without_a_gradient_path_is_refused():
    game = Saddle(False)
    with pytest.raises(GameError, match="depends on no parameter"):
        update(Move("x", value=game.x.weight.sum().detach()), game.players())


def test_the_loss_of_a_move_is_the_sum_of_its_terms():
    assert Move("D", a=torch.tensor(1.0), b=torch.tensor(-4.0), c=torch.tensor(0.5)).loss.item() == -2.5


@pytest.mark.parametrize(("terms", "match"), [({}, "no terms"), ({"a": 1.0}, "float"), ({"a": torch.ones(2)}, "(2,)")])
def test_a_move_is_made_of_scalar_tensors(terms, match):
    with pytest.raises(GameError, match=match.replace("(", r"\(").replace(")", r"\)")):
        Move("D", **terms)


def test_mixed_precision_reaches_every_parameter_and_leaves_penalties_in_full_precision():
    game = wide_game(WGANGP, critic_steps=1)
    seen = []

    def watch(module, inputs, output):
        seen.append((torch.is_autocast_enabled("cpu"), output.dtype))

    game.D[0].register_forward_hook(watch)
    (report,) = train(game, batches(), 1, precision=torch.bfloat16)
    assert (True, torch.bfloat16) in seen, "the scores are mixed precision"
    assert (False, torch.float32) in seen, "the penalty is not"
    assert report.terms["D/penalty"].dtype == torch.float32
    untouched = wide_game(WGANGP, critic_steps=1)
    for before, after in zip(untouched.parameters(), game.parameters(), strict=True):
        assert after.dtype == torch.float32
        assert before.numel() == 1 or not torch.equal(before, after)


def test_adam_is_the_optimiser_of_the_paper():
    network = nn.Linear(1, 1, bias=False)
    nn.init.ones_(network.weight)
    player = adam(network, lr=0.1, betas=(0.5, 0.999))
    for gradient in (2.0, -1.0):
        network.weight.grad = torch.full((1, 1), gradient)
        player.step()
    first, second = 0.1, 0.1 * ((0.5 * 0.5 * 2 - 0.5) / 0.75) / math.sqrt((0.999 * 0.001 * 4 + 0.001) / (1 - 0.999**2))
    assert network.weight.item() == pytest.approx(1 - first - second, abs=1e-6)
