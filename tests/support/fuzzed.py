"""Malformed command lines and run files, drawn by hypothesis, for tests and nightly runs."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from sparring.cli import main

TINY = ["--batch-size", "8", "--device", "cpu", "--width", "4"]
HOSTILE = (
    "",
    " ",
    "-",
    "--",
    "---",
    "--=",
    "-1",
    "0",
    "1e999",
    "-1e999",
    "nan",
    "1.5",
    "0x10",
    "١",
    "9" * 40,
    "None",
    "True",
    "null",
    "[1]",
    "{}",
    "(1, 2)",
    "a,b",
    "0-",
    "5-1",
    "0-99999999999",
    "%s",
    "{0}",
    "$(touch bait)",
    "; touch bait",
    "'",
    '"',
    "a\nb",
    "\t",
    "\x1b[31m",
    "é" * 300,
    "\udcff",
    "x" * 5000,
    "..",
    "../..",
    "/",
    "~nobody",
    "/dev/null",
    "/dev/zero",
    "/proc/self/mem",
    "bait.py",
    "os:system",
    "posix:system",
    "antigravity:fly",
    "builtins:eval",
    "sparring.cli:main",
    "nowhere:nothing",
    "::",
    "pairs:",
    "unpaired:,",
    "whole:",
    "--help=1",
    "--data",
    "--out",
    "--seed",
    "--r1",
    "--critic.lr",
    "--eval-metric",
    "--on-nan",
    "rollback:0",
)


def bases(run: str, out: str) -> list[list[str]]:
    """Command lines that are right, or nearly so, and soon over."""
    train = ["--data", "ring", *TINY, "--steps", "1", "--sample-every", "100"]
    images = ["--data", "digits", "--size", "8", *TINY]
    return [
        ["train", "nsgan", *train, "--out", out],
        ["train", "wgan-gp", *train, "--out", out, "--critic-steps", "1", "--r1", "0.1", "--dry-run"],
        ["train", "dcgan", *images, "--latent", "4", "--dry-run", "--on-nan", "rollback:2", "--skip-unreadable"],
        ["train", "infogan", *images, "--eval-every", "1", "--hold-out", "0.1", "--eval-metric", "sliced", "--dry-run"],
        ["train", "cyclegan", "--data", "unpaired:a,b", "--size", "16", "--mirror", "--margin", "2", "--dry-run"],
        ["train", "realness", "--data", "mixture9", *TINY, "--kimg", "0.01", "--keep-checkpoints", "1", "--dry-run"],
        ["resume", run, "--steps", "2", "--device", "cpu"],
        ["sample", run, "--seeds", "0-3,7", "--truncation", "0.7", "--out", out, "--columns", "2", "--device", "cpu"],
        ["sample", run, "--label", "1", "--grid", "classes", "--checkpoint", "best", "--device", "cpu"],
        [
            "interpolate",
            run,
            "--seeds",
            "0,1",
            "--frames",
            "3",
            "--fps",
            "5",
            "--out",
            out + ".gif",
            "--device",
            "cpu",
        ],
        ["traverse", run, "--device", "cpu"],
        ["directions", run, "--device", "cpu"],
        ["sample", run, "--truncation", "0", "1", "--device", "cpu"],
        ["reconstruct", run, "--device", "cpu"],
        ["evaluate", run, "--metrics", "modes", "--samples", "20", "--device", "cpu"],
        ["check", "nsgan", "--data", "ring", "--batch-size", "4", "--rounds", "2"],
        ["list", "--match", "*gan*"],
        ["data", "prepare", "ring", out],
        ["theory", "dirac", "--p", ".5,.5", "--q", ".1,.9"],
        ["compare", "nsgan", "--data", "ring", "--seeds", "0", "--steps", "1", "--out", out, "--device", "cpu"],
    ]


def misspelt(draw: Any, word: str) -> str:
    """A word with a letter inserted, removed or moved; its digits stay."""
    if len(word) < 2:
        return word + "x"
    at = draw(st.integers(0, len(word) - 2))
    kinds = [
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + draw(st.sampled_from("aeq-._")) + word[at:],
    ]
    return draw(st.sampled_from(kinds if word[at].isdigit() else [*kinds, word[:at] + word[at + 1 :]]))


@st.composite
def lines(draw: Any, run: str, out: str) -> list[str]:
    """A command line with one to three slips."""
    words = list(draw(st.sampled_from(bases(run, out))))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(words) - 1, 0)))
        slip = draw(st.sampled_from(("replace", "insert", "remove", "repeat", "misspell", "misspell")))
        if slip == "insert" or not words:
            words.insert(at, draw(st.sampled_from(HOSTILE)))
        elif slip == "replace":
            words[at] = draw(st.sampled_from(HOSTILE))
        elif slip == "remove":
            del words[at]
        elif slip == "repeat":
            words.insert(at, words[at])
        else:
            words[at] = misspelt(draw, words[at])
    return words


VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    10**40,
    1e308,
    float("nan"),
    "",
    "x" * 3000,
    "os:system",
    "antigravity:fly",
    "dcgan",
    "/dev/zero",
    "../../..",
    [],
    {},
    [None],
    [[]],
    {"a": {}},
    {"__class__": "os.system"},
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in inner for place in places(part, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A JSON value that is another in one place; without it where it is to be removed."""
    if not path:
        return new
    copy = value.copy()
    if new is places and len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


