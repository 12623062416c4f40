"""The order of rows: keyed permutations, epochs and coins."""

import numpy as np
import pytest

from sparring.data.ordering import FLIP, ORDER, keyed_hash, permute

WRITTEN_DOWN = [4, 2, 5, 3, 1, 7, 6, 0]


COUNTS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 16, 17, 31, 64, 97, 100, 101, 1000, 1024, 1797, 7919, 65537]


@pytest.mark.parametrize("count", COUNTS)
def test_every_epoch_is_a_permutation(count):
    for epoch in (0, 1, 10**9):
        positions = np.arange(epoch * count, (epoch + 1) * count)
        np.testing.assert_array_equal(np.sort(permute(positions, count, seed=3)), np.arange(count))


@pytest.mark.parametrize("count", [97, 1797, 65537])
def test_epochs_and_seeds_differ(count):
    orders = [
        permute(np.arange(epoch * count, (epoch + 1) * count), count, seed) for epoch in (0, 1) for seed in (0, 1)
    ]
    orders.append(np.arange(count))
    for first in range(len(orders)):
        for second in range(first):
            assert (orders[first] == orders[second]).sum() < 12  # two random orders agree in one place, on average


def test_every_index_takes_every_place_equally_often():
    count, epochs = 7, 7000
    orders = permute(np.arange(count * epochs), count, seed=0).reshape(epochs, count)
    table = np.array([np.bincount(orders[:, place], minlength=count) for place in range(count)])
    chi_square = ((table - epochs / count) ** 2 / (epochs / count)).sum()
    assert 12 < chi_square < 72  # 36 degrees of freedom: mean 36, standard deviation 8.5


def test_neighbours_in_the_set_do_not_stay_neighbours():
    order = permute(np.arange(65537), 65537, seed=0).astype(float)
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 0.02
    assert abs(np.corrcoef(order, np.arange(65537))[0, 1]) < 0.02


def test_order_is_a_function_of_seed_and_position_written_down():
    assert permute(np.arange(10), 10, seed=0).tolist() == permute(np.arange(10), 10, seed=2**64).tolist()
    assert permute(np.array([10**12 + 7]), 1797, seed=-1) == permute(np.array([10**12 + 7]), 1797, seed=2**64 - 1)
    assert permute(np.arange(8), 8, seed=0).tolist() == WRITTEN_DOWN  # a change here breaks the resuming of old runs


def test_order_and_mirroring_draw_from_different_numbers():
    counters = np.arange(1000, dtype=np.uint64)
    assert not (keyed_hash(0, ORDER, counters) == keyed_hash(0, FLIP, counters)).any()
