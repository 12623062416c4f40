"""Sentences in use: samples of a sentence, walks between two, words never read, refusals in one sentence."""

import numpy as np
import pytest
import torch
from PIL import Image

from sparring.cli import main
from sparring.data.annotations.captions import tokenize
from sparring.errors import DataError, GameError
from sparring.inference import conditional, sampling
from sparring.recipes.gan import nsgan
from sparring.recipes.stackgan import stackgan
from sparring.recipes.techniques import Techniques
from sparring.runs.run import Run
from sparring.runs.state import load_game
from support import runs
from support.captions import SAID as TEXTS
from support.captions import as_lines, pictures
from support.command_line import refused
from support.runs import play

quick = pytest.fixture(autouse=True)(runs.quick)
SMALL = {"width": 4, "condition": 3, "latent": 5, "features": 16}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sentences")
    as_lines(pictures(folder / "data"))
    made = Run.create(folder / "run", "stackgan", data=folder / "data", arguments=SMALL, batch_size=3, device="cpu")
    play(made, 2)
    return folder / "run"


@pytest.fixture
def game(run):
    return load_game(run, device="cpu")


def test_samples_of_a_sentence_keep_all_else_of_their_seeds(game):
    rows = sampling.latents_from_seeds(game, range(5))
    expected = sampling.generate(game, game.with_text(rows, tokenize(["a green square"])))
    assert torch.equal(conditional.sample_text(game, range(5), "A green square!"), expected)
    assert not torch.equal(conditional.sample_text(game, range(5), "blue"), expected)


def test_a_walk_visits_its_sentences_and_is_linear_between(game):
    stops = [conditional.sample_text(game, [3], text)[0] for text in ("a red square", "blue")]
    way = conditional.interpolate_texts(game, 3, ["a red square", "blue"], 5, loop=False)
    torch.testing.assert_close(torch.stack([way[0], way[4]]), torch.stack(stops))
    row = sampling.latents_from_seeds(game, [3])
    middle = (game.with_text(row, tokenize(["a red square"])) + game.with_text(row, tokenize(["blue"]))) / 2
    torch.testing.assert_close(way[2], sampling.generate(game, middle)[0])
    back = conditional.interpolate_texts(game, 3, ["a red square", "blue"], 4)
    torch.testing.assert_close(back[1], back[3])


def test_wrapped_games_support_conditional_sampling(tmp_path, run):
    wrapped = Run.create(
        tmp_path / "wrapped",
        "stackgan",
        data=run.parent / "data",
        arguments=SMALL,
        techniques=Techniques(instance_noise=0.1),
        batch_size=3,
        device="cpu",
    )
    play(wrapped, 1)
    assert "with_text" in vars(wrapped.inference_game), "from Python 3.12 on a protocol checks no more than that"
    assert conditional.sample_text(wrapped.inference_game, [0], "blue").shape == (1, 3, 8, 8)


def test_sample_and_interpolate_take_sentences(capsys, run, tmp_path, game):
    out = tmp_path / "out.png"
    words = ["sample", str(run), "--text", "a crimson square", "--seeds", "5", "--out", str(out), "--device", "cpu"]
    assert main(words) == 0
    assert ": crimson." in capsys.readouterr().out
    assert out.exists()
    assert main([*words[:3], "Something BLUE", *words[4:]]) == 0
    assert "do not occur in the captions" not in capsys.readouterr().out
    folder = tmp_path / "files"
    assert main(["sample", str(run), "--text", "blue", "--seeds", "5", "--out", str(folder), "--device", "cpu"]) == 0
    seen = np.asarray(Image.open(folder / "000005.png")).astype(int)
    expected = (conditional.sample_text(game, [5], "blue")[0].permute(1, 2, 0) + 1) * 127.5
    assert np.abs(seen - expected.numpy()).max() <= 1
    film = tmp_path / "walk.gif"
    assert main(["interpolate", str(run), "--texts", "a red square", "blue", "--frames", "4", "--out", str(film)]) == 0
    assert film.exists()


def test_what_cannot_be_drawn_is_refused_in_one_sentence(capsys, run, tmp_path):
    plain = str(runs.start(tmp_path / "plain", "nsgan", runs.IMAGES).folder)
    assert "draws no sentences: train stackgan" in refused(capsys, "sample", plain, "--text", "a heart")
    assert "draws no sentences" in refused(capsys, "interpolate", plain, "--texts", "a heart", "a dog")
    assert "leave --text out" in refused(capsys, "sample", str(run), "--text", "a", "--label", "1")
    assert "has no words" in refused(capsys, "sample", str(run), "--text", "?!")
    assert "two texts or more" in refused(capsys, "interpolate", str(run), "--texts", "a heart")
    assert "one seed" in refused(capsys, "interpolate", str(run), "--texts", "a", "b", "--seeds", "1,2")
    assert "leave --labels or --texts out" in refused(
        capsys, "interpolate", str(run), "--texts", "a", "b", "--labels", "0,1"
    )
    assert "the data has no classes" in refused(capsys, "sample", str(run), "--label", "1")
    assert "needs captions" in refused(capsys, "train", "stackgan", "--data", "digits", "--steps", "1")


def test_refusals_in_python():
    torch.manual_seed(0)
    with pytest.raises(GameError, match="draws no sentences"):
        conditional.sample_text(nsgan((2,)), [0], "a heart")
    game = stackgan((1, 8, 8), [text for said in TEXTS for text in said], **SMALL)
    with pytest.raises(DataError, match="has no words"):
        conditional.sample_text(game, [0], " ")
    with pytest.raises(DataError, match="cannot have 0 frames"):
        conditional.interpolate_texts(game, 0, ["a", "b"], 0)
