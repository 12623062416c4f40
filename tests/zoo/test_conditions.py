"""Conditional games are trained, sampled and evaluated at the frequencies of classes or captions in the data."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from sparring.cli import main
from sparring.data import DataFacts, Dataset
from sparring.data.annotations.captions import Captions, tokenize
from sparring.data.stream import scale_images
from sparring.errors import GameError
from sparring.evaluation import evaluator
from sparring.evaluation.sample_sets import condition_sampler, generated_batches
from sparring.game import Game
from sparring.games.cgan import MatchingGAN, SeparateGAN, wrong
from sparring.games.common import class_frequencies
from sparring.games.conditional import ConditionalGAN
from sparring.inference import conditional
from sparring.inference.sampling import latents_from_seeds
from sparring.metrics import ModuleExtractor, same_protocol
from sparring.objectives import NonSaturating
from sparring.recipes.cgan import cgan
from sparring.recipes.options import Networks
from sparring.recipes.sagan_biggan import biggan, sagan
from sparring.recipes.stackgan import stackgan
from sparring.reports.run_report import protocol
from sparring.rng import fixed_seed, rand
from sparring.runs.evaluation import evaluate_run
from sparring.runs.run import Run
from sparring.runs.state import load_game
from sparring.training.trainer import train
from sparring.wrappers.ensemble import Ensemble
from sparring.wrappers.instance_noise import InstanceNoise
from support import runs

quick = pytest.fixture(autouse=True)(runs.quick)
pixels = ModuleExtractor(nn.Flatten(), "pixels")
UNEVEN = (450, 50)


def squares(counts=UNEVEN, seed=0, **more):
    """Images whose mean is that of their class, in an order in which the classes are mixed."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    level = 60 + 140 * labels / max(len(counts) - 1, 1)
    values = rng.normal(level[:, None, None, None], 12, (len(labels), 8, 8, 1)).clip(0, 255).astype(np.uint8)
    return Dataset("squares", values, labels, tuple(map(str, range(len(counts)))), **more)


class Oracle(nn.Module):
    """A generator whose images of a class are images of that class."""

    latent = 1

    def __init__(self, dataset):
        super().__init__()
        rows, self.labels = dataset.rows(np.arange(len(dataset)))
        self.rows = nn.Parameter(scale_images(rows))

    def forward(self, z, y):
        of_class = [torch.nonzero(self.labels == k)[:, 0] for k in range(y.shape[1])]
        share = torch.special.ndtr(z[:, 0]).clamp(0, 1 - 1e-6)
        picked = [of_class[k][int(u * len(of_class[k]))] for k, u in zip(y.argmax(1).tolist(), share, strict=True)]
        return self.rows[torch.stack(picked)]


def oracle(dataset, kind=ConditionalGAN):
    """A conditional game that has learned the data by heart."""
    game = kind(
        Oracle(dataset), nn.Flatten(), NonSaturating(), classes=len(dataset.classes), critic=None, generator=None
    )
    game.set_class_counts(dataset.counts())
    return game


def score(scores, name="Fréchet distance"):
    return next(each.value for each in scores if each.name == name)


def requested_classes(training, held_out, count):
    """Return the classes requested from an oracle in its evaluation."""
    game = oracle(training)
    _, drawing = condition_sampler(game, training, held_out)
    return torch.cat([labels for _, labels in generated_batches(game, training, count, 0, drawing)])


# --- evaluated


def test_an_oracle_that_draws_each_class_exactly_scores_as_real_data_do_however_uneven_the_classes():
    dataset = squares()
    found = evaluator.evaluate(oracle(dataset), dataset, extractor=pixels)
    real, noise = (score(found.references[name]) for name in ("data", "noise"))
    assert score(found.scores) < 2 * real
    assert score(found.scores) < noise / 100
    for name in ("precision", "recall"):
        assert score(found.scores, name) > score(found.references["data"], name) - 0.05


def test_samples_are_evaluated_with_the_classes_of_the_reference_split():
    training, held_out = squares((450, 50)), squares((60, 240), seed=1)
    found = evaluator.evaluate(oracle(training), training, held_out=held_out, extractor=pixels)
    assert score(found.scores) < score(found.references["data"]) / 10, "the training data has other shares"
    requested = requested_classes(training, held_out, 300)
    assert torch.bincount(requested).tolist() == pytest.approx([60, 240], abs=3 * 7)


def test_the_stamp_records_whose_classes_were_requested():
    training, held_out = squares(), squares(seed=1)
    alone = evaluator.evaluate(oracle(training), training, extractor=pixels).scores[0]
    held = evaluator.evaluate(oracle(training), training, held_out=held_out, extractor=pixels).scores[0]
    assert alone.protocol["conditions"] == "classes as in the data"
    assert held.protocol["conditions"] == "classes as in the held-out split"
    assert protocol(held).count("classes as in the held-out split") == 1
    before = {name: value for name, value in held.protocol.items() if name != "conditions"}
    assert not same_protocol(held.protocol, before), "uniform classes are another protocol"


