"""Sentence models in folders, and embeddings in files."""

import sys
from types import ModuleType

import numpy as np
import pytest

from support.captions import SAID

TEXTS = [text for said in SAID for text in said]


VECTORS = np.random.default_rng(0).normal(3.0, 2.0, (len(TEXTS), 24)).astype(np.float32)


def as_pair(path, captions=TEXTS, vectors=VECTORS):
    np.savez(path, captions=np.array(captions), embeddings=vectors)
    return path


# --- sentence-transformers


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A folder that a module with the package's interface loads: vectors of letters."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model/modules.json").write_text('[{"type": "sentence_transformers.models.Transformer"}]')
    asked = []

    class SentenceTransformer:
        def __init__(self, path, **how):
            asked.append((path, how))

        def encode(self, texts, show_progress_bar=True):
            return np.array([[text.count(letter) for letter in "aeiounrstd"] for text in texts], np.float64)

    package = ModuleType("sentence_transformers")
    package.SentenceTransformer = SentenceTransformer
    monkeypatch.setitem(sys.modules, "sentence_transformers", package)
    return tmp_path / "model", asked
