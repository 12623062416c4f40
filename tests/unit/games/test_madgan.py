"""Several generators: mixtures of independent games, and MAD-GAN, whose critic tells its generators apart."""

import math

import pytest
import torch
from torch import nn

from sparring.abilities import SupportsSampling
from sparring.check import check_game
from sparring.errors import GameError
from sparring.game import Game, adam
from sparring.games.common.mixture import append_choice, select_members, split_choice
from sparring.games.gan import GAN
from sparring.games.madgan import MADGAN, identity_loss, real_loss
from sparring.inference.sampling import interpolate_seeds, sample_seeds
from sparring.networks import MLPGenerator
from sparring.networks.common.branching import BranchingGenerator
from sparring.objectives import NonSaturating
from sparring.recipes.madgan import madgan
from sparring.recipes.options import Adam, Networks
from sparring.rng import fixed_seed, turn_rng
from sparring.training.ema import EMA
from sparring.training.trainer import train
from sparring.wrappers.ensemble import Ensemble
from sparring.wrappers.packing import Packing
from support.toys import LinearCritic, Point, batches, learn

# The mixture.


@pytest.mark.parametrize("members", [1, 2, 3, 7])
def test_every_generator_is_drawn_equally_often(members):
    with turn_rng(0, 0, 0):
        drawn, z = split_choice(append_choice(torch.zeros(30_000, 4)), members)
    assert z.shape == (30_000, 4)
    counts = torch.bincount(drawn, minlength=members)
    assert len(counts) == members
    assert (counts / 30_000 - 1 / members).abs().max() < 0.01


def test_the_choice_does_not_depend_on_the_scale_of_the_noise():
    noise = append_choice(torch.randn(500, 3))
    assert torch.equal(split_choice(noise, 5)[0], split_choice(0.01 * noise, 5)[0])


def test_an_angle_that_rounds_to_a_full_turn_is_the_last_generator():
    assert split_choice(torch.tensor([[1.0, -1e-9, 0.0]]), 4)[0].tolist() == [3]


def test_chosen_samples_are_those_of_the_row():
    made = torch.arange(24.0).reshape(3, 4, 2)
    assert torch.equal(
        select_members(made, torch.tensor([2, 0, 1, 2])), torch.stack([made[2, 0], made[0, 1], made[1, 2], made[2, 3]])
    )


# Ensembles.


def ensemble(members=3, start=lambda k: float(k)):
    count = iter(range(members))
    return Ensemble(
        lambda: GAN(Point(start(next(count)), spread=0.0), LinearCritic((0.1, 0.2)), NonSaturating(), **learn), members
    )


def test_an_ensemble_samples_each_member_equally_often():
    game = ensemble()
    with turn_rng(0, 0, 0):
        x = game.sample(9000)
    counts = torch.bincount(x[:, 0].long(), minlength=3) / 9000
    assert (counts - 1 / 3).abs().max() < 0.02


def test_a_seed_is_one_sample_of_one_member_in_any_batch():
    game = Ensemble(lambda: GAN(Point(0.0, 1.0), LinearCritic(), NonSaturating(), **learn), 3)
    with torch.no_grad():
        for k, member in enumerate(game.members):
            member.G.b.fill_(10.0 * k)
    assert isinstance(game, SupportsSampling)
    alone = torch.cat([sample_seeds(game, [seed]) for seed in range(6)])
    assert torch.equal(sample_seeds(game, range(6)), alone)
    with fixed_seed(4):
        (k,), z = split_choice(game.noise(1), 3)
    torch.testing.assert_close(alone[4:5], 10.0 * k + z)
    assert interpolate_seeds(game, [1, 2, 3], frames=5).shape == (5, 2)
    members = (sample_seeds(game, range(40), truncation=0.01)[:, 0] / 10).round()
    assert torch.equal(members, (sample_seeds(game, range(40), truncation=0.02)[:, 0] / 10).round())
    assert set(members.tolist()) == {0.0, 1.0, 2.0}, "truncation keeps the mixture"


def test_members_never_meet():
    """The first of two members trains as it would alone, on its own batches and noise."""
    game = ensemble(2)
    alone = GAN(Point(0.0, spread=0.0), LinearCritic((0.1, 0.2)), NonSaturating(), **learn)
    data = [batch for batch, _ in zip(batches(), range(8), strict=False)]
    for _ in train(game, iter(data), 4):
        pass
    for _ in train(alone, iter(data[::2]), 4):
        pass
    assert torch.equal(game.members[0].G.b, alone.G.b)
    assert torch.equal(game.members[0].D.w, alone.D.w)
    assert not torch.equal(game.members[1].D.w, alone.D.w)


