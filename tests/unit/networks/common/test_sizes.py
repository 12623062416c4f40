"""Sizes: the grid of any height and width, crops and reflections about the centre."""

import pytest
import torch

from sparring.errors import DataError
from sparring.layers.borders import CentreCrop, ReflectTo, centre_crop, reflect_to
from sparring.networks.common.sizes import cropping, num_doublings, padding, start_grid


@pytest.mark.parametrize(
    ("height", "width", "doublings", "grid"),
    [
        (64, 64, 4, (4, 4)),
        (8, 8, 1, (4, 4)),
        (48, 64, 3, (6, 8)),
        (100, 100, 4, (7, 7)),
        (128, 171, 5, (4, 6)),
        (171, 128, 5, (6, 4)),
        (8, 1024, 1, (4, 512)),
        (65, 64, 4, (5, 4)),
        (3, 5, 2, (1, 2)),
    ],
)
def test_the_grid_is_the_size_divided_by_the_doublings_rounded_up(
    height: int, width: int, doublings: int, grid: tuple[int, int]
) -> None:
    assert start_grid(height, width, doublings) == grid


def test_doublings_are_counted_within_the_shorter_side() -> None:
    found = [
        num_doublings((3, *size), "X") for size in ((8, 8), (15, 40), (16, 16), (48, 64), (171, 128), (1024, 1024))
    ]
    assert found == [1, 1, 2, 3, 5, 8]


@pytest.mark.parametrize("size", [(height, width) for height in range(8, 80, 7) for width in range(8, 80, 9)])
def test_the_grid_has_four_to_seven_positions_along_the_shorter_side_and_covers_the_image(
    size: tuple[int, int],
) -> None:
    doublings = num_doublings((3, *size), "X")
    grid = start_grid(*size, doublings)
    assert 4 <= min(grid) <= 8
    for side, positions in zip(size, grid, strict=True):
        assert side <= positions << doublings < side + (1 << doublings)


def test_sides_out_of_range_are_refused_with_the_nearest_size() -> None:
    with pytest.raises(DataError, match=r"DCGAN needs .* 8 to 1024 pixels, not 7 × 7: pass --size 8\."):
        num_doublings((3, 7, 7), "DCGAN")
    with pytest.raises(DataError, match=r"not 600 × 1200: pass --size 600x1024\."):
        num_doublings((3, 600, 1200), "DCGAN")
    with pytest.raises(DataError, match=r"DCGAN needs images \(C, H, W\), not \(2,\)"):
        num_doublings((2,), "DCGAN")


def test_sizes_on_the_grid_have_no_layer_and_no_operation() -> None:
    for size in ((64, 64), (48, 64), (128, 192)):
        doublings = num_doublings((3, *size), "X")
        assert cropping((3, *size), doublings) == padding((3, *size), doublings) == []
    x = torch.randn(1, 3, 8, 8)
    assert reflect_to(x, 8, 8) is x
    assert centre_crop(x, 8, 8) is x


def test_other_sizes_have_one_layer_without_weights() -> None:
    (crop,), (pad,) = cropping((3, 100, 171), 4), padding((3, 100, 171), 4)
    assert isinstance(crop, CentreCrop)
    assert isinstance(pad, ReflectTo)
    assert not [*crop.state_dict(), *pad.state_dict()]
    assert pad(torch.zeros(2, 3, 100, 171)).shape == (2, 3, 112, 176)
    assert crop(torch.zeros(2, 3, 112, 176)).shape == (2, 3, 100, 171)
