"""Codes in a file, by the names of their images; and that every game which encodes can do all that one can."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from sparring import RECIPES, recipe
from sparring.abilities import SupportsEncoding, SupportsPosteriors
from sparring.cli import main
from sparring.data import load_images
from sparring.data.annotations.row_names import row_names
from sparring.errors import DataError
from sparring.games.common.latent_codes import LatentCodes
from sparring.inference import encoding, latent_table
from sparring.runs.fitted_encoder import RECIPE
from sparring.runs.state import load_game
from support import runs
from support.command_line import refused
from support.runs import IMAGES, play, start, tiny

quick = pytest.fixture(autouse=True)(runs.quick)
SHAPE = (1, 8, 8)


def encoders():
    """Every recipe for images without conditions whose game encodes."""
    for name, row in RECIPES.items():
        if row.needs in ("points or images", "images") and isinstance(
            recipe(name)(SHAPE, **settings(name)), SupportsEncoding
        ):
            yield name


def settings(name):
    given = tiny(name)
    return given | ({"networks": recipe(name).__kwdefaults__["networks"]} if "networks" in given else {})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for name in ("b.png", "a.png", "more/c.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Runs of a game that encodes to rows and of one with posteriors."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sparring.runs.snapshots.save_grid", lambda *_, **__: None)
        for name in ("vae", "infogan", "dcgan"):
            play(start(folder / name, name, IMAGES), 1)
    return folder


def test_rows_are_named_by_their_files_and_by_number_where_there_are_none(folder):
    assert row_names(folder, 3) == [str(folder / name) for name in ("a.png", "b.png", "more/c.png")]
    assert row_names(folder / "b.png", 1) == [str(folder / "b.png")]
    assert row_names("digits", 2) == ["digits/0", "digits/1"]
    assert row_names("some.npy", 2) == ["some.npy/0", "some.npy/1"]


def test_codes_are_written_by_name(made, folder, tmp_path, capsys):
    out = tmp_path / "codes.npz"
    sources = [str(folder), "digits"]
    assert main(["encode", str(made / "vae"), *sources, "--max-images", "5", "--out", str(out), "--device", "cpu"]) == 0
    assert "codes of 5 images, 8 numbers each" in capsys.readouterr().out
    with np.load(out) as book:
        assert book["names"].tolist()[1:4] == [str(folder / "b.png"), str(folder / "more/c.png"), "digits/0"]
        assert book["columns"].tolist() == [f"z{k}" for k in range(8)]
        game = load_game(made / "vae", device="cpu")
        expected = encoding.encode(game, load_images(sources, shape=SHAPE, max_images=5))
        np.testing.assert_allclose(book["codes"], expected.numpy(), rtol=1e-5, atol=1e-6)
        codes = book["codes"]
    assert main(["encode", str(made / "vae"), *sources, "--max-images", "5", "--out", str(tmp_path / "codes.csv")]) == 0
    with open(tmp_path / "codes.csv", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["name", *(f"z{k}" for k in range(8))]
    assert rows[4][0] == "digits/1"
    np.testing.assert_allclose(np.array([row[1:] for row in rows], np.float32), codes, rtol=1e-5, atol=1e-6)


def test_an_infogan_writes_its_posterior_of_each_code(made, folder):
    game = load_game(made / "infogan", device="cpu")
    book = latent_table.encode_files(game, [folder], shape=SHAPE)
    assert book.columns == (*(f"category0={k}" for k in range(10)), "continuous0", "continuous1")
    np.testing.assert_allclose(book.codes[:, :10].sum(1), 1, rtol=1e-5)
    x = load_images([folder], shape=SHAPE)
    read = game.code.posterior(game.judged(x)[1])
    np.testing.assert_allclose(book.codes, read.numpy(), rtol=1e-4, atol=1e-6)
    assert isinstance(game, SupportsPosteriors)


def test_the_parts_of_a_posterior_are_called_what_the_codes_are():
    parts = LatentCodes((3, 2), 1).parts(torch.arange(6.0)[None])
    assert {name: part.tolist() for name, part in parts.items()} == {
        "category0": [[0, 1, 2]],
        "category1": [[3, 4]],
        "continuous0": [[5]],
    }


def test_what_cannot_be_written_is_refused_in_one_sentence(made, folder, capsys, tmp_path):
    run, given = str(made / "vae"), str(folder)
    assert "use .npz or .csv" in refused(capsys, "encode", run, given, "--out", str(tmp_path / "codes.txt"))
    assert "train vae" in refused(capsys, "encode", str(made / "dcgan"), given, "--out", str(tmp_path / "c.npz"))
    assert "No image is given" in refused(capsys, "encode", run, "--out", str(tmp_path / "c.npz"))
    with pytest.raises(DataError, match=r"use \.npz"):
        latent_table.LatentTable((), (), np.zeros((0, 2))).save(tmp_path / "codes")


def test_the_games_that_encode_are_known():
    assert {*encoding.ENCODERS, "infogan"} <= set(encoders())


@pytest.mark.parametrize("name", [*encoding.ENCODERS, "infogan", "fitted"])
def test_every_game_that_encodes_can_do_all_that_one_can(made, folder, tmp_path, capsys, name):
    run = tmp_path / "run"
    if name == "fitted":
        arguments = {"of": str(made / "dcgan"), "width": 4}
        play(start(run, RECIPE, IMAGES, arguments=arguments), 1)
    else:
        play(start(run, name, IMAGES), 1)
    game, x = load_game(run, device="cpu"), load_images(["digits"], shape=SHAPE, max_images=12)
    codes = encoding.encode(game, x)
    assert codes.shape == (12, game.noise(1).shape[1])
    assert encoding.reconstruct(game, x).shape == x.shape
    assert encoding.interpolate_images(game, x[0], x[1], 4).shape == (4, *SHAPE)
    direction = encoding.attribute_direction(game, x[:6], x[6:])
    torch.testing.assert_close(direction, codes[:6].mean(0) - codes[6:].mean(0), rtol=1e-4, atol=1e-5)
    assert encoding.edit(game, x, direction).shape == x.shape
    assert encoding.nearest_neighbours(game, x, x)[:, 0].tolist() == list(range(12))
    assert encoding.knn_accuracy(game, x, torch.arange(12), x, torch.arange(12)) == 1
    words, given = ["--device", "cpu", "--out"], str(folder)
    pair = [str(folder / "a.png"), str(folder / "b.png")]
    assert main(["encode", str(run), given, *words, str(tmp_path / "c.csv")]) == 0
    assert main(["reconstruct", str(run), given, *words, str(tmp_path / "r.png")]) == 0
    assert main(["interpolate", str(run), "--frames", "2", "--images", *pair, *words, str(tmp_path / "w.gif")]) == 0
    sets = ["--with", str(folder / "more"), "--without", pair[0], "--images", pair[1]]
    assert main(["edit", str(run), *sets, *words, str(tmp_path / "a.png")]) == 0
