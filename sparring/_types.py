"""Open types at the edges of the library: JSON, torch, and callables resolved at run time."""

from __future__ import annotations

from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object, as `json.loads` returns it."""
Settings: TypeAlias = dict[str, Any]
"""Keyword arguments of a callable that is known only at run time, such as a recipe or a command."""
Network: TypeAlias = Any
"""A network whose methods a game calls by name; torch types attributes of a module as `Tensor | Module`."""
Context: TypeAlias = Any
"""The context of `torch.autograd.Function`, which takes any attribute."""
