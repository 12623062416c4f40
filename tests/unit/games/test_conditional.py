"""The conditional game: labels of reals and fakes, moves and samples of a class."""

from functools import partial

import pytest
import torch
from torch import nn

from sparring.check import check_game
from sparring.errors import GameError
from sparring.game import adam
from sparring.games.conditional import ConditionalGAN
from sparring.inference.sampling import generate, interpolate_seeds, latents_from_seeds, sample_seeds
from sparring.layers.normalization import ClassConditionalBatchNorm
from sparring.layers.simple import ProjectionHead
from sparring.objectives import Hinge
from sparring.rng import fixed_seed
from sparring.training.trainer import train
from support.conditional import CLASSES, SHAPE, labelled, small
from support.toys import learn

# --- the game


class Told(nn.Module):
    """A generator or critic of points that keeps what it was told."""

    def __init__(self):
        super().__init__()
        self.latent, self.heard = 2, []
        self.w = nn.Parameter(torch.tensor([0.5, -0.5]))


class Draws(Told):
    def forward(self, z, *y):
        self.heard.append(y)
        return z + self.w


class Judges(Told):
    def forward(self, x, *y):
        self.heard.append((x.detach(), *y))
        return x @ self.w + (y[0] @ torch.tensor([0.0, 10.0, 100.0]) if y else 0)


def told(classes=CLASSES, **settings):
    return ConditionalGAN(Draws(), Judges(), Hinge(), classes=classes, **settings, **learn)


@pytest.mark.parametrize("classes", [CLASSES, None])
def test_the_game_keeps_the_rules_with_and_without_classes(classes):
    seen = check_game(small(classes, critic_steps=2), labelled(classes=classes))
    assert seen.turns == (("D",), ("D",), ("G",))
    assert seen.terms == {"D": ("adversarial",), "G": ("adversarial",)}


def test_data_without_labels_have_0_classes_and_train_unconditionally():
    assert small(0).classes is None
    assert small(0).noise(2).shape == (2, 6)


def test_reals_keep_their_labels_and_fakes_those_they_were_drawn_with():
    game = told()
    x, labels = torch.zeros(4, 2), torch.tensor([2, 0, 1, 1])
    first, second = game.round(iter([(x, labels)]), 0)
    (drawn,), (drawn_again,) = game.G.heard
    (real, on_real), (fake, on_fake), (_, on_fake_again) = game.D.heard
    assert torch.equal(real, x)
    assert torch.equal(on_real, torch.eye(3)[labels])
    assert torch.equal(on_fake, drawn)
    assert torch.equal(on_fake_again, drawn_again)
    assert not torch.equal(drawn, drawn_again), "new labels in G's move"
    scores = [fake @ game.D.w + on_fake @ torch.tensor([0.0, 10.0, 100.0]), torch.tensor([100.0, 0.0, 10.0, 10.0])]
    expected = (1 + scores[0]).relu().mean() + (1 - scores[1]).relu().mean()
    assert first.loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert second.terms["adversarial"].item() < 0


def test_the_critics_move_reaches_no_generator_and_the_generators_move_does():
    game = told()
    first, second = game.round(labelled((2,)), 0)
    assert torch.autograd.grad(first.loss, game.G.w, allow_unused=True, retain_graph=True) == (None,)
    (pull,) = torch.autograd.grad(second.loss, game.G.w)
    assert torch.allclose(pull, -game.D.w), "L_G = −E D(G)"


def test_labels_of_fakes_are_uniform_and_no_part_of_z():
    noise = told().noise(6000)
    assert set(noise[:, 2:].unique().tolist()) == {0.0, 1.0}
    assert (noise[:, 2:].sum(1) == 1).all()
    assert noise[:, 2:].mean(0).tolist() == pytest.approx([1 / 3] * 3, abs=0.02)
    assert torch.cov(noise.T)[:2, 2:].abs().max() < 0.03


def test_changing_the_label_changes_the_sample_and_its_score():
    game = small().eval()
    with torch.no_grad():  # tables that differ, as they do once something was learnt
        for layer in game.modules():
            if isinstance(layer, ClassConditionalBatchNorm):
                layer.gain.normal_()
    rows = game.noise(4)
    one, other = (game.sample(4, noise=rows, label=label) for label in (0, 2))
    assert not torch.allclose(one, other, atol=1e-3)
    assert torch.equal(game.sample(4, noise=torch.cat([rows[:, :6], torch.eye(3)[[2] * 4]], 1)), other)
    y = torch.eye(3)
    assert not torch.allclose(game.D(one, y[[0] * 4]), game.D(one, y[[1] * 4]), atol=1e-4)


def test_without_labels_or_with_an_unknown_one_there_is_a_sentence():
    with pytest.raises(GameError, match="no labels"):
        next(told().round(labelled((2,), classes=0), 0))
    for label in (-1, 3):
        with pytest.raises(GameError, match="no class"):
            told().sample(2, label=label)
    with pytest.raises(GameError, match="has no classes"):
        told(None).sample(2, label=0)


def test_labels_of_data_are_ignored_by_a_game_without_classes():
    game = told(None)
    list(game.round(labelled((2,)), 0))
    assert game.G.heard == [(), ()]
    assert all(len(heard) == 1 for heard in game.D.heard)


def test_a_row_of_noise_is_all_there_is_to_a_sample():
    game = small()
    rows = latents_from_seeds(game, range(5))
    assert rows.shape == (5, 6 + CLASSES)
    assert torch.equal(generate(game, rows), sample_seeds(game, range(5)))
    with fixed_seed(3):
        assert torch.equal(game.noise(1), rows[3:4])
    assert interpolate_seeds(game, [0, 1, 2], 5).shape == (5, *SHAPE)


def test_a_mixture_of_classes_is_normalised():
    game = told()
    rows = torch.tensor([[1.0, 2.0, 0.3, 0.3, 0.0], [1.0, 2.0, 0.0, 7.0, 0.0], [1.0, 2.0, 0.0, 0.0, 0.0]])
    z, y = game.split(rows)
    assert torch.equal(z, rows[:, :2])
    assert y.tolist() == [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]


def test_the_game_learns_which_class_is_where():
    """Three classes at three places; a generator that adds y's row to its noise must find them."""

    class Places(nn.Module):
        def __init__(self):
            super().__init__()
            self.latent, self.place = 2, nn.Linear(3, 2, bias=False)

        def forward(self, z, y):
            return self.place(y) + 0.1 * z

    class Critic(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk, self.head = (
                nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU()),
                ProjectionHead(32, 3),
            )

        def forward(self, x, y):
            return self.head(self.trunk(x), y)

    torch.manual_seed(0)
    centres = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])

    def data():
        while True:
            y = torch.randint(3, (64,))
            yield centres[y] + 0.1 * torch.randn(64, 2), y

    quick = {"critic": partial(adam, lr=4e-3), "generator": partial(adam, lr=1e-2)}
    game = ConditionalGAN(Places(), Critic(), Hinge(), classes=3, **quick)
    for _ in train(game, data(), 200):
        pass
    assert (game.G.place.weight.T - centres).norm(dim=1).max() < 0.4
