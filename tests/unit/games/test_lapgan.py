"""LAPGAN: the pyramid is exact, levels train separately on the inputs of the paper, and sampling composes them."""

import math
from itertools import islice

import pytest
import torch
from torch import nn

from sparring.check import check_game
from sparring.errors import DataError, GameError
from sparring.game import evaluation_mode
from sparring.games.lapgan import LAPGAN
from sparring.inference.sampling import interpolate_seeds, latents_from_seeds, sample_seeds
from sparring.layers.pyramid import downsample, laplacian_pyramid, upsample
from sparring.objectives import NonSaturating
from sparring.recipes.lapgan import SGD, RisingSGD, lapgan
from sparring.recipes.options import Adam
from sparring.runs.recipe_args import fill_arguments
from sparring.training.trainer import train
from support.lapgan import batches


def small(side=16, channels=1, seed=0, **settings):
    torch.manual_seed(seed)
    return lapgan((channels, side, side), latent=5, units=32, width=4, **settings)


# The pyramid.


def test_the_recipe_lays_out_every_convolution_channels_last():
    kernels = [layer.weight for layer in small(32).modules() if isinstance(layer, nn.Conv2d)]
    assert kernels
    assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)


# The game.


class Shift(nn.Module):
    """A generator that adds a constant image to every input."""

    def __init__(self, side, value=0.0):
        super().__init__()
        self.shape, self.latent = (1, side, side), 3
        self.b = nn.Parameter(torch.full(self.shape, value))

    def forward(self, z, coarse=None):
        return self.b.expand(len(z), *self.shape)


class Slope(nn.Module):
    """A linear critic that remembers what it was shown."""

    def __init__(self, side, value=0.0):
        super().__init__()
        self.w = nn.Parameter(torch.full((1, side, side), value))
        self.seen = []

    def forward(self, x):
        self.seen.append(x.detach().clone())
        return (self.w * x).sum((1, 2, 3))


def stubs(value=0.0, slope=0.0, **settings):
    def learn(network):
        return torch.optim.SGD(network.parameters(), lr=0.1)

    sides = (8, 16, 32)
    networks = [Shift(side, value) for side in sides], [Slope(side, slope) for side in sides]
    return LAPGAN(
        *networks, NonSaturating(), bands=laplacian_pyramid, up=upsample, critic=learn, generator=learn, **settings
    )


def test_every_level_keeps_the_rules():
    seen = check_game(small(16), batches(16))
    assert seen.turns == (("D0",), ("G0",), ("D1",), ("G1",))
    assert all(len(who) == 1 for who in seen.owners.values())
    assert {name.split(".")[1] for name, who in seen.owners.items() if who == ("G1",)} == {"1"}


def test_undecided_critics_have_the_theoretical_loss():
    terms = next(train(stubs(), batches(32), 1)).scalars()
    for k in range(3):
        assert terms[f"D{k}/adversarial"] == pytest.approx(2 * math.log(2))
    moves = islice(stubs().round(batches(32), 0), 6)  # without updates: G is scored by the same critic
    for move in moves:
        assert move.loss.item() == pytest.approx(math.log(2) * (2 if move.player[0] == "D" else 1))


def test_a_critic_compares_real_images_with_fakes_of_other_coarse_images():
    game = stubs(value=0.25)
    for _ in game.round(batches(32), 0):
        pass
    (x,), (other,) = islice(batches(32), 2)
    for k, critic in enumerate(game.D):
        real, fake, scored = critic.seen
        image, drawn = x, laplacian_pyramid(other, 3)[k][1]
        for _ in range(2 - k):
            image = downsample(image)
        assert (real - image).abs().max() < 1e-6
        assert (fake - (drawn + 0.25)).abs().max() < 1e-6
        assert (scored - (drawn + 0.25)).abs().max() < 1e-6
        if k:
            assert (fake - 0.25 - laplacian_pyramid(x, 3)[k][1]).abs().mean() > 0.1  # nothing of the real half


def test_smaller_levels_may_play_more_often_each_time_on_new_images():
    game = stubs(turns=(3, 2, 1))
    moves = [move.player for move in game.round(batches(32), 0)]
    assert moves == ["D0", "G0", "D1", "G1", "D2", "G2", "D0", "G0", "D1", "G1", "D0", "G0"]
    images = [x for (x,) in islice(batches(32), 6)][::2]
    for k, times in enumerate(game.turns):
        reals = game.D[k].seen[::3]
        assert len(reals) == times
        for real, image in zip(reals, images, strict=False):
            for _ in range(2 - k):
                image = downsample(image)
            assert (real - image).abs().max() < 1e-6
    assert lapgan((1, 32, 32), width=4, units=8, repeats=4).turns == (16, 4, 1)
    assert lapgan((1, 32, 32), width=4, units=8).turns == (1, 1, 1)


