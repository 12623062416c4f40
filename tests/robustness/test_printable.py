"""What comes from outside is shown and written in a printable form: names of files, classes and folders, captions."""

import io
import json
import os
import re
import sys
import unicodedata

import numpy as np
import pytest
import torch
from PIL import Image

from sparring.cli import main
from sparring.cli.console import progress, say, show_table, warn
from sparring.data import Dataset, load
from sparring.data.annotations.label_maps import LabelMapClasses
from sparring.data.annotations.palettes import save_palette
from sparring.errors import DataError, GameError, RunError, SparringError, printable
from sparring.runs.run import Run
from support import runs

quick = pytest.fixture(autouse=True)(runs.quick)

HOSTILE = "\x1b[2J\x1b]0;owned\x07a\nPassed over: b\r\u202egnp\x9b1m"
ESCAPED = r"\x1b[2J\x1b]0;owned\x07a\nPassed over: b\r\u202egnp\x9b1m"
PLAIN = ("photo 1.png", "写真　漢字.png", "Zürich – été", "👩‍👩‍👧 🏳️‍🌈", "שלום‏ עולם", "a\\b [red]x[/red] <b>&", "نامه‌ها")


def obeyed(text):
    """The characters of a text, but for the ends of lines, that a terminal would obey."""
    return [c for c in text.replace("\n", "") if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")] + re.findall(
        "[\u202a-\u202e\u2066-\u2069]", text
    )


def test_what_a_terminal_obeys_is_escaped_and_all_else_stays():
    assert printable(HOSTILE) == ESCAPED
    assert printable(ESCAPED) == ESCAPED
    assert [printable(text) for text in PLAIN] == list(PLAIN)
    assert printable(os.fsdecode(b"\xff.png")) == r"\xff.png"
    assert printable("\ud83d and \udfff") == r"\ud83d and \udfff"
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    assert not obeyed(printable(every))
    assert printable(every).encode().decode() == printable(every)


def test_names_of_skipped_files_are_printable():
    images = np.zeros((2, 8, 8, 3), np.uint8)
    made = Dataset("noise", images, skipped=(f"{HOSTILE} is no image.", "b.png is empty."))
    assert made.skipped == (f"{ESCAPED} is no image.", "b.png is empty.")


@pytest.mark.parametrize("kind", [SparringError, DataError, GameError, RunError])
def test_errors_are_printable(kind):
    assert str(kind(f"{HOSTILE} cannot be read: mend it.")) == f"{ESCAPED} cannot be read: mend it."


def test_lines_and_tables_are_printable(capsys):
    say(HOSTILE, 3)
    warn(HOSTILE)
    show_table(["name"], [[HOSTILE], ["[red]x[/red]"]])
    output = capsys.readouterr()
    assert output.out.splitlines()[0] == f"{ESCAPED} 3"
    assert output.err == f"{ESCAPED}\n"
    assert not obeyed(output.out)
    assert "[red]x[/red]" in output.out


class Terminal(io.StringIO):
    """A stream that rich treats as a terminal."""

    def isatty(self):
        return True


