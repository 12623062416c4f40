"""Every default and every constant of the library is the one on record: a setting cannot change unnoticed.

`make records` writes the record, defaults.json beside this file, after a meant change.
"""

from __future__ import annotations

import inspect
import json
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import sparring

RECORD = Path(__file__).with_name("defaults.json")


def written(value: Any) -> str:
    """Return a default in words that are the same in every process."""
    if inspect.isroutine(value) or inspect.isclass(value):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(written, value))})"
    return f"an object of {type(value).__qualname__}" if " object at 0x" in repr(value) else repr(value)


def modules() -> Iterator[Any]:
    """Yield every module of the library."""
    for found in pkgutil.walk_packages(sparring.__path__, "sparring."):
        if not found.name.endswith("__main__"):
            yield import_module(found.name)


def functions() -> Iterator[tuple[str, Any]]:
    """Yield every function, method and class of the library with its full name."""
    for module in modules():
        for name, value in vars(module).items():
            if getattr(value, "__module__", None) != module.__name__:
                continue
            if inspect.isroutine(value) or inspect.isclass(value):
                yield f"{module.__name__}.{name}", value
            if inspect.isclass(value):
                yield from (
                    (f"{module.__name__}.{name}.{method}", each)
                    for method, each in vars(value).items()
                    if inspect.isfunction(each) and method != "__init__"
                )


def given(value: Any) -> dict[str, Any]:
    """Return the defaults of something that can be called, by the names of its parameters."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except ValueError:  # of built-in types
        return {}
    return {each.name: each.default for each in parameters if each.default is not each.empty}


def defaults() -> dict[str, dict[str, str]]:
    """Return the defaults of everything that can be called, by name."""
    found = {name: {key: written(default) for key, default in given(value).items()} for name, value in functions()}
    return {name: row for name, row in found.items() if row}


def constants() -> dict[str, dict[str, str]]:
    """Return the constants of every module that are numbers, strings, and tuples, lists and dicts of them."""
    found = {}
    for module in modules():
        held = {name: repr(value) for name, value in vars(module).items() if name.isupper() and plain(value)}
        found |= {module.__name__: held} if held else {}
    return found


def plain(value: Any) -> bool:
    """Whether a value is a number, a string, None, or holds nothing else."""
    if isinstance(value, dict):
        return all(map(plain, [*value.keys(), *value.values()]))
    if isinstance(value, (tuple, list)):
        return all(map(plain, value))
    return value is None or isinstance(value, (int, float, str))


def test_every_default_and_constant_is_the_one_on_record():
    found, known = defaults() | constants(), json.loads(RECORD.read_text())
    changed = {name: (known.get(name), found.get(name)) for name in known | found if known.get(name) != found.get(name)}
    assert not changed, "if that is meant, run `python tests/zoo/test_defaults.py`"


def test_learning_rates_keep_their_pace_by_default():
    schedules = [given(value).get("schedule") for _, value in functions() if inspect.isclass(value)]
    paces = [schedule(step) for schedule in schedules if callable(schedule) for step in (0, 10**6)]
    assert len(paces) > 10
    assert set(paces) == {1.0}


if __name__ == "__main__":
    rows = [
        f"{json.dumps(name)}: {json.dumps(given, ensure_ascii=False)}"
        for name, given in sorted((defaults() | constants()).items())
    ]
    RECORD.write_text("{\n" + ",\n".join(rows) + "\n}\n")
