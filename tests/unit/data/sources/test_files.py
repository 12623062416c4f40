"""Folders, archives and arrays of images: what is read, how it is converted, labelled, prepared and refused."""

import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparring.data import DataFacts, Dataset, load, prepare
from sparring.data.fingerprint import fingerprint
from sparring.data.sources.files import open_files
from sparring.data.sources.image_sources import ImageFiles
from sparring.errors import DataError


def picture(
    red: int, green: int = 0, blue: int = 0, *, size: tuple[int, int] = (16, 16), mode: str = "RGB"
) -> Image.Image:
    return Image.new("RGB", size, (red, green, blue)).convert(mode)


def saved(path: Path, image: Image.Image, **settings) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **settings)
    return path


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return target


def colours(dataset) -> list[list[int]]:
    return dataset.values[:, 0, 0, :].tolist()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path):
    for index, name in enumerate(["b/2.png", "a/1.png", "a/0.PNG", "b/deep/9.png"]):
        saved(tmp_path / "set" / name, picture(10 * index))
    (tmp_path / "set" / "notes.txt").write_text("not an image")
    saved(tmp_path / "set" / "a" / ".hidden.png", picture(99))
    return tmp_path / "set"


@pytest.mark.parametrize("pack", [lambda path: path, lambda path: zipped(path, path.with_suffix(".zip"))])
def test_folders_and_archives_are_read_in_order_with_their_classes(folder, pack):
    data = load(pack(folder))
    assert colours(data) == [[20, 0, 0], [10, 0, 0], [0, 0, 0], [30, 0, 0]]
    assert data.classes == ("a", "b")
    assert data.labels.tolist() == [0, 0, 1, 1]
    assert DataFacts.of(data).arguments() == {"shape": (3, 16, 16), "classes": 2}


@pytest.mark.parametrize(
    ("names", "read", "classes", "labels"),
    [
        (["0.png", "1.png"], 2, (), None),
        (["a/0.png", "1.png"], 2, (), None),
        (["all/0.png", "all/1.png"], 2, (), None),
        (["all/x/0.png", "all/y/1.png"], 2, ("x", "y"), [0, 1]),
        (["train/0.png", "train/1.png", "test/2.png"], 2, (), None),
        (["train/x/0.png", "train/y/1.png", "val/x/2.png"], 2, ("x", "y"), [0, 1]),
        (["10/0.png", "9/1.png", "2/2.png"], 3, ("2", "9", "10"), [2, 0, 1]),
        (["train/0.png", "other/1.png"], 2, ("other", "train"), [0, 1]),
    ],
)
def test_folders_are_read_as_users_mean_them(tmp_path, names, read, classes, labels):
    for name in names:
        saved(tmp_path / "set" / name, picture(0))
    data = load(tmp_path / "set")
    assert (len(data), data.classes) == (read, classes)
    assert (None if data.labels is None else data.labels.tolist()) == labels


def test_a_table_gives_labels(folder):
    table = [["b/2.png", 2], ["a/1.png", 0], ["a/0.PNG", 2], ["b/deep/9.png", 1]]
    (folder / "dataset.json").write_text(json.dumps({"labels": table}))
    data = load(folder)
    assert data.labels.tolist() == [2, 0, 2, 1]
    assert data.classes == ("0", "1", "2")
    (folder / "dataset.json").write_text('{"labels": null}')
    assert load(folder).labels is None


def named(root: Path, *names: str) -> Path:
    for name in names:
        saved(root / name, picture(0))
    return root


def table(path: Path, *rows: tuple[str, int]) -> None:
    path.write_text(json.dumps({"labels": rows}))


STYLEGAN = ("00000/img0.png", "00000/img1.png", "00001/img2.png")


@pytest.mark.parametrize("around", ["", "mydata/", "mydata/train/", "a/b/c/"])
@pytest.mark.parametrize("pack", [lambda path: path, lambda path: zipped(path, path.with_suffix(".zip"))])
def test_a_table_in_the_folders_around_all_images_gives_labels(tmp_path, around, pack):
    root = named(tmp_path / "set", *(around + name for name in STYLEGAN), *(["mydata/val/9.png"] * ("train" in around)))
    table(root / around / "dataset.json", *zip(STYLEGAN, (5, 0, 5), strict=True))
    data = load(pack(root))
    assert data.labels.tolist() == [5, 0, 5]
    assert data.skipped == ()
    assert f"labels by {around}dataset.json" in data.describe()[1]
    assert ("only images in train, not 1 in other folders" in data.describe()[1]) == ("train" in around)
    table(root / around / "dataset.json", *zip(STYLEGAN, (5, 0, 2), strict=True))
    assert load(pack(root)).labels.tolist() == [5, 0, 2], "the cache holds another table"