def test_critics_may_pay_for_their_slope_at_true_images():
    game = stubs(slope=0.05, penalty=0.3)
    (x,) = next(batches(32))
    for move in game.round(batches(32), 0):
        assert set(move.terms) == ({"adversarial", "r1"} if move.player[0] == "D" else {"adversarial"})
        if move.player[0] == "D":
            side, critic = 8 * 2 ** int(move.player[1]), game.D[int(move.player[1])]
            assert move.terms["r1"].item() == pytest.approx(0.3 / 2 * side**2 * 0.05**2)
            assert (critic.seen[2] - critic.seen[0]).abs().max() == 0  # the slope is taken where the real score was
    assert (game.D[2].seen[0] - x).abs().max() < 1e-6
    assert lapgan((1, 32, 32), width=4, units=8, penalty=0.1).penalty == 0.1
    assert lapgan((1, 32, 32), width=4, units=8).penalty == 0


@pytest.mark.parametrize("turns", [(1, 1), (1, 0, 1)])
def test_every_level_has_its_turns(turns):
    with pytest.raises(GameError, match="give each level one number, 1 or more"):
        stubs(turns=turns)


def test_the_score_is_that_of_the_sum():
    game = small(16).eval()
    (h,), (c,) = islice(batches(16), 2)
    assert torch.equal(game.score(1, h, c), game.score(1, torch.zeros_like(h), h + c))
    assert not torch.equal(game.score(1, h, c), game.score(1, h, -c))


def test_critics_move_towards_the_data_and_generators_towards_the_critic():
    data = iter([(torch.full((4, 1, 32, 32), value),) for value in (0.5, -0.5)])
    game = stubs(slope=0.0)
    for _ in train(game, data, 1):
        pass
    for critic, generator in zip(game.D, game.G, strict=True):
        assert (critic.w > 0).all()  # the true images are brighter than the fakes
        assert (generator.b > 0).all()
    game = stubs(slope=-1.0)
    moves = [move for move in game.round(batches(32), 0) if move.player[0] == "G"]
    for move, generator in zip(moves, game.G, strict=True):
        (gradient,) = torch.autograd.grad(move.loss, [generator.b])
        assert (gradient > 0).all()  # this critic likes dark images


def test_no_gradient_passes_from_level_to_level():
    game = small(32).train()
    names = dict(game.named_parameters())
    for move in game.round(batches(32), 0):
        gradients = torch.autograd.grad(move.loss, list(names.values()), allow_unused=True)
        reached = {name.split(".")[1] for name, g in zip(names, gradients, strict=True) if g is not None}
        assert reached == {move.player[1]}
        own = [g for name, g in zip(names, gradients, strict=True) if name.startswith(".".join(move.player))]
        assert all(g is not None for g in own)
        assert any(g.any() for g in own)


def test_a_level_learns_independently_of_the_others():
    one, other = small(32), small(32)
    with torch.no_grad():
        for network in (one.G[0], one.D[0], one.G[2], one.D[2]):
            for weight in network.parameters():
                weight.add_(0.1)
    for game in (one, other):
        for _ in train(game, batches(32), 3):
            pass
    for mine, theirs in ((one.G[1], other.G[1]), (one.D[1], other.D[1])):
        assert all(torch.equal(a, b) for a, b in zip(mine.parameters(), theirs.parameters(), strict=True))


# Sampling.


@pytest.mark.parametrize("side", [8, 16, 32, 64])
def test_samples_have_the_shape_and_the_range_of_images(side):
    game = small(side, 3)
    for weight in game.G[-1].parameters():
        weight.data.mul_(3)  # so that clamping has something to do
    image = game.sample(3)
    assert image.shape == (3, 3, side, side)
    assert image.abs().max() <= 1
    assert [one.shape[-1] for one in game.levels(game.noise(2))] == [8 * 2**k for k in range(len(game.G))]


def test_a_row_of_noise_is_the_noise_of_every_level():
    game = small(32)
    z = game.noise(500)
    assert z.shape == (500, 5 + 256 + 1024)
    assert z.abs().max() <= 1
    assert z.mean().item() == pytest.approx(0, abs=0.01)
    assert z.var().item() == pytest.approx(1 / 3, rel=0.01)
    first = game.levels(z[:2])
    for level, columns in enumerate((slice(0, 5), slice(5, 261), slice(261, None))):
        other = z[:2].clone()
        other[:, columns] *= -1
        changed = [not torch.equal(a, b) for a, b in zip(first, game.levels(other), strict=True)]
        assert changed == [k >= level for k in range(3)]


