"""Mismatched captions and the structured loss of matching pairs."""

import pytest
import torch

from sparring.data.annotations.captions import tokenize
from sparring.games.common.caption_pairs import are_different, sample_mismatched, structured_loss
from sparring.rng import fixed_seed

# --- wrong pairs


def test_wrong_pairs_have_another_caption_and_another_image_and_are_uniform_over_those():
    x = torch.rand(4, 3, 8, 8)
    x[3] = x[0].flip(-1)  # the mirror image of the first, with a caption of its own
    apart = are_different(x, tokenize(["a", "a", "b", "c"]))
    assert apart.int().tolist() == [[0, 0, 1, 0], [0, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 0]]
    with fixed_seed(0):
        draws = torch.stack([sample_mismatched(apart, torch.rand(4, 2))[0] for _ in range(300)])
    for row in range(4):
        counts = draws[:, row].bincount(minlength=4)
        assert (counts > 0).tolist() == apart[row].tolist()
        assert counts[apart[row]].min() > 60


@pytest.mark.parametrize(("rivals", "nearest"), [(1, 1 / 3), (2, 2 / 3), (3, 1), (9, 1)])
def test_of_several_wrong_captions_the_nearest_is_taken(rivals, nearest):
    """Of row 0 row 3 is no wrong pair, though nearest; of the three others, row 1 is."""
    apart, captions = ~torch.eye(4, dtype=torch.bool), torch.tensor([[0.0], [1.0], [2.0], [0.1]])
    apart[0, 3] = apart[3, 0] = False
    apart, captions = torch.nn.functional.pad(apart, (0, 1, 0, 1), value=True), torch.cat([captions, captions[2:3] + 5])
    with fixed_seed(0):
        draws = torch.stack([sample_mismatched(apart, captions, rivals)[0] for _ in range(2000)])[:, 0]
    assert not (draws == 3).any()
    assert (draws == 1).double().mean().item() == pytest.approx(nearest, abs=0.04)


def test_the_readers_margin_by_hand():
    images, captions = torch.tensor([[2.0, 0.0], [0.0, 4.0]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    root = 2**0.5  # fits: [[2, 2], [0, 4]] / root
    apart = ~torch.eye(2, dtype=torch.bool)
    expected = [1, max(0, 1 - 4 / root), max(0, 1 - 2 / root), max(0, 1 - 2 / root)]
    assert structured_loss(images, captions, apart).item() == pytest.approx(sum(expected) / 2)
    assert structured_loss(images, captions, apart & False).item() == 0


def test_the_readers_margin_counts_both_ways_with_the_same_sign():
    """Off the diagonal all fits are positive and none is its mirror image: a sign or a transpose changes the sum."""
    fits = torch.tensor([[0.9, 0.3, 0.5], [0.2, 0.8, 0.1], [0.4, 0.6, 1.9]])
    apart = torch.tensor([[0, 1, 1], [1, 0, 0], [1, 0, 0]]) == 1
    by_images = [1 + 0.3 - 0.9, 1 + 0.5 - 0.9, 1 + 0.2 - 0.8, 0]  # the last is 1 + 0.4 − 1.9 < 0
    by_captions = [1 + 0.2 - 0.9, 1 + 0.4 - 0.9, 1 + 0.3 - 0.8, 0]  # and 1 + 0.5 − 1.9
    found = structured_loss(fits * 3**0.5, torch.eye(3), apart).item()
    assert found == pytest.approx((sum(by_images) + sum(by_captions)) / 4)
