"""What networks return: surely wrong shapes are refused, likely mistakes noted, and nothing else is."""

from itertools import repeat

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sparring.check import check_game
from sparring.cli import main
from sparring.errors import GameError
from sparring.game import Game, LatentGame, Move
from sparring.games.gan import GAN
from sparring.objectives import Hinge, LeastSquares, NonSaturating
from sparring.recipes.options import Adam
from support.runs import IMAGES, start

SHAPE, ROWS = (1, 8, 8), 5


class G(nn.Module):
    """A generator of images."""

    def __init__(self, finish=torch.tanh, latent=4):
        super().__init__()
        self.body, self.finish = nn.Sequential(nn.Linear(4, 64), nn.Unflatten(1, SHAPE)), finish
        if latent is not None:
            self.latent = latent

    def forward(self, z):
        return self.finish(self.body(z))


class D(nn.Module):
    """A critic with scores (N, 1), and what is done to them."""

    def __init__(self, finish=lambda scores: scores.flatten()):
        super().__init__()
        self.body, self.finish = nn.Sequential(nn.Flatten(), nn.Linear(64, 1)), finish

    def forward(self, x):
        return self.finish(self.body(x))


class Own(LatentGame):
    """A user's game: one loss for all, of scores and targets."""

    def __init__(self, critic, loss, scale=lambda x: x, generator=None):
        super().__init__(generator or G(), critic, critic=Adam(), generator=Adam())
        self.loss, self.scale = loss, scale

    def round(self, data, step):
        x, *_ = next(data)
        real = self.loss(self.D(self.scale(x)), torch.ones(len(x)))
        yield Move("D", loss=real + self.loss(self.D(self.fakes(len(x))), torch.zeros(len(x))))
        yield Move("G", loss=self.loss(self.D(self.G(self.noise(len(x)))), torch.ones(len(x))))


def gan(objective, finish=lambda scores: scores.flatten(), generator=None):
    return GAN(generator or G(), D(finish), objective, critic=Adam(), generator=Adam())


def images(change=lambda x: x):
    """Signed images."""
    torch.manual_seed(0)
    return repeat((change(torch.rand(ROWS, *SHAPE) * 2 - 1),))


def notes(game, data=None):
    return check_game(game, data or images()).notes


def column(scores):
    return scores


def patches(scores):
    return scores[:, :, None, None].expand(-1, 1, 3, 3)


def probability(scores):
    return scores.flatten().sigmoid()


def squared(scores, target):
    return (scores - target).square().mean()


def entropy(p, target):
    return F.binary_cross_entropy(p, target)


def entropy_of_scores(scores, target):
    return F.binary_cross_entropy_with_logits(scores, target)


def entropy_of_logits(p, target):
    return F.softplus(-torch.logit(p)).mean() + 0 * target.sum()


def by_pairs(scores, target):
    return (scores[:, None] - scores).square().mean() + (scores.mean() - target).square().mean()


def by_column_and_row(scores, target):
    return (scores - scores.flatten()).square().mean() + (scores.mean() - target).square().mean()


@pytest.mark.parametrize("loss", [squared, lambda scores, target: F.l1_loss(target, scores)])
@pytest.mark.parametrize("finish", [column, lambda scores: scores[:, :, None, None]])
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_scores_that_meet_all_targets_are_refused(loss, finish):
    """A mean over 25 in place of 5 differences, which trains towards the mean of the targets."""
    shape = "(5, 1)" if finish is column else "(5, 1, 1, 1)"
    with pytest.raises(GameError, match="compares each of them with all of 5 numbers: end the forward of D") as error:
        check_game(Own(D(finish), loss), images())
    assert f"D returns scores of shape {shape}" in str(error.value)


class Bare(Game):
    """A game that names no critics, with a loss of scores and targets."""

    def __init__(self, critic, loss):
        super().__init__()
        self.net, self.loss = critic, loss

    def players(self):
        return {"net": Adam()(self.net)}

    def round(self, data, step):
        x, *_ = next(data)
        yield Move("net", loss=self.loss(self.net(x), torch.ones(len(x))))


