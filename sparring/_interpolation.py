"""Spherical interpolation, shared by sampling and metrics."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["slerp"]


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Return the points at t of the arcs from a to b, row by row (Shoemake, 1985; White, 2016).

    Gaussian noise in many dimensions lies near a sphere, and a straight line leaves it: the midpoint of two draws has
    √½ of their length. Here the direction turns at constant speed and the length changes linearly. Where there is no
    arc (equal or opposite directions, or a zero vector) the points lie on the line. Angles are computed in float64,
    because metrics subtract neighbouring points; on devices without float64, in float32.

    Args:
        a: Rows (N, ...).
        b: Rows (N, ...).
        t: Positions (N,), 0 at a and 1 at b.

    Example:
        >>> slerp(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 4.0]]), torch.tensor([0.5]))
        tensor([[2.1213, 2.1213]])
    """
    kind = torch.float32 if a.device.type == "mps" else torch.float64
    x, y, t = a.flatten(1).to(kind), b.flatten(1).to(kind), t.to(a.device, kind)[:, None]
    long, wide = x.norm(dim=1, keepdim=True), y.norm(dim=1, keepdim=True)
    here, there = x / long, y / wide
    angle = (here * there).sum(dim=1, keepdim=True).clamp(-1, 1).arccos()
    turned = (torch.sin((1 - t) * angle) * here + torch.sin(t * angle) * there) / torch.sin(angle)
    arc = ((1 - t) * long + t * wide) * turned
    between: Tensor = arc.where(torch.sin(angle) > 1e-4, (1 - t) * x + t * y).reshape(a.shape).to(a.dtype)
    return between