def drawn(monkeypatch, width, terms):
    """The lines that a training draws at step 150 of 200 on a terminal of this width, without its codes."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("rich._console", None)  # which reads the width once
    with progress(total=200, keep=True) as show:
        for step in (50, 150):
            show._last = 0
            losses = "  ".join(f"{name} {value:.4f}" for name, value in terms.items())
            show.update(step, head=f"step {step}  1,234 img/s", tail=losses)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    return [line for line in re.split(r"[\r\n]+", shown) if "75%" in line]


@pytest.mark.parametrize("width", [40, 80, 120, 400])
def test_the_bar_and_the_percentage_stay_on_any_terminal(monkeypatch, width):
    terms = {f"player{k}.a_term_of_long_name": torch.tensor(0.5) for k in range(8)}
    lines = drawn(monkeypatch, width, terms)
    assert lines
    for line in lines:
        assert re.match(r"━{14,15}[╸ ]?[╺ ]?━* +75%", line), line
        assert len(line.rstrip()) <= width
        assert "step 150" in line
        assert ("a_term" in line) == (width >= 80)
        assert line.rstrip().endswith("…") == (width < 400)


def test_terms_are_not_read_as_markup(monkeypatch):
    lines = drawn(monkeypatch, 120, {"D.[red]\x1bx": torch.tensor(0.5)})
    assert lines
    assert all(r"D.[red]\x1bx 0.5000" in line for line in lines)


# --- data


@pytest.fixture
def pictures(tmp_path):
    """Two classes of pictures, and two other files, with control characters in their names."""
    draw = np.random.default_rng(0)
    for name in (HOSTILE.replace("/", ""), "写真"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for k in range(4):
            Image.fromarray(draw.integers(0, 256, (8, 8, 3), np.uint8)).save(tmp_path / "data" / name / f"{k}.png")
    (tmp_path / "data/写真" / f"{HOSTILE}.png").write_bytes(b"no picture")
    (tmp_path / "data/写真" / "x\npassed over: y.png").write_bytes(b"none")
    return tmp_path / "data"


TINY = ["--size", "8", "--batch-size", "4", "--width", "4", "--device", "cpu", "--steps", "1"]


def test_names_of_files_and_classes_cannot_forge_output(tmp_path, pictures, capsys):
    words = ["train", "cgan", "--data", str(pictures), "--out", str(tmp_path / f"run{HOSTILE}"), *TINY]
    assert main(words) == 2
    output = capsys.readouterr()
    assert output.err.count("\n") == 1
    assert not obeyed(output.err)
    assert main([*words, "--skip-unreadable"]) == 0
    run = tmp_path / f"run{HOSTILE}"
    passed = (run / "skipped-files.txt").read_text()
    assert passed.count("\n") == 2
    assert ESCAPED in passed
    for words in (
        ["sample", str(run), "--label", "nobody"],
        ["sample", str(run), "--label", HOSTILE, "--seeds", "0", "--out", str(tmp_path / "o.png")],
        ["traverse", str(run), "--out", str(tmp_path / "traversed"), "--seeds", "0"],
        ["evaluate", str(run), "--metrics", "class-histogram", "--samples", "4"],
        ["report", str(run)],
        ["sample", str(run), "--checkpoint", HOSTILE],
        ["sample", HOSTILE],
        ["sample", str(run), f"--{HOSTILE}"],
        [HOSTILE],
        ["train", HOSTILE, "--data", "ring"],
        ["train", "nsgan", "--data", HOSTILE],
        ["sample", str(run), "--out", str(pictures / "写真/0.png" / HOSTILE)],
    ):
        main(words)
    output = capsys.readouterr()
    assert not obeyed(output.out + output.err)
    page = (run / "report.html").read_text()
    assert not obeyed(page)
    assert "<title>cgan on" in page


def test_names_in_prepared_data_are_printable(tmp_path, pictures, capsys):
    assert main(["data", "prepare", str(pictures), str(tmp_path / "p.npy"), "--size", "8", "--skip-unreadable"]) == 0
    assert not obeyed(capsys.readouterr().out)
    assert all(not obeyed(sentence) and "\n" not in sentence for sentence in load(tmp_path / "p.npy").skipped)


def test_a_palette_has_a_line_a_class(tmp_path):
    regions = LabelMapClasses((HOSTILE, "sky"), ((0, 0, 0), (1, 1, 1)))
    for name in ("p.txt", "p.gpl"):
        text = save_palette(regions, tmp_path / name).read_text()
        assert ESCAPED in text
        assert not obeyed(text.replace("\t", " "))
    assert len((tmp_path / "p.txt").read_text().splitlines()) == 2


def test_halves_of_surrogate_pairs_in_a_record_are_written(tmp_path):
    """JSON can hold them, files in UTF-8 cannot."""
    run = runs.play(runs.start(tmp_path / "run"), 1)
    record = json.loads((run.folder / "run.json").read_text())
    record["data"]["facts"]["class_names"] = ["\ud800", "b"]
    (run.folder / "run.json").write_text(json.dumps(record))
    assert main(["report", str(run.folder), "--device", "cpu"]) == 0
    assert main(["evaluate", str(run.folder), "--samples", "16", "--metrics", "sliced", "--device", "cpu"]) == 0
    Run.open(run.folder)
