"""GauGAN: its terms by hand, whose gradient each is, what is stopped and what is drawn anew, painting of any size."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from sparring.abilities import SupportsEncoding, SupportsLabelMaps, SupportsSampling, SupportsTranslation
from sparring.check import check_game
from sparring.errors import DataError, GameError
from sparring.game import adam
from sparring.games.gaugan import GauGAN
from sparring.recipes.pix2pix_gaugan import Painters, gaugan
from sparring.rng import fixed_seed, turn_rng
from sparring.training.trainer import train, trainable_parameters
from sparring.wrappers.historical_averaging import HistoricalAveraging
from sparring.wrappers.instance_noise import InstanceNoise
from support.painters import LEARN, REGIONS, SHAPE, by_hand, encoder, flat, mapped, painter, scales, small, touched
from support.runs import after_a_stop


def test_scores_of_one_half_cost_the_critic_two_and_the_painter_minus_one_half():
    moves = dict(by_hand(scales((flat(0.3), flat(0.5)), (flat(0.3), flat(0.5)))))
    assert moves["D"] == {"adversarial": pytest.approx(0.5 + 1.5)}
    assert moves["G"] == {"adversarial": pytest.approx(-0.5), "matching": 0.0, "divergence": 0.0}


@pytest.mark.parametrize(("mean", "log_variance", "each"), [(1.0, 0.0, 2.0), (0.0, 1.0, 2 * (math.e - 2)), (0, 0, 0)])
def test_the_divergence_is_a_sum_over_the_batch_or_a_mean(mean, log_variance, each):
    D = scales((flat(0.0), flat(0.0)))
    E = encoder(mean, log_variance)
    assert dict(by_hand(D, E))["G"]["divergence"] == pytest.approx(0.05 * 2 * each)
    assert dict(by_hand(D, E, reduction=torch.mean))["G"]["divergence"] == pytest.approx(0.05 * each)
    assert dict(by_hand(D, E, divergence=2.0))["G"]["divergence"] == pytest.approx(4 * each)


def test_parts_of_a_batch_cost_as_much_as_the_whole():
    """Losses of parts are averaged, and the divergence is a sum over all of them."""
    x, labels = next(mapped(4))
    game = GauGAN(painter(), scales((flat(0.0), flat(0.0))), encoder(1.0), regions=REGIONS, **LEARN)

    def divergence(rows, shard, of):
        with turn_rng(0, 0, 0, shard=shard, num_shards=of):
            return next(game.round(iter([(x[rows], labels[rows])]), 0)).terms["divergence"].item()

    whole, parts = divergence(slice(4), 0, 1), [divergence(slice(2 * k, 2 * k + 2), k, 2) for k in range(2)]
    assert whole == pytest.approx(0.05 * 4 * 2)
    assert sum(parts) / 2 == pytest.approx(whole)


# --- inputs of the networks


def test_every_image_is_scored_with_its_own_label_map_and_generated_from_it():
    G, D = painter(), scales((flat(0.0), flat(0.0)))
    game = GauGAN(G, D, encoder(), regions=REGIONS, **LEARN)
    x, labels = next(mapped())
    list(game.round(iter([(x, labels)]), 0))
    m = game.spread(labels)
    (fake, beside), (real, known), (both, twice) = D.shown
    torch.testing.assert_close(beside, m)
    torch.testing.assert_close(known, m)
    torch.testing.assert_close(twice, torch.cat([m, m]))
    torch.testing.assert_close(real, x)
    torch.testing.assert_close(both, torch.cat([fake, x]))
    assert all(torch.equal(given[0], m) for given in G.shown)


def test_labels_are_spread_and_what_is_no_class_is_unknown():
    labels = torch.tensor([[[0, 2], [3, 255], [-1, 1]]])
    m = small().spread(labels)
    assert m.shape == (1, 4, 3, 2)
    assert m[0].argmax(0).tolist() == [[0, 2], [3, 3], [3, 1]]
    assert (m.sum(1) == 1).all()


def test_fakes_are_drawn_anew_in_the_critics_move():
    G = painter()
    game = GauGAN(G, scales((flat(0.0), flat(0.0))), encoder(2.0), regions=REGIONS, **LEARN)
    list(game.round(mapped(), 0))
    first, second = (given[1] for given in G.shown)
    assert (first - second).abs().max() > 0.1
    assert torch.cat([first, second]).mean().item() == pytest.approx(2, abs=0.6)


def test_further_moves_of_the_critic_take_new_batches():
    game, drawn = small(critic_steps=3), []

    def counted():
        for batch in mapped():
            drawn.append(1)
            yield batch

    assert [move.player for move in game.round(counted(), 0)] == ["G", "D", "D", "D"]
    assert len(drawn) == 3
    assert check_game(game, mapped()).turns == (("G",), ("D",), ("D",), ("D",))


def test_the_generator_player_owns_the_encoder_and_no_parameter_has_two_players():
    game = small()
    players = game.players()
    parts = {name: {id(p) for p in trainable_parameters(player)} for name, player in players.items()}
    assert parts["G"] == {id(p) for network in (game.G, game.E) for p in network.parameters()}
    assert parts["D"] == {id(p) for p in game.D.parameters()}
    assert not parts["G"] & parts["D"]
    assert [touched(game, move) for move in game.round(mapped(), 0)] == [{"G", "E"}, {"D"}]


def reached(game, term):
    """The networks in which a term has a gradient."""
    names, parameters = zip(*game.named_parameters(), strict=True)
    grads = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
    return {n.split(".")[0] for n, g in zip(names, grads, strict=True) if g is not None and g.abs().sum() > 0}


def test_each_term_reaches_what_it_is_about():
    generator_move, critic_move = small().round(mapped(), 0)
    for game in (small(),):
        generator_move, critic_move = game.round(mapped(), 0)
        assert reached(game, generator_move.terms["adversarial"]) == {"G", "E", "D"}
        assert reached(game, generator_move.terms["matching"]) == {"G", "E", "D"}
        assert reached(game, generator_move.terms["divergence"]) == {"E"}
        assert reached(game, critic_move.terms["adversarial"]) == {"D"}, "fakes are stopped in D's move"


def test_features_of_real_images_are_stopped():
    """So D's weight, a gain on the image, has the gradient of what it makes of fakes alone: λ · E sign(wf − wr) f."""

    class Gain(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(1.0))

        def forward(self, x, m):
            return [[self.weight * x, self.weight * x.mean((2, 3))]]

    game = GauGAN(painter(0.5), Gain(), encoder(), regions=REGIONS, **LEARN)
    data = iter([(torch.full((2, *SHAPE), -1.0), torch.zeros(2, 16, 16, dtype=torch.long))])
    move = next(game.round(data, 0))
    (slope,) = torch.autograd.grad(move.terms["matching"], game.D.weight)
    assert slope.item() == pytest.approx(10 * 0.5)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"style": False},
        {"style_norm": False},
        {"norm": "instance"},
        {"reduction": "mean"},
        {"scales": 1, "layers": 2},
        {"shape": (1, 32, 32)},
    ],
    ids=str,
)
def test_the_game_keeps_the_rules(settings):
    shape = settings.get("shape", SHAPE)
    seen = check_game(small(**settings), mapped(shape=shape))
    assert seen.turns == (("G",), ("D",))
    terms = ("adversarial", "matching") + (("divergence",) if settings.get("style", True) else ())
    assert seen.terms == {"G": terms, "D": ("adversarial",)}


