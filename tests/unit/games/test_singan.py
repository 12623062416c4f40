"""SinGAN: the published networks, whose move it is, what a scale begins with, and that it goes on after any stop."""

import copy
from itertools import pairwise

import pytest
import torch
from torch import nn

from sparring.check import check_game
from sparring.errors import DataError
from sparring.game import evaluation_mode
from sparring.games.singan import SinGAN
from sparring.inference.sampling import latents_from_seeds
from sparring.layers.resampling import resize_bicubic
from sparring.networks.singan import MARGIN
from sparring.objectives.penalties import gradient_penalty, patch_penalty
from sparring.recipes.singan import pyramid, singan
from sparring.rng import turn_rng
from sparring.runs.state import load_game
from sparring.training.trainer import train, update
from support.runs import PHOTO, difference, play, start
from support.singan import X, count, photographs, small, trained

# The pyramid.


def test_sizes_are_exact_and_the_ratio_at_least_as_configured():
    assert pyramid((3, 167, 250), 25, 0.75)[0] == (25, 37)
    for shape, smallest, ratio in (((3, 167, 250), 25, 0.75), ((1, 40, 31), 12, 0.6), ((3, 53, 80), 14, 0.7)):
        sizes = pyramid(shape, smallest, ratio)
        assert min(sizes[0]) == smallest
        assert sizes[-1] == shape[1:]
        shares = [min(small) / min(large) for small, large in pairwise(sizes)]
        assert min(shares) > ratio - 0.03
    assert pyramid((3, 20, 30), 25, 0.75) == [(20, 30)], "a photograph below the smallest size has one scale"


@pytest.mark.parametrize(
    ("shape", "how"), [((2,), {}), ((3, 10, 40), {}), ((3, 40, 40), {"smallest": 5}), ((3, 40, 40), {"ratio": 1.0})]
)
def test_other_photographs_and_pyramids_are_refused(shape, how):
    with pytest.raises(DataError, match=r"SinGAN learns from|--smallest"):
        singan(shape, **how)


def test_resizing_is_exact_smooth_and_kept_in_range():
    ramp = torch.linspace(-1, 1, 60).expand(1, 1, 40, 60)
    for size in ((13, 17), (40, 60), (77, 101)):
        made = resize_bicubic(ramp, size)
        assert made.shape[2:] == size
        assert made.abs().max() <= 1
        expected = (torch.arange(size[1]) + 0.5) / size[1] * (60 / 59) * 2 - 1 - 1 / 59
        assert (made[0, 0, 5, 3:-3] - expected[3:-3]).abs().max() < 0.02
    board = ((torch.arange(40)[:, None] + torch.arange(60)) % 2 * 2.0 - 1)[None, None]
    assert resize_bicubic(board, (13, 20))[..., 2:-2, 2:-2].abs().max() < 0.2, (
        "what is too fine for the size is averaged"
    )
    x = (ramp / 2).clone().requires_grad_()
    (slope,) = torch.autograd.grad(resize_bicubic(x, (20, 30)).sum(), x)
    assert slope.sum().item() == pytest.approx(600, rel=1e-4), "every pixel of the result weighs 1"


# The penalty.


def test_the_penalty_is_charged_at_each_pixel():
    critic = nn.Conv2d(3, 1, 1, bias=False)
    critic.weight.data = torch.tensor([2.0, 0.0, 0.0])[None, :, None, None]
    x = torch.rand(1, 3, 5, 7)
    assert 0.1 * patch_penalty(critic, x, x - 1).item() == pytest.approx(0.1)
    assert 0.1 * gradient_penalty(critic, x, x - 1).item() == pytest.approx(11.73, abs=0.005), "over whole images"
    critic.weight.data[:, 1] = 1.5
    assert patch_penalty(critic, x, x - 1).item() == pytest.approx((2.5 - 1) ** 2)


