"""The code of README and documentation works: blocks run with small settings, and what is not run at least parses."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparring.cli import main, options
from sparring.cli.registry import COMMANDS
from sparring.recipes import RECIPES
from support import docs

PAGES = docs.pages()
ALL = [block for page in PAGES for block in docs.blocks(page)]
CLI = [import_module(f"sparring.cli.{path.stem}") for path in Path(options.__file__).parent.glob("[a-z]*.py")]
RUNS = {
    "runs/photos": "train dcgan --data photos/ --size 32 --width 4 --hold-out 0.4 --batch-size 8 --steps 2 "
    "--eval-every 0.01",
    "runs/pictures": "train cyclegan --data pictures/ --size 32 --width 4 --blocks 1 --batch-size 2 --steps 1",
}
"""Runs that some pages use and do not train."""


class Parsed(BaseException):
    """Raised in place of running a command whose words have been parsed."""


@pytest.fixture
def parse(monkeypatch):
    """Parse the words of a command, and do not run it."""
    real = options.parsed

    def only_parsed(*arguments):
        real(*arguments)
        raise Parsed

    for module in CLI:
        if getattr(module, "parsed", None) is real:
            monkeypatch.setattr(module, "parsed", only_parsed)

    def check(words):
        try:
            code = main(words)
        except Parsed:
            code = 0
        assert code == 0, f"sparring {' '.join(words)}"

    return check


def foreign(words):
    return any(re.match(r"\w+:\w+$", word) and word.split(":")[0] not in ("pairs", "maps", "whole") for word in words)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_parses(page, parse):
    for block in docs.blocks(page):
        if block.language == "bash":
            for words in docs.commands(block.text):
                if not foreign(words):
                    parse(words)
    for words in docs.inline(page):
        if not foreign(words) and words[0] != "train-encoder" and " ".join(words) not in COMMANDS:
            data = ["--data", "ring"] if words[0] == "train" and "--data" not in words else []
            parse([*words, *data])


@pytest.mark.parametrize("page", PAGES)
def test_every_python_block_compiles_and_its_imports_exist(page):
    for block in docs.blocks(page):
        if block.language == "python":
            for node in ast.walk(ast.parse(block.text)):
                if isinstance(node, ast.ImportFrom) and node.module.startswith("sparring"):
                    module = import_module(node.module)
                    missing = [each.name for each in node.names if not exists(module, each.name)]
                    assert not missing, f"{page}:{block.line}: {node.module} has no {missing}"


def exists(module, name):
    if hasattr(module, name):
        return True
    return importlib.util.find_spec(f"{module.__name__}.{name}") is not None


@pytest.mark.parametrize("page", PAGES)
def test_every_name_of_the_package_in_a_page_exists(page):
    for dotted in set(re.findall(r"`(sparring(?:\.\w+)+)", (docs.ROOT / page).read_text())):
        module, names = sys.modules["sparring"], dotted.split(".")[1:]
        for name in names:
            assert exists(module, name), f"{page}: {dotted}"
            module = getattr(module, name, None) or import_module(f"{module.__name__}.{name}")


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page):
    text = (docs.ROOT / page).read_text()
    for name in set(re.findall(r"\b((?:tests|benchmarks|docs|tools|examples|sparring)/[\w/.-]+\.\w+)", text)):
        assert (docs.ROOT / name).exists(), f"{page}: {name}"
    for name in set(re.findall(r"python -m benchmarks (\w+)", text)):
        assert [*docs.ROOT.glob(f"benchmarks/*/{name}.py")], f"{page}: python -m benchmarks {name}"
    targets = set(re.findall(r"^([\w-]+):", (docs.ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"[`\n]make ([\w-]+)", text)) <= targets, page


def test_every_block_that_is_not_run_states_why():
    assert all(len(block.reason.split()) >= 2 for block in ALL if block.reason)


def picture(path, side, grey=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (side, side) if grey else (side, side, 3)
    Image.fromarray(np.random.default_rng(len(str(path))).integers(0, 256, shape, np.uint8)).save(path)


@pytest.fixture
def there(tmp_path, monkeypatch):
    """Go to a folder with the files that the pages use."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for row in range(160):
        picture(tmp_path / "photos" / f"{row:03}.png", 32)
    for folder in ("pictures/trainA", "pictures/trainB", "holiday", "testA", "testB", "streets"):
        for row in range(4):
            picture(tmp_path / folder / f"{row}.png", 32)
    for name in ("photo.jpg", "sketch.png"):
        picture(tmp_path / name, 40)
    yield tmp_path
    for name in ("mygames", "mynets"):
        sys.modules.pop(name, None)


RUNNABLE = [page for page in PAGES if any(b.language in ("bash", "python") and not b.reason for b in docs.blocks(page))]


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNABLE)
def test_the_blocks_of_a_page_run_in_order(page, there):
    text = (docs.ROOT / page).read_text()
    for run, command in RUNS.items():
        if run in text and not re.search(rf"--out {run}\s", text):
            assert main([*command.split(), "--out", run]) == 0
    names: dict[str, object] = {"__name__": "page"}
    for block in docs.blocks(page):
        if block.file:
            with (there / block.file).open("a") as file:
                file.write(f"{block.text}\n\n")
        if block.reason:
            continue
        if block.language == "python":
            exec(compile(block.text, f"{page}:{block.line}", "exec"), names)  # ours
        elif block.language == "bash":
            for words in docs.commands(block.text):
                small = docs.tiny(words)
                assert main(small) == 0, f"{page}:{block.line}: sparring {' '.join(small)}"


def test_the_reference_has_a_page_for_every_package_command_and_recipe(tmp_path):
    spec = importlib.util.spec_from_file_location("reference", docs.ROOT / "tools" / "reference.py")
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    reference.main(tmp_path)
    pages = {path.stem: path.read_text() for path in (tmp_path / "commands").glob("*.md")}
    assert {command.replace(" ", "-") for command in COMMANDS} | {f"train-{name}" for name in RECIPES} <= set(pages)
    assert all("usage: sparring" in text for text in pages.values())
    api = "".join(path.read_text() for path in (tmp_path / "api").glob("*.md"))
    listed = set(re.findall(r"^::: (.*)$", api, flags=re.MULTILINE))
    assert listed == {name for name, _ in reference.modules()}
    assert {"sparring", "sparring.game", "sparring.games.wgan", "sparring.data.sources.files"} <= listed
