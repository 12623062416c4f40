"""Griffe extension: render the doctests of docstrings as code blocks."""

import re
from typing import Any

import griffe

RUN = re.compile(r"(?m)^([ \t]*)>>> .*\n?(?:\1(?!\s*$).*\n?)*")


class DoctestBlocks(griffe.Extension):
    """Wrap each run of ``>>>`` lines and their output in a fence, so that Markdown does not read them as quotations."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of an object in place."""
        if obj.docstring and ">>> " in obj.docstring.value:
            obj.docstring.value = RUN.sub(fenced, obj.docstring.value)


def fenced(match: re.Match[str]) -> str:
    """Return a run of doctest lines as a fenced block with the same indentation."""
    indent, text = match.group(1), match.group(0).rstrip("\n")
    return f"{indent}```pycon\n{text}\n{indent}```\n"