class Own(Game):
    """A user's game that draws classes by a law of its own."""

    def __init__(self):
        super().__init__()
        self.level = nn.Parameter(torch.zeros(1))

    def players(self):
        return {}

    def round(self, data, step):
        yield

    def noise(self, n):
        return rand(n, 1)

    def sample(self, n, *, noise=None):
        return self.level.expand(len(noise), 1, 8, 8) + noise[:, :, None, None]

    def class_of(self, noise):
        return (noise[:, 0] > 0.5).long()


def test_the_stamp_records_a_class_distribution_of_the_game():
    dataset = squares()
    stamp = evaluator.evaluate(Own(), dataset, extractor=pixels).scores[0].protocol
    assert stamp["conditions"] == "classes as the game draws them"
    assert evaluator.evaluate(Own(), squares((500,)), extractor=pixels).scores[0].protocol["conditions"]


def test_a_class_absent_from_training_is_not_requested_in_evaluation():
    training, held_out = squares((0, 100, 100)), squares((50, 50, 50), seed=1)
    requested = requested_classes(training, held_out, 120)
    assert torch.bincount(requested, minlength=3)[0] == 0


def test_other_data_with_another_number_of_classes_are_refused():
    with pytest.raises(GameError, match="2 classes, and the data has 3"):
        evaluator.evaluate(oracle(squares()), squares((20, 20, 20)), extractor=pixels)


# --- drawn


def test_noise_draws_classes_as_the_data_has_them():
    game, many = oracle(squares((450, 50))), 20_000
    with fixed_seed(0):
        found = torch.bincount(game.class_of(game.noise(many))).tolist()
    assert found == pytest.approx([18_000, 2_000], abs=4 * (many * 0.9 * 0.1) ** 0.5)


@pytest.mark.parametrize("counts", [(7,), (5, 5, 5), (10,) * 10, (3,) * 37, (1300,) * 1000])
def test_even_classes_are_drawn_by_the_same_bits_as_before(counts):
    game = ConditionalGAN(
        Oracle(squares((2, 2))), nn.Flatten(), NonSaturating(), classes=len(counts), critic=None, generator=None
    )
    game.frequencies.counts.copy_(torch.tensor(counts))
    with fixed_seed(3):
        drawn = game.class_of(game.noise(5000))
    with fixed_seed(3):
        torch.manual_seed(0)
        from sparring.rng import randn

        randn(5000, 1)
        expected = (len(counts) * rand(5000)).long()
    assert torch.equal(drawn, expected)


@pytest.mark.parametrize("counts", [(0, 5, 5), (5, 0, 5), (5, 5, 0), (0, 0, 1, 0), (0, 1, 999_999, 0)])
def test_a_class_without_images_is_never_drawn(counts):
    game = ConditionalGAN(
        Oracle(squares((2, 2))), nn.Flatten(), NonSaturating(), classes=len(counts), critic=None, generator=None
    )
    game.frequencies.counts.copy_(torch.tensor(counts))
    with fixed_seed(0):
        found = torch.bincount(game.class_of(game.noise(5000)), minlength=len(counts))
    assert all(count == 0 for count, there in zip(found.tolist(), counts, strict=True) if not there)


def test_the_ends_of_the_interval_belong_to_classes_with_images(monkeypatch):
    monkeypatch.setattr(class_frequencies, "rand", lambda n, device: torch.tensor([0.0, 0.5, 1 - 2**-24]))
    assert class_frequencies.sample_classes(torch.tensor([0, 1, 1, 0]), 3).tolist() == [1, 2, 2]


def test_a_class_without_images_is_no_value_of_the_code_and_refused_on_request():
    game = oracle(squares((0, 5, 5)))
    assert game.latent_codes() == {"class": (1, 2)}
    assert conditional.traverse(game, "class", [0, 1]).shape[:2] == (2, 2)
    with pytest.raises(GameError, match=r"The class 0 has no training images.*1, 2"):
        conditional.sample_class(game, [0], 0)
    with pytest.raises(GameError, match="no class 3: this game has 3 classes"):
        conditional.sample_class(game, [0], 3)


def test_a_wrong_label_is_one_of_the_classes_that_have_images():
    y = torch.nn.functional.one_hot(torch.tensor([1, 3] * 200), 4).float()
    with fixed_seed(0):
        others = wrong(y, torch.tensor([0, 5, 0, 5])).argmax(1)
    assert others.tolist() == [3, 1] * 200
    with fixed_seed(0):
        everyone = wrong(y, torch.tensor([1, 1, 1, 1]))
    with fixed_seed(0):
        assert torch.equal(everyone, wrong(y))


@pytest.mark.parametrize("kind", [MatchingGAN, SeparateGAN])
def test_games_with_wrong_labels_need_two_classes_with_images(kind):
    with pytest.raises(GameError, match="2 classes"):
        oracle(squares((0, 20)), kind)


