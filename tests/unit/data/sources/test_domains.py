"""Two domains: layouts, pairs that stay pairs, independent orders, label maps, windows, and what is refused."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from sparring.data import DataFacts, Dataset, LabelMapClasses, PairedDomain, Stream, load, pair_domains, prepare
from sparring.data.annotations.label_maps import decode_boundaries, decode_label_map, parse_class_list
from sparring.data.annotations.palettes import read_instances, read_label_map
from sparring.data.ordering import crop_corners
from sparring.data.sources.images import FORMATS, decode_upright, read_header
from sparring.data.sources.layouts import absolute_name
from sparring.errors import DataError
from sparring.runs.recipe_args import data_name
from sparring.runs.run import Run


def saved(path: Path, pixels: np.ndarray, palette: list[int] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels.astype(np.uint8))
    if palette:
        image.putpalette(palette)
    image.save(path)
    return path


def flat(red: int, size: tuple[int, int] = (16, 16), green: int = 0) -> np.ndarray:
    return np.broadcast_to(np.array([red, green, 0], np.uint8), (*size, 3))


def zipped(folder: Path) -> Path:
    target = folder.with_suffix(".zip")
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return target


def reds(images: torch.Tensor) -> list[int]:
    return ((images[:, 0, 0, 0] + 1) * 127.5).round().long().tolist()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    """Five pictures of A, three of B, and test sets that are pairs."""
    for index in range(5):
        saved(tmp_path / "set/trainA" / f"{index}.png", flat(index))
    for index in range(3):
        saved(tmp_path / "set/trainB" / f"{index}.jpg", flat(100 + 50 * index, (32, 32)))
    for index in (8, 9):
        saved(tmp_path / "set/testA" / f"{index}.png", flat(index))
        saved(tmp_path / "set/testB" / f"{index}.png", flat(100 + index))
    (tmp_path / "set/trainA/notes.txt").write_text("no image, and no caption")
    (tmp_path / "set/.DS_Store").write_text("")
    return tmp_path / "set"


@pytest.mark.parametrize("pack", [lambda path: path, zipped])
@pytest.mark.parametrize("kind", ["", "unpaired:"])
def test_train_a_and_train_b_are_two_domains(folder, pack, kind):
    data = load(f"{kind}{pack(folder)}")
    assert (len(data), len(data.paired_domain.dataset), data.paired_domain.paired) == (5, 3, False)
    assert DataFacts.of(data).arguments() == {
        "shape": (3, 16, 16),
        "classes": 0,
        "other": (3, 16, 16),
        "paired": False,
        "regions": 0,
    }
    assert data.labels is None
    assert data.captions is None
    a, b = next(Stream(data, 5))
    assert (a.shape, b.shape, a.dtype) == ((5, 3, 16, 16), (5, 3, 16, 16), torch.float32)
    assert sorted(reds(a)) == [0, 1, 2, 3, 4], "A is read in epochs"
    assert min(reds(b)) > 90


def test_test_sets_are_named_by_what_their_folders_begin_with(folder):
    for path in (folder / "test", zipped(folder) / "test", f"{folder}/testA,{folder}/testB"):
        a, b = next(Stream(load(f"pairs:{path}"), 4))
        assert sorted(reds(a)) == [8, 8, 9, 9]
        assert reds(b) == [100 + red for red in reds(a)]


def test_b_is_read_in_epochs_of_its_own_order():
    data = numbered(40, 24)
    stream = Stream(data, 8, seed=3)
    drawn = [next(stream) for _ in range(30)]
    a, b = ([red for batch in drawn for red in reds(batch[place])] for place in (0, 1))
    assert [sorted(a[k : k + 40]) for k in range(0, 240, 40)] == [list(range(40))] * 6
    assert [sorted(b[k : k + 24]) for k in range(0, 240, 24)] == [list(range(24))] * 10
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.2
    same = pair_domains(data, PairedDomain(data, paired=False))
    met = [pair for _ in range(10) for pair in zip(*map(reds, next(Stream(same, 40, seed=5))), strict=True)]
    assert sum(one == other for one, other in met) < 40, "equal positions are not equal rows"


def numbered(count: int, others: int | None = None, *, side: int = 4, margin: int = 0, maps: int = 0) -> Dataset:
    """Images whose red is their number, their green the row and their blue the column of each pixel."""

    def images(n: int) -> np.ndarray:
        place = np.arange(side)
        red = np.broadcast_to(np.arange(n)[:, None, None], (n, side, side))
        down, right = np.broadcast_to(place[:, None], red.shape), np.broadcast_to(place, red.shape)
        return np.stack([red, down, right], -1).astype(np.uint8)

    first = Dataset("numbered", images(count), crop_margin=margin)
    if maps:
        regions = LabelMapClasses(tuple(map(str, range(maps))))
        return pair_domains(
            first, PairedDomain(Dataset("maps", images(count)[..., 2:], crop_margin=margin), True, regions)
        )
    second = Dataset("second", images(others or count), crop_margin=margin)
    return pair_domains(first, PairedDomain(second, paired=others is None))


def test_windows_and_mirrors_are_the_same_for_both_of_a_pair():
    a, b = next(Stream(numbered(50, side=12, margin=4), 200, mirror=True))
    assert a.shape == (200, 3, 8, 8)
    assert torch.equal(a, b)
    m, maps = next(Stream(numbered(50, side=12, margin=4, maps=12), 200, mirror=True))
    assert (maps.shape, maps.dtype) == ((200, 8, 8), torch.int64)
    assert torch.equal(((m[:, 2] + 1) * 127.5).round().long(), maps)


def test_windows_and_mirrors_of_unpaired_rows_are_independent_and_uniform():
    a, b = next(Stream(numbered(50, 60, side=12, margin=4), 4000, mirror=True))
    places = [((images + 1) * 127.5).round().long()[:, 1:, 0] for images in (a, b)]
    tops = [place[:, 0, 0] for place in places]
    flipped = [place[:, 1, 0] > place[:, 1, -1] for place in places]
    for top, flip in zip(tops, flipped, strict=True):
        assert torch.bincount(top, minlength=5).tolist() == pytest.approx([800] * 5, abs=120)
        assert flip.double().mean() == pytest.approx(0.5, abs=0.03)
    assert (tops[0] == tops[1]).double().mean() == pytest.approx(0.2, abs=0.03)
    assert (flipped[0] == flipped[1]).double().mean() == pytest.approx(0.5, abs=0.03)


def test_the_corner_covers_the_margin_and_no_more():
    drawn = crop_corners(np.arange(10_000), 6, seed=1)
    assert np.unique(drawn).tolist() == list(range(7))
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.05
    assert not np.array_equal(drawn, crop_corners(np.arange(10_000), 6, seed=2))


def test_without_a_stream_a_window_is_in_the_middle():
    images = numbered(2, side=12, margin=4).rows(np.array([1]))[0]
    assert images[0, :, 0, 0].tolist() == [1, 2, 2]
    assert images.shape == (1, 3, 8, 8)


@pytest.mark.parametrize("others", [None, 24])
@pytest.mark.parametrize("position", [1, 15, 16, 41])
def test_seeking_equals_reading_so_far(others, position):
    how = {"seed": 2, "rank": 1, "world": 2, "grad_accum": 3, "mirror": True}
    straight, sought = (Stream(numbered(40, others, side=12, margin=3), 30, **how) for _ in range(2))
    for _ in range(position):
        next(straight)
    sought.seek(position)
    for one, other in zip(next(straight), next(sought), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("others", [None, 24])
def test_shards_of_all_ranks_and_parts_make_the_global_batch(others):
    data = numbered(40, others, side=12, margin=3)
    whole = next(Stream(data, 24, mirror=True))
    ranks = [Stream(data, 24, rank=rank, world=2, grad_accum=2, mirror=True) for rank in range(2)]
    shards = [next(stream) for stream in ranks for _ in range(2)]
    for place in (0, 1):
        assert torch.equal(torch.cat([shard[place] for shard in shards]), whole[place])


def test_holding_out_keeps_pairs_together_and_divides_both_of_unpaired_domains():
    kept, held = numbered(20).split(0.25)
    assert (len(kept), len(held)) == (15, 5)
    for part in (kept, held):
        a, b = next(Stream(part, 20))
        assert torch.equal(a, b)
    kept, held = numbered(20, 12).split(0.25)
    both = [set(reds(next(Stream(part, 60))[1])) for part in (kept, held)]
    assert (len(both[0]), len(both[1]), both[0] & both[1]) == (9, 3, set())
    assert len({part.fingerprint for part in (kept, held, numbered(20, 12))}) == 3


def test_the_fingerprint_is_of_both_domains_and_of_how_they_belong_together():
    first = numbered(6)
    second = first.paired_domain.dataset
    seconds = [
        PairedDomain(second, paired=True),
        PairedDomain(second, paired=False),
        PairedDomain(numbered(6, 5).paired_domain.dataset, paired=False),
    ]
    alone = Dataset("numbered", first.values)
    assert len({pair_domains(alone, each).fingerprint for each in seconds} | {alone.fingerprint}) == 4
    assert pair_domains(alone, seconds[0]).fingerprint == first.fingerprint
    edges = [PairedDomain(second, paired=True, edges=numbered(6, seed).paired_domain.dataset) for seed in (5, 6)]
    assert len({pair_domains(alone, each).fingerprint for each in (seconds[0], *edges)}) == 3


# label maps


def labelled(root: Path, *, palette: list[int] | None = None, folders: tuple[str, str] = ("photos", "labels")) -> Path:
    """Four photographs whose green is the class of each pixel, times ten."""
    for index in range(4):
        numbers = (np.arange(16)[:, None] // 4 + np.zeros(16, int) + index) % 4
        saved(root / folders[0] / f"{index}.png", np.stack([0 * numbers + 200, 10 * numbers, 0 * numbers], -1))
        saved(root / folders[1] / f"{index}.png", numbers, palette)
    return root


@pytest.mark.parametrize("folders", [("photos", "labels"), ("images", "annotations")])
def test_index_maps_are_found_on_either_side_and_come_second(tmp_path, folders):
    data = load(f"pairs:{labelled(tmp_path / 'set', folders=folders)}", size=8)
    assert DataFacts.of(data).arguments() == {
        "shape": (3, 8, 8),
        "classes": 0,
        "other": (4, 8, 8),
        "paired": True,
        "regions": 4,
    }
    x, m = next(Stream(data, 4))
    assert torch.equal(((x[:, 1] + 1) * 127.5 / 10).round().long().clamp(0, 3)[:, 1::2], m[:, 1::2])
    assert set(m.unique().tolist()) == {0, 1, 2, 3}, "nearest neighbours make no new class"


def test_a_list_names_classes_and_their_colours(tmp_path):
    root = labelled(tmp_path / "set")
    (root / "classes.txt").write_text("sky 10 20 30\nwall 1 2 3\n#ff0080 old tree\n\n4,5,6\n")
    regions = load(f"pairs:{root}").paired_domain.regions
    assert regions.names == ("sky", "wall", "old tree", "3")
    assert regions.colours == ((10, 20, 30), (1, 2, 3), (255, 0, 128), (4, 5, 6))
    (root / "classes.txt").write_text("sky\nwall\n")
    data = load(f"pairs:{root}")
    assert DataFacts.of(data).arguments()["regions"] == 2
    assert data.describe()[1] == f"pairs, each with a label map of 2 classes: sky, wall; classes by {root}/classes.txt"
    assert next(Stream(data, 4))[1].max() == 2, "what no class is named for is unknown"


def test_colours_come_from_the_pictures_palette(tmp_path):
    palette = [5, 6, 7, 50, 60, 70, 99, 98, 97, 1, 0, 1]
    regions = load(f"pairs:{labelled(tmp_path / 'set', palette=palette)}").paired_domain.regions
    assert regions.colours == ((5, 6, 7), (50, 60, 70), (99, 98, 97), (1, 0, 1))


def test_maps_in_colour_are_read_by_a_palette(tmp_path):
    colours = np.array([[0, 0, 255], [255, 0, 0]])
    for index in range(3):
        numbers = (np.arange(64).reshape(8, 8) + index) // 32 % 2
        saved(tmp_path / "set/images" / f"{index}.png", flat(index, (8, 8)))
        saved(tmp_path / "set/maps" / f"{index}.png", colours[numbers])
    (tmp_path / "set/palette.txt").write_text("255 0 0 roof\n0 0 255 sky\n")
    data = load(f"pairs:{tmp_path / 'set'}")
    assert data.paired_domain.regions.names == ("roof", "sky")
    x, m = next(Stream(data, 3))
    first = reds(x).index(0)
    assert m[first, 0, 0] == 1
    assert m[first, 7, 7] == 0


def test_unknown_numbers_are_one_class_more(tmp_path):
    content = saved(tmp_path / "map.png", np.array([[0, 1], [2, 255]])).read_bytes()
    assert decode_label_map("map", content, None)[..., 0].tolist() == [[0, 1], [2, 255]]
    deep = Image.fromarray(np.array([[0, 1], [2, 65535]], np.uint16))
    deep.save(tmp_path / "deep.png")
    assert decode_label_map("deep", (tmp_path / "deep.png").read_bytes(), None)[..., 0].tolist() == [[0, 1], [2, 255]]
    maps = Dataset("maps", np.array([0, 1, 2, 255], np.uint8).reshape(1, 2, 2, 1))
    second = PairedDomain(maps, True, LabelMapClasses(("a", "b", "c")))
    assert second.rows(np.array([0])).tolist() == [[[0, 1], [2, 3]]]


@pytest.mark.parametrize("size", [3, 5, 8, 20])
def test_a_resized_map_has_no_class_between_two(tmp_path, size):
    content = saved(tmp_path / "map.png", 40 * (np.add.outer(np.arange(8), np.arange(12)) // 3 % 2)).read_bytes()
    assert set(np.unique(decode_label_map("map", content, size))) == {0, 40}


def test_grey_pictures_are_no_label_maps(tmp_path):
    for index in range(3):
        saved(tmp_path / "set/sketch" / f"{index}.png", np.arange(256).reshape(16, 16))
        saved(tmp_path / "set/photo" / f"{index}.png", flat(index))
    data = load(f"pairs:{tmp_path / 'set'}")
    assert data.paired_domain.regions is None
    assert data.shape == (3, 16, 16), "photo comes before sketch"
    assert data.paired_domain.shape == (1, 16, 16)


# what the second pictures are read as

PLACE = np.arange(256).reshape(16, 16)
SECONDS = {  # each a function of its number
    "masks": lambda k: 255 * (PLACE % (5 + k) == 0),
    "drawings": lambda k: 255 * (PLACE % (9 + k) > 0),
    "dark": lambda k: PLACE // 6 + k,
    "numbers": lambda k: (PLACE // 16 + k) % 4,
    "soft": lambda k: PLACE - k,
    "colour": lambda k: np.stack([PLACE, 0 * PLACE + k, PLACE // 2], -1),
}
LABELS = {"masks": 2, "drawings": 2, "dark": 45, "numbers": 4}
WHY_NOT = {"soft": "grey levels up to 254", "colour": "in colour, and there is no list", "jpeg": "a JPEG, which blurs"}


def seconds(root: Path, kind: str) -> Path:
    """Three photographs, and beside them pictures of a kind."""
    for index in range(3):
        saved(root / "photos" / f"{index}.png", SECONDS["colour"](index))
        ending = "jpg" if kind == "jpeg" else "png"
        saved(root / "seconds" / f"{index}.{ending}", SECONDS["soft" if kind == "jpeg" else kind](index))
    return root


@pytest.mark.parametrize("kind", [*SECONDS, "jpeg"])
@pytest.mark.parametrize("recipe", ["pix2pix", "cyclegan", "nicegan", "ganilla", "gaugan"])
def test_a_recipe_decides_what_second_pictures_are_read_as(tmp_path, recipe, kind):
    root = seconds(tmp_path / "set", kind)
    named = data_name(recipe, f"pairs:{root}")
    wants, other = ("maps", "pictures") if recipe == "gaugan" else ("pictures", "maps")
    assert named == data_name(recipe, f"{wants}:{root}") == data_name(recipe, named)
    with pytest.raises(
        DataError, match=f"{recipe} learns from .*, and {other}: reads .*: write pairs: before the path"
    ):
        data_name(recipe, f"{other}:{root}")
    if wants == "maps" and kind in WHY_NOT:
        with pytest.raises(
            DataError, match=rf"Neither .*photos/0.png \(.*in colour.*\) nor .*/0.* \(.*{WHY_NOT[kind]}.*\)"
        ):
            load(named)
        return
    data = load(named)
    assert DataFacts.of(data).arguments()["regions"] == (LABELS[kind] if wants == "maps" else 0)
    assert data.paired_domain.paired


@pytest.mark.parametrize("recipe", ["unpaired", "dcgan", "my.games:paint"])
def test_other_recipes_and_other_data_are_read_as_before(recipe):
    assert data_name(recipe, "pairs:x") == "pairs:x"
    assert data_name("gaugan", "unpaired:x") == "unpaired:x"
    assert data_name("pix2pix", "x") == "x"


@pytest.mark.parametrize("kind", SECONDS)
def test_without_a_setting_only_class_numbers_make_label_maps(tmp_path, kind):
    data = load(f"pairs:{seconds(tmp_path / 'set', kind)}")
    assert DataFacts.of(data).arguments()["regions"] == {"numbers": 4, "dark": 45}.get(kind, 0)
    assert ("label map" in data.describe()[1]) == (kind in ("numbers", "dark"))


@pytest.mark.parametrize("kind", ["masks", "drawings"])
@pytest.mark.parametrize("deep", [False, True])
def test_masks_have_two_classes(tmp_path, kind, deep):
    root = seconds(tmp_path / "set", kind)
    white = np.stack([SECONDS[kind](index) > 0 for index in range(3)])
    if deep:
        for index in range(3):
            Image.fromarray((65535 * white[index]).astype(np.uint16)).save(root / "seconds" / f"{index}.png")
    second = load(f"maps:{root}").paired_domain
    assert second.regions == LabelMapClasses(("0", "255"), ((0, 0, 0), (255, 255, 255)))
    assert np.array_equal(second.rows(np.arange(3)).numpy(), white)
    (root / "classes.txt").write_text("ground\nroad\n")
    second = load(f"maps:{root}").paired_domain
    assert second.regions.names == ("ground", "road")
    assert np.array_equal(second.rows(np.arange(3)).numpy(), white)
    assert np.array_equal(read_label_map(root / "seconds/1.png", second.regions).numpy(), white[1]), (
        "a mask that is painted"
    )
    (root / "classes.txt").write_text("road #ffffff\nground #000000\n")
    second = load(f"maps:{root}").paired_domain
    assert np.array_equal(second.rows(np.arange(3)).numpy(), ~white)
    assert np.array_equal(read_label_map(root / "seconds/1.png", second.regions).numpy(), ~white[1])
    Image.fromarray(white[0]).save(root / "seconds/0.png")
    assert np.array_equal(load(f"maps:{root}").paired_domain.rows(np.arange(3)).numpy(), ~white), "of one bit"
    (root / "classes.txt").write_text("ground\nroad\ntree\n")
    assert load(f"maps:{root}").paired_domain.rows(np.arange(1, 2)).max() == 3, "255 of three classes is unknown"


def test_among_other_numbers_255_is_unknown(tmp_path):
    root = seconds(tmp_path / "set", "masks")
    saved(root / "seconds/2.png", np.where(PLACE < 99, 255, PLACE % 2))
    second = load(f"maps:{root}").paired_domain
    assert (len(second.regions), sorted(set(second.rows(np.arange(3)).flatten().tolist()))) == (2, [0, 1, 2])


def test_maps_of_one_number_have_one_class(tmp_path):
    root = seconds(tmp_path / "set", "numbers")
    for index in range(3):
        saved(root / "seconds" / f"{index}.png", 0 * PLACE)
    for kind in ("pairs", "maps"):
        assert load(f"{kind}:{root}").paired_domain.regions.names == ("0",)


def test_one_changed_file_changes_no_reading(tmp_path):
    root = seconds(tmp_path / "set", "masks")
    saved(root / "seconds/1.png", SECONDS["soft"](0))
    assert DataFacts.of(load(data_name("pix2pix", f"pairs:{root}"))).arguments()["regions"] == 0
    with pytest.raises(DataError, match=r"seconds/1.png has class numbers up to 254: list the classes"):
        load(data_name("gaugan", f"pairs:{root}"))
    saved(root / "seconds/1.png", SECONDS["colour"](0))
    with pytest.raises(DataError, match=r"seconds/1.png is an image in colour, not a label map"):
        load(data_name("gaugan", f"pairs:{root}"))


def test_a_list_of_classes_beside_pictures_is_named(tmp_path):
    root = seconds(tmp_path / "set", "masks")
    (root / "classes.txt").write_text("ground\nroad\n")
    (note,) = load(f"pictures:{root}").skipped
    assert note.startswith(f"{root}/classes.txt is not used: the second files are read as images")


def test_maps_of_objects_beside_pictures_are_named(tmp_path):
    root = seconds(tmp_path / "set", "numbers")
    for index in range(3):
        saved(root / "instances" / f"{index}.png", PLACE)
    (note,) = load(f"pictures:{root}").skipped
    assert note.startswith(f"{root}/instances is not used: instance maps need label maps")
    assert load(f"maps:{root}").skipped == ()


def test_pictures_that_make_pillow_warn_are_read_in_silence(tmp_path):
    image = Image.fromarray((PLACE % 4).astype(np.uint8)).convert("P")
    image.putpalette(list(range(12)))
    image.save(tmp_path / "map.png", transparency=b"\0\x80")
    with pytest.warns(UserWarning, match="Transparency"):
        Image.open(tmp_path / "map.png").convert("RGB")
    assert read_label_map(tmp_path / "map.png", LabelMapClasses(tuple("abcd"))).tolist() == (PLACE % 4).tolist()
    assert read_instances(tmp_path / "map.png").tolist() == (PLACE % 4).tolist()


def test_halves_are_no_label_maps(tmp_path):
    saved(tmp_path / "set/0.png", flat(3, (8, 16)))
    assert load(f"pictures:{tmp_path / 'set'}", size=8).paired_domain.paired
    with pytest.raises(DataError, match="A and B side by side, which cannot be label maps"):
        load(f"maps:{tmp_path / 'set'}", size=8)


@pytest.mark.parametrize(("recipe", "kind"), [("pix2pix", "masks"), ("gaugan", "masks"), ("gaugan", "numbers")])
def test_a_run_reads_its_pairs_again_as_it_began(tmp_path, recipe, kind):
    root = seconds(tmp_path / "set", kind)
    tiny = {"width": 2} if recipe == "pix2pix" else {"networks": {"width": 2, "hidden": 2, "latent": 2}}
    how = {"data": f"pairs:{root}", "size": 16, "batch_size": 2, "device": "cpu", "arguments": tiny}
    made = Run.create(tmp_path / "run", recipe, **how)
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["data"]["name"] == f"{'pictures' if recipe == 'pix2pix' else 'maps'}:{root}"
    record["data"]["name"] = f"pairs:{root}"  # as runs were recorded before recipes decided
    old = tmp_path / "old"
    shutil.copytree(tmp_path / "run", old)
    (old / "run.json").write_text(json.dumps(record))
    first = next(made.state.stream)
    for folder in (tmp_path / "run", old):
        for one, other in zip(first, next(Run.open(folder, device="cpu").state.stream), strict=True):
            assert torch.equal(one, other)
    if kind == "numbers":
        assert load(f"pairs:{root}", size=16).fingerprint == record["data"]["fingerprint"]


def test_both_sides_of_one_picture(tmp_path):
    for index in range(3):
        saved(tmp_path / "set/train" / f"{index}.png", np.concatenate([flat(index), flat(100 + index)], 1))
        saved(tmp_path / "set/val" / f"{index}.png", np.concatenate([flat(50), flat(50)], 1))
    a, b = next(Stream(load(f"pairs:{tmp_path / 'set'}"), 6))
    assert a.shape == b.shape == (6, 3, 16, 16)
    assert reds(b) == [100 + red for red in reds(a)]


def test_deeper_folders_and_splits_are_matched_by_stem(tmp_path):
    for index, name in enumerate(["x/0", "y/0", "z", "z.b"]):  # another ending sorts them another way
        saved(tmp_path / "set/train/b" / f"{name}.png", flat(100 + index))
        saved(tmp_path / "set/train/a" / f"{name}.JPG", flat(80 * index))
    saved(tmp_path / "set/test/a" / "9.png", flat(9))
    a, b = next(Stream(load(f"pairs:{tmp_path / 'set'}"), 4))
    assert [red - 100 for red in reds(b)] == [round(red / 80) for red in reds(a)]


def messy(root: Path, what: str) -> str:
    names = {"lonely": (["0", "1"], ["0"]), "twice": (["0"], ["0"])}.get(what, (["0"], ["0"]))
    for side, stems in zip("ab", names, strict=True):
        for stem in stems:
            saved(root / side / f"{stem}.png", flat(1, (16, 32) if what == "shape" and side == "b" else (16, 16)))
    if what == "twice":
        saved(root / "a/0.jpg", flat(1))
    if what == "broken":
        (root / "b/0.png").write_bytes(b"\x89PNG no")
    if what == "list":
        (root / "classes.txt").write_text("sky\ntree\n")
    if what == "colours":
        (root / "classes.txt").write_text("sky 1 2 3\ntree\n")
    if what == "third":
        saved(root / "c/0.png", flat(1))
    if what == "empty":
        return f"unpaired:{root}/a,{root.parent}"
    return f"pairs:{root}"


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("lonely", r"a/1.png has no partner in .*b \(1 of 2 such\): add or remove it"),
        ("twice", r"holds both a/0.jpg and a/0.png"),
        ("shape", r"16 × 16 and b/0.png 32 × 16: partners must have the same proportions"),
        ("broken", r"b/0.png is not a readable image"),
        ("list", r"There is a list of classes near .* but no label maps"),
        ("colours", r"has colours of 1 of 2 classes"),
        ("third", r"does not hold two domains \(3 folders with images\)"),
    ],
)
def test_messy_pairs_are_refused_in_one_sentence(tmp_path, what, sentence):
    with pytest.raises(DataError, match=sentence):
        load(messy(tmp_path / "set", what))


def test_other_mistakes_are_refused_in_one_sentence(tmp_path, folder):
    (tmp_path / "nothing").mkdir()
    saved(tmp_path / "wide" / "0.png", flat(1, (16, 40)))
    for name, sentence in {
        f"pairs:{tmp_path / 'absent'}": "does not exist",
        f"unpaired:{folder / 'trainA'},{tmp_path / 'nothing'}": "holds no images, but is one of two domains",
        f"pairs:{tmp_path / 'wide'}": r"nor images twice as wide as high \(0.png is 40 × 16\)",
        f"unpaired:{folder / 'trainA'}": "does not hold two domains",
    }.items():
        with pytest.raises(DataError, match=sentence):
            load(name)
    with pytest.raises(DataError, match="two domains, which are prepared when they are loaded"):
        prepare(f"unpaired:{folder}", tmp_path / "x.npy")
    with pytest.raises(DataError, match="cannot be cropped without a size"):
        load(folder / "trainA", crop_margin=4)
    with pytest.raises(DataError, match="has 3 rows but 2 partners"):
        pair_domains(numbered(3), PairedDomain(numbered(2), paired=True))
    with pytest.raises(DataError, match="no room for a margin"):
        Dataset("small", np.zeros((1, 4, 4, 3), np.uint8), crop_margin=4)
    with pytest.raises(DataError, match="from 1 to 255"):
        parse_class_list("classes.txt", "\n")
    with pytest.raises(DataError, match="colour twice"):
        parse_class_list("palette.txt", "1 2 3 a\n1 2 3 b")


def test_a_margin_is_loaded_around_any_images(folder):
    data = load(folder / "trainA", size=8, crop_margin=4)
    assert (data.shape, data.values.shape) == ((3, 8, 8), (5, 12, 12, 3))
    assert load("digits", size=8, crop_margin=8).shape == (1, 8, 8)


def test_names_are_kept_with_whole_paths(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert absolute_name("unpaired:set") == f"unpaired:{folder}"
    assert absolute_name("set") == str(folder)
    assert absolute_name("pairs:set/testA,set/testB") == f"pairs:{folder}/testA,{folder}/testB"


def test_a_run_records_its_domains(folder, monkeypatch, tmp_path):
    monkeypatch.chdir(folder.parent)
    how = {"data": "pairs:set/test", "size": 8, "crop_margin": 4, "mirror": True, "batch_size": 2, "device": "cpu"}
    made = Run.create(tmp_path / "run", "nsgan", arguments={"networks": {"width": 8, "latent": 4}}, **how)
    monkeypatch.chdir(tmp_path.parent)
    opened = Run.open(tmp_path / "run", device="cpu")
    assert opened.config.data.crop_margin == 4
    assert opened.config.data.facts.other == (3, 8, 8)
    for one, other in zip(next(made.state.stream), next(opened.state.stream), strict=True):
        assert torch.equal(one, other)


def test_a_run_records_the_meaning_of_its_label_maps(tmp_path):
    root = labelled(tmp_path / "set")
    (root / "classes.txt").write_text("sky\nwall\ntree\nroad\n")
    how = {"data": f"pairs:{root}", "size": 8, "batch_size": 2, "device": "cpu"}
    run = Run.create(tmp_path / "run", "nsgan", arguments={"networks": {"width": 8, "latent": 4}}, **how)
    assert run.config.data.facts.regions.names == ("sky", "wall", "tree", "road")
    assert len(run.config.data.facts.regions.colours) == 4


# orientations

ORIENTATION = ExifTags.Base.Orientation
BACK = {  # what undoes an orientation
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}


def turned(path: Path, upright: np.ndarray, orientation: int) -> Path:
    """Save a picture in the orientation of the sensor, with an Exif tag for its display, as a camera does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = Image.fromarray(upright.astype(np.uint8))
    (image.transpose(BACK[orientation]) if orientation in BACK else image).save(path, exif=exif)
    return path


