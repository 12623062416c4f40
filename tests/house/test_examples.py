"""Every file of examples/ runs, with tiny settings."""

from __future__ import annotations

import ast
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).parents[2] / "examples"
TINY = {
    "photographs": "photos --width 4 --size 16 --steps 4 --out run",
    "own_game": "--steps 4 --out ring.png",
    "own_networks": "--steps 2 --out run",
    "conditional": "--steps 2 --columns 2 --out run",
    "translation": "--steps 1 --count 20 --width 4 --out run",
    "evaluate_runs": "--recipes nsgan lsgan --steps 1 --samples 60 --out run",
    "custom_metric": "--steps 1 --samples 60 --out run",
    "latent_walk": "--steps 1 --count 4 --out run",
}
"""The flags with which each example takes seconds."""


def test_every_example_is_listed():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(TINY)


@pytest.mark.parametrize("name", TINY)
def test_examples_are_short(name):
    assert 20 <= len((EXAMPLES / f"{name}.py").read_text().splitlines()) <= 60


@pytest.mark.parametrize("name", TINY)
def test_an_example_runs(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    (tmp_path / "photos").mkdir()
    for row, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (200, 20, 20, 3), np.uint8)):
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{row}.png")
    monkeypatch.setattr(sys, "argv", [name, *TINY[name].split()])
    try:
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    finally:
        sys.modules.pop("own_networks", None)
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("path", [*EXAMPLES.glob("*.ipynb")], ids=lambda path: path.stem)
def test_a_notebook_holds_the_code_of_its_example_and_what_it_printed(path):
    cells = json.loads(path.read_text())["cells"]
    example = ast.parse((EXAMPLES / f"{path.stem}.py").read_text())
    code = ast.parse("".join(cells[1]["source"]))
    assert [ast.dump(node) for node in code.body[1:]] == [ast.dump(node) for node in example.body[1:-1]]
    assert {output["output_type"] for output in cells[2]["outputs"]} == {"stream", "display_data"}
