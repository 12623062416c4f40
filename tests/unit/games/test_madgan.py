"""Several generators: mixtures of independent games, and MAD-GAN, whose critic classifies its generators."""

import math

import pytest
import torch
from torch import nn

from sparring.check import check_game
from sparring.errors import GameError
from sparring.game import adam
from sparring.games.madgan import MADGAN, identity_loss, real_loss
from sparring.recipes.madgan import madgan
from sparring.recipes.options import Adam, Networks
from sparring.rng import turn_rng
from support.toys import batches

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
    probability = table.softmax(1)[:, -1]
    value = (data * probability.log()).sum() + (spread.sum(0) * (1 - probability).log()).sum()
    assert value.item() == pytest.approx(-2.249341, abs=1e-5)
    probability = best(P, Q)[0].softmax(1)[:, -1]
    assert (P * probability.log()).sum() + (Q.sum(0) * (1 - probability).log()).sum() > -2.249341 + 0.01


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


def test_numbers_out_of_range_are_refused():
    small = Networks(latent=2, width=4)
    with pytest.raises(GameError, match="at least 1 generator"):
        madgan((2,), generators=0, networks=small)
    with pytest.raises(GameError, match="from 0 to 4, not 5"):
        madgan((2,), shared=5, networks=small)
    assert len(madgan((2,), generators=1, networks=small, critic=Adam(1e-3)).G.branches) == 1
