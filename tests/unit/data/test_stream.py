"""Order, shards, seeking and mirroring of streams."""

import time
import tracemalloc

import numpy as np
import pytest
import torch

from sparring.data import Dataset, Stream, load
from sparring.data.ordering import coins
from sparring.errors import DataError


def numbered(count: int, *, labels: bool = False) -> Dataset:
    """Images of 2 × 2 pixels that spell their own index."""
    digits = np.stack([np.arange(count) >> shift & 255 for shift in (0, 8, 16, 24)], axis=1)
    values = digits.astype(np.uint8).reshape(count, 2, 2, 1)
    return Dataset("numbered", values, np.arange(count) % 3 if labels else None, ("a", "b", "c") if labels else ())


def indices(images: torch.Tensor) -> list[int]:
    """Read the indices back from a scaled batch."""
    digits = ((images + 1) * 127.5).round().long().flatten(1)
    return (digits * torch.tensor([1, 1 << 8, 1 << 16, 1 << 24])).sum(1).tolist()


def drawn(stream: Stream, calls: int) -> list[int]:
    return [index for _ in range(calls) for index in indices(next(stream)[0])]


def test_a_stream_reads_epoch_after_epoch_across_batches():
    stream = Stream(numbered(10), 4, seed=5)
    read = drawn(stream, 15)
    assert [sorted(read[start : start + 10]) for start in range(0, 60, 10)] == [list(range(10))] * 6
    assert read[:10] != read[10:20]


def test_a_batch_may_be_larger_than_the_set():
    images, labels = next(Stream(numbered(3, labels=True), 8))
    assert images.shape == (8, 1, 2, 2)
    assert sorted(indices(images)[:3]) == sorted(indices(images)[3:6]) == [0, 1, 2]
    assert [index % 3 for index in indices(images)] == labels.tolist()
    assert labels.dtype == torch.int64


@pytest.mark.parametrize(("world", "parts"), [(1, 1), (2, 1), (1, 2), (3, 1), (2, 2), (2, 3), (4, 3), (1, 12)])
@pytest.mark.parametrize("count", [5, 12, 97])
def test_shards_of_all_ranks_and_parts_make_the_global_batch(world, parts, count):
    data = numbered(count)
    whole = Stream(data, 24, seed=1)
    ranks = [Stream(data, 24, seed=1, rank=rank, world=world, grad_accum=parts) for rank in range(world)]
    for _ in range(20):  # beyond the calls that are worked out ahead
        assert [index for stream in ranks for index in drawn(stream, parts)] == drawn(whole, 1)
    assert {stream.position for stream in ranks} == {20 * parts}


def test_mirroring_does_not_depend_on_sharding():
    data = numbered(50)
    whole = torch.cat([next(stream)[0] for stream in [Stream(data, 24, mirror=True)] for _ in range(3)])
    ranks = [Stream(data, 24, rank=rank, world=2, grad_accum=2, mirror=True) for rank in range(2)]
    shards = [next(stream)[0] for _ in range(3) for stream in ranks for _ in range(2)]
    assert torch.equal(torch.cat(shards), whole)


@pytest.mark.parametrize("position", [0, 1, 2, 15, 16, 17, 40, 41])
def test_seeking_equals_reading_so_far(position):
    straight = Stream(load("digits", size=8), 30, seed=2, rank=1, world=2, grad_accum=3, mirror=True)
    sought = Stream(load("digits", size=8), 30, seed=2, rank=1, world=2, grad_accum=3, mirror=True)
    for _ in range(position):
        next(straight)
    next(sought)
    sought.seek(position)
    assert sought.position == straight.position == position
    for _ in range(3):
        for first, second in zip(next(straight), next(sought), strict=True):
            assert torch.equal(first, second)


def test_seeking_far_costs_nothing():
    stream = Stream(numbered(1797), 64)
    start = time.perf_counter()
    stream.seek(10**12)
    assert next(stream)[0].shape == (64, 1, 2, 2)
    assert time.perf_counter() - start < 1


def test_mirroring_flips_half_of_the_images_left_to_right():
    data = numbered(2000)
    plain, flipped = (next(Stream(data, 2000, mirror=mirror))[0] for mirror in (False, True))
    turned = (flipped == plain.flip(-1)).flatten(1).all(1)
    kept = (flipped == plain).flatten(1).all(1)
    assert (turned | kept).all()
    assert 900 < turned.sum() < 1100
    expected = torch.from_numpy(coins(np.arange(2000), 0))
    assert torch.equal(turned, expected | (plain == plain.flip(-1)).flatten(1).all(1))


def test_the_same_row_is_flipped_in_one_epoch_and_not_in_another():
    flips = coins(np.arange(0, 1000), seed=0)
    assert 420 < flips.sum() < 580
    assert 420 < (flips ^ coins(np.arange(0, 1000), seed=1)).sum() < 580
    assert 200 < (flips[:-1] & flips[1:]).sum() < 300


def test_images_are_scaled_to_plus_minus_one_and_contiguous():
    values = np.array([0, 51, 255], np.uint8).reshape(1, 1, 1, 3)
    (image,) = next(Stream(Dataset("three", np.tile(values, (1, 4, 4, 1))), 2))
    assert image.dtype == torch.float32
    assert image.is_contiguous()
    torch.testing.assert_close(image[0, :, 0, 0], torch.tensor([-1.0, -0.6, 1.0]))


def test_points_come_as_they_are():
    points = np.array([[-5, 300]], np.float32)
    (batch,) = next(Stream(Dataset("point", points), 3))
    assert batch.tolist() == [[-5, 300]] * 3


def test_no_generator_is_disturbed():
    torch.manual_seed(0)
    np.random.seed(0)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1]
    next(Stream(load("digits", size=8), 8, mirror=True))
    load("ring")
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(numpy_before, np.random.get_state()[1])


def test_a_million_images_stream_in_little_memory(tmp_path):
    shape = (1_000_000, 32, 32, 1)
    np.lib.format.open_memmap(tmp_path / "big.npy", mode="w+", dtype=np.uint8, shape=shape)  # sparse: no blocks on disk
    tracemalloc.start()
    start = time.perf_counter()
    stream = Stream(load(tmp_path / "big.npy"), 64)
    for _ in range(20):
        (images,) = next(stream)
    seconds, (_, peak) = time.perf_counter() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(stream.dataset) == 1_000_000
    assert images.shape == (64, 1, 32, 32)
    assert isinstance(stream.dataset.values, np.memmap)
    assert peak < 40e6
    assert seconds < 20


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"batch_size": 10, "world": 2, "grad_accum": 2}, "choose a multiple of 4"),
        ({"batch_size": 0}, "choose a multiple of 1"),
        ({"batch_size": -4, "grad_accum": 2}, "choose a multiple of 2"),
        ({"batch_size": 4, "mirror": True}, "leave mirror off"),
    ],
)
def test_refusals(settings, sentence):
    with pytest.raises(DataError, match=sentence):
        Stream(load("ring"), **settings)


def test_programming_errors_are_refused_at_the_door():
    with pytest.raises(ValueError, match="rank 2"):
        Stream(load("ring"), 8, rank=2, world=2)
    with pytest.raises(ValueError, match="negative"):
        Stream(load("ring"), 8).seek(-1)