def test_the_penalty_is_taken_between_real_and_fake_and_reaches_the_critic():
    seen = []
    critic = nn.Conv2d(1, 1, 3)

    def watched(x):
        seen.append(x)
        return critic(x).square()

    real, fake = torch.zeros(2, 1, 6, 6), torch.ones(2, 1, 6, 6)
    patch_penalty(watched, real, fake, mix=torch.tensor([0.25, 0.75])).backward()
    assert seen[0].flatten(1).unique(dim=1).flatten().tolist() == [0.75, 0.25]
    assert critic.weight.grad.any()
    with pytest.raises(ValueError, match="equal shapes"):
        patch_penalty(critic, real, fake[:1])


# The game.


def test_every_scale_keeps_the_rules():
    game = small()
    seen = check_game(game, photographs())
    assert seen.turns == (("D0",),) * 3 + (("G0",),) * 3
    assert seen.terms == {
        f"{role}{k}": ("adversarial", "penalty" if role == "D" else "reconstruction") for k in range(3) for role in "DG"
    }
    assert all(len(who) == 1 for who in seen.owners.values())


@pytest.mark.parametrize("scale", [0, 1, 2])
def test_only_the_current_scale_moves(scale):
    game = trained(2 * scale + 1)
    before = copy.deepcopy(game.state_dict())
    for _ in train(game, photographs(), 2 * scale + 2, start=2 * scale + 1):
        pass
    changed = {
        ".".join(name.split(".")[:2]) for name, value in game.state_dict().items() if (value != before[name]).any()
    }
    assert changed == {f"G.{scale}", f"D.{scale}"}, "weights and statistics of all others rest"


def test_terms_are_those_of_the_paper():
    game = trained(3, reconstruction=7.0, penalty=0.3)
    real, below = resize_bicubic(X, game.sizes[1]), game.reconstruct(0)
    moves = list(game.round(photographs(), 3))
    again = game.run_scale(1, game.fixed_noise(1), below)
    assert [move.player for move in moves] == ["D1"] * 3 + ["G1"] * 3
    assert moves[-1].terms["reconstruction"].item() == pytest.approx(
        7 * (again - real).square().mean().item(), rel=1e-5
    )
    with turn_rng(5, 0, 0):
        first = next(game.round(photographs(), 3))
    with turn_rng(5, 0, 0):
        fake = game.sample_scale(1, 1)
        penalty = 0.3 * patch_penalty(game.D[1], real, fake)
        value = game.D[1](fake).mean() - game.D[1](real).mean()
    assert first.terms["penalty"].item() == pytest.approx(penalty.item(), rel=1e-4)
    assert first.terms["adversarial"].item() == pytest.approx(value.item(), rel=1e-3, abs=1e-5)


def test_every_move_meets_fresh_noise():
    game, seen = trained(3), []
    game.D[1].register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    players = game.players()
    for move in game.round(photographs(), 3):
        update(move, players)
    fakes = [x for x in seen if not torch.equal(x, resize_bicubic(X, game.sizes[1]))]
    pairs = [(a - b).abs().mean() for i, a in enumerate(fakes) for b in fakes[:i]]
    assert min(pairs) > 1e-3


class Constant(nn.Module):
    """A generator that adds a number to what it is given, and noise as it is."""

    def __init__(self, value):
        super().__init__()
        self.b = nn.Parameter(torch.tensor(value))

    def forward(self, z, y):
        return y + self.b + z


class Tilt(nn.Module):
    """A linear critic of pixels."""

    def __init__(self, slope=0.0):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(slope))

    def forward(self, x):
        return self.w * x


def stubs(values=(0.0, 0.0), slope=0.0, **settings):
    def learn(network):
        return torch.optim.SGD(network.parameters(), lr=0.01)

    networks = [Constant(value) for value in values], [Tilt(slope) for _ in values]
    sizes = [(8, 8), (16, 16)][-len(values) :]
    how = {"rounds": 1, "resize": resize_bicubic, "critic": learn, "generator": learn, **settings}
    return SinGAN(*networks, (1, 16, 16), sizes, **how)


