"""Every technique around every game, and around each other: the rules hold, and what is not changed stays."""

import copy
import math
from itertools import permutations

import pytest
import torch
from torch import nn

from sparring.abilities import SupportsEncoding, SupportsSampling, SupportsTranslation
from sparring.check import check_game
from sparring.errors import GameError
from sparring.game import Game, LatentGame, Move, evaluation_mode
from sparring.games.gan import GAN
from sparring.inference.sampling import sample_seeds
from sparring.layers.normalization import WithReferenceBatch
from sparring.objectives import NonSaturating
from sparring.rng import turn_rng
from sparring.training.ema import EMA
from sparring.training.trainer import train
from sparring.wrappers.base import ExtraTerms, LastBatch, TransformedCritic, Wrapper, map_moves, transform_critics
from sparring.wrappers.ensemble import Ensemble
from sparring.wrappers.feature_matching import FeatureMatching
from sparring.wrappers.historical_averaging import HistoricalAveraging
from sparring.wrappers.instance_noise import InstanceNoise
from sparring.wrappers.packing import Packing
from sparring.wrappers.unrolling import Unrolling, adam, sgd
from sparring.wrappers.virtual_batch_norm import VirtualBatch
from support.toys import GAMES, LinearCritic, Point, batches, learn


class Seeing(LinearCritic):
    """A linear critic whose features are its samples."""

    def features(self, x):
        return 2 * x


class Plain(Wrapper):
    """A technique that does nothing."""


class Pull(ExtraTerms):
    """Charges D for the mean of the real samples times its weights."""

    def terms(self, player, x, step):
        return {"pull": (self.D.w * x.mean(0)).sum() * (step + 1)} if player == "D" else {}


TECHNIQUES = {
    "nothing": Plain,
    "terms": Pull,
    "instance noise": lambda game: InstanceNoise(game, 0.5, 10),
    "feature matching": lambda game: FeatureMatching(game, keep=False),
    "feature matching as well": lambda game: FeatureMatching(game, keep=True),
    "historical averaging": lambda game: HistoricalAveraging(game, 0.1),
    "packing": Packing,
    "virtual batch": lambda game: VirtualBatch(game, (2,), WithReferenceBatch, 5),
}


class Normed(nn.Sequential):
    """Puts a batch norm before a network."""

    def __init__(self, network):
        super().__init__(nn.BatchNorm1d(2), network)
        self.latent = 2


def wrapped(technique, make):
    if technique == "virtual batch":
        return TECHNIQUES[technique](make(Normed(Point()), Normed(Seeing((0.1, 0.2)))))
    return TECHNIQUES[technique](make(Point(), Seeing((0.1, 0.2, 0.3, -0.1) if technique == "packing" else (0.1, 0.2))))


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("name", GAMES)
def test_every_technique_around_every_game_keeps_the_rules(technique, name):
    plain = check_game(GAMES[name](Point(), Seeing((0.1, 0.2))), batches())
    seen = check_game(wrapped(technique, GAMES[name]), batches())
    assert seen.turns == plain.turns
    assert {who for player in seen.owners.values() for who in player} == {"D", "G"}


@pytest.mark.parametrize("rule", [sgd(0.1), adam(0.1)])
@pytest.mark.parametrize("name", [name for name in GAMES if name != "wgan"])  # whose weights are clipped
def test_unrolling_keeps_the_rules(name, rule):
    seen = check_game(Unrolling(GAMES[name](Point(), Seeing((0.1, 0.2))), 3, rule), batches())
    assert seen.terms["G"] == ("unrolled",)


@pytest.mark.parametrize("name", GAMES)
def test_an_ensemble_of_any_game_keeps_the_rules(name):
    seen = check_game(Ensemble(lambda: GAMES[name](Point(), Seeing((0.1, 0.2))), 2), batches())
    half = len(seen.turns) // 2
    assert [who for (who,) in seen.turns[:half]] == [who.replace("1/", "0/") for (who,) in seen.turns[half:]]
    assert seen.owners["members.1.D.w"] == ("1/D",)


