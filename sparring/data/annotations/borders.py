"""Where things meet: borders of the objects in a map of objects (Wang et al., 2018, section 3.3, "instance boundary").

    e(p) = 1 where the object at p is another than that above, below, left or right of it,  else 0

A label map does not tell two cars side by side from one; their border does.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["borders"]


def borders(objects: Tensor) -> Tensor:
    """Returns where neighbours differ, both of them, as bool.

    Args:
        objects: Numbers of objects, or of classes, whole numbers (..., H, W).

    Example:
        >>> borders(torch.tensor([[1, 1, 2, 2]])).int()
        tensor([[0, 1, 1, 0]], dtype=torch.int32)
    """
    found = torch.zeros_like(objects, dtype=torch.bool)
    across, down = objects.diff(dim=-1) != 0, objects.diff(dim=-2) != 0
    found[..., 1:] |= across
    found[..., :-1] |= across
    found[..., 1:, :] |= down
    found[..., :-1, :] |= down
    return found
