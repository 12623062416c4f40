"""Paintings judged: a perfect painter, a blind one, one that ignores styles; translations beside their partners."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from sparring.cli import main
from sparring.data import Dataset, LabelMapClasses
from sparring.data.dataset import PairedDomain
from sparring.data.sources.domains import pair_domains
from sparring.data.stream import scale_images
from sparring.errors import GameError
from sparring.evaluation.label_maps import LabelMapSampler, evaluate_label_maps
from sparring.evaluation.paired import choose_rows
from sparring.evaluation.registry import get_metrics
from sparring.game import Game
from sparring.metrics import LabelMapAccuracy, extractor_for
from sparring.runs.evaluation import evaluate_run
from sparring.runs.run import Run
from support.runs import play
from support.translations import Means

BASE = np.array([[40, 40, 160], [160, 40, 40], [40, 160, 40]])  # of the classes, at no light


COUNT, SIDE = 40, 12


def lit(seed, count=COUNT):
    """Images whose classes have a colour each and who have a light each; every class is a third of every map."""
    draw = np.random.default_rng(seed)
    maps = np.stack([draw.permutation(np.arange(SIDE**2) % 3).reshape(SIDE, SIDE) for _ in range(count)])
    light = draw.integers(-30, 90, count)[:, None, None, None]
    images = Dataset(f"lit {seed}", (BASE[maps] + light).astype(np.uint8))
    regions = LabelMapClasses(("sky", "road", "tree"))
    return pair_domains(images, PairedDomain(Dataset("maps", maps[..., None].astype(np.uint8)), True, regions))


class Painter(Game):
    """Paints classes in their colours, by the light of the style, which is the mean brightness."""

    def __init__(self, blind=False, stubborn=False):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.blind, self.stubborn = blind, stubborn

    def players(self):
        return {}

    def round(self, data, step):
        yield from ()

    def styles(self, n):
        return torch.randn(n, 1)

    def encode_style(self, x):
        return x.mean((1, 2, 3))[:, None]

    def paint(self, labels, styles):
        labels = torch.zeros_like(labels) if self.blind else labels
        colours = torch.from_numpy(BASE)[labels.clamp(max=2)].movedim(3, 1) / 127.5 - 1
        light = 0.1 if self.stubborn else styles[:, :, None, None] - (BASE.mean() / 127.5 - 1)
        return (colours + light).float()


def judged(painter, **how):
    settings = {"metrics": get_metrics(["frechet"]), "extractor": Means(), **how}
    found = evaluate_label_maps(painter, lit(0), held_out=lit(1), **settings)
    names = [score.name for score in found.scores]
    beside = {
        kind: dict(zip(names, [s.value for s in column], strict=True)) for kind, column in found.references.items()
    }
    return dict(zip(names, found.scores, strict=True)), beside


def test_a_perfect_painter_is_at_the_photographs_and_takes_over_every_style():
    found, beside = judged(Painter())
    assert list(found) == [
        "Fréchet distance",
        "error in the own style",
        "layout",
        "layout in another's style",
        "style taken over",
    ]
    assert found["error in the own style"].value == pytest.approx(0, abs=1e-5)
    assert found["layout"].value == beside["data"]["layout"]
    assert found["layout in another's style"].value > 0.95
    assert found["style taken over"].value == 1
    assert beside["another's"]["layout"] == pytest.approx(1 / 3, abs=0.05), "other maps: chance"
    assert beside["noise"]["layout"] == pytest.approx(1 / 3, abs=0.1)
    assert beside["another's"]["error in the own style"] > 0.2
    assert np.isnan(beside["data"]["error in the own style"])
    assert np.isnan(beside["another's"]["Fréchet distance"])
    assert found["layout"].better == "higher"
    assert found["error in the own style"].better == "lower"
    assert found["error in the own style"].interval[1] < 1e-4
    assert found["layout"].protocol["split"] == "held out"


def test_who_is_blind_or_ignores_styles_is_found_out():
    blind, _ = judged(Painter(blind=True))
    assert blind["layout"].value == pytest.approx(1 / 3, abs=0.05)
    assert blind["error in the own style"].value > 0.2
    stubborn, _ = judged(Painter(stubborn=True), references=False)
    assert stubborn["layout"].value > 0.95
    assert stubborn["style taken over"].value == 0


def test_the_error_is_that_of_the_photograph_in_its_own_style():
    class Off(Painter):
        def paint(self, labels, styles):
            return super().paint(labels, styles) + 0.03

    found, _ = judged(Off())
    assert found["error in the own style"].value == pytest.approx(0.03, abs=1e-5)


def test_the_layout_is_that_of_all_maps_together():
    _, beside = judged(Painter())
    training, held = lit(0), lit(1)
    _, rows = choose_rows(training, held, None, 0)
    layout = LabelMapAccuracy(3, 3)
    layout.fit(scale_images(training.rows(np.arange(COUNT))[0]), training.paired_domain.rows(np.arange(COUNT)))
    others = scale_images(held.rows(np.roll(rows, 1))[0])
    expected = layout.share(layout.hits(others, held.paired_domain.rows(rows)))
    assert beside["another's"]["layout"] == pytest.approx(expected, abs=1e-6)


def test_training_maps_are_not_evaluated_where_others_are_held_out():
    seen = set()

    class Watched(Painter):
        def paint(self, labels, styles):
            seen.update(each.numpy().tobytes() for each in labels)
            return super().paint(labels, styles)

    judged(Watched())
    assert seen == {each.numpy().tobytes() for each in lit(1).paired_domain.rows(np.arange(COUNT))}


def test_samples_are_maps_of_the_data_in_drawn_styles():
    source = lit(1)
    painted = LabelMapSampler(Painter(), source)
    noise = painted.noise(COUNT)
    assert sorted(noise[:, 0].tolist()) == list(range(COUNT))
    made = painted.sample(1, noise=torch.tensor([[7.0, 0.5]]))
    expected = Painter().paint(source.paired_domain.rows(np.array([7])), torch.tensor([[0.5]]))
    torch.testing.assert_close(made, expected)


# --- runs


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lit") / "data"
    rows = lit(0, 30)
    for part, values in (("images", rows.values), ("labels", rows.paired_domain.dataset.values[..., 0])):
        (folder / part).mkdir(parents=True)
        for index, image in enumerate(values):
            Image.fromarray(np.pad(image, [(2, 2), (2, 2)] + [(0, 0)] * (image.ndim - 2), "edge")).save(
                folder / part / f"{index}.png"
            )
    return folder


def test_the_command_evaluates_a_label_map_run(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sparring.runs.snapshots.save_grid", lambda *_, **__: None)
    monkeypatch.setattr(extractor_for, "__kwdefaults__", {**extractor_for.__kwdefaults__, "steps": 2})
    tiny = {"networks": {"latent": 3, "width": 4, "hidden": 4}}
    play(Run.create(tmp_path / "run", "gaugan", data=f"pairs:{data}", arguments=tiny, batch_size=4, device="cpu"), 1)
    words = ["--metrics", "frechet", "--device", "cpu"]
    assert main(["evaluate", str(tmp_path / "run"), *words]) == 0
    output = capsys.readouterr().out
    assert "style taken over" in output
    assert "another's" in output
    assert "pixels; seed 0" in output
    kept = json.loads((tmp_path / "run/evaluation.json").read_text())
    assert len(kept["scores"]) == len(kept["references"]["another's"]) == 5
    assert main(["report", str(tmp_path / "run"), "--device", "cpu"]) == 0
    assert "layout in another" in (tmp_path / "run/report.html").read_text()


class Idle(Game):
    """Draws, paints and translates nothing."""

    def players(self):
        return {}

    def round(self, data, step):
        yield from ()


def test_a_game_that_does_not_sample_is_refused():
    run = SimpleNamespace(inference_game=Idle(), training=lit(0), held_out=None, dataset=lit(0))
    with pytest.raises(GameError, match="Idle cannot sample"):
        evaluate_run(run, metrics=get_metrics(["frechet"]), extractor=Means())
