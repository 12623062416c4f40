"""StackGAN: its terms by hand, who gets which gradient in which stage, what is a wrong pair, what a sentence draws."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from sparring.abilities import SupportsText
from sparring.check import check_game
from sparring.data import load as load_data
from sparring.data.annotations.captions import tokenize
from sparring.data.stream import scale_images
from sparring.errors import DataError, GameError
from sparring.game import adam
from sparring.games.common.caption_pairs import are_different, sample_mismatched
from sparring.games.stackgan import Second, StackGAN
from sparring.inference.sampling import sample_seeds
from sparring.layers.pyramid import downsample, upsample
from sparring.networks.common.text import HashedTextEncoder
from sparring.networks.stackgan import StackGANCritic, StageIGenerator, StageIIGenerator
from sparring.recipes.options import Adam
from sparring.recipes.stackgan import stackgan
from sparring.rng import fixed_seed
from sparring.runs.run import Run
from sparring.runs.state import load_game
from sparring.training.trainer import train, trainable_parameters, update
from support.captions import as_lines
from support.runs import difference, play

SHAPE = (1, 16, 16)


CAPTIONS = ("a red heart", "a blue heart", "one dog", "two dogs")


LN2 = math.log(2)


def captioned(described=CAPTIONS, shape=SHAPE):
    generator = torch.Generator().manual_seed(0)
    while True:
        yield torch.randn(len(described), *shape, generator=generator).clamp(-1, 1), tokenize(described)


def small(captions=CAPTIONS, shape=SHAPE, **settings) -> StackGAN:
    torch.manual_seed(0)
    return stackgan(shape, captions, width=4, condition=3, latent=5, features=16, **settings)


# --- the terms


class Fixed(nn.Module):
    """A generator or critic whose outputs are given; its one parameter gets a gradient of zero."""

    def __init__(self, mean=0.0, log_variance=0.0, score=lambda x, phi: torch.zeros(len(x), 1), side=16):
        super().__init__()
        self.weight, self.latent, self.condition = nn.Parameter(torch.zeros(())), 5, 4
        self.mean, self.log_variance, self.score, self.side = mean, log_variance, score, side
        self.register_buffer("begun", torch.tensor(False))

    def augment(self, phi):
        return torch.full((len(phi), 4), self.mean), torch.full((len(phi), 4), self.log_variance)

    def forward(self, first, second):
        if second.shape[1] == 4:  # a condition: it is a generator
            return torch.zeros(len(first), 1, self.side, self.side) + self.weight
        return self.score(first, second) + 0 * self.weight


def by_hand(score, *, two=False, mean=1.0, log_variance=0.0, described=CAPTIONS, data=None, **settings):
    """The moves of a round between stubs."""
    G, G2 = Fixed(mean, log_variance, side=8 if two else 16), Fixed(mean, log_variance)
    D = Fixed(score=score)
    player = {"critic": lambda D: adam(D, lr=0.1), "generator": lambda G: adam(G, lr=0.1)}
    second = Second(G2, D, 0, downsample, upsample) if two else None
    fixed = StackGAN(
        HashedTextEncoder(16),
        G,
        D if not two else Fixed(),
        captions=tokenize(CAPTIONS),
        second=second,
        **player,
        **settings,
    )
    return {
        move.player: {k: v.item() for k, v in move.terms.items()}
        for move in fixed.round(data or captioned(described), 0)
    }


def test_the_loss_of_an_uninformed_critic_is_two_log_two_in_either_stage():
    first = by_hand(lambda x, phi: torch.zeros(len(x), 1))
    assert sum(first["D"].values()) == pytest.approx(2 * LN2)
    assert first["D"] == pytest.approx({"adversarial": 1.5 * LN2, "matching": 0.5 * LN2})
    assert first["G"] == pytest.approx({"adversarial": LN2, "divergence": 0.5})
    second = by_hand(lambda x, phi: torch.zeros(len(x), 2), two=True)
    assert sum(second["D2"].values()) == pytest.approx(2 * LN2)
    assert second["D2"] == pytest.approx({"adversarial": LN2 * 5 / 3, "matching": LN2 / 3})
    assert second["G2"] == pytest.approx({"adversarial": 2 * LN2, "divergence": 0.5})


def test_the_terms_have_the_right_signs_and_weights():
    """Fakes are zero everywhere; the right captions of hearts and dogs differ by their own vectors."""
    right = HashedTextEncoder(16)(tokenize(CAPTIONS))

    def score(x, phi):
        real, fits = x.flatten(1).abs().amax(1) > 0, (phi == right[: len(phi)]).all(1)
        return torch.where(real & fits, 2.0, torch.where(real, -1.0, -3.0))[:, None]

    moves = by_hand(score)
    cost = lambda logit: math.log1p(math.exp(logit))  # noqa: E731
    assert moves["D"]["adversarial"] == pytest.approx(cost(-2) + cost(-3) / 2)
    assert moves["D"]["matching"] == pytest.approx(cost(-1) / 2)
    assert moves["G"]["adversarial"] == pytest.approx(cost(3))


@pytest.mark.parametrize("two", [False, True])
def test_critics_may_pay_for_their_slope_at_true_pairs_in_either_stage(two):
    """Each head is the image's sum times the first entry of its caption, so that its slope is that at every pixel."""
    words = HashedTextEncoder(16)(tokenize(CAPTIONS))

    def score(x, phi):
        return (x.sum((1, 2, 3)) * phi[:, 0])[:, None].expand(-1, 1 + two)

    moves = by_hand(score, two=two, penalty=0.4)
    slopes = 16**2 * ((1 + two) * words[:, 0]).square()
    assert moves["D2" if two else "D"]["r1"] == pytest.approx(0.4 / 2 * slopes.mean().item(), rel=1e-5)
    assert "r1" not in moves["G2" if two else "G"]
    assert "r1" not in by_hand(score, two=two)["D2" if two else "D"]
    assert small(penalty=0.1).penalty == 0.1


