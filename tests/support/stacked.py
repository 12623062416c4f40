"""Grey images to stack."""

import numpy as np

from sparring.data.dataset import Dataset


def grey(count=30, classes=4):
    values = np.arange(count, dtype=np.uint8)[:, None, None, None].repeat(8, 1).repeat(8, 2)
    return Dataset("grey", values, np.arange(count) % classes, tuple("abcd"[:classes]))
