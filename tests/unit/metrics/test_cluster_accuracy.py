"""Codes matched with classes: against every naming, against scipy, and in closed form."""

import itertools
import math

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from sparring.metrics import best_assignment, cluster_accuracy


def drawn(joint):
    """Codes and labels with these counts."""
    pairs = [(code, label) for code, row in enumerate(joint) for label, n in enumerate(row) for _ in range(n)]
    codes, labels = torch.tensor(pairs).T
    return codes, labels


@pytest.mark.parametrize("seed", range(20))
def test_no_naming_gains_more(seed):
    gains = torch.randn(5, 5, generator=torch.Generator().manual_seed(seed))
    best = max(sum(gains[i, j].item() for i, j in enumerate(order)) for order in itertools.permutations(range(5)))
    found = best_assignment(gains)
    assert sorted(found) == list(range(5))
    assert sum(gains[i, j].item() for i, j in enumerate(found)) == pytest.approx(best)


@pytest.mark.parametrize("shape", [(12, 12), (4, 9), (9, 4), (1, 1), (30, 30)])
@pytest.mark.parametrize("seed", range(3))
def test_it_gains_what_scipys_gains_in_any_shape(shape, seed):
    gains = torch.randint(0, 50, shape, generator=torch.Generator().manual_seed(seed))  # including ties
    rows, columns = linear_sum_assignment(gains.numpy(), maximize=True)
    found = best_assignment(gains)
    named = [(row, column) for row, column in enumerate(found) if column >= 0]
    assert len({column for _, column in named}) == len(named) == min(shape)
    assert sum(gains[row, column].item() for row, column in named) == gains.numpy()[rows, columns].sum()


def test_the_best_naming_is_not_the_greedy_one():
    found = cluster_accuracy(*drawn([[5, 4], [4, 0]]), values=2, classes=2)
    assert found.naming == (1, 0)
    assert found.accuracy == 8 / 13


def test_codes_under_other_names_are_perfect_and_share_everything():
    labels = torch.arange(10).repeat(7)
    found = cluster_accuracy((labels + 3) % 10, labels, values=10, classes=10)
    assert found.accuracy == 1
    assert found.naming == tuple((code - 3) % 10 for code in range(10))
    assert found.information == pytest.approx(math.log(10))
    assert found.normalised == pytest.approx(1)


def test_a_generator_of_one_image_is_not_taken_in_by_purity():
    codes = torch.arange(10).repeat(5)
    found = cluster_accuracy(codes, torch.full_like(codes, 4), values=10, classes=10)
    assert found.accuracy == 0.1
    assert (found.information, found.normalised) == (0, 0)
    alone = cluster_accuracy(torch.zeros(3).long(), torch.zeros(3).long(), values=1, classes=1)
    assert (alone.accuracy, alone.normalised) == (1, 0)


def test_information_by_hand():
    found = cluster_accuracy(*drawn([[3, 1], [0, 4]]), values=2, classes=2)
    shared = 3 / 8 * math.log(3 / 8 / (1 / 2 * 3 / 8)) + 1 / 8 * math.log(1 / 8 / (1 / 2 * 5 / 8))
    shared += 1 / 2 * math.log(1 / 2 / (1 / 2 * 5 / 8))
    entropies = math.log(2) - 3 / 8 * math.log(3 / 8) - 5 / 8 * math.log(5 / 8)
    assert found.information == pytest.approx(shared)
    assert found.normalised == pytest.approx(2 * shared / entropies)
    assert found.count == 8


def test_more_codes_than_classes_leave_some_without_a_name():
    found = cluster_accuracy(*drawn([[2, 0], [0, 3], [4, 0]]), values=3, classes=2)
    assert found.naming == (-1, 1, 0)
    assert found.accuracy == 7 / 9


@pytest.mark.parametrize(
    ("codes", "labels", "slip"),
    [
        (torch.zeros(3), torch.zeros(3).long(), "no row of int64"),
        (torch.zeros(3).long(), torch.zeros(4).long(), "one for each sample"),
        (torch.zeros(0).long(), torch.zeros(0).long(), "no row of int64"),
        (torch.tensor([0, 2]), torch.zeros(2).long(), "codes from 0 to 2"),
        (torch.tensor([0, 1]), torch.tensor([-1, 0]), "labels from -1"),
    ],
)
def test_slips_are_named(codes, labels, slip):
    with pytest.raises(ValueError, match=slip):
        cluster_accuracy(codes, labels, values=2, classes=2)