def test_a_wrong_pair_has_no_realness_term():
    right = HashedTextEncoder(16)(tokenize(CAPTIONS))

    def score(x, phi):
        real, fits = x.flatten(1).abs().amax(1) > 0, (phi == right[: len(phi)]).all(1)
        wrong = real & ~fits
        return torch.stack([torch.zeros(len(x)), torch.where(wrong, 50.0, 0.0)], 1)

    assert by_hand(score, two=True)["D2"] == pytest.approx({"adversarial": LN2 * 5 / 3, "matching": LN2 / 3})


@pytest.mark.parametrize(("mean", "log_variance", "expected"), [(1, 0, 0.5), (0, 0, 0), (0, 1, (math.e - 2) / 2)])
def test_the_divergence_is_a_mean_over_coordinates(mean, log_variance, expected):
    moves = by_hand(lambda x, phi: torch.zeros(len(x), 1), mean=mean, log_variance=log_variance, divergence=3.0)
    assert moves["G"]["divergence"] == pytest.approx(3 * expected, abs=1e-6)


def test_the_game_uses_the_nearest_of_the_configured_number_of_wrong_captions():
    right = HashedTextEncoder(16)(tokenize(CAPTIONS))
    nearest = right[torch.cdist(right, right).fill_diagonal_(torch.inf).argmin(1)]

    def score(x, phi):
        hard = (x.flatten(1).abs().amax(1) > 0) & (phi == nearest[: len(phi)]).all(1)
        return torch.where(hard, 3.0, -50.0)[:, None]

    assert by_hand(score, rivals=9)["D"]["matching"] == pytest.approx(math.log1p(math.exp(3)) / 2)


def test_rows_without_a_wrong_caption_are_left_out():
    moves = by_hand(lambda x, phi: torch.zeros(len(x), 1), described=("a heart",) * 4)
    assert moves["D"] == pytest.approx({"adversarial": 1.5 * LN2, "matching": 0.0})
    _, there = sample_mismatched(are_different(torch.rand(3, 1, 8, 8), tokenize(["a", "a", "a"])), torch.rand(3, 2), 9)
    assert not there.any()
    x, codes = next(captioned(("a heart", "a heart", "a dog")))
    x[2] = x[0]  # so that of the first row the one has its caption and the other its image
    moves = by_hand(lambda x, phi: torch.zeros(len(x), 1), data=iter([(x, codes)]))
    assert moves["D"]["matching"] == pytest.approx(0.5 * LN2), "the mean is over rows that have one"


# --- whose gradient


