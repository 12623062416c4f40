"""Random mutations: a random operator on a random line, and the tests that reach the line must fail.

    python tests/nightly/mutation/random_mutations.py                      300 mutants of seed 0, recorded
    python tests/nightly/mutation/random_mutations.py --survivors          those again that survived, by all tests that
    reach their files python tests/nightly/mutation/random_mutations.py --count 50 --seed 7  others, not recorded
    python tests/nightly/mutation/random_mutations.py --match metrics/     only in files whose path contains this, not
    recorded

Unlike the mutations of `mutations.py`, which are written by hand, these are drawn at random. One run of all
tests under coverage finds the tests that reach each line; each mutant is made in a copy of the repository and those
tests are run, the fastest first. A mutant that no test kills is a hole in the tests, or it changes nothing that a user
can observe: such a mutant stands with its reason in equivalent_mutations.json. The record is
tests/nightly/results/random_mutations.json.

Coverage covers neither defaults nor the processes that a test starts: what survives so far is shown to the tests of
all defaults and all networks, and to the test files that name its module.

Not mutated: strings, annotations, messages of errors, and modules that draw pages and figures (see `LOOKS`).
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from xml.etree import ElementTree

import torch
from mutations import left_out

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "tests" / "nightly" / "results" / "random_mutations.json"
EQUIVALENT = Path(__file__).with_name("equivalent_mutations.json")
LOOKS = (
    "visualization/plots.py",
    "theory/lessons/figures.py",
    "experiments/plots.py",
    "experiments/report.py",
    "theory/lessons/page.py",
    "cli/demo.py",
)
FIRST, LONGEST = 10.0, 1200.0  # seconds of the tests tried first; seconds after which a mutant counts as hanging
SWAPS: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
NAMES = {"min": "max", "max": "min", "all": "any", "any": "all", "amin": "amax", "amax": "amin", "sum": "mean"}
SYMMETRIC = {
    "min",
    "max",
    "equal",
    "maximum",
    "minimum",
    "isinstance",
    "issubclass",
}  # the order does not matter, or fails
NAMES |= {"mean": "sum", "floor": "ceil", "ceil": "floor", "sin": "cos", "cos": "sin", "clamp_min": "clamp_max"}


@dataclass(frozen=True)
class Mutant:
    """One change of one line.

    Attributes:
        file: Below the package.
        line: Its number.
        operator: What kind of change.
        old: The line as it is.
        new: As it becomes; several lines in one where the changed expression spans them.
        span: Bytes of the file that are replaced, from and to.
        text: By what.
    """

    file: str
    line: int
    operator: str
    old: str
    new: str
    span: tuple[int, int]
    text: str


def candidates(path: Path, package: Path) -> list[Mutant]:
    """Return every mutant of a file."""
    source = path.read_bytes()
    lines = source.splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]
    found = []
    for node in _mutable(ast.parse(source)):
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        for operator, text in _changes(node):
            around = source[starts[node.lineno - 1] : begin], source[end : starts[node.end_lineno]]
            new = b"".join([around[0], text.encode(), around[1]]).decode().strip()
            old = lines[node.lineno - 1].decode().strip()
            file = path.relative_to(package).as_posix()
            found.append(Mutant(file, node.lineno, operator, old, new, (begin, end), text))
    return found


def _mutable(node: ast.AST) -> Iterator[Any]:
    """Yield the nodes below one that may be changed: code, but no strings, annotations, types or error messages."""
    if isinstance(node, (ast.Raise, ast.JoinedStr, ast.Import, ast.ImportFrom)):
        return
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
        return
    if isinstance(node, (ast.expr, ast.stmt)):
        yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _mutable(child)


def _changes(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield what a node can be replaced by, with the name of the operator."""
    for operator, changed in _changed(node):
        text = ast.unparse(changed)
        yield operator, f"({text})" if isinstance(changed, ast.expr) else text


