"""ADA: geometry, colour and the probability of each change."""

from math import log, pi

import pytest
import torch

from sparring.augment import ada as pipes
from sparring.augment import (
    blitting,
    colours,
    geometry,
)
from sparring.augment.pixels import shift
from support.augment import ALWAYS, labelled, numbers


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