def test_members_start_differently():
    torch.manual_seed(0)
    game = Ensemble(lambda: GAN(MLPGenerator((2,), width=4), LinearCritic(), NonSaturating(), **learn), 2)
    one, other = game.members
    assert not torch.equal(one.G.body[0][0].weight, other.G.body[0][0].weight)


def test_ensembles_hold_wrapped_games_average_and_keep_pace():
    def make():
        falling = {"schedule": lambda step: 0.5**step, **learn}
        return Packing(GAN(Point(), LinearCritic((0.1,) * 4), NonSaturating(), **falling))

    game = Ensemble(make, 2)
    check_game(game, batches())
    assert game.lr_scale(2) == 0.25
    assert game.sampling_networks() == ("members.0.game.G", "members.1.game.G")
    assert game.critic_networks() == ("members.0.game.D", "members.1.game.D")
    average = EMA(game, 0.0)
    for _ in train(game, batches(), 2, ema=average):
        pass
    assert torch.equal(sample_seeds(game, [3, 5]), sample_seeds(average.game, [3, 5]))


def test_an_ensemble_of_games_that_cannot_sample_is_refused():
    class Silent(Game):
        def players(self):
            return {}

        def round(self, data, step):
            yield from ()

    with pytest.raises(GameError, match="cannot sample"):
        Ensemble(Silent, 2)


# MAD-GAN.

P = torch.tensor([0.1, 0.2, 0.2, 0.3, 0.2], dtype=torch.float64)
Q = torch.tensor([[0.2, 0.2, 0.2, 0.2, 0.2], [0.5, 0.1, 0.1, 0.1, 0.2], [0.0, 0.1, 0.5, 0.2, 0.2]], dtype=torch.float64)


def rows(distribution):
    """Twenty points with exactly these shares."""
    return torch.repeat_interleave(torch.arange(5), (20 * distribution).round().long())


def best(p, generators):
    """The best critic table (5, K + 1) against these distributions, and its loss."""
    table = torch.zeros(5, len(generators) + 1, dtype=torch.float64, requires_grad=True)
    data, fakes = rows(p), torch.stack([rows(g) for g in generators])
    solver = torch.optim.LBFGS(
        [table], max_iter=200, tolerance_grad=1e-9, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def loss():
        solver.zero_grad()
        value = real_loss(table[data]) + identity_loss(table[fakes])
        value.backward()
        return value

    solver.step(loss)
    return table.detach(), loss().item()


def test_the_best_critic_outputs_p_over_p_plus_all_generators_for_real():
    table, _ = best(P, Q)
    torch.testing.assert_close(table.softmax(1)[:, -1], P / (P + Q.sum(0)), rtol=0, atol=1e-5)
    torch.testing.assert_close(table.softmax(1)[:, :-1], (Q / (P + Q.sum(0))).T, rtol=0, atol=1e-5)


def test_the_game_has_its_optimum_where_the_mixture_is_the_data():
    spread = torch.tensor([[0.3, 0.2, 0.1, 0.2, 0.2], [0.0, 0.2, 0.4, 0.2, 0.2], [0.3, 0.2, 0.1, 0.2, 0.2]]).double()
    mean = spread.mean(0)
    data = P.new_tensor([0.2] * 5)
    torch.testing.assert_close(mean, data)
    table, loss = best(data, data.expand(3, 5))
    assert loss == pytest.approx(4 * math.log(4), abs=1e-6)
    assert 3 * math.log(3) - 4 * math.log(4) == pytest.approx(-2.249341, abs=1e-6)
    torch.testing.assert_close(table.softmax(1), torch.full_like(table, 0.25), rtol=0, atol=1e-5)
    # The generators' value E log D_real + Σ E log(1 − D_real) depends on their mean alone, and is lowest there.
    table, _ = best(data, spread)
    told = table.softmax(1)[:, -1]
    value = (data * told.log()).sum() + (spread.sum(0) * (1 - told).log()).sum()
    assert value.item() == pytest.approx(-2.249341, abs=1e-5)
    told = best(P, Q)[0].softmax(1)[:, -1]
    assert (P * told.log()).sum() + (Q.sum(0) * (1 - told).log()).sum() > -2.249341 + 0.01


class Three(nn.Module):
    """Three points."""

    latent, members = 2, 3

    def __init__(self):
        super().__init__()
        self.b = nn.Parameter(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]))

    def forward(self, z):
        return self.b[:, None] + 0 * z[None]