def test_a_game_that_names_no_critics_is_watched_all_the_same():
    with pytest.raises(GameError, match=r"net returns scores of shape \(5, 1\), and sub compares"):
        check_game(Bare(D(column), squared), images())
    (note,) = notes(Bare(D(probability), entropy_of_scores))
    assert note.startswith("net ends in a sigmoid")
    assert notes(Bare(D(probability), entropy)) == ()


def test_a_critic_that_adds_a_column_to_a_row_is_refused():
    with pytest.raises(GameError, match=r"D returns scores of shape \(5, 5\) for 5 rows"):
        check_game(gan(NonSaturating(), lambda scores: scores + scores.flatten()), images())


@pytest.mark.parametrize("finish", [column, lambda scores: scores[:, :, None, None]])
def test_a_column_of_scores_is_noted_where_numbers_are_expected(finish):
    (note,) = notes(gan(NonSaturating(), finish))
    assert note.startswith("D returns scores of shape (5, 1")
    assert note.endswith(", not (5,): end its forward with .flatten().")


@pytest.mark.parametrize("objective", [NonSaturating(), Hinge(), LeastSquares(-1, 1, 0)])
def test_a_sigmoid_is_noted_where_scores_are_to_be_raw(objective):
    (note,) = notes(gan(objective, probability))
    assert note.startswith("D ends in a sigmoid, and ")
    assert note.endswith(": remove the sigmoid, so that its scores are raw.")


def test_a_sigmoid_is_noted_where_a_users_loss_applies_its_own():
    (note,) = notes(Own(D(probability), entropy_of_scores))
    assert "binary_cross_entropy_with_logits is applied on top" in note
    (note,) = notes(Own(D(probability), lambda p, target: F.softplus(-(2 * p - target)).mean()))
    assert "softplus is applied on top" in note


@pytest.mark.parametrize(
    "game",
    [
        lambda: gan(NonSaturating()),
        lambda: gan(NonSaturating(), patches),
        lambda: gan(LeastSquares(), probability),
        lambda: Own(D(probability), entropy),
        lambda: Own(D(probability), entropy_of_logits),
        lambda: Own(D(lambda scores: scores.flatten()), by_pairs),
        lambda: Own(D(column), by_column_and_row),
        lambda: Own(D(lambda scores: scores.flatten()), entropy_of_scores),
        lambda: Own(D(column), lambda scores, target: squared(scores, target[:, None])),
        lambda: Own(D(lambda scores: (scores.flatten(), scores)), lambda both, target: squared(both[0], target)),
        lambda: gan(NonSaturating(), generator=G(nn.Identity())),
        lambda: gan(NonSaturating(), lambda scores: torch.cat([scores] * ROWS, 1)),
    ],
)
def test_what_is_as_it_should_be_is_not_noted(game):
    assert [note for note in notes(game()) if "not (5,)" not in note] == []


@pytest.mark.parametrize(
    ("finish", "words"),
    [
        (nn.Sigmoid(), "G generates images from 0."),
        (nn.ReLU(), "G generates images from 0 "),
        (lambda x: 127.5 * (x.tanh() + 1), "Most pixels that G makes lie outside of [-1, 1]"),
    ],
)
def test_a_generator_of_another_range_is_noted(finish, words):
    (note,) = notes(gan(NonSaturating(), generator=G(finish)))
    assert note.startswith(words)
    assert "tanh" in note


def test_images_of_another_range_are_noted():
    (note,) = notes(gan(NonSaturating()), images(lambda x: (x + 1) / 2))
    assert note.startswith("D gets images from 0.")
    assert note.endswith("give D 2 * x - 1 for an x from 0 to 1.")
    (note,) = notes(Own(D(lambda scores: scores.flatten()), squared, scale=lambda x: (x + 1) * 127.5))
    assert note.startswith("D gets images from 0")


@pytest.mark.parametrize("change", [lambda x: (x.abs() * 127).round() * 2 / 255 + 1 / 255, lambda x: x.clamp(-1, 0)])
def test_bright_or_dark_images_are_not_noted(change):
    """8-bit images in [-1, 1] are odd multiples of 1/255, none of which is 0."""
    assert notes(gan(NonSaturating()), images(change)) == ()


