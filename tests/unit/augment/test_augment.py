"""Augmentations: identities, exact maps on labelled images, laws of the draws, first and second derivatives."""

from functools import partial
from math import log, pi

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
from sparring.augment import ada as pipes
from sparring.augment.pixels import shift, warp
from sparring.errors import DataError
from sparring.objectives.penalties import r1

NEVER, ALWAYS = torch.tensor(0.0), torch.tensor(1.0)
EVERY = [
    *(pytest.param(change, id=change.__name__) for change in (colour, translation, cutout, flip_and_shift)),
    *(pytest.param(partial(change, p=ALWAYS), id=change.__name__) for change in (blitting, geometry, colours)),
    pytest.param(DiffAugment(), id="DiffAugment"),
    pytest.param(AdaptiveAugment(0.7), id="AdaptivePipe"),
]


def labelled(height=4, width=4, n=1):
    """Images whose pixel in row i and column j is 10 i + j."""
    one = 10.0 * torch.arange(height)[:, None] + torch.arange(width)
    return one.expand(n, 1, height, width).clone()


def numbers(*values):
    return torch.tensor(values).view(-1, 1, 1, 1)


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


# DiffAugment


def test_translation_by_k_pixels_brings_zeros_in(monkeypatch):
    monkeypatch.setattr(
        "sparring.augment.diffaugment.randint_per_image", lambda x, low, high: torch.full((1, 1, 1, 1), high)
    )
    moved = translation(labelled(8, 8) + 1)  # by one pixel down and to the right
    assert torch.equal(moved[:, :, 1:, 1:], labelled(8, 8)[:, :, :-1, :-1] + 1)
    assert moved[:, :, 0].abs().sum() == moved[:, :, :, 0].abs().sum() == 0


