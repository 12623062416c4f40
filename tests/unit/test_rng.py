"""Randomness is a function of (seed, step, turn, shard), and nothing else."""

import torch

from sparring.rng import fixed_seed, hash_seed, rand, randn, turn_rng


def draw(seed=0, step=0, turn=0, **place):
    with turn_rng(seed, step, turn, **place):
        return torch.randn(3), randn(4, 2), rand(4)


def test_the_same_position_draws_the_same_numbers_after_any_history():
    first = draw(1, 2, 3)
    torch.randn(17)
    assert all(torch.equal(a, b) for a, b in zip(first, draw(1, 2, 3), strict=True))


def test_every_coordinate_of_the_place_matters():
    own = [draw(*place)[0] for place in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1))]
    shared = [draw(*place)[1] for place in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1))]
    for drawn in (own, shared):
        assert len({tuple(x.flatten().tolist()) for x in drawn}) == len(drawn)


def test_shards_differ_in_their_own_draws_and_share_the_whole_batchs_noise():
    with turn_rng(5, 1, 0):
        whole, flat = randn(8, 2), rand(8)
    parts = [draw(5, 1, 0, shard=shard, num_shards=2) for shard in range(2)]
    assert torch.equal(torch.cat([part[1] for part in parts]), whole)
    assert torch.equal(torch.cat([part[2] for part in parts]), flat)
    assert not torch.equal(parts[0][0], parts[1][0])


def test_a_seed_draws_its_noise_without_touching_the_global_generator():
    state = torch.get_rng_state()
    with fixed_seed(3):
        one = randn(1, 4)
    with fixed_seed(3):
        again = randn(1, 4)
    with fixed_seed(4):
        other = randn(1, 4)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(state, torch.get_rng_state())


def test_mix_is_a_hash_of_the_ordered_numbers():
    values = {hash_seed(a, b) for a in range(50) for b in range(-1, 50)}
    assert len(values) == 50 * 51
    assert all(0 <= value < 2**63 for value in values)
    ones = sum(bin(value).count("1") for value in values) / len(values)
    assert 30.5 < ones < 32.5, "half of 63 bits"


def test_noise_has_the_distribution_it_claims():
    with turn_rng(0, 0, 0):
        z, u = randn(20_000), rand(20_000)
    assert abs(z.mean()) < 0.03
    assert abs(z.std() - 1) < 0.03
    assert 0 <= u.min() < 0.01
    assert 0.99 < u.max() < 1
