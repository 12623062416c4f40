"""Images of several sources in one shape, with their names."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from sparring.data import load_images, load_named_images
from sparring.errors import DataError


def test_images_of_several_sources_are_loaded_in_one_shape(tmp_path):
    for folder, count in (("first", 3), ("second", 2)):
        (tmp_path / folder).mkdir()
        for index in range(count):
            Image.fromarray(np.full((9, 12), 40 * index, np.uint8)).save(tmp_path / folder / f"{index}.png")
    names, loaded = load_named_images([tmp_path / "first", tmp_path / "second/0.png"], shape=(1, 8, 8))
    assert loaded.shape == (4, 1, 8, 8)
    assert -1 == loaded.min() < loaded.max() <= 1
    assert names[2:] == (str(tmp_path / "first/2.png"), str(tmp_path / "second/0.png"))
    places = [tmp_path / "first", tmp_path / "second"]
    assert torch.equal(load_images(places, shape=(1, 8, 8), max_images=4), loaded)
    with pytest.raises(DataError, match="No image is given"):
        load_images([], shape=(1, 8, 8))
    with pytest.raises(DataError, match=r"the shape \(2,\) of points"):
        load_images(places, shape=(2,))
    with pytest.raises(DataError, match="ring holds points"):
        load_images(["ring"], shape=(1, 8, 8))
