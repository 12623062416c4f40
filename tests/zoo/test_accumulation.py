"""Accumulation is the same step: every recipe and technique, in parts and as a whole, one step in double precision.

Random draws for the rows of a batch are made the same for the same row, and layers over several images
at once are replaced by ones that do not: all else must agree, or be named in a table with its reason.
"""

import copy
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from sparring import rng
from sparring.check import check_game
from sparring.cli import main
from sparring.errors import GameError
from sparring.game import Move, adam
from sparring.games.relativistic import RelativisticGAN
from sparring.layers.minibatch import MinibatchDiscrimination, MinibatchStdDev
from sparring.objectives import RelativisticAverage, batch_statistics, logistic, squared
from sparring.objectives.batch_statistics import (
    MicroBatch,
    all_gather_rows,
    batch_mean,
    batch_std,
    global_mean,
    micro_batch,
)
from sparring.objectives.energy import pulling_away
from sparring.objectives.penalties import dragan
from sparring.recipes.autoencoders import vae_gan
from sparring.recipes.options import Networks
from sparring.recipes.r3gan_stylegan2 import stylegan2
from sparring.recipes.realness import realness
from sparring.runs.run import Run
from sparring.training.accumulation import BATCH_DEPENDENT, MicroBatches, batch_dependent_layers
from sparring.training.trainer import train, trainable_parameters
from support import recipe_cases, runs, technique_cases
from support.toys import LinearCritic, Point, batches

N = 8  # rows of a whole batch
RATE = 1e-4  # of plain gradient descent, which shows gradients as they are
OTHERWISE = {"stackgan": ("D", "G")}
"""Recipes whose accumulated step differs for a reason in `BATCH_DEPENDENT` that is no layer, and the players."""
SMALL = Networks(latent=4, width=8)
REFUSED = {"unrolling": "Unrolling takes steps of D ahead"}
"""Techniques that cannot be played in parts, and how the reason begins."""


class RowByRow(TorchFunctionMode):
    """Lets torch draw for a part of a batch the rows that it draws for the whole."""

    def __init__(self):
        super().__init__()
        self.turn, self.calls = None, 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if rng._now.generator is None or "generator" in kwargs:
            return func(*args, **kwargs)
        if func in (torch.rand, torch.randn):
            return self.drawn(args[0] if not isinstance(args[0], int) else args, func)
        if func in (torch.rand_like, torch.randn_like):
            return self.drawn(args[0].shape, torch.rand if func is torch.rand_like else torch.randn).to(args[0])
        if func is torch.randint:
            *low, high = args[:-1]
            return ((low or [0])[0] + (high - (low or [0])[0]) * self.drawn(args[-1], torch.rand)).long()
        if func is F.dropout:
            x, share, training = args[0], kwargs.get("p", 0.5), kwargs.get("training", True)
            share, training = args[1:3] if len(args) > 2 else (share, training)
            return x * (self.drawn(x.shape, torch.rand) >= share) / (1 - share) if training else x
        return func(*args, **kwargs)

    def drawn(self, shape, draw):
        now = rng._now
        turn = (now.generator.initial_seed(), batch_statistics._now.index if batch_statistics._now else 0)
        self.turn, self.calls = turn, self.calls + 1 if turn == self.turn else 0
        generator = torch.Generator().manual_seed(rng.hash_seed(turn[0], self.calls))
        n, *rest = shape
        with torch._C.DisableTorchFunction():
            whole = draw(n * now.num_shards, *rest, generator=generator, dtype=torch.float64)
        return whole[now.shard * n : (now.shard + 1) * n]


