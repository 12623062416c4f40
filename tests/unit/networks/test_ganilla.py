"""GANILLA's generator: concatenation and the sums of its decoder."""

import torch
from torch import nn

from sparring.networks.ganilla import GANILLATranslator


def test_ganilla_concatenates_and_its_decoder_sums_every_scale():
    G = GANILLATranslator(3, 3, 4, 1)
    x = torch.randn(1, 3, 32, 32)
    block, h = G.scales[0][0], torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(block(h), block.join(torch.cat([block.body(h), h], 1)))
    assert G.scales[1][0].join[0][1].in_channels == 2 * G.scales[1][0].join[0][1].out_channels
    for lateral in G.laterals:
        before = G(x)
        lateral.bias.data += 1.0
        assert not torch.equal(G(x), before)
    assert not any(isinstance(layer, (nn.InstanceNorm2d, nn.ReLU)) for layer in G.paint.modules())
