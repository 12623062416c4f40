"""Runs of games that encode."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from support.runs import IMAGES, POINTS, play, start

# --- runs


@pytest.fixture(scope="module")
def runs_(tmp_path_factory):
    """A run that encodes, one that does not, one on points, and two folders of scans."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sparring.runs.snapshots.save_grid", lambda *_, **__: None)
        for name, kind in (("vae", IMAGES), ("dcgan", IMAGES), ("nsgan", POINTS)):
            play(start(folder / name, name, kind), 2)
    rng = np.random.default_rng(0)
    for side in ("with", "without"):
        (folder / side).mkdir()
        for i in range(3):
            Image.fromarray(rng.integers(0, 256, (9, 12), dtype=np.uint8)).save(folder / side / f"{i}.png")
    return folder
