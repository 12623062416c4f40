"""CycleGAN and GANILLA: terms by hand, routes of gradients, cycles that close."""

from __future__ import annotations

import pytest
import torch

from sparring.game import adam
from sparring.recipes.cyclegan_nicegan import cyclegan
from sparring.training.trainer import train
from support.translators import (
    RECIPES,
    SHAPE,
    constant,
    moves,
    near,
    reached,
    small,
    stubbed,
)


def test_cyclegan_by_hand():
    played = moves(stubbed(), constant())
    assert played["G"].loss.item() == near(1.125)
    assert played["D"].loss.item() == near(0.625)
    terms = {name: value.item() for name, value in moves(stubbed(0.5, -0.4), constant())["G"].terms.items()}
    assert terms == {
        "fool_A": near(0.5625),
        "fool_B": near(0.5625),
        "cycle_A": near(1.0),
        "cycle_B": near(1.0),
        "identity_A": near(2.0),
        "identity_B": near(2.5),
    }
    assert sum(terms.values()) == near(7.625)


def test_the_weights_of_a_cycle_are_its_own_and_identity_multiplies_them():
    terms = moves(stubbed(0.5, -0.4, cycle=(1.0, 3.0), identity=2.0), constant())["G"].terms
    assert terms["cycle_A"].item() == near(0.1)
    assert terms["cycle_B"].item() == near(0.3)
    assert terms["identity_A"].item() == near(2 * 1 * 0.4)
    assert terms["identity_B"].item() == near(2 * 3 * 0.5)
    assert set(moves(stubbed(identity=0.0), constant())["G"].terms) == {"fool_A", "fool_B", "cycle_A", "cycle_B"}


@pytest.mark.parametrize("name", ["cyclegan", "ganilla"])
def test_where_gradients_of_a_cycle_go(name):
    game = small(RECIPES[name])
    played = moves(game)
    routes = {term: reached(value, game) for term, value in played["G"].terms.items()}
    assert routes == {
        "fool_A": {"G_BA", "D_A"},
        "fool_B": {"G_AB", "D_B"},
        "cycle_A": {"G_AB", "G_BA"},
        "cycle_B": {"G_AB", "G_BA"},
        "identity_A": {"G_BA"},
        "identity_B": {"G_AB"},
    }
    assert {term: reached(value, game) for term, value in played["D"].terms.items()} == {"A": {"D_A"}, "B": {"D_B"}}


def test_weights_of_a_cyclegan_begin_small():
    weights = [p.detach() for p in cyclegan(SHAPE, SHAPE).parameters() if p.dim() == 4]
    assert torch.cat([w.flatten() for w in weights]).std().item() == pytest.approx(0.02, abs=0.0005)


# broken twins


def shifted_domains(n=8):
    """Two domains of which the truth is known: B is A with its colours exchanged."""
    generator = torch.Generator().manual_seed(1)
    while True:
        coarse = torch.where(torch.rand(2, n, 1, 4, 4, generator=generator) < 0.5, -0.5, 0.5)
        a, b = coarse.repeat_interleave(4, 3).repeat_interleave(4, 4)
        yield a, 0.3 - b


@pytest.mark.slow
@pytest.mark.parametrize(("settings", "returns"), [({}, True), ({"cycle": (0.0, 0.0)}, False)])
def test_without_its_term_a_cycle_does_not_close(settings, returns):
    torch.manual_seed(0)
    game = cyclegan((1, 16, 16), (1, 16, 16), width=4, blocks=1, identity=0.0, **settings)
    for _ in train(game, shifted_domains(), 120, players={k: adam_of(game, k) for k in "DG"}):
        continue
    a, _ = next(shifted_domains())
    error = (game.translate(game.translate(a, "B"), "A") - a).abs().mean().item()
    assert (error < 0.2) == returns, error


def adam_of(game, player):
    networks = (game.D_A, game.D_B) if player == "D" else (game.G_AB, game.G_BA)
    return adam(*networks, lr=2e-3)
