"""Random order without memory: a keyed bijection of {0, …, n−1}, computed for any position at once.

An unbalanced Feistel network on Z_a × Z_b with a = ⌈√n⌉, b = ⌈n/a⌉ (Black and Rogaway, "Ciphers with arbitrary finite
domains", 2002): each half-round adds a keyed hash of one half to the other,

    l ← l + F(r) mod a,    r ← r + F(l) mod b,

so is invertible. Images outside {0, …, n−1} are sent through again (cycle walking); as a·b < n + a that is rare.
No random generator is used, so that position 10¹² costs as much as position 0 and other random streams stay unchanged.
"""

import math

import numpy as np

from sparring.rng import GOLDEN, splitmix64

HALF_ROUNDS = 8
STEP = np.uint64(GOLDEN)  # consecutive multiples are well spread
ORDER, FLIP, CAPTION, WINDOW = 1, 2, 3, 4  # purposes, so that order, mirroring, captions and windows are independent
SECOND = 16  # added to a purpose for a second domain


def keyed_hash(seed: int, purpose: int, counters: np.ndarray) -> np.ndarray:
    """Return independent 64-bit numbers, a function of (seed, purpose, counter) alone.

    Args:
        seed: Any integer.
        purpose: Small number that separates uses of one seed.
        counters: uint64 (n,).

    Returns:
        uint64 (n,).
    """
    key = splitmix64(np.array([seed % 2**64], np.uint64) + np.uint64(purpose) * np.array([STEP]))
    return splitmix64(splitmix64(counters * STEP + key) ^ key)


def permute(positions: np.ndarray, count: int, seed: int, purpose: int = ORDER) -> np.ndarray:
    """Return indices at the given positions of an endless sequence of permutations, one for each epoch.

    Args:
        positions: Non-negative int64 (n,); position p lies in epoch p // count.
        count: Size of the set.
        seed: Any integer.
        purpose: As for `keyed_hash`: orders of other purposes are independent.

    Returns:
        int64 (n,) in [0, count); each epoch holds every index once.

    Example:
        >>> sorted(permute(np.arange(10, 15), 5, seed=0).tolist())
        [0, 1, 2, 3, 4]
    """
    p = positions.astype(np.uint64)
    n = np.uint64(count)
    keys = keyed_hash(seed, purpose, p // n)
    y = feistel(p % n, keys, count)
    while (outside := y >= n).any():
        y[outside] = feistel(y[outside], keys[outside], count)
    return y.astype(np.int64)


def feistel(x: np.ndarray, keys: np.ndarray, count: int) -> np.ndarray:
    """Return one pass of the network, a bijection of {0, …, a·b − 1} for every key.

    Args:
        x: uint64 (n,) below a·b.
        keys: uint64 (n,), one for each number.
        count: Size n of the set; a = ⌈√n⌉ and b = ⌈n/a⌉.

    Returns:
        uint64 (n,) below a·b.
    """
    root = math.isqrt(count - 1) + 1
    a, b = np.array([[root], [-(-count // root)]], np.uint64)
    left, right = x // b, x % b
    for half_round in range(HALF_ROUNDS):
        key = keys + np.uint64(half_round + 1) * np.array([STEP])
        if half_round % 2 == 0:
            left = (left + splitmix64(right ^ key) % a) % a
        else:
            right = (right + splitmix64(left ^ key) % b) % b
    found: np.ndarray = left * b + right
    return found


def coins(positions: np.ndarray, seed: int, purpose: int = FLIP) -> np.ndarray:
    """Return fair coins, one for each position, independent of the order.

    Args:
        positions: Non-negative int64 (n,).
        seed: Any integer.
        purpose: As for `keyed_hash`.

    Returns:
        bool (n,).
    """
    bits: np.ndarray = keyed_hash(seed, purpose, positions.astype(np.uint64)) >> np.uint64(63) == 1
    return bits


def crop_corners(positions: np.ndarray, margin: int, seed: int, purpose: int = WINDOW) -> np.ndarray:
    """Return the corner of the crop at each position, uniform in the margin and independent of the order.

    Args:
        positions: Non-negative int64 (n,).
        margin: Largest coordinate, below 65536.
        seed: Any integer.
        purpose: As for `keyed_hash`.

    Returns:
        int64 (n, 2), from the top and from the left.
    """
    drawn = keyed_hash(seed, purpose, positions.astype(np.uint64))
    halves = np.stack([drawn >> np.uint64(32), drawn & np.uint64(2**32 - 1)], axis=1)
    return (halves * np.uint64(margin + 1) >> np.uint64(32)).astype(np.int64)


def caption_choices(positions: np.ndarray, seed: int) -> np.ndarray:
    """Return numbers that decide which caption is read, one for each position, independent of the order.

    Args:
        positions: Non-negative int64 (n,).
        seed: Any integer.

    Returns:
        uint64 (n,).
    """
    return keyed_hash(seed, CAPTION, positions.astype(np.uint64))
