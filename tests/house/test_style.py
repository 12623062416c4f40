"""Style: what modules may do, how long functions are, and what importing the package costs."""

import ast
import importlib
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import sparring
from support import runs

ROOT = Path(sparring.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
GAMES = sorted(ROOT.glob("games/**/*.py"))
FAR = {"_io", "networks", "data", "metrics", "augment", "visualization"}
"""Packages that a game and the trainer do not import."""


def part_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("sparring"):
            yield from [node.module] if node.module != "sparring" else [f"sparring.{n.name}" for n in node.names]
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("sparring"))


def test_games_import_neither_networks_nor_files_nor_the_terminal():
    others = [ROOT / name for name in ("game.py", "check.py", "training/trainer.py")]
    for path in [*GAMES, *ROOT.glob("wrappers/*.py"), *others]:
        tree = ast.parse(path.read_text())
        assert not [module for module in imported(tree) if module.split(".")[1] in FAR], path
        calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and hasattr(node.func, "id")}
        assert not calls & {"print", "open"}, path


def test_pictures_are_opened_in_one_module_only():
    """Every error of a decoder becomes one sentence that names the file there."""
    opening = [path for path in FILES if "Image.open" in path.read_text() or "ImageOps" in path.read_text()]
    assert [str(path.relative_to(ROOT)) for path in opening] == ["data/sources/images.py"]
    lazily = [
        name for path in FILES for name in imported_names(ast.parse(path.read_text()), "sparring.data.sources.images")
    ]
    assert lazily
    assert "opened" not in lazily


def imported_names(tree, module):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == module:
            yield from (name.name for name in node.names)


def functions():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield f"{path.relative_to(ROOT)}:{node.name}", node.end_lineno - node.lineno + 1


def test_functions_stay_short():
    lengths = dict(functions())
    assert not {name: n for name, n in lengths.items() if n > 60}
    assert statistics.median(lengths.values()) <= 10


def test_a_round_fits_an_algorithm_box():
    assert not {name: n for name, n in functions() if name.endswith(":round") and n > 20}


def test_only_the_trainer_calls_backward_and_steps():
    for path in FILES:
        if path.name == "trainer.py" or part_of(path) == "metrics":  # extractors are trained plainly
            continue
        called = {
            node.func.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        }
        assert "backward" not in called, path


def test_importing_the_package_does_not_import_torch():
    code = "import sys, sparring, sparring.recipes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_can_be_imported():
    for name in sparring.__all__:
        assert getattr(sparring, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        sparring.nothing  # noqa: B018


PACKAGES = ("evaluation", "inference", "recipes", "reports", "runs", "training", "visualization")


@pytest.mark.parametrize("name", PACKAGES)
def test_packages_export_the_names_that_they_list_and_import_them_on_first_use(name):
    package = importlib.import_module(f"sparring.{name}")
    assert [each for each in package.__all__ if getattr(package, each, None) is None] == []
    with pytest.raises(AttributeError, match="nothing"):
        package.nothing  # noqa: B018
    code = f"import sys, sparring.{name}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


TESTS = sorted(Path(__file__).parents[1].rglob("*.py"))
SHARED = {"gettempdir", "gettempdirb", "tempdir"}
"""What names the folder that all processes share."""


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_no_test_writes_under_a_fixed_name_in_the_systems_temporary_folder(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            assert node.attr not in SHARED, f"{path.name}:{node.lineno}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and path != Path(__file__):
            assert not node.value.startswith(("/tmp", "/var/tmp", "/dev/shm")), f"{path.name}:{node.lineno}"


@pytest.mark.slow
def test_processes_that_start_together_share_no_folder_and_leave_none(tmp_path):
    count = "sum(1 for _ in runs.SCRATCH.rglob('*.png'))"
    code = f"from support import runs; import sys; print(runs.UNPAIRED['data'], {count})"
    here = {name: value for name, value in os.environ.items() if name != runs.SHARED} | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    pair = [
        subprocess.Popen(command, env=here, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True)
        for _ in "ab"
    ]
    said = [process.communicate()[0].split() for process in pair]
    assert [process.returncode for process in pair] == [0, 0]
    assert said[0][0] != said[1][0]
    assert said[0][1] == said[1][1] == "33"
    assert list(tmp_path.iterdir()) == []
