"""Pixels of arrays: the axis of channels by its length, bytes by exact formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparring.data.sources.pixels import as_array, below_zero, channels_last, image_bytes

ALL = np.arange(256, dtype=np.uint8)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_every_byte_survives_both_ranges(kind):
    if kind != np.float16:
        assert np.array_equal(image_bytes("a", (ALL / 127.5 - 1).astype(kind), signed=True), ALL)
    assert np.array_equal(image_bytes("a", (ALL / 255).astype(kind), signed=False), ALL)


def test_bytes_follow_the_formulas():
    assert image_bytes("a", np.array([0.0, 0.2, 0.5, 1.0]), signed=False).tolist() == [0, 51, 128, 255]
    assert image_bytes("a", np.array([-1.0, -0.2, 0.0, 0.6, 1.0]), signed=True).tolist() == [0, 102, 128, 204, 255]


def test_rounding_errors_are_not_below_zero():
    assert not below_zero(np.array([0.0, 1.0]))
    assert not below_zero(np.array([-9e-4, 1.0]))
    assert below_zero(np.array([-2e-3, 1.0]))


@pytest.mark.parametrize(
    ("shape", "many", "last"),
    [
        ((5, 3, 16, 8), True, (5, 16, 8, 3)),
        ((5, 16, 8, 3), True, (5, 16, 8, 3)),
        ((5, 1, 16, 8), True, (5, 16, 8, 1)),
        ((5, 16, 8, 4), True, (5, 16, 8, 4)),
        ((5, 16, 8), True, (5, 16, 8, 1)),
        ((3, 16, 8), False, (16, 8, 3)),
        ((16, 8, 1), False, (16, 8, 1)),
        ((16, 8), False, (16, 8, 1)),
    ],
)
def test_channels_come_last(shape, many, last):
    values = np.arange(np.prod(shape)).reshape(shape)
    made, words = channels_last("a", values, many=many)
    assert made.shape == last
    assert np.shares_memory(made, values)
    assert bool(words) == (shape != last)
    if "first" in words:
        assert np.array_equal(np.moveaxis(made, -1, -3), values)


def test_tensors_become_arrays_without_a_copy():
    given = torch.arange(6.0).view(2, 3)
    assert np.shares_memory(as_array("a", given), given.numpy())
    assert as_array("a", given.bfloat16()).dtype == np.float32
