"""Fingerprints of data sets."""

import numpy as np

from sparring.data import Dataset
from support.toy_data import IMAGE


def test_a_fingerprint_depends_on_content_labels_and_classes():
    changed = IMAGE.copy()
    changed[3, 1, 1, 0] = 1
    zeros, ones = np.zeros(4, np.int64), np.ones(4, np.int64)
    prints = [
        Dataset("x", IMAGE).fingerprint,
        Dataset("x", changed).fingerprint,
        Dataset("x", IMAGE.reshape(4, 1, 4, 1)).fingerprint,
        Dataset("x", IMAGE, zeros, ("a", "b")).fingerprint,
        Dataset("x", IMAGE, ones, ("a", "b")).fingerprint,
        Dataset("x", IMAGE, zeros, ("a", "c")).fingerprint,
    ]
    assert len(set(prints)) == 6
    assert Dataset("y", IMAGE).fingerprint == prints[0]
