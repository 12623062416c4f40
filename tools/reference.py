"""Write the generated pages of the reference: one page a package from its docstrings, one page a command from its help.

    python tools/reference.py [FOLDER]        FOLDER is docs/reference by default; writes FOLDER/api and FOLDER/commands

The pages under ``api`` hold mkdocstrings directives, which ``zensical build`` renders.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sparring"
WIDTH = "96"
"""Columns of a help text."""


def modules() -> Iterator[tuple[str, Path]]:
    """Yield the dotted name and the file of every public module, packages before their modules."""
    for path in sorted(PACKAGE.rglob("*.py"), key=lambda path: (path.parent, path.name != "__init__.py", path.name)):
        parts = path.relative_to(ROOT).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(part.startswith("_") for part in parts):
            yield ".".join(parts), path


def summary(path: Path) -> str:
    """Return the first sentence of the docstring of a file, without importing it."""
    return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]


def by_page() -> dict[str, list[tuple[str, Path]]]:
    """Return the modules of every page: the root package, and one page for each package in it."""
    pages: dict[str, list[tuple[str, Path]]] = {}
    for name, path in modules():
        head = name.split(".")[1:2]
        page = head[0] if head and (PACKAGE / head[0]).is_dir() else "sparring"
        pages.setdefault(page, []).append((name, path))
    return pages


def write_api(folder: Path) -> None:
    """Write one page a package into a folder, and the index that lists them."""
    folder.mkdir(parents=True, exist_ok=True)
    index = ["# Python reference", "", "| package | content |", "|---|---|"]
    for page, listed in by_page().items():
        title = "sparring" if page == "sparring" else f"sparring.{page}"
        lines = [f"# {title}", ""]
        for name, _ in listed:
            level = 2 if name.count(".") < 2 else 3
            lines += [f"::: {name}", "    options:", f"      heading_level: {level}", ""]
        (folder / f"{page}.md").write_text("\n".join(lines))
        index.append(f"| [`{title}`]({page}.md) | {summary(listed[0][1])} |")
    (folder / "index.md").write_text("\n".join(index) + "\n")


def help_of(*words: str) -> str:
    """Return what the command line prints for some words, in plain text."""
    from sparring.cli import main

    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = main(words)
    assert code == 0, words
    return "\n".join(line.rstrip() for line in out.getvalue().strip("\n").split("\n"))


def write_commands(folder: Path) -> None:
    """Write one page a command into a folder, one page for the flags of each recipe, and the index."""
    from sparring.cli.registry import COMMANDS, OWN_FLAGS
    from sparring.recipes import RECIPES

    folder.mkdir(parents=True, exist_ok=True)
    index = ["# Command reference", "", "```text", help_of("--help"), "```", "", "| command | purpose |", "|---|---|"]
    for command, (_, purpose) in COMMANDS.items():
        page = command.replace(" ", "-")
        words = {"train": ["train", "nsgan"], "singan": ["train", "singan"]}.get(command, command.split())
        full = command in OWN_FLAGS and command != "train-encoder"  # whose flags depend on a run
        body = [f"# sparring {command}", "", f"{purpose[0].upper()}{purpose[1:]}.", ""]
        if command == "train":
            body += ["```text", help_of("train", "--help"), "```", "", "With the flags of one recipe, `nsgan`:", ""]
        body += ["```text", help_of(*words, "--help-all" if full else "--help"), "```", ""]
        if command == "train":
            body += ["Flags of each recipe: " + ", ".join(f"[{name}](train-{name}.md)" for name in RECIPES) + ".", ""]
        (folder / f"{page}.md").write_text("\n".join(body))
        index.append(f"| [`{command}`]({page}.md) | {purpose} |")
    for name in RECIPES:
        text = help_of("train", name, "--help-all")
        (folder / f"train-{name}.md").write_text(f"# sparring train {name}\n\n```text\n{text}\n```\n")
    (folder / "index.md").write_text("\n".join(index) + "\n")


def main(target: Path = ROOT / "docs" / "reference") -> None:
    """Write both parts of the reference, in place of earlier ones."""
    os.environ |= {"COLUMNS": WIDTH, "NO_COLOR": "1", "TERM": "dumb"}
    for part, write in (("api", write_api), ("commands", write_commands)):
        shutil.rmtree(target / part, ignore_errors=True)
        write(target / part)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