def test_a_technique_around_it_leaves_its_abilities():
    wrapped = HistoricalAveraging(small(), 0.5)
    assert isinstance(wrapped, SupportsLabelMaps)
    check_game(wrapped, mapped())


def test_noise_on_images_is_refused_since_their_features_are_compared():
    with pytest.raises(GameError, match="GauGAN compares the features"):
        InstanceNoise(small(), 0.5)


def test_a_stop_leaves_no_trace():
    assert after_a_stop(small, mapped) == ""


# --- painting


def test_it_paints_and_refuses_unsupported_requests():
    game = small()
    assert isinstance(game, SupportsLabelMaps)
    assert not isinstance(game, (SupportsSampling, SupportsEncoding, SupportsTranslation))
    with pytest.raises(GameError, match="GauGAN learns from images with label maps, and its data has none"):
        next(game.round(iter([(torch.zeros(2, *SHAPE),)]), 0))
    with pytest.raises(GameError, match="label maps"):
        next(game.round(iter([(torch.zeros(2, *SHAPE), torch.zeros(2, dtype=torch.long))]), 0))
    with pytest.raises(DataError, match="GauGAN needs a label map with each image"):
        gaugan(SHAPE)


def test_maps_of_any_size_are_reflected_about_their_border_and_cropped():
    game = small(norm="instance").eval()
    assert game.G.multiple == 4
    styles = torch.randn(2, 5)
    labels = torch.randint(REGIONS, (2, 18, 21))
    made = game.paint(labels, styles)
    assert made.shape == (2, 3, 18, 21)
    full = nn.functional.pad(labels[:, None].float(), (1, 2, 1, 1), mode="reflect")[:, 0].long()
    torch.testing.assert_close(made, game.paint(full, styles)[..., 1:19, 1:22])


