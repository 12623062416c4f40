"""Numerical minimisation, for checks of closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]


def minimize_smooth(function: Function, start: Tensor) -> Tensor:
    """Return a local minimum of a smooth function, found by L-BFGS (Liu and Nocedal, 1989) in float64.

    Args:
        function: Maps values (N,) to a scalar.
        start: Initial values (N,).

    >>> minimize_smooth(lambda x: (x - 3).square().sum(), torch.zeros(1))
    tensor([3.], dtype=torch.float64)
    """
    values = start.detach().double().clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [values], max_iter=2000, tolerance_grad=1e-10, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        value = function(values)
        (values.grad,) = torch.autograd.grad(value, values)
        return value.item()

    optimizer.step(closure)
    return values.detach()


def minimize_convex(function: Function, start: Tensor) -> Tensor:
    """Return the minimum of a convex function, smooth or not.

    Args:
        function: Maps values (N,) to a scalar.
        start: Initial values (N,), within 20 of the minimum.
    """
    values = minimize_smooth(function, start).requires_grad_()

    def slope() -> Tensor:
        return torch.autograd.grad(function(values), values)[0]

    if slope().norm() > 1e-5:  # the function has kinks, where L-BFGS stalls
        _descend_by_ellipsoids(slope, values.detach())
    return values.detach()


def _descend_by_ellipsoids(slope: Callable[[], Tensor], center: Tensor, radius: float = 20.0) -> None:
    """Move `center` in place to the minimum of a convex function, smooth or not, that lies within `radius`.

    The ellipsoid method: a subgradient cuts the region in half, and the least ellipsoid around the kept half is the
    next region. The reach below bounds the remaining improvement. The region is stored as the image of the unit ball
    under a matrix, which stays positive definite under rounding.
    """
    n = len(center)
    region = radius * torch.eye(n, dtype=center.dtype, device=center.device)
    across, along = n / math.sqrt(n**2 - 1), n / (n + 1)
    while True:
        direction = region.T @ slope()
        reach = direction.norm()
        if reach < 1e-9:
            return
        direction /= reach
        cut = region @ direction
        center -= cut / (n + 1)
        region = across * region + (along - across) * torch.outer(cut, direction)
