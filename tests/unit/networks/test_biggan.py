"""BigGAN's networks: chunks of noise, class embeddings, plan of channels."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from sparring.errors import DataError, GameError
from sparring.layers.attention import SelfAttention
from sparring.layers.resampling import GlobalSum
from sparring.networks.biggan import BigGANCritic, BigGANGenerator
from sparring.recipes.sagan_biggan import biggan
from support.biggan import CLASSES, SHAPE, small

# --- networks


def outputs_of_blocks(G, z, y):
    seen = []
    hooks = [block.register_forward_hook(lambda b, given, made: seen.append(made)) for block in G.stages.grow]
    first = G.start.register_forward_hook(lambda b, given, made: seen.append(made))
    with torch.no_grad():
        G(z, y)
    for hook in (*hooks, first):
        hook.remove()
    return seen


@pytest.mark.parametrize("chunk", range(4))
def test_a_chunk_of_noise_acts_from_its_own_block_on(chunk):
    torch.manual_seed(0)
    G = BigGANGenerator((1, 32, 32), CLASSES, latent=8, width=2).eval()
    z, y = torch.randn(6, 8), torch.eye(3)[[0, 1, 2, 0, 1, 2]]
    other = z.clone()
    other[:, 2 * chunk : 2 * chunk + 2] = z[:, 2 * chunk : 2 * chunk + 2].roll(1, 0)
    pairs = zip(outputs_of_blocks(G, z, y), outputs_of_blocks(G, other, y), strict=True)
    assert [bool((one - two).abs().max() < 1e-6) for one, two in pairs] == [True] * chunk + [False] * (4 - chunk)


def test_the_class_acts_in_every_block_through_one_embedding_without_a_norm():
    torch.manual_seed(0)
    G = BigGANGenerator((1, 16, 16), CLASSES, latent=12, width=2).eval()
    assert [name for name, weight in G.named_parameters() if weight.shape == (128, CLASSES)] == ["embed.weight"]
    assert not is_parametrized(G.embed)
    for name, layer in G.named_modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)) and name != "embed":
            assert is_parametrized(layer, "weight"), name
    z = torch.randn(2, 12)
    one, two = (outputs_of_blocks(G, z, torch.eye(3)[[k, k]]) for k in (0, 1))
    assert [torch.equal(a, b) for a, b in zip(one, two, strict=True)] == [True, False, False]
    assert is_parametrized(BigGANCritic(SHAPE, CLASSES, 2).head.embed, "weight")


def test_the_noise_is_a_multiple_of_its_chunks():
    latent = {side: BigGANGenerator((3, side, side), width=2, latent=128).latent for side in (8, 32, 64, 128, 256)}
    assert latent == {8: 128, 32: 128, 64: 125, 128: 126, 256: 126}
    assert BigGANGenerator((3, 128, 128), width=2, latent=120).chunk == 20
    with pytest.raises(GameError, match="--latent 6"):
        BigGANGenerator((3, 128, 128), latent=5)


PLAN = {  # side: G's channels, D's channels, side that attends; in multiples of the width
    32: ([4, 4, 4], [4, 4, 4, 4], None),
    64: ([16, 8, 4, 2], [1, 2, 4, 8, 16], 32),
    128: ([16, 8, 4, 2, 1], [1, 2, 4, 8, 16, 16], 64),
    256: ([16, 8, 8, 4, 2, 1], [1, 2, 4, 8, 8, 16, 16], 64),
}


@pytest.mark.parametrize("side", PLAN)
def test_the_plan_is_the_papers(side):
    torch.manual_seed(0)
    shape = (3, side, side)
    G, D, places = BigGANGenerator(shape, CLASSES, 14, 1), BigGANCritic(shape, CLASSES, 1), []
    wide, deep, place = PLAN[side]
    assert [block.same.out_channels for block in G.stages.grow] == wide
    convolutions = [
        layer for layer in D.trunk.modules() if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)
    ]
    assert [layer.out_channels for layer in convolutions] == [channels for channels in deep for _ in range(2)]
    assert [type(layer) for layer in D.trunk[-2:]] == [nn.ReLU, GlobalSum]
    for layer in (layer for network in (G, D) for layer in network.modules() if isinstance(layer, SelfAttention)):
        layer.register_forward_hook(lambda layer, given, made: places.append(made.shape[-1]))
    y = torch.eye(CLASSES)[[0, 1]]
    assert D(G(torch.randn(2, G.latent), y), y).shape == (2,)
    assert places == [place] * 2 if place else not places


def test_filters_are_all_matrices_but_the_embedding():
    G = small().G
    spared = {name for name, weight in G.named_parameters() if not any(weight is one for one in G.filters())}
    assert all(name == "embed.weight" or dict(G.named_parameters())[name].dim() == 1 for name in spared)
    assert "embed.weight" in spared
    assert len(G.filters()) == 9  # linear, one block of three convolutions and four maps of conditions, last


def test_sizes_out_of_range_and_points_are_refused():
    for shape in ((3, 7, 30), (2,), (3, 512, 1025)):
        with pytest.raises(DataError):
            biggan(shape)
