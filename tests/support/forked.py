"""A process that imports torch once, then trains in forked children and kills them: real kills at the cost of a fork.

python forked.py kill FOLDER        prints what became of each run that was killed again and again, as JSON
python forked.py train FOLDER       trains until a signal comes
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script, it finds its helpers

from sparring import data
from sparring.errors import RunError
from sparring.runs import checkpoint, snapshots
from sparring.runs import run as run_module
from sparring.runs.run import Run
from sparring.training import distributed, parent_watch
from support import runs

STEPS, KILLS = 24, 3
MLP = {**runs.POINTS, "arguments": {"networks": {"network": "mlp"}}}
FAMILIES = {
    "gan": ("nsgan", runs.IMAGES),
    "wgan": ("wgan", runs.POINTS),
    "relativistic": ("rasgan", runs.POINTS),
    "translation": ("cyclegan", runs.UNPAIRED),
    "one image": ("singan", runs.PHOTO),
}


def fork(work: Callable[..., Any], *given: Any, **environment: str) -> int:
    """Start a child that does the work and exits as an interpreter would."""
    child = os.fork()
    if child:
        return child
    os.environ.update(environment)
    code = 1
    try:
        work(*given)
        code = 0
    except SystemExit as stop:
        code = stop.code
    except RunError as error:
        code = 2 if "Another process" in str(error) else 3
    finally:
        os._exit(code)


def train(folder: Path, name: str, kind: dict[str, Any], steps: int = STEPS) -> None:
    """The training command, repeated after each kill; it ends with the process that started it."""
    parent_watch.exit_with_parent(os.getppid())
    runs.play(runs.start(folder, name, kind), steps, save_every=2, sample_every=10)


def life(processes: int, work: Callable[..., Any], *given: Any) -> list[int]:
    """Start the processes of one training, as torchrun would."""
    if processes == 1:
        return [fork(work, *given)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [fork(work, *given, RANK=str(rank), **common) for rank in range(processes)]


def codes(children: list[int]) -> list[int]:
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def wait(log: Path, lines: int, steps: int = STEPS) -> None:
    """Wait until a training has logged the given number of further lines, or has ended."""
    already = log.read_bytes().count(b"\n") if log.exists() else 0
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        now = log.read_bytes().count(b"\n") if log.exists() else 0
        if now >= min(already + lines, steps - 1):
            return
        time.sleep(0.002)
    raise TimeoutError(f"{log} does not grow")


def torment(
    folder: Path,
    name: str,
    kind: dict[str, Any],
    processes: int,
    rng: random.Random,
    *,
    kills: int = KILLS,
    steps: int = STEPS,
    stride: int = 7,
) -> dict[str, Any]:
    """Train without and with kills at random moments, less than `stride` steps apart, and compare the results."""
    assert codes(life(processes, train, folder / "straight", name, kind, steps)) == [0] * processes
    deaths, notes = [], []
    for _ in range(kills):
        children = life(processes, train, folder / "killed", name, kind, steps)
        wait(folder / "killed/log.jsonl", rng.randrange(stride), steps)
        time.sleep(rng.uniform(0, 0.02))
        for child in children:
            os.kill(child, signal.SIGKILL)
        if codes(children) != [0] * processes:
            deaths.append(sorted(path.name for path in (folder / "killed").glob("checkpoints/*")))
            notes += checkpoint.load_newest(folder / "killed")[1]
    assert codes(life(processes, train, folder / "killed", name, kind, steps)) == [0] * processes
    one, other = (Run.open(folder / which, device="cpu") for which in ("straight", "killed"))
    logs = [(folder / which / "log.jsonl").read_bytes() for which in ("straight", "killed")]
    return {
        "deaths": deaths,
        "notes": notes,
        "step": other.step,
        "difference": runs.difference(one.state.state_dict(), other.state.state_dict()),
        "lines": logs[0].count(b"\n"),
        "same log": logs[0] == logs[1],
        "left over": [path.name for path in (folder / "killed").rglob("*.tmp*")],
    }


def widow(folder: Path) -> float:
    """Kill one of two processes, and return how many seconds the other went on for."""
    children = life(2, train, folder, "nsgan", MLP, 10**6)
    while not (folder / "checkpoints/000004").exists():
        time.sleep(0.01)
    os.kill(children[1], signal.SIGKILL)
    began = time.perf_counter()
    assert codes(children) == [2, -signal.SIGKILL], "the survivor exits with an error message"
    return time.perf_counter() - began


def kill(folder: Path) -> None:
    """Run every kill test, and print the results."""
    rng = random.Random()
    results: dict[str, Any] = {}
    for family, (name, kind) in FAMILIES.items():
        results[family] = torment(folder / family, name, kind, 1, rng)
    results["two processes"] = torment(folder / "two", "wgan-gp", runs.POINTS, 2, rng)
    results["widow"] = widow(folder / "widow")
    results["hang"] = hang(folder / "hang", 3)
    print(json.dumps(results))


def hang(folder: Path, patience: float) -> tuple[float, str]:
    """Halt one of two processes, and return the seconds until the other exits, and its error."""
    distributed.init_process_group.__defaults__ = distributed.init.__defaults__ = (timedelta(seconds=patience),)
    children = life(2, write_error, folder, "nsgan", MLP, 10**6)
    while not (folder / "checkpoints/000004").exists():
        time.sleep(0.01)
    os.kill(children[1], signal.SIGSTOP)
    began = time.perf_counter()
    code = os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1])
    took = time.perf_counter() - began
    os.kill(children[1], signal.SIGKILL)
    os.waitpid(children[1], 0)
    assert code == 2, "the waiting process exits with an error message"
    step = checkpoint.load_newest(folder)[0]["step"]
    assert codes(life(2, train, folder, "nsgan", MLP, step + 2)) == [0, 0], "the same command resumes"
    return took, (folder / "error.txt").read_text()


def write_error(folder: Path, *given: Any) -> None:
    """Train, and write the error that ends the training."""
    try:
        train(folder, *given)
    except RunError as error:
        (folder / "error.txt").write_text(str(error))
        raise


def prepare(*kinds: dict[str, Any]) -> None:
    """Load data once, before any fork, and draws no pictures, which are slow."""
    torch.set_num_threads(1)
    run_module.load_data = cache(data.load)
    snapshots.save_grid = lambda *_, **__: None
    for each in kinds:
        run_module.load_data(
            each["data"], size=each.get("size"), channels=None, root=None, crop_margin=0, skip_unreadable=False
        )


if __name__ == "__main__":
    prepare(runs.POINTS, runs.IMAGES, runs.UNPAIRED)
    action, target = sys.argv[1:]
    Path(target).mkdir(exist_ok=True)
    if action == "kill":
        kill(Path(target))
    else:
        train(Path(target) / "run", "nsgan", runs.POINTS, 10**6)
