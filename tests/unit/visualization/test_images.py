"""Pictures show exactly what was generated: every pixel has its place, its colour and its size."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from sparring.errors import DataError, RunError
from sparring.visualization import images as pictures


def level(value):
    return torch.full((1, 4, 4), value)


def loaded(path):
    with Image.open(path) as image:
        return [np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(image)], image.info


def test_pixels_map_the_interval_to_bytes_and_cut_the_rest():
    image = torch.tensor([-1.0, -0.5, 0.0, 1.0, -3.0, 3.0, float("nan"), float("inf"), -float("inf")]).view(1, 1, 3, 3)
    assert pictures.to_uint8(image).ravel().tolist() == [0, 64, 128, 255, 0, 255, 0, 255, 0]


def test_bytes_survive_the_way_through_a_stream_and_back():
    from sparring.data.stream import scale_images

    every = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(torch.from_numpy(pictures.to_uint8(scale_images(every))), every[0])


def test_two_channels_are_red_and_green():
    found = pictures.to_uint8(torch.stack([level(1.0), level(0.0)], dim=1)[:1].view(1, 2, 4, 4))
    assert found.shape == (1, 4, 4, 3)
    assert found[0, 0, 0].tolist() == [255, 128, 0]


def test_a_fourth_channel_lets_white_through():
    colour = torch.tensor([1.0, -1.0, -1.0])
    for alpha, seen in ((1.0, [255, 0, 0]), (-1.0, [255, 255, 255]), (0.0, [255, 128, 128])):
        image = torch.cat([colour, torch.tensor([alpha])]).view(1, 4, 1, 1)
        assert pictures.to_uint8(image)[0, 0, 0].tolist() == seen


def test_a_grid_puts_images_row_after_row_with_gaps_of_white():
    images = torch.stack([level(v) for v in (-1.0, -0.5, 0.0, 0.5, 1.0)])
    sheet = np.asarray(pictures.grid(images, columns=3, scale=2))
    assert sheet.shape == (2 * 8 + 2, 3 * 8 + 2 * 2)
    assert [sheet[0, 0], sheet[0, 10], sheet[0, 20], sheet[10, 0], sheet[10, 10]] == [0, 64, 128, 191, 255]
    assert (sheet[8:10] == 255).all()
    assert (sheet[:, 8:10] == 255).all()
    assert (sheet[10:, 20:] == 255).all()


def test_enlarging_repeats_pixels_and_invents_none():
    image = torch.rand(1, 1, 5, 7) * 2 - 1
    large = np.asarray(pictures.grid(image, scale=3))
    small = pictures.to_uint8(image)[0]
    assert large.shape == (15, 21)
    for row in range(3):
        for column in range(3):
            assert (large[row::3, column::3] == small).all()


@pytest.mark.parametrize(
    ("n", "side", "size"), [(64, 16, 526), (64, 32, 526), (64, 64, 526), (4, 128, 514), (1, 8, 64)]
)
def test_small_images_are_enlarged_to_a_visible_size(n, side, size):
    assert pictures.to_image(torch.zeros(n, 1, side, side)).size == (size, size)


@pytest.mark.parametrize("shape", [(3, 5, 4, 4), (0, 1, 4, 4), (4, 4), (1, 3), (3,), (0, 2)])
def test_what_is_neither_image_nor_point_is_refused(shape):
    with pytest.raises(DataError, match=r"\(N, C, H, W\)"):
        pictures.to_image(torch.zeros(shape))


def test_a_cloud_shows_samples_over_data_in_a_frame_fixed_by_the_data():
    real = torch.tensor([[-1.0, -1.0], [1.0, 1.0]]).repeat(50, 1)
    near, far = (pictures.scatter(points, real=real) for points in (torch.zeros(9, 2), torch.full((9, 2), 99.0)))
    assert near.size == far.size == (512, 512)
    blue = [(np.asarray(image).astype(int) @ [-1, 0, 1] > 40)[100:450, 100:450] for image in (near, far)]
    assert blue[0].sum() > 5
    assert blue[1].sum() == 0  # outside the frame; the legend is in the corner that was cut off
    rows, columns = blue[0].nonzero()
    assert 120 < rows.mean() < 200
    assert 120 < columns.mean() < 200


def test_a_diverged_cloud_is_still_a_picture():
    assert pictures.scatter(torch.full((5, 2), float("nan"))).size == (512, 512)


@pytest.mark.parametrize("name", ["a.png", "b.jpg", "c.webp", "deep/d.png"])
def test_saving_makes_the_folder_and_leaves_nothing_else(tmp_path, name):
    path = pictures.save_grid(torch.zeros(4, 3, 8, 8), tmp_path / name, scale=1)
    assert loaded(path)[0][0].shape == (18, 18)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_name_without_a_format_and_a_folder_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(RunError, match=r"no ending.*\.png"):
        pictures.save_grid(torch.zeros(1, 1, 4, 4), tmp_path / "picture.bmq")
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        pictures.save_grid(torch.zeros(1, 1, 4, 4), tmp_path / "file" / "picture.png")
