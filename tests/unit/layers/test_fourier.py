"""Fourier features: octaves of sines and cosines."""

import pytest
import torch

from sparring.layers.fourier import FourierFeatures


def test_waves_are_sines_and_cosines_of_every_octave():
    torch.manual_seed(0)
    waves = FourierFeatures(3, 4000, lowest=0.5, highest=32.0).double()
    lengths = waves.frequencies.norm(dim=0)
    assert 0.5 <= lengths.min() <= lengths.max() <= 32
    assert torch.histc(lengths.log2(), 6, -1, 5).tolist() == pytest.approx([4000 / 6] * 6, rel=0.15)
    assert waves.frequencies.sign().mean().abs() < 0.05
    x = torch.randn(5, 3, dtype=torch.float64)
    y, phases = waves(x), x @ waves.frequencies
    torch.testing.assert_close(y, torch.cat([x, torch.sin(phases), torch.cos(phases)], 1))
    assert y.shape[1] == waves.outputs


def test_waves_are_64_from_1_to_32_by_default():
    torch.manual_seed(0)
    lengths = torch.cat([FourierFeatures(2).frequencies.norm(dim=0) for _ in range(50)])
    assert len(lengths) == 50 * 64
    assert 1 <= lengths.min() < 1.01
    assert 31.5 < lengths.max() <= 32
