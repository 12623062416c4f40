"""Conditional sampling: the requested class, the same z along a row, interpolation between classes."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from sparring.abilities import SupportsLatentCodes
from sparring.cli import main
from sparring.errors import DataError, GameError
from sparring.games.gan import GAN
from sparring.inference import conditional, sampling
from sparring.objectives import NonSaturating
from sparring.recipes import recipe
from sparring.recipes.cgan import cgan
from sparring.recipes.infogan import infogan
from sparring.recipes.options import Networks
from sparring.runs.config import facts
from sparring.wrappers.instance_noise import InstanceNoise
from support import runs
from support.command_line import refused
from support.runs import IMAGES, start
from support.toys import LinearCritic, Point, learn

quick = pytest.fixture(autouse=True)(runs.quick)


@pytest.fixture(scope="module")
def game():
    torch.manual_seed(0)
    return cgan((1, 8, 8), 3, networks=Networks(latent=4, width=8))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Images of cats, dogs and owls in folders."""
    folder = tmp_path_factory.mktemp("codes")
    for k, name in enumerate(("cat", "dog", "owl")):
        (folder / "data" / name).mkdir(parents=True)
        for i in range(3):
            Image.new("L", (8, 8), 80 * k + i).save(folder / "data" / name / f"{i}.png")
    for name in ("cgan", "nsgan", "infogan"):
        start(folder / name, name, {**IMAGES, "data": folder / "data"})
    return folder


def drawn(folder, *words):
    """Run a command that draws, and return its picture as pixels of the samples, unenlarged."""
    assert main([*map(str, words), "--out", str(folder / "out.png"), "--device", "cpu"]) == 0
    return np.asarray(Image.open(folder / "out.png"))


# --- from Python


def test_samples_of_a_class_keep_the_z_of_their_seeds(game):
    rows = sampling.latents_from_seeds(game, range(5))
    for label in range(3):
        expected = torch.cat([rows[:, :4], torch.eye(3)[[label]].expand(5, 3)], 1)
        wanted = sampling.generate(game, expected)
        assert torch.equal(conditional.sample_class(game, range(5), label), wanted)
    assert not torch.equal(conditional.sample_class(game, range(5), 0), conditional.sample_class(game, range(5), 1))
    with pytest.raises(GameError, match="no class 3: this game has 3"):
        conditional.sample_class(game, [0], 3)


def test_along_a_row_of_a_grid_only_the_class_changes(game):
    grid = conditional.traverse(game, "class", [4, 9])
    assert grid.shape == (2, 3, 1, 8, 8)
    for label in range(3):
        torch.testing.assert_close(grid[:, label], conditional.sample_class(game, [4, 9], label), atol=1e-6, rtol=0)


def test_along_a_row_of_a_traversal_only_the_code_changes():
    torch.manual_seed(0)
    game = infogan((1, 8, 8), categories=(3,), networks=Networks(latent=4, width=8))
    seen = []
    game.G.register_forward_pre_hook(lambda G, given: seen.append(given[0]))
    grid = conditional.traverse(game, "continuous1", [4, 9], values=(-2, 0, 2))
    assert grid.shape == (2, 3, 1, 8, 8)
    rows = torch.cat(seen)[:6].unflatten(0, (2, 3))
    start = sampling.latents_from_seeds(game, [4, 9])
    assert torch.equal(rows[:, :, -1], torch.tensor([[-2.0, 0.0, 2.0]]).expand(2, 3))
    torch.testing.assert_close(rows[:, :, :-1], start[:, None, :-1].expand(2, 3, -1))
    assert conditional.code_names(game) == ["category0", "continuous0", "continuous1"]
    assert conditional.traverse(game, "category0", [1]).shape[:2] == (1, 3)
    assert conditional.traverse(game, "continuous0", [1]).shape[:2] == (1, 10)
    with pytest.raises(GameError, match="it has category0, continuous0, continuous1"):
        conditional.traverse(game, "colour", [1])


