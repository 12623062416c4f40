"""FastGAN's game: the hinge over all scores, reconstruction of reals alone, shared fakes, classes."""

import pytest
import torch
from torch import nn

from sparring.check import check_game
from sparring.errors import DataError, GameError
from sparring.games.common.multiscale import Perception
from sparring.games.fastgan import FastGAN
from sparring.networks.common.perceptual import ClassifierMaps
from sparring.recipes.projected_fastgan import class_count, fastgan
from sparring.recipes.techniques import Techniques, apply_techniques
from sparring.training.trainer import train
from sparring.wrappers.augmentation import Augmentation
from support.toys import learn

SHAPE = (1, 16, 16)


class Maker(nn.Module):
    """G(z) = z as an image of two pixels, plus a parameter."""

    def __init__(self):
        super().__init__()
        self.latent, self.b = 2, nn.Parameter(torch.zeros(()))

    def forward(self, z):
        return self.b + z[:, None, None, :]


class Scorer(nn.Module):
    """D(x) = w x at every pixel; it rebuilds w x, which should be x, and x + 1, which should be x + 3."""

    def __init__(self, w=0.5):
        super().__init__()
        self.w, self.seen = nn.Parameter(torch.tensor(w)), []

    def forward(self, x):
        return self.w * x[:, 0]

    def reconstruct(self, x):
        self.seen.append(x)
        return self(x), [(self.w * x, x), (x + 1, x + 3)]


def toy(**settings):
    return FastGAN(Maker(), Scorer(), **learn, **settings)


def pixels(*values):
    """Returns endless batches of images of two pixels."""
    while True:
        yield (torch.tensor(values).view(-1, 1, 1, 2),)


def labelled(classes=3, n=4):
    generator = torch.Generator().manual_seed(0)
    while True:
        x = torch.randn(n, *SHAPE, generator=generator).clamp(-1, 1)
        yield x, torch.randint(classes, (n,), generator=generator)


def images():
    for x, _ in labelled():
        yield (x,)


def small(shape=SHAPE, classes=None, **settings):
    torch.manual_seed(0)
    return fastgan(shape, classes, latent=4, width=4, **settings)


def test_the_terms_are_the_papers():
    game = toy(reconstruction=10.0)
    noise = torch.tensor([[2.0, -4.0]])
    game.noise = lambda n: noise
    (first, second) = game.round(pixels(3.0, -1.0), 0)
    # Scores of the real are 1.5 and -.5, those of the fake 1 and -2.
    assert first.terms["adversarial"].item() == pytest.approx((0 + 1.5) / 2 + (2 + 0) / 2)
    # |.5 x - x| is 1.5 and .5 and so 1 on average, |x + 1 - (x + 3)| is 2.
    assert first.terms["reconstruction"].item() == pytest.approx(10 * (1 + 2))
    assert (first.player, second.player, set(second.terms)) == ("D", "G", {"adversarial"})
    assert second.terms["adversarial"].item() == pytest.approx(-(1 - 2) / 2)


def test_only_real_images_are_rebuilt():
    game = toy()
    _ = list(game.round(pixels(3.0, -1.0), 0))
    (seen,) = game.D.seen
    assert seen.flatten().tolist() == [3.0, -1.0]


def test_both_players_move_on_one_draw_of_fakes_and_d_leaves_g_alone():
    game = toy()
    draws = []
    game.G.register_forward_hook(lambda layer, given, made: draws.append(made))
    first, second = game.round(pixels(3.0, -1.0), 0)
    assert len(draws) == 1
    assert torch.autograd.grad(first.loss, game.G.b, allow_unused=True, retain_graph=True) == (None,)
    assert torch.autograd.grad(second.loss, game.G.b)[0].item() == pytest.approx(-0.5), "G follows D upwards"


def test_the_reconstruction_reaches_the_critic():
    game = toy()
    first, _ = game.round(pixels(3.0, -1.0), 0)
    # d/dw (mean |w x - x|) = -mean |x| for w below 1
    assert torch.autograd.grad(first.terms["reconstruction"], game.D.w)[0].item() == pytest.approx(-2)