def touched(game, move):
    """The parameters that a move's loss changes, and their networks."""
    players = game.players()
    before = {name: parameter.detach().clone() for name, parameter in game.named_parameters()}
    update(move, players)
    return {name.split(".")[0] for name, p in game.named_parameters() if not torch.equal(p, before[name])}


def test_each_move_changes_its_own_players_networks_and_stage_one_is_frozen_in_stage_two():
    game = small(refine_from=1, text="recurrent", reading=1)
    first = {move.player: touched(game, move) for move in game.round(captioned(), 0)}
    assert first == {"T": {"text", "E"}, "D": {"D"}, "G": {"G"}}
    frozen = {name: value.clone() for name, value in game.G.state_dict().items()}
    second = {move.player: touched(game, move) for move in game.round(captioned(), 1)}
    assert second == {"D2": {"D2"}, "G2": {"G2"}}
    assert difference(frozen, dict(game.G.state_dict())) == "", "its batch statistics moved"
    assert game.G.training


def test_no_gradient_reaches_across():
    game = small(refine_from=0, text="recurrent", reading=0)
    for move in game.round(captioned(), 0):
        game.zero_grad()
        move.loss.backward()
        got = {
            name.split(".")[0] for name, p in game.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0
        }
        assert got == ({"D2"} if move.player == "D2" else {"G2", "D2"}), (
            "neither words nor stage I, nor G2 in D2's move"
        )


def test_both_terms_of_g_reach_its_conditions():
    game = small()
    *_, move = game.round(captioned(), 0)
    for term in move.terms.values():
        (grad,) = torch.autograd.grad(term, [game.G.conditions.weight], retain_graph=True)
        assert grad.abs().sum() > 0


def test_players_own_everything_once():
    game = small(refine_from=1, text="recurrent")
    players = game.players()
    assert list(players) == ["D", "G", "D2", "G2", "T"]
    parts = [{id(p) for p in trainable_parameters(player)} for player in players.values()]
    assert sum(map(len, parts)) == len(set().union(*parts)) == len(list(game.parameters()))


@pytest.mark.parametrize("settings", [{}, {"refine_from": 1}, {"refine_from": 0, "text": "recurrent"}])
def test_the_game_keeps_the_rules(settings):
    if settings.get("refine_from") == 0:  # stage I never learns
        with pytest.raises(GameError, match="never received a gradient"):
            check_game(small(**settings), captioned())
        return
    check_game(small(**settings), captioned())


# --- samples


def test_until_stage_two_begins_samples_are_stage_ones_in_twice_the_size():
    game = small(refine_from=5).eval()
    with fixed_seed(0):
        noise = game.noise(4)
    coarse = game.sample(4, noise=noise)
    z, e, _, phi = noise.split([5, 3, 3, 16], 1)
    mean, log_variance = game.G.augment(phi)
    torch.testing.assert_close(coarse, upsample(game.G(z, mean + (log_variance / 2).exp() * e)))
    list(game.round(captioned(), 5))
    assert game.G2.begun
    game.G2.body[-1].bias.data.fill_(1.0)  # it adds something
    assert game.eval().sample(4, noise=noise).sub(coarse).min() > 0.5


def test_a_sentence_changes_the_caption_and_nothing_else():
    game = small().eval()
    assert isinstance(game, SupportsText)
    with fixed_seed(0):
        noise = game.noise(3)
    conditioned = game.with_text(noise, tokenize(["a red heart"]))
    assert torch.equal(conditioned[:, :-16], noise[:, :-16])
    torch.testing.assert_close(conditioned[:, -16:], HashedTextEncoder(16)(tokenize(["a red heart"])).expand(3, -1))
    other = game.with_text(noise, tokenize(["two dogs"]))
    assert (game.sample(3, noise=conditioned) - game.sample(3, noise=other)).abs().max() > 1e-4


def test_noise_contains_the_given_captions():
    rows = HashedTextEncoder(16)(tokenize(CAPTIONS))
    with fixed_seed(0):
        phi = small().noise(64)[:, -16:]
    nearest = torch.cdist(phi, rows).min(1)
    assert nearest.values.max() < 0.01
    assert set(nearest.indices.tolist()) == {0, 1, 2, 3}
    with fixed_seed(1):
        one = small().noise(1)
    with fixed_seed(1):
        assert torch.equal(one, small().noise(1))