LAYERS = ["nothing", "terms", "instance noise", "feature matching as well", "historical averaging"]


@pytest.mark.parametrize(("outer", "inner"), [*permutations(LAYERS, 2)])
def test_techniques_nest_in_any_order_and_inside_packing(outer, inner):
    def nested(weights):
        return TECHNIQUES[outer](TECHNIQUES[inner](GAN(Point(), Seeing(weights), NonSaturating(), **learn)))

    check_game(nested((0.1, 0.2)), batches())
    game = Packing(nested((0.1, 0.2, 0.3, 0.4)))
    check_game(game, batches())
    assert game.sample(3).shape == (3, 2)
    assert isinstance(game, SupportsSampling)


def test_a_wrapper_has_the_games_abilities_and_no_others():
    class Silent(Game):
        def players(self):
            return {}

        def round(self, data, step):
            yield from ()

    class Fluent(LatentGame):
        def encode(self, x):
            return x

        def round(self, data, step):
            yield from ()

    silent, fluent = Plain(Plain(Silent())), Plain(Plain(Fluent(Point(), LinearCritic(), **learn)))
    for ability, able in ((SupportsSampling, True), (SupportsEncoding, True), (SupportsTranslation, False)):
        assert isinstance(fluent, ability) == able
        assert not isinstance(silent, ability)
    x = torch.randn(3, 2)
    assert fluent.encode(x) is x
    with pytest.raises(AttributeError):
        silent.sample  # noqa: B018


def test_a_wrapper_delegates_what_it_does_not_change():
    core = GAN(Point(), LinearCritic(), NonSaturating(), schedule=lambda step: 0.5**step, **learn)
    game = Plain(Pull(core))
    assert game.unwrapped is core
    assert (game.G, game.D, game.objective) == (core.G, core.D, core.objective)
    assert game.lr_scale(2) == 0.25
    assert game.sampling_networks() == ("game.game.G",)
    assert game.critic_networks() == ("game.game.D",)
    assert game.get_submodule(game.sampling_networks()[0]) is core.G
    assert list(game.players()) == ["D", "G"]
    assert [id(p) for p in game.parameters()] == [id(p) for p in core.parameters()]


def test_extra_terms_receive_the_last_real_samples_and_the_step():
    game = Pull(GAN(Point(), LinearCritic((1.0, 2.0)), NonSaturating(), **learn))
    x = torch.tensor([[1.0, 10.0], [3.0, 10.0]])
    first, second = game.round(iter([(x,)]), 4)
    assert first.terms["pull"].item() == pytest.approx(5 * (2 + 20))
    assert list(second.terms) == ["adversarial"]


def test_a_technique_that_needs_samples_before_there_are_any_is_refused():
    with pytest.raises(GameError, match="drew none"):
        LastBatch(iter([])).x  # noqa: B018


def test_each_changes_every_move_of_a_turn():
    moves = Move("a", x=torch.tensor(1.0)), Move("b", x=torch.tensor(2.0))
    doubled = map_moves(moves, lambda move: Move(move.player, x=2 * move.loss))
    assert [(move.player, move.loss.item()) for move in doubled] == [("a", 2.0), ("b", 4.0)]
    assert map_moves(moves[0], lambda move: moves[1]) is moves[1]


def test_transformed_critics_keep_their_parameters():
    class Double(nn.Module):
        def forward(self, x):
            return 2 * x

    D = Seeing((1.0, 1.0))
    game = Plain(GAN(Point(), D, NonSaturating(), **learn))
    transform_critics(game, Double)
    x = torch.tensor([[1.0, 2.0]])
    assert isinstance(game.unwrapped.D, TransformedCritic)
    assert game.D(x).item() == 6.0
    assert game.D.features(x).tolist() == [[4.0, 8.0]]
    assert game.D.w is D.w
    assert [id(p) for p in game.players()["D"].param_groups[0]["params"]] == [id(D.w), id(D.c)]