def test_what_was_prepared_before_the_table_counted_is_prepared_again(tmp_path):
    root = named(tmp_path / "set", *("mydata/" + name for name in STYLEGAN))
    by_folders = load(root)
    assert by_folders.classes == ("00000", "00001")
    table(root / "mydata/dataset.json", *zip(STYLEGAN, (1, 0, 1), strict=True))
    assert load(root).labels.tolist() == [1, 0, 1]
    assert load(root).fingerprint != by_folders.fingerprint


def test_a_cache_prepared_by_folders_is_not_used_for_a_table_below(tmp_path):
    root = named(tmp_path / "set", *("mydata/" + name for name in STYLEGAN))
    table(root / "mydata/dataset.json", *zip(STYLEGAN, (1, 0, 1), strict=True))
    below = ImageFiles(open_files(root))
    assert below.stamp != ImageFiles(open_files(root), below.reading[:3]).stamp


def test_the_outermost_table_counts_and_the_others_are_named(tmp_path):
    root = named(tmp_path / "set", "x/a/0.png", "x/b/1.png")
    table(root / "dataset.json", ("x/a/0.png", 1), ("x/b/1.png", 0))
    table(root / "x/dataset.json", ("a/0.png", 0), ("b/1.png", 0))
    data = load(root)
    assert data.labels.tolist() == [1, 0]
    (note,) = data.skipped
    assert note.startswith(f"{root}/x/dataset.json is not used")
    (root / "dataset.json").unlink()
    (root / "x/dataset.json").rename(root / "x/a/dataset.json")
    data = load(root)
    assert data.classes == ("a", "b")
    (note,) = data.skipped
    assert note.startswith(f"{root}/x/a/dataset.json is not used")


def test_a_table_without_captions_is_named(tmp_path):
    root = named(tmp_path / "set", "x/0.png", "x/1.png")
    (root / "x/metadata.csv").write_text("file_name,label\n0.png,cat\n1.png,dog\n")
    data = load(root)
    (note,) = data.skipped
    assert note.startswith(f"{root}/x/metadata.csv has no caption of any image and is not used")
    (root / "x/metadata.jsonl").write_text("".join(f'{{"file_name": "{k}.png", "text": "a {k}"}}\n' for k in (0, 1)))
    data = load(root)
    assert data.captions.texts == (("a 0",), ("a 1",))
    assert data.skipped == (note,)
    assert load(root).skipped == (note,), "from the cache"


def test_tables_beside_two_domains_are_named(tmp_path):
    root = named(tmp_path / "set", "trainA/0.png", "trainB/0.png")
    table(root / "dataset.json", ("trainA/0.png", 0))
    (root / "metadata.csv").write_text("file_name,text\ntrainA/0.png,a\n")
    assert [note.split(" is not")[0] for note in load(root).skipped] == [
        f"{root}/dataset.json",
        f"{root}/metadata.csv",
    ]


def test_what_was_understood_is_described(tmp_path):
    root = named(
        tmp_path / "set", *(f"{name}/{k}.png" for name, count in (("cat", 3), ("dog", 2)) for k in range(count))
    )
    assert load(root).describe() == (
        f"{root}, 5 rows of shape (3, 16, 16)",
        "2 classes: cat (3), dog (2); labels by folders",
    )
    for path in root.rglob("*.png"):
        path.with_suffix(".txt").write_text("an animal\na picture\n")
    (root / "dog/2.png").write_bytes(b"")
    assert load(root, skip_unreadable=True).describe()[1] == (
        "2 classes: cat (3), dog (2); 10 captions of 5 images; labels by folders; 1 skipped"
    )
    plain = load(named(tmp_path / "plain", "0.png"))
    assert plain.describe() == (f"{tmp_path / 'plain'}, 1 rows of shape (3, 16, 16)", "no labels")
    values, names = np.zeros((24, 2), np.float32), tuple(f"k{k}" for k in range(12))
    even = Dataset("points", values, np.arange(24) % 12, names).describe()[1]
    assert even == "12 classes of 2 each: k0, k1, k2, k3, k4, k5, k6, k7, k8, k9 and 2 more"
    uneven = Dataset("points", values, np.arange(24) // 2 % 11, names).describe()[1]
    assert uneven.startswith("12 classes, 0 to 4 rows each: k0 (4), k1 (2), k2 (2)")
    assert uneven.endswith("k9 (2) and 2 more")


def test_what_is_described_is_printable(tmp_path):
    root = named(tmp_path / "set", "a\x1b[31m/0.png", "b\n/0.png")
    assert load(root).describe()[1] == "2 classes of 1 each: a\\x1b[31m, b\\n; labels by folders"


def test_a_part_of_a_set_is_described_by_its_own_counts():
    digits = load("digits")
    kept, held = digits.split(0.1)
    counts = [int(count.replace(",", "")) for count in re.findall(r"\((\d+)\)", kept.describe()[1])]
    assert counts == (np.bincount(digits.labels) - held.counts().numpy()).tolist()
    assert sum(counts) == len(kept)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "dataset.json cannot be read"),
        ("[]", "dataset.json cannot be read"),
        ('{"labels": [["a/0.PNG"]]}', "dataset.json cannot be read"),
        ('{"labels": [["a/0.PNG", 0]]}', "gives a/1.png no label"),
        ('{"labels": [["a/0.PNG", -1]]}', "gives a/0.PNG no label"),
        ('{"labels": [["a/0.PNG", [0, 1]]]}', "gives a/0.PNG no label"),
    ],
)
def test_bad_tables_are_refused(folder, content, sentence):
    (folder / "dataset.json").write_text(content)
    with pytest.raises(DataError, match=sentence):
        load(folder)