def test_truncation_leaves_the_sentence_as_it_is():
    game = small().eval()
    noise = game.with_text(torch.randn(2, 24), tokenize(["a red heart"]))
    still = game.sample(2, noise=noise, truncation=0.0)
    torch.testing.assert_close(still[0], still[1])
    other = game.sample(2, noise=game.with_text(noise, tokenize(["two dogs"])), truncation=0.0)
    assert (still - other).abs().max() > 1e-5


# --- refusals, sizes, runs


def test_what_cannot_be_is_refused_in_a_sentence():
    with pytest.raises(DataError, match=r"needs captions: put a metadata\.jsonl"):
        stackgan(SHAPE)
    with pytest.raises(DataError, match="16 × 16 at least"):
        small(shape=(1, 8, 8), refine_from=1)
    with pytest.raises(GameError, match="its data has none"):
        next(small().round(iter([(torch.zeros(4, *SHAPE), torch.zeros(4, dtype=torch.long))]), 0))
    with pytest.raises(ValueError, match="this critic takes"):
        StackGANCritic((1, 16, 16), 16, 3, 4)(torch.zeros(1, 1, 8, 8), torch.zeros(1, 16))


@pytest.mark.parametrize("side", [16, 32, 64])
def test_the_networks_make_and_read_every_size(side):
    shape, phi = (3, side, side), torch.randn(2, 16)
    G, G2 = StageIGenerator(shape, 16, 5, 3, 2), StageIIGenerator(shape, 16, 3, 2)
    assert G(torch.randn(2, 5), torch.randn(2, 3)).shape == (2, *shape)
    assert G2(torch.zeros(2, 3, side // 2, side // 2), torch.randn(2, 3)).shape == (2, *shape)
    for heads in (1, 2):
        assert StackGANCritic(shape, 16, 3, 2, heads)(torch.zeros(2, *shape), phi).shape == (2, heads)


def test_stage_two_begins_with_the_coarse_image_and_adds_what_is_missing():
    G2, coarse, c = StageIIGenerator((3, 16, 16), 16, 3, 2), torch.rand(2, 3, 8, 8) * 2 - 1, torch.randn(2, 3)
    with torch.no_grad():
        G2.body[-1].weight.zero_(), G2.body[-1].bias.zero_()
        torch.testing.assert_close(G2(coarse, c), 0.9 * upsample(coarse))
        G2.body[-1].bias.fill_(1.0)
        torch.testing.assert_close(G2(coarse, c), torch.tanh(1 + torch.atanh(0.9 * upsample(coarse))))
        assert G2(torch.ones(2, 3, 8, 8), c).isfinite().all()


class Anew(StageIIGenerator):
    """The paper's form, which draws the whole image anew."""

    def forward(self, coarse, c):
        seen = self.down(coarse)
        return torch.tanh(self.body(torch.cat([seen, c[:, :, None, None].expand(-1, -1, *seen.shape[2:])], 1)))


class Oracle(nn.Module):
    """A perfect stage I: z chooses a real digit of the class of φ, drawn at half the side."""

    def __init__(self, inner, images, labels, embedded):
        super().__init__()
        self.inner, self.latent, self.condition = inner, inner.latent, inner.condition
        self.images, self.embedded = images, embedded
        self.rows = [(labels == k).nonzero()[:, 0] for k in range(10)]

    def augment(self, phi):
        self.kinds = torch.cdist(phi, self.embedded).argmin(1).tolist()
        return self.inner.augment(phi)

    def forward(self, z, c):
        draws = torch.special.ndtr(z[:, 0]).clamp_max(0.999).tolist()
        chosen = zip(self.kinds, draws, strict=True)
        self.drawn = torch.stack([self.rows[kind][int(u * len(self.rows[kind]))] for kind, u in chosen])
        return downsample(self.images[self.drawn])


@pytest.mark.parametrize("form", [StageIIGenerator, Anew])
def test_stage_two_keeps_the_output_of_stage_one_while_it_learns_and_the_papers_form_loses_it(monkeypatch, form):
    """Eighty rounds on real digits, behind a stage I that makes no mistakes."""
    data = load_data("digits", size=16, channels=1)
    images, labels = scale_images(data.rows(np.arange(len(data)))[0]), torch.from_numpy(data.labels)
    texts = [f"the digit {k}" for k in range(10)]
    monkeypatch.setattr("sparring.recipes.stackgan.StageIIGenerator", form)
    torch.manual_seed(0)
    game = stackgan((1, 16, 16), texts, refine_from=0, width=8, condition=8, features=64, latent=8)
    embedded = game.text(tokenize(texts))
    game.G = Oracle(game.G, images, labels, embedded)
    generator = torch.Generator().manual_seed(1)
    rows = iter(lambda: torch.randint(len(images), (32,), generator=generator), None)
    for _ in train(game, ((images[i], tokenize(texts)[labels[i]]) for i in rows), 80):
        continue
    game.eval()
    with torch.no_grad():
        phi, z = embedded.repeat(20, 1), torch.randn(200, 8, generator=generator)
        game.G.augment(phi)
        made = game.G2(game.G(z, None), game.G2.augment(phi)[0])
    nearest = torch.cdist(made.flatten(1), images.flatten(1)).argmin(1)
    kept = (labels[nearest] == labels[game.G.drawn]).double().mean().item()
    assert kept > 0.95 if form is StageIIGenerator else kept < 0.3


def emoji(folder):
    from PIL import Image

    folder.mkdir()
    for k in range(4):
        Image.new("RGB", (16, 16), (60 * k, 255 - 60 * k, 99)).save(folder / f"{k}.png")
    as_lines(folder, [f"{k}.png" for k in range(4)], [(text,) for text in CAPTIONS])
    return folder


def start(folder, data):
    arguments = {"width": 4, "condition": 3, "latent": 5, "features": 16, "refine_from": 2, "text": "recurrent"}
    return Run.create(folder, "stackgan", data=data, arguments=arguments, batch_size=4, device="cpu")


def test_a_run_of_both_stages_resumes_bit_for_bit_and_samples_without_its_data(tmp_path):
    data = emoji(tmp_path / "emoji")
    straight = play(start(tmp_path / "straight", data), 4)
    for steps in (1, 2, 3, 4):
        stopped = play(start(tmp_path / "stopped", data), steps)
    assert difference(straight.state.state_dict(), stopped.state.state_dict()) == ""
    assert (tmp_path / "straight/log.jsonl").read_bytes() == (tmp_path / "stopped/log.jsonl").read_bytes()
    for path in data.iterdir():
        path.unlink()
    assert sample_seeds(load_game(tmp_path / "straight", device="cpu"), [0, 1]).shape == (2, 3, 16, 16)
    assert straight.config.data.facts.vocabulary == ("a", "blue", "dog", "dogs", "heart", "one", "red", "two")


# --- learning


def measured_redness(game):
    """How much redder samples of "a red square" are than those of "a blue square", from −2 to 2."""
    game.eval()
    with fixed_seed(7):
        noise = game.noise(32)
    red, blue = (
        game.sample(32, noise=game.with_text(noise, tokenize([f"a {name} square"]))) for name in ("red", "blue")
    )
    game.train()
    return ((red[:, 0] - red[:, 2]).mean() - (blue[:, 0] - blue[:, 2]).mean()).item() / 2


@pytest.mark.parametrize("truth", [True, False])
def test_the_requested_colour_is_drawn_and_not_where_captions_are_random(truth):
    def coloured():
        generator = torch.Generator().manual_seed(0)
        while True:
            red = torch.rand(16, generator=generator) < 0.5
            x = 2 * torch.stack([red, red & False, ~red], 1).float()[:, :, None, None].expand(-1, -1, 8, 8) - 1
            colours = red if truth else torch.rand(16, generator=generator) < 0.5
            yield (
                x + 0.1 * torch.randn(x.shape, generator=generator),
                tokenize([f"a {'red' if one else 'blue'} square" for one in colours]),
            )

    torch.manual_seed(0)
    captions, learn = ("a red square", "a blue square"), {"critic": Adam(1e-3), "generator": Adam(1e-3)}
    game = stackgan((3, 8, 8), captions, width=16, condition=8, latent=5, features=16, **learn)
    for _ in train(game, coloured(), 80):
        continue
    assert (measured_redness(game) > 1) == truth
