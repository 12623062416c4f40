"""The critic of Projected GAN: its fixed part, its heads, and what a checkpoint knows of them."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sparring.errors import DataError, RunError
from sparring.networks.efficientnet_lite import CHANNELS
from sparring.networks.projected import ProjectedCritic, Projection
from sparring.objectives.penalties import r1

SHAPE = (3, 32, 32)


@pytest.fixture(scope="module")
def P():
    torch.manual_seed(0)
    return Projection(SHAPE, 64)


def images(n=2, shape=SHAPE, seed=0):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def small(**settings):
    torch.manual_seed(0)
    return ProjectedCritic(SHAPE, **{"width": 8, "size": 64, **settings})


@pytest.mark.parametrize(
    ("shape", "size", "side", "scores"),
    [((3, 256, 256), None, 128, 25), ((3, 64, 64), None, 112, 16), ((3, 64, 64), 64, 32, 1)],
)
def test_maps_and_scores_have_the_published_sizes(shape, size, side, scores):
    D = ProjectedCritic(shape, width=4, size=size)
    with torch.no_grad():
        maps, found = D.projection(torch.zeros(1, *shape)), D(torch.zeros(2, *shape))
    assert [tuple(h.shape[1:]) for h in maps] == [
        (channels, side >> scale, side >> scale) for scale, channels in enumerate((64, 64, 128, 256))
    ]
    assert D.projection.sides == [tuple(h.shape[2:]) for h in maps]
    assert found.shape == (2, 4 * scores)


def test_heads_of_256_pixels_are_the_published_ones():
    D = ProjectedCritic((3, 256, 256))
    seen = [[layer.out_channels for layer in head.body if isinstance(layer, nn.Conv2d)] for head in D.heads]
    assert seen == [[64, 128, 256, 512], [128, 256, 512], [256, 512], [512]]
    assert sum(p.numel() for p in D.parameters()) == 10_331_328
    for head in D.heads:
        convolutions = [layer for layer in head.modules() if isinstance(layer, nn.Conv2d)]
        assert all(hasattr(layer, "parametrizations") for layer in convolutions), "spectral norm"
        assert [type(layer) for layer in head.body][:3] == [type(head.body[0]), nn.BatchNorm2d, nn.LeakyReLU]
        assert head.body[2].negative_slope == 0.2
        assert head.score.kernel_size == (4, 4)
        assert head.score.bias is None


def test_scales_are_mixed_from_the_coarsest_on(P):
    """As published: bilinear ×2 with aligned corners first, then the 1×1 convolution."""
    x = images()
    with torch.no_grad():
        features = P.features(F.interpolate(x, (64, 64), mode="bilinear", align_corners=False))
        mixed = [F.conv2d(f, mix.weight, mix.bias) for f, mix in zip(features, P.across_channels, strict=True)]
        h, wanted = 0, []
        for scale in (3, 2, 1, 0):
            up = F.interpolate(mixed[scale] + h, scale_factor=2, mode="bilinear", align_corners=True)
            h = F.conv2d(up, P.across_scales[scale].weight, P.across_scales[scale].bias)
            wanted.insert(0, h)
        for one, other in zip(P(x), wanted, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_random_convolutions_are_uniform_up_to_one_over_the_root_of_their_inputs(P):
    for inputs, mix in zip(CHANNELS, P.across_channels, strict=True):
        for drawn in (mix.weight, mix.bias):
            assert 0.95 * inputs**-0.5 < drawn.abs().max() <= inputs**-0.5
        assert mix.weight.std() == pytest.approx((3 * inputs) ** -0.5, rel=0.05)
    assert [tuple(mix.weight.shape[:2]) for mix in P.across_scales] == [(64, 64), (64, 128), (128, 256), (256, 512)]


def test_the_mixing_is_a_function_of_the_seed(P):
    torch.manual_seed(0)
    same = Projection(SHAPE, 64)
    other = Projection(SHAPE, 64)
    assert torch.equal(same.across_scales[0].weight, P.across_scales[0].weight)
    assert torch.equal(same.fingerprint, P.fingerprint)
    assert not torch.equal(other.fingerprint, P.fingerprint)


def test_only_heads_learn_and_only_heads_and_a_hash_are_saved():
    D = small()
    assert {name.split(".")[0] for name, _ in D.named_parameters()} == {"heads"}
    kept = {name for name in D.state_dict() if not name.startswith("heads.")}
    assert kept == {"projection.fingerprint"}
    assert D.state_dict()["projection.fingerprint"].shape == (32,)


def test_a_checkpoint_of_another_mixing_is_refused():
    D, saved = small(), small().state_dict()
    D.load_state_dict(saved)
    other = ProjectedCritic(SHAPE, width=8, size=64)
    with pytest.raises(RunError, match=r"fixed features or the random mixing differ .*: install the versions"):
        other.load_state_dict(saved)


def test_the_hash_is_of_the_features_too(monkeypatch):
    before = small().projection.fingerprint

    def other():
        network = lite()
        network.stem.bias[0] += 1
        return network

    lite = __import__("sparring.networks.projected", fromlist=["x"]).efficientnet_lite0
    monkeypatch.setattr("sparring.networks.projected.efficientnet_lite0", other)
    assert not torch.equal(small().projection.fingerprint, before)


def test_every_head_sees_its_own_map_and_gives_the_image_a_gradient():
    D, x = small().eval(), images().requires_grad_()
    scores = D(x)
    assert scores.shape == (2, 4)
    slopes = [torch.autograd.grad(scores[:, k].sum(), x, retain_graph=True)[0] for k in range(4)]
    assert all(slope.abs().sum() > 0 for slope in slopes)
    maps = D.projection(x)
    for k, head in enumerate(D.heads):
        torch.testing.assert_close(head(maps[k]), scores[:, k : k + 1])


def test_fewer_scales_are_the_finest_ones_and_need_smaller_features():
    D = ProjectedCritic(SHAPE, width=8, size=32, scales=3)
    assert D.projection.sides == [(16, 16), (8, 8), (4, 4)]
    assert D(images()).shape == (2, 3)
    with pytest.raises(DataError, match="Features of 32 pixels are too small for 4 scales: give 64 or more"):
        ProjectedCritic(SHAPE, size=32)
    with pytest.raises(DataError, match="1 to 4 scales, not 5"):
        ProjectedCritic(SHAPE, scales=5)


@pytest.mark.parametrize(("shape", "size"), [((3, 48, 64), 96), ((3, 100, 100), 100), ((3, 171, 128), 128)])
def test_images_of_other_shapes_keep_their_proportions(shape, size):
    D = ProjectedCritic(shape, width=4, size=size)
    assert min(D.projection.size) == size
    assert D.projection.size[0] / D.projection.size[1] == pytest.approx(shape[1] / shape[2], rel=0.01)
    assert D(images(2, shape)).dim() == 2
    assert [tuple(h.shape[2:]) for h in D.projection(images(1, shape))] == D.projection.sides


def test_grey_images_are_scored_and_points_refused():
    assert ProjectedCritic((1, 32, 32), width=4, size=64)(images(2, (1, 32, 32))).shape == (2, 4)
    with pytest.raises(DataError, match="needs images"):
        ProjectedCritic((2,))
    with pytest.raises(DataError, match=r"1 or 3 channels, not \(4, 32, 32\): pass --channels 3"):
        ProjectedCritic((4, 32, 32))


def test_a_class_adds_the_product_of_its_embedding_with_a_second_convolution():
    D, y = small(classes=3).eval(), torch.eye(3)[[2, 0]]
    x = images()
    for head, h in zip(D.heads, D.projection(x), strict=True):
        seen = head.body(h)
        matched = (head.match(seen).squeeze() * head.embed.weight.T[[2, 0]]).sum(1)
        torch.testing.assert_close(head(h, y).squeeze(), head.score(seen).squeeze() + matched)
        assert matched.abs().min() > 0
    assert not torch.allclose(D(x, y), D(x, torch.eye(3)[[1, 1]]))


def test_a_penalty_on_slopes_differentiates_through_the_features():
    D, x = small(scales=2).eval().double(), images().double()
    weight = D.heads[0].score.parametrizations.weight.original

    def penalty():
        return r1(D, x)

    (slope,) = torch.autograd.grad(penalty(), weight)
    with torch.no_grad():
        direction = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        weight += 1e-5 * direction
    above = penalty().item()
    with torch.no_grad():
        weight -= 2e-5 * direction
    below = penalty().item()
    assert (slope * direction).sum().item() == pytest.approx((above - below) / 2e-5, rel=1e-5)
    assert above > 0
