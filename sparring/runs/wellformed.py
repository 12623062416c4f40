"""Whether a record is one: what ``run.json`` must hold before anything is made of it."""

from __future__ import annotations

import os
from typing import Any

NUMBER, WHOLE, TEXT, EMPTY = (int, float), (int,), (str,), type(None)
MOST = 2**63 - 1

RUN: dict[str, tuple[type, ...]] = {
    "recipe": TEXT,
    "arguments": (dict,),
    "data": (dict,),
    "batch_size": WHOLE,
    "seed": WHOLE,
    "grad_accum": WHOLE,
    "ema_decay": NUMBER,
    "precision": TEXT,
    "provenance": (dict,),
}
DATA: dict[str, tuple[type, ...]] = {
    "name": TEXT,
    "size": (int, EMPTY),
    "channels": (int, EMPTY),
    "root": (str, EMPTY),
    "mirror": (bool,),
    "fingerprint": TEXT,
    "facts": (dict,),
}
FAST: dict[str, tuple[type, ...]] = {
    "setting": TEXT,
    "channels_last": (list,),
    **dict.fromkeys(("fused", "folded", "ahead", "keeping"), (bool,)),
}
FACTS: dict[str, tuple[type, ...]] = {"shape": (list,), "classes": WHOLE}
PERHAPS: dict[str, tuple[type, ...]] = {
    "id": TEXT,
    "techniques": (dict,),
    "performance": (dict,),
    "hold_out": NUMBER,
    "crop_margin": WHOLE,
    "skip_unreadable": (bool,),
    "slopes": (bool,),  # of fast, as is the next
    "folds": (list,),
    "captions": (list,),
    "words": (list,),
    "names": (list,),
    "other": (list,),
    "paired": (bool,),
    "regions": (int, dict),
}
"""What may be absent, in the record, its data, its facts or what makes it fast."""


def require_record(record: Any) -> None:
    """Refuses what is no record of a run.

    Args:
        record: As read from JSON.

    Raises:
        ValueError: The message names the first entry that is missing, or is not what it must be.
    """
    _require_table("", record, RUN)
    _require_table("data.", record["data"], DATA)
    for name in ("name", "root"):
        _require_path(f"data.{name}", record["data"][name] or "")
    facts = record["data"]["facts"]
    _require_table("data.facts.", facts, FACTS)
    fast = record.get("performance", {})
    if "performance" in record:
        _require_table("performance.", fast, FAST)
        if unknown := set(fast) - {*FAST, "slopes", "folds"}:
            raise ValueError(f"its performance has an unknown entry {min(unknown)[:40]!r}")
    shapes = [facts[name] for name in ("shape", "other") if name in facts]
    if not all(shape and all(type(side) is int and 0 < side < 2**20 for side in shape) for shape in shapes):
        raise ValueError("its data.facts have no shape of whole numbers above 0")
    texts = [*record["data"].get("words", []), *record["data"].get("names", []), *facts.get("captions", [])]
    if not all(isinstance(text, str) for text in [*texts, *fast.get("channels_last", []), *fast.get("folds", [])]):
        raise ValueError("it has words, names, captions or networks that are no texts")


def _require_table(place: str, table: Any, form: dict[str, tuple[type, ...]]) -> None:
    if not isinstance(table, dict):
        raise ValueError("it is no table")
    for name in form:
        if name not in table:
            raise ValueError(f"it has no {place}{name}")
    for name, kinds in {**PERHAPS, **form}.items():
        if name in table:
            _require(f"{place}{name}", table[name], kinds)


def _require_path(name: str, value: str) -> None:
    """Refuses what no path can hold."""
    try:
        possible = b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise ValueError(f"its {name} cannot be {value[:40]!r}")


def _require(name: str, value: Any, kinds: tuple[type, ...]) -> None:
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ValueError(f"its {name} cannot be {str(value)[:40]!r}")
    if isinstance(value, (int, float)) and not -MOST <= value <= MOST:
        raise ValueError(f"its {name} is out of range")