def _changed(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.Constant) and type(node.value) in (bool, int, float):
        value: Any = node.value
        yield "constant", ast.Constant(not value if value is True or value is False else _other(value))
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in SWAPS and not _textual(node):
        yield "arithmetic", _with(node, op=SWAPS[type(node.op)]())
    if isinstance(node, ast.BoolOp):
        yield "logic", _with(node, op=SWAPS[type(node.op)]())
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        yield "comparison", _with(node, ops=[SWAPS[type(node.ops[0])](), *node.ops[1:]])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
        yield "sign", node.operand
    if isinstance(node, (ast.IfExp,)):
        yield "condition", _with(node, test=ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.Call):
        yield from _calls(node)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "statement", ast.Pass()


def _calls(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in NAMES:
        func = _with(node.func, **{"attr" if isinstance(node.func, ast.Attribute) else "id": NAMES[name]})
        yield "function", _with(node, func=func)
    if name not in SYMMETRIC and len(node.args) == 2 and not any(isinstance(each, ast.Starred) for each in node.args):
        yield "arguments", _with(node, args=node.args[::-1])
    for index, keyword in enumerate(node.keywords):
        if keyword.arg:
            yield "keyword", _with(node, keywords=node.keywords[:index] + node.keywords[index + 1 :])


def _other(value: Any) -> Any:
    return value + 1 if isinstance(value, int) else 2 * value if value else 1.0


def _textual(node: Any) -> bool:
    """Whether an operator may join strings."""
    parts = (getattr(node, name, None) for name in ("left", "right", "value"))
    return any(isinstance(part, ast.JoinedStr) or isinstance(getattr(part, "value", None), str) for part in parts)


def _with(node: Any, **fields: Any) -> Any:
    changed = deepcopy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def chosen(count: int, seed: int, match: str) -> list[Mutant]:
    """Draw lines, uniform over those that can be mutated, and a mutant of each.

    The draw is by the smallest hashes of the lines' texts, so that a change elsewhere changes only its own lines.
    """
    package = ROOT / "sparring"
    files = [path for path in sorted(package.rglob("*.py")) if path.relative_to(package).as_posix() not in LOOKS]
    lines: dict[tuple[str, int], list[Mutant]] = {}
    for path in files:
        for mutant in candidates(path, package):
            if match in mutant.file:
                lines.setdefault((mutant.file, mutant.line), []).append(mutant)

    def draw(*text: str) -> str:
        return hashlib.sha256(repr((seed, text)).encode()).hexdigest()

    each = [min(lot, key=lambda one: draw(one.operator, one.old, one.new)) for lot in lines.values()]
    return sorted(each, key=lambda one: draw(one.file, one.old))[:count]


class Reach:
    """Which tests reach which line, and how long each takes; found by one run of all tests under coverage.

    Args:
        folder: Where the measurement is, or will be.
    """

    def __init__(self, folder: Path) -> None:
        data, times = folder / "coverage", folder / "times.xml"
        if not times.exists():
            folder.mkdir(parents=True, exist_ok=True)
            watch = ["--cov=sparring", "--cov-context=test", "--cov-report=", f"--junitxml={times}"]
            here = {**os.environ, "COVERAGE_FILE": str(data), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
            command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-o", "junit_family=xunit1", *watch]
            subprocess.run(command, cwd=ROOT, env=here, check=False)
        import coverage

        self._data = coverage.CoverageData(str(data))
        self._data.read()
        self._seconds = {}
        for case in ElementTree.parse(times).iter("testcase"):
            name = f"{case.get('file')}::{case.get('name')}"
            if case.find("failure") is not None or case.find("error") is not None:
                sys.exit(f"{name} fails without a mutation: mend it first, or every mutant seems to be killed.")
            self._seconds[name] = float(case.get("time", 0))

    def tests(self, mutant: Mutant, wide: bool = False) -> list[str]:
        """Return the tests that reach a mutant, or its file, those of its own file first and the fastest first."""
        path = str(ROOT / "sparring" / mutant.file)
        by_line = self._data.contexts_by_lineno(path)
        names = self._named(by_line, list(by_line) if wide else [mutant.line])
        if not names:  # a default is evaluated when its module is imported
            names = self._named(by_line, _enclosing(Path(path), mutant.line)) or self._named(by_line, list(by_line))
        own = Path(mutant.file).stem
        return sorted(names, key=lambda name: (own not in name.split("::")[0], self.seconds(name), name))

    def seconds(self, name: str) -> float:
        """Return how long a test takes."""
        return self._seconds.get(name, 1.0)

    def _named(self, by_line: dict[int, list[str]], lines: list[int]) -> set[str]:
        contexts = {context for line in lines for context in by_line.get(line, []) if context}
        return {context.rpartition("|")[0] for context in contexts}


def _enclosing(path: Path, line: int) -> list[int]:
    """Return the lines of the smallest function or class around a line."""
    kinds = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
    around = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, kinds) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    if not around:
        return []
    node = min(around, key=lambda each: (each.end_lineno or 0) - each.lineno)
    return list(range(node.lineno, (node.end_lineno or 0) + 1))


def outcome(mutant: Mutant, copy: Path, reach: Reach, wide: bool) -> dict[str, Any]:
    """Make a mutant in a copy of the repository and run the tests that reach it until one fails."""
    path = copy / "sparring" / mutant.file
    source = path.read_bytes()
    path.write_bytes(source[: mutant.span[0]] + mutant.text.encode() + source[mutant.span[1] :])
    names, start = reach.tests(mutant, wide), time.time()
    try:
        killer = ""
        for lot in _lots(mutant, names, reach):
            if killer := _failure(copy, lot):
                break
    finally:
        path.write_bytes(source)
    return {**asdict(mutant), "tests": len(names), "killed": killer, "seconds": round(time.time() - start, 1)}


def _lots(mutant: Mutant, names: list[str], reach: Reach) -> Iterator[list[str]]:
    """Yield the tests in three lots: as many as fit a short time, the rest, and those without coverage."""
    spent, cut = 0.0, 0
    while cut < len(names) and spent < FIRST:
        spent, cut = spent + reach.seconds(names[cut]), cut + 1
    yield from (lot for lot in (names[:cut], names[cut:], _unseen(Path("sparring", mutant.file))) if lot)


def _unseen(path: Path) -> list[str]:
    """Return the tests of all defaults and networks, and the test files that name a module or its package."""
    module = path.stem if path.stem != "__init__" else path.parent.name
    texts = {path: path.read_text() for path in sorted((ROOT / "tests").rglob("test_*.py"))}
    named = [path for path, text in texts.items() if re.search(rf"\b{module}\b", text)]
    return [
        "tests/zoo/test_defaults.py",
        "tests/unit/networks/test_architectures.py",
        *(path.relative_to(ROOT).as_posix() for path in named),
    ]


def _failure(copy: Path, names: list[str]) -> str:
    """Run tests and return the first that fails, or the error; nothing if all pass."""
    wanted = copy / "wanted.txt"
    wanted.write_text("\n".join(names) + "\n")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        here = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", f"@{wanted}"]
        try:
            done = subprocess.run(
                command, cwd=copy, env={**here, "TMPDIR": temporary}, capture_output=True, timeout=LONGEST, check=False
            )
        except subprocess.TimeoutExpired:
            return "hangs"
    if done.returncode == 0:
        return ""
    failed = [line for line in done.stdout.decode().splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split(" - ")[0].split(" ", 1)[1] if failed else f"exit code {done.returncode}"


@cache
def equivalents() -> dict[tuple[str, str, str], str]:
    """Return the reasons why mutants change nothing, by file, line and mutated line."""
    rows = json.loads(EQUIVALENT.read_text()) if EQUIVALENT.exists() else []
    return {(row["file"], row["old"], row["new"]): row["reason"] for row in rows}


def equivalent(row: dict[str, Any]) -> str:
    """Return why a mutant changes nothing that a user can observe; nothing where it survived for no such reason."""
    return "" if row["killed"] else equivalents().get((row["file"], row["old"], row["new"]), "")


def played(mutants: list[Mutant], reach: Reach, jobs: int, wide: bool = False) -> Iterator[dict[str, Any]]:
    """Yield the outcome of every mutant, some at a time, each in a copy of its own."""
    copies: SimpleQueue[Path] = SimpleQueue()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        for job in range(jobs):
            copy = Path(folder) / str(job) / "sparring"
            shutil.copytree(ROOT, copy, ignore=left_out)
            copies.put(copy)

        def one(mutant: Mutant) -> dict[str, Any]:
            copy = copies.get()
            try:
                return outcome(mutant, copy, reach, wide)
            finally:
                copies.put(copy)

        for done in as_completed([pool.submit(one, mutant) for mutant in mutants]):
            found = done.result()
            word = "killed  " if found["killed"] else "SURVIVED"
            print(f"{word} {found['file']}:{found['line']} {found['old']}  →  {found['new']}", flush=True)
            yield found


class Record:
    """The outcomes that are kept; a command that was cut goes on where it was, and survivors can be tried again.

    Args:
        wanted: The mutants that it is about.
    """

    def __init__(self, wanted: list[Mutant]) -> None:
        before = json.loads(RESULTS.read_text())["outcomes"] if RESULTS.exists() else []
        self.order = [self.name(asdict(mutant)) for mutant in wanted]
        self.outcomes = {self.name(row): row for row in before if self.name(row) in self.order}

    @staticmethod
    def name(row: dict[str, Any]) -> tuple[str, ...]:
        """Return what identifies a mutant while other lines of its file come and go."""
        return row["file"], row["operator"], row["old"], row["new"]

    def missing(self, mutant: Mutant) -> bool:
        """Whether a mutant was never played."""
        return self.name(asdict(mutant)) not in self.outcomes

    def survived(self, mutant: Mutant) -> bool:
        """Whether a mutant was played, not killed, and is not known to be equivalent."""
        name = self.name(asdict(mutant))
        return name in self.outcomes and not self.outcomes[name]["killed"] and not equivalent(self.outcomes[name])

    def add(self, found: dict[str, Any]) -> None:
        """Add an outcome; a mutant that tests of a later commit kill is marked as one that survived before."""
        name = self.name(found)
        row = {key: found[key] for key in ("file", "line", "operator", "old", "new", "tests", "killed", "seconds")}
        row |= {"commit": _commit()}
        self.outcomes[name] = row | ({"survived before": True} if name in self.outcomes else {})
        self.write()

    def write(self) -> float:
        """Write the record; returns the share of the mutants killed, of those that are not equivalent."""
        rows = [self.outcomes[name] for name in self.order if name in self.outcomes]
        judged = [row for row in rows if not equivalent(row)]
        killed = sum(bool(row["killed"]) for row in judged)
        first = sum(bool(row["killed"]) and "survived before" not in row for row in judged)
        about: dict[str, Any] = {
            "command": "python tests/nightly/mutation/random_mutations.py",
            "torch": str(torch.__version__),
            "commit": _commit(),
        }
        about |= {"not equivalent": len(judged), "killed": killed, "killed before tests were added": first}
        rows = [row | ({"equivalent": equivalent(row)} if equivalent(row) else {}) for row in rows]
        RESULTS.write_text(json.dumps({**about, "outcomes": rows}, indent=1, ensure_ascii=False) + "\n")
        return killed / max(1, len(judged))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300, help="mutants; default: 300")
    parser.add_argument("--seed", type=int, default=0, help="decides which; default: 0")
    parser.add_argument("--match", default="", help="only files whose path contains this")
    parser.add_argument("--survivors", action="store_true", help="play those of the record again that survived")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time; default: 2")
    parser.add_argument("--reach", type=Path, help="folder for the measurement of coverage; default: a temporary one")
    asked = parser.parse_args()
    mutants = chosen(asked.count, asked.seed, asked.match)
    record = Record(mutants) if (asked.count, asked.seed, asked.match) == (300, 0, "") else None
    if record:
        mutants = [mutant for mutant in mutants if (record.survived if asked.survivors else record.missing)(mutant)]
    alive = []
    with tempfile.TemporaryDirectory() as folder:
        for found in played(mutants, Reach(asked.reach or Path(folder)), asked.jobs, asked.survivors):
            alive += [] if found["killed"] or equivalent(found) else [found]
            if record:
                record.add(found)
    share = record.write() if record else 1 - len(alive) / max(1, len(mutants))
    print(f"{len(alive)} of {len(mutants)} survived; {share:.1%} killed.")
    sys.exit(share < 0.97)


def _commit() -> str:
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    main()
