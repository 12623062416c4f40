"""A process that imports torch once, then trains in forked children and kills them: real deaths at the price of a fork.

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
from functools import cache
from pathlib import Path
from typing import Any

import torch

import runs
from sparring import checkpoint, data, snapshots
from sparring import run as run_module
from sparring.errors import RunError
from sparring.run import Run
from sparring.state import gathered

STEPS, KILLS = 24, 3
FAMILIES = {
    "gan": ("nsgan", runs.IMAGES),
    "wgan": ("wgan", runs.POINTS),
    "relativistic": ("rasgan", runs.POINTS),
    "translation": ("cyclegan", runs.UNPAIRED),
    "one image": ("singan", runs.PHOTO),
}


def fork(work: Callable[..., Any], *given: Any, **environment: str) -> int:
    """Starts a child that does the work and exits as an interpreter would."""
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
    """The one command, typed again after each death."""
    runs.play(runs.start(folder, name, kind), steps, save_every=2, picture_every=10)


def life(processes: int, work: Callable[..., Any], *given: Any) -> list[int]:
    """Starts the processes of one training, as torchrun would."""
    if processes == 1:
        return [fork(work, *given)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [fork(work, *given, RANK=str(rank), **common) for rank in range(processes)]


def codes(children: list[int]) -> list[int]:
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def wait(log: Path, lines: int) -> None:
    """Waits until a training has written so many lines more than when it was last looked at, or has nothing to add."""
    already = log.read_bytes().count(b"\n") if log.exists() else 0
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        now = log.read_bytes().count(b"\n") if log.exists() else 0
        if now >= min(already + lines, STEPS - 1):
            return
        time.sleep(0.002)
    raise TimeoutError(f"{log} does not grow")


def torment(folder: Path, name: str, kind: dict[str, Any], processes: int, rng: random.Random) -> dict[str, Any]:
    """Trains without and with deaths at random moments, and compares what comes out."""
    assert codes(life(processes, train, folder / "straight", name, kind)) == [0] * processes
    deaths, notes = [], []
    for _ in range(KILLS):
        children = life(processes, train, folder / "killed", name, kind)
        wait(folder / "killed/log.jsonl", rng.randrange(7))
        time.sleep(rng.uniform(0, 0.02))
        for child in children:
            os.kill(child, signal.SIGKILL)
        if codes(children) != [0] * processes:
            deaths.append(sorted(path.name for path in (folder / "killed").glob("checkpoints/*")))
            notes += checkpoint.load_newest(folder / "killed")[1]
    assert codes(life(processes, train, folder / "killed", name, kind)) == [0] * processes
    one, other = (Run.open(folder / which, device="cpu") for which in ("straight", "killed"))
    logs = [(folder / which / "log.jsonl").read_bytes() for which in ("straight", "killed")]
    return {
        "deaths": deaths,
        "notes": notes,
        "step": other.step,
        "difference": runs.difference(gathered(one), gathered(other)),
        "lines": logs[0].count(b"\n"),
        "same log": logs[0] == logs[1],
        "left over": [path.name for path in (folder / "killed").rglob("*.tmp*")],
    }


def widow(folder: Path) -> float:
    """Kills one of two processes, and returns how many seconds the other went on for."""
    children = life(2, train, folder, "nsgan", {**runs.POINTS, "arguments": {"networks": {"network": "mlp"}}}, 10**6)
    while not (folder / "checkpoints/000004").exists():
        time.sleep(0.01)
    os.kill(children[1], signal.SIGKILL)
    began = time.perf_counter()
    assert codes(children) == [2, -signal.SIGKILL], "the survivor says in a sentence what happened"
    return time.perf_counter() - began


def kill(folder: Path) -> None:
    """Runs every torment."""
    rng = random.Random()
    results: dict[str, Any] = {}
    for family, (name, kind) in FAMILIES.items():
        results[family] = torment(folder / family, name, kind, 1, rng)
    results["two processes"] = torment(folder / "two", "wgan-gp", runs.POINTS, 2, rng)
    results["widow"] = widow(folder / "widow")
    print(json.dumps(results))


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_module.load_data = cache(data.load)
    snapshots.save_grid = lambda *_, **__: None
    for each in (runs.POINTS, runs.IMAGES, runs.UNPAIRED):
        run_module.load_data(each["data"], size=each.get("size"), channels=None, root=None, margin=0)
    action, target = sys.argv[1:]
    Path(target).mkdir(exist_ok=True)
    if action == "kill":
        kill(Path(target))
    else:
        train(Path(target) / "run", "nsgan", runs.POINTS, 10**6)
