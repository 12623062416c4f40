"""Training a cell and judging it on the way, exactly resumable: a judgement is made at a checkpoint, never between.

Minutes count training only. The run's own journal has them: a checkpoint's line says how long it took to get there,
over all lives of the process, and judging happens while the run is closed.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from sparring.errors import Diverged, SparringError
from sparring.evaluation import evaluator
from sparring.experiments.experiment import Budget, Cell
from sparring.runs import logs
from sparring.runs.run import Run

__all__ = ["Heard", "Row", "created", "play"]

FOREVER = 10**12  # steps: the budget ends a training, its axis need not be steps
Row = dict[str, Any]
Heard = Callable[[Cell, Row], None]


def play(cell: Cell, hear: Heard) -> dict[str, Any]:
    """Trains a cell, or goes on with it, and returns what became of it; one that is closed is only read.

    A game that fails, of ours or of the user's, must not cost the night: whatever it raises becomes its sentence.

    Args:
        cell: Which.
        hear: Is told of every judgement.
    """
    if cell.closed():
        return cell.read() or {}
    try:
        return cell.write("finished", **_fought(cell, hear))
    except Diverged as error:
        return cell.write("diverged", str(error))
    except SparringError as error:
        return cell.write("failed", str(error))
    except Exception as error:
        told = str(error).strip().partition("\n")[0]
        return cell.write("failed", f"{type(error).__name__}: {told}", traceback=traceback.format_exc())


def created(cell: Cell, folder: Path | None = None) -> Run:
    """Makes or opens the run of a cell.

    Args:
        cell: Which.
        folder: Another than its own.
    """
    who = cell.contestant
    chosen: dict[str, Any] = {
        "arguments": who.arguments,
        "techniques": who.techniques,
        "seed": cell.seed,
        **cell.rules.shared,
    }
    return Run.create(folder or cell.folder, who.recipe, **chosen)


def _fought(cell: Cell, hear: Heard) -> dict[str, Any]:
    run, budget = created(cell), cell.rules.budget
    cell.write("begun")
    with closing(logs.JsonLinesWriter(cell.folder / "evaluations.jsonl", run.step)) as judged:
        for mark in budget.marks():
            done = judged.last and budget.position(**_counts(judged.last))
            if done and done >= mark:  # before a stop, or passed by a single long step
                continue
            _train(run, budget, mark)
            row = _judged(run, cell, references=mark == budget.marks()[-1])
            judged.write([row])
            judged.settle()
            judged.last = row
            hear(cell, row)
    sizes = {name: sum(w.numel() for w in net.parameters()) for name, net in run.game.unwrapped.named_children()}
    where = {key: run.record["provenance"].get(key) for key in ("sparring", "torch", "python", "device", "threads")}
    return {**_counts(judged.last), "updates": run.updates, "parameters": sizes, "made": where}


def _train(run: Run, budget: Budget, mark: float) -> None:
    """Train until the budget's mark; leaving the loop saves a checkpoint.

    The time is counted from the first step's report on, in the milliseconds of the log, whose clock starts before that
    step and stops after the last one. So a log never has less than the mark, however long it takes to open the run.
    """
    spent, start = _spent(run), 0.0
    if budget.position(step=run.step, images=run.images, seconds=spent) >= mark:
        return
    with closing(run.fit(FOREVER, sample_every=FOREVER)) as reports:  # type: ignore[type-var]
        for _ in reports:
            now = time.perf_counter()
            start = start or now
            seconds = round(spent + now - start, 3)
            if budget.position(step=run.step, images=run.images, seconds=seconds) >= mark:
                return


def _judged(run: Run, cell: Cell, *, references: bool) -> Row:
    """Judges a run; data and noise, which are the same for all cells at any time, at the end only."""
    run.picture()
    rules, start = cell.rules, time.perf_counter()
    metrics = evaluator.get_metrics(rules.metrics) if rules.metrics else None
    how: Any = {"metrics": metrics, "samples": rules.samples, "references": references, "resamples": 0}
    scores = evaluator.evaluate(run.inference_game, run.training, held_out=run.held_out, **how).to_json()
    judging = round(time.perf_counter() - start, 3)
    return {"step": run.step, "images": run.images, "seconds": _spent(run), "judging": judging, **scores}


def _spent(run: Run) -> float:
    """Returns the seconds of training behind a run's checkpoint."""
    lines = [line for line in logs.read(run.folder / "timing.jsonl") if line["step"] <= run.step]
    return float(lines[-1]["seconds"]) if lines else 0.0


def _counts(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in ("step", "images", "seconds")}