class FourAnswers(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 4)
        self.passes = []

    def forward(self, x):
        self.passes.append(x.detach())
        return self.linear(x)


def three():
    torch.manual_seed(0)
    return MADGAN(Three(), FourAnswers(), critic=lambda D: adam(D, lr=0.01), generator=lambda G: adam(G, lr=0.01))


def test_the_moves_are_the_papers_sums():
    game = three()
    x, *_ = next(batches())
    D, G = game.round(iter([(x,)]), 0)
    log = game.D.linear(game.G.b).log_softmax(1)
    assert D.terms["real"].item() == pytest.approx(-game.D.linear(x).log_softmax(1)[:, 3].mean().item(), rel=1e-5)
    assert D.terms["fake"].item() == pytest.approx(-sum(log[k, k].item() for k in range(3)), rel=1e-5)
    assert G.terms["fool"].item() == pytest.approx(-log[:, 3].sum().item(), rel=1e-5)
    D.loss.backward()
    assert game.G.b.grad is None
    G.loss.backward()
    slope = -(game.D.linear.weight[3] - log.exp() @ game.D.linear.weight)
    torch.testing.assert_close(game.G.b.grad, slope.detach(), rtol=1e-4, atol=1e-6)


def test_real_and_fake_samples_are_scored_in_separate_passes():
    game = three()
    for _ in game.round(batches(3.0), 0):
        pass
    assert [len(x) for x in game.D.passes] == [16, 48, 48]
    assert game.D.passes[0].min() > 2


def test_samples_of_the_mixture():
    game = three()
    with turn_rng(0, 0, 0):
        x = game.sample(3000)
    shares = torch.stack([(x == b).all(1).float().mean() for b in game.G.b])
    assert (shares - 1 / 3).abs().max() < 0.03
    assert game.noise(5).shape == (5, 4)


@pytest.mark.parametrize("shape", [(2,), (1, 16, 16)])
def test_the_recipe_keeps_the_rules(shape):
    torch.manual_seed(0)
    game = madgan(shape, generators=3, networks=Networks(latent=6, width=8))
    data = iter(lambda: (torch.randn(4, *shape).clamp(-1, 1),), None)
    seen = check_game(game, data)
    assert seen.turns == (("D",), ("G",))
    assert seen.terms == {"D": ("real", "fake"), "G": ("fool",)}
    assert game.sample(3).shape == (3, *shape)
    assert game.D(torch.zeros(2, *shape)).shape == (2, 4)
    with torch.no_grad():
        one, other, _ = game.G(torch.randn(5, 6))
    assert (one - other).abs().max() > 1e-4


@pytest.mark.parametrize("kind", ["toy", "mlp", "dcgan", "cnn", "resnet"])
def test_generators_of_every_kind_share_their_first_half(kind):
    torch.manual_seed(0)
    plan = Networks(kind, latent=6, width=8)
    game = madgan((1, 16, 16), generators=2, networks=plan)
    trunk, branch = ({id(p) for p in part.parameters()} for part in (game.G.trunk, game.G.branches[0]))
    assert trunk
    assert branch
    assert not trunk & branch
    separate = madgan((1, 16, 16), generators=2, shared=0, networks=plan)
    assert not list(separate.G.trunk.parameters())


def test_what_is_shared_learns_from_every_generator():
    torch.manual_seed(0)
    G = BranchingGenerator([MLPGenerator((2,), latent=3, width=4) for _ in range(2)], 1)
    z = torch.randn(5, 3)
    for k in (0, 1):
        G.zero_grad()
        G(z)[k].sum().backward()
        assert G.trunk[0][0].weight.grad.abs().sum() > 0
        assert all((p.grad is None or not p.grad.any()) for p in G.branches[1 - k].parameters())
    h = G.trunk(z)
    torch.testing.assert_close(G(z)[1], G.branches[1](h))


def test_numbers_out_of_range_are_refused():
    small = Networks(latent=2, width=4)
    with pytest.raises(GameError, match="at least 1 generator"):
        madgan((2,), generators=0, networks=small)
    with pytest.raises(GameError, match="from 0 to 4, not 5"):
        madgan((2,), shared=5, networks=small)
    assert len(madgan((2,), generators=1, networks=small, critic=Adam(1e-3)).G.branches) == 1
