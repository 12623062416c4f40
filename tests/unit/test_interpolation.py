"""Arcs between rows: constant speed, linear length, and lines where there is no arc."""

from __future__ import annotations

import math

import pytest
import torch

from sparring._interpolation import slerp


def right_angles(count, dimensions=6, seed=0):
    """Pairs of unit vectors at right angles."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.linalg.qr(torch.randn(count, dimensions, 2, generator=generator, dtype=torch.float64)).Q
    return frames[..., 0], frames[..., 1]


def test_arcs_turn_at_constant_speed():
    a, b = right_angles(3)
    angles = torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64)
    found = slerp(2 * a, 4 * b, angles)
    torch.testing.assert_close(found.norm(dim=1), torch.tensor([2.0, 2.5, 4.0], dtype=torch.float64))
    turned = torch.atan2((found * b).sum(1), (found * a).sum(1)) / (math.pi / 2)
    torch.testing.assert_close(turned, angles, rtol=0, atol=1e-12)
    image = slerp(a.reshape(3, 2, 3), b.reshape(3, 2, 3), angles)
    torch.testing.assert_close(image.flatten(1), slerp(a, b, angles))


@pytest.mark.parametrize("degrees", [1, 60, 120, 179])
def test_arcs_of_any_angle_stay_on_the_circle(degrees):
    angle = math.radians(degrees)
    a = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    b = torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64)
    third = torch.tensor([[math.cos(angle / 3), math.sin(angle / 3)]], dtype=torch.float64)
    torch.testing.assert_close(slerp(a, b, torch.tensor([1 / 3], dtype=torch.float64)), third, rtol=1e-9, atol=0)


def test_where_there_is_no_arc_there_is_a_line():
    a = torch.tensor([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0]])
    b = torch.tensor([[2.0, 4.0], [-1.0, -2.0], [3.0, 0.0]])
    expected = torch.tensor([[1.5, 3.0], [0.0, 0.0], [1.5, 0.0]])
    torch.testing.assert_close(slerp(a, b, torch.full((3,), 0.5)), expected)
