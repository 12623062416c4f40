"""The digits: real images, sizes and settings."""

import numpy as np
import pytest
import torch

from sparring.data import load


def test_digits_are_the_real_ones():
    data = load("digits", size=8)
    images, labels = data.rows(np.arange(1797))
    assert (images.shape, images.dtype, labels.dtype) == ((1797, 1, 8, 8), torch.uint8, torch.int64)
    assert torch.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    levels = (images.double() * 16 / 255).round()
    assert levels.max() == 16
    assert abs(levels.mean().item() - 4.884164579855314) < 1e-12  # scikit-learn's own mean
    assert levels[0, 0, 0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert data.classes == tuple("0123456789")


@pytest.mark.parametrize("size", [16, 32])
def test_enlarged_digits_average_to_the_small_ones(size):
    small = load("digits", size=8).values.astype(float)
    large = load("digits", size=size).values.astype(float)
    k = size // 8
    again = large.reshape(1797, 8, k, 8, k, 1).mean((2, 4))
    assert np.abs(again - small).mean() < 16
    assert np.corrcoef(again.ravel(), small.ravel())[0, 1] > 0.97


def test_digits_take_a_form():
    assert load("digits").shape == (1, 32, 32)
    grey, colour = load("digits"), load("digits", channels=3)
    assert colour.shape == (3, 32, 32)
    np.testing.assert_array_equal(colour.values, np.repeat(grey.values, 3, axis=3))
