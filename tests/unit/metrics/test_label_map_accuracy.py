"""Accuracy of the label maps that images show."""

import pytest
import torch

from sparring.metrics import LabelMapAccuracy


def test_layout_needs_a_known_class_and_ignores_unknown_ones():
    x = torch.zeros(1, 1, 20, 20)
    labels = torch.zeros(1, 20, 20, dtype=torch.long)
    labels[:, :, 10:] = 1
    labels[:, 0, 0] = 2
    labels[:, 0, 1] = 9
    x[:, 0][labels == 1] = 0.5
    layout = LabelMapAccuracy(3, 1)
    layout.fit(x, labels)
    assert layout.known == [0, 1]
    hits = layout.hits(x, labels)
    assert hits.tolist() == [[198, 200], [198, 200]]
    half = x.clone()
    half[:, :, :5] = 0.5  # a quarter of class 0, but for the strangers
    assert layout.share(layout.hits(half, labels)) == pytest.approx((150 / 198 + 1) / 2)


def test_layout_accounts_for_the_colour_spread_of_a_class():
    """A colour may be likelier for a broad class than for a narrow one whose mean is nearer."""
    labels = torch.arange(2).repeat_interleave(200).view(1, 20, 20)
    broad = torch.linspace(-0.9, 0.9, 200)
    layout = LabelMapAccuracy(2, 1)
    layout.fit(torch.cat([broad, torch.full((200,), 0.5)]).view(1, 1, 20, 20), labels)
    assert layout.hits(torch.full((1, 1, 20, 20), 0.3), labels).tolist() == [[200, 0], [200, 200]]
    assert layout.hits(torch.full((1, 1, 20, 20), 0.48), labels).tolist() == [[0, 200], [200, 200]]