def corners_of(height: int, width: int) -> np.ndarray:
    """A picture whose quarters are 0, 1, 2 and 3, from left to right and from top to bottom."""
    return 2 * (np.arange(height)[:, None] >= height // 2) + (np.arange(width)[None] >= width // 2)


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_upright_size_is_read_from_the_head(tmp_path, ending, orientation):
    content = turned(tmp_path / f"a.{ending}", corners_of(8, 24) * 80, orientation).read_bytes()
    found = read_header("a", content)
    assert found.size == decode_upright("a", content).size
    assert found.format in FORMATS
    assert (found.size == (24, 8)) == (orientation < 5 or orientation in BACK)


def test_an_orientation_behind_the_pixels_of_a_png_file_counts(tmp_path):
    content = turned(tmp_path / "a.png", corners_of(8, 24) * 80, 6).read_bytes()
    start = content.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4])
    late = content[:start] + content[end:-12] + content[start:end] + content[-12:]
    assert read_header("a", late).size == read_header("a", content).size == (24, 8)


@pytest.mark.parametrize("orientation", BACK)
def test_halves_maps_and_objects_are_upright(tmp_path, orientation):
    whole = np.concatenate([corners_of(16, 16), 3 - corners_of(16, 16)], 1)
    turned(tmp_path / "halves/0.png", np.repeat(80 * whole[..., None], 3, 2), orientation)
    pair = load(f"pairs:{tmp_path / 'halves'}", size=16)
    assert pair.values[0, ..., 0].tolist() == (80 * corners_of(16, 16)).tolist()
    assert pair.paired_domain.dataset.values[0, ..., 0].tolist() == (80 * (3 - corners_of(16, 16))).tolist()
    content = turned(tmp_path / "map.png", corners_of(16, 24), orientation).read_bytes()
    assert decode_label_map("map", content, None)[..., 0].tolist() == corners_of(16, 24)[:, 4:20].tolist()
    assert decode_boundaries("map", content, None)[..., 0].sum() == 60
    assert read_label_map(tmp_path / "map.png", LabelMapClasses(tuple("abcd"))).tolist() == corners_of(16, 24).tolist()
    assert read_instances(tmp_path / "map.png").tolist() == corners_of(16, 24).tolist()