@pytest.fixture
def alone(monkeypatch):
    """Double precision, and layers over single images."""

    def normalised(self, x):
        if self.running_mean is None:
            return F.group_norm(x, 1, self.weight, self.bias)
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)

    def deviating(self, x):
        own = x.flatten(1).std(1).reshape(-1, *[1] * (x.dim() - 1))
        return torch.cat([x, own.expand(-1, 1, *x.shape[2:])], 1)

    monkeypatch.setattr(_BatchNorm, "forward", normalised)
    monkeypatch.setattr(MinibatchStdDev, "forward", deviating)
    monkeypatch.setattr(
        MinibatchDiscrimination,
        "forward",
        lambda self, x: torch.cat([x, (x @ self.T).unflatten(1, (self.measures, -1)).sum(2).tanh()], 1),
    )
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def stepped(game, data, parts, steps=1):
    """Play steps of plain gradient descent, and return the last report."""
    players = {name: torch.optim.SGD(trainable_parameters(player), lr=RATE) for name, player in game.players().items()}
    small = (
        tuple(x[p * len(x) // parts : (p + 1) * len(x) // parts] for x in batch) for batch in data for p in range(parts)
    )
    with RowByRow():
        *_, report = train(game, small, steps, players=players, grad_accum=parts, seed=3)
    return report


def compared(game, data, parts=2, steps=1):
    """Play a game as a whole and in parts; returns which players' networks differ, which terms, and which buffers."""
    start, divided = copy.deepcopy(game), copy.deepcopy(game)
    one, other = stepped(game, data, 1, steps), stepped(divided, data, parts, steps)
    assert any(not torch.equal(p, q) for p, q in zip(game.parameters(), start.parameters(), strict=True))
    where = {id(p): player for player, optimiser in game.players().items() for p in trainable_parameters(optimiser)}
    scale: dict[str, float] = {}
    gaps: dict[str, float] = {}
    for p, q, before in zip(game.parameters(), divided.parameters(), start.parameters(), strict=True):
        player = where.get(id(p), "nobody")
        scale[player] = max(scale.get(player, 0.0), (p - before).abs().max().item())
        gaps[player] = max(gaps.get(player, 0.0), (p - q).abs().max().item())
    differing = {player for player, gap in gaps.items() if gap > 1e-9 * scale[player]}
    terms = {k for k, v in one.terms.items() if abs(v - other.terms[k]) > 1e-9 * max(1, abs(v))}
    held = zip(game.named_buffers(), divided.buffers(), strict=True)
    buffers = {name for (name, a), b in held if a.numel() and (a.double() - b.double()).abs().max() > 1e-9}
    assert one.updates == other.updates
    assert one.images == other.images
    return differing, terms, buffers


def whole_batches(name, shape, count=16):
    generator = torch.Generator().manual_seed(1)
    _, conditions = recipe_cases.known(name)
    conditions = [torch.cat([each] * N)[:N] for each in conditions]
    conditions = [each.double() if each.is_floating_point() else each for each in conditions]
    rows = 1 if name == "singan" else N
    return [
        (torch.randn(rows, *shape, generator=generator).clamp(-1, 1).repeat(N // rows, *[1] * len(shape)), *conditions)
        for _ in range(count)
    ]


# --- every recipe, every technique


@pytest.mark.parametrize(("name", "shape"), recipe_cases.CASES)
def test_a_step_of_every_recipe_in_parts_is_that_of_the_whole_batch(name, shape, alone):
    facts, _ = recipe_cases.known(name)
    game = recipe_cases.small(name, shape, **facts).double()
    differing, terms, buffers = compared(game, whole_batches(name, shape))
    if name in OTHERWISE:
        assert differing == set(OTHERWISE[name]), "another table"
        assert any(BATCH_DEPENDENT[type(game).__name__] in layer for layer in batch_dependent_layers(game))
    else:
        assert (differing, terms, buffers) == (set(), set(), set())


TECHNIQUES = [(technique, (2,)) for technique in technique_cases.EITHER] + [
    (technique, (1, 16, 16)) for technique in technique_cases.PICTURES
]
WORN = {**technique_cases.EITHER, **technique_cases.PICTURES, "lecam": {"lecam": 0.3, "lecam_start": 0}}
WORN["adaptive"] = {"augment": "adaptive", "augment_images": 100}


@pytest.mark.parametrize(("technique", "shape"), TECHNIQUES)
def test_a_step_with_every_technique_in_parts_is_that_of_the_whole_batch(technique, shape, alone):
    game = technique_cases.game(WORN[technique], shape=shape).double()
    data, steps = whole_batches("nsgan", shape, 40), 4 if technique == "adaptive" else 1
    if technique in REFUSED:
        with pytest.raises(GameError, match=REFUSED[technique]):
            stepped(game, data, 2)
        return
    differing, terms, buffers = compared(game, data, steps=steps)
    assert (differing, terms, buffers) == (set(), set(), set())


OPTIONS = {
    "gates of VAE-GAN": (lambda: vae_gan((2,), equilibrium=0.68, margin=0.01, networks=SMALL), (2,)),
    "path lengths of StyleGAN2": (lambda: stylegan2((1, 8, 8), width=4, latent=8, path=2.0, mixing=0.5), (1, 8, 8)),
    "drawn anchors": (lambda: realness((2,), latent=4, width=8), (2,)),
}


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("parts", [2, 4])
def test_batch_statistics_cover_all_parts_of_the_batch(option, parts, alone):
    make, shape = OPTIONS[option]
    torch.manual_seed(0)
    game = make().double()
    assert compared(game, whole_batches("nsgan", shape, 40), parts, steps=2) == (set(), set(), set())


# --- means over the batch, by hand


def relativistic(link):
    return RelativisticGAN(
        Point(0.5, spread=0.3),
        LinearCritic((0.2, -0.1)),
        RelativisticAverage(link),
        critic=partial(adam, lr=0.05),
        generator=partial(adam, lr=0.05),
    ).double()


@pytest.mark.parametrize("link", [logistic, squared])
@pytest.mark.parametrize("parts", [2, 3, 4])
def test_the_gradient_flows_through_the_means_of_the_other_parts(link, parts, alone):
    game = relativistic(link)
    x = next(batches(n=12))[0].double()
    differing, terms, _ = compared(game, [(x,), (x.flip(0),)], parts)
    assert (differing, terms) == (set(), set())

    blind = relativistic(link)
    blind.over_batch = lambda step: False
    with pytest.raises(GameError, match="over_batch"):
        stepped(blind, [(x,), (x,)], parts)


def test_a_check_finds_a_mean_over_the_batch_that_is_not_declared():
    game = Spread()
    data = iter(lambda: (torch.randn(6, 2, dtype=torch.float64),), None)
    check_game(game, data)
    game.over_batch = lambda step: False
    with pytest.raises(GameError, match="over_batch"):
        check_game(game, data)


class Squares(nn.Module):
    """One parameter per coordinate; x is weighed by it."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([1.0, 2.0], dtype=torch.float64))


class Spread(runs.Failing):
    """Minimises a function of a mean over the batch: (E w·x)² + E (w·x − E w·x)⁴, or one of a mean of another mean."""

    def __init__(self, nested=False):
        nn.Module.__init__(self)
        self.x, self.nested = Squares(), nested

    def players(self):
        return {"x": torch.optim.SGD(self.x.parameters(), lr=1.0)}

    def over_batch(self, step):
        return True

    def round(self, data, step):
        (x,) = next(data)
        scores = x @ self.x.w
        mean = batch_mean(scores)
        far = batch_mean((scores - mean).square()) if self.nested else (scores - mean).pow(4).mean()
        yield Move("x", value=mean.square() + far)


@pytest.mark.parametrize("parts", [1, 2, 3, 6])
def test_a_function_of_a_mean_has_the_gradient_of_the_whole_batch(parts):
    x = torch.arange(12, dtype=torch.float64).reshape(6, 2).sin()
    w = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    scores = x @ w
    loss = scores.mean().square() + (scores - scores.mean()).pow(4).mean()
    (expected,) = torch.autograd.grad(loss, w)
    game = Spread()
    (report,) = train(game, iter([(part,) for part in x.chunk(parts)]), 1, grad_accum=parts)
    torch.testing.assert_close(w.detach() - game.x.w.detach(), expected, rtol=0, atol=1e-12)
    assert report.terms["x/value"].item() == pytest.approx(loss.item(), abs=1e-12)


def test_a_mean_of_a_mean_is_refused_in_parts_and_right_as_a_whole():
    x = torch.arange(12, dtype=torch.float64).reshape(6, 2).sin()
    with pytest.raises(GameError, match="depends on another one"):
        list(train(Spread(nested=True), iter([(part,) for part in x.chunk(2)]), 1, grad_accum=2))
    list(train(Spread(nested=True), iter([(x,)]), 1))


def test_alone_nothing_is_gathered_and_a_batch_has_its_own_mean_and_deviation():
    x = torch.arange(6.0).reshape(3, 2)
    assert all_gather_rows(x) is x
    assert global_mean(x) is x
    assert batch_std(x) == x.std()


def test_parts_gather_each_others_rows_and_share_one_deviation():
    x = torch.arange(12.0).reshape(6, 2)
    halves = x.chunk(2)
    values = []
    for index, half in enumerate(halves):
        part = MicroBatch(index, 2)
        with micro_batch(part):
            all_gather_rows(half), batch_std(half)
        values.append(part.said)
    means = [torch.stack(pair).mean(0) for pair in zip(*values, strict=True)]
    for index, half in enumerate(halves):
        with micro_batch(MicroBatch(index, 2, means=means)):
            assert torch.equal(all_gather_rows(half), x)
            torch.testing.assert_close(batch_std(half), x.std())
    assert pulling_away(x) != pulling_away(halves[0])


def test_dragan_reaches_as_far_in_every_part_as_in_the_whole_batch(monkeypatch):
    """The critic is curved, so that its slope shows how far the noise reached."""
    monkeypatch.setattr(torch, "rand", torch.ones)
    monkeypatch.setattr(torch, "rand_like", torch.ones_like)
    x, parts = torch.tensor([[0.0], [0.1], [3.0], [9.0]], dtype=torch.float64), [MicroBatch(0, 2), MicroBatch(1, 2)]

    def penalty(rows):
        return dragan(lambda x: x.square().sum(1), rows)

    for part, half in zip(parts, x.chunk(2), strict=True):
        with micro_batch(part):
            penalty(half)
    means = [torch.stack(pair).mean(0) for pair in zip(*(part.said for part in parts), strict=True)]
    found = []
    for index, half in enumerate(x.chunk(2)):
        with micro_batch(MicroBatch(index, 2, means=means)):
            found.append(penalty(half))
    torch.testing.assert_close(sum(found) / 2, penalty(x), rtol=1e-12, atol=0)


def test_a_part_that_takes_another_mean_is_refused():
    with micro_batch(MicroBatch(0, 2, means=[torch.zeros(2)])), pytest.raises(GameError, match="different means"):
        global_mean(torch.zeros(3))
    with micro_batch(MicroBatch(0, 2, means=[])), pytest.raises(GameError, match="different means"):
        global_mean(torch.zeros(3))


def test_the_k_th_batch_of_a_part_is_its_part_of_the_k_th_batch():
    shares = MicroBatches(iter([(torch.tensor(k),) for k in range(6)]), 2)
    first, second = shares.part(0), shares.part(1)
    assert [int(next(first)[0]) for _ in range(2)] == [0, 2]
    assert [int(next(second)[0]) for _ in range(3)] == [1, 3, 5]
    assert int(next(first)[0]) == 4
    assert int(next(shares.part(0))[0]) == 0, "a new request gives the same"


def test_every_shard_draws_alike_what_is_drawn_once():
    def drawn(shard, shards):
        with rng.turn_rng(1, 2, 3, shard=shard, num_shards=shards):
            with rng.replicated("cpu"):
                same = torch.randn(3), rng.randn(2, 2)
            return *same, torch.randn(3)

    whole, first, second = drawn(0, 1), drawn(0, 2), drawn(1, 2)
    for one, other in ((whole, first), (whole, second)):
        assert all(torch.equal(a, b) for a, b in zip(one[:2], other[:2], strict=True))
    assert torch.equal(whole[2], first[2])
    assert not torch.equal(whole[2], second[2])
    with rng.turn_rng(1, 2, 3, shard=1, num_shards=2):
        assert torch.equal(torch.randn(3), second[2]), "the shard's own draws go on as if nothing had been drawn"


# --- reported, refused, resumed


def test_layers_over_several_images_are_reported_when_an_accumulating_run_begins(tmp_path):
    run = runs.start(tmp_path / "parts", grad_accum=2)
    notes = [note for note in run.notes if "Within each micro-batch" in note]
    assert len(notes) == 1
    assert "batch norm" in notes[0]
    assert not [note for note in runs.start(tmp_path / "whole").notes if "Within each micro-batch" in note]
    assert not [
        note
        for note in runs.start(tmp_path / "plain", "wgan-gp", grad_accum=2).notes
        if "Within each micro-batch" in note
    ]


@pytest.mark.parametrize(
    "kind", [MinibatchStdDev(), MinibatchDiscrimination(3), nn.BatchNorm1d(3), nn.SyncBatchNorm(3)]
)
def test_every_layer_over_several_images_is_named(kind):
    assert len(batch_dependent_layers(nn.Sequential(nn.Linear(3, 3), kind))) == 1
    assert batch_dependent_layers(nn.Sequential(nn.Linear(3, 3), nn.InstanceNorm1d(3), nn.LayerNorm(3))) == []


def test_a_game_that_cannot_accumulate_is_refused_before_anything_is_written(tmp_path, capsys):
    words = ["train", "nsgan", "--data", "ring", "--steps", "2", "--grad-accum", "2", "--unrolling", "2"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 2
    reason = "Unrolling takes steps of D ahead, on a batch as a whole: play it with --grad-accum 1."
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["rasgan", "ebgan"])
def test_a_run_in_parts_resumes_bit_for_bit(name, tmp_path, monkeypatch):
    runs.quick(monkeypatch)
    straight = runs.play(runs.start(tmp_path / "straight", name, grad_accum=2), 4)
    runs.play(runs.start(tmp_path / "stopped", name, grad_accum=2), 2)
    again = runs.play(Run.open(tmp_path / "stopped", device="cpu"), 4)
    assert runs.difference(straight.state.state_dict(), again.state.state_dict()) == ""
