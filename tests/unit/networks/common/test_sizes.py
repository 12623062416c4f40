"""Sizes: the grid of any height and width, crops and reflections about the centre."""

import pytest
import torch

from sparring.errors import DataError
from sparring.networks.common.sizes import (
    CentreCrop,
    ReflectTo,
    centre_crop,
    cropping,
    num_doublings,
    padding,
    reflect_to,
    start_grid,
)


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


def test_reflection_repeats_no_border_pixel_and_puts_the_odd_pixel_behind() -> None:
    x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert reflect_to(x, 3, 4).tolist() == [[1, 2, 3, 2], [4, 5, 6, 5], [1, 2, 3, 2]]
    assert reflect_to(x, 4, 5).tolist() == [[5, 4, 5, 6, 5], [2, 1, 2, 3, 2], [5, 4, 5, 6, 5], [2, 1, 2, 3, 2]]


def test_a_reflection_wider_than_the_image_is_reflected_again_and_one_pixel_is_repeated() -> None:
    row = torch.tensor([[1.0, 2.0, 3.0]])
    assert reflect_to(row, 1, 12).tolist() == [[1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2]]
    assert reflect_to(torch.tensor([[7.0, 8.0]]), 1, 7).tolist() == [[7, 8, 7, 8, 7, 8, 7]]
    assert reflect_to(torch.tensor([[7.0]]), 2, 3).tolist() == [[7, 7, 7], [7, 7, 7]]


def test_a_crop_undoes_a_reflection() -> None:
    x = torch.randn(2, 3, 9, 14)
    assert torch.equal(centre_crop(reflect_to(x, 16, 31), 9, 14), x)
    assert centre_crop(torch.arange(5.0)[None], 1, 2).tolist() == [[1, 2]]


def test_the_gradient_counts_every_copy_and_reflections_can_be_differentiated_twice() -> None:
    x = torch.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    (slope,) = torch.autograd.grad(reflect_to(x, 1, 5).square().sum(), x, create_graph=True)
    assert slope.tolist() == [[2.0, 12.0, 6.0]]  # 2 x times the copies 1, 3, 1 in 2 1 2 3 2
    assert torch.autograd.grad(slope.sum(), x)[0].tolist() == [[2.0, 6.0, 2.0]]


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


def test_images_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="a side of 9 pixels does not fit into 8"):
        reflect_to(torch.zeros(1, 9, 8), 8, 8)
    with pytest.raises(ValueError, match="a side of 9 pixels does not fit into 8"):
        centre_crop(torch.zeros(1, 8, 8), 9, 8)
