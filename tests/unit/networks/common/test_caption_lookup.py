"""The lookup of captions in a table of embeddings."""

import numpy as np
import pytest
import torch

from sparring.data.annotations.captions import tokenize
from sparring.errors import DataError
from sparring.networks.common.caption_lookup import CaptionLookup, caption_keys
from support.sentence_models import TEXTS, VECTORS

# --- tables


def known(features=24):
    read = CaptionLookup(lambda texts: torch.from_numpy(VECTORS[[TEXTS.index(text) for text in texts]]), features)
    read.register([*TEXTS[1:], TEXTS[0], TEXTS[1]])
    return read


def test_captions_are_embedded_centred_and_scaled():
    centred = VECTORS - VECTORS.mean(0)
    expected = torch.from_numpy(centred / np.sqrt((centred**2).mean()))
    torch.testing.assert_close(known()(tokenize(TEXTS)), expected)
    torch.testing.assert_close(known()(tokenize(TEXTS[::-1], longest=40)), expected.flip(0))
    assert len(known().keys) == len(TEXTS), "none twice"


def test_what_is_learned_later_does_not_move_what_was_known():
    read = CaptionLookup(lambda texts: torch.tensor([[float(len(text)), 1.0] for text in texts]), 2)
    read.register(["a dog", "a red heart"])
    before = read(tokenize(["a dog", "a red heart"]))
    read.register(["a red", "three dogs and a cat"])
    torch.testing.assert_close(read(tokenize(["a dog", "a red heart"])), before)
    assert read(tokenize(["a red"]))[0, 0] == before[0, 0], "the same mean and scale"


def test_another_number_of_coordinates_keeps_lengths_and_angles_nearly():
    vectors = torch.randn(2, 384, generator=torch.Generator().manual_seed(0))
    read = CaptionLookup(lambda texts: vectors, 4096)
    read.centre, read.scale = torch.zeros(384), torch.ones(())
    read.register(["one", "two"])
    placed = read(tokenize(["one", "two"]))
    cosine = torch.nn.functional.cosine_similarity
    torch.testing.assert_close(placed.square().mean(1), vectors.square().mean(1), rtol=0.1, atol=0)
    assert (cosine(*placed, 0) - cosine(*vectors, 0)).abs() < 0.05


def test_captions_are_distinguished_by_every_word_and_their_order():
    numbers = caption_keys(tokenize(["a b c", "a c b", "b a c", "a b", "a b c d", "a b c a", "", "a"]))
    assert len(numbers.unique()) == 8
    assert numbers.min() >= 0
    many = caption_keys(tokenize([f"row {k} of {k % 7}" for k in range(50_000)]))
    assert len(many.unique()) == 50_000
    assert (many >> 62).float().mean() == pytest.approx(0.5, abs=0.02), "every bit is used"


def test_an_unknown_caption_and_an_empty_table_are_refused():
    with pytest.raises(DataError, match="4 captions are embedded, and a requested one is not"):
        known()(tokenize(["a red square", "no"]))
    with pytest.raises(DataError, match="0 captions"):
        CaptionLookup(lambda texts: None)(tokenize(["a"]))


def test_a_table_travels_with_the_state():
    empty = CaptionLookup(lambda texts: pytest.fail("asked again"), 16)
    empty.load_state_dict(known(16).state_dict())
    empty.register(TEXTS)
    assert torch.equal(empty(tokenize(TEXTS)), known(16)(tokenize(TEXTS)))
