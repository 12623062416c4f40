"""R1, R2 and DRAGAN: values by hand, lazy penalties, the Dirac game."""

import pytest
import torch
from torch import nn

from sparring.games.gan import GAN
from sparring.objectives import Minimax, NonSaturating
from sparring.rng import turn_rng
from sparring.training.trainer import train
from sparring.wrappers.augmentation import Augmentation
from sparring.wrappers.gradient_penalties import DRAGAN, R1, R2
from support.critic_terms import Alone, gan, moves
from support.toys import LinearCritic, Point, learn


@pytest.mark.parametrize("penalty", [R1, R2])
def test_r1_and_r2_of_a_linear_critic_are_half_gamma_times_its_squared_norm(penalty):
    move, other = moves(penalty(gan((3.0, 4.0)), 10.0))
    assert move.terms[penalty.__name__.lower()].item() == pytest.approx(5 * 25)
    assert set(other.terms) == {"adversarial"}


def test_r1_uses_reals_and_r2_uses_fakes():
    class Square(LinearCritic):
        def forward(self, x):
            return self.w.mean() * x.square().sum(1) / 2  # whose slope is w x

    reals = iter([(torch.full((4, 2), 3.0),)] * 9)
    game = GAN(Point(1.0, spread=0.0), Square((1.0, 1.0)), NonSaturating(), **learn)
    assert moves(R1(game, 2.0), reals)[0].terms["r1"].item() == pytest.approx(18.0)
    assert moves(R2(game, 2.0), reals)[0].terms["r2"].item() == pytest.approx(2.0)
    loss = moves(R2(game, 2.0), reals)[0].loss
    assert torch.autograd.grad(loss, game.G.b, allow_unused=True) == (None,), "G pays nothing for it"


@pytest.mark.parametrize("make", [lambda game, k: R1(game, 10.0, every=k), lambda game, k: DRAGAN(game, every=k)])
def test_a_lazy_penalty_is_k_times_as_high_every_kth_step_and_absent_elsewhere(make):
    full = moves(make(gan(), 1))[0].terms
    (name,) = set(full) - {"adversarial"}
    paid = {step: moves(make(gan(), 4), step=step)[0].terms.get(name) for step in range(9)}
    assert [step for step, value in paid.items() if value is not None] == [0, 4, 8]
    assert all(value.item() == pytest.approx(4 * full[name].item()) for value in paid.values() if value is not None)


def test_dragan_charges_by_hand_and_stays_near_the_data():
    assert moves(DRAGAN(gan((3.0, 4.0)), 10.0))[0].terms["dragan"].item() == pytest.approx(160.0, rel=1e-5)
    seen = []

    class Spy(LinearCritic):
        def forward(self, x):
            seen.append(x.detach())
            return super().forward(x)

    x = torch.randn(512, 2) * torch.tensor([1.0, 3.0])
    game = DRAGAN(GAN(Point(), Spy((1.0, 0.0)), NonSaturating(), **learn), spread=0.25)
    with turn_rng(0, 0, 0):
        next(game.round(iter([(x,)]), 0))
    moved = (seen[-1] - x) / (0.25 * x.std())  # α u, both uniform on [0, 1)
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert moved.mean().item() == pytest.approx(0.25, abs=0.03)


def test_r1_and_augmentation_need_neither_g_nor_noise():
    game = R1(Augmentation(Alone("D"), nn.Identity), 2.0)
    assert moves(game)[0].terms["r1"].item() == pytest.approx(2.0)


# The promise of R1


def dirac(gamma):
    """Plays the Dirac game: the data lie at 0, the fake at θ, D(x) = ψx. Returns |(θ, ψ)| after each step."""

    class Slope(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.tensor([0.0]))

        def forward(self, x):
            return x @ self.w

    def slide(network):
        return torch.optim.SGD(network.parameters(), lr=0.2)

    game = GAN(Point(1.0, spread=0.0, dim=1), Slope(), Minimax(), critic=slide, generator=slide)
    if gamma:
        game = R1(game, gamma)
    zeros = iter(lambda: (torch.zeros(4, 1),), None)
    away = []
    for _ in train(game, zeros, 200):
        away.append(torch.cat([game.G.b, game.D.w]).norm().item())
    return away


def test_r1_makes_the_dirac_game_settle_and_without_it_it_circles():
    assert min(dirac(0.0)) > 0.9
    settled = dirac(1.0)
    assert settled[-1] < 1e-5
    # At the critical γ = 1 both eigenvalues are −½: after 40 units of time e⁻²⁰, times a polynomial.
    weak = dirac(0.25)
    assert 1e-4 < weak[-1] < 0.05, "γ = ¼ has the real parts −⅛: e⁻⁵"