@pytest.mark.parametrize(("size", "farthest"), [(8, 1), (32, 4), (28, 4)])
def test_translation_reaches_an_eighth_each_way_uniformly(size, farthest):
    x = torch.zeros(4000, 1, size, size)
    x[:, :, size // 2, size // 2] = 1
    at = translation(x).flatten(1).argmax(1)
    for lines in (at // size, at % size):
        counts = torch.bincount(lines - size // 2 + farthest, minlength=2 * farthest + 1)
        assert len(counts) == 2 * farthest + 1
        assert (counts / 4000 - 1 / len(counts)).abs().max() < 0.03


@pytest.mark.parametrize("size", [7, 8, 32])
def test_the_cutout_has_the_specified_area(size):
    length = int(size / 2 + 0.5)
    firsts = range(-(length // 2), size - length % 2 + 1 - length // 2)
    covered = sum(min(first + length, size) - max(first, 0) for first in firsts) / len(firsts)
    kept = cutout(torch.ones(4000, 2, size, size))
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(kept[:, 0], kept[:, 1]), "all channels lose the same pixels"
    holes = (1 - kept[:, 0]).sum((1, 2))
    assert holes.max() == length**2
    assert holes.mean().item() == pytest.approx(covered**2, rel=0.03)
    rows = (1 - kept[:, 0]).amax(2).sum(1)
    assert torch.equal(holes, rows * (1 - kept[:, 0]).amax(1).sum(1)), "a rectangle"


def test_colour_has_the_papers_laws():
    """Grey images show brightness; the means over draws are the images, and the ranges are the paper's."""
    grey = colour(torch.full((20_000, 3, 1, 1), 0.25)) - 0.25  # neither saturation nor contrast
    assert grey.std(1).max() < 1e-6
    assert grey.min() >= -0.5
    assert grey.max() <= 0.5
    assert grey.mean().abs() < 0.01
    assert grey.var().item() == pytest.approx(1 / 12, rel=0.05)
    x = torch.tensor([0.9, -0.3, 0.0, 0.2, 0.4, 0.6]).view(1, 3, 2, 1).expand(20_000, -1, -1, -1)
    changed = colour(x)
    assert (changed.mean(0) - x[0]).abs().max() < 0.02
    steps = changed.mean(1)[:, 1] - changed.mean(1)[:, 0]  # of the grey parts: contrast alone
    contrast = (steps / (x.mean(1)[:, 1] - x.mean(1)[:, 0])).flatten()
    assert contrast.min() == pytest.approx(0.5, abs=0.01)
    assert contrast.max() == pytest.approx(1.5, abs=0.01)
    tint = (changed[:, 0] - changed[:, 1])[:, 0, 0] / (x[:, 0] - x[:, 1])[:, 0, 0] / contrast  # saturation alone
    assert tint.min() == pytest.approx(0.0, abs=0.01)
    assert tint.max() == pytest.approx(2.0, abs=0.01)
    assert tint.mean() == pytest.approx(1.0, abs=0.02)


def test_one_channel_has_no_saturation(monkeypatch):
    monkeypatch.setattr("sparring.augment.diffaugment.rand_per_image", lambda x, low, high: 0.0 if low < 0 else 2.0)
    x = torch.randn(1, 1, 4, 4)  # no brightness, saturation 2, contrast 2
    assert torch.allclose(colour(x) - x.mean(), 2 * (x - x.mean()), atol=1e-6)
    x = torch.randn(1, 3, 4, 4)
    tint = x - x.mean(1, keepdim=True)
    assert torch.allclose(colour(x) - x.mean(), 2 * (x + tint - x.mean()), atol=1e-5)


# The pipe's exact moves


def test_a_mirror_stands_on_the_outermost_pixels():
    right = shift(labelled(), numbers(0), numbers(1))
    assert right[0, 0, 0].tolist() == [1, 0, 1, 2]
    up = shift(labelled(), numbers(-2), numbers(0))
    assert up[0, 0, :, 0].tolist() == [20, 30, 20, 10]


def test_a_warp_at_whole_coordinates_is_exact_and_halfway_is_the_mean():
    x = torch.randn(2, 3, 4, 5)
    rows, columns = torch.arange(4.0).view(1, 1, 4, 1).expand(2, 1, 4, 5), torch.arange(5.0).expand(2, 1, 4, 5)
    assert torch.equal(warp(x, rows, columns), x)
    assert torch.equal(warp(x, rows, columns + 1)[..., :-1], x[..., 1:])
    assert torch.allclose(warp(x, rows + 0.5, columns)[:, :, :-1], (x[:, :, 1:] + x[:, :, :-1]) / 2)
    assert torch.equal(warp(x, rows - 1, columns)[:, :, 0], x[:, :, 1]), "the mirror"


def test_blitting_flips_turns_and_shifts_and_nothing_else():
    x = labelled(8, 8)
    seen = blitting(x.expand(3000, -1, -1, -1), ALWAYS)
    expected = {
        tuple(shift(flipped.rot90(k, (2, 3)), numbers(i), numbers(j)).flatten().tolist()): (k, flip)
        for flip, flipped in enumerate((x, x.flip(3)))
        for k in range(4)
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
    }
    found = [expected[tuple(image.flatten().tolist())] for image in seen]  # a KeyError would be another map
    assert len(expected) == 72
    assert len({tuple(image.flatten().tolist()) for image in seen}) == 72
    for quarter in range(4):
        assert sum(k == quarter for k, _ in found) / 3000 == pytest.approx(0.25, abs=0.04)
    assert sum(flip for _, flip in found) / 3000 == pytest.approx(0.5, abs=0.04)


def test_each_change_happens_with_probability_p():
    x, p = labelled(8, 8).expand(4000, -1, -1, -1), torch.tensor(0.3)
    same = (blitting(x, p) == x).flatten(1).all(1).float().mean().item()
    # p/2 are flipped, 3p/4 turned; a shift of at most one pixel rounds to 0 half the time, in both directions 1/4
    assert same == pytest.approx((1 - 0.15) * (1 - 0.225) * (1 - 0.225), abs=0.03)


def test_oblong_images_make_half_turns_only():
    x = labelled(4, 8).expand(500, -1, -1, -1)
    turned = blitting(x, ALWAYS)
    assert turned.shape == x.shape
    assert (turned[:, 0, 0, 0] > turned[:, 0, -1, -1]).any(), "upside down"


def quietly(monkeypatch, **draws):
    """Replaces the pipe's draws: what is not given is drawn as if nothing happened."""
    monkeypatch.setattr(pipes, "_happens", lambda x, p: torch.tensor(True))
    monkeypatch.setattr(
        pipes, "randn_per_image", lambda x, spread: torch.tensor(draws.get("normal", {}).get(spread, 0.0))
    )
    angles = iter(draws.get("angles", ()))
    monkeypatch.setattr(pipes, "rand_per_image", lambda x, low, high: torch.tensor(next(angles, 0.0)))
    monkeypatch.setattr(pipes, "randint_per_image", lambda x, low, high: torch.tensor(draws.get("whole", 0)))


def test_a_general_turn_by_a_right_angle_is_the_exact_one(monkeypatch):
    x = labelled(5, 5)
    quietly(monkeypatch, angles=[pi / 2])
    assert torch.allclose(geometry(x, ALWAYS), x.rot90(1, (2, 3)), atol=1e-4)
    quietly(monkeypatch, angles=[pi / 4, pi / 4])
    assert torch.allclose(geometry(x, ALWAYS), x.rot90(1, (2, 3)), atol=1e-4), "two turns add up"


def test_a_general_shift_by_a_whole_pixel_is_the_exact_one(monkeypatch):
    quietly(monkeypatch, normal={0.125: 0.25})  # a quarter of 4 pixels, down and right
    x = labelled()
    assert torch.allclose(geometry(x, ALWAYS), shift(x, numbers(1), numbers(1)))


def test_scaling_enlarges_about_the_middle_and_stretching_keeps_the_area(monkeypatch):
    x = torch.zeros(1, 1, 17, 17)
    x[..., 7:10, 7:10] = 1
    draws = iter([0.0, 0.0, 0.0, 1.0])  # shifts down and right, stretch, scale: 2¹
    quietly(monkeypatch)
    monkeypatch.setattr(pipes, "randn_per_image", lambda x, spread: torch.tensor(next(draws)))
    large = geometry(x, ALWAYS)
    assert large.sum() == pytest.approx(4 * 9)
    assert torch.equal(large, large.flip(2))
    assert torch.equal(large, large.transpose(2, 3))
    draws = iter([0.0, 0.0, 1.0, 0.0])
    wide = geometry(x, ALWAYS)[..., 4:13, :]  # the mirror shows more of it at the borders
    assert (wide.amax((0, 1, 2)) > 0.4).sum() == 7
    assert (wide.amax((0, 1, 3)) > 0.4).sum() == 1


def test_luma_hue_and_saturation_keep_what_they_should(monkeypatch):
    x = torch.randn(4, 3, 5, 5, dtype=torch.float64)
    mean = x.mean(1, keepdim=True)
    quietly(monkeypatch, whole=1)
    flipped = colours(x, ALWAYS)
    assert torch.allclose(flipped.mean(1, keepdim=True), -mean), "the luma changes its sign"
    assert torch.allclose(flipped + mean, x - mean), "the colours do not"
    quietly(monkeypatch, normal={1.0: 1.0})
    saturated = colours(x, ALWAYS)
    assert torch.allclose(saturated - mean, 2 * (x - mean))
    quietly(monkeypatch, angles=[2 * pi / 3])
    turned = colours(x, ALWAYS)
    assert torch.allclose(turned, x.roll(1, 1), atol=1e-6) or torch.allclose(turned, x.roll(-1, 1), atol=1e-6)
    quietly(monkeypatch, angles=[1.0])
    turned = colours(x, ALWAYS)
    assert torch.allclose(turned.square().sum(1), x.square().sum(1))
    assert torch.allclose(turned.mean(1, keepdim=True), mean)


def test_brightness_adds_and_contrast_multiplies(monkeypatch):
    x = torch.randn(2, 3, 4, 4)
    quietly(monkeypatch, normal={0.2: 0.3, 0.5: 1.0})
    assert torch.allclose(colours(x, ALWAYS), 2 * (x + 0.3))


def test_one_channel_has_brightness_contrast_and_inversion(monkeypatch):
    x = torch.randn(2, 1, 4, 4)
    quietly(monkeypatch, normal={0.2: 0.3, 0.5: 1.0, 1.0: 3.0}, whole=1, angles=[1.0])
    assert torch.allclose(colours(x, ALWAYS), -2 * (x + 0.3))


def test_the_strengths_are_the_papers_and_p_is_the_probability():
    grey, p = torch.zeros(20_000, 1, 1, 1), torch.tensor(0.5)
    shown = colours(grey, ALWAYS)  # ±2ᵏ b, b ~ N(0, .2²), k ~ N(0, .5²)
    assert shown.std().item() == pytest.approx(0.2 * 2 ** (0.25 * log(2)), rel=0.03)
    assert shown.mean().abs() < 0.01
    assert (colours(grey, p) == 0).float().mean().item() == pytest.approx(0.5, abs=0.02), "brightness"
    same = (colours(grey + 1, p) == 1).float().mean().item()
    assert same == pytest.approx(0.5 * 0.5 * 0.75, abs=0.02), "brightness, contrast, and the negative, half of p"
    ramp = torch.arange(9.0).expand(4000, 1, 9, 9)
    still = (geometry(ramp, torch.tensor(0.3)) == ramp).flatten(1).all(1).float().mean().item()
    assert still == pytest.approx(0.7**4, abs=0.03), "shift, either turn, stretch, scale"
