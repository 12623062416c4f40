"""Variety within classes: in closed form, for any distance between the classes."""

import math

import pytest
import torch

from sparring.metrics import intra_class_diversity


def two_classes(spread, apart, n=4000):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 2
    return apart * labels[:, None] + spread * torch.randn(n, 3, generator=generator), labels


def test_the_spread_is_that_around_the_mean_of_the_class_alone():
    real, fake = two_classes(2.0, 100.0), two_classes(0.5, 3.0)
    found = intra_class_diversity(*fake, *real, classes=2)
    assert found.real == pytest.approx([2 * math.sqrt(3)] * 2, rel=0.05)
    assert found.fake == pytest.approx([0.5 * math.sqrt(3)] * 2, rel=0.05)
    assert found.value == pytest.approx(0.25)


def test_one_image_of_each_class_has_no_variety_and_the_data_have_all_of_it():
    real, labels = two_classes(1.0, 5.0)
    assert intra_class_diversity(real[labels], labels, real, labels, classes=2).value == pytest.approx(0, abs=1e-6)
    assert intra_class_diversity(real, labels, real, labels, classes=2).value == 1


def test_images_are_rows_and_classes_without_samples_are_left_out():
    x = torch.tensor([0.0, 2.0, 5.0])[:, None, None, None].expand(3, 1, 2, 2)
    found = intra_class_diversity(x, torch.tensor([0, 0, 1]), 2 * x, torch.tensor([0, 0, 1]), classes=3)
    assert found.fake[0] == pytest.approx(math.sqrt(2 * 4))
    assert all(map(math.isnan, found.fake[1:]))
    assert found.value == 0.5
    equal = intra_class_diversity(x[:2], torch.zeros(2).long(), 0 * x[:2], torch.zeros(2).long(), classes=1)
    assert math.isnan(equal.value)


@pytest.mark.parametrize(
    ("x", "labels", "slip"),
    [
        (torch.zeros(2, 3), torch.zeros(2).long(), "different shapes"),
        (torch.zeros(2, 1), torch.zeros(3).long(), "do not fit"),
        (torch.zeros(2, 1), torch.zeros(2), "do not fit"),
        (torch.zeros(2, 1), torch.tensor([0, 2]), "not below 2"),
    ],
)
def test_slips_are_named(x, labels, slip):
    with pytest.raises(ValueError, match=slip):
        intra_class_diversity(x, labels, torch.zeros(2, 1), torch.zeros(2).long(), classes=2)
