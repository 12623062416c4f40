"""Training of a trial with evaluations, exactly resumable: evaluations happen at checkpoints only.

Minutes count training only. The run's own log has them: a checkpoint's line holds the training time up to it,
over all restarts of the process, and evaluation happens while the run is closed.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sparring._types import JsonObject, Settings
from sparring.errors import Diverged, SparringError
from sparring.evaluation import evaluator
from sparring.experiments.experiment import Budget, Trial
from sparring.runs import logs
from sparring.runs.loop import FOREVER
from sparring.runs.run import Run

__all__ = ["OnEvaluation", "Row", "create_run", "run_trial"]

Row = JsonObject
OnEvaluation = Callable[[Trial, Row], None]


def run_trial(trial: Trial, on_evaluation: OnEvaluation) -> JsonObject:
    """Train a trial, or resume it, and return its record. A closed trial is only read.

    A failing trial must not abort the comparison: its exception is recorded as the trial's error.

    Args:
        trial: The trial.
        on_evaluation: Called with the trial and the row of scores after every evaluation.
    """
    if trial.is_closed():
        return trial.read() or {}
    try:
        return trial.write("finished", **_train_and_evaluate(trial, on_evaluation))
    except Diverged as error:
        return trial.write("diverged", str(error))
    except SparringError as error:
        return trial.write("failed", str(error))
    except Exception as error:
        message = str(error).strip().partition("\n")[0]
        return trial.write("failed", f"{type(error).__name__}: {message}", traceback=traceback.format_exc())


def create_run(trial: Trial, folder: Path | None = None) -> Run:
    """Create or open the run of a trial.

    Args:
        trial: The trial.
        folder: Folder of the run. Default: that of the trial.
    """
    who = trial.entry
    chosen: JsonObject = {
        "arguments": who.arguments,
        "techniques": who.techniques,
        "seed": trial.seed,
        "defaults": "paper",
        **trial.protocol.shared,
    }
    return Run.create(folder or trial.folder, who.recipe, **chosen)


def _train_and_evaluate(trial: Trial, on_evaluation: OnEvaluation) -> JsonObject:
    run, budget = create_run(trial), trial.protocol.budget
    trial.write("begun")
    with closing(logs.JsonLinesWriter(trial.folder / "evaluations.jsonl", run.step)) as judged:
        for mark in budget.marks():
            done = judged.last and budget.position(**_counts(judged.last))
            if done and done >= mark:  # before a stop, or passed by a single long step
                continue
            _train(run, budget, mark)
            row = _evaluate(run, trial, references=mark == budget.marks()[-1])
            judged.write([row])
            judged.sync()
            judged.last = row
            on_evaluation(trial, row)
    sizes = {name: sum(w.numel() for w in net.parameters()) for name, net in run.game.unwrapped.named_children()}
    where = {key: getattr(run.config.provenance, key) for key in ("sparring", "torch", "python", "device", "threads")}
    return {**_counts(judged.last), "updates": run.updates, "parameters": sizes, "made": where}


def _train(run: Run, budget: Budget, mark: float) -> None:
    """Train until the budget's mark; leaving the loop saves a checkpoint.

    The time is counted from the first step's report on, in the milliseconds of the log, whose clock starts before that
    step and stops after the last one. So a log never has less than the mark, however long it takes to open the run.
    """
    spent, start = _training_seconds(run), 0.0
    if budget.position(step=run.step, images=run.images, seconds=spent) >= mark:
        return
    with closing(run.fit(FOREVER, sample_every=FOREVER)) as reports:  # type: ignore[type-var]
        for _ in reports:
            now = time.perf_counter()
            start = start or now
            seconds = round(spent + now - start, 3)
            if budget.position(step=run.step, images=run.images, seconds=seconds) >= mark:
                return


def _evaluate(run: Run, trial: Trial, *, references: bool) -> Row:
    """Evaluate a run. The references, data and noise, are evaluated at the end only."""
    run.save_samples()
    protocol, start = trial.protocol, time.perf_counter()
    metrics = evaluator.get_metrics(protocol.metrics) if protocol.metrics else None
    how: Settings = {"metrics": metrics, "samples": protocol.samples, "references": references, "resamples": 0}
    scores = evaluator.evaluate(run.inference_game, run.training, held_out=run.held_out, **how).to_json()
    judging = round(time.perf_counter() - start, 3)
    return {
        "step": run.step,
        "images": run.images,
        "seconds": _training_seconds(run),
        "evaluation_seconds": judging,
        **scores,
    }


def _training_seconds(run: Run) -> float:
    """Return the seconds of training behind a run's checkpoint."""
    lines = [line for line in logs.read(run.folder / "timing.jsonl") if line["step"] <= run.step]
    return float(lines[-1]["seconds"]) if lines else 0.0


def _counts(row: Row) -> JsonObject:
    return {name: row[name] for name in ("step", "images", "seconds")}