def test_noise_is_as_strong_as_what_the_reconstruction_misses():
    """r_0 = z* + .1; the photograph is .5: a_1 = spread · RMSE(.5, ↑r_0), and a sample's error would be another."""
    game = stubs((0.1, 0.0), spread=0.3)
    game.anchor.fill_(0.2)
    game.begin(0, torch.full((1, 1, 16, 16), 0.5))
    game.begin(1, torch.full((1, 1, 16, 16), 0.5))
    assert game.amplitudes.tolist() == pytest.approx([1.0, 0.3 * 0.2])
    assert game.begun == 2
    game.anchor.fill_(-0.9)
    game.begin(1, torch.full((1, 1, 16, 16), 0.5))
    assert game.amplitudes[1].item() == pytest.approx(0.06), "measured once, when the scale begins"


def test_the_noise_of_the_reconstruction_is_fixed_and_part_of_the_game():
    game = small()
    assert game.anchor.shape == (1, 1, *game.sizes[0])
    assert game.anchor.std() > 0.5
    assert not game.fixed_noise(1).any()
    assert torch.equal(game.reconstruct(0), game.reconstruct(0))
    assert torch.equal(trained(5).anchor, game.anchor), "training never draws it anew"
    assert {"anchor", "amplitudes", "image", "begun"} <= set(game.state_dict())
    assert torch.equal(trained(1).image, X)


def test_a_scale_starts_from_the_one_below_where_they_are_alike():
    game = trained(2)
    game.begin(1, X)
    assert difference(game.G[0].state_dict(), game.G[1].state_dict()) == ""
    assert difference(game.D[0].state_dict(), game.D[1].state_dict()) == ""
    wide = small(ratio=0.93)
    assert count(wide.G[4]) > count(wide.G[3])
    before = copy.deepcopy(wide.G[4].state_dict())
    for scale in range(5):
        wide.begin(scale, X)
    assert difference(wide.G[4].state_dict(), before) == ""
    assert difference(wide.G[2].state_dict(), wide.G[3].state_dict()) == ""


def test_reconstruction_survives_the_end_of_a_scale():
    game = trained(3)
    learning, drawn = game.reconstruct(1), game.run_scales([torch.ones_like(game.anchor)])
    with evaluation_mode(game):
        assert torch.equal(game.reconstruct(1), learning)
        assert torch.equal(game.run_scales([torch.ones_like(game.anchor)]), drawn)


@pytest.mark.parametrize("bright", [0.6, -0.6])
def test_reconstruction_and_critic_pull_towards_the_photograph(bright):
    x = torch.full((1, 1, 16, 16), bright)
    game = stubs((0.0,), spread=0.0)
    game.anchor.zero_()
    for _ in train(game, photographs(x), 3):
        pass
    assert game.D[0].w * bright > 0
    assert game.G[0].b * bright > 0


@pytest.mark.parametrize("slope", [2.0, -2.0])
def test_a_generator_climbs_its_critic(slope):
    game = stubs((0.0,), slope=slope)
    move = list(game.round(photographs(torch.zeros(1, 1, 16, 16)), 0))[-1]
    (gradient,) = torch.autograd.grad(move.terms["adversarial"], game.G[0].b)
    assert gradient.item() == pytest.approx(-slope)


def test_without_the_reconstruction_term_the_photograph_is_not_reconstructed():
    errors = {}
    for weight in (0.0, 10.0):
        game = small(rounds=30, reconstruction=weight, smallest=16)
        for _ in train(game, photographs(), 30):
            pass
        with evaluation_mode(game):
            errors[weight] = (game.reconstruct(0) - X).square().mean().sqrt().item()
    assert errors[10.0] < 0.8 * errors[0.0], errors


