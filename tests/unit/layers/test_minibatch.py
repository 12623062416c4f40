"""Layers over the batch: minibatch discrimination, virtual batch norm; and the heads that use them."""

import math

import pytest
import torch
from torch import nn

from sparring.layers.init import normal, orthogonal, reinitialise
from sparring.layers.minibatch import MinibatchDiscrimination
from sparring.layers.normalization import VirtualBatchNorm, WithReferenceBatch, to_virtual_batch_norm
from sparring.layers.spectral import spectral
from sparring.networks import DCGANCritic, DCGANGenerator, MLPCritic, SNCNNCritic
from sparring.objectives.penalties import r1

double = pytest.fixture(autouse=True)(lambda: torch.manual_seed(0))


def closeness(h, layer):
    """o by the paper's sum, pair by pair."""
    M = (h @ layer.T).reshape(len(h), layer.measures, -1)
    o = torch.zeros(len(h), layer.measures, dtype=h.dtype)
    for i in range(len(h)):
        for j in range(len(h)):
            if i != j:
                o[i] += torch.exp(-(M[i] - M[j]).abs().sum(1))
    return o


def test_minibatch_discrimination_is_the_papers_sum():
    layer = MinibatchDiscrimination(3, measures=4, coordinates=2).double()
    h = torch.randn(5, 3, dtype=torch.float64)
    out = layer(h)
    assert torch.equal(out[:, :3], h)
    torch.testing.assert_close(out[:, 3:], closeness(h, layer), rtol=1e-12, atol=1e-12)
    assert out[:, 3:].std(1).min() > 1e-3, "every measure measures something else"


@pytest.mark.parametrize("n", [1, 2, 7])
def test_samples_all_alike_are_close_to_all_others(n):
    layer = MinibatchDiscrimination(3, measures=4).double()
    o = layer(torch.randn(1, 3, dtype=torch.float64).expand(n, 3))[:, 3:]
    torch.testing.assert_close(o, torch.full_like(o, n - 1.0), rtol=0, atol=1e-12)


def test_samples_far_apart_are_close_to_none():
    layer = MinibatchDiscrimination(2, measures=4).double()
    o = layer(1e4 * torch.randn(6, 2, dtype=torch.float64))[:, 2:]
    assert o.abs().max() < 1e-12


def test_two_points_on_a_line_decay_with_their_distance():
    layer = MinibatchDiscrimination(1, measures=1, coordinates=2).double()
    layer.T.data = torch.tensor([[0.5, -1.5]], dtype=torch.float64)
    o = layer(torch.tensor([[0.0], [3.0]], dtype=torch.float64))[:, 1]
    assert o.tolist() == pytest.approx([math.exp(-6.0)] * 2, rel=1e-12)


def test_minibatch_discrimination_has_the_papers_sizes_by_default():
    layer = MinibatchDiscrimination(3)
    assert (layer.measures, tuple(layer.T.shape)) == (100, (3, 100 * 5))


def test_measures_begin_with_about_the_spread_of_one_feature():
    torch.manual_seed(0)
    layer = MinibatchDiscrimination(400, measures=20)
    assert (torch.randn(50, 400) @ layer.T).std().item() == pytest.approx(1, abs=0.05)


def test_minibatch_discrimination_follows_a_permutation():
    layer, h, order = MinibatchDiscrimination(3).double(), torch.randn(8, 3).double(), torch.randperm(8)
    torch.testing.assert_close(layer(h[order]), layer(h)[order], rtol=1e-12, atol=1e-12)


def test_half_precision_counts_neighbours_exactly():
    with torch.autocast("cpu", torch.bfloat16):
        out = MinibatchDiscrimination(3, measures=2)(torch.ones(301, 3))
    assert set(out[:, 3:].flatten().tolist()) == {300.0}


def formula(x, reference, eps=1e-5):
    """Virtual batch norm of one sample (C, L) by the sheet's formula, γ = 1, β = 0."""
    share = 1 / (len(reference) + 1)
    mean = share * x.mean(1) + (1 - share) * reference.mean((0, 2))
    square = share * x.square().mean(1) + (1 - share) * reference.square().mean((0, 2))
    return (x - mean[:, None]) / (square - mean.square() + eps).sqrt()[:, None]


def test_virtual_batch_norm_is_its_formula():
    reference, x = torch.randn(5, 3, 4).double() + 2, 3 * torch.randn(2, 3, 4).double() - 1
    layer = VirtualBatchNorm(3).double()
    layer.references = 5
    out = layer(torch.cat([reference, x]))[5:]
    torch.testing.assert_close(out, torch.stack([formula(one, reference) for one in x]), rtol=1e-10, atol=1e-12)
    layer.weight.data, layer.bias.data = torch.tensor([1.0, 2.0, -1.0]).double(), torch.tensor([0.0, 5.0, 1.0]).double()
    affine = layer(torch.cat([reference, x]))[5:]
    torch.testing.assert_close(affine, out * layer.weight[:, None] + layer.bias[:, None], rtol=1e-10, atol=1e-12)


