"""Version, citation and changelog agree, and the wheel holds everything that the package needs."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import sparring

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_version_is_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text()
    (cited,) = re.findall(r"^version: (.*)$", citation, flags=re.MULTILINE)
    (released,) = re.findall(r"^date-released: (.*)$", citation, flags=re.MULTILINE)
    assert sparring.__version__ == PROJECT["version"] == cited
    assert f"## [{cited}] - {released}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package(tmp_path):
    pytest.importorskip("hatchling")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, check=True, cwd=ROOT, capture_output=True)
    (wheel,) = tmp_path.glob("sparring-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
        record = next(name for name in packed if name.endswith("entry_points.txt"))
        assert "sparring = sparring.cli:main" in archive.read(record).decode()
    tracked = {path.relative_to(ROOT).as_posix() for path in (ROOT / "sparring").rglob("*") if path.is_file()}
    needed = {name for name in tracked if "__pycache__" not in name}
    assert needed <= packed
    assert {"sparring/py.typed", "sparring/data/digits/digits.npz", "sparring/data/digits/LICENSE"} <= packed
    assert any(name.startswith("sparring/reports/templates/") for name in packed)
    assert not any(name.startswith(("tests/", "benchmarks/", "docs/", "tools/")) for name in packed)


def test_contributing_draws_every_public_module_of_the_root_in_the_order_of_imports():
    page = (ROOT / "CONTRIBUTING.md").read_text()
    tree = page.partition("```text\n")[2].partition("```")[0]
    drawn = [name for name in re.findall(r"(\w+)(?:/|\.py)(?=\s|$)", tree.partition("\n")[2]) if name[0] != "_"]
    (contract,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][:1]
    order = [name.strip() for layer in contract["layers"] for name in layer.split(":")]
    assert set(drawn) == {name for name in order if name[0] != "_"}
    places = {name: row for row, layer in enumerate(contract["layers"]) for name in layer.replace(" ", "").split(":")}
    assert [places[name] for name in drawn] == sorted(places[name] for name in drawn)