@pytest.mark.parametrize("make", [sagan, biggan, lambda *a, **k: cgan(*a, design="projection", **k)])
def test_fakes_of_a_training_have_the_classes_of_the_training_split(make):
    dataset = squares((360, 40))
    settings = {"networks": Networks(width=4)} if make not in (sagan, biggan) else {"width": 4}
    game = make((1, 8, 8), 2, **settings)
    game.set_class_counts(dataset.counts())
    requested, forward = [], game.G.forward
    game.G.forward = lambda z, y: requested.append(y.argmax(1)) or forward(z, y)
    x, labels = dataset.rows(np.arange(200))
    for _ in train(game, iter(lambda: (scale_images(x), labels), None), 1):
        pass
    share = torch.cat(requested).float().mean().item()
    assert len(torch.cat(requested)) >= 400
    assert 0.05 < share < 0.16


# --- kept


def test_a_run_takes_the_classes_of_its_training_split_and_keeps_them(tmp_path):
    np.savez(tmp_path / "uneven.npz", images=squares((270, 30)).values, labels=squares((270, 30)).labels)
    kind = {"data": str(tmp_path / "uneven.npz"), "arguments": {"networks": {"width": 4}}, "batch_size": 20}
    run = runs.play(Run.create(tmp_path / "run", "cgan", hold_out=0.2, device="cpu", **kind), 2)
    expected = torch.bincount(torch.from_numpy(run.training.labels[run.training.indices])).tolist()
    assert sum(expected) == 240
    for game in (
        run.game,
        run.inference_game,
        Run.open(tmp_path / "run", device="cpu").inference_game,
        load_game(tmp_path / "run"),
    ):
        assert game.frequencies.counts.tolist() == expected
    requested = load_game(tmp_path / "run").class_of(latents_from_seeds(load_game(tmp_path / "run"), range(300)))
    assert 5 < int(requested.sum()) < 60
    evaluate_run(run, extractor=pixels)
    found = json.loads((tmp_path / "run/evaluation.json").read_text())
    assert {one["protocol"]["conditions"] for one in found["scores"]} == {"classes as in the held-out split"}


def test_a_resumed_game_that_drew_classes_evenly_still_does():
    old = {name: value for name, value in oracle(squares()).state_dict().items() if name != "frequencies.counts"}
    game = oracle(squares())
    fresh = ConditionalGAN(Oracle(squares()), nn.Flatten(), NonSaturating(), classes=2, critic=None, generator=None)
    fresh.load_state_dict(old)
    assert fresh.frequencies.counts.tolist() == [1, 1]
    assert game.frequencies.counts.tolist() == [450, 50]


def test_the_frequencies_are_no_network_to_be_counted(tmp_path, capsys):
    words = ["train", "cgan", "--data", "digits", "--size", "8", "--steps", "1", "--width", "4"]
    assert main([*words, "--out", str(tmp_path / "run"), "--device", "cpu"]) == 0
    assert "frequencies 0" not in capsys.readouterr().out


def test_a_class_without_images_is_reported_when_a_run_begins(tmp_path):
    labels = squares((0, 20, 20)).labels
    np.savez(tmp_path / "gap.npz", images=squares((0, 20, 20)).values, labels=labels)
    kind = {"data": str(tmp_path / "gap.npz"), "arguments": {"networks": {"width": 4}}, "batch_size": 20}
    run = Run.create(tmp_path / "run", "cgan", device="cpu", **kind)
    assert any("The class 0 has no images" in note and "never sampled" in note for note in run.notes)
    assert not any("has no images" in note for note in runs.start(tmp_path / "ring").notes)


def test_a_wrapped_game_and_an_ensemble_receive_the_same_classes():
    dataset = squares()
    for game in (InstanceNoise(oracle(dataset)), Ensemble(lambda: oracle(dataset), 2)):
        found = evaluator.evaluate(game, dataset, extractor=pixels)
        assert found.scores[0].protocol["conditions"] == "classes as in the data"
        assert score(found.scores) < 2 * score(found.references["data"])


# --- captions


def captioned(counts=(90, 10), seed=0):
    dataset = squares(counts, seed)
    texts = tuple((("a dark square",), ("a bright square",))[label] for label in dataset.labels)
    return Dataset("captioned", dataset.values, captions=Captions(texts))


def test_captions_are_requested_as_often_as_they_occur_in_the_evaluated_data():
    training, held_out = captioned((90, 10)), captioned((30, 270), seed=1)
    game = stackgan((1, 8, 8), captions=DataFacts.of(training).arguments()["captions"], width=4)
    bright = game.text(tokenize(["a bright square"]))[0]

    def share(noise):
        return (noise[:, -len(bright) :] == bright).all(1).float().mean().item()

    with fixed_seed(0):
        assert share(game.noise(2000)) == pytest.approx(0.1, abs=0.06)
        assert share(game.noise_for(2000, held_out.conditions("captions"))) == pytest.approx(0.9, abs=0.03)
    stamp = evaluator.evaluate(game, training, held_out=held_out, extractor=pixels, samples=20).scores[0].protocol
    assert stamp["conditions"] == "captions as in the held-out split"


def test_the_captions_of_a_training_split_are_those_of_its_rows():
    texts = tuple((f"number {row}",) for row in range(100))
    part = Dataset("captioned", squares((100,)).values, captions=Captions(texts)).subset(np.array([3, 50, 97]))
    assert DataFacts.of(part).arguments()["captions"] == ("number 3", "number 50", "number 97")