class Between(Own):
    """A game that plays in [0, 1] and returns samples in [-1, 1]."""

    def sample(self, n, **asked):
        return 2 * super().sample(n, **asked) - 1


def test_a_game_that_plays_in_another_range_throughout_returns_samples_in_that_of_the_data():
    game = D(lambda scores: scores.flatten()), squared, lambda x: (x + 1) / 2, G(nn.Sigmoid())
    assert notes(Between(*game)) == ()
    (note,) = notes(Own(*game))
    assert note.startswith("Samples are from 0.")
    assert note.endswith("let sample() return 2 * y - 1.")


def test_samples_of_another_shape_than_the_data_are_noted():
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 1), nn.Flatten(0))
    larger = ((torch.rand(ROWS, 1, 16, 16) * 2 - 1,) for _ in range(99))
    (note,) = notes(GAN(G(), pooled, NonSaturating(), critic=Adam(), generator=Adam()), larger)
    assert note.startswith("Samples are of shape (1, 8, 8), and images of the data of shape (1, 16, 16): ")


def test_one_number_for_a_batch_is_noted():
    (note,) = notes(gan(NonSaturating(), torch.mean))
    assert note.startswith("D returns one number for 5 rows: ")


@pytest.mark.parametrize(
    ("latent", "what"), [(None, "has no attribute latent"), ((4, 1, 1), r"has latent = \(4, 1, 1\)")]
)
def test_a_generator_that_does_not_state_its_noise_is_one_sentence(latent, what):
    with pytest.raises(GameError, match=rf"The generator G {what}: set self.latent in its __init__"):
        check_game(gan(NonSaturating(), generator=G(latent=latent)), images())


def test_a_critic_that_is_not_there_is_named():
    game = gan(NonSaturating())
    game.critic_networks = lambda: ("E",)
    with pytest.raises(GameError, match=r"critic_networks\(\) names 'E', but the game has no such network"):
        check_game(game, images())


def squashed(shape: tuple[int, ...]) -> GAN:
    return gan(NonSaturating(), probability)


def unsigned(shape: tuple[int, ...]) -> Game:
    return gan(NonSaturating(), generator=G(nn.Sigmoid()))


def spread(shape: tuple[int, ...]) -> Game:
    return Own(D(column), squared)


def nameless(shape: tuple[int, ...]) -> GAN:
    return gan(NonSaturating(), generator=G(latent=None))


@pytest.mark.parametrize("fast", ["auto", "off"])
def test_check_and_train_report_the_same(tmp_path, capsys, fast):
    sentence = "D ends in a sigmoid, and NonSaturating expects scores without bounds: remove the sigmoid"
    data = ["--data", "digits", "--size", "8", "--batch-size", "4", "--fast", fast]
    assert main(["check", "unit.training.test_output_checks:squashed", *data]) == 0
    assert f"note: {sentence}" in capsys.readouterr().out
    words = ["--steps", "1", "--device", "cpu", "--out", str(tmp_path / "run")]
    assert main(["train", "unit.training.test_output_checks:squashed", *data, *words]) == 0
    assert f"note: {sentence}" in capsys.readouterr().err


def test_check_prints_a_note_once_though_its_figures_depend_on_the_draws(capsys):
    assert (
        main(
            [
                "check",
                "unit.training.test_output_checks:unsigned",
                "--data",
                "digits",
                "--size",
                "8",
                "--batch-size",
                "4",
            ]
        )
        == 0
    )
    assert capsys.readouterr().out.count("end the forward of G with a tanh") == 1


@pytest.mark.parametrize(("recipe", "words"), [("spread", "all of 8 numbers"), ("nameless", "no attribute latent")])
@pytest.mark.parametrize("fast", ["auto", "off"])
def test_nothing_is_written_of_a_game_that_is_refused(tmp_path, recipe, words, fast):
    with pytest.raises(GameError, match=words):
        start(
            tmp_path / "run",
            f"unit.training.test_output_checks:{recipe}",
            IMAGES,
            size=8,
            batch_size=8,
            arguments={},
            fast=fast,
        )
    assert not (tmp_path / "run").exists()
