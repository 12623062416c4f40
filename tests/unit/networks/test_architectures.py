"""Every network of every recipe has the parameters on record: no layer changes its size or loses its bias unnoticed.

`make records` writes the record, architectures.json beside this file, after a meant change.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from sparring import RECIPES, recipe
from sparring.errors import SparringError

RECORD = Path(__file__).with_name("architectures.json")
SHAPES = [(2,), (1, 16, 16), (3, 32, 32), (3, 64, 64)]


def facts(name: str, shape: tuple[int, ...]) -> dict[str, object]:
    """Return the data facts of a recipe other than the shape."""
    needs = RECIPES[name].needs
    if needs.startswith("labelled"):
        return {"classes": 3}
    if needs.startswith("captioned"):
        return {"captions": ("a red heart", "one dog")}
    if needs.startswith("unpaired"):
        return {"other": shape}
    if needs.startswith("paired"):
        return {"other": shape, "paired": True}
    return {"regions": 3} if needs.endswith("label maps") else {}


def counted(network: nn.Module) -> str:
    """Return how many parameters a network has, and a hash of the shapes of its parameters and buffers, in order."""
    tensors = [*network.parameters(), *network.buffers()]
    shapes = hashlib.sha256(repr([tuple(tensor.shape) for tensor in tensors]).encode()).hexdigest()
    return f"{sum(p.numel() for p in network.parameters())} {shapes[:12]}"


def game(name: str, shape: tuple[int, ...]) -> nn.Module | None:
    """Build the game of a recipe, without memory where it can be built so; None if it does not take the shape."""
    try:
        with torch.device("meta"):
            return recipe(name)(shape, **facts(name, shape))
    except SparringError:
        return None
    except RuntimeError:  # it depends on values
        return recipe(name)(shape, **facts(name, shape)) if max(shape) <= 32 else None


def built(name: str) -> dict[str, dict[str, str]]:
    """Return the networks of a recipe with its default settings, for every shape that it takes."""
    shapes = [shape for shape in SHAPES if len(shape) > 1 or "points" in RECIPES[name].needs]
    games = {f"{name} {'x'.join(map(str, shape))}": game(name, shape) for shape in shapes}
    return {key: {part: counted(each) for part, each in made.named_children()} for key, made in games.items() if made}


@pytest.mark.parametrize("name", RECIPES)
def test_every_network_has_the_parameters_on_record(name):
    known = {key: row for key, row in json.loads(RECORD.read_text()).items() if key.partition(" ")[0] == name}
    assert known
    assert built(name) == known, "if that is meant, run `python tests/unit/networks/test_architectures.py`"


if __name__ == "__main__":
    rows = [f"{json.dumps(key)}: {json.dumps(row)}" for name in RECIPES for key, row in built(name).items()]
    RECORD.write_text("{\n" + ",\n".join(rows) + "\n}\n")
