"""Readers of captions: fixed directions of words, and a recurrent reader that forgets nothing and reads no padding."""

import pytest
import torch

from sparring.data.annotations.captions import tokenize
from sparring.networks.common.text import GRUTextEncoder, HashedTextEncoder, hash32

TEXTS = ("a red heart", "a blue heart", "dog bites man", "man bites dog", "")


def test_hashed_words_are_the_same_always():
    """Literal numbers: they may not depend on the process, the machine or the version."""
    found = HashedTextEncoder(6)(tokenize(["red", "a red heart"]))
    assert found[0].tolist() == [1.0, 1.0, 1.0, -1.0, -1.0, 1.0]
    assert (found[1] * 3**0.5).tolist() == pytest.approx([3.0, 1.0, 1.0, -2.0, 0.0, 0.0])
    assert torch.equal(found, HashedTextEncoder(8)(tokenize(["red", "a red heart"]))[:, :6])


def test_a_caption_is_the_sum_of_its_words_and_half_its_pairs():
    read, root = HashedTextEncoder(512), 3**0.5
    three, ab, bc = read(tokenize(["a b c", "a b", "b c"]))
    a, b, c = read(tokenize(["a", "b", "c"]))
    pair = ab * 2**0.5 - a - b
    assert set(pair.abs().tolist()) == {0.5} or pair.abs().sub(0.5).abs().max() < 1e-5
    torch.testing.assert_close(three * root, a + b + c + pair + (bc * 2**0.5 - b - c))


def test_hashed_captions_are_near_when_they_share_words_and_order_counts():
    found = HashedTextEncoder(4096)(tokenize(TEXTS))
    cosines = torch.nn.functional.normalize(found, dim=1) @ torch.nn.functional.normalize(found, dim=1).T
    assert 0.4 < cosines[0, 1] < 0.7  # two of three words
    assert cosines[0, 2].abs() < 0.05
    assert 0.7 < cosines[2, 3] < 0.95  # the same words, other pairs
    assert found[4].eq(0).all()


def test_padding_is_not_read():
    short, long = tokenize(TEXTS), tokenize(TEXTS, longest=40)
    torch.manual_seed(0)
    for read in (HashedTextEncoder(16), GRUTextEncoder(16, 8)):
        torch.testing.assert_close(read(short), read(long))


def test_signs_are_fair_and_independent_of_one_another():
    signs = HashedTextEncoder(64).signs(torch.arange(1, 4001)[:, None], torch.ones(4000, 1, dtype=torch.bool))
    assert signs.mean(0).abs().max() < 0.07
    correlation = signs.T @ signs / 4000 - torch.eye(64)
    assert correlation.abs().max() < 0.09


def test_scrambled_numbers_stay_within_32_bits_and_do_not_collide():
    numbers = torch.arange(2**32 - 500, 2**32)
    found = hash32(numbers)
    assert found.min() >= 0
    assert found.max() < 2**32
    assert len(found.unique()) == 500


def test_a_recurrent_text_encoder_depends_on_order_and_every_word_and_learns():
    torch.manual_seed(0)
    read = GRUTextEncoder(16, 8)
    found = read(tokenize(TEXTS))
    torch.testing.assert_close(found.norm(dim=1), torch.full((5,), 4.0))
    assert torch.cdist(found, found).add(10 * torch.eye(5)).min() > 1e-3
    found[0, 0].backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in read.parameters())
    assert read.words.weight.grad.abs().sum(1).gt(0).sum() == 3, "the words of the first caption, no others, no padding"
