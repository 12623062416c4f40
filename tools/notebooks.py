"""Execute examples and write them as notebooks with their outputs.

    python tools/notebooks.py [NAME ...]        examples/NAME.ipynb; conditional and own_game by default

Each notebook has the docstring as text, the code of the example, and one cell that calls ``main`` and shows a picture.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import os
import sys
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

EXAMPLES = Path(__file__).parents[1] / "examples"
CALLS = {
    "conditional": ('main(Path("run"), steps=1500)', "run/digits.png"),
    "own_game": ('main(Path("ring.png"), steps=3000)', "ring.png"),
}
"""The last cell of each notebook, and the picture that it writes."""


def cell(kind: str, text: str, **more: Any) -> dict[str, Any]:
    """Return a notebook cell."""
    source = [f"{line}\n" for line in text.strip("\n").split("\n")]
    return {"cell_type": kind, "id": f"{zlib.crc32(text.encode()):08x}", "metadata": {}, "source": source, **more}


def code(text: str, count: int, outputs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return an executed code cell."""
    return cell("code", text, execution_count=count, outputs=outputs)


def parts(path: Path) -> tuple[str, str]:
    """Return the docstring of an example, and its code without the docstring and the call at the end."""
    text = path.read_text()
    tree = ast.parse(text)
    lines = text.split("\n")[tree.body[0].end_lineno : tree.body[-1].lineno - 1]
    return ast.get_docstring(tree) or "", "\n".join(lines).strip("\n")


def executed(source: str, call: str, picture: str) -> list[dict[str, Any]]:
    """Run an example in a folder of its own, and return the outputs of its last cell."""
    here = Path.cwd()
    with TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as printed:
        os.chdir(folder)
        try:
            exec(compile(f"{source}\n{call}\n", "example", "exec"), {"__name__": "example"})
            pixels = base64.b64encode(Path(picture).read_bytes()).decode()
        finally:
            os.chdir(here)
    lines = [f"{line}\n" for line in printed.getvalue().strip("\n").split("\n")]
    stream = {"output_type": "stream", "name": "stdout", "text": lines}
    shown = {"output_type": "display_data", "data": {"image/png": pixels}, "metadata": {}}
    return [stream, shown]


def write(name: str) -> Path:
    """Execute one example and write its notebook."""
    head, source = parts(EXAMPLES / f"{name}.py")
    call, picture = CALLS[name]
    show = f'{call}\ndisplay(Image("{picture}"))'
    cells = [
        cell("markdown", f"# {head}"),
        code(f"from IPython.display import Image, display\n\n{source}", 1, []),
        code(show, 2, executed(source, call, picture)),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    path = EXAMPLES / f"{name}.ipynb"
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    return path


if __name__ == "__main__":
    for name in sys.argv[1:] or CALLS:
        print(write(name))
