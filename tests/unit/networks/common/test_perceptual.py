"""The perceptual term by the tool's own classifier or VGG-19: whose weights, when they come, and that they stay."""

import numpy as np
import pytest
import torch
from torch import nn

from sparring.errors import DataError
from sparring.games.common.multiscale import Perception
from sparring.metrics import extractor_for
from sparring.networks.common.perceptual import ClassifierMaps, VGG19Maps
from sparring.recipes.pix2pix_gaugan import seen_by
from sparring.runs.run import Run
from sparring.runs.state import load_game
from support.instance_maps import TINY, cache, saved  # noqa: F401 (a fixture)
from support.runs import difference, play

SIDE, COUNT = 16, 24


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder, draw = tmp_path_factory.mktemp("seen") / "data", np.random.default_rng(0)
    for index in range(COUNT):
        saved(folder / "images" / f"{index}.png", draw.integers(256, size=(SIDE, SIDE, 3)).astype(np.uint8))
        saved(folder / "labels" / f"{index}.png", draw.integers(2, size=(SIDE, SIDE)).astype(np.uint8))
    return folder


def start(folder, data, **settings):
    arguments = {**TINY, "perceptual": 3.0, **settings}
    return Run.create(folder, "gaugan", data=f"pairs:{data}", arguments=arguments, batch_size=2, device="cpu")


@pytest.fixture(autouse=True)
def briefly(monkeypatch):
    """A classifier after two updates."""
    monkeypatch.setattr(extractor_for, "__kwdefaults__", {**extractor_for.__kwdefaults__, "steps": 2})


def test_a_run_stores_the_perceptual_classifier_of_its_data(data, tmp_path):
    run = start(tmp_path / "run", data)
    seer = extractor_for(run.training).network
    assert difference(dict(run.game.V.body.state_dict()), dict(seer.trunk[:-2].state_dict())) == ""
    assert not any(weight.requires_grad for weight in run.game.V.parameters())
    x = torch.rand(2, 3, SIDE, SIDE) * 2 - 1
    for seen, depth in zip(run.game.V(x), (3, 6, 9), strict=True):
        torch.testing.assert_close(seen, seer.trunk[:depth](x))
    before = {name: value.clone() for name, value in run.game.V.state_dict().items()}
    play(run, 2)
    assert difference(before, dict(run.game.V.state_dict())) == "", "means of batches are not taken up, either"
    assert "perception" in (tmp_path / "run/log.jsonl").read_text()
    assert difference(before, dict(load_game(tmp_path / "run", device="cpu").V.state_dict())) == ""


def test_resuming_is_exact_and_does_not_train_the_classifier_again(data, tmp_path, monkeypatch):
    straight = play(start(tmp_path / "straight", data), 3)
    play(start(tmp_path / "stopped", data), 1)
    monkeypatch.setattr(ClassifierMaps, "fit_to", lambda *_: pytest.fail("trained again"))
    assert difference(straight.state.state_dict(), play(start(tmp_path / "stopped", data), 3).state.state_dict()) == ""


def vgg(seed=0):
    torch.manual_seed(seed)
    return {f"features.{name}": value / 2 for name, value in VGG19Maps("").features.state_dict().items()}


def test_vgg_returns_the_layers_of_the_paper(data, tmp_path):
    known = vgg()
    torch.save({**known, "classifier.0.weight": torch.zeros(2)}, tmp_path / "vgg.pth")
    network = VGG19Maps(tmp_path / "vgg.pth").eval()
    run = start(tmp_path / "run", data, perception=str(tmp_path / "vgg.pth"))
    network.fit_to(run.training)
    assert difference(dict(network.state_dict()), dict(run.game.V.state_dict())) == ""
    x = torch.rand(2, 3, 32, 48) * 2 - 1
    maps = network(x)
    shapes = [(64, 32, 48), (128, 16, 24), (256, 8, 12), (512, 4, 6), (512, 2, 3)]
    assert [tuple(seen.shape[1:]) for seen in maps] == shapes
    assert all((seen >= 0).all() for seen in maps)
    means, deviations = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    shown = ((x + 1) / 2 - means[:, None, None]) / deviations[:, None, None]
    first = nn.functional.conv2d(shown, known["features.0.weight"], known["features.0.bias"], padding=1).relu()
    torch.testing.assert_close(maps[0], first)
    assert sorted(number for number in range(30) if f"features.{number}.weight" in known)[-1] == 28, "conv5_1"
    grey = torch.rand(1, 1, 32, 32)
    torch.testing.assert_close(network(grey)[2], network(grey.expand(-1, 3, -1, -1))[2])
    (tmp_path / "vgg.pth").unlink()
    play(run, 1)
    assert load_game(tmp_path / "run", device="cpu").V is not None, "the file is not needed any more"


def test_files_that_are_no_vgg_are_refused_in_a_sentence(data, tmp_path):
    def message(name, content=None):
        if content is not None:
            torch.save(content, tmp_path / name)
        with pytest.raises(DataError) as error:
            start(tmp_path / "run", data, perception=str(tmp_path / name))
        return str(error.value)

    assert "none.pth does not exist" in message("none.pth")
    assert "is not VGG-19: its features.0.weight is missing" in message("other.pth", {"x": torch.zeros(1)})
    assert "is not VGG-19" in message("list.pth", [1, 2])
    assert "cannot be read as weights" in message("code.pth", print)
    (tmp_path / "text.pth").write_text("no weights")
    assert "cannot be read as weights" in message("text.pth")


def test_the_perceptual_network_is_chosen_with_the_weight():
    assert seen_by(3, None, None) is None
    for seer in (None, "classifier"):
        term = seen_by(1, 5.0, seer)
        assert isinstance(term, Perception)
        assert isinstance(term.network, ClassifierMaps)
        assert term.weight == 5
        assert len(term.weights) == len(term.network(torch.zeros(1, 1, 16, 16)))
    assert isinstance(seen_by(3, 1.0, "vgg.pth").network, VGG19Maps)
    with pytest.raises(DataError, match="add --perceptual 10"):
        seen_by(3, None, "classifier")
