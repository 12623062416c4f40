"""NICE-GAN's networks: sizes, attention and spectral normalisation."""

import pytest
import torch
from torch import nn

from sparring.networks.nicegan import NICECritic, NICEEncoder, NICEEncodingCritic, NICETranslator, code_depths
from support.paper_counts import count


def test_the_full_generator_of_nice_gan_is_as_large_as_published():
    with torch.device("meta"):
        assert count(NICETranslator(whole=64)) == 276_474_560


@pytest.mark.parametrize("side", [16, 32, 64, 128])
def test_nice_networks_fit_every_size_from_16_pixels(side):
    D = NICEEncodingCritic(NICEEncoder(3, 4), NICECritic(4, *code_depths(side), widest=16))
    x = torch.randn(2, 3, side, side)
    small, large, attention = D(x)
    assert min(*small.shape[2:], *large.shape[2:]) >= 1
    assert (attention.shape, D.attention_map(x).shape) == ((2, 1), (2, 1, side // 4, side // 4))
    assert NICETranslator(3, 4, 1)(D.encode(x)).shape == x.shape


def test_attention_starts_at_zero_and_can_be_learned():
    E = NICEEncoder(3, 4)
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(E(x)[0], nn.functional.leaky_relu(E.body(x), 0.2), atol=0.1, rtol=0.1)
    assert E.strength.item() == 0
    z, logit = E.eval()(x)
    (gradient,) = torch.autograd.grad(z.square().sum(), E.strength, retain_graph=True)
    assert gradient != 0
    h = E.body(x)
    by_hand = torch.cat([h.mean((2, 3)), h.flatten(2).max(2).values], 1) @ E.cam.weight.T
    torch.testing.assert_close(logit, by_hand)
    E.strength.data.fill_(2.0)
    features = torch.cat([h, h], 1) * E.cam.weight[0][None, :, None, None]
    expected = 2 * E.attend(features) + h
    torch.testing.assert_close(E.attended(x)[0], expected)
    torch.testing.assert_close(
        NICEEncodingCritic(E, NICECritic(4, 0, 0)).attention_map(x), expected.sum(1, keepdim=True)
    )


def test_all_convolutions_of_a_nice_critic_are_spectrally_normalised_but_the_attention():
    D = NICEEncodingCritic(NICEEncoder(3, 4), NICECritic(4, 1, 1))
    free = [
        name
        for name, layer in D.named_modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and not hasattr(layer, "parametrizations")
    ]
    assert free == ["E.attend"]


def test_the_light_generator_receives_only_the_mean_of_its_code():
    G = NICETranslator(3, 4, 1)
    h = torch.randn(1, 16, 4, 4)
    shuffled = h.flatten(2)[:, :, torch.randperm(16)].reshape(h.shape)
    torch.testing.assert_close(G.told(h), G.told(shuffled))
    whole = NICETranslator(3, 4, 1, whole=4)
    assert not torch.allclose(whole.told(h), whole.told(shuffled))
