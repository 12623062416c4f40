"""Class indices from arrays, tensors and lists; anything else gets one sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparring.data.annotations.class_indices import class_indices, class_names
from sparring.errors import DataError


@pytest.mark.parametrize("labels", [[2, 0, 1], (2, 0, 1), np.array([2, 0, 1], np.uint8), torch.tensor([2, 0, 1]),
                                    [torch.tensor(2), 0, np.int32(1)]])  # fmt: skip
def test_whole_numbers_become_int64(labels):
    found = class_indices("pets", labels, 3)
    assert found.dtype == np.int64
    assert found.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (["cat", "dog", "cat"], "type <U3: give whole numbers"),
        ([0.0, 1.0, 2.0], "type float64"),
        (np.array([True, False, True]), "type bool"),
        (np.eye(3, dtype=int), r"shape \(3, 3\)"),
        ([[0], [1], [2, 3]], "several shapes"),
        ([torch.tensor([1, 2]), 1, 1], "several shapes"),
        ([10**30, 1, 1], "type object"),
        ([0, -1, 2], "has the label -1"),
        ([0, 2**16, 2], "has the label 65536"),
        (np.array([2**63 + 5, 0, 0], np.uint64), "has the label 9223372036854775813"),
        ([0, 1], "3 rows and 2 labels"),
        ([], "3 rows and 0 labels"),
        ("012", "labels of type str"),
        (iter([0, 1, 2]), "labels of type list_iterator"),
        (7, "labels of type int"),
    ],
)
def test_other_labels_are_refused(labels, sentence):
    with pytest.raises(DataError, match=sentence):
        class_indices("pets", labels, 3)


def test_names_belong_to_classes_if_there_is_one_for_each():
    labels = np.array([0, 2, 2])
    assert class_names(labels, ["cat", "dog", "owl"]) == ("cat", "dog", "owl")
    assert class_names(labels, ("cat", "dog", "owl", "elk")) == ("cat", "dog", "owl", "elk")
    for names in (None, ["cat", "dog"], "cat", ["cat", "dog", 3], {"cat": 0}):
        assert class_names(labels, names) == ("0", "1", "2")