def test_a_walk_between_classes_mixes_their_weights_and_keeps_z(game):
    seen = []
    hook = game.G.register_forward_pre_hook(lambda G, given: seen.append(given))
    way = conditional.interpolate_classes(game, 7, [0, 2, 1], frames=6)
    hook.remove()
    z, y = (torch.cat(parts)[:6] for parts in zip(*seen, strict=True))
    half = [[1, 0, 0], [0.5, 0, 0.5], [0, 0, 1], [0, 0.5, 0.5], [0, 1, 0], [0.5, 0.5, 0]]
    torch.testing.assert_close(y, torch.tensor(half))
    torch.testing.assert_close(z, sampling.latents_from_seeds(game, [7])[:, :4].expand(6, 4))
    torch.testing.assert_close(way[2], conditional.sample_class(game, [7], 2)[0], atol=1e-6, rtol=0)
    line = conditional.interpolate_classes(game, 7, [0, 2], frames=3, loop=False)
    torch.testing.assert_close(
        line[[0, 2]], torch.cat([conditional.sample_class(game, [7], k) for k in (0, 2)]), atol=1e-6, rtol=0
    )
    assert len(conditional.interpolate_classes(game, 7, [0, 2], frames=1, loop=False)) == 1
    for labels, frames in (([1], 5), ([0, 1], 0)):
        with pytest.raises(DataError, match=r"two labels or more, not 1|cannot have 0 frames"):
            conditional.interpolate_classes(game, 7, labels, frames)


def test_mixtures_of_classes_are_drawn_as_such(game):
    rows = torch.cat([sampling.latents_from_seeds(game, [0])[:, :4], torch.tensor([[2.0, 2.0, 0.0]])], 1)
    _, y = game.split(rows)
    assert y.tolist() == [[0.5, 0.5, 0.0]]


def test_games_without_classes_refuse_in_one_sentence():
    plain = GAN(Point(), LinearCritic(), NonSaturating(), **learn)
    unlabelled = recipe("sagan")((1, 8, 8), None, latent=4, width=4)
    for none in (plain, unlabelled, infogan((2,))):
        for ask in (
            lambda game: conditional.sample_class(game, [0], 0),
            lambda game: conditional.traverse(game, "class", [0]),
            lambda game: conditional.interpolate_classes(game, 0, [0, 1]),
        ):
            with pytest.raises(GameError, match="draws no classes"):
                ask(none)
    for none in (plain, unlabelled):
        with pytest.raises(GameError, match="has no codes"):
            conditional.code_names(none)


def test_wrapped_games_support_conditional_sampling(game):
    wrapped = InstanceNoise(game, 0.1, 10)
    assert isinstance(wrapped, SupportsLatentCodes)
    assert torch.equal(conditional.sample_class(wrapped, [3], 1), conditional.sample_class(game, [3], 1))


def test_sagan_and_biggan_take_the_same_conditions():
    for name in ("sagan", "biggan"):
        big = recipe(name)((1, 8, 8), 3, latent=9, width=2)
        assert conditional.traverse(big, "class", [0, 1]).shape == (2, 3, 1, 8, 8)


# --- names


def test_a_class_is_named_or_numbered():
    assert conditional.class_index("owl", ["cat", "owl"]) == 1
    assert conditional.class_index(" 1 ", ["cat", "owl"]) == 1
    assert conditional.class_index("3", ["3", "7"]) == 0, "a name before a number"
    for word in ("dog", "2", "-1", ""):
        with pytest.raises(DataError, match="cat, owl"):
            conditional.class_index(word, ["cat", "owl"])
    with pytest.raises(DataError, match="no classes"):
        conditional.class_index("0", [])


def test_names_of_classes_are_recorded(tmp_path, run):
    assert facts(run / "cgan").class_names == ("cat", "dog", "owl")
    assert json.loads((run / "cgan/run.json").read_bytes())["data"]["facts"]["class_names"] == ["cat", "dog", "owl"]
    start(tmp_path / "digits", "cgan", IMAGES)
    assert facts(tmp_path / "digits").class_names == tuple(str(digit) for digit in range(10))


