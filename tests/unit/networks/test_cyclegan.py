"""The networks of CycleGAN, GANILLA and NICE-GAN: parameter counts, receptive fields, sizes, norms by hand."""

import pytest
import torch
from torch import nn

from sparring.layers.normalization import ILN, AdaILN, instance_norm
from sparring.networks.cyclegan import PatchCritic, ResNetTranslator, patches
from sparring.networks.ganilla import GANILLATranslator
from sparring.networks.nicegan import NICECritic, NICEEncoder, NICETranslator
from support.paper_counts import count


@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        (lambda: ResNetTranslator(), 11_378_179),
        (lambda: ResNetTranslator(blocks=6), 7_837_699),
        (lambda: PatchCritic(), 2_764_737),
        (lambda: GANILLATranslator(), 7_228_419),
        (lambda: NICEEncoder(), 167_489),
        (lambda: NICECritic(), 46_706_944),
        (lambda: NICETranslator(), 8_104_640),
    ],
    ids=["resnet-9", "resnet-6", "patch-70", "ganilla", "nice-e", "nice-c", "nice-g"],
)
def test_parameters_are_as_many_as_published(network, parameters):
    assert count(network()) == parameters


def test_a_pix2pix_critic_has_batch_norm_and_takes_two_images():
    critic = PatchCritic(6, norm=nn.BatchNorm2d, bias=False)
    convolutions = 16 * (6 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512)
    assert count(critic) == convolutions + 64 + 1 + 2 * (128 + 256 + 512)
    assert not any(isinstance(layer, nn.InstanceNorm2d) for layer in critic.modules())


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70)])
def test_a_score_has_the_published_receptive_field(layers, field):
    critic = PatchCritic(1, 2, layers, norm=nn.Identity).double()
    x = torch.randn(1, 1, 128, 128, dtype=torch.double, requires_grad=True)
    scores = critic(x)
    middle = scores.shape[-1] // 2
    (gradient,) = torch.autograd.grad(scores[0, 0, middle, middle], x)
    rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
    assert rows[-1] - rows[0] + 1 == field


def test_scores_at_the_published_size():
    with torch.device("meta"):
        assert PatchCritic()(torch.empty(1, 3, 256, 256)).shape == (1, 1, 30, 30)
        critic = NICECritic()
        assert [s.shape[2:] for s in critic(torch.empty(1, 128, 64, 64))] == [(30, 30), (6, 6)]


@pytest.mark.parametrize(
    ("translator", "multiple"),
    [(ResNetTranslator(3, 1, 4, 1), 4), (GANILLATranslator(3, 1, 4, 1), 16)],
    ids=["resnet", "ganilla"],
)
def test_translators_keep_any_size_that_is_a_multiple(translator, multiple):
    assert translator.multiple == multiple
    for height, width in ((2, 3), (4, 2)):
        x = torch.randn(2, 3, height * multiple, width * multiple)
        y = translator(x)
        assert y.shape == (2, 1, *x.shape[2:])
        assert y.abs().max() <= 1


def test_small_images_have_critics_of_fewer_layers():
    for side in (8, 16, 32, 64):
        assert min(PatchCritic(3, 4, patches(side))(torch.randn(1, 3, side, side)).shape) >= 1


def test_every_residual_block_begins_near_the_identity():
    block = ResNetTranslator(3, 3, 4, 1).body[9]
    block.body[4] = nn.Identity()
    x = torch.randn(1, 16, 8, 8)
    assert (block(x) - x).abs().max() < 1, "nothing comes after the sum"
    assert (block(x) < 0).any()


def test_instance_norm_has_no_memory_and_no_parameters():
    norm = instance_norm(3)
    x = 5 + 3 * torch.randn(2, 3, 8, 8)
    y = norm(x)
    assert count(norm) == len(list(norm.buffers())) == 0
    torch.testing.assert_close(y.mean((2, 3)), torch.zeros(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(norm.eval()(x), y)


def test_iln_is_a_mixture_of_instance_and_layer_norm_by_hand():
    x = torch.tensor([[[[0.0, 2.0]], [[4.0, 10.0]]]])
    by_instance = torch.tensor([[[[-1.0, 1.0]], [[-1.0, 1.0]]]]) / 2**0.5
    by_layer = (x - 4) / (56 / 3) ** 0.5  # unbiased: (16 + 4 + 0 + 36) / 3
    norm = AdaILN(2, (0.0, 0.0))
    torch.testing.assert_close(norm.mixed(x), (by_instance + by_layer) / 2, atol=1e-4, rtol=0)
    gain, offset = torch.tensor([[2.0, 3.0]]), torch.tensor([[10.0, 20.0]])
    expected = (by_instance + by_layer) / 2 * gain[..., None, None] + offset[..., None, None]
    torch.testing.assert_close(norm(x, gain, offset), expected, atol=1e-4, rtol=0)
    share = torch.tensor([3.2, 1.0]).softmax(0)
    mixed = share[0] * by_instance + share[1] * by_layer
    torch.testing.assert_close(AdaILN(2).mixed(x), mixed, atol=1e-4, rtol=0)
    torch.testing.assert_close(ILN(2)(x), share[1] * by_instance + share[0] * by_layer, atol=1e-4, rtol=0)
