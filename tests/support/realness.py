"""Anchors and objectives for the tests of RealnessGAN."""

import torch

from sparring.objectives.realness import (
    Anchored,
    Anchors,
    Away,
    DrawnAnchors,
    FixedAnchors,
    Paired,
)

A1 = torch.tensor([0.05, 0.15, 0.30, 0.50], dtype=torch.float64)


A0 = torch.tensor([0.40, 0.35, 0.20, 0.05], dtype=torch.float64)


GOALS = {"away": Away(), "paired": Paired(), "anchored": Anchored()}


def fixed(real=A1, fake=A0):
    return FixedAnchors(tuple(real.tolist()), tuple(fake.tolist()))


# Anchors


def drawn(outcomes, skew=1.0, count=300):
    torch.manual_seed(0)
    source = DrawnAnchors(outcomes, skew)
    draws = [source() for _ in range(count)]
    return Anchors(torch.stack([a.real for a in draws]).mean(0), torch.stack([a.fake for a in draws]).mean(0))