def test_part_of_an_archive_and_one_image(folder):
    archive = zipped(folder, folder.with_suffix(".ZIP"))
    assert colours(load(archive / "a")) == [[20, 0, 0], [10, 0, 0]]
    assert colours(load(folder / "a" / "1.png")) == [[10, 0, 0]]
    with pytest.raises(DataError, match="holds no images"):
        load(archive / "nowhere")


def test_names_that_leave_the_archive_are_passed_over(tmp_path):
    content = io.BytesIO()
    picture(7).save(content, "PNG")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        for name in ("../out.png", "/root.png", "C:/x.png", "a/../../y.png", "good.png", "__MACOSX/good.png"):
            archive.writestr(name, content.getvalue())
    assert len(load(tmp_path / "evil.zip")) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "evil.zip"]


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "bmp", "gif", "tiff", "ppm"])
def test_formats(tmp_path, kind):
    saved(tmp_path / "set" / f"x.{kind}", picture(255, 0, 255))
    np.testing.assert_allclose(load(tmp_path / "set").values[0, 8, 8], [255, 0, 255], atol=3)


def test_only_the_first_picture_of_an_animation_is_read(tmp_path):
    saved(tmp_path / "set" / "x.gif", picture(255), save_all=True, append_images=[picture(0, 255)])
    assert colours(load(tmp_path / "set")) == [[255, 0, 0]]


def test_grey_stays_grey_and_a_mixture_becomes_colour(tmp_path):
    saved(tmp_path / "set" / "0.png", picture(200, 200, 200, mode="L"))
    saved(tmp_path / "set" / "1.png", Image.fromarray(np.full((16, 16), 255 * 257, np.uint16)))
    assert colours(load(tmp_path / "set")) == [[200], [255]]
    saved(tmp_path / "set" / "2.png", picture(255, 0, 0))
    assert colours(load(tmp_path / "set")) == [[200] * 3, [255] * 3, [255, 0, 0]]
    assert colours(load(tmp_path / "set", channels=1)) == [[200], [255], [76]]  # 0.299 · 255


def test_transparency_is_laid_on_white_unless_it_is_kept(tmp_path):
    saved(tmp_path / "set" / "0.png", Image.new("RGBA", (16, 16), (255, 0, 0, 0)))
    saved(tmp_path / "set" / "1.png", Image.new("RGBA", (16, 16), (0, 0, 0, 51)))
    saved(tmp_path / "set" / "2.png", Image.new("LA", (16, 16), (0, 0)))
    assert colours(load(tmp_path / "set")) == [[255] * 3, [204] * 3, [255] * 3]
    assert colours(load(tmp_path / "set", channels=4)) == [[255, 0, 0, 0], [0, 0, 0, 51], [0, 0, 0, 0]]