def test_the_chain_is_the_papers_and_only_its_end_is_clamped():
    game = stubs(value=0.6)
    strip = game.levels(game.noise(2))
    assert [image.mean().item() for image in strip] == pytest.approx([0.6, 1.2, 1.0])
    game = small(32).eval()
    z = game.noise(4)
    image, parts = game.G[0](z[:, :5]), z.split([5, 256, 1024], 1)
    for k in (1, 2):
        image = upsample(image) + game.G[k](parts[k], upsample(image))
    assert torch.equal(image.clamp(-1, 1), game.sample(4, noise=z))
    assert not game.sample(4, noise=z).requires_grad


def test_refinement_continues_where_a_level_ended():
    game = small(32).eval()
    z = game.noise(3)
    strip = game.levels(z)
    for image in strip[:-1]:
        assert torch.equal(game.refine(image, noise=z), strip[-1])
    assert game.refine(strip[0]).shape == (3, 1, 32, 32)
    for wrong in (strip[-1], torch.zeros(1, 1, 4, 4), torch.zeros(1, 3, 8, 8)):
        with pytest.raises(DataError, match=r"resize them to one of \[\(1, 8, 8\), \(1, 16, 16\)\]"):
            game.refine(wrong)


def test_refining_keeps_what_it_was_given():
    x = torch.sin(torch.linspace(0, 3, 8))[:, None] * torch.linspace(-0.8, 0.8, 8)
    image = x.expand(2, 1, 8, 8)
    kept = downsample(downsample(stubs().refine(image)))
    assert (kept - image).abs().max() < 0.06  # of bilinear enlarging, at the borders
    assert (kept + image).abs().max() > 1


def test_seeds_walks_and_batches_work_as_for_any_game():
    game = small(16)
    noise = latents_from_seeds(game, [0, 1, 2])
    assert torch.equal(noise[1:2], latents_from_seeds(game, [1]))
    with evaluation_mode(game):
        torch.testing.assert_close(sample_seeds(game, [0, 1, 2]), game.sample(3, noise=noise), rtol=0, atol=1e-5)
    assert interpolate_seeds(game, [0, 1], 4).shape == (4, 1, 16, 16)


# The recipe.


@pytest.mark.parametrize(("side", "levels"), [(8, 1), (16, 2), (32, 3), (256, 6)])
def test_the_pyramid_has_one_level_a_doubling(side, levels):
    assert len(small(side).players()) == 2 * levels


@pytest.mark.parametrize("shape", [(1, 7, 28), (3, 512, 1025), (2,)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(DataError, match="LAPGAN needs"):
        lapgan(shape)


def test_players_learn_by_adam_or_as_in_the_paper():
    game = small(critic=Adam(1e-3), generator=Adam(betas=(0.0, 0.9)))
    for name, player in game.players().items():
        (group,) = player.param_groups
        assert type(player) is torch.optim.Adam
        assert (group["lr"], *group["betas"]) == ((1e-3, 0.5, 0.999) if name[0] == "D" else (2e-4, 0.0, 0.9))
    assert fill_arguments(lapgan, {"descent": {"lr": 0.01}})["descent"] == SGD(0.01, 0.5, 0.0008 / 703, 0.7)
    paper = small(descent=SGD())
    check_game(paper, batches())
    for player in paper.players().values():
        assert (player.param_groups[0]["lr"], player.param_groups[0]["momentum"]) == (0.02, 0.5)


def test_the_momentum_rises_with_each_move_and_survives_a_resume():
    def moved(optimiser, steps):
        for _ in range(steps):
            weight.grad = torch.ones(1)
            optimiser.step()
        return optimiser

    weight = nn.Parameter(torch.zeros(1))
    first = moved(SGD(1.0, 0.5, 0.1, 0.7)(weight_of(weight)), 2)
    assert first.param_groups[0]["momentum"] == pytest.approx(0.7)
    assert weight.item() == pytest.approx(-(1 + (0.5 + 0.1) * 1 + 1))  # v1 = 1, v2 = 0.6 v1 + 1
    assert moved(first, 3).param_groups[0]["momentum"] == 0.7
    resumed = SGD(1.0, 0.5, 0.1, 0.7)(weight_of(weight))
    resumed.load_state_dict(moved(SGD(1.0, 0.5, 0.1, 0.7)(weight_of(weight)), 1).state_dict())
    assert isinstance(resumed, RisingSGD)
    assert resumed.param_groups[0]["momentum"] == pytest.approx(0.6)


def weight_of(weight):
    network = nn.Module()
    network.weight = weight
    return network
