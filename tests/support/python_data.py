"""The same 24 images in every form that data in Python can have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data import Dataset as TorchDataset

from sparring.data import Dataset

COUNT = 24
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8, 3), np.uint8)
LABELS = np.arange(COUNT) % 3
NAMES = ["cat", "dog", "owl"]
FIRST = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)


def pictures() -> list[Image.Image]:
    """PIL images."""
    return [Image.fromarray(image) for image in PIXELS]


class Items(TorchDataset):
    """A map-style data set whose items are what a function of the index returns."""

    def __init__(self, item: Callable[[int], Any], count: int = COUNT, classes: list[str] | None = None) -> None:
        self.item, self.count, self.classes = item, count, classes

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        if index >= self.count:
            raise IndexError(index)
        return self.item(index)


class ClassLabel:
    """The feature of a column of class numbers."""

    names = NAMES


class Table:
    """What a Hugging Face data set looks like from outside."""

    column_names = ("id", "image", "label")

    def __init__(self) -> None:
        self.features = {"id": object(), "image": object(), "label": ClassLabel()}

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"id": index, "image": Image.fromarray(PIXELS[index]), "label": int(LABELS[index])}


def pets() -> Items:
    """Images with labels and names of classes."""
    return Items(lambda index: (Image.fromarray(PIXELS[index]), int(LABELS[index])), classes=NAMES)


UNLABELLED: dict[str, Callable[[], Any]] = {
    "array": lambda: PIXELS,
    "array, channels first": lambda: PIXELS.transpose(0, 3, 1, 2),
    "array of numbers from 0 to 1": lambda: PIXELS / 255,
    "tensor": lambda: FIRST,
    "tensor of numbers from −1 to 1": lambda: FIRST / 127.5 - 1,
    "list of PIL images": pictures,
    "list of arrays": lambda: list(PIXELS),
    "data set of arrays": lambda: Items(lambda index: PIXELS[index]),
    "data set of dicts": lambda: Items(lambda index: {"pixels": FIRST[index] / 127.5 - 1}),
    "data set of sparring": lambda: Dataset("mine", PIXELS),
}
LABELLED: dict[str, Callable[[], Any]] = {
    "array and labels": lambda: (PIXELS, LABELS),
    "tensor and labels": lambda: (FIRST / 255, torch.from_numpy(LABELS)),
    "PIL images and labels": lambda: (pictures(), LABELS.tolist()),
    "TensorDataset": lambda: TensorDataset(FIRST, torch.from_numpy(LABELS)),
    "list of pairs": lambda: list(zip(pictures(), LABELS.tolist(), strict=True)),
}
NAMED: dict[str, Callable[[], Any]] = {
    "torch data set": pets,
    "DataLoader": lambda: DataLoader(pets(), batch_size=5, shuffle=True),
    "Hugging Face": Table,
}
KINDS = {**UNLABELLED, **LABELLED, **NAMED}