def test_pictures_are_turned_upright(tmp_path):
    image = picture(0)
    image.paste((255, 255, 255), (0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by half
    saved(tmp_path / "set" / "x.png", image, exif=exif)
    values = load(tmp_path / "set").values[0]
    assert values[:8].max() == 0
    assert values[8:].min() == 255


@pytest.mark.parametrize(("size", "square"), [((48, 16), (16, 0, 32, 16)), ((16, 48), (0, 16, 16, 32))])
def test_the_central_square_is_resized(tmp_path, size, square):
    image = picture(255, size=size)
    image.paste((0, 0, 255), square)
    saved(tmp_path / "set" / "x.png", image)
    data = load(tmp_path / "set", size=8)
    assert data.shape == (3, 8, 8)
    np.testing.assert_array_equal(data.values[0], np.broadcast_to([0, 0, 255], (8, 8, 3)))


@pytest.mark.parametrize(("size", "expected"), [((100, 40), 32), ((500, 300), 64), ((64, 64), 64), ((1, 1), 1)])
def test_default_size(tmp_path, size, expected):
    saved(tmp_path / "set" / "x.png", picture(0, size=size))
    assert load(tmp_path / "set").shape == (3, expected, expected)


def test_preparing_happens_once_and_again_after_a_change(folder, cache):
    calls = []
    first = load(folder, progress=lambda done, total: calls.append((done, total)))
    again = load(folder, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(4, 4)]
    assert isinstance(again.values, np.memmap)
    assert first.fingerprint == again.fingerprint == fingerprint(first.values, first.labels, first.classes)
    load(folder, size=8, progress=lambda done, total: calls.append((done, total)))
    saved(folder / "a" / "1.png", picture(77))
    changed = load(folder, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(4, 4)] * 3
    assert changed.fingerprint != first.fingerprint
    assert not [path for path in cache.iterdir() if path.suffix == ".tmp"]


def test_an_interrupted_preparation_leaves_nothing(folder, cache):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(folder, progress=interrupt)
    assert list(cache.iterdir()) == []


def test_more_images_than_a_chunk(tmp_path):
    for index in range(600):
        saved(tmp_path / "set" / f"{index:03}.png", picture(index % 251, size=(2, 2)))
    calls = []
    data = load(tmp_path / "set", progress=lambda done, total: calls.append((done, total)))
    assert data.values[:, 0, 0, 0].tolist() == [index % 251 for index in range(600)]
    assert calls == [(256, 600), (512, 600), (600, 600)]


def test_a_prepared_file_is_a_data_set_that_can_be_moved(folder, tmp_path):
    target = prepare(folder, tmp_path / "out" / "small", size=8)
    assert target == tmp_path / "out" / "small.npy"
    for path in sorted((tmp_path / "out").iterdir()):
        path.rename(tmp_path / path.name)
    data = load(tmp_path / "small.npy")
    assert (data.shape, data.classes, data.labels.tolist()) == ((3, 8, 8), ("a", "b"), [0, 0, 1, 1])
    assert data.fingerprint == load(folder, size=8).fingerprint
    assert load(tmp_path / "small.npy", size=4).shape == (3, 4, 4)
    with pytest.raises(DataError, match="need no preparing"):
        prepare("ring", tmp_path / "ring")
    np.save(tmp_path / "small.npy", data.values[:2])
    assert (len(load(tmp_path / "small.npy")), load(tmp_path / "small.npy").classes) == (2, ())


def test_arrays(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 10), np.uint8)
    np.save(tmp_path / "grey.npy", images)
    np.savez(tmp_path / "labelled.npz", images=images, labels=np.array([0, 1, 2, 0, 1, 2], np.uint8))
    np.save(tmp_path / "points.npy", np.array([[0.5, 1], [2, 3]]))
    grey, labelled = load(tmp_path / "grey.npy"), load(tmp_path / "labelled.npz")
    assert (grey.shape, grey.classes, isinstance(grey.values, np.memmap)) == ((1, 8, 10), (), True)
    np.testing.assert_array_equal(labelled.values[..., 0], images)
    assert (labelled.labels.tolist(), labelled.classes) == ([0, 1, 2, 0, 1, 2], ("0", "1", "2"))
    assert load(tmp_path / "points.npy").values.tolist() == [[0.5, 1], [2, 3]]
    resized = load(tmp_path / "labelled.npz", size=4, channels=3)
    assert (resized.shape, resized.labels.tolist()) == ((3, 4, 4), [0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"images": np.zeros((2, 4, 4), np.float32)}, "save them as uint8"),
        ({"images": np.zeros((2, 3, 8, 8), np.uint8)}, "channels first"),
        ({"images": np.zeros((0, 8, 8), np.uint8)}, "holds no rows"),
        ({"images": np.zeros(5, np.uint8)}, "give images as uint8"),
        ({"points": np.array([[0, np.nan]])}, "not finite"),
        ({"one": np.zeros((2, 2)), "two": np.zeros((2, 2))}, "name the array of rows"),
        ({"images": np.zeros((2, 4, 4), np.uint8), "labels": np.array([0.5, 1])}, "give whole numbers"),
        ({"images": np.zeros((2, 4, 4), np.uint8), "labels": np.array([1])}, "give int64"),
        ({"images": np.array([{}, {}], dtype=object)}, "without pickling"),
    ],
)
def test_bad_arrays_are_refused(tmp_path, arrays, sentence):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError, match=sentence):
        load(tmp_path / "x.npz")
