"""Items of map-style data sets: by type, one after another, and the first that does not fit gets one sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from sparring.data import load
from sparring.data.sources import items
from sparring.data.sources.items import find_columns, is_whole
from sparring.errors import DataError
from support.python_data import COUNT, KINDS, LABELS, PIXELS, Items, Table, pets, pictures

PHOTO = Image.fromarray(PIXELS[0])
GREY = PHOTO.convert("L")


def first_thousand(item, then):
    """A data set of 1,200 items, of which number 1000 is another one."""
    return Items(lambda index: then if index == 1000 else item, 1200)


class Failing(Items):
    def __getitem__(self, index):
        return 1 / 0 if index == 1000 else PHOTO


REFUSED = {
    "a text": (first_thousand(PHOTO, "x"), "Item 1000 of Items in Python is of type str"),
    "nothing": (first_thousand(PHOTO, None), "Item 1000 of Items in Python is of type NoneType"),
    "an error": (Failing(None, 1200), r"Item 1000 of Failing in Python cannot be read \(ZeroDivisionError: division"),
    "no label": (first_thousand((PHOTO, 1), PHOTO), "is of type Image and the first one of type tuple with 2 parts"),
    "a label of text": (first_thousand((PHOTO, 1), (PHOTO, "cat")), "has the label 'cat': number the classes"),
    "a label below 0": (first_thousand((PHOTO, 1), (PHOTO, -1)), "has the label -1: number the classes"),
    "a real label": (first_thousand((PHOTO, 1), (PHOTO, 1.0)), "has the label '1.0': number the classes"),
    "a truth value": (first_thousand((PHOTO, 1), (PHOTO, True)), "has the label 'True': number the classes"),
    "a huge label": (first_thousand((PHOTO, 1), (PHOTO, 10**12)), "has the label 1000000000000: number"),
    "another size": (first_thousand(PHOTO, PHOTO.resize((5, 8))), "8 × 5 × 3 and the first one 8 × 8 × 3: give a size"),
    "other numbers": (first_thousand(PIXELS[0], PIXELS[0] / 255), "is floating-point and the first one bytes"),
    "other images": (first_thousand(PHOTO, PIXELS[0]), "is bytes and the first one a PIL image"),
    "not a number": (first_thousand(PIXELS[0] / 255, np.full((8, 8, 3), np.nan)), "numbers that are not finite"),
    "out of range": (first_thousand(PIXELS[0] / 255, PIXELS[0] * 1.0), "Item 1000 .* holds numbers from"),
    "another key": (first_thousand({"x": PHOTO}, {"y": PHOTO}), "type dict with y and the first one of type dict"),
    "colour after grey": ([GREY, PHOTO], "Item 1 .* is in colour and the first one is grey: give channels=3"),
    "three parts": (Items(lambda index: (PHOTO, 1, 2)), "has 3 parts"),
    "no image": (Items(lambda index: {"a": 1, "b": "x"}), "has no image in a, b"),
    "two images": (Items(lambda index: {"a": PHOTO, "b": PHOTO}), "has images in a, b"),
    "two labels": (Items(lambda index: {"a": PHOTO, "b": 1, "c": 2}), "whole numbers in b, c, each of which"),
    "no length": (Items(lambda index: PHOTO, "x"), "has no length"),
    "negative length": (Items(lambda index: PHOTO, -1), "has no length"),
    "nested lists": ([[[1, 2], [3, 4]]], "Item 0 of list in Python"),
    "32 bits": ([PHOTO.convert("F")], "32-bit pixels"),
    "random": (Items(lambda index: np.random.default_rng().integers(0, 256, (8, 8, 3), np.uint8)), "0 .* changes when"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_first_item_that_does_not_fit_gets_one_sentence(case):
    data, sentence = REFUSED[case]
    with pytest.raises(DataError, match=sentence) as caught:
        load(data)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_sizes_and_modes_that_differ_need_a_size_and_channels():
    mixed = [GREY, PHOTO.resize((16, 24)), PHOTO.convert("P"), PHOTO.convert("RGBA"), PHOTO.convert("LA")]
    assert load(mixed, size=8, channels=3).shape == (3, 8, 8)
    assert load([PHOTO, GREY]).shape == (3, 8, 8)
    assert load([GREY, GREY]).shape == (1, 8, 8)


def test_pictures_are_turned_upright_and_left_as_they_are(tmp_path):
    turned = Image.fromarray(np.pad(PIXELS[0], ((0, 2), (0, 0), (0, 0))))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as picture:
        assert load([picture]).shape == (3, 8, 10)
        assert picture.size == (8, 10)


def test_a_negative_number_anywhere_means_the_range_from_minus_1():
    bright = np.ones((8, 8, 3), np.float32)
    data = load(first_thousand(bright, -bright))
    assert data.understood == ("numbers from −1 to 1",)
    assert {tuple(np.unique(row)) for row in data.values} == {(255,), (0,)}
    assert load(Items(lambda index: 0.2 * bright)).values.max() == 51


def test_large_sets_are_streamed_into_a_prepared_file(tmp_path, monkeypatch):
    small = load(pets())
    monkeypatch.setattr(items, "IN_MEMORY", PIXELS.nbytes - 1)
    steps = []
    large = load(pets(), cache=tmp_path, progress=lambda done, total: steps.append((done, total)))
    assert large.checksummed is not None
    assert isinstance(large.values, np.memmap)
    assert (large.fingerprint, large.classes) == (small.fingerprint, small.classes)
    assert np.array_equal(large.all_rows(), PIXELS)
    assert large.labels.tolist() == LABELS.tolist()
    assert steps == [(COUNT, COUNT)]
    assert [path.name for path in tmp_path.iterdir()] == [f"items-{small.fingerprint[:16]}.npy"]
    assert load(tmp_path / f"items-{small.fingerprint[:16]}.npy").fingerprint == small.fingerprint


def test_a_failure_on_the_way_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(items, "IN_MEMORY", 1000)
    for data in (Failing(None, 1200), first_thousand(PIXELS[0] / 255, np.full((8, 8, 3), 2.0))):
        with pytest.raises(DataError):
            load(data, cache=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(items, "IN_MEMORY", 1000)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file cannot be written \(.*SPARRING_CACHE"):
        load(pets(), cache=tmp_path / "file")


def test_each_item_is_read_once_and_the_first_eight_twice():
    reads = []
    load(Items(lambda index: reads.append(index) or PHOTO, 20))
    assert [reads.count(index) for index in range(20)] == [4, *[2] * 7, *[1] * 12]


def test_columns_are_found_by_their_types():
    assert find_columns("t", Table(), Table()[0])[:2] == ("image", "label")
    assert find_columns("t", [], (PHOTO, 1))[:2] == (0, 1)
    assert find_columns("t", [], (PHOTO,))[:2] == (0, None)
    assert find_columns("t", [], {"a": torch.zeros(2), "b": torch.tensor(3)})[:2] == ("a", "b")
    assert find_columns("t", [], {"text": "cat", "photo": PHOTO}).unused == ("text",)
    bare = Table()
    bare.features = {}
    assert find_columns("t", bare, {"photo": PHOTO, "breed": 1})[:3] == ("photo", "breed", None)


@pytest.mark.parametrize("value", [3, np.int64(3), np.array(3), torch.tensor(3), np.uint8(3)])
def test_whole_numbers_of_three_libraries_are_labels(value):
    assert is_whole(value)


@pytest.mark.parametrize("value", [True, 3.0, "3", None, torch.tensor(3.0), torch.tensor([3]), torch.tensor(True), 3j])
def test_other_values_are_no_labels(value):
    assert not is_whole(value)


def test_a_list_of_pictures_is_left_open():
    images = pictures()
    load(images, size=5)
    assert [image.size for image in images] == [(8, 8)] * COUNT
    assert load(KINDS["list of arrays"](), channels=1).shape == (1, 8, 8)
