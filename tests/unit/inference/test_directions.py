"""Directions and inversions of generators with known solutions: linear ones."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from sparring import data
from sparring.cli import main
from sparring.errors import DataError, GameError
from sparring.inference.directions import (
    closed_form_directions,
    principal_directions,
    shift_along,
    truncation_sweep,
)
from sparring.inference.inversion import invert
from sparring.inference.sampling import latents_from_seeds, sample_seeds
from sparring.runs.state import load_game
from support.linear_generators import SIZES, linear
from support.runs import IMAGES, play, quick, start


@pytest.mark.parametrize("find", [principal_directions, closed_form_directions])
def test_directions_of_a_linear_generator_are_its_right_singular_vectors(find):
    game = linear()
    found = find(game, 3)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))
    along = (found @ game.G.turn[:, :3]).abs()
    torch.testing.assert_close(along, torch.eye(3), atol=0.05 if find is principal_directions else 1e-5, rtol=0)


def test_the_first_layer_may_be_a_transposed_convolution():
    game = linear()
    straight = closed_form_directions(game, 2)

    class Convolved(nn.Module):
        latent = 5

        def __init__(self, layer):
            super().__init__()
            self.layer = nn.ConvTranspose2d(5, 1, 4, bias=False)
            self.layer.weight.data = layer.weight.data.T.unflatten(1, (1, 4, 4)).clone()

        def forward(self, z):
            return self.layer(z[:, :, None, None])

    game.G = Convolved(game.G.layer)
    torch.testing.assert_close(closed_form_directions(game, 2).abs(), straight.abs(), atol=1e-5, rtol=0)


def test_features_decide_what_is_to_vary():
    game = linear()
    weak = game.G.layer.weight.detach() @ game.G.turn[:, 4] / SIZES[4]  # where in the image the weakest direction shows
    (found,) = principal_directions(game, 1, features=lambda x: x.flatten(1) @ weak[:, None])
    assert (found @ game.G.turn[:, 4]).abs() > 0.99


def test_moving_noise_moves_samples_by_so_much():
    game = linear()
    noise, direction = latents_from_seeds(game, range(3)), game.G.turn[:, 0]
    drawn = shift_along(game, noise, direction, [-1.0, 0.0, 2.0])
    assert drawn.shape == (3, 3, 1, 4, 4)
    torch.testing.assert_close(drawn[:, 1], sample_seeds(game, range(3)))
    lengths = (drawn - drawn[:, 1:2]).flatten(2).norm(dim=2)
    torch.testing.assert_close(lengths, torch.tensor([4.0, 0.0, 8.0]).expand(3, 3), atol=1e-4, rtol=1e-4)


def test_truncation_interpolates_from_the_mean_to_the_sample():
    game = linear()
    drawn = truncation_sweep(game, [0, 1], [0.0, 0.5, 1.0])
    torch.testing.assert_close(drawn[:, 0].flatten(1), game.G.layer.bias.expand(2, 16))
    torch.testing.assert_close(drawn[:, 2], sample_seeds(game, [0, 1]))
    torch.testing.assert_close(drawn[:, 1], (drawn[:, 0] + drawn[:, 2]) / 2)


def test_what_cannot_be_explored_is_refused():
    game = linear()
    with pytest.raises(DataError, match="request 1 to 5"):
        closed_form_directions(game, 6)
    with pytest.raises(DataError, match="request 1 to 5"):
        principal_directions(game, 0)
    with pytest.raises(DataError, match="resize"):
        invert(game, torch.zeros(1, 1, 8, 8))
    game.G = nn.Sequential(nn.Flatten(), nn.Unflatten(1, (1, 1, 5)))
    game.G.latent = 5
    with pytest.raises(GameError, match="use principal"):
        closed_form_directions(game)
    game.sample = lambda n, noise=None: torch.zeros(n, 1, 1, 5)
    with pytest.raises(GameError, match="does not sample by its generator"):
        invert(game, torch.zeros(1, 1, 1, 5))
    del game.G
    with pytest.raises(GameError, match="no single generator"):
        invert(game, torch.zeros(1, 1, 1, 5))


def test_the_commands_leave_what_they_name(capsys, tmp_path, monkeypatch):
    quick(monkeypatch)
    run = play(start(tmp_path / "run", "nsgan", kind=IMAGES), 2)
    monkeypatch.undo()
    folder, out = str(run.folder), tmp_path / "out"
    for kind in ("principal", "closed"):
        words = ["directions", folder, "--kind", kind, "--count", "2", "--columns", "3", "--seeds", "0-1"]
        assert main([*words, "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        f"{k}-{n}.png" for k in ("closed", "principal") for n in (1, 2)
    ]
    assert main(["sample", folder, "--truncation", "0", "1", "--seeds", "0", "--out", str(out / "t.png")]) == 0
    image = tmp_path / "one.png"
    Image.fromarray(data.load("digits", size=8).values[0, ..., 0]).save(image)
    assert main(["invert", folder, str(image), "--steps", "2", "--out", str(out / "i.png")]) == 0
    assert np.load(out / "i.npy").shape == tuple(load_game(run.folder).noise(1).shape)
    assert "mean squared error" in capsys.readouterr().out
    assert main(["sample", folder, "--truncation", "0", "1", "--text", "x"]) == 2
    assert main(["directions", folder, "--columns", "1"]) == 2
