"""Duplicates among many images, found without a comparison of all pairs."""

import time

import numpy as np

from sparring.data.duplicates import ONES, _connected, difference_hash, near_groups, thumbnail


def seen(images):
    return np.stack([difference_hash(image) for image in images]), np.stack([thumbnail(image) for image in images])


def flipped(row: np.ndarray, places) -> np.ndarray:
    bits = np.unpackbits(row)
    bits[places] ^= 1
    return np.packbits(bits)


def test_hashes_that_differ_in_15_bits_are_near_wherever_these_are_and_16_are_not():
    """Any 15 bits leave one of 16 bands as it is."""
    draw = np.random.default_rng(0)
    picture = draw.integers(0, 256, (16, 16, 3), np.uint8)
    for trial in range(200):
        row = draw.integers(0, 256, 32, np.uint8)
        for count, near in ((15, [[0, 1]]), (16, [])):
            places = np.random.default_rng(trial).choice(256, count, replace=False)
            hashes = np.stack([row, flipped(row, places)])
            assert near_groups(hashes, np.stack([picture, picture])) == near, (trial, count)


def test_flat_areas_with_noise_have_the_same_hash():
    draw = np.random.default_rng(0)
    flat = np.full((64, 64, 3), 200, np.int16)
    flat[20:40, 10:50] = 60
    noisy = (flat + draw.integers(-3, 4, flat.shape)).astype(np.uint8)
    assert ONES[difference_hash(flat.astype(np.uint8)) ^ difference_hash(noisy)].sum() == 0


def test_pairs_that_share_a_member_form_one_group():
    draw = np.random.default_rng(1)
    row = draw.integers(0, 256, 32, np.uint8)
    hashes = np.stack([row, draw.integers(0, 256, 32, np.uint8), flipped(row, range(10)), flipped(row, range(20))])
    picture = draw.integers(0, 256, (16, 16, 3), np.uint8)
    assert near_groups(hashes, np.stack([picture] * 4)) == [[0, 2, 3]]


def test_groups_are_in_the_order_of_their_first_members():
    assert _connected([(0, 9), (1, 2), (9, 4)]) == [[0, 4, 9], [1, 2]]


def test_textures_with_equal_means_and_equal_hashes_are_not_near():
    board = np.zeros((16, 16, 3), np.uint8)
    board[::2, ::2] = board[1::2, 1::2] = 255
    alike, inverse = np.stack([board, board]), np.stack([board, 255 - board])
    hashes = np.zeros((2, 32), np.uint8)
    assert (near_groups(hashes, alike), near_groups(hashes, inverse)) == ([[0, 1]], [])


def test_twenty_thousand_alike_hashes_take_seconds():
    """All share most of their bits, as scans with a wide margin do; there are two hundred million pairs."""
    draw = np.random.default_rng(2)
    hashes = np.zeros((20_000, 32), np.uint8)
    hashes[:, ::8] = draw.integers(0, 256, (20_000, 4), np.uint8)
    pictures = draw.integers(0, 256, (20_000, 16, 16, 3), np.uint8)
    hashes[19_000], pictures[19_000] = hashes[7], pictures[7]
    start = time.process_time()
    assert near_groups(hashes, pictures) == [[7, 19_000]]
    assert time.process_time() - start < 30
