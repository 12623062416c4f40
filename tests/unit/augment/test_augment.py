"""Augmentations: identities, exact maps on labelled images, laws of the draws, first and second derivatives."""

from functools import partial

import pytest
import torch

from sparring.augment import (
    AdaptiveAugment,
    DiffAugment,
    blitting,
    colour,
    colours,
    cutout,
    flip_and_shift,
    geometry,
    translation,
)
from sparring.errors import DataError
from sparring.objectives.penalties import r1
from support.augment import ALWAYS, NEVER

EVERY = [
    *(pytest.param(change, id=change.__name__) for change in (colour, translation, cutout, flip_and_shift)),
    *(pytest.param(partial(change, p=ALWAYS), id=change.__name__) for change in (blitting, geometry, colours)),
    pytest.param(DiffAugment(), id="DiffAugment"),
    pytest.param(AdaptiveAugment(0.7), id="AdaptivePipe"),
]


# Identities


@pytest.mark.parametrize("shape", [(5, 3, 8, 8), (5, 1, 8, 8), (5, 4, 8, 12), (1, 2, 9, 7)])
def test_an_empty_policy_and_p_0_are_the_identity_bit_for_bit(shape):
    x = torch.randn(shape)
    assert torch.equal(DiffAugment(())(x), x)
    assert torch.equal(AdaptiveAugment(0.0)(x), x)
    for part in (blitting, geometry, colours):
        assert torch.equal(part(x, NEVER), x)


@pytest.mark.parametrize("technique", [DiffAugment(), AdaptiveAugment(1.0)])
def test_in_evaluation_mode_nothing_happens(technique):
    x = torch.randn(4, 3, 8, 8)
    assert not torch.equal(technique(x), x)
    assert torch.equal(technique.eval()(x), x)
    technique.train()


@pytest.mark.parametrize("change", EVERY)
@pytest.mark.parametrize("shape", [(4, 1, 8, 8), (4, 3, 16, 16), (4, 5, 8, 12)])
def test_shape_and_independence(change, shape):
    x = torch.randn(1, *shape[1:]).expand(shape)
    torch.manual_seed(0)
    first, second = change(x), change(x)
    assert first.shape == x.shape
    assert not torch.equal(first, second), "each call draws anew"
    assert not all(torch.equal(first[0], one) for one in first[1:]), "each image has its own draw"
    torch.manual_seed(0)
    assert torch.equal(change(x), first), "all draws come from torch's generator"


@pytest.mark.parametrize("technique", [DiffAugment(), AdaptiveAugment(0.5)])
def test_points_are_refused_in_one_sentence(technique):
    with pytest.raises(DataError, match="leave this technique out for points"):
        technique(torch.zeros(3, 2))


def test_half_precision_is_accepted_and_p_is_saved_in_a_checkpoint():
    technique = AdaptiveAugment(0.25)
    assert technique(torch.randn(2, 3, 8, 8).bfloat16()).isfinite().all()
    assert DiffAugment()(torch.randn(2, 3, 8, 8).bfloat16()).isfinite().all()
    assert technique.state_dict()["p"].item() == 0.25


# Derivatives


@pytest.mark.parametrize("change", EVERY)
@pytest.mark.parametrize("channels", [1, 3])
def test_derivatives_of_first_and_second_order(change, channels):
    x = torch.randn(2, channels, 6, 6, dtype=torch.float64, requires_grad=True)

    def fixed(x):
        torch.manual_seed(3)
        return change(x)

    assert torch.autograd.gradcheck(fixed, (x,), fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda x: fixed(x).square(), (x,), fast_mode=True)


@pytest.mark.parametrize("technique", [DiffAugment((translation,)), AdaptiveAugment(1.0, parts=(blitting,))])
def test_a_gradient_penalty_can_be_differentiated(technique):
    """A shift makes a slope smaller or leaves it: a·(Tx) has the gradient Tᵀa, and T moves or drops pixels."""
    a = torch.nn.Parameter(torch.randn(1, 8, 8))
    penalty = r1(lambda x: (technique(x) * a).sum((1, 2, 3)), torch.randn(16, 1, 8, 8))
    penalty.backward()
    assert 0 < penalty < 4 * a.square().sum()
    assert a.grad.abs().sum() > 0
