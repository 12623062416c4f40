"""BigGAN: orthogonal regularisation, truncation, standing statistics, hierarchical noise, and what carries a norm."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from sparring.check import check_game
from sparring.errors import DataError, GameError
from sparring.games.biggan import BigGAN
from sparring.games.common.truncation import truncated
from sparring.layers.attention import SelfAttention
from sparring.layers.resampling import GlobalSum
from sparring.networks.biggan import BigGANCritic, BigGANGenerator
from sparring.objectives.penalties import orthogonal_penalty
from sparring.recipes.options import AdamOverrides
from sparring.recipes.sagan_biggan import biggan

SHAPE, CLASSES = (1, 8, 8), 3


def labelled(classes=CLASSES, n=4):
    generator = torch.Generator().manual_seed(0)
    while True:
        x = torch.randn(n, *SHAPE, generator=generator).clamp(-1, 1)
        yield (x, torch.randint(classes, (n,), generator=generator)) if classes else (x,)


def small(classes=CLASSES, shape=SHAPE, **settings) -> BigGAN:
    torch.manual_seed(0)
    return biggan(shape, classes, latent=9, width=2, **settings)


# --- the game


@pytest.mark.parametrize("classes", [CLASSES, None])
def test_the_game_keeps_the_rules_with_and_without_classes(classes):
    seen = check_game(small(classes), labelled(classes))
    assert seen.turns == (("D",),) * 4 + (("G",),)
    assert seen.terms == {"D": ("adversarial",), "G": ("adversarial", "orthogonal")}


def test_the_generators_move_includes_the_weighted_penalty_of_its_filters():
    game = small(orthogonal=0.25, critic_steps=1)
    *_, move = game.round(labelled(), 0)
    assert move.terms["orthogonal"].item() == pytest.approx(0.25 * orthogonal_penalty(game.G.filters()).item())
    assert move.terms["orthogonal"] > 0
    *_, move = small(orthogonal=0.0, critic_steps=1).round(labelled(), 0)
    assert set(move.terms) == {"adversarial"}


def test_the_settings_are_the_cifar_scripts_up_to_32_pixels_and_the_papers_above():
    for side, rates, steps in ((32, {"D": 2e-4, "G": 2e-4}, 4), (64, {"D": 2e-4, "G": 5e-5}, 2)):
        game = small(shape=(3, side, side))
        groups = {name: player.param_groups[0] for name, player in game.players().items()}
        assert {name: group["lr"] for name, group in groups.items()} == rates
        assert {group["betas"] for group in groups.values()} == {(0.0, 0.999)}
        assert game.critic_steps == steps
        assert game.orthogonal == 1e-4
    told = small(critic=AdamOverrides(1e-3), generator=AdamOverrides(3e-3, (0.5, 0.9)), critic_steps=2)
    groups = {name: player.param_groups[0] for name, player in told.players().items()}
    assert (groups["D"]["lr"], groups["G"]["lr"], groups["G"]["betas"]) == (1e-3, 3e-3, (0.5, 0.9))
    assert told.critic_steps == 2


def test_sampling_truncates_z_and_leaves_the_class_alone():
    game, rows = small().eval(), small().noise(4)
    fitting = torch.cat([truncated(rows[:, :8], 0.5), rows[:, 8:]], 1)
    assert torch.equal(game.sample(4, noise=rows, truncation=0.5), game.sample(4, noise=fitting))
    assert not torch.equal(game.sample(4, noise=rows, truncation=0.5), game.sample(4, noise=rows))


# --- standing statistics


def test_standing_statistics_are_the_means_of_the_statistics_of_batches():
    game = small()
    norm = game.G.end[0]
    with torch.no_grad():
        norm.running_mean.fill_(7)
        norm.num_batches_tracked.fill_(9)  # batches of the training, which must not count
    seen = []
    norm.register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
    before = {name: value.clone() for name, value in game.state_dict().items() if "running" not in name}
    game.standing(batches=5, size=6)
    assert [x.shape[0] for x in seen] == [6] * 5
    means = torch.stack([x.mean((0, 2, 3)) for x in seen])
    assert means.std(0).min() > 0, "another batch every time"
    assert torch.allclose(norm.running_mean, means.mean(0), atol=1e-6)
    variances = torch.stack([x.var((0, 2, 3)) for x in seen])
    assert torch.allclose(norm.running_var, variances.mean(0), rtol=1e-5)
    assert not game.G.training
    assert norm.momentum == 0.1
    changed = {name for name, value in before.items() if not torch.equal(value, game.state_dict()[name])}
    assert all(name.endswith("num_batches_tracked") for name in changed), "no power iteration, no weight"


def test_every_batch_norm_of_the_generator_is_measured():
    game = small()
    game.standing(batches=2, size=4)
    norms = [layer for layer in game.G.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == 3
    assert all(norm.num_batches_tracked == 2 for norm in norms)


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


def test_odd_sizes_and_points_are_refused():
    for shape in ((3, 30, 30), (2,), (3, 512, 512)):
        with pytest.raises(DataError):
            biggan(shape)
