"""Sizes and fits of images, from a user's words to pixels."""

import numpy as np
import pytest
from PIL import Image

from sparring.data import load, prepare
from sparring.data.annotations.label_maps import decode_boundaries, decode_label_map
from sparring.data.frames import (
    Frame,
    border_in,
    colour_of,
    common_content,
    enlarged,
    fitted,
    frame_for,
    height_and_width,
    plain_size,
    text_of,
)
from sparring.data.sources.images import decode
from sparring.errors import DataError

RED, BLUE = (255, 0, 0), (0, 0, 255)


def flag(width=40, height=20):
    """A picture whose left half is red and whose right half is blue."""
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(BLUE, (width // 2, 0, width, height))
    return picture


@pytest.fixture
def folder(tmp_path_factory):
    """Five wide and five high pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    for index in range(5):
        flag().save(folder / f"wide{index}.png")
        flag(20, 40).save(folder / f"high{index}.png")
    return folder


def test_a_square_crop_is_its_side_and_everything_else_a_frame():
    assert [frame_for(size) for size in (None, 64, (64, 64), [64])] == [None, 64, 64, 64]
    assert frame_for((64, 48)) == Frame(64, 48)
    assert frame_for(64, "pad:#010203") == Frame(64, 64, "pad", (1, 2, 3))
    assert frame_for(64, "stretch") == Frame(64, 64, "stretch")
    assert [plain_size(size) for size in (None, 64, (64, 64), [64, 48])] == [None, 64, 64, (64, 48)]
    assert (text_of(64), text_of((64, 48)), height_and_width(Frame(3, 4))) == ("64", "64x48", (3, 4))
    assert (enlarged(8, 2), enlarged(Frame(8, 9), 2), enlarged(None, 2)) == (10, Frame(10, 11), None)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (((1, 2, 3),), "neither a side nor a height and a width"),
        (((64, 4.5),), "neither a side nor a height and a width"),
        ((64, "zoom"), "There is no fit 'zoom': give crop, pad, pad:COLOUR or stretch"),
        ((64, "stretch:red"), "There is no fit 'stretch:red'"),
        ((64, "pad:blurple"), "There is no colour 'blurple'"),
        ((None, "pad"), "to a given size only: add --size"),
    ],
)
def test_what_is_no_size_fit_or_colour_is_refused(arguments, sentence):
    with pytest.raises(DataError, match=sentence):
        frame_for(*arguments)


def test_crop_takes_the_central_part_of_the_images_proportions():
    assert Frame(10, 30).box(20, 40) == (0, 3, 40, 16)
    assert Frame(30, 10).box(20, 40) == (16, 0, 23, 20)
    assert Frame(20, 20).box(20, 40) == (10, 0, 30, 20)
    assert np.asarray(fitted(flag(), Frame(20, 20), Image.Resampling.LANCZOS, 0))[0, [0, 9, 10, 19]].tolist() == [
        [*RED],
        [*RED],
        [*BLUE],
        [*BLUE],
    ]


def test_stretch_shows_the_whole_picture_in_other_proportions():
    made = np.asarray(fitted(flag(), Frame(20, 10, "stretch"), Image.Resampling.NEAREST, 0))
    assert made.shape == (20, 10, 3)
    assert (made[:, :5] == RED).all()
    assert (made[:, 5:] == BLUE).all()


def test_pad_puts_the_whole_picture_on_a_border_of_one_colour():
    made = np.asarray(fitted(flag(), Frame(20, 20, "pad"), Image.Resampling.NEAREST, (1, 2, 3)))
    assert (made[:5] == (1, 2, 3)).all()
    assert (made[15:] == (1, 2, 3)).all()
    assert (made[5:15, :10] == RED).all()
    assert (made[5:15, 10:] == BLUE).all()
    assert Frame(64, 86, "pad").content(128, 171) == (64, 86)
    assert Frame(64, 64, "pad").content(1, 1000) == (1, 64)


def test_the_border_has_its_colour_in_every_number_of_channels():
    frame = frame_for(8, "pad:red")
    assert [border_in(frame, channels) for channels in (1, 3, 4)] == [76, RED, (*RED, 255)]
    assert border_in(8, 3) == (255, 255, 255)
    assert colour_of("black") == (0, 0, 0)


def test_the_common_content_is_shown_by_95_of_100_pictures():
    wide, square = (50, 100), (100, 100)
    assert common_content([square] * 96 + [wide] * 4, Frame(64, 64, "pad")) is None
    assert common_content([square] * 90 + [wide] * 10, Frame(64, 64, "pad")) == (32, 64)
    assert common_content([wide], Frame(64, 64)) is None
    assert common_content([wide], 64) is None


def test_a_folder_is_loaded_at_any_size_and_fit(folder, tmp_path):
    cache = tmp_path / "cache"
    cropped = load(folder, size=(24, 16), cache=cache)
    assert cropped.shape == (3, 24, 16)
    padded = load(folder, size=16, fit="pad:lime", cache=cache)
    assert padded.shape == (3, 16, 16)
    assert padded.content == (8, 8)
    wide, high = padded.values[-1], padded.values[0]
    assert (wide[[0, 3, 12, 15]] == (0, 255, 0)).all()
    assert (high[:, [0, 3, 12, 15]] == (0, 255, 0)).all()
    assert not (wide[4:12] == (0, 255, 0)).all(2).any()
    stretched = load(folder, size=16, fit="stretch", cache=cache)
    square = load(folder, size=16, cache=cache)
    prints = {each.fingerprint for each in (cropped, padded, stretched, square)}
    assert len(prints) == 4
    assert load(folder, size=(16, 16), cache=cache).fingerprint == square.fingerprint
    assert len(list(cache.glob("*.npy"))) == 4, "each has a file of its own, and (16, 16) is 16"
    assert square.content is None
    with pytest.raises(DataError, match="Random crops would move the border"):
        load(folder, size=16, fit="pad", crop_margin=4, cache=cache)
    margin = load(folder, size=(16, 24), crop_margin=4, cache=cache)
    assert margin.shape == (3, 16, 24)
    assert margin.values.shape[1:3] == (20, 28)


def test_the_centre_without_border_is_a_data_set_of_its_own(folder, tmp_path):
    padded = load(folder, size=16, fit="pad:lime", cache=tmp_path / "cache")
    centre = padded.without_border()
    assert centre.shape == (3, 8, 8)
    assert centre.fingerprint != padded.fingerprint
    assert not (centre.values == (0, 255, 0)).all(3).any()
    assert np.array_equal(centre.values, padded.values[:, 4:12, 4:12])
    assert centre.without_border() is centre


def test_prepared_files_keep_the_content(folder, tmp_path):
    path = prepare(folder, tmp_path / "out", size=(16, 8), fit="pad")
    assert load(path).shape == (3, 16, 8)
    assert load(path).content == (4, 8)


def test_label_maps_are_fitted_without_mixing_and_their_border_is_unknown(tmp_path):
    numbers = np.zeros((20, 40), np.uint8)
    numbers[:, 20:] = 3
    Image.fromarray(numbers).save(tmp_path / "map.png")
    content = (tmp_path / "map.png").read_bytes()
    padded = decode_label_map("map", content, Frame(10, 10, "pad"))[..., 0]
    assert padded[[0, 1, 8, 9]].tolist() == [[255] * 10] * 4
    assert padded[3:7].tolist() == [[0] * 5 + [3] * 5] * 4
    assert decode_label_map("map", content, Frame(4, 2))[..., 0].tolist() == [[0, 3]] * 4
    assert decode_label_map("map", content, Frame(4, 4, "stretch"))[..., 0].tolist() == [[0, 0, 3, 3]] * 4
    assert decode_boundaries("map", content, Frame(4, 4, "stretch"))[0, :, 0].tolist() == [0, 1, 1, 0]


def test_one_image_is_decoded_in_a_frame_like_a_folder(tmp_path):
    flag().save(tmp_path / "flag.png")
    content = (tmp_path / "flag.png").read_bytes()
    assert decode("flag", content, Frame(10, 40), 1).shape == (10, 40, 1)
    assert load(tmp_path / "flag.png", size=(8, 16), cache=tmp_path).shape == (3, 8, 16)
    with pytest.raises(DataError, match="kept in its proportions: give --size the pixels of its longer side"):
        load(f"whole:{tmp_path / 'flag.png'}", size=(8, 16), cache=tmp_path)
    with pytest.raises(DataError, match="cannot be resized to 8 × 5000 pixels"):
        load(tmp_path / "flag.png", size=(8, 5000), cache=tmp_path)


def test_arrays_and_named_sets_have_any_size():
    assert load("digits", size=(12, 8)).shape == (1, 12, 8)
    padded = load("digits", size=(8, 16), fit="pad:black")
    assert padded.content == (8, 8)
    assert (padded.values[:, :, :4] == 0).all()


def test_data_in_python_have_any_size_and_fit():
    pictures = [flag(), flag(20, 40)] * 5
    padded = load(pictures, size=16, fit="pad:lime")
    assert padded.content == (8, 8)
    assert (padded.values[0][:4] == (0, 255, 0)).all()
    assert load(pictures, size=(24, 16)).shape == (3, 24, 16)
    array = np.zeros((5, 20, 40, 3), np.uint8)
    assert load(array, size=(8, 8), fit="pad").content == (4, 8)
    assert load(array, size=(10, 20)).shape == (3, 10, 20)
