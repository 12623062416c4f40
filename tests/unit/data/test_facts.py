"""Facts of a data set: what they hold, their JSON, and what is refused."""

import json

import numpy as np
import pytest

from sparring.data import Dataset, LabelMapClasses, load
from sparring.data.facts import DataFacts

FULL = DataFacts(
    (3, 8, 8),
    ("cat", "dog"),
    ("a cat",),
    ("a", "cat"),
    (2, 8, 8),
    paired=True,
    regions=LabelMapClasses(("sky", "tree")),
    instances=True,
)


def test_facts_of_images_with_classes():
    facts = DataFacts.of(load("digits"))
    assert facts == DataFacts((1, 32, 32), tuple("0123456789"))
    assert (facts.classes, facts.arguments()) == (10, {"shape": (1, 32, 32), "classes": 10})


def test_facts_of_points_without_classes():
    facts = DataFacts.of(Dataset("dots", np.zeros((5, 2), np.float32)))
    assert facts.to_json() == {"shape": [2]}


def test_recipe_arguments_of_label_maps():
    assert FULL.arguments() == {
        "shape": (3, 8, 8),
        "classes": 2,
        "captions": ("a cat",),
        "other": (2, 8, 8),
        "paired": True,
        "regions": 2,
        "instances": True,
    }


@pytest.mark.parametrize("facts", [FULL, DataFacts((2,)), DataFacts((1, 4, 4), captions=(), vocabulary=())])
def test_json_round_trip(facts):
    assert DataFacts.from_json(json.loads(json.dumps(facts.to_json()))) == facts


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": []}, "data.facts.shape"),
        ({"shape": [0]}, "data.facts.shape"),
        ({"shape": [True]}, "data.facts.shape"),
        ({"shape": [2**20]}, "data.facts.shape"),
        ({"shape": "abc"}, "data.facts.shape"),
        ({"other": [1.5]}, "data.facts.other"),
        ({"class_names": [1]}, "data.facts.class_names"),
        ({"captions": "abc"}, "data.facts.captions"),
        ({"vocabulary": [None]}, "data.facts.vocabulary"),
        ({"paired": 1}, "data.facts.paired"),
        ({"instances": "yes"}, "data.facts.instances"),
        ({"regions": 4}, "data.facts.regions"),
        ({"regions": {"names": ["sky"], "colours": [[0, 0, 256]]}}, "data.facts.regions.colours"),
        ({"regions": {"names": ["sky"], "colours": [[0, 0]]}}, "data.facts.regions.colours"),
        ({"regions": {"names": ["sky"], "colours": [3]}}, "data.facts.regions.colours"),
        ({"unknown": 1}, "unknown entry 'unknown'"),
    ],
)
def test_other_values_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        DataFacts.from_json({**FULL.to_json(), **change})


@pytest.mark.parametrize("values", [None, [], {"class_names": []}])
def test_facts_without_a_shape_are_refused(values):
    with pytest.raises(ValueError, match=r"data\.facts"):
        DataFacts.from_json(values)