def test_a_technique_without_a_critic_is_refused():
    class Blind(GAN):
        def critic_networks(self):
            return ()

    with pytest.raises(GameError, match="critic_networks"):
        InstanceNoise(Blind(Point(), LinearCritic(), NonSaturating(), **learn))


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_copy_of_a_wrapped_game_stands_on_its_own(technique):
    game = wrapped(technique, GAMES["non-saturating"])
    twin = copy.deepcopy(game)
    before = {name: value.clone() for name, value in game.state_dict().items()}
    for _ in train(twin, batches(), 2):
        pass
    assert all(torch.equal(value, before[name]) for name, value in game.state_dict().items())
    with turn_rng(0, 0, 0):
        kept = game.sample(4)
    with turn_rng(0, 0, 0):
        moved = twin.sample(4)
    assert not torch.equal(kept, moved), "the copy's abilities are those of the original"


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_averages_and_seeds_support_wrapped_games(technique):
    game = wrapped(technique, GAMES["non-saturating"])
    average = EMA(game, 0.0)
    for _ in train(game, batches(), 2, ema=average):
        pass
    assert torch.equal(sample_seeds(game, [3, 5]), sample_seeds(average.game, [3, 5]))
    assert torch.allclose(sample_seeds(game, [3, 5])[1:], sample_seeds(game, [5]))


@pytest.mark.parametrize("technique", ["instance noise", "historical averaging", "virtual batch", "packing"])
def test_playing_in_parts_counts_every_step_once(technique):
    """Rounds in lockstep share the technique's memory."""
    game, whole = (wrapped(technique, GAMES["minimax"]) for _ in range(2))
    for _ in train(game, batches(n=16), 3, grad_accum=2):
        pass
    for _ in train(whole, batches(n=32), 3):
        pass
    if technique == "historical averaging":
        assert game.rounds == whole.rounds == 3
    if technique == "virtual batch":
        assert game.ready


class Odd(LatentGame):
    """A game with classes."""

    classes = 3

    def round(self, data, step):
        yield from ()


@pytest.mark.parametrize(
    "technique",
    [FeatureMatching, Packing, Unrolling, lambda game: VirtualBatch(game, (2,), WithReferenceBatch)],
)
def test_techniques_refuse_games_they_do_not_fit(technique):
    with pytest.raises(GameError, match="Odd also takes a class"):
        technique(Odd(Point(), Seeing(), **learn))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda game: InstanceNoise(game, 0.0),
        lambda game: InstanceNoise(game, 1.0, 0),
        lambda game: HistoricalAveraging(game, 0.0),
        lambda game: Packing(game, 0),
        lambda game: Unrolling(game, -1),
        lambda game: VirtualBatch(game, (2,), WithReferenceBatch, 0),
        lambda game: VirtualBatch(game, (2,), WithReferenceBatch),  # which has no batch norm
        lambda game: Ensemble(lambda: game, 0),
        FeatureMatching,
    ],
)
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(GameError, match=r"\."):
        wrong(GAMES["minimax"](Point(), LinearCritic()))


def test_evaluation_leaves_a_wrapped_game_as_it_was():
    game = wrapped("instance noise", GAMES["minimax"])
    with evaluation_mode(game):
        assert not game.haze.training
    assert game.haze.training


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_half_precision_leaves_every_term_finite_and_whole(technique):
    game = wrapped(technique, GAMES["non-saturating"])
    (report,) = train(game, batches(), 1, precision=torch.bfloat16)
    assert all(math.isfinite(value) for value in report.scalars().values())
    extra = [value for name, value in report.terms.items() if name.split("/")[1] in ("matching", "history")]
    assert all(value.dtype == torch.float32 for value in extra)


def test_unrolling_is_in_full_precision():
    game = Unrolling(GAMES["non-saturating"](Point(), LinearCritic((0.1, 0.2))), 2)
    (report,) = train(game, batches(), 1, precision=torch.bfloat16)
    assert report.terms["G/unrolled"].dtype == torch.float32
