"""The evaluation of a run is kept in its folder and read back."""

import pytest

from sparring.evaluation.registry import get_metrics
from sparring.runs.evaluation import evaluate_run, read_evaluation
from support.runs import IMAGES, start


def test_a_runs_evaluation_leaves_its_images_in_the_folder(tmp_path, judge):
    run = start(tmp_path / "run", kind=IMAGES, hold_out=0.4)
    evaluate_run(run, metrics=get_metrics(["memorization"]), extractor=judge, samples=40)
    assert (run.folder / "nearest.png").exists()
    assert (run.folder / "evaluation.json").exists()


def test_an_evaluation_is_read_back_or_absent_or_refused(tmp_path, judge):
    run = start(tmp_path / "run", "dcgan", IMAGES)
    assert read_evaluation(run.folder) is None
    found = evaluate_run(run, metrics=get_metrics(["frechet"]), extractor=judge, samples=40)
    assert read_evaluation(run.folder) == found
    (run.folder / "evaluation.json").write_text('{"scores": []}')
    with pytest.raises(LookupError):
        read_evaluation(run.folder)