# --- the command line


def test_sample_draws_a_class_by_name_and_by_number(run, tmp_path):
    by_name = drawn(tmp_path, "sample", run / "cgan", "--seeds", "0-3", "--label", "dog")
    assert (by_name == drawn(tmp_path, "sample", run / "cgan", "--seeds", "0-3", "--label", "1")).all()
    assert (by_name != drawn(tmp_path, "sample", run / "cgan", "--seeds", "0-3", "--label", "0")).any()


def test_a_grid_has_a_row_a_seed_and_a_column_a_class(run, tmp_path):
    from sparring.runs.state import load_game
    from sparring.visualization.images import to_image

    seen = drawn(tmp_path, "sample", run / "cgan", "--grid", "classes", "--seeds", "5,2")
    game = load_game(run / "cgan", device="cpu")
    rows = [conditional.sample_class(game, [seed], label) for seed in (5, 2) for label in range(3)]
    assert np.abs(seen.astype(int) - np.asarray(to_image(torch.cat(rows), columns=3)).astype(int)).max() <= 1
    assert main(["sample", str(run / "cgan"), "--grid", "classes", "--seeds", "5", "--out", str(tmp_path / "f")]) == 0
    assert sorted(path.name for path in (tmp_path / "f").iterdir()) == [f"000005-{k}.png" for k in range(3)]


def test_interpolate_walks_between_classes(run, tmp_path):
    film = tmp_path / "walk.gif"
    words = ["interpolate", str(run / "cgan"), "--labels", "cat,2", "--frames", "4", "--out", str(film)]
    assert main(words) == 0
    with Image.open(film) as frames:
        assert frames.n_frames > 1


def test_traverse_draws_one_grid_a_code(capsys, run, tmp_path):
    assert main(["traverse", str(run / "infogan"), "--seeds", "0-1", "--out", str(tmp_path / "all")]) == 0
    names = ["category0.png", "continuous0.png", "continuous1.png"]
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == names
    assert "category0: 10 values of 2 seeds" in capsys.readouterr().out
    words = ["--code", "continuous1", "--values", "-2", "0", "2", "--out", str(tmp_path / "one")]
    assert main(["traverse", str(run / "infogan"), *words]) == 0
    assert "3 values of 8 seeds" in capsys.readouterr().out
    assert main(["traverse", str(run / "cgan"), "--out", str(tmp_path / "classes")]) == 0
    assert (tmp_path / "classes/class.png").exists()


def test_what_cannot_be_drawn_is_refused_in_one_sentence(capsys, run):
    assert "cat, dog, owl" in refused(capsys, "sample", str(run / "cgan"), "--label", "bird")
    assert "leave --label or --grid out" in refused(
        capsys, "sample", str(run / "cgan"), "--label", "1", "--grid", "classes"
    )
    assert "draws no classes" in refused(capsys, "sample", str(run / "nsgan"), "--label", "1")
    assert "draws no classes" in refused(capsys, "sample", str(run / "nsgan"), "--grid", "classes")
    assert "draws no classes" in refused(capsys, "interpolate", str(run / "nsgan"), "--labels", "0,1")
    assert "two labels or more" in refused(capsys, "interpolate", str(run / "cgan"), "--labels", "0")
    assert "one seed" in refused(capsys, "interpolate", str(run / "cgan"), "--labels", "0,1", "--seeds", "1,2")
    assert "has no codes" in refused(capsys, "traverse", str(run / "nsgan"))
    assert "it has category0" in refused(capsys, "traverse", str(run / "infogan"), "--code", "colour")
    assert "needs labels" in refused(capsys, "train", "cgan", "--data", "spiral", "--steps", "1")


def test_a_picture_file_is_named_after_its_code(capsys, run, tmp_path):
    words = ["--code", "category0", "--seeds", "0-1", "--out", str(tmp_path / "one.png")]
    assert main(["traverse", str(run / "infogan"), *words]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["one-category0.png"]
