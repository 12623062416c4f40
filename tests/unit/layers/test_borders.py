"""Crops about the centre and reflections."""

import pytest
import torch

from sparring.layers.borders import centre_crop, reflect_to


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


def test_images_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="a side of 9 pixels does not fit into 8"):
        reflect_to(torch.zeros(1, 9, 8), 8, 8)
    with pytest.raises(ValueError, match="a side of 9 pixels does not fit into 8"):
        centre_crop(torch.zeros(1, 8, 8), 9, 8)
