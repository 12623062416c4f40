"""Photographs of many sizes."""

from __future__ import annotations

import numpy as np
from PIL import Image


def picture(path, size=(20, 14), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(size[0]).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).convert(mode).save(path)
    return path


def pixels(path):
    with Image.open(path) as image:
        return np.array(image)


def sizes(folder):
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): pixels(path).shape[1::-1] for path in found}
