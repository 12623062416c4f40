"""pix2pix: its terms by hand, the gradient of each, D's input pair, both directions, refusals, learning."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from sparring.abilities import SupportsEncoding, SupportsLabelMaps, SupportsSampling, SupportsTranslation
from sparring.check import check_game
from sparring.data import DataFacts
from sparring.data.stream import scale_images
from sparring.errors import DataError, GameError
from sparring.game import adam
from sparring.games.pix2pix import Pix2Pix
from sparring.inference.translation import cycle_strip, translate, translate_files
from sparring.networks.common.pair_input import PairCritic
from sparring.objectives import LeastSquares
from sparring.recipes.pix2pix_gaugan import pix2pix
from sparring.training.trainer import train, trainable_parameters
from sparring.wrappers.instance_noise import InstanceNoise
from support.painters import touched
from support.runs import PAIRED, after_a_stop, play, start

SHAPE, OTHER = (1, 16, 16), (3, 16, 16)
LEARN = {"critic": partial(adam, lr=1e-3), "generator": partial(adam, lr=1e-3)}


def pairs(n=4, first=SHAPE, second=OTHER):
    """Endless pairs of random pictures."""
    generator = torch.Generator().manual_seed(0)
    while True:
        yield tuple(torch.randn(n, *shape, generator=generator).clamp(-1, 1) for shape in (first, second))


def small(to="B", **settings) -> Pix2Pix:
    torch.manual_seed(0)
    return pix2pix(SHAPE, OTHER, True, to=to, width=4, **settings)


# --- the terms


class Stub(nn.Module):
    """A network with a given output; its one parameter gets a gradient of zero. It records its inputs."""

    def __init__(self, output):
        super().__init__()
        self.weight, self.output = nn.Parameter(torch.zeros(())), output
        self.shown: list[tuple[Tensor, ...]] = []

    def forward(self, *given):
        self.shown.append(given)
        return self.output(*given) + 0 * self.weight


def by_hand(scores, **settings):
    """The moves of a round on a = 0.1, b = 0.5 with G the constant 0.2; D's scores are a function of its input."""
    G = Stub(lambda a: torch.full_like(a, 0.2))
    D = Stub(lambda x, given: torch.full((len(x), 1, 2, 2), scores(x.mean().item())))
    game = Pix2Pix(G, D, **LEARN, **settings)
    data = iter([(torch.full((2, 3, 4, 4), 0.1), torch.full((2, 3, 4, 4), 0.5))])
    moves = list(game.round(data, 0))
    assert [move.player for move in moves] == ["D", "G"]
    return game, *({name: term.item() for name, term in move.terms.items()} for move in moves)


def cost(logit):
    """bce(logit, 0); bce(logit, 1) is that of −logit."""
    return math.log1p(math.exp(logit))


def test_the_loss_of_an_uninformed_critic_is_log_two_for_both_players():
    _, d, g = by_hand(lambda x: 0.0)
    assert d == {"adversarial": pytest.approx(math.log(2))}
    assert g == pytest.approx({"adversarial": math.log(2), "likeness": 100 * 0.3})


def test_the_terms_have_the_right_signs_and_weights():
    _, d, g = by_hand(lambda x: 2.0 if x > 0.4 else -1.0, likeness=10.0)
    assert d["adversarial"] == pytest.approx((cost(-2.0) + cost(-1.0)) / 2)
    assert g == pytest.approx({"adversarial": cost(1.0), "likeness": 3.0})
    _, d, g = by_hand(lambda x: 2.0 if x > 0.4 else -1.0, objective=LeastSquares())
    assert d["adversarial"] == pytest.approx((1 + 1) / 4)
    assert g["adversarial"] == pytest.approx(2.0)


def test_the_critic_takes_the_source_beside_the_translation():
    game, *_ = by_hand(lambda x: 0.0)
    (real, a), (fake, a2), (again, a3) = game.D.shown
    assert [x.mean().item() for x in (real, fake, again)] == pytest.approx([0.5, 0.2, 0.2])
    assert all(torch.equal(given, torch.full((2, 3, 4, 4), 0.1)) for given in (a, a2, a3))
    assert len(game.G.shown) == 1, "both moves are on one translation"
    x, given = torch.randn(2, 3, 4, 4), torch.randn(2, 1, 4, 4)
    torch.testing.assert_close(PairCritic(nn.Identity())(x, given), torch.cat([given, x], 1))


# --- whose gradient


def test_each_move_changes_its_own_network():
    game = small()
    players = game.players()
    assert {id(p) for p in trainable_parameters(players["D"])} == {id(p) for p in game.D.parameters()}
    assert {id(p) for p in trainable_parameters(players["G"])} == {id(p) for p in game.G.parameters()}
    assert [touched(game, move) for move in game.round(pairs(), 0)] == [{"D"}, {"G"}]


def reached(game, term):
    names, parameters = zip(*game.named_parameters(), strict=True)
    grads = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
    return {n.split(".")[0] for n, g in zip(names, grads, strict=True) if g is not None and g.abs().sum() > 0}


