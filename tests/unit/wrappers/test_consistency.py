"""CR, bCR, zCR and LeCam: values by hand."""

import pytest
import torch
from torch import nn

from sparring.augment import flip_and_shift
from sparring.games.gan import GAN
from sparring.objectives import NonSaturating
from sparring.wrappers.consistency import BCR, CR, ZCR, LeCam
from support.critic_terms import Image, eye, gan, moves, pictures
from support.toys import LinearCritic, Point, batches, learn


def test_cr_is_zero_for_an_invariant_critic_and_lambda_times_the_square_elsewhere():
    def step(x):
        return x + torch.tensor([1.0, 0.0])

    assert moves(CR(gan((0.0, 5.0)), step))[0].terms["cr"].item() == 0
    assert moves(CR(gan((3.0, 5.0)), step, 10.0))[0].terms["cr"].item() == pytest.approx(90.0, rel=1e-4)
    assert moves(BCR(gan((3.0, 5.0)), step, 10.0))[0].terms["bcr"].item() == pytest.approx(180.0, rel=1e-4)


def test_bcr_balances_reals_and_fakes():
    """T doubles: on reals at 3 and fakes at 1 the score w·x moves by 3 and by 1."""
    game = GAN(Point(1.0, spread=0.0), LinearCritic((1.0, 0.0)), NonSaturating(), **learn)
    reals = iter([(torch.full((4, 2), 3.0),)])
    assert moves(BCR(game, lambda x: 2 * x, 1.0), reals)[0].terms["bcr"].item() == pytest.approx(9.0 + 1.0)


def test_cr_is_zero_for_images_and_a_critic_of_their_mean():
    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(()))

        def forward(self, x):
            return self.w * x.mean((1, 2, 3))

    flipped = CR(GAN(Image(), Mean(), NonSaturating(), **learn), lambda x: x.flip(3))
    assert moves(flipped, pictures())[0].terms["cr"].item() < 1e-12
    shown = CR(GAN(Image(), Mean(), NonSaturating(), **learn), flip_and_shift)
    assert moves(shown, pictures())[0].terms["cr"].item() > 1e-6


def test_zcr_pulls_scores_together_and_samples_apart():
    """G(z) = b + s z and D = w·x: z′ − z = σ n gives λ σ² s² ‖w‖² to D, and −μ σ² s² to G, in the mean."""
    game = ZCR(gan((3.0, 4.0), spread=2.0), radius=0.1, weight=20.0, spread=0.5)
    D, G = moves(game, batches(n=20_000))
    assert D.terms["zcr"].item() == pytest.approx(20 * 0.01 * 4 * 25, rel=0.05)
    assert G.terms["variety"].item() == pytest.approx(-0.5 * 0.01 * 4, rel=0.05)
    assert set(G.terms) == {"adversarial", "variety"}


def test_zcr_moves_g_apart_and_d_flat():
    game = ZCR(GAN(Image(), eye(), NonSaturating(), **learn), radius=1.0, weight=1.0, spread=1.0)
    D, G = moves(game, pictures())
    (slope,) = torch.autograd.grad(G.terms["variety"], game.G.body.weight)
    assert (slope * game.G.body.weight).sum() < 0, "larger weights tell z from z′ better"
    assert torch.autograd.grad(D.terms["zcr"], game.G.body.weight, allow_unused=True) == (None,)


def test_lecam_by_hand_after_three_steps():
    """Reals score 3, 5, 4 and fakes 1, then 1, then 1: the means follow by a tenth of the way."""
    D = LinearCritic((1.0, 0.0))
    game = LeCam(GAN(Point(1.0, spread=0.0), D, NonSaturating(), **learn), weight=0.3, decay=0.9, start=10)
    data = iter([(torch.full((4, 2), value),) for value in (9.0, 3.0, 5.0, 4.0)])
    assert set(moves(game, data, step=9)[0].terms) == {"adversarial"}
    assert (game.usual_real.item(), game.usual_fake.item()) == (0.0, 0.0), "untouched before the start"
    terms, means = [], []
    for step in (10, 11, 12):
        terms.append(moves(game, data, step=step)[0].terms["lecam"].item())
        means.append(game.usual_real.item())
        D.w.data[1] += 1  # from now on fakes score 1 more, and reals their second coordinate more
    # step 10: real 3, fake 1, means 3 and 1.               (3 − 1)² + (3 − 1)² = 8
    # step 11: real 10, fake 2, means 3.7 and 1.1.          8.9² + 1.7²
    # step 12: real 12, fake 3, means 4.53 and 1.29.        10.71² + 1.53²
    assert means == pytest.approx([3.0, 3.7, 4.53])
    assert terms == pytest.approx([0.3 * 8, 0.3 * (8.9**2 + 1.7**2), 0.3 * (10.71**2 + 1.53**2)], rel=1e-5)


def test_lecam_charges_neither_reals_below_the_fakes_nor_fakes_above_the_reals():
    game = LeCam(GAN(Point(9.0, spread=0.0), LinearCritic((1.0, 0.0)), NonSaturating(), **learn), start=0)
    assert moves(game)[0].terms["lecam"].item() == 0
    assert LeCam(gan()).start == 1000
