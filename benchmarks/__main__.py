"""Runs a benchmark by its name: ``python -m benchmarks NAME [options]``; without a name, lists all of them."""

from __future__ import annotations

import ast
import difflib
import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parent


def scripts() -> dict[str, Path]:
    """Return the files that have a `main` function, by name."""
    found = {path.stem: path for path in sorted(ROOT.glob("*/*.py"))}
    return {name: path for name, path in found.items() if "\ndef main(" in path.read_text()}


def head(path: Path) -> str:
    """Return the first line of the docstring of a file, without importing it."""
    return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]


def listing() -> str:
    """Return the names of all benchmarks, with one line each."""
    lines = ["usage: python -m benchmarks NAME [options]", ""]
    for name, path in scripts().items():
        lines.append(f"  {f'{path.parent.name}/':<9}{name:<18}{head(path)}")
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark that the command line names."""
    name, found = next(iter(sys.argv[1:]), ""), scripts()
    if name in ("", "-h", "--help"):
        print(listing())
        return
    if name not in found:
        near = difflib.get_close_matches(name, found, n=1, cutoff=0.0)[0]
        sys.exit(f"There is no benchmark {name}: did you mean {near}? Run `python -m benchmarks` for a list.")
    sys.argv = [f"python -m benchmarks {name}", *sys.argv[2:]]
    import_module(f"benchmarks.{found[name].parent.name}.{name}").main()


if __name__ == "__main__":
    main()
