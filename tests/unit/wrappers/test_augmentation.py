"""Augmentation and its adaptive probability."""

from functools import partial

import pytest
import torch
from torch import nn

from sparring.augment import AdaptiveAugment, DiffAugment, flip_and_shift
from sparring.augment.diffaugment import translation
from sparring.check import check_game
from sparring.errors import GameError
from sparring.game import LatentGame, Move
from sparring.games.gan import GAN
from sparring.objectives import Hinge, NonSaturating
from sparring.training.trainer import train
from sparring.wrappers.augmentation import AdaptiveAugmentation, Augmentation
from sparring.wrappers.consistency import BCR, CR, LeCam
from sparring.wrappers.gradient_penalties import R1
from support.critic_terms import Image, Scaled, adaptive, eye, gan, moves, pictures
from support.toys import LinearCritic, Point, batches, learn


@pytest.mark.parametrize("norm", [nn.Identity, nn.BatchNorm2d])
def test_augmentations_play_with_images(norm):
    torch.manual_seed(0)
    for wrap in (
        lambda game: Augmentation(game, DiffAugment),
        lambda game: AdaptiveAugmentation(game, partial(AdaptiveAugment, 0.5), every=1),
        lambda game: CR(BCR(game, flip_and_shift), flip_and_shift),
        lambda game: R1(Augmentation(AdaptiveAugmentation(game, partial(AdaptiveAugment, 0.5)), DiffAugment), 1.0),
    )[: 4 if norm is nn.Identity else 3]:  # R1 needs a critic without batch norm
        game = wrap(GAN(Image(), eye(norm), Hinge(), **learn))
        check_game(game, pictures())
        assert game.sample(2).shape == (2, 1, 8, 8)


def test_p_rises_by_the_papers_step_when_every_real_is_known_and_falls_below_the_target():
    game = adaptive(1.0)
    history = []
    for step in range(8):
        moves(game, batches(n=64), step=step)
        history.append(game.p.item())
    up = 4 * 64 / 500_000
    assert history == pytest.approx([0, 0, 0, up, up, up, up, 2 * up]), "measured in every fourth round"
    game = adaptive(-1.0, p=0.5)
    moves(game, batches(n=64), step=3)
    assert game.p.item() == pytest.approx(0.5 - up, abs=1e-7)


def test_the_trainer_logs_p_after_each_step_beside_the_terms():
    game = adaptive(1.0, images=512)
    found = [report.scalars() for report in train(R1(game, 1.0), batches(n=64), 8)]
    assert [terms["augment/p"] for terms in found] == pytest.approx([0, 0, 0, 0.5, 0.5, 0.5, 0.5, 1])
    assert "D/adversarial" in found[0]


def test_p_stays_a_probability():
    for score, p in ((-1.0, 0.0), (1.0, 1.0)):
        game = adaptive(score, p=p, images=256)
        for _ in range(3):
            moves(game, batches(n=64), step=3)
        assert game.p.item() == p


def test_the_target_is_a_mean_of_signs():
    """Of five reals four score above zero, then three: r is .6, which is on target, and .2."""
    for positive, direction in ((5, 1), (4, 0), (3, -1)):
        x = torch.tensor([[2.0, 0.0]] * positive + [[-90.0, 0.0]] * (5 - positive))
        game = AdaptiveAugmentation(gan((1.0, 0.0)), partial(AdaptiveAugment, 0.5, parts=()), every=1, images=50)
        moves(game, iter([(x,)]))
        assert game.p.item() == pytest.approx(0.5 + direction * 0.1)


def test_parts_of_a_batch_move_p_as_the_whole_does():
    """A hundred images to go from 0 to 1: 8 of them, seen since the last of every four rounds, move p by .32."""
    for parts in (1, 2, 4):
        game = adaptive(1.0, images=100)
        for _ in train(game, batches(n=8 // parts), 4, grad_accum=parts):
            pass
        assert game.p.item() == pytest.approx(0.32)


def test_all_processes_count(monkeypatch):
    """Here every real is above zero, elsewhere below: the mean decides, and the batch is that of both."""
    for module in ("augmentation", "consistency"):
        monkeypatch.setattr(f"sparring.wrappers.{module}.batch_mean", lambda x: (x.mean() - 1) / 2)
    monkeypatch.setattr("sparring.wrappers.augmentation.num_shards", lambda: 2)
    game = adaptive(1.0, p=0.5, images=1000)
    moves(game, batches(n=10), step=3)
    assert game.p.item() == pytest.approx(0.5 - 4 * 20 / 1000)
    game = LeCam(GAN(Point(1.0, spread=0.0), LinearCritic((1.0, 0.0)), NonSaturating(), **learn), start=0)
    moves(game, iter([(torch.full((4, 2), 3.0),)]))
    assert (game.usual_real.item(), game.usual_fake.item()) == (1.0, 0.0)


def test_the_measure_costs_one_pass_and_leaves_no_trace():
    game = adaptive(1.0)
    D = game.unwrapped.D.critic
    moves(game, step=0)
    unmeasured = D.passes.item()
    calls = []
    D.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    moves(game, step=3)
    assert len(calls) == 4
    assert calls[-1] is False
    assert D.passes.item() == 2 * unmeasured, "what D remembers of its passes is as if there had been no measure"


def test_the_measure_does_not_disturb_training():
    def trained(wrap):
        torch.manual_seed(0)
        game = wrap(GAN(Image(), eye(nn.BatchNorm2d), NonSaturating(), **learn))
        for _ in train(game, pictures(), 9):
            pass
        return game.unwrapped.G.body.weight

    still = partial(AdaptiveAugment, 0.0)
    measured = trained(lambda game: AdaptiveAugmentation(game, still, target=2.0, every=2))  # r is never above
    assert torch.equal(measured, trained(lambda game: Augmentation(game, still)))


def test_the_measure_uses_batch_norm_in_training_mode_and_the_augmentation():
    seen = []

    class Spy(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("p", torch.tensor(0.0))

        def forward(self, x):
            seen.append(self.training)
            return x

    game = AdaptiveAugmentation(GAN(Image(), eye(nn.BatchNorm2d), NonSaturating(), **learn), Spy, every=1)
    moves(game, pictures())
    assert seen == [True] * 4


def test_a_conditional_critic_is_measured_with_its_conditions():
    class Conditional(LatentGame):
        def one_hot(self, labels):
            return (labels.float(),)

        def round(self, data, step):
            x, y = next(data)
            yield Move("D", adversarial=-self.D(x, y).mean())
            yield Move("G", adversarial=-self.D(self.G(self.noise(len(x))), y).mean())

    class Labelled(LinearCritic):
        def forward(self, x, y):
            return super().forward(x) + y

    data = iter([(torch.zeros(4, 2), torch.ones(4, dtype=torch.long))])
    game = AdaptiveAugmentation(Conditional(Point(), Labelled((1.0, 1.0)), **learn), Scaled, every=1)
    moves(game, data)
    assert game.p > 0
    with pytest.raises(GameError, match="that of Conditional also takes 'y'"):
        R1(Conditional(Point(), Labelled((1.0, 1.0)), **learn), 1.0)


def test_translation_alone_can_be_the_policy():
    game = Augmentation(GAN(Image(), eye(), Hinge(), **learn), partial(DiffAugment, (translation,)))
    check_game(game, pictures())
