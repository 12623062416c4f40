"""What --fast auto does is tried on a user's game first, and left out where the game cannot bear it."""

import copy
import json
from dataclasses import asdict
from itertools import repeat

import numpy as np
import pytest
import torch
from torch import nn

from sparring import Run
from sparring.cli import main
from sparring.errors import GameError, RoundError
from sparring.game import Game
from sparring.games.gan import GAN
from sparring.games.wgan import WGANGP
from sparring.objectives import NonSaturating
from sparring.recipes.options import Adam
from sparring.runs import performance_trial
from sparring.runs.performance import PerformanceOptions
from support.recipe_cases import CASES, batches, known, small
from support.runs import IMAGES, difference, play, start

SHAPE = (1, 16, 16)


class Up(nn.Module):
    """A generator as users write it: up-sampled, then convolved, with a norm and dropout."""

    latent = 4

    def __init__(self, *more):
        super().__init__()
        self.start = nn.Linear(4, 4 * 8 * 8)
        self.body = nn.Sequential(
            nn.Upsample(scale_factor=2), nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.2), *more
        )
        self.finish = nn.Sequential(nn.Conv2d(4, 1, 3, padding=1), nn.Tanh())

    def forward(self, z):
        h = self.start(z)
        return self.finish(self.body(h.view(h.size(0), 4, 8, 8)))


class Flat(nn.Module):
    """A critic whose features are flattened."""

    def __init__(self, flatten):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.Dropout(0.2), nn.LeakyReLU(0.2))
        self.flatten, self.head = flatten, nn.utils.parametrizations.spectral_norm(nn.Linear(4 * 8 * 8, 1))

    def forward(self, x):
        return self.head(self.flatten(self.body(x))).squeeze(1)


def viewed(h):
    return h.view(h.size(0), -1)


def by_memory(h):
    """Features in the order in which they lie in memory, another one where they are channels-last."""
    return torch.as_strided(h, (len(h), h[0].numel()), (h[0].numel(), 1))


def with_view(shape: tuple[int, ...]) -> GAN:
    return GAN(Up(), Flat(viewed), NonSaturating(), critic=Adam(), generator=Adam())


def with_flatten(shape: tuple[int, ...]) -> GAN:
    return GAN(Up(), Flat(nn.Flatten()), NonSaturating(), critic=Adam(), generator=Adam())


def with_memory(shape: tuple[int, ...]) -> GAN:
    return GAN(Up(), Flat(by_memory), NonSaturating(), critic=Adam(), generator=Adam())


