"""Files with instance maps and a small GauGAN."""

import pytest
from PIL import Image

TINY = {"networks": {"latent": 3, "width": 4, "hidden": 4, "gain": 1.0}}


def saved(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sparring.runs.snapshots.save_grid", lambda *_, **__: None)