def test_each_term_reaches_what_it_is_about():
    game = small()
    critic_move, generator_move = game.round(pairs(), 0)
    assert reached(game, critic_move.terms["adversarial"]) == {"D"}, "the translation is stopped in D's move"
    assert reached(game, generator_move.terms["adversarial"]) == {"G", "D"}
    assert reached(game, generator_move.terms["likeness"]) == {"G"}


@pytest.mark.parametrize("settings", [{}, {"to": "A"}, {"norm": "instance"}, {"dropout": 0.0}, {"layers": 1}], ids=str)
def test_the_game_keeps_the_rules(settings):
    seen = check_game(small(**settings), pairs())
    assert seen.turns == (("D",), ("G",))
    assert seen.terms == {"D": ("adversarial",), "G": ("adversarial", "likeness")}


def test_a_technique_around_it_leaves_its_ability_and_adds_noise_only_to_the_target():
    wrapped = InstanceNoise(small(), 0.5)
    assert isinstance(wrapped, SupportsTranslation)
    check_game(wrapped, pairs())


def test_a_stop_leaves_no_trace():
    assert after_a_stop(small, pairs) == ""


# --- use, refusals


def test_it_translates_in_the_direction_that_it_learned():
    forth, back = small().eval(), small("A").eval()
    assert isinstance(forth, SupportsTranslation)
    assert not isinstance(forth, (SupportsSampling, SupportsEncoding, SupportsLabelMaps))
    a, b = next(pairs())
    assert forth.translate(a, "B").shape == b.shape
    assert back.translate(b, "A").shape == a.shape
    with pytest.raises(GameError, match="translates to B only"):
        forth.translate(b, "A")
    assert forth.translate(torch.zeros(1, 1, 32, 48), "B").shape == (1, 3, 32, 48)
    assert not forth.translate(a, "B").requires_grad


def test_what_are_no_pairs_of_pictures_is_refused_in_a_sentence():
    for facts, reason in (
        ({}, "the data have no second pictures: give pairs:PATH"),
        ({"other": OTHER}, "the data have unpaired domains: give pairs:PATH"),
        ({"other": OTHER, "paired": True, "regions": 3}, "were read as label maps: give pictures:PATH"),
    ):
        with pytest.raises(DataError, match=reason):
            pix2pix(SHAPE, **facts)
    for batch in ((torch.zeros(2, *SHAPE),), (torch.zeros(2, *SHAPE), torch.zeros(2, 16, 16, dtype=torch.long))):
        with pytest.raises(GameError, match="its data has none"):
            next(small().round(iter([batch]), 0))


def test_a_run_of_pairs_shows_its_partners_and_translates_files_of_any_size(tmp_path):
    run = play(start(tmp_path / "run", "pix2pix", PAIRED), 1)
    assert sorted(path.name for path in (tmp_path / "run/samples").iterdir()) == ["000000.png", "000001.png"]
    rows = cycle_strip(run.inference_game, run.dataset)
    x, b = run.dataset.rows(np.arange(5))[0], run.dataset.paired_domain.rows(np.arange(5))
    torch.testing.assert_close(rows[:, 0], scale_images(x))
    torch.testing.assert_close(rows[:, 2], scale_images(b))
    torch.testing.assert_close(rows[:, 1], translate(run.inference_game, scale_images(x), "B"))
    Image.fromarray(np.zeros((21, 35, 3), np.uint8)).save(tmp_path / "some.png")
    facts = DataFacts.of(run.training)
    (made,) = translate_files(run.inference_game, facts, [tmp_path / "some.png"], "B", tmp_path / "out")
    with Image.open(made) as image:
        assert image.size == (35, 21)
    with pytest.raises(GameError, match="translates to B only"):
        list(translate_files(run.inference_game, facts, [tmp_path / "some.png"], "A", tmp_path / "out"))


# --- learning


def inverted(n=16):
    """B is A upside down in brightness, in a colour given by A's mean."""
    generator = torch.Generator().manual_seed(0)
    while True:
        a = torch.rand(n, 1, 4, 4, generator=generator).repeat_interleave(4, 2).repeat_interleave(4, 3) * 1.6 - 0.8
        yield a, torch.cat([-a, a, 0 * a], 1)


class Careless(Pix2Pix):
    """Likeness has the wrong sign."""

    def round(self, data, step):
        critic_move, generator_move = super().round(data, step)
        yield critic_move
        generator_move.terms["likeness"] = -generator_move.terms["likeness"]
        yield generator_move


@pytest.mark.parametrize("kind", [Pix2Pix, Careless])
def test_partners_are_learned_and_not_with_a_wrong_sign(kind):
    torch.manual_seed(0)
    whole = pix2pix(SHAPE, OTHER, True, width=8, layers=1)
    rate = {"critic": partial(adam, lr=1e-3), "generator": partial(adam, lr=2e-3)}
    game = kind(whole.G, whole.D, **rate)
    data = inverted()
    for _ in train(game, data, 60):
        continue
    a, b = next(data)
    error = (game.eval().translate(a, "B") - b).abs().mean().item()
    assert (error < 0.15) == (kind is Pix2Pix), error
