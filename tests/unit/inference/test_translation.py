"""Images of any size, translated: padding, tiles, names, strips, heat maps, pictures of a training, what is refused."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from sparring.cli import main
from sparring.data import load
from sparring.errors import DataError, GameError
from sparring.game import Game
from sparring.games.common.two_domain import ImagePool
from sparring.games.cyclegan import CycleGAN
from sparring.inference.tiling import SizeConstraints
from sparring.inference.translation import attention_heatmap, cycle_strip, translate, translate_files
from sparring.recipes.cyclegan_nicegan import cyclegan, ganilla, nicegan
from sparring.runs import snapshots
from sparring.runs.config import facts
from sparring.runs.early_stopping import EarlyStopping
from sparring.runs.state import load_game as loaded
from sparring.visualization import images as pictures
from support import runs
from support.photos import picture, pixels, sizes
from support.runs import UNPAIRED, play, start


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))


class Careful(nn.Module):
    """A translator that shifts pixels, records its inputs, and refuses sizes that are no multiples of 4."""

    multiple, smallest = 4, 8

    def __init__(self, shift):
        super().__init__()
        self.shift = nn.Parameter(torch.tensor(shift))
        self.seen = []

    def forward(self, x):
        assert not any(side % 4 or side < 8 for side in x.shape[2:])
        assert not torch.is_grad_enabled()
        self.seen.append(tuple(x.shape[2:]))
        return x * 0.5 + self.shift


def stubbed():
    pools = ImagePool(0, (3, 8, 8)), ImagePool(0, (3, 8, 8))
    D = nn.Linear(1, 1)
    return CycleGAN(Careful(0.25), Careful(-0.25), D, D, pools=pools, critic=None, generator=None)


@pytest.mark.parametrize("size", [(8, 8), (9, 30), (1, 1), (3, 50), (64, 64), (65, 130), (200, 7)])
def test_every_size_is_restored(size):
    game, x = stubbed(), torch.rand(2, 3, *size) * 2 - 1
    torch.testing.assert_close(translate(game, x, "B", tile=32, overlap=8), x * 0.5 + 0.25)
    torch.testing.assert_close(translate(game, x, "A", tile=32, overlap=8), x * 0.5 - 0.25)
    assert all(max(seen) <= 32 for seen in game.G_AB.seen), "no more than a tile goes through the networks at once"


@pytest.mark.parametrize("overlap", [0, 1, 8, 16])
def test_tiles_share_the_overlap_and_cover_everything(overlap):
    game, x = stubbed(), torch.rand(1, 3, 101, 203)
    torch.testing.assert_close(translate(game, x, "B", tile=35, overlap=overlap), x * 0.5 + 0.25)
    assert set(game.G_AB.seen) == {(32, 32)}
    least = -(-(104 - overlap) // (32 - overlap)) * -(-(204 - overlap) // (32 - overlap))
    assert len(game.G_AB.seen) == least


class Local(Careful):
    """A translator with a receptive field of three pixels to every side."""

    def __init__(self):
        super().__init__(0.0)
        self.look = nn.Conv2d(3, 3, 7, padding=3, padding_mode="reflect")

    def forward(self, x):
        return self.look(super().forward(x))


def test_tiles_that_overlap_enough_have_no_seams():
    torch.manual_seed(0)
    game = stubbed()
    game.G_AB = Local()
    x = torch.rand(1, 3, 100, 100)
    whole = translate(game, x, "B", tile=128)
    seams = [(translate(game, x, "B", tile=32, overlap=k) - whole).abs().max().item() for k in (0, 16)]
    assert seams[1] < seams[0] / 2


def test_networks_declare_their_supported_sizes():
    shape, small = (3, 32, 32), {"width": 4, "blocks": 1}
    assert SizeConstraints.of(cyclegan(shape, shape, **small)) == SizeConstraints(4, 8, None)
    assert SizeConstraints.of(ganilla(shape, shape, **small)) == SizeConstraints(16, 32, None)
    full = nicegan(shape, shape, full=True, **small)
    assert SizeConstraints.of(full) == SizeConstraints(4, 32, 32)
    for game in (cyclegan(shape, shape, **small), ganilla(shape, shape, **small), full):
        for size in ((5, 7), (33, 47), (90, 40)):
            assert translate(game, torch.zeros(1, 3, *size), "B", tile=48, overlap=8).shape == (1, 3, *size)


def test_translation_happens_in_evaluation_mode_and_leaves_no_trace():
    game = nicegan((3, 32, 32), (3, 32, 32), width=4, blocks=1)
    before = {key: value.clone() for key, value in game.state_dict().items()}
    assert game.training
    one, two = (translate(game, torch.ones(1, 3, 32, 32), "B") for _ in range(2))
    assert torch.equal(one, two)
    assert game.training
    assert all(torch.equal(value, before[key]) for key, value in game.state_dict().items())


def test_what_does_not_fit_is_refused():
    class Mute(Game):
        def players(self):
            return {}

        def round(self, data, step):
            yield

    x = torch.zeros(1, 3, 8, 8)
    with pytest.raises(GameError, match="Mute cannot translate: train cyclegan, ganilla, nicegan or pix2pix"):
        translate(Mute(), x, "B")
    with pytest.raises(DataError, match="no domain 'D'"):
        translate(stubbed(), x, "D")
    assert translate(stubbed(), torch.zeros(1, 3, 50, 50), "B", tile=32).shape == (1, 3, 50, 50), "a quarter by default"
    with pytest.raises(DataError, match="cannot overlap by 20"):
        translate(stubbed(), x, "B", tile=32, overlap=20)
    with pytest.raises(GameError, match="has no attention to show: train nicegan"):
        attention_heatmap(stubbed(), x, "A")


def test_the_heat_map_is_red_where_attention_is_high():
    class Warm(nn.Module):
        def attention_map(self, x):
            return torch.tensor([[0.0, 1.0], [2.0, 4.0]])[None, None].expand(len(x), 1, 2, 2)

    game = nicegan((3, 16, 16), (3, 16, 16), width=4, blocks=1)
    game.D_A = Warm()
    shown = attention_heatmap(game, torch.zeros(1, 3, 14, 16), "A")
    assert shown.shape == (1, 3, 14, 16)
    cold, hot = shown[0, :, 0, 0], shown[0, :, -1, -1]
    assert cold[2] > cold[0], "blue where attention is low"
    assert hot[0] > hot[2], "red where it does"
    brighter = attention_heatmap(
        game, x := torch.tensor([0.1, 0.2, 0.6])[None, :, None, None].expand(1, 3, 14, 16), "A"
    )
    torch.testing.assert_close(brighter - shown, x.mean(1, keepdim=True).expand_as(shown) / 2)


# files


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    for name in ("cyclegan", "nicegan"):
        play(start(folder / name, name, UNPAIRED), 2)
    return folder


@pytest.fixture
def photos(tmp_path):
    picture(tmp_path / "photos/b.jpg", (33, 21))
    picture(tmp_path / "photos/deep/a.png", (40, 70), "RGBA")
    picture(tmp_path / "photos/c.tif", (16, 9), "L")
    (tmp_path / "photos/notes.txt").write_text("no image")
    return tmp_path / "photos"


@pytest.mark.parametrize("packed", [False, True])
def test_files_keep_names_folders_and_sizes(trained, photos, tmp_path, packed):
    source = photos
    if packed:
        source = tmp_path / "photos.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for path in sorted(photos.rglob("*.*")):
                archive.write(path, path.relative_to(photos))
    made = list(translate_files(*opened(trained / "cyclegan"), [source], "B", tmp_path / "out", tile=32, overlap=8))
    assert sizes(tmp_path / "out") == {"b.jpg": (33, 21), "c.png": (16, 9), "deep/a.png": (40, 70)}
    assert sorted(str(path.relative_to(tmp_path / "out")) for path in made) == ["b.jpg", "c.png", "deep/a.png"]


def opened(run):
    """The game of a run, and the facts of its data."""
    return loaded(run, device="cpu"), facts(run)


def test_a_file_is_what_the_game_makes_of_it(trained, tmp_path):
    path = picture(tmp_path / "photo.png")
    list(translate_files(*opened(trained / "cyclegan"), [path], "A", tmp_path / "out"))
    x = torch.from_numpy(pixels(path)).permute(2, 0, 1)[None] / 127.5 - 1
    expected = pictures.to_uint8(translate(loaded(trained / "cyclegan", device="cpu"), x, "A"))[0]
    assert np.array_equal(pixels(tmp_path / "out/photo.png"), expected)


def test_strips_show_before_after_and_back(trained, photos, tmp_path):
    list(translate_files(*opened(trained / "cyclegan"), [photos], "B", tmp_path / "out", strips=True))
    assert sizes(tmp_path / "out/strips")["b.png"] == (2 * 33 + 2, 21)
    how = {"cycle": True, "heatmaps": True}
    list(translate_files(*opened(trained / "nicegan"), [photos / "b.jpg"], "B", tmp_path / "nice", **how))
    assert sizes(tmp_path / "nice") == {"b.jpg": (33, 21), "strips/b.png": (3 * 33 + 4, 21), "heatmaps/b.png": (68, 21)}


def test_grey_becomes_colour_and_colour_grey(tmp_path):
    for index in range(3):
        picture(tmp_path / f"set/trainA/{index}.png", (32, 32), "L")
        picture(tmp_path / f"set/trainB/{index}.png", (32, 32))
    settings = {**UNPAIRED, "data": str(tmp_path / "set"), "arguments": {**runs.tiny("cyclegan"), "identity": 0.0}}
    run = play(start(tmp_path / "run", "cyclegan", settings), 1)
    assert pixels(run.folder / "samples/000001.png").ndim == 3
    for to, source, shape in (("B", "A", (32, 32, 3)), ("A", "B", (32, 32))):
        place = tmp_path / f"set/train{source}"
        list(translate_files(*opened(run.folder), [place], to, tmp_path / to, cycle=True))
        assert pixels(tmp_path / to / "0.png").shape == shape
        assert pixels(tmp_path / to / "strips/0.png").shape == (32, 3 * 32 + 4, 3)


def test_mistakes_with_files_are_one_sentence(trained, photos, tmp_path):
    def message(run, *given, **settings):
        with pytest.raises((DataError, GameError)) as error:
            list(translate_files(*opened(run), *given, **settings))
        return str(error.value)

    run, out = trained / "cyclegan", tmp_path / "out"
    assert "would overwrite the images" in message(run, [photos], "B", photos)
    assert "is no image, folder or zip" in message(run, [photos / "notes.txt"], "B", out)
    (tmp_path / "empty").mkdir()
    assert "holds no images" in message(run, [tmp_path / "empty"], "B", out)
    assert "no domain 'C'" in message(run, [photos], "C", out)
    assert "has no attention to show" in message(run, [photos], "B", out, heatmaps=True)
    play(start(tmp_path / "points", "nsgan"), 1)
    assert "was not trained on two domains of images" in message(tmp_path / "points", [photos], "B", out)
    (photos / "broken.png").write_bytes(b"no")
    assert "broken.png is not a readable image" in message(run, [photos], "B", out)


def test_the_command_translates_both_ways(trained, photos, tmp_path, capsys):
    out = str(tmp_path / "out")
    command = ["translate", str(trained / "cyclegan"), str(photos), "--out", out, "--device", "cpu"]
    assert main([*command, "--to", "A", "--cycle"]) == 0
    assert "3 images, translated to A" in capsys.readouterr().out
    assert len(sizes(tmp_path / "out/strips")) == 3
    assert main([*command, "--to", "Z"]) == 2
    assert main(["translate", str(trained / "cyclegan")]) == 2


# pictures of a training


def test_the_pictures_of_a_training_show_translations_there_and_back(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        snapshots,
        "save_grid",
        lambda images, path, *, folder, columns, real=None: drawn.setdefault(path.name, (images, columns)),
    )
    run = start(tmp_path / "run", "cyclegan", UNPAIRED)
    run.save_samples()
    images, columns = drawn["000000.png"]
    assert (images.shape, columns) == ((6 * 3, 3, 32, 32), 6), "three images of B are all there are"
    rows = images.view(3, 6, 3, 32, 32)
    data = load(UNPAIRED["data"], size=32)
    a = data.rows(np.array([0]))[0].float() / 127.5 - 1
    torch.testing.assert_close(rows[0, 0], a[0])
    torch.testing.assert_close(rows[:, 1], translate(run.inference_game, rows[:, 0], "B"))
    torch.testing.assert_close(rows[:, 2], translate(run.inference_game, rows[:, 1], "A"))
    torch.testing.assert_close(rows[:, 5], translate(run.inference_game, rows[:, 4], "B"))
    assert drawn["reals.png"][0].shape[1:] == (3, 32, 32)


def test_a_training_without_samples_is_not_evaluated_by_them(tmp_path):
    run = start(tmp_path / "run", "cyclegan", UNPAIRED, hold_out=0.4)
    with pytest.raises(GameError, match="draws no samples"):
        play(run, 2, early_stopping=EarlyStopping(1.0))
    assert run.step == 0


def test_a_game_of_one_direction_shows_the_truth_instead(monkeypatch):
    game = stubbed()
    game.domain = "A"
    data = load(f"pairs:{UNPAIRED['data']}/trainA,{UNPAIRED['data']}/trainA", size=32)
    rows = cycle_strip(game, data, 4)
    assert rows.shape == (4, 3, 3, 32, 32)
    torch.testing.assert_close(rows[:, 1], rows[:, 0] * 0.5 - 0.25)
    torch.testing.assert_close(rows[:, 2], rows[:, 0])
    unpaired = load(UNPAIRED["data"], size=32)  # whose images have no true translation
    assert cycle_strip(game, unpaired, 3).shape == (3, 2, 3, 32, 32)
