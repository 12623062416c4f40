"""Changing the head of a critic: more input features or more outputs, keeping the trained weights.

    W' = [ W   N(0, s²) ]        s: root mean square of W
         [ N(0, s²)     ]

A head is a linear layer, or a convolution over the whole map and its flattening, which on flattened features is one.
"""

from collections.abc import Callable
from math import prod

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from sparring.errors import GameError
from sparring.layers.spectral import spectral
from sparring.networks.common.base import Critic

__all__ = ["head_features", "insert_before_head", "widen_outputs"]


def insert_before_head(critic: nn.Module, layer: Callable[[int], nn.Module]) -> nn.Module:
    """Insert a layer between a critic's features and its head, and widen the head to the new features.

    The layer keeps the features as its first outputs: minibatch discrimination, minibatch deviation. Scores change only
    by the new features times their new, small weights. `features` includes them.

    Args:
        critic: A `Critic`, changed in place.
        layer: Builds the layer for a number of features, (N, features) -> (N, more).

    Returns:
        The critic itself.

    Raises:
        GameError: If it is not a critic with a linear head.
    """
    core = _core(critic)
    known = _linear(core).weight.flatten(1)
    added = layer(known.shape[1]).to(known)
    with torch.no_grad():
        outputs = added(torch.zeros_like(known[:1].expand(2, -1))).shape[1]
    core.head = _grown(core, outputs, core.outcomes)
    core.trunk = nn.Sequential(core.trunk, nn.Flatten(), added)
    return critic


def widen_outputs(critic: nn.Module, outcomes: int) -> nn.Module:
    """Give a critic several outputs instead of one.

    Args:
        critic: A `Critic` with fewer outputs, changed in place.
        outcomes: Scores per sample.

    Returns:
        The critic itself.

    Raises:
        GameError: If it is not a critic with a linear head.
    """
    core = _core(critic)
    core.head = nn.Sequential(nn.Flatten(), _grown(core, head_features(core), outcomes))
    core.outcomes = outcomes
    return critic


def head_features(critic: nn.Module) -> int:
    """Return the number of input features of a critic's head.

    Args:
        critic: A `Critic`.

    Raises:
        GameError: If it is not a critic with a linear head.
    """
    return prod(_linear(_core(critic)).weight.shape[1:])


def _core(critic: nn.Module) -> Critic:
    """Return the critic inside the wrappers of techniques."""
    found = [module for module in critic.modules() if isinstance(module, Critic)]
    if len(found) != 1:
        raise GameError(f"{type(critic).__name__} is no Critic with one trunk and one head: leave this technique off.")
    return found[0]


def _linear(critic: Critic) -> nn.Linear | nn.Conv2d:
    """Return the layer of the head with weights."""
    parts = [*critic.head] if isinstance(critic.head, nn.Sequential) else [critic.head]
    layers = [layer for layer in parts if not isinstance(layer, nn.Flatten)]
    if len(layers) != 1 or not isinstance(layers[0], (nn.Linear, nn.Conv2d)):
        raise GameError(f"The head of {type(critic).__name__} is no single linear layer: leave this technique off.")
    return layers[0]


@torch.no_grad()
def _grown(critic: Critic, features: int, outcomes: int) -> nn.Linear:
    """Return a head with more features and outputs, with the old weights and normalisation."""
    old = _linear(critic)
    stored = "parametrizations.weight.original" if is_parametrized(old, "weight") else "weight"
    known = old.get_parameter(stored).flatten(1)
    grown = nn.Linear(features, outcomes, old.bias is not None).to(known)
    nn.init.normal_(grown.weight, 0.0, known.square().mean().sqrt().item())
    grown.weight[: len(known), : known.shape[1]] = known
    if old.bias is not None:
        grown.bias.zero_()[: len(known)] = old.bias
    return spectral(grown) if is_parametrized(old, "weight") else grown
