"""No game is judged by the features that it trains on: every recipe beside every extractor, and every way to judge."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from sparring.errors import GameError
from sparring.evaluation import evaluate
from sparring.evaluation.independence import TrainsOnFeatures, require_independent, trained_features
from sparring.evaluation.lite0 import Lite0Extractor
from sparring.evaluation.registry import METRICS, get_metrics
from sparring.games.gan import GAN
from sparring.metrics import ModuleExtractor, extractor_for
from sparring.metrics.extractors.base import Classifier, ClassifierExtractor, weights_sha256
from sparring.metrics.extractors.squeezenet import SqueezeNet, SqueezeNetExtractor
from sparring.networks.common.perceptual import ClassifierMaps, VGG19Maps
from sparring.networks.efficientnet_lite import efficientnet_lite0
from sparring.recipes.pix2pix_gaugan import gaugan as build_gaugan
from sparring.recipes.projected_fastgan import fastgan
from sparring.runs.early_stopping import EarlyStopping
from sparring.runs.recipe_args import fill_arguments
from sparring.wrappers.instance_noise import InstanceNoise
from support.command_line import refused
from support.evaluators import Fixed, images, pixels
from support.recipe_cases import CASES, IMAGES, known, small
from support.runs import IMAGES as DIGITS
from support.runs import start, tiny

FIXED: dict[str, frozenset[str]] = {"projected": frozenset({"lite0"})}
"""Recipes that train on features of fixed networks with their default settings, and the extractors that share them."""
LARGE = 1000  # numbers in a buffer, beyond which it is taken for weights


def classifier():
    return ClassifierExtractor(Classifier(3, 4), name="a classifier", accuracy=0.5, side=32)


EXTRACTORS = {
    "classifier": classifier,
    "squeezenet": lambda: SqueezeNetExtractor(SqueezeNet()),
    "lite0": lambda: Lite0Extractor(efficientnet_lite0()),
    "own": lambda: ModuleExtractor(nn.Flatten(), "own:pixels"),
    "vgg19": lambda: ModuleExtractor(VGG19Maps("none.pth"), "own:vgg"),
}


def gaugan(**settings):
    return build_gaugan((3, 16, 16), regions=3, **fill_arguments(build_gaugan, {**tiny("gaugan"), **settings}))


def test_perceptual_terms_are_features_that_a_game_trains_on():
    by_classifier, by_vgg = gaugan(perceptual=1.0), gaugan(perceptual=1.0, perception="vgg19.pth")
    assert trained_features(gaugan()) == set()
    assert trained_features(by_classifier) == {"classifier"}
    assert trained_features(fastgan((3, 16, 16), width=8, perception="classifier")) == {"classifier"}
    assert trained_features(by_vgg) == {"vgg19"}
    with pytest.raises(GameError, match=r"GauGAN trains on the features classifier.*squeezenet:FILE"):
        require_independent(by_classifier, classifier())
    require_independent(by_classifier, SqueezeNetExtractor(SqueezeNet()))
    require_independent(by_vgg, classifier())
    with pytest.raises(GameError, match="features vgg19"):
        require_independent(by_vgg, ModuleExtractor(VGG19Maps("none.pth"), "own:vgg"))
    vision = SimpleNamespace(name="timm/vgg19.tv_in1k (0123)", sha256="", model_name="timm/vgg19.tv_in1k")
    with pytest.raises(GameError, match="features vgg19"):
        require_independent(by_vgg, vision)
    vision.model_name = "facebook/dinov2-base"
    require_independent(by_vgg, vision)


@pytest.mark.parametrize(
    ("stated", "name", "same"),
    [
        ("squeezenet", "squeezenet:weights.npz", True),
        ("lite0", "lite0", True),
        ("lite0", "transformers:timm/efficientnet_lite0.ra_in1k", True),
        ("lite0", "transformers:facebook/dinov2-base", False),
        ("lite0", "squeezenet:lite0.npz", False),
        ("lite0", "classifier", False),
    ],
)
def test_an_extractor_is_refused_by_its_name_before_it_is_built(stated, name, same):
    if same:
        with pytest.raises(GameError, match=f"trains on the features {stated}"):
            require_independent(stating(stated), name)
    else:
        require_independent(stating(stated), name)


class Feature(nn.Module):
    """A game's own statement, by name or by hash."""

    def __init__(self, *names):
        super().__init__()
        self.trains_on_features = names


def stating(*names):
    game = small("nsgan", IMAGES)
    game.D.add_module("fixed", Feature(*names))
    return game