class Within(nn.Module):
    """A module that views a tensor which no module returned."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.rand(4, 4, 3, 3) - 0.5)

    def forward(self, h):
        return torch.conv2d(h, self.kernel, padding=1).view(h.size(0), -1)


def within(shape: tuple[int, ...]) -> GAN:
    return GAN(Up(), Flat(Within()), NonSaturating(), critic=Adam(), generator=Adam())


def images(n=4):
    return repeat((torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(0)) * 2 - 1,))


def tried(game, **settings):
    chosen, notes = performance_trial.try_options(game, images(), PerformanceOptions.for_game("auto", game), **settings)
    return {
        key: value for key, value in asdict(chosen).items() if key not in ("setting", "prefetch", "keep_freed_memory")
    }, notes


ALL = {
    "channels_last": ("G", "D"),
    "fused_optimizers": True,
    "fused_resampling": False,
    "fast_double_backward": True,
    "fused_upsampling": ("G",),
    "contiguous_outputs": (),
}


def test_a_game_that_bears_everything_keeps_everything():
    """Dropout draws another mask where tensors are channels-last; that alone is no reason."""
    assert tried(with_flatten(SHAPE)) == (ALL, [])
    assert tried(with_flatten(SHAPE), precision=torch.bfloat16) == (ALL, [])


@pytest.mark.parametrize(("recipe", "why"), [(within, "fails with it (view size"), (with_memory, "results change")])
def test_channels_last_is_left_out_for_the_network_that_fails_or_changes(recipe, why):
    chosen, notes = tried(recipe(SHAPE))
    assert chosen == ALL | {"channels_last": ("G",)}
    (note,) = notes
    assert note.startswith("--fast auto leaves out channels-last for D: ")
    assert why in note


@pytest.mark.parametrize("precision", [None, torch.bfloat16])
def test_the_output_that_is_viewed_is_made_contiguous_and_the_layers_before_it_stay_channels_last(precision):
    """The tensors that the layers see tell which layout they have."""
    game = with_view(SHAPE)
    chosen, notes = performance_trial.try_options(
        game, images(), PerformanceOptions.for_game("auto", game), precision=precision
    )
    assert notes == []
    assert chosen.channels_last == ("G", "D")
    assert chosen.contiguous_outputs == ("D.body",)
    seen = []
    chosen.apply(game)
    game.D.body[-1].register_forward_hook(lambda module, inputs, output: seen.append(output))
    game.D.body.register_forward_hook(lambda module, inputs, output: seen.append(output))
    game.D(torch.rand(4, *SHAPE).contiguous(memory_format=torch.channels_last))
    assert [h.is_contiguous(memory_format=torch.channels_last) for h in seen] == [True, False]
    assert [h.is_contiguous() for h in seen] == [False, True]
    assert torch.equal(*seen)


class Viewed(nn.Module):
    def forward(self, h):
        return h.view(h.size(0), -1).view(h.shape)


def test_every_output_that_is_viewed_is_made_contiguous():
    game = GAN(Up(Viewed()), Flat(viewed), NonSaturating(), critic=Adam(), generator=Adam())
    chosen, notes = tried(game)
    assert chosen == ALL | {"contiguous_outputs": ("G.body.3", "D.body")}
    assert notes == []


def test_second_derivatives_pass_through_an_output_that_is_made_contiguous():
    """In double precision they are equal to those of contiguous tensors."""
    game = WGANGP(Up(), Flat(viewed), critic=Adam(), generator=Adam()).double()
    other = copy.deepcopy(game)
    PerformanceOptions("auto", channels_last=("D",), contiguous_outputs=("D.body",)).apply(game)
    slopes = []
    for each in (game, other):
        each.eval()
        x = torch.rand(4, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
        (slope,) = torch.autograd.grad(each.D(x).square().sum(), x, create_graph=True)
        slopes.append(torch.autograd.grad(slope.square().sum(), list(each.D.parameters())))
    for ours, theirs in zip(*slopes, strict=True):
        assert theirs.abs().max() > 0
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_options_without_contiguous_outputs_remove_those_of_others():
    game = with_view(SHAPE)
    PerformanceOptions("auto", channels_last=("D",), contiguous_outputs=("D.body",)).apply(game)
    assert len(game.D.body._forward_hooks) == 1
    PerformanceOptions("auto", channels_last=("D",), contiguous_outputs=("D.body",)).apply(game)
    assert len(game.D.body._forward_hooks) == 1
    PerformanceOptions("off").apply(game)
    assert not game.D.body._forward_hooks


def test_networks_that_fail_for_one_reason_are_named_in_one_note():
    game = GAN(
        Up(Within(), nn.Unflatten(1, (4, 16, 16))), Flat(Within()), NonSaturating(), critic=Adam(), generator=Adam()
    )
    chosen, notes = tried(game)
    assert chosen["channels_last"] == ()
    (note,) = notes
    assert note.startswith("--fast auto leaves out channels-last for G, D: it fails with it (view size")


def test_a_user_trains_what_the_check_allows_and_resumes_as_it_began(tmp_path, capsys):
    words = ["--data", "digits", "--size", "16", "--batch-size", "4", "--device", "cpu"]
    assert (
        main(
            ["check", "unit.runs.test_performance_trial:with_view", *words, "--precision", "bf16", "--grad-accum", "2"]
        )
        == 0
    )
    output = capsys.readouterr().out
    assert "note: --fast auto leaves out" not in output
    assert "fast: auto (channels-last G, D; fused" in output
    words += ["--seed", "3"]
    straight, stopped = (
        ["train", "unit.runs.test_performance_trial:with_view", *words, "--out", str(tmp_path / out)] for out in "ab"
    )
    assert main([*straight, "--steps", "3"]) == 0
    output = capsys.readouterr()
    assert "note: --fast auto leaves out" not in output.err
    assert "channels-last G, D; fused" in output.out
    assert main([*stopped, "--steps", "1"]) == 0
    assert main([*stopped, "--steps", "3"]) == 0
    assert json.loads((tmp_path / "a/run.json").read_text())["performance"]["contiguous_outputs"] == ["D.body"]
    checkpoints = [(tmp_path / out / "checkpoints/000003/state.pt") for out in "ab"]
    one, other = (torch.load(path) for path in checkpoints)
    assert not difference(one, other)


def test_the_trial_leaves_no_trace(tmp_path, monkeypatch):
    """Generators, norms, spectral vectors: the weights are those of a run whose choice was never tried, bit by bit."""
    recipe = "unit.runs.test_performance_trial:with_view"
    before = torch.get_rng_state()
    first = start(tmp_path / "tried", recipe, IMAGES, size=16, arguments={})
    assert torch.equal(torch.get_rng_state(), before)
    play(first, 3)
    monkeypatch.setattr("sparring.runs.performance_trial.try_options", lambda *_: pytest.fail("it was decided before"))
    monkeypatch.setattr("sparring.runs.run.choose_options", lambda *_: (first.performance, []))
    assert not difference(
        first.state.state_dict(),
        play(start(tmp_path / "b", recipe, IMAGES, size=16, arguments={}), 3).state.state_dict(),
    )


def test_a_game_is_not_changed_by_its_trial():
    game = with_view(SHAPE)
    before, layouts = copy.deepcopy(game.state_dict()), [p.stride() for p in game.parameters()]
    tried(game)
    assert not difference(dict(before), dict(game.state_dict()))
    assert [p.stride() for p in game.parameters()] == layouts
    assert all(p.grad is None for p in game.parameters())


def test_nothing_is_tried_again_where_it_is_recorded_nor_with_our_recipes(tmp_path, monkeypatch):
    run = start(tmp_path / "run", "unit.runs.test_performance_trial:with_view", IMAGES, size=16, arguments={})
    monkeypatch.setattr("sparring.runs.performance_trial.try_options", lambda *_: pytest.fail("it was decided before"))
    assert Run.open(tmp_path / "run", device="cpu").performance == run.performance
    start(tmp_path / "ours", "dcgan", IMAGES, size=16)


class Picky(torch.optim.Adam):
    """An Adam that cannot be fused, under its own name."""

    def step(self, closure=None):
        if any(group["fused"] for group in self.param_groups):
            raise RuntimeError("not fused, please")
        return super().step(closure)


def test_fused_optimisers_are_left_out_where_they_fail(monkeypatch):
    monkeypatch.setattr("sparring.runs.performance.Adam", Picky)
    game = with_flatten(SHAPE)
    game._optimisers["D"] = lambda D: Picky(D.parameters(), lr=1e-3)
    chosen, (note,) = tried(game)
    assert chosen == ALL | {"fused_optimizers": False}
    assert note == "--fast auto leaves out fused optimisers: it fails with it (not fused, please)."


class Vectorised(nn.Module):
    """A critic that torch.func maps over its rows, which functions that save tensors for themselves refuse."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.ReLU(), nn.Flatten(0))
        self.head = nn.Linear(4 * 8 * 8, 1)

    def forward(self, x):
        return torch.func.vmap(lambda row: self.head(self.body(row)).squeeze(0), randomness="different")(x)