def test_a_style_is_a_mean_of_the_encoder_or_a_draw():
    game = small(style_norm=False).eval()
    x = torch.randn(3, *SHAPE)
    torch.testing.assert_close(game.encode_style(x), game.E(x)[:, :5])
    with fixed_seed(3):
        first = game.styles(2)
    with fixed_seed(3):
        assert torch.equal(game.styles(2), first)
    assert first.shape == (2, 5)
    labels = torch.randint(REGIONS, (1, 16, 16))
    assert (game.paint(labels, first[:1]) - game.paint(labels, first[1:])).abs().max() > 1e-3


def test_without_styles_a_map_has_one_picture():
    game = small(style=False).eval()
    assert game.sampling_networks() == ("G",)
    assert game.styles(2).shape == game.encode_style(torch.randn(2, *SHAPE)).shape == (2, 0)
    labels = torch.randint(REGIONS, (2, 16, 16))
    assert torch.equal(game.paint(labels, game.styles(2)), game.paint(labels, game.styles(2)))


# --- learning


class Blind(GauGAN):
    """The label map is dropped: every place is unknown."""

    def spread(self, labels):
        return super().spread(torch.full_like(labels, self.regions))


def stripes(n=16):
    """Class 0 is dark and class 1 bright, as in the map."""
    generator = torch.Generator().manual_seed(0)
    while True:
        labels = torch.randint(2, (n, 2, 2), generator=generator)
        labels = labels.repeat_interleave(4, 1).repeat_interleave(4, 2)
        yield (1.6 * labels[:, None].float() - 0.8).expand(-1, 3, -1, -1).contiguous(), labels


@pytest.mark.parametrize("kind", [GauGAN, Blind])
def test_the_map_is_obeyed_unless_it_is_dropped(kind):
    torch.manual_seed(0)
    whole = gaugan((3, 8, 8), 2, networks=Painters("instance", latent=4, width=8, hidden=8, scales=1, gain=1.0))
    rate = {"critic": partial(adam, lr=2e-3, betas=(0.0, 0.9)), "generator": partial(adam, lr=2e-3, betas=(0.0, 0.9))}
    game = kind(whole.G, whole.D, whole.E, regions=2, **rate)
    for _ in train(game, stripes(), 60):
        continue
    x, labels = next(stripes())
    with turn_rng(0, 0, 0):
        error = (game.eval().paint(labels, game.styles(len(x))) - x).abs().mean().item()
    assert (error < 0.4) == (kind is GauGAN), error
