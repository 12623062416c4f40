"""NICE-GAN: terms by hand, encoders that learn in the critic's move, attention."""

from __future__ import annotations

import torch
from torch import nn

from sparring.abilities import SupportsAttention, SupportsEncoding
from sparring.games.nicegan import NICEGAN
from sparring.recipes.cyclegan_nicegan import cyclegan, nicegan
from sparring.training.trainer import trainable_parameters, update
from support.translators import (
    Says,
    Shifted,
    batches,
    constant,
    learn,
    moves,
    near,
    reached,
    small,
)


def test_nicegan_by_hand():
    game = NICEGAN(Shifted(0.5), Shifted(-0.4), Says(0.25, 3), Says(0.2, 3), critic=learn, generator=learn)
    played = moves(game, constant())
    ones, zeros = 3 * 0.75**2, 3 * 0.25**2
    terms = {name: value.item() for name, value in played["D"].terms.items()}
    assert terms == {"A": near(ones + zeros), "B": near(3 * 0.64 + 3 * 0.04)}, "there is no half"
    terms = {name: value.item() for name, value in played["G"].terms.items()}
    assert terms == {
        "fool_A": near(ones),
        "fool_B": near(3 * 0.64),
        "cycle_A": near(1.0),
        "cycle_B": near(1.0),
        "reconstruction_A": near(4.0),
        "reconstruction_B": near(5.0),
    }


def test_where_gradients_of_nice_gan_go():
    game = small(nicegan)
    game.D_A.E.strength.data.fill_(0.5)
    game.D_B.E.strength.data.fill_(0.5)
    played = moves(game)
    assert {term: reached(value, game) for term, value in played["D"].terms.items()} == {
        "A": {"D_A.E", "D_A.C"},
        "B": {"D_B.E", "D_B.C"},
    }
    everything = {term: reached(value, game) for term, value in played["G"].terms.items()}
    assert everything == {
        "fool_A": {"G_BA", "D_B.E", "D_A.E", "D_A.C"},
        "fool_B": {"G_AB", "D_A.E", "D_B.E", "D_B.C"},
        "cycle_A": {"G_AB", "G_BA", "D_A.E", "D_B.E"},
        "cycle_B": {"G_AB", "G_BA", "D_A.E", "D_B.E"},
        "reconstruction_A": {"G_BA", "D_A.E"},
        "reconstruction_B": {"G_AB", "D_B.E"},
    }, "gradients flow through encoders and critics of G's move"


def changed_by(game, player, players=None):
    """The networks that one move of a player changes, when a whole round is played up to it."""
    players = game.players() if players is None else players
    for move in game.round(batches(), 0):
        before = {name: p.detach().clone() for name, p in game.named_parameters()}
        update(move, players)
        if move.player == player:
            return {
                ".".join(name.split(".")[:2]) if name.startswith("D") else name.split(".")[0]
                for name, p in game.named_parameters()
                if not torch.equal(p, before[name])
            }
    return set()


def test_encoders_learn_in_the_critics_move_only():
    assert changed_by(small(nicegan), "D") == {"D_A.E", "D_A.C", "D_B.E", "D_B.C"}
    assert changed_by(small(nicegan), "G") == {"G_AB", "G_BA"}


def test_a_coupled_twin_is_found_by_its_routes():
    """An encoder that G trains too, the ablation of the paper: nothing it makes looks worse, so only this can tell."""
    game = small(nicegan)
    coupled = nn.ModuleList([game.G_AB, game.G_BA, game.D_A.E, game.D_B.E])
    players = {**game.players(), "G": learn(coupled)}
    assert changed_by(game, "G", players) == {"G_AB", "G_BA", "D_A.E", "D_B.E"}
    ours = {id(p) for p in trainable_parameters(game.players()["G"])}
    assert not ours & {id(p) for p in game.D_A.parameters()}


def test_the_generator_moves_from_codes_of_the_critic_that_has_just_moved():
    game = small(nicegan)
    data = [next(batches())]
    turns, players = game.round(iter(data), 0), game.players()
    update(next(turns), players)
    move = next(turns)
    a, _ = data[0]
    expected = 10 * (game.translate_with_grad(game.translate_with_grad(a, "B"), "A") - a).abs().mean()
    torch.testing.assert_close(move.terms["cycle_A"], expected, atol=0.02, rtol=0.02)


def test_nice_gan_returns_its_attention_and_encodes():
    game = small(nicegan).eval()
    x = next(batches())[0]
    assert isinstance(game, SupportsAttention)
    assert isinstance(game, SupportsEncoding)
    assert not isinstance(small(cyclegan), SupportsAttention)
    assert game.attention_map(x, "A").shape == (2, 1, 8, 8)
    assert not torch.equal(game.attention_map(x, "A"), game.attention_map(x, "B"))
    torch.testing.assert_close(game.G_AB(game.encode(x, "A")), game.translate(x, "B"))