def test_slopes_are_left_out_where_a_penalised_critic_cannot_have_them():
    game = WGANGP(Up(), Vectorised(), critic=Adam(), generator=Adam())
    chosen, notes = tried(game)
    assert chosen == ALL | {"fast_double_backward": False}
    assert "leaves out fast double backward: it fails with it" in notes[0]


class Halved(nn.Module):
    """Features that are halved after a folded pair, which ends in a sum."""

    def forward(self, x):
        return x / 2 if "Add" in type(x.grad_fn).__name__ else x


def test_folding_is_left_out_where_it_changes_results():
    game = with_flatten(SHAPE)
    game.G.body.insert(2, Halved())
    chosen, notes = tried(game)
    assert chosen["fused_upsampling"] == ()
    assert notes == ["--fast auto leaves out fused resampling for G: results change with it."]


def test_a_difference_by_chance_is_no_reason(monkeypatch):
    """Such as that of a rectifier on whose kink a feature lies: on other rows there is none."""
    differ, outcomes = performance_trial._differ, iter([False, True])  # of optimisers' steps, and of the first rows
    monkeypatch.setattr(performance_trial, "_differ", lambda *plays: next(outcomes, False) or differ(*plays))
    assert tried(with_flatten(SHAPE)) == (ALL, [])


