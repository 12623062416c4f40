"""Where objects meet: from a folder of maps of objects, through batches and networks, to a painted map."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from sparring.check import check_game
from sparring.cli import main
from sparring.data import DataFacts, Stream, load
from sparring.data.annotations.label_maps import decode_boundaries, instance_boundaries
from sparring.data.annotations.palettes import read_instances
from sparring.errors import DataError, GameError
from sparring.inference import label_maps
from sparring.recipes.pix2pix_gaugan import Painters, gaugan
from sparring.runs.run import Run
from support.instance_maps import TINY, cache, saved  # noqa: F401 (fixtures)
from support.runs import difference, play

SIDE, COUNT = 16, 5


def objects(index):
    """Two objects, of one class, beside each other, and a third above."""
    found = np.full((SIDE, SIDE), 7)
    found[8:, : 5 + index] = 300
    found[8:, 5 + index :] = 2000
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder, draw = tmp_path_factory.mktemp("objects") / "data", np.random.default_rng(0)
    for index in range(COUNT):
        saved(folder / "images" / f"{index}.png", draw.integers(256, size=(SIDE, SIDE, 3)).astype(np.uint8))
        saved(folder / "labels" / f"{index}.png", (objects(index) > 7).astype(np.uint8))
        saved(folder / "instances" / f"{index}.png", objects(index).astype(np.uint16))
    return folder


def test_borders_are_where_any_neighbour_differs():
    x = torch.tensor([[1, 1, 1, 1], [1, 9, 1, 1], [1, 1, 1, 4]])
    assert instance_boundaries(x).int().tolist() == [[0, 1, 0, 0], [1, 1, 1, 1], [0, 1, 1, 1]]
    assert torch.equal(instance_boundaries(x.flip(-1)), instance_boundaries(x).flip(-1)), (
        "so a mirrored map may have them mirrored"
    )
    assert not instance_boundaries(torch.full((2, 5, 5), 3)).any()
    assert torch.equal(instance_boundaries(torch.stack([x, 0 * x]))[0], instance_boundaries(x))


def test_numbers_of_16_bits_and_colours_identify_objects(tmp_path):
    ids = objects(0)
    deep = saved(tmp_path / "deep.png", ids.astype(np.uint16))
    colours = np.stack([ids % 256, ids // 256, 0 * ids], 2).astype(np.uint8)
    coloured = saved(tmp_path / "coloured.png", colours)
    expected = instance_boundaries(torch.from_numpy(ids)).numpy()[..., None]
    for path in (deep, coloured):
        assert np.array_equal(decode_boundaries("x", path.read_bytes(), None), expected)
        assert torch.equal(instance_boundaries(read_instances(path)), torch.from_numpy(expected[..., 0]))
    wide = saved(
        tmp_path / "wide.png", np.repeat(np.repeat(np.pad(ids, [(0, 0), (4, 4)], "edge"), 2, 0), 2, 1).astype(np.uint16)
    )
    assert np.array_equal(decode_boundaries("x", wide.read_bytes(), SIDE), expected), (
        "central square, nearest pixels, then borders"
    )


def test_batches_have_edges_beside_the_numbers_cropped_and_mirrored_alike(data):
    dataset = load(f"pairs:{data}", size=SIDE)
    assert DataFacts.of(dataset).arguments()["instances"] is True
    assert DataFacts.of(dataset).arguments()["regions"] == 2
    rows = dataset.paired_domain.rows(np.arange(COUNT))
    ids = torch.stack([torch.from_numpy(objects(index)) for index in range(COUNT)])
    assert torch.equal(rows, torch.stack([(ids > 7).long(), instance_boundaries(ids).long()], 1))
    shown, maps = next(Stream(dataset, COUNT, mirror=True))
    plain, flat = next(Stream(dataset, COUNT))
    flipped = (shown != plain).flatten(1).any(1)
    assert flipped.any()
    assert torch.equal(maps, torch.where(flipped[:, None, None, None], flat.flip(-1), flat))
    held = dataset.split(0.4)[1]
    assert torch.equal(held.paired_domain.rows(np.arange(2)), rows[held.indices])
    margin = load(f"pairs:{data}", size=12, crop_margin=4)
    corners = np.array([[0, 4]])
    assert torch.equal(margin.paired_domain.rows(np.array([1]), corners)[0], rows[1, :, :12, 4:])


def test_data_without_objects_are_as_before_and_strays_are_refused(data, tmp_path):
    shutil.copytree(data, tmp_path / "some")
    shutil.rmtree(tmp_path / "some/instances")
    plain = load(f"pairs:{tmp_path / 'some'}", size=SIDE)
    assert plain.paired_domain.rows(np.arange(2)).shape == (2, SIDE, SIDE)
    assert "instances" not in DataFacts.of(plain).arguments()
    assert plain.fingerprint != load(f"pairs:{data}", size=SIDE).fingerprint
    shutil.copytree(data / "instances", tmp_path / "some/instances")
    (tmp_path / "some/instances/3.png").unlink()
    with pytest.raises(DataError, match=r"labels/3.png has no partner"):
        load(f"pairs:{tmp_path / 'some'}", size=SIDE)


def built(**settings):
    torch.manual_seed(0)
    return gaugan((3, SIDE, SIDE), 2, True, networks=Painters(**TINY["networks"]), **settings)


def test_networks_receive_edges_in_a_separate_channel():
    game = built()
    labels = torch.randint(3, (2, SIDE, SIDE))
    edges = torch.randint(2, (2, SIDE, SIDE))
    m = game.spread(torch.stack([labels, edges], 1))
    assert m.shape == (2, 4, SIDE, SIDE)
    assert torch.equal(m[:, :3].argmax(1), labels)
    assert torch.equal(m[:, 3], edges.float())
    plain = built(edges=False)
    assert torch.equal(plain.spread(torch.stack([labels, edges], 1)), m[:, :3])
    with pytest.raises(GameError, match="takes edges of objects"):
        game.spread(labels)
    with pytest.raises(DataError, match="no maps of objects: put them into a folder instances"):
        gaugan((3, SIDE, SIDE), 2, edges=True)
    x = torch.rand(2, 3, SIDE, SIDE)
    check_game(game, iter(lambda: (x, torch.stack([labels, edges], 1)), None))


def test_a_painted_map_has_the_borders_of_its_objects_and_of_its_classes_where_none_are_given():
    game = built().eval()
    labels = torch.zeros(SIDE, 3 * SIDE, dtype=torch.int64)
    labels[:, 20:] = 1
    styles = label_maps.sample_styles(game, [0])
    one, two = torch.zeros_like(labels), torch.zeros_like(labels)
    two[:, 33:] = 5
    made = [label_maps.paint(game, label_maps.add_edges(labels, ids), styles) for ids in (one, two)]
    assert (made[0] - made[1]).abs().max() > 1e-3
    m = torch.stack([labels, instance_boundaries(labels).long()])
    torch.testing.assert_close(label_maps.paint(game, labels, styles), label_maps.paint(game, m, styles))
    assert label_maps.paint(game, m, styles, tile=SIDE).shape == (1, 3, SIDE, 3 * SIDE)
    with pytest.raises(DataError, match="48 × 16 pixels, the map of objects 5 × 5"):
        label_maps.add_edges(labels, torch.zeros(5, 5, dtype=torch.int64))


def test_a_run_trains_resumes_and_paints_with_objects(data, tmp_path, capsys):
    def start(folder):
        return Run.create(folder, "gaugan", data=f"pairs:{data}", arguments=TINY, batch_size=2, device="cpu")

    straight = play(start(tmp_path / "straight"), 3)
    play(start(tmp_path / "stopped"), 1)
    assert difference(straight.state.state_dict(), play(start(tmp_path / "stopped"), 3).state.state_dict()) == ""
    board = label_maps.comparison_grid(straight.inference_game, straight.dataset, np.array([0, 1]))
    assert board.shape == (8, 3, SIDE, SIDE)
    words = ["paint", str(tmp_path / "straight"), "--labels", str(data / "labels"), "--device", "cpu"]
    for more, out in (([], "plain"), (["--instances", str(data / "instances")], "objects")):
        assert main([*words, *more, "--out", str(tmp_path / out)]) == 0
    with Image.open(tmp_path / "objects/1.png") as image:
        shown = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 127.5 - 1
    game = straight.inference_game
    labels = label_maps.add_edges(torch.from_numpy((objects(1) > 7).astype(np.int64)), torch.from_numpy(objects(1)))
    expected = label_maps.paint(game, labels, label_maps.sample_styles(game, [0]))
    assert (shown - expected).abs().max() < 0.01
    assert main([*words, "--instances", str(data / "none"), "--out", str(tmp_path / "x")]) == 2
    (tmp_path / "few").mkdir()
    for name in "13":
        saved(tmp_path / f"few/{name}.png", objects(0).astype(np.uint16))
    capsys.readouterr()
    assert main([*words, "--instances", str(tmp_path / "few"), "--out", str(tmp_path / "x")]) == 2
    assert "has no file for the label map 0 (3 such)" in capsys.readouterr().err


def test_a_run_without_objects_refuses_them(data, tmp_path, capsys):
    arguments = {**TINY, "edges": False}
    play(
        Run.create(tmp_path / "run", "gaugan", data=f"pairs:{data}", arguments=arguments, batch_size=2, device="cpu"), 1
    )
    words = ["--labels", str(data / "labels/0.png"), "--instances", str(data / "instances/0.png"), "--device", "cpu"]
    assert main(["paint", str(tmp_path / "run"), *words, "--out", str(tmp_path / "x.png")]) == 2
    assert "does not use the edges of objects: leave --instances out" in capsys.readouterr().err