def test_rates_fall_to_a_tenth_in_the_last_fifth_of_every_scale():
    game = small(rounds=10)
    paces = [game.lr_scale(step) for step in range(30)]
    assert paces == ([1.0] * 8 + [0.1] * 2) * 3
    assert game.lr_scale(1000) == 0.1
    assert [(stage.start, stage.end) for stage in game.stages()] == [(0, 10), (10, 20), (20, 30)]
    assert game.stages()[0].name == "scale 1 of 3, 16 × 11 pixels"


# Sampling.


def test_a_sample_is_drawn_by_the_scales_that_have_begun():
    early, late = trained(1), trained(5)
    for game in (early, late):
        with evaluation_mode(game):
            assert game.sample(2).shape == (2, 3, 16, 24)
    z = latents_from_seeds(late, [0, 1])
    assert z.shape == (2, 11 * 16 + 3 * (13 * 20 + 16 * 24))
    with evaluation_mode(late):
        one = late.sample(2, noise=z)
        other = z.clone()
        other[:, -3:] += 1
        assert not torch.equal(one, late.sample(2, noise=other))
    with evaluation_mode(early):
        one = early.sample(2, noise=z)
        assert torch.equal(one, early.sample(2, noise=other)), "the last scale is untrained"
    assert one.abs().max() <= 1


def test_noise_may_reach_beyond_the_border():
    game = trained(3, noisy_border=True)
    assert game.anchor.shape[2:] == (11 + 2 * MARGIN, 16 + 2 * MARGIN)
    assert game.z(1, 2).shape == (2, 3, 13 + 2 * MARGIN, 20 + 2 * MARGIN)
    with evaluation_mode(game):
        assert game.sample(2).shape == (2, 3, 16, 24)


def test_grey_and_transparent_photographs_play():
    for channels in (1, 4):
        x = X[:, :1].repeat(1, channels, 1, 1)
        check_game(small(shape=(channels, 16, 24), rounds=1), photographs(x), rounds=2)


# Runs.

STEPS = 5  # of 6, two a scale


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_a_run_resumes_bit_for_bit_within_a_scale_and_across_its_border(tmp_path, stop, monkeypatch):
    monkeypatch.setattr("sparring.runs.snapshots.save_grid", lambda *_, **__: None)
    straight = play(start(tmp_path / "straight", "singan", PHOTO), STEPS)
    play(start(tmp_path / "stopped", "singan", PHOTO), stop)
    resumed = play(start(tmp_path / "stopped", "singan", PHOTO), STEPS)
    assert difference(straight.state.state_dict(), resumed.state.state_dict()) == ""
    assert (tmp_path / "straight/log.jsonl").read_bytes() == (tmp_path / "stopped/log.jsonl").read_bytes()


@pytest.mark.parametrize("settings", [{"precision": "bf16"}, {"batch_size": 2, "grad_accum": 2}, {"mirror": True}])
def test_every_way_to_train_resumes_bit_for_bit(tmp_path, settings, monkeypatch):
    monkeypatch.setattr("sparring.runs.snapshots.save_grid", lambda *_, **__: None)
    straight = play(start(tmp_path / "straight", "singan", PHOTO, **settings), STEPS)
    play(start(tmp_path / "stopped", "singan", PHOTO, **settings), 3)
    resumed = play(start(tmp_path / "stopped", "singan", PHOTO, **settings), STEPS)
    assert difference(straight.state.state_dict(), resumed.state.state_dict()) == ""
    assert torch.equal(straight.game.image, X) or settings == {"mirror": True}


def test_a_checkpoint_alone_is_enough_to_sample(tmp_path, monkeypatch):
    monkeypatch.setattr("sparring.runs.snapshots.save_grid", lambda *_, **__: None)
    run = play(start(tmp_path / "run", "singan", PHOTO), STEPS)
    game = load_game(tmp_path / "run", device="cpu")
    z = latents_from_seeds(game, [0])
    with evaluation_mode(run.game):
        assert torch.equal(game.sample(1, noise=z), run.game.sample(1, noise=z))
        assert torch.equal(game.reconstruct(2), run.game.reconstruct(2))
    assert run.ema is None, "a mean of weights over a scale lags behind"
