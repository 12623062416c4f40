"""Translations judged as samples: which rows, in which direction, beside what."""

import numpy as np
import pytest
import torch
from torch import nn

from sparring.abilities import SupportsSampling
from sparring.data import Dataset
from sparring.evaluation.evaluator import evaluate
from sparring.evaluation.registry import get_metrics
from sparring.evaluation.translation import TranslationSampler
from sparring.games.common.two_domain import ImagePool
from sparring.games.cyclegan import CycleGAN
from sparring.rng import fixed_seed
from sparring.runs.evaluation import evaluate_run
from support.runs import UNPAIRED, play, start
from support.translations import Darker, Means


def translator(by=0.5):
    pools, D = (ImagePool(0, (3, 8, 8)), ImagePool(0, (3, 8, 8))), nn.Linear(1, 1)
    return CycleGAN(Darker(by), Darker(-by), D, D, pools=pools, critic=None, generator=None)


def rows(low, high, count=60, name="rows"):
    draw = np.random.default_rng(low)
    return Dataset(name, draw.integers(low, high, (count, 8, 8, 3), np.uint8))


def test_the_latent_of_a_translation_is_a_row_and_rows_do_not_repeat():
    source = rows(128, 256)
    able = TranslationSampler(translator(), source, "B")
    assert isinstance(able, SupportsSampling)
    with fixed_seed(1):
        noise = able.noise(60)
    assert sorted(noise[:, 0].tolist()) == list(range(60))
    with fixed_seed(2):
        assert torch.bincount(able.noise(150)[:, 0].long()).tolist().count(3) == 30
    x = source.rows(np.array([7]))[0] / 127.5 - 1
    torch.testing.assert_close(able.sample(1, noise=torch.tensor([[7.0]])), x - 0.5)
    torch.testing.assert_close(
        TranslationSampler(translator(), source, "A").sample(1, noise=torch.tensor([[7.0]])), x + 0.5
    )
    torch.testing.assert_close(TranslationSampler(translator(), source).sample(1, noise=torch.tensor([[7.0]])), x)


def test_a_right_translation_scores_like_the_data_and_a_wrong_one_does_not():
    bright, dark = rows(128, 256), rows(64, 192, name="dark")
    how = {"metrics": get_metrics(["frechet"]), "samples": 30, "references": False, "extractor": Means()}
    right, wrong, alone = (
        evaluate(TranslationSampler(translator(), bright, to), dark, **how).scores[0].value for to in ("B", "A", "")
    )
    assert right < 0.01
    assert alone > 0.5
    assert wrong > 2 * alone


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))
    from PIL import Image

    for domain, dataset in (("trainA", rows(128, 256)), ("trainB", rows(0, 128, 40))):
        (tmp_path / "set" / domain).mkdir(parents=True)
        for index, image in enumerate(dataset.values):
            Image.fromarray(image.repeat(4, 0).repeat(4, 1)).save(tmp_path / "set" / domain / f"{index}.png")
    return play(start(tmp_path / "run", "cyclegan", {**UNPAIRED, "data": str(tmp_path / "set")}), 1)


def test_a_run_is_evaluated_in_both_directions_against_the_identity_baseline(run):
    found = evaluate_run(run, metrics=get_metrics(["frechet"]), extractor=Means())
    assert [score.name.split(":")[0] for score in found.scores] == ["to B", "to A"]
    assert list(found.references) == ["data", "noise", "left alone"]
    values = {name: [score.value for score in scores] for name, scores in found.references.items()}
    assert all(data < alone for data, alone in zip(values["data"], values["left alone"], strict=True))
    assert "left alone" in (run.folder / "evaluation.json").read_text()


def test_a_run_of_one_direction_is_evaluated_in_that_one(run):
    run.game.domain = run.inference_game.domain = "A"
    found = evaluate_run(run, metrics=get_metrics(["frechet"]), extractor=Means())
    assert [score.name.split(":")[0] for score in found.scores] == ["to A"]


def test_fewer_images_than_requested_are_reported_once(run):
    how = {"metrics": get_metrics(["frechet"]), "extractor": Means(), "references": False}
    notes = evaluate_run(run, samples=5000, **how).notes
    assert 0 < len(notes) == len(set(notes)), "one for each number of images in the two domains"
    assert all(note.startswith("5,000 samples were requested and ") for note in notes)
    assert evaluate_run(run, samples=10, **how).notes == ()
