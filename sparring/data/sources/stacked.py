"""Stacked digits: a data set with a thousand countable modes (Metz et al., 2017; Srivastava et al., 2017)."""

from itertools import product

import numpy as np
import torch
from torch import Tensor

from sparring.data.dataset import Dataset
from sparring.errors import DataError

__all__ = ["stack_classes", "stack_images", "unstack_images"]


def stack_images(dataset: Dataset, count: int = 128_000, seed: int = 0, name: str = "") -> Dataset:
    """Stack three random grey images as the colours of one (Metz et al., 2017; VEEGAN).

    The class of a stack is r K² + g K + b; it is named by the three, such as "3-0-7". Nothing is enlarged: 128,000
    stacks of 32 × 32 take 393 MB.

    Args:
        dataset: labelled grey images of K classes.
        count: stacks, each of three images drawn with replacement.
        seed: fixes the draw.
        name: name of the stacks. Default: "stacked-" and the name of the data.

    Returns:
        Colour images of K³ classes.

    Raises:
        DataError: if the images are not grey or have no labels.
        ValueError: if `count` is not positive.
    """
    if len(dataset.shape) != 3 or dataset.shape[0] != 1 or dataset.labels is None:
        raise DataError(f"{dataset.name} cannot be stacked: give labelled grey images, such as digits or mnist.")
    if count < 1:
        raise ValueError(f"count {count} must be positive")
    rows = torch.randint(len(dataset), (count, 3), generator=torch.Generator().manual_seed(seed)).numpy()
    values = np.empty((count, *dataset.shape[1:], 3), np.uint8)
    for channel in range(3):
        values[..., channel] = dataset.rows(rows[:, channel])[0][:, 0].numpy()
    labels = stack_classes(torch.stack([dataset.rows(one)[1] for one in rows.T], 1), len(dataset.classes)).numpy()
    classes = tuple("-".join(names) for names in product(dataset.classes, repeat=3))
    return Dataset(name or f"stacked-{dataset.name}", values, labels, classes)


def stack_classes(labels: Tensor, classes: int = 10) -> Tensor:
    """Number stacks (N,) from 0 to K³ − 1 by the classes of their channels.

    Args:
        labels: classes of red, green and blue (N, 3).
        classes: K.

    Example:
        >>> stack_classes(torch.tensor([[3, 0, 7]]))
        tensor([307])
    """
    return (labels * torch.tensor([classes**2, classes, 1], device=labels.device)).sum(dim=1)


def unstack_images(dataset: Dataset, count: int = 6_000) -> Dataset:
    """Return the grey images in the channels of stacks, with their classes.

    Args:
        dataset: from `stack_images`, or a part of it.
        count: maximum number of stacks, from the first.

    Returns:
        Three grey images for each stack.
    """
    images, labels = dataset.rows(np.arange(min(count, len(dataset))))
    number = round(len(dataset.classes) ** (1 / 3))
    digits = torch.stack([labels // number**2, labels // number % number, labels % number], 1)
    names = tuple(name.split("-")[-1] for name in dataset.classes[:number])
    values = images.reshape(-1, *images.shape[2:])[..., None].numpy()
    return Dataset(f"channels of {dataset.name}", values, digits.reshape(-1).numpy(), names)
