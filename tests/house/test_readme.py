"""The README's program runs as printed, and its table names every recipe."""

import re
from pathlib import Path

from sparring.recipes import RECIPES

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_program_of_the_readme_runs(capsys):
    (program,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    exec(compile(program.replace("steps=1000", "steps=100"), "README.md", "exec"), {"__name__": "readme"})  # ours
    printed = capsys.readouterr().out
    assert "A round: D → G." in printed
    assert "100 {'D/real'" in printed


def test_the_table_names_every_recipe():
    assert set(RECIPES) <= set(re.findall(r"`([\w-]+)`", README))


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150
