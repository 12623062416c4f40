"""Journals with damage: only a torn last line is ignored; other unreadable lines are reported, and a copy is kept."""

from __future__ import annotations

import json
import re

import pytest

from sparring.runs import checkpoint, logs
from sparring.runs.early_stopping import FILE, EarlyStopping, best
from support import runs
from support.runs import play, start

quick = pytest.fixture(autouse=True)(runs.quick)
EVERY = EarlyStopping(0.016, samples=50)  # every second step of 8 points
STEPS = 12


def line(step, **more):
    return json.dumps({"step": step, **more}).encode() + b"\n"


def filled(path, *lines):
    path.write_bytes(b"".join(lines))
    return path


def steps(path):
    return [each["step"] for each in logs.read(path)]


BROKEN = {
    "a flipped byte": b'{"step": 3, "a\x00: 1}\n',
    "not text": b"\xff\xfe\n",
    "empty": b"\n",
    "no table": b"[3]\n",
    "no step": b'{"images": 3}\n',
    "a step that is true": b'{"step": true}\n',
    "too deep": b"[" * 10**5 + b"\n",
    "a step without end": line(10**400),
    "a value that is text": line(3, value="x"),
    "seconds that are text": line(3, seconds="x"),
    "images that are a table": line(3, images={}),
    "seconds without end": line(3, seconds=10**400),
    "terms that are text": line(3, terms="x"),
    "a term that is text": line(3, terms={"D/x": "y"}),
    "a term without end": line(3, terms={"D/x": 10**400}),
    "a term that overflows": line(3, terms={"D/x": -1.7e308}),
    "out of order, later": line(900),
    "out of order, earlier": line(0),
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
def test_a_broken_line_costs_no_other_line_and_a_copy_is_kept(tmp_path, damage):
    lines = [line(1), line(2), damage, line(4), line(5)]
    path = filled(tmp_path / "log.jsonl", *lines)
    assert steps(path) == [1, 2, 4, 5]
    opened = logs.JsonLinesWriter(path, 5)
    opened.write([{"step": 6}])
    opened.close()
    assert steps(path) == [1, 2, 4, 5, 6]
    assert path.read_bytes() == b"".join([line(1), line(2), line(4), line(5), line(6)])
    assert (tmp_path / "log.jsonl.broken-1").read_bytes() == b"".join(lines)
    (note,) = opened.notes
    assert "log.jsonl" in note
    assert "line 3 cannot be read" in note
    assert "log.jsonl.broken-1" in note
    logs.JsonLinesWriter(path, 6).close()
    assert not (tmp_path / "log.jsonl.broken-2").exists(), "it is sound now"


def test_every_damage_has_a_copy_of_its_own(tmp_path):
    for number in (1, 2):
        path = filled(tmp_path / "log.jsonl", line(1), b"?\n", b"!\n", line(number))
        opened = logs.JsonLinesWriter(path, 5)
        opened.close()
        assert (tmp_path / f"log.jsonl.broken-{number}").read_bytes().endswith(line(number))
        assert "2 lines cannot be read or are out of order, the first of them line 2" in opened.notes[0]


@pytest.mark.parametrize("torn", [b'{"step": 3, "ima', b'{"step": 3}', b"", b"\x00\x00"])
def test_a_torn_last_line_is_ignored(tmp_path, torn):
    path = filled(tmp_path / "log.jsonl", line(1), line(2), torn)
    assert steps(path) == [1, 2]
    opened = logs.JsonLinesWriter(path, 5)
    opened.write([{"step": 3}])
    opened.close()
    assert opened.notes == []
    assert steps(path) == [1, 2, 3]
    assert [each.name for each in tmp_path.iterdir()] == ["log.jsonl"]


def test_lines_about_later_steps_are_dropped_also_beside_a_broken_one(tmp_path):
    path = filled(tmp_path / "log.jsonl", line(1), line(2), line(3), b"?\n", line(4))
    opened = logs.JsonLinesWriter(path, 2)
    opened.close()
    assert opened.last == {"step": 2}
    assert path.read_bytes() == line(1) + line(2)
    assert (tmp_path / "log.jsonl.broken-1").exists()


def test_equal_steps_are_in_order(tmp_path):
    path = filled(tmp_path / "timing.jsonl", line(1), line(2, a=1), line(2, a=2), line(3))
    opened = logs.JsonLinesWriter(path, 3)
    opened.close()
    assert opened.notes == []
    assert steps(path) == [1, 2, 2, 3]


def spoilt(path, row):
    """Flip one byte in a line of a file, and return what the file was before."""
    before = path.read_bytes()
    lines = before.splitlines(keepends=True)
    lines[row] = b"?" + lines[row][1:]
    path.write_bytes(b"".join(lines))
    return before


@pytest.mark.parametrize("name", ["log.jsonl", "timing.jsonl"])
def test_resuming_with_a_broken_line_keeps_all_that_follows(tmp_path, name):
    run = play(start(tmp_path / "run"), 6, save_every=2)
    before = spoilt(run.folder / name, 1 if name == "log.jsonl" else 0)
    broken = (run.folder / name).read_bytes()
    resumed = play(start(tmp_path / "run"), 8, save_every=2)
    assert (run.folder / f"{name}.broken-1").read_bytes() == broken
    assert any(re.search(rf"{name}: line . cannot be read", note) for note in resumed.notes)
    if name == "log.jsonl":
        straight = play(start(tmp_path / "straight"), 8, save_every=2)
        whole = (straight.folder / name).read_bytes().splitlines()
        assert (run.folder / name).read_bytes().splitlines() == [whole[0], *whole[2:]]
    else:
        assert before.count(b"\n") <= len(steps(run.folder / name)) + 1


@pytest.mark.parametrize("row", [0, 1, 2, 3])
def test_a_damaged_evaluation_costs_neither_the_others_nor_the_best_checkpoint(tmp_path, row):
    for folder in (tmp_path / "run", tmp_path / "sound"):
        play(start(folder), 8, early_stopping=EVERY, save_every=4)
    rows = logs.read(folder / FILE)
    spoilt(tmp_path / "run" / FILE, row)
    resumed, sound = (play(start(tmp_path / name), 9, early_stopping=EVERY, save_every=4) for name in ("run", "sound"))
    assert logs.read(resumed.folder / FILE) == rows[:row] + rows[row + 1 :]
    kept, expected = (
        {path.name for path in checkpoint.list_checkpoints(run.folder, "best")} for run in (resumed, sound)
    )
    assert expected
    assert expected <= kept
    assert any("evaluations.jsonl: line" in note for note in resumed.notes)
    assert (resumed.folder / f"{FILE}.broken-1").exists()


def test_numbers_that_are_not_finite_are_numbers(tmp_path):
    values = [float("inf"), float("-inf"), float("nan"), 3, 1e38]
    path = filled(tmp_path / "evaluations.jsonl", *(line(k, value=value) for k, value in enumerate(values)))
    assert [str(row["value"]) for row in logs.read(path)] == ["inf", "-inf", "nan", "3", "1e+38"]


def test_a_step_that_no_training_reaches_is_none(tmp_path):
    assert steps(filled(tmp_path / "log.jsonl", line(2**63 - 1), line(2**63))) == [2**63 - 1]


def test_a_row_without_a_value_is_not_the_best():
    rows = [{"step": 1, "value": 2.0, "best": True}, {"step": 2, "best": True}]
    assert best(rows) == rows[0]
    assert best(rows[1:]) is None
