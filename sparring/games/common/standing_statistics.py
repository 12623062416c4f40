"""Standing statistics (Brock et al., 2019, section 4.1 and appendix A): batch norm statistics, recomputed.

They are means over the statistics of several batches at the current weights. Averaged weights have statistics
of their own, which no training batch has updated.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from sparring.game import evaluation_mode


def measure(game: nn.Module, G: nn.Module, draw: Callable[[], object], batches: int) -> None:
    """Measure the statistics of G's batch norm, and leaves G in evaluation mode, which uses them.

    Args:
        game: The sampled game; in evaluation mode except G's norms.
        G: A network of the game.
        draw: Makes a batch of samples.
        batches: How many are drawn.
    """
    norms = [module for module in G.modules() if isinstance(module, _BatchNorm)]
    kept = [norm.momentum for norm in norms]
    with evaluation_mode(game):
        for norm in norms:
            norm.train().reset_running_stats()
            norm.momentum = None  # torch then takes the plain mean of all batches
        for _ in range(batches):
            draw()
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum
    G.eval()
