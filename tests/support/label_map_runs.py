"""A data set with label maps and a run trained on it."""

import numpy as np
import pytest
from PIL import Image

from sparring.runs.run import Run
from support.runs import play

TINY = {"networks": {"latent": 5, "width": 4, "hidden": 4}}


def saved(path, pixels, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path, **how)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six pictures with label maps and a list of classes."""
    folder, chance = tmp_path_factory.mktemp("paint") / "data", np.random.default_rng(0)
    for index in range(6):
        saved(folder / "images" / f"{index}.png", chance.integers(256, size=(16, 16, 3)))
        saved(folder / "labels" / f"{index}.png", chance.integers(3, size=(16, 16)))
    (folder / "palette.txt").write_text("#0000ff sky\n#808080 road\n#00c800 old tree\n")
    return folder


def start(folder, data):
    return Run.create(folder, "gaugan", data=f"pairs:{data}", arguments=TINY, batch_size=4, device="cpu")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("painted") / "run"
    play(start(folder, data), 2)
    return folder