def test_references_are_normalised_by_themselves():
    reference = torch.randn(50, 3, 4).double() + 2
    layer = VirtualBatchNorm(3).double()
    layer.references = 50
    out = layer(torch.cat([reference, torch.randn(2, 3, 4).double()]))[:50]
    assert out.mean((0, 2)).abs().max() < 1e-12
    assert (out.square().mean((0, 2)) - 1).abs().max() < 1e-3


NETWORKS = {
    "G": (lambda: DCGANGenerator((1, 16, 16), latent=6, width=4), (6,)),
    "D": (lambda: DCGANCritic((1, 16, 16), width=4), (1, 16, 16)),
    "points": (lambda: MLPCritic((2,), width=8, norm=nn.BatchNorm1d), (2,)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_sample_does_not_depend_on_its_company_but_on_the_references(name):
    make, shape = NETWORKS[name]
    network = WithReferenceBatch(make(), torch.randn(7, *shape)).double()
    x, others = torch.randn(2, 3, *shape, dtype=torch.float64)
    one, other = network(x), network(torch.cat([x[:1], others]))
    torch.testing.assert_close(one[0], other[0], rtol=1e-9, atol=1e-12)
    network.reference += 1.0 * torch.randn_like(network.reference)
    assert (network(x)[0] - one[0]).abs().max() > 1e-4
    plain = make().double()
    assert (plain(x)[0] - plain(torch.cat([x[:1], others]))[0]).abs().max() > 1e-4, "batch norm does depend"
    assert not any("BatchNorm" in type(m).__name__ and "Virtual" not in type(m).__name__ for m in network.modules())


def test_the_output_belongs_to_the_samples_and_not_to_the_references():
    network, x = nn.Linear(2, 3), torch.randn(4, 2)
    referenced = WithReferenceBatch(network, torch.randn(6, 2))
    torch.testing.assert_close(referenced(x), network(x))


def test_penalties_on_single_scores_keep_their_meaning():
    """The slope of the sum of scores in x_i is the slope of the score of x_i."""
    D = WithReferenceBatch(MLPCritic((2,), width=8, norm=nn.BatchNorm1d), torch.randn(7, 2)).double()
    x = torch.randn(4, 2, dtype=torch.float64)
    alone = torch.stack([r1(D, x[i : i + 1]) for i in range(4)]).mean()
    assert r1(D, x).item() == pytest.approx(alone.item(), rel=1e-9)


def test_conversion_keeps_gains_and_the_critics_own_attributes():
    D = DCGANCritic((1, 16, 16), width=4)
    gains = [m.weight.clone() for m in D.modules() if isinstance(m, nn.BatchNorm2d)]
    wrapped = WithReferenceBatch(D, torch.zeros(3, 1, 16, 16))
    kept = [m.weight for m in wrapped.modules() if isinstance(m, VirtualBatchNorm)]
    assert len(kept) == len(gains) == 1
    assert all(torch.equal(one, other) for one, other in zip(kept, gains, strict=True))
    assert wrapped.shape == (1, 16, 16)
    assert wrapped.features(torch.zeros(2, 1, 16, 16)).shape == (2, 8 * 16)
    assert "reference" in wrapped.state_dict()


def test_without_references_virtual_batch_norm_refuses():
    with pytest.raises(ValueError, match="WithReferenceBatch"):
        to_virtual_batch_norm(nn.Sequential(nn.BatchNorm1d(2)))(torch.zeros(3, 2))


def test_initialisations_reach_spectral_weights_and_leave_them_spectral():
    D = spectral(SNCNNCritic((1, 16, 16), width=4))
    assert reinitialise(D, orthogonal(3.0)) is D
    layers = [m for m in D.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    for layer in layers:
        original = layer.parametrizations.weight.original.flatten(1)
        short = min(original.shape)
        gram = original @ original.T if original.shape[0] == short else original.T @ original
        torch.testing.assert_close(gram, 9 * torch.eye(short), atol=1e-4, rtol=0)
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1.0, abs=0.02)
        assert layer.parametrizations.weight.original.requires_grad
        assert not layer.bias.any()


def test_spectral_weights_have_norm_one_in_the_first_forward_after_an_initialisation():
    layer = reinitialise(spectral(nn.Linear(64, 64)), normal(1.0)).eval()
    assert torch.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1.0, abs=0.1)


def test_initialisations_reach_plain_weights_too():
    D = reinitialise(MLPCritic((2,), width=64), normal(0.5))
    assert D.head.weight.std().item() == pytest.approx(0.5, rel=0.3)
