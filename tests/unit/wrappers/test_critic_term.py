"""Techniques that act on the critic: what they add, to whom and when; the rules of every game, in any order."""

from functools import partial
from itertools import permutations

import pytest
import torch
from torch import nn

from sparring.augment import AdaptiveAugment, DiffAugment
from sparring.check import check_game
from sparring.errors import GameError
from sparring.games.gan import GAN
from sparring.games.wgan import WGANGP
from sparring.objectives import Hinge, NonSaturating
from sparring.training.trainer import train, update
from sparring.wrappers.augmentation import AdaptiveAugmentation, Augmentation
from sparring.wrappers.consistency import BCR, CR, ZCR, LeCam
from sparring.wrappers.gradient_penalties import DRAGAN, R1, R2
from support.critic_terms import Alone, Image, Scaled, eye, gan, moves, pictures
from support.toys import GAMES, LinearCritic, Point, batches, learn


def noisy(x):
    return x + 0.1 * torch.randn_like(x)


TECHNIQUES = {
    "augmented": lambda game: Augmentation(game, partial(nn.Dropout, 0.3)),
    "adaptive": lambda game: AdaptiveAugmentation(game, Scaled, every=1, images=1000),
    "r1": lambda game: R1(game, 1.0),
    "lazy r1": lambda game: R1(game, 1.0, every=2),
    "r2": lambda game: R2(game, 1.0),
    "dragan": DRAGAN,
    "cr": lambda game: CR(game, noisy),
    "bcr": lambda game: BCR(game, noisy),
    "zcr": ZCR,
    "lecam": lambda game: LeCam(game, start=1),
}


@pytest.fixture(params=TECHNIQUES)
def technique(request):
    return TECHNIQUES[request.param]


# The rules, around every game, in any order


@pytest.mark.parametrize("name", ["minimax", "one draw", "wgan", "wgan-gp", "relativistic"])
def test_every_technique_keeps_the_rules_around_every_game(technique, name):
    without_middle = technique is TECHNIQUES["adaptive"] and name.startswith(("wgan", "relativistic"))
    if without_middle or (
        technique in (TECHNIQUES["r1"], TECHNIQUES["lazy r1"], TECHNIQUES["r2"]) and name == "wgan-gp"
    ):
        with pytest.raises(GameError, match=r"0 is not midway|draws slopes towards 0"):
            technique(GAMES[name](Point(0.5), LinearCritic((0.1, 0.2))))
        return
    game = technique(GAMES[name](Point(0.5), LinearCritic((0.1, 0.2))))
    plain = check_game(GAMES[name](Point(0.5), LinearCritic((0.1, 0.2))), batches())
    seen = check_game(game, batches(), rounds=3)
    assert seen.turns == plain.turns
    assert sorted(seen.owners.values()) == sorted(plain.owners.values())


APART = ({"lazy r1", "dragan"}, {"r2", "dragan"})  # which draw slopes towards 0 and towards 1


NESTED = [pair for pair in permutations([name for name in TECHNIQUES if name != "r1"], 2) if {*pair} not in APART]


@pytest.mark.parametrize(("inner", "outer"), NESTED)
def test_techniques_nest_in_any_order(inner, outer):
    check_game(TECHNIQUES[outer](TECHNIQUES[inner](gan())), batches())


def test_the_order_of_wrappers_does_not_change_a_penalty():
    """R1 inside or outside an augmentation: the slope is that in the sample, through what D does to it first."""

    def double():
        module = nn.Linear(2, 2, bias=False)
        module.weight.data = 2 * torch.eye(2)
        return module.requires_grad_(False)

    inside, outside = Augmentation(R1(gan(), 2.0), double), R1(Augmentation(gan(), double), 2.0)
    assert moves(inside)[0].terms["r1"].item() == pytest.approx(4 * 25.0)
    assert moves(outside)[0].terms["r1"].item() == pytest.approx(4 * 25.0)


def test_wgan_gp_is_penalised_through_the_augmentation():
    game = Augmentation(WGANGP(Image(), eye(), critic_steps=1, **learn), DiffAugment)
    check_game(game, pictures())


def test_resume_is_bit_for_bit_with_all_techniques_at_once():
    def make():
        torch.manual_seed(0)
        game = GAN(Image(), eye(), NonSaturating(), **learn)
        game = LeCam(AdaptiveAugmentation(game, AdaptiveAugment, target=-2.0, every=2, images=100), start=2)
        return ZCR(R1(game, 0.1, every=3))

    straight, stopped = make(), make()
    for _ in train(straight, pictures(), 8):
        pass
    data, players = pictures(), stopped.players()
    for _ in train(stopped, data, 5, players=players):
        pass
    resumed = make()
    resumed.load_state_dict(stopped.state_dict())
    fresh = resumed.players()
    for name, player in fresh.items():
        player.load_state_dict(players[name].state_dict())
    for _ in train(resumed, data, 8, start=5, players=fresh):
        pass
    for (name, one), other in zip(straight.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other), name
    assert straight.p.item() == pytest.approx(4 * 2 * 8 / 100)


# Who pays, and what


@pytest.mark.parametrize("name", ["r1", "r2", "dragan", "cr", "bcr", "lecam"])
def test_only_the_critics_owner_pays(name):
    game = TECHNIQUES[name](GAMES["non-saturating"](Point(), LinearCritic((3.0, 4.0))))
    plain = [set(move.terms) for move in moves(game.game, step=2)]
    first, second, last = ((move.player, set(move.terms)) for move in moves(game, step=2))
    assert first == second == ("D", plain[0] | {name})
    assert last == ("G", plain[2])


def test_a_game_without_critic_is_refused(technique):
    with pytest.raises(GameError, match=r"critic_networks\(\)"):
        technique(Alone())


@pytest.mark.parametrize("name", [name for name in TECHNIQUES if name != "augmented"])
def test_a_game_of_several_critics_is_refused_where_one_is_required(name):
    with pytest.raises(GameError, match=r"one critic, but Alone names 2"):
        TECHNIQUES[name](Alone("D", "E"))


@pytest.mark.parametrize(("name", "lacks"), [("r2", "fakes"), ("bcr", "fakes"), ("lecam", "fakes"), ("zcr", "noise")])
def test_a_game_without_what_a_technique_needs_is_refused(name, lacks):
    with pytest.raises(GameError, match=f"has '{lacks}'; Alone has none"):
        TECHNIQUES[name](Alone("D"))


def test_a_critic_without_a_player_and_an_interval_of_0_are_refused():
    with pytest.raises(GameError, match="no player of Alone owns"):
        R1(Alone("E"), 1.0)
    with pytest.raises(GameError, match="at least 1, not 0"):
        R1(gan(), 1.0, every=0)


def test_updates_change_the_terms():
    """One step of D under R1 alone shrinks its slope."""
    game = R1(GAN(Point(), LinearCritic((3.0, 4.0)), Hinge(), **learn), 1000.0)
    before = game.unwrapped.D.w.norm().item()
    update(moves(game)[0], game.players())
    assert game.unwrapped.D.w.norm().item() < before