@st.composite
def spoilt(draw: Any, content: bytes) -> bytes:
    """A JSON file, or one of JSON lines, with something in it that does not belong there."""
    kind = draw(st.sampled_from(("value", "value", "value", "remove", "bytes", "cut", "nest")))
    try:
        value = json.loads(content)
    except ValueError:  # JSON lines
        kind = {"value": "bytes", "remove": "cut"}.get(kind, kind)
    if kind in ("value", "remove"):
        path = draw(st.sampled_from(places(value)[1:] or [()]))
        return json.dumps(changed(value, path, places if kind == "remove" else draw(st.sampled_from(VALUES)))).encode()
    if kind == "nest":
        return b"[" * 10**5
    at = draw(st.integers(0, max(len(content) - 1, 0)))
    if kind == "cut":
        return content[:at]
    return content[:at] + draw(st.binary(min_size=1, max_size=3)) + content[at + 1 :]


FILES = ("run.json", "fit.json", "log.jsonl", "timing.jsonl", "evaluation.json", "evaluations.jsonl")


@st.composite
def folders(draw: Any, run: Path) -> tuple[dict[str, bytes], list[str]]:
    """What the files of a run become, and a command that reads them."""
    there = [name for name in FILES if (run / name).exists()]
    chosen = draw(st.lists(st.sampled_from([*there, "run.json"]), min_size=1, max_size=2, unique=True))
    content = {name: draw(spoilt((run / name).read_bytes())) for name in chosen}
    return content, draw(
        st.sampled_from((["resume", "--steps", "2"], ["resume"], ["sample", "--seeds", "0"], ["report"]))
    )


def play(words: list[str]) -> tuple[int, str]:
    """Run a command; what it prints is thrown away, and what it complains of returned."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return code, err.getvalue()


def require_sentence(words: list[str]) -> int:
    """Done, or one sentence and exit code 2; anything else is a fault of ours."""
    code, output = play(words)
    assert code in (0, 2), (words, code, output)
    if code == 2:
        last = output.rstrip("\n").splitlines()[-1] if output.strip() else ""
        ours = any(line.startswith("sparring: ") for line in output.splitlines())
        assert ours or "For full helptext" in output, (words, output)
        assert "Traceback" not in output, (words, output)
        assert last, words
    return code


def require_sentence_of(run: Path, copy: Path, content: dict[str, bytes], words: list[str]) -> int:
    """The same, of a run with other files."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(run, copy)
    for name, each in content.items():
        (copy / name).write_bytes(each)
    command, *flags = words
    return require_sentence([command, str(copy), *flags, "--device", "cpu"])
