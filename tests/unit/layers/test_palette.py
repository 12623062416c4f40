"""Drawings in few colours: k-means, the scale that learns to take them, and what SinGAN makes of them."""

import numpy as np
import pytest
import torch
from PIL import Image

from sparring.check import check_game
from sparring.cli import main
from sparring.errors import DataError
from sparring.game import evaluation_mode
from sparring.inference import single_image
from sparring.layers.palette import Palette
from sparring.layers.resampling import resize_bicubic
from support.runs import PHOTO, after_a_stop, play, start
from support.singan import X, photographs, small, trained

QUANTISED = {"quantise": 1, "colours": 3}


def colours_of(x):
    return x.flatten(2)[0].T.unique(dim=0)


def test_k_means_finds_blobs_and_gives_every_pixel_the_nearest():
    centres = torch.tensor([[-0.8, 0.0], [0.7, 0.6], [0.5, -0.9]])
    chance = torch.Generator().manual_seed(1)
    which = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)[torch.randperm(100, generator=chance)]
    x = (centres[which] + 0.05 * torch.randn(100, 2, generator=chance)).T.reshape(1, 2, 10, 10)
    palette = Palette(2, 3)
    palette.fit(x)
    assert (palette.centres - centres).abs().max() < 0.05, "and the commonest come first"
    means = torch.stack([x.flatten(2)[0].T[which == k].mean(0) for k in range(3)])
    torch.testing.assert_close(palette.centres, means)
    torch.testing.assert_close(palette(x).flatten(2)[0].T, means[which])


def test_k_means_is_no_worse_than_any_pixels_and_the_same_always():
    first, again = Palette(3, 5), Palette(3, 5)
    first.fit(X)
    torch.manual_seed(9)
    again.fit(X)
    assert torch.equal(first.centres, again.centres)
    off = (first(X) - X).square().sum().item()
    pixels = X.flatten(2)[0].T
    for seed in range(20):
        guess = Palette(3, 5)
        guess.centres.copy_(pixels[torch.randperm(len(pixels), generator=torch.Generator().manual_seed(seed))[:5]])
        assert off < (guess(X) - X).square().sum().item()
    assert off < 32.3, "what four hundred starts reach"
    assert len(colours_of(first(X))) == 5


def test_an_image_of_fewer_colours_keeps_them():
    palette = Palette(3, 5)
    x = torch.zeros(1, 3, 4, 4)
    x[..., 2:] = 0.5
    palette.fit(x)
    assert torch.equal(palette(x), x)


def test_the_scale_learns_from_images_in_colours_of_the_photograph_and_the_others_do_not():
    game = trained(6, **QUANTISED)
    for k, few in ((1, True), (2, False)):
        seen = []
        hook = game.G[k].register_forward_pre_hook(lambda _, given, seen=seen: seen.append(given[1].detach()))
        for _ in game.round(photographs(), 2 * k):
            pass
        hook.remove()
        assert len(seen) == 3 + 3 + 3, "every sample and every reconstruction"
        assert all((len(colours_of(y)) <= 3) == few for y in seen)
    with evaluation_mode(game):
        below = resize_bicubic(game.reconstruct(0), game.sizes[1])
    known = Palette(3, 3)
    known.fit(resize_bicubic(X, game.sizes[0]))
    assert torch.equal(game.palette.centres, known.centres)
    missing = resize_bicubic(X, game.sizes[1]) - known(below)
    assert game.amplitudes[1].item() == pytest.approx(0.1 * missing.square().mean().sqrt().item(), rel=1e-5)


def test_scales_below_learn_the_same_as_without():
    plain, quantised = trained(2), trained(2, **QUANTISED)
    assert all(torch.equal(a, b) for a, b in zip(plain.G.parameters(), quantised.G.parameters(), strict=True))
    assert "palette.centres" not in plain.state_dict(), "older checkpoints fit"


def test_the_rules_hold_and_a_stop_changes_nothing():
    check_game(small(**QUANTISED), photographs())
    assert after_a_stop(lambda: small(rounds=1, **QUANTISED), photographs) == ""


def test_a_drawing_enters_where_the_game_takes_it_in_its_colours():
    game = trained(6, quantise=2, colours=3).eval()
    game.amplitudes.zero_()
    drawing = -X
    with evaluation_mode(game):
        coarse = resize_bicubic(drawing, game.sizes[1])
        expected = game.G[2](torch.zeros(1, *game.noise_shape(2)), game.palette(resize_bicubic(coarse, game.sizes[2])))
    torch.testing.assert_close(single_image.paint_to_image(game, drawing), expected.clamp(-1, 1))


def test_any_game_can_be_given_a_drawing_in_the_photographs_colours():
    game = trained(6).eval()
    game.amplitudes.zero_()
    palette = Palette(3, 4)
    palette.fit(resize_bicubic(X, game.sizes[0]))
    drawing = palette(resize_bicubic(resize_bicubic(-X, game.sizes[0]), game.sizes[1]))
    with evaluation_mode(game):
        expected = game.run_scales([torch.zeros(1, *game.noise_shape(k)) for k in (1, 2)], drawing, 1)
    torch.testing.assert_close(single_image.paint_to_image(game, -X, colours=4), expected.clamp(-1, 1))
    with pytest.raises(DataError, match="give 2 or more"):
        single_image.paint_to_image(game, X, colours=1)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"quantise": 0}, "cannot enter at scale 0: the scales above the coarsest are 1 to 2"),
        ({"quantise": 3}, "cannot enter at scale 3"),
        ({"colours": 5}, "add --quantise 1"),
        ({"quantise": 1, "colours": 1}, "cannot have 1 colours: give 2 to 256"),
    ],
)
def test_what_cannot_be_learned_is_refused(settings, match):
    with pytest.raises(DataError, match=match):
        small(**settings)


def test_the_command_trains_and_paints_with_few_colours(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sparring.runs.snapshots.save_grid", lambda *_, **__: None)
    words = ["--width", "4", "--smallest", "11", "--rounds", "1", "--quantise", "2", "--device", "cpu"]
    assert main(["singan", PHOTO["data"], "--size", "24", "--out", str(tmp_path / "run"), *words]) == 0
    drawing, out = tmp_path / "drawing.png", tmp_path / "painted.png"
    Image.fromarray(np.random.default_rng(0).integers(256, size=(16, 24, 3)).astype(np.uint8)).save(drawing)
    for more in ([], ["--scale", "1", "--colours", "4"]):
        assert main(["singan", "paint", str(tmp_path / "run"), str(drawing), "--out", str(out), *more]) == 0
        with Image.open(out) as image:
            assert image.size == (24, 16)
    capsys.readouterr()
    assert main(["singan", "paint", str(tmp_path / "run"), str(drawing), "--colours", "1"]) == 2
    assert "give 2 or more" in capsys.readouterr().err


def test_older_runs_of_the_same_settings_go_on(tmp_path, monkeypatch):
    """A record that was made before these settings were is the same run."""
    monkeypatch.setattr("sparring.runs.snapshots.save_grid", lambda *_, **__: None)
    run = play(start(tmp_path / "run", "singan", PHOTO), 1)
    file = run.folder / "run.json"
    file.write_text(file.read_text().replace('"quantise": null,', "").replace('"colours": null,', ""))
    assert start(tmp_path / "run", "singan", PHOTO).step == 1
