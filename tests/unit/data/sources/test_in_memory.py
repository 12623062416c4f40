"""Arrays, tensors, pairs and loaders become the rows that they hold, or one sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from sparring.data import load
from sparring.data.fingerprint import fingerprint
from sparring.errors import DataError
from support.python_data import COUNT, FIRST, KINDS, LABELLED, LABELS, NAMED, NAMES, PIXELS, UNLABELLED, pets, pictures


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_holds_the_same_rows(kind):
    data = load(KINDS[kind]())
    rows, *labels = data.rows(np.arange(COUNT))
    assert torch.equal(rows, FIRST)
    assert [part.tolist() for part in labels] == ([] if kind in UNLABELLED else [LABELS.tolist()])
    assert data.classes == (tuple(NAMES) if kind in NAMED else ("0", "1", "2") if kind in LABELLED else ())


@pytest.mark.parametrize(
    ("kinds", "facts"),
    [(UNLABELLED, (PIXELS,)), (LABELLED, (PIXELS, LABELS, "012")), (NAMED, (PIXELS, LABELS, NAMES))],
)
def test_equal_content_has_one_fingerprint(kinds, facts):
    assert {load(each()).fingerprint for each in kinds.values()} == {fingerprint(*facts)}


def test_a_changed_pixel_or_label_changes_the_fingerprint():
    other, labels = PIXELS.copy(), LABELS.copy()
    other[-1, -1, -1, -1] ^= 1
    labels[-1] = 0
    assert len({load(each).fingerprint for each in (PIXELS, other, (PIXELS, LABELS), (PIXELS, labels))}) == 4


def test_what_was_concluded_is_said():
    def said(data):
        return load(data).understood

    assert said(PIXELS) == ()
    assert said(FIRST) == ("channels first (N, C, H, W)",)
    assert said(FIRST / 255) == ("channels first (N, C, H, W)", "numbers from 0 to 1")
    assert said(PIXELS / 127.5 - 1) == ("numbers from −1 to 1",)
    assert said(PIXELS[..., 0]) == ("grey (N, H, W)",)
    assert said(DataLoader(pets())) == ("order, batches and collate_fn of the DataLoader are not used",)
    assert said(KINDS["Hugging Face"]()) == ("images from 'image'", "classes from 'label'", "not used: id")


def test_bytes_are_not_copied_and_nothing_is_changed():
    given = PIXELS.copy()
    assert np.shares_memory(load(given).values, given)
    for size in (None, 5):
        load(given, size=size)
        assert np.array_equal(given, PIXELS)


def test_points_are_rows_of_float32():
    points = np.random.default_rng(0).normal(size=(20, 2))
    for given in (points, torch.from_numpy(points), points.astype(np.float32)):
        data = load(given)
        assert data.shape == (2,)
        assert np.array_equal(data.values, points.astype(np.float32))
    assert load((points, [0, 1] * 10)).classes == ("0", "1")
    assert load(np.arange(8).reshape(4, 2)).values.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]


@pytest.mark.parametrize("kind", ["array", "tensor of numbers from −1 to 1", "list of PIL images", "torch data set"])
def test_size_and_channels_apply_as_for_files(kind, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for index, image in enumerate(pictures()):
        image.save(folder / f"{index:02d}.png")
    filed, given = (load(each, size=5, channels=1, crop_margin=1) for each in (folder, KINDS[kind]()))
    assert given.shape == filed.shape == (1, 5, 5)
    assert np.array_equal(given.all_rows(), filed.all_rows())
    assert given.understood == load(KINDS[kind]()).understood


def test_a_part_of_a_set_is_not_resized_behind_its_back():
    part = load(PIXELS).subset(np.arange(4))
    assert load(part) is part
    assert load(part, size=8) is part
    with pytest.raises(DataError, match="a part of a set or a pair of sets: load the set in the size"):
        load(part, size=4)


@pytest.mark.parametrize(
    ("sampler", "own"),
    [
        ({"sampler": SubsetRandomSampler([3, 1])}, "SubsetRandomSampler"),
        ({"sampler": WeightedRandomSampler([1.0] * COUNT, COUNT)}, "WeightedRandomSampler"),
        ({"sampler": RandomSampler(range(COUNT), replacement=True)}, "BatchSampler"),
        ({"batch_sampler": type("Mine", (BatchSampler,), {})(SequentialSampler(range(COUNT)), 4, False)}, "Mine"),
    ],
)
def test_a_sampler_that_may_leave_rows_out_is_refused(sampler, own):
    with pytest.raises(DataError, match=rf"has the sampler {own}, and the order of rows .* give loader\.dataset for"):
        load(DataLoader(pets(), **sampler))


def test_the_remedy_for_a_sampler_works():
    loader = DataLoader(pets(), sampler=SubsetRandomSampler([3, 1]))
    data = load(Subset(loader.dataset, sorted(loader.sampler)))
    assert np.array_equal(data.values, PIXELS[[1, 3]])
    assert data.classes == tuple(NAMES)[:2] or data.classes == tuple(NAMES)


class Endless(IterableDataset):
    def __iter__(self):
        yield PIXELS[0]


class Splits(dict):
    @property
    def column_names(self):
        return {"train": ["image"], "test": ["image"]}


def changed(*place, to, like=PIXELS / 255):
    array = like.copy()
    array[place] = to
    return array


REFUSED = {
    "nothing": (None, "type NoneType cannot be used: give a name or path, an array or tensor"),
    "number": (3, "type int cannot be used"),
    "bytes": (b"abc", "type bytes cannot be used"),
    "class": (np.ndarray, "type type cannot be used"),
    "generator": ((image for image in PIXELS), "type generator have an order of their own"),
    "iterable data set": (Endless(), "type Endless have an order of their own"),
    "loader of one": (DataLoader(Endless()), "type Endless have an order of their own"),
    "dict": ({"images": PIXELS}, r"type dict cannot be used: give \(images, labels\)"),
    "splits": (Splits(train=1, test=2), r"holds the splits train, test: give one of them, such as data\['train'\]"),
    "one PIL image": (Image.new("RGB", (8, 8)), "give a list of images"),
    "one array": (PIXELS[0], "may be one image"),
    "three parts": ((PIXELS, LABELS, LABELS), "tuple of 3"),
    "name and labels": (("ring", LABELS), "tuple of str and ndarray"),
    "images without labels": ((PIXELS, None), "tuple of ndarray and NoneType"),
    "empty": (PIXELS[:0], "holds no rows"),
    "empty list": ([], "holds no rows"),
    "empty side": (PIXELS[:, :0], "an empty side"),
    "five axes": (PIXELS[None], r"shape \(1, 24, 8, 8, 3\): give"),
    "two axes": (np.zeros((5, 7)), r"shape \(5, 7\): give"),
    "no axis": (np.array(3), r"shape \(\): give"),
    "no channels": (np.zeros((5, 7, 7, 7), np.uint8), "without an axis of 1, 3 or 4 channels"),
    "two channels": (np.zeros((5, 8, 8, 2), np.uint8), "without an axis of 1, 3 or 4 channels"),
    "two axes of channels": (np.zeros((5, 3, 7, 4), np.uint8), "can both be channels: give a sparring.data.Dataset"),
    "objects": (np.array([PIXELS[0], PIXELS[0, :4]], dtype=object), "images of several sizes: give a list"),
    "whole numbers": (PIXELS.astype(np.int64), "type int64: give uint8 from 0 to 255"),
    "truth values": (PIXELS > 3, "type bool: give uint8"),
    "complex": (PIXELS.astype(complex), "type complex128: give uint8"),
    "texts": (np.array(["a", "b"]), "type <U1: give uint8"),
    "masked": (np.ma.masked_array(PIXELS, PIXELS > 3), "masked array"),
    "bytes as numbers": (PIXELS.astype(float), "numbers from 0 to 255: give uint8"),
    "above 1": (changed(3, 2, 1, 0, to=1.01), "numbers from .* to 1.01: give uint8"),
    "below −1": (changed(3, 2, 1, 0, to=-1.01), "numbers from -1.01 to"),
    "not a number": (changed(11, 7, 7, 2, to=np.nan), "not finite"),
    "infinite": (changed(11, 7, 7, 2, to=-np.inf), "not finite"),
    "infinite point": (changed(3, 1, to=np.inf, like=np.zeros((5, 2))), "points that are not finite"),
    "point too large": (changed(3, 1, to=1e300, like=np.zeros((5, 2))), "points that are not finite"),
    "requires gradients": (torch.zeros(4, 3, 8, 8, requires_grad=True), r"give tensor\.detach\(\)"),
    "sparse": (torch.zeros(4, 3, 8, 8).to_sparse(), "give a dense tensor"),
    "no content": (torch.zeros(4, 3, 8, 8, device="meta"), "give a dense tensor"),
    "labels and items": (([(image, 1) for image in pictures()], LABELS), "in its items and beside them"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_gets_one_sentence(case):
    data, sentence = REFUSED[case]
    with pytest.raises(DataError, match=sentence) as caught:
        load(data)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_nested_tensors_are_refused():
    nested = torch.nested.as_nested_tensor([torch.zeros(3, 4), torch.zeros(5, 4)], layout=torch.jagged)
    with pytest.raises(DataError, match="give a dense tensor"):
        load(nested)


def test_numbers_slightly_out_of_range_are_clipped():
    data = load(changed(0, 0, 0, to=[-1e-4, 1 + 1e-4, 0.5]))
    assert data.values[0, 0, 0].tolist() == [0, 255, 128]
    assert data.understood == ("numbers from 0 to 1",)


def test_one_negative_number_among_many_images_means_the_range_from_minus_1():
    many = np.ones((600, 5, 6, 3), np.float32)
    many[599, 4, 5, 2] = -1
    data = load(many)
    assert data.understood == ("numbers from −1 to 1",)
    assert (data.values[0].min(), data.values[599, 4, 5].tolist()) == (255, [255, 255, 0])
