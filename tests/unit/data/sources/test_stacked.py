"""Stacked digits: labels, seeds and splitting."""

import numpy as np
import torch

from sparring.data import load
from sparring.data.sources.stacked import stack_images, unstack_images
from support.stacked import grey


def test_stacks_are_three_rows_and_their_label_the_three_labels():
    found = stack_images(grey(), 500, seed=3)
    assert found.shape == (3, 8, 8)
    assert len(found) == 500
    assert found.values.dtype == np.uint8
    assert (found.values == found.values[:, :1, :1]).all()
    rows = found.values[:, 0, 0].astype(int)  # every image shows its own number
    assert (found.labels == (rows[:, 0] % 4) * 16 + (rows[:, 1] % 4) * 4 + rows[:, 2] % 4).all()
    assert len(found.classes) == 64
    assert [found.classes[index] for index in (0, 1, 4, 27, 63)] == ["a-a-a", "a-a-b", "a-b-a", "b-c-d", "d-d-d"]
    assert {tuple(row) for row in rows.tolist() if len(set(row)) == 3}  # channels are drawn by themselves
    assert set(rows.flatten().tolist()) == set(range(30))


def test_stacks_are_fixed_by_their_seed():
    one, same, other = (stack_images(grey(), 20, seed=seed) for seed in (0, 0, 1))
    assert one.fingerprint == same.fingerprint != other.fingerprint


def test_stacks_come_apart_into_the_images_they_were_made_of():
    digits = load("digits", size=8)
    whole = stack_images(digits, 40, seed=2)
    apart = unstack_images(whole, 30)
    assert len(apart) == 90
    assert apart.classes == digits.classes
    images, labels = apart.rows(np.arange(90))
    known = {(image.numpy().tobytes(), int(label)) for image, label in zip(*digits.rows(np.arange(1797)), strict=True)}
    assert {(image.numpy().tobytes(), int(label)) for image, label in zip(images, labels, strict=True)} <= known
    assert torch.equal(images.reshape(30, 3, 8, 8), whole.rows(np.arange(30))[0])
