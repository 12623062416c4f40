"""Two-dimensional sets against their definitions, the embedded digits, and what a data set refuses."""

import math

import numpy as np
import pytest
import torch

from sparring.data import DataFacts, Dataset, load
from sparring.data.fingerprint import fingerprint
from sparring.errors import DataError
from support.toy_data import IMAGE

MIXTURES = {"ring": (8, 0.01), "grid": (25, 0.05), "grid100": (100, 0.015), "mixture9": (9, 0.05)}


def everything(name: str) -> tuple[torch.Tensor, ...]:
    data = load(name)
    return data.rows(np.arange(len(data)))


@pytest.mark.parametrize("name", MIXTURES)
def test_a_mixture_has_its_declared_modes(name):
    modes, deviation = MIXTURES[name]
    data = load(name)
    points, labels = everything(name)
    assert (len(data), data.shape, len(data.classes)) == (100_000, (2,), modes)
    assert DataFacts.of(data).arguments() == {"shape": (2,), "classes": modes}
    assert data.mixture.deviation == deviation
    assert data.mixture.centres.shape == (modes, 2)
    counts = torch.bincount(labels, minlength=modes).double()
    assert ((counts - 1e5 / modes).abs() < 5 * math.sqrt(1e5 / modes)).all()
    for mode in range(modes):
        own = points[labels == mode].double() - data.mixture.centres[mode]
        assert (own.mean(0).abs() < 5 * deviation / len(own) ** 0.5).all()
        assert (own.std(0) / deviation - 1).abs().max() < 5 / (2 * len(own)) ** 0.5
        assert abs(torch.corrcoef(own.T)[0, 1]) < 5 / len(own) ** 0.5


def test_three_deviations_hold_the_theoretical_share():
    points, labels = everything("ring")
    data = load("ring")
    within = (points - data.mixture.centres[labels]).norm(dim=1) < 3 * data.mixture.deviation
    assert abs(within.double().mean().item() - 0.98889) < 0.0017  # 1 − exp(−9/2), five standard errors


def test_centres_are_those_of_the_papers():
    torch.testing.assert_close(load("ring").mixture.centres[1], torch.tensor([1.0, 1.0]) / math.sqrt(2))
    torch.testing.assert_close(load("ring").mixture.centres.norm(dim=1), torch.ones(8))
    assert {tuple(centre) for centre in load("grid").mixture.centres.tolist()} == {
        (x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)
    }
    ticks = sorted({round(9 * x) for centre in load("grid100").mixture.centres.tolist() for x in centre})
    assert ticks == [-9, -7, -5, -3, -1, 1, 3, 5, 7, 9]
    assert {tuple(centre) for centre in load("mixture9").mixture.centres.tolist()} == {
        (x, y) for x in (-2, 0, 2) for y in (-2, 0, 2)
    }


def test_the_swiss_roll_is_a_noisy_spiral():
    (points,) = everything("swiss-roll")
    radius = 7.5 * points.double().norm(dim=1)
    t = torch.remainder(torch.atan2(points[:, 1], points[:, 0]).double(), 2 * math.pi)
    off_arm = torch.remainder(radius - t + math.pi, 2 * math.pi) - math.pi  # r = t, up to whole turns
    assert abs(off_arm.std().item() - 0.25) < 0.01
    assert abs(radius.mean().item() - 3 * math.pi) < 0.05  # t is uniform from 1.5 π to 4.5 π
    assert abs(radius.std().item() - 3 * math.pi / math.sqrt(12)) < 0.03


def test_the_spiral_is_thin_and_even_along_the_arm():
    (points,) = everything("spiral")
    radius = points.double().norm(dim=1)
    turn = torch.remainder(torch.atan2(points[:, 1], points[:, 0]).double() / (2 * math.pi), 1)
    off_arm = (torch.remainder(3 * radius - turn + 0.5, 1) - 0.5) / 3  # radius = turns / 3
    assert abs(off_arm.std().item() - 0.01) < 0.002
    assert abs((radius**2).mean().item() - 0.5) < 0.01  # radius² is uniform


@pytest.mark.parametrize("name", [*MIXTURES, "swiss-roll", "spiral", "digits"])
def test_a_set_is_the_same_every_time(name):
    first, second = load(name), load(name)
    assert first.fingerprint == second.fingerprint == fingerprint(first.values, first.labels, first.classes)
    assert len(first.fingerprint) == 64


def test_points_have_no_size():
    for wish in ({"size": 8}, {"channels": 3}):
        with pytest.raises(DataError, match="neither size nor channels"):
            load("ring", **wish)


def test_rows_are_a_channels_last_view():
    images, _ = load("digits", channels=3).rows(np.array([5, 3, 5]))
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images[0], images[2])
    assert not torch.equal(images[0], images[1])


@pytest.mark.parametrize(
    ("values", "labels", "classes", "sentence"),
    [
        (IMAGE[:0], None, (), "holds no rows"),
        (IMAGE.astype(np.float32), None, (), "give images as uint8"),
        (np.zeros((4, 3), np.float32), None, (), "points as float32"),
        (np.zeros((4, 2, 2, 5), np.uint8), None, (), "1 to 4 channels"),
        (IMAGE, None, ("a",), "has no labels"),
        (IMAGE, np.zeros(3, np.int64), ("a",), r"give int64 \(4,\)"),
        (IMAGE, np.zeros(4, np.int32), ("a",), r"give int64 \(4,\)"),
        (IMAGE, np.ones(4, np.int64), ("a",), "number the classes"),
        (IMAGE, -np.ones(4, np.int64), ("a",), "number the classes"),
    ],
)
def test_refusals(values, labels, classes, sentence):
    with pytest.raises(DataError, match=sentence):
        Dataset("mine", values, labels, classes)