class Remembers(GAN):
    """A game that draws outside torch."""

    def round(self, data, step):
        for move in super().round(data, step):
            move.terms["random"] = move.loss * np.random.default_rng().random()
            yield move


def test_a_game_with_non_reproducible_steps_is_reported():
    game = Remembers(Up(), Flat(Within()), NonSaturating(), critic=Adam(), generator=Adam())
    chosen, notes = tried(game)
    assert chosen == ALL | {"channels_last": ("G",)}  # what fails is still left out
    assert "channels-last for D" in notes[0]
    assert "no resume is exact" in notes[1]


class Fussy(nn.Module):
    """A critic that needs a certain number of rows."""

    def __init__(self, rows, error=ValueError):
        super().__init__()
        self.rows, self.error, self.body = rows, error, Flat(viewed)

    def forward(self, x):
        if len(x) != self.rows:
            raise self.error(f"{len(x)} rows")
        return self.body(x)


def fussy(shape: tuple[int, ...], *, rows: int = 12) -> GAN:
    return GAN(Up(), Fussy(rows), NonSaturating(), critic=Adam(), generator=Adam())


def strict(shape: tuple[int, ...]) -> GAN:
    return GAN(Up(), Fussy(12, GameError), NonSaturating(), critic=Adam(), generator=Adam())


@pytest.mark.parametrize("recipe", ["fussy", "strict"])
def test_a_game_that_needs_its_whole_batch_is_given_it(tmp_path, recipe):
    run = start(
        tmp_path / "run", f"unit.runs.test_performance_trial:{recipe}", IMAGES, size=16, batch_size=12, arguments={}
    )
    assert run.performance.channels_last == ("G", "D")
    assert run.performance.contiguous_outputs == ("D.body.body",)
    assert run.notes == []


def test_a_game_that_fails_is_left_to_the_training(tmp_path):
    run = start(tmp_path / "run", "unit.runs.test_performance_trial:fussy", IMAGES, size=16, batch_size=8, arguments={})
    assert (run.performance.channels_last, run.performance.fused_upsampling, run.performance.fused_optimizers) == (
        (),
        (),
        False,
    )
    assert run.notes == ["--fast auto leaves out everything: the first step fails (8 rows)."]
    with pytest.raises(RoundError, match="8 rows"):
        play(run, 1)


class Wrong(GAN):
    def round(self, data, step):
        raise GameError("There is a rule.")
        yield


def wrong(shape: tuple[int, ...]) -> Game:
    return Wrong(Up(), Flat(viewed), NonSaturating(), critic=Adam(), generator=Adam())


def test_a_violated_rule_is_reported_before_anything_is_written(tmp_path):
    with pytest.raises(GameError, match="There is a rule"):
        start(tmp_path / "run", "unit.runs.test_performance_trial:wrong", IMAGES, size=16, arguments={})
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shape"), CASES)
def test_no_recipe_of_ours_loses_anything(name, shape):
    facts, conditions = known(name)
    game = small(name, shape, **facts)
    chosen = PerformanceOptions.for_game("auto", game)
    assert performance_trial.try_options(game, ((x, *conditions) for (x,) in batches(shape)), chosen) == (chosen, [])


def test_off_tries_nothing(tmp_path):
    run = start(
        tmp_path / "run", "unit.runs.test_performance_trial:with_view", IMAGES, size=16, arguments={}, fast="off"
    )
    assert run.notes == []
    play(run, 1)