def test_partners_are_compared_as_they_are_shown(tmp_path):
    scene = np.repeat(60 * corners_of(16, 32)[..., None], 3, 2)
    turned(tmp_path / "set/a/0.jpg", scene, 6)
    saved(tmp_path / "set/b/0.png", scene)
    pair = load(f"pairs:{tmp_path / 'set'}", size=16)
    assert np.abs(pair.values.astype(float) - pair.paired_domain.dataset.values).mean() < 4
    saved(tmp_path / "set/b/0.png", scene.transpose(1, 0, 2))
    with pytest.raises(DataError, match=r"a/0.jpg is 32 × 16 and b/0.png 16 × 32: partners must have the same"):
        load(f"pairs:{tmp_path / 'set'}", size=16)


@pytest.mark.parametrize("what", ["pictures", "halves", "maps", "instances"])
def test_every_pair_is_checked_once_and_the_invalid_one_is_named(tmp_path, what, monkeypatch):
    root = tmp_path / "set"
    folders = {"pictures": "ab", "halves": "", "maps": ["a", "maps"], "instances": ["a", "instances", "maps"]}[what]
    for index in range(20):
        for folder in folders:
            odd = index == 17 and folder == folders[1]
            value = index % 2 if folder in ("maps", "instances") else 8 * index
            pixels = (
                flat(value, (8, 16 if odd else 8)) if folder in "ab" else flat(value, (8, 16 if odd else 8))[..., 0]
            )
            saved(root / folder / f"{index:02d}.png", pixels)
        if what == "halves":
            saved(root / f"{index:02d}.png", flat(index, (8, 8 if index == 17 else 16)))
    with pytest.raises(DataError, match=r"17.png.* (is 8 × 8|16 × 8)"):
        load(f"pairs:{root}", size=8)
    sound = flat(1, (8, 16)) if what == "halves" else flat(0, (8, 8)) if what == "pictures" else flat(0, (8, 8))[..., 0]
    saved(root / (folders[1] if folders else "") / "17.png", sound)
    assert len(load(f"pairs:{root}", size=8)) == 20
    monkeypatch.setattr("sparring.data.sources.layouts.read_header", None)
    assert len(load(f"pairs:{root}", size=8)) == 20, "what was in order is remembered"