def test_a_statement_holds_within_wrappers_and_by_hash():
    network = SqueezeNet()
    judge = SqueezeNetExtractor(network)
    for game in (stating("squeezenet"), InstanceNoise(stating("squeezenet"), 0.1), stating(weights_sha256(network))):
        with pytest.raises(GameError, match="cannot judge it: choose another extractor, such as classifier"):
            require_independent(game, judge)
    other = SqueezeNet()
    other.features[0].bias.data += 1
    require_independent(stating(weights_sha256(other)), judge)
    assert isinstance(ClassifierMaps(3), TrainsOnFeatures)
    assert not isinstance(network, TrainsOnFeatures)


def test_metrics_that_read_no_features_judge_any_game():
    require_independent(stating("classifier"), "classifier", get_metrics(["sliced", "ms-ssim"]))
    with pytest.raises(GameError):
        require_independent(stating("classifier"), "classifier", get_metrics(["sliced", "kernel"]))
    pixels = {name for name, metric in METRICS.items() if not metric.features}
    assert pixels == {"modes", "stacked-modes", "gan-train", "sliced", "pyramid", "ms-ssim", "parzen"}


def test_an_evaluation_refuses_before_it_extracts_features(monkeypatch):
    game, data = Fixed(torch.zeros(50, 1, 8, 8)), images(60)
    game.trains_on_features = ("pixels", "classifier")
    monkeypatch.setattr("sparring.evaluation.evaluator.extractor_for", lambda *_, **__: pytest.fail("trained"))
    monkeypatch.setattr(ModuleExtractor, "features", lambda *_: pytest.fail("extracted"))
    for extractor in (None, pixels):
        with pytest.raises(GameError, match=r"Fixed trains on the features (classifier|pixels)"):
            evaluate(game, data, extractor=extractor)
    monkeypatch.undo()
    assert evaluate(game, data, extractor=ModuleExtractor(nn.AvgPool2d(4), "means"), references=False).scores
    assert evaluate(game, data, extractor=pixels, metrics=get_metrics(["sliced"]), references=False).scores


@pytest.fixture
def on_the_classifier(monkeypatch):
    """GANs that say that they train on the features of the classifier, whose training is short."""
    monkeypatch.setattr(extractor_for, "__kwdefaults__", {**extractor_for.__kwdefaults__, "steps": 2})
    monkeypatch.setattr(GAN, "trains_on_features", ("classifier",), raising=False)


def test_early_stopping_refuses_before_the_first_step(on_the_classifier, tmp_path):
    run = start(tmp_path / "run", "nsgan", DIGITS, hold_out=0.5)
    with pytest.raises(GameError, match="cannot judge it"):
        next(iter(run.fit(2, early_stopping=EarlyStopping(0.008, samples=50))))
    for _ in run.fit(2, early_stopping=EarlyStopping(0.008, "sliced", samples=50)):
        continue
    assert run.step == 2


def test_commands_refuse_with_one_sentence(on_the_classifier, tmp_path, capsys):
    run = start(tmp_path / "run", "nsgan", DIGITS)
    for _ in run.fit(1):
        continue
    said = refused(capsys, "evaluate", str(run.folder))
    assert "trains on the features classifier, which therefore cannot judge it" in said
    assert not (run.folder / "evaluation.json").exists()
    words = ["compare", "nsgan", "wgan", "--data", "digits", "--seeds", "0", "--steps", "2", "--device", "cpu"]
    words += ["--out", str(tmp_path / "arena")]
    said = refused(capsys, *words)
    assert "nsgan cannot compete" in said
    assert "cannot judge it" in said
    assert not (tmp_path / "arena/trials").exists()


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_every_recipe_is_refused_by_the_extractors_that_it_trains_on_and_by_no_other(name, shape):
    game = small(name, shape, **known(name)[0])
    assert trained_features(game) == FIXED.get(name, frozenset())
    for family, build in EXTRACTORS.items():
        if family in FIXED.get(name, ()):
            with pytest.raises(GameError, match=f"trains on the features {family}, which therefore cannot judge it"):
                require_independent(game, build())
        else:
            require_independent(game, build())


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_every_recipe_states_the_networks_that_no_player_trains(name, shape):
    game = small(name, shape, **known(name)[0])
    groups = [group for player in game.players().values() for group in player.param_groups]
    trained = {id(value) for group in groups for value in group["params"]}
    fixed = [path for path, value in game.named_parameters() if id(value) not in trained]
    buffers = ((path, value) for path, value in game.named_buffers() if not path.endswith(".images"))  # earlier fakes
    fixed += [path for path, value in buffers if value.ndim > 2 and value.numel() > LARGE]
    if fixed:
        assert trained_features(game), fixed
