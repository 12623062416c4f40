"""What can be done with codes: reconstructions, walks, attributes, neighbours; from Python and by commands."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from sparring import RECIPES, recipe
from sparring.abilities import SupportsEncoding
from sparring.cli import main
from sparring.errors import DataError, GameError
from sparring.game import Game
from sparring.inference.encoding import (
    ENCODERS,
    attribute_direction,
    edit,
    encode,
    interpolate_images,
    knn_accuracy,
    nearest_neighbours,
    reconstruct,
    relative_error,
)
from sparring.recipes.options import Networks

SHAPE = (1, 2, 2)


class Linear(Game):
    """Encodes by doubling and decodes by halving, beyond which it is no game."""

    def __init__(self) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(()))

    players = round = None

    def noise(self, n):
        return torch.randn(n, 4)

    def sample(self, n, *, noise=None):
        return (noise / 2).view(-1, *SHAPE) * (0 if self.training else 1)

    def encode(self, x):
        return 2 * x.flatten(1) * (0 if self.training else 1)


def few(n, seed=0):
    return torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(seed))


def test_an_inverse_pair_reconstructs_any_number_of_inputs():
    game = Linear().train()
    for n in (1, 70, 129):
        torch.testing.assert_close(reconstruct(game, few(n)), few(n))
    assert game.training, "evaluation mode only while it works"
    torch.testing.assert_close(encode(game, few(3)), 2 * few(3).flatten(1))


def test_a_walk_begins_and_ends_at_the_reconstructions():
    a, b = few(2)
    way = interpolate_images(Linear(), a, b, 5)
    assert way.shape == (5, *SHAPE)
    torch.testing.assert_close(way[[0, -1]], torch.stack([a, b]))
    with pytest.raises(DataError, match="2 frames"):
        interpolate_images(Linear(), a, b, 1)


def test_an_attribute_is_the_difference_of_means_and_is_added_by_its_strength():
    game, plain = Linear(), few(50)
    glasses = torch.zeros(*SHAPE)
    glasses[0, 0, 1] = 3.0
    direction = attribute_direction(game, plain + glasses, plain)
    torch.testing.assert_close(direction, 2 * glasses.flatten())
    for strength in (1.0, -0.5, 0.0):
        torch.testing.assert_close(edit(game, plain, direction, strength), plain + strength * glasses)


def test_neighbours_are_nearest_first_and_the_probe_counts_their_classes():
    among = torch.arange(10.0)[:, None, None, None].expand(-1, *SHAPE)
    x = torch.tensor([2.2, 7.9])[:, None, None, None].expand(-1, *SHAPE)
    assert nearest_neighbours(Linear(), x, among, 3).tolist() == [[2, 3, 1], [8, 7, 9]]
    known = torch.arange(10) % 5
    assert knn_accuracy(Linear(), x, torch.tensor([2, 3]), among, known) == 1.0
    assert knn_accuracy(Linear(), x, torch.tensor([2, 4]), among, known) == 0.5


class Halving(Linear):
    """Gives back half of every number."""

    def encode(self, x):
        return x.flatten(1)


class Blind(Linear):
    """An encoder independent of its input."""

    def encode(self, x):
        return torch.ones(len(x), 4)


def test_the_relative_error_is_zero_for_an_inverse_and_one_for_a_constant_encoder():
    x = few(40)
    assert relative_error(Linear(), x) == pytest.approx(0, abs=1e-6)
    assert relative_error(Blind(), x[:2]) == pytest.approx(1)
    ends = torch.tensor([0.0, 4.0])[:, None, None, None].expand(-1, *SHAPE)  # given back as 0 and 2
    assert relative_error(Halving(), ends) == pytest.approx((0 + 2) / (2 + 4))
    with pytest.raises(DataError, match="2 images"):
        relative_error(Linear(), x[:1])


def test_games_that_cannot_encode_are_refused_with_recipes_that_can():
    game = recipe("nsgan")((2,), networks=Networks(latent=2, width=4))
    with pytest.raises(GameError, match=r"vae, vae-gan, bigan or latent-regressor, .*train-encoder"):
        reconstruct(game, torch.zeros(2, 2))
    odd = Linear()
    odd.encode = lambda x: x.flatten(1)[:, :3]
    with pytest.raises(GameError, match="samples need latents of the shape"):
        encode(odd, few(2))
    assert set(ENCODERS) <= set(RECIPES)
    assert all(
        isinstance(recipe(name)((2,), networks=Networks(latent=2, width=4)), SupportsEncoding) for name in ENCODERS
    )


# --- commands


def test_the_commands_leave_pictures(runs_, tmp_path, capsys):
    run, with_, without = (str(runs_ / name) for name in ("vae", "with", "without"))
    assert main(["reconstruct", run, with_, f"{without}/0.png", "--out", str(tmp_path / "r.png")]) == 0
    ends = ["--images", f"{with_}/0.png", f"{without}/1.png", "--frames", "3"]
    assert main(["interpolate", run, *ends, "--out", str(tmp_path / "w.gif")]) == 0
    sets = ["--with", with_, "--without", without, "--images", with_, "--strength", "2"]
    assert main(["edit", run, *sets, "--out", str(tmp_path / "a.png")]) == 0
    with Image.open(tmp_path / "w.gif") as film:
        assert film.size == (256, 256)
    for name, columns in (("r.png", 8), ("a.png", 9)):
        with Image.open(tmp_path / name) as grid:
            assert columns - 1 < grid.width / grid.height < columns + 1, "all in one row"
    assert "4 images" in capsys.readouterr().out


def test_an_encoder_is_trained_by_a_command_on_the_data_of_the_run(runs_, tmp_path, capsys):
    out = str(tmp_path / "encoder")
    words = ["train-encoder", str(runs_ / "dcgan"), "--out", out, "--steps", "2", "--width", "4", "--device", "cpu"]
    assert main(words) == 0
    assert main(["reconstruct", out, str(runs_ / "with"), "--out", str(tmp_path / "r.png")]) == 0
    assert main(["train-encoder", "--help"]) == 0
    assert "usage" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["reconstruct", "dcgan", "with"], "train vae"),
        (["interpolate", "dcgan", "--images", "with/0.png", "with/1.png"], "train vae"),
        (["interpolate", "vae", "--images", "with/0.png"], "--images a.png b.png"),
        (["reconstruct", "nsgan", "with"], "points"),
        (["reconstruct", "vae", "nowhere"], "nowhere"),
        (["train-encoder"], "Name the run first"),
        (["train-encoder", "nowhere", "--out", "x"], "no run folder"),
    ],
)
def test_a_slip_gets_one_sentence(runs_, capsys, monkeypatch, words, remedy):
    monkeypatch.chdir(runs_)
    assert main(words) == 2
    output = capsys.readouterr().err
    assert remedy in output
    assert output.count("\n") == 1