def test_a_perceptual_distance_takes_the_place_of_the_absolute_one():
    double = nn.Conv2d(1, 1, 1, bias=False)
    with torch.no_grad():
        double.weight.fill_(2.0)

    class Maps(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = double

        def forward(self, x):
            return [self.body(x)]

    game = toy(perception=Perception(Maps(), (1.0,), 3.0)).train()
    first, _ = game.round(pixels(3.0, -1.0), 0)
    assert first.terms["reconstruction"].item() == pytest.approx(3 * 2 * (1 + 2))
    assert not game.V.training
    assert not any(parameter.requires_grad for parameter in game.V.parameters())
    assert id(double.weight) not in {
        id(p) for player in game.players().values() for p in player.param_groups[0]["params"]
    }


def test_the_recipe_measures_in_features_on_request():
    game = small((1, 32, 32), perception="classifier").unwrapped
    assert isinstance(game.V, ClassifierMaps)
    assert game.distance.weight == 1
    assert small().unwrapped.V is None
    x = torch.zeros(2, 1, 32, 32)
    (first, _) = game.round(iter([(x,)]), 0)
    assert first.terms["reconstruction"].isfinite()
    with torch.no_grad():
        assert game.distance(x, x).item() == 0


def test_what_is_rebuilt_is_the_augmented_image_and_all_that_d_sees_is_augmented():
    class Shift(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen = []

        def forward(self, x):
            self.seen.append(x.flatten().tolist())
            return x + 100

    game = toy()
    wrapped = Augmentation(game, Shift)
    noise = torch.tensor([[2.0, -4.0]])
    game.noise = lambda n: noise
    _ = list(wrapped.round(pixels(3.0, -1.0), 0))
    assert game.D.critic.seen[0].flatten().tolist() == [103.0, 99.0]
    assert game.D.transform.seen == [[3.0, -1.0], [2.0, -4.0], [2.0, -4.0]]


@pytest.mark.parametrize("classes", [3, None])
def test_the_game_keeps_the_rules_with_and_without_classes(classes):
    game = small(classes=classes, conditional=bool(classes))
    seen = check_game(game, labelled() if classes else images())
    assert seen.turns == (("D",), ("G",))
    assert seen.terms == {"D": ("adversarial", "reconstruction"), "G": ("adversarial",)}
    assert seen.notes == ()


def test_the_critic_takes_each_image_with_its_own_class():
    game = small(classes=3, conditional=True, diffaugment=False)
    given = []
    score, rebuild = game.D.forward, game.D.reconstruct
    game.D.forward = lambda x, *y: given.append(y) or score(x, *y)
    game.D.reconstruct = lambda x, *y: given.append(y) or rebuild(x, *y)
    made = []
    game.G.register_forward_pre_hook(lambda layer, args: made.append(args[1]))
    data = [next(labelled())]
    _ = list(game.round(iter(data), 0))
    (real,), (fake,), (again,) = given
    assert real.argmax(1).tolist() == data[0][1].tolist()
    assert torch.equal(fake, made[0])
    assert torch.equal(again, made[0])


def test_labels_are_ignored_unless_they_are_wanted_and_missed_if_they_are():
    game = small(classes=3)
    assert game.classes is None
    assert game.sample(2).shape == (2, *SHAPE)
    check_game(game, labelled())
    assert (class_count(3, True), class_count(3, False), class_count(0, False)) == (3, None, None)
    with pytest.raises(DataError, match="folder of its own"):
        small(classes=0, conditional=True)


def test_the_recipe_augments_once():
    assert isinstance(small(), Augmentation)
    assert isinstance(small(diffaugment=False), FastGAN)
    with pytest.raises(GameError, match="FastGAN augments its samples already: leave Augmentation out"):
        apply_techniques(small, SHAPE, Techniques(augment="diff"))
    game = apply_techniques(lambda shape: small(shape, diffaugment=False), SHAPE, Techniques(augment="diff"))
    assert isinstance(game, Augmentation)


def test_virtual_batch_norm_keeps_references_out_of_what_is_rebuilt():
    game = apply_techniques(small, SHAPE, Techniques(virtual_batch_norm=3))
    data = images()
    for _ in train(game, data, 1):
        pass
    scores, pairs = game.unwrapped.D.reconstruct(next(data)[0])
    assert len(scores) == 4
    assert [(len(made), len(wanted)) for made, wanted in pairs] == [(4, 4), (4, 4)]


def test_the_settings_are_the_papers():
    game = fastgan((3, 256, 256), width=8)
    groups = [player.param_groups[0] for player in game.players().values()]
    assert [(group["lr"], group["betas"]) for group in groups] == [(2e-4, (0.5, 0.999))] * 2
    assert (game.unwrapped.reconstruction, game.G.latent) == (1.0, 256)


def test_packs_are_rebuilt_as_packs():
    game = apply_techniques(small, SHAPE, Techniques(packing=2))
    for report in train(game, images(), 2):
        report.require_finite()
    assert game.sample(3).shape == (3, *SHAPE)
    assert game.unwrapped.D.reconstruct(torch.zeros(2, 2, 16, 16))[1][0][0].shape == (2, 2, 16, 16)
