"""Automatic training: candidates race on the data, and the winner is trained to the end of the budget.

    OUT/auto.json            the settings; the same ones continue
    OUT/auto.jsonl           what was measured and decided, see `sparring.experiments.auto_journal`
    OUT/candidates/NAME/     an ordinary run folder for each candidate
    OUT/newest.png           the newest grid of samples
    OUT/best.json            the best run so far, usable at any time
    OUT/auto.html            the report

The race is successive halving, see `sparring.experiments.race`. Candidates are scored on held-out rows, with features
that none of them trains on. A candidate that fails is out, with the reason, and the others go on. Runs resume exactly,
so no step is repeated between rungs, and a training that is killed continues with the same command. Counted in steps,
the budget decides everything: however often the training is interrupted, it ends with the same weights, bit by bit.
Counted in time, the budget holds the seconds of training and of scoring, without interruptions.
"""

from __future__ import annotations

import json
import math
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from sparring._io.folder import Folder, open_atomic, read
from sparring._io.paths import expand_user
from sparring._types import JsonObject, Settings
from sparring.data import NAMES, Dataset, inspect
from sparring.data import load as load_data
from sparring.errors import UNREADABLE, Diverged, RunError, SparringError
from sparring.evaluation.evaluator import evaluate
from sparring.evaluation.extractors import get_extractor
from sparring.evaluation.registry import get_metrics
from sparring.experiments import auto_journal
from sparring.experiments.auto_journal import Journal, training_seconds
from sparring.experiments.candidates import Candidate, Facts, candidates, ema_decay
from sparring.experiments.race import RACE, affordable, beats_noise, ranked, rungs, survivors
from sparring.metrics import Direction
from sparring.runs import checkpoint, config
from sparring.runs.early_stopping import EarlyStopping
from sparring.runs.evaluation import evaluate_run
from sparring.runs.loop import FitOptions
from sparring.runs.run import Run
from sparring.training import distributed

__all__ = ["FILES", "AutoSettings", "AutoTraining", "Budget", "Moment", "auto"]

FILES = ("auto.json", auto_journal.FILE, "newest.png", "best.json", "auto.html")
FOREVER = 10**12  # steps, where something else ends a training
HOLD_OUT = 0.1
LEAST_HELD = 20  # rows that are held out of few
MIN_IMAGES, MIN_STEPS = 3_000, 100  # of a candidate in the first rung
PROBE = 0.01  # share of the budget in which the speed of a candidate is measured
SEGMENTS = 8  # scores of the winner between the race and the end
ANNEAL = 0.5  # share of the winner's training in which its rates fall to zero
SAVE_SECONDS = 20.0  # between two checkpoints
SAVES = 100  # checkpoints of a whole training whose budget is steps
SAMPLES = 1000  # samples of a score at most
SCORING = 0.1  # share of the finish that its scores may take
RESERVE = 4  # times a score takes, the time of the last evaluation and the report
ROOM = 2**26  # free bytes, below which checkpoints of candidates that retired are removed
NO_MEMORY = ("can't allocate memory", "out of memory", "bad_alloc", "Cannot allocate memory")
LOOKED_AT = 20_000  # images that are inspected at most

Unit = Literal["seconds", "steps"]


@dataclass(frozen=True)
class Budget:
    """Length of an automatic training.

    Attributes:
        unit: Seconds of training and scoring, or steps of all candidates together.
        amount: Number of these units.
    """

    unit: Unit
    amount: float

    @classmethod
    def of(cls, *, minutes: float | None = None, hours: float | None = None, steps: int | None = None) -> Budget:
        """Return the budget that is given in one of three units.

        Raises:
            RunError: If none or several are given, or the number is not above 0.
        """
        given = {"minutes": minutes, "hours": hours, "steps": steps}
        found = {name: value for name, value in given.items() if value is not None}
        if len(found) != 1:
            raise RunError(f"Give one budget: hours, minutes or steps, not {len(found) or 'none'}.")
        ((name, amount),) = found.items()
        if not 0 < amount < FOREVER:
            raise RunError(f"--{name} is {amount:g}: give a number above 0.")
        return (
            cls("steps", amount) if name == "steps" else cls("seconds", {"minutes": 60, "hours": 3600}[name] * amount)
        )


@dataclass(frozen=True)
class AutoSettings:
    """Settings of an automatic training.

    Attributes:
        data: A name or path.
        budget: Its length.
        size: Height and width of images, one number for both or a pair. Default: proposed by the inspection for image
            files, else the data's own.
        fit: How pictures of other proportions get that size, as for `sparring.data.load`. Default: as the size.
        channels: Channels of images. Default: the data's own.
        data_root: Folder of the standard data sets.
        conditional: Whether samples of a given class are wanted.
        mirror: Whether images are flipped at random. Default: those in colour.
        extractor: Feature extractor that scores images.
        samples: Number of samples of a score. Default: 1,000 images or 2,500 points, at most the held-out rows.
        seed: Decides everything random.
        device: Device of the training.
        only: Names of the candidates to race. Default: all that suit the data.
    """

    data: str | Path
    budget: Budget
    size: int | tuple[int, int] | None = None
    fit: str | None = None
    channels: int | None = None
    data_root: str | Path | None = None
    conditional: bool = False
    mirror: bool | None = None
    extractor: str = "classifier"
    samples: int | None = None
    seed: int = 0
    device: str = "auto"
    only: tuple[str, ...] = ()

    def identity(self, dataset: Dataset) -> JsonObject:
        """Return what must be the same to continue, as plain values.

        Args:
            dataset: The data.
        """
        names = ("size", "fit", "channels", "conditional", "mirror", "extractor", "samples", "seed", "only")
        plain = json.loads(json.dumps({name: getattr(self, name) for name in names}))
        return {"data": config.locate(dataset), "fingerprint": dataset.fingerprint, "unit": self.budget.unit, **plain}


@dataclass(frozen=True)
class Moment:
    """The state of an automatic training, for one line of progress.

    Attributes:
        done: Used units of the budget.
        total: The budget.
        stage: Part of the race, and the candidate in it.
        score: The best score so far, as text; empty before the first.
    """

    done: float
    total: float
    stage: str
    score: str


def auto(
    data: str | Path,
    *,
    minutes: float | None = None,
    hours: float | None = None,
    steps: int | None = None,
    out: str | Path | None = None,
    progress: Callable[[Moment], None] | None = None,
    **settings: object,
) -> Run:
    """Train the best generator that a budget allows, and return its run at the best checkpoint.

    Candidates of `sparring.experiments.candidates.CANDIDATES` race; the winner is trained to the end of the budget. The
    same call continues an interrupted training, and one with a larger budget goes on. A page, ``auto.html``, reports.

    Args:
        data: As for `sparring.data.load`.
        minutes: The budget in minutes of training and scoring; or
        hours: in hours; or
        steps: in training steps of all candidates together.
        out: Folder of the training. Default: ``runs/auto-DATA``.
        progress: Called often with the state.
        settings: Other attributes of `AutoSettings`, such as ``size``, ``conditional``, ``seed`` and ``device``.

    Raises:
        SparringError: If a setting cannot be used, or no candidate can be trained.
        Stopped: After a signal; everything is saved.

    Example:
        ::

            run = sparring.auto("photos/", hours=2)
            images = run.inference_game.sample(64)
    """
    budget = Budget.of(minutes=minutes, hours=hours, steps=steps)
    folder = Path("runs") / f"auto-{Path(data).stem}" if out is None else expand_user(out)
    chosen = AutoSettings(data, budget, **settings)  # type: ignore[arg-type]  # checked by the dataclass
    training = AutoTraining(folder, chosen, progress)
    training.play()
    return training.best_run()


class AutoTraining:
    """An automatic training in its folder.

    Args:
        folder: The folder.
        settings: The settings.
        progress: Called often with the state.

    Attributes:
        look: Sentences about the data.
        notes: Sentences for the user.
        candidates: The rows of the table that suit, by name.

    Raises:
        SparringError: If the data or a setting cannot be used, or the folder holds something else.
    """

    def __init__(self, folder: Path, settings: AutoSettings, progress: Callable[[Moment], None] | None = None) -> None:
        self.folder, self.progress = folder, progress
        self.settings, self.look = _looked(folder, settings)
        form: Settings = {"size": self.settings.size, "channels": settings.channels, "root": settings.data_root}
        form |= {"fit": self.settings.fit or "crop"}
        self.dataset = load_data(settings.data, **form, skip_unreadable=True)
        if len(self.dataset) < 2 * LEAST_HELD:
            raise RunError(f"{settings.data} has {len(self.dataset)} rows, too few to hold some out: add data.")
        self.notes = [f"Skipped: {sentence}" for sentence in self.dataset.skipped[:3]]
        device = distributed.resolve_device(settings.device)
        facts = Facts.of(self.dataset, conditional=settings.conditional, device=device.type)
        self.candidates = _chosen(facts, settings.only)
        self.facts, self._said = facts, ""
        self.journal: Journal | None = None

    @property
    def rows(self) -> Journal:
        """The journal, open."""
        assert self.journal is not None
        return self.journal

    def play(self) -> None:
        """Run or continue the training to the end of its budget, and write the report.

        Raises:
            SparringError: If no candidate can be trained, or the folder cannot be written.
            Stopped: After a signal.
        """
        from sparring.experiments.auto_report import save_auto_report  # plots are costly to import

        with self._opened():
            names = self._entrants()
            for number, rung in enumerate(rungs(len(names), self.settings.budget.amount)):
                for name in names:
                    self._attempt(name, partial(self._rung, name, number, rung.mark))
                names = self._halve(number, names)
            self._finish()
            self._evaluate_best()
            save_auto_report(self)

    def best(self) -> JsonObject | None:
        """Return the row of the best score so far, or None before the first."""
        scores = self.rows.find("score")
        if not scores:
            return None
        order = ranked({str(k): row["value"] for k, row in enumerate(scores)}, lower_is_better=self.lower_is_better)
        return scores[int(order[0])]

    def best_run(self) -> Run:
        """Return the run of the best score, open at its best checkpoint."""
        row = json.loads(read(self.folder / "best.json"))
        return Run.open(self.folder / row["run"], checkpoint="best", device=self.settings.device)

    @property
    def lower_is_better(self) -> bool:
        """Whether a smaller score is better."""
        row = self.rows.last("score")
        return row is None or row["better"] == Direction.LOWER.value

    def clear(self, value: float) -> bool:
        """Return whether a score is clearly better than that of noise.

        Args:
            value: The score.
        """
        row = self.rows.last("reference")
        return row is None or beats_noise(value, row["noise"], row["data"])

    def spent(self) -> float:
        """Return the used units of the budget."""
        if self.settings.budget.unit == "steps":
            return float(sum(self._scored_steps(name) for name in self.candidates))
        return self.rows.overhead + self.rows.running + sum(map(self._seconds, self.candidates))

    def path(self, name: str) -> Path:
        """Return the folder of the run of a candidate.

        Args:
            name: The candidate's.
        """
        return self.folder / "candidates" / name

    def is_out(self, name: str) -> bool:
        """Return whether a candidate has failed.

        Args:
            name: The candidate's.
        """
        return self.rows.last("out", candidate=name) is not None

    def _seconds(self, name: str) -> float:
        return training_seconds(self.path(name))

    def _scored_steps(self, name: str) -> int:
        row = self.rows.last("score", candidate=name)
        return int(row["at"]) if row else 0

    @contextmanager
    def _opened(self) -> Iterator[None]:
        """Lock the folder, and open the journal; the settings are compared with those of the start."""
        self.folder.mkdir(parents=True, exist_ok=True)
        home = Folder.open(self.folder)
        with home.run_lock():
            _store(home, self.settings, self.dataset, self.look)
            with closing(Journal(home)) as self.journal:
                self.notes += self.journal.notes
                yield

    def _entrants(self) -> list[str]:
        """Return the names of the candidates that race, in the order of preference."""
        known = self.rows.last("plan")
        if known:
            return list(known["candidates"])
        if self.settings.budget.unit == "steps":
            needs = {name: float(_least_steps(row)) for name, row in self.candidates.items()}
        else:
            needs = self._measured()
        if not needs:
            raise self._none_left()
        names = affordable(needs, self.settings.budget.amount)
        self.rows.add("plan", candidates=names, needs={name: round(need, 3) for name, need in needs.items()})
        return names

    def _measured(self) -> dict[str, float]:
        """Return the seconds that each candidate needs in the first rung at least, from its own first steps."""
        needs: dict[str, float] = {}
        for name, row in self.candidates.items():
            if self.rows.last("probe", candidate=name) is None:
                self._attempt(name, partial(self._probe, name))
            found = self.rows.last("probe", candidate=name)
            if found and not self.is_out(name):
                needs[name] = found["seconds_per_step"] * _least_steps(row)
            if self.spent() > RACE / 4 * self.settings.budget.amount:
                break
        return needs

    def _probe(self, name: str) -> None:
        run = self._run(name)
        start = time.perf_counter()
        self._train(run, FitOptions(FOREVER), PROBE * self.settings.budget.amount, f"measuring {name}")
        steps = max(run.step, 1)
        seconds = self._seconds(name) or time.perf_counter() - start
        self.rows.add("probe", candidate=name, steps=steps, seconds_per_step=seconds / steps)

    def _rung(self, name: str, number: int, mark: float) -> None:
        """Train a candidate up to the end of a rung, and score it."""
        if self.is_out(name) or self.rows.last("score", candidate=name, rung=number):
            return
        run = self._run(name)
        self._train(run, self._options(run), mark, f"rung {number + 1}, {name}")
        self._score(name, run, number)

    def _halve(self, number: int, names: Sequence[str]) -> list[str]:
        """Return who goes on after a rung."""
        known = self.rows.last("halved", rung=number)
        if known:
            return list(known["survivors"])
        rows = {name: self.rows.last("score", candidate=name, rung=number) for name in names if not self.is_out(name)}
        scores = {name: float(row["value"]) for name, row in rows.items() if row}
        if not scores:
            raise self._none_left()
        clear = [name for name, value in scores.items() if self.clear(value)]
        stay = survivors(scores, clear, lower_is_better=self.lower_is_better)
        self.rows.add("halved", rung=number, survivors=stay, retired=[name for name in scores if name not in stay])
        return stay

    def _finish(self) -> None:
        """Train the best candidate to the end of the budget, or the next best one if it fails."""
        while (name := self._leader()) is not None:
            if self._attempt(name, partial(self._to_the_end, name)):
                return
        if not self.rows.find("score"):
            raise self._none_left()

    def _leader(self) -> str | None:
        """Return the candidate with the best last score, the first of the plan before any score."""
        names = [name for name in self._entrants() if not self.is_out(name)]
        finishing = [row["candidate"] for row in self.rows.find("segment") if row["candidate"] in names]
        if finishing:
            return str(finishing[-1])
        rows = {name: self.rows.last("score", candidate=name) for name in names}
        scores = {name: float(row["value"]) for name, row in rows.items() if row}
        last = self.rows.last("halved")
        ahead = {name: scores[name] for name in (last["survivors"] if last else []) if name in scores} or scores
        return next(iter([*ranked(ahead, lower_is_better=self.lower_is_better), *names]), None)

    def _to_the_end(self, name: str) -> None:
        """Train a candidate through the segments that are left, with falling rates, and score it after each."""
        last = self.rows.last("segment", candidate=name, budget=self.settings.budget.amount)
        if last and self.rows.last("score", rung=f"finish {last['of'] - 1}", candidate=name, budget=last["budget"]):
            return
        run = self._run(name)
        count = self._segments(name)
        for number in range(count):
            if self.rows.last("score", candidate=name, rung=f"finish {number}", budget=self.settings.budget.amount):
                continue
            facts: Settings = {"candidate": name, "number": number, "budget": self.settings.budget.amount}
            row = self.rows.last("segment", **facts)
            row = row or self.rows.add("segment", **facts, of=count, **self._segment(name, run, count - number))
            counted = {"steps": "steps", "seconds": "images"}[self.settings.budget.unit]
            end: Settings = {"steps": None, "images": None, counted: row["end"]}
            options = replace(self._options(run), anneal=row["anneal"], **end)
            self._train(run, options, row["until"], f"finish {number + 1} of {count}, {name}")
            self._score(name, run, f"finish {number}")

    def _segments(self, name: str) -> int:
        """Return in how many segments the finish is scored: as many as take a tenth of its time at most."""
        known = self.rows.last("segment", candidate=name, budget=self.settings.budget.amount)
        if known:
            return int(known["of"])
        if self.settings.budget.unit == "steps":
            return SEGMENTS
        rest = self.settings.budget.amount - self.spent()
        return max(2, min(SEGMENTS, int(SCORING * rest / max(self._scoring(), 1e-3))))

    def _scoring(self) -> float:
        """Return the seconds that a score takes."""
        scores = [float(row["overhead"]) for row in self.rows.find("score")]
        return sum(scores) / len(scores) if scores else 0.0

    def _segment(self, name: str, run: Run, left: int) -> JsonObject:
        """Return the end of a segment of the finish, and the end of the training, as the budget has them now."""
        if self.settings.budget.unit == "steps":
            before = self.rows.find("segment", candidate=name, budget=self.settings.budget.amount)
            start = before[0]["start"] if before else run.step
            rest = self.settings.budget.amount - self.spent()
            end = before[0]["end"] if before else run.step + max(0, int(rest))
            until = end - (end - start) * (left - 1) // SEGMENTS
            return {"start": start, "until": until, "end": end, "anneal": _anneal(start, end)}
        rest = max(0.0, self.settings.budget.amount - self.spent() - (left + RESERVE) * self._scoring())
        seconds = self._seconds(name)
        before = self.rows.find("segment", candidate=name, budget=self.settings.budget.amount)
        start = before[0]["start"] if before else run.images
        end = run.images + max(1, round(rest * run.images / max(seconds, 1e-9)))
        return {"start": start, "until": seconds + rest / left, "end": end, "anneal": _anneal(start, end)}

    def _run(self, name: str) -> Run:
        """Create or open the run of a candidate."""
        row, settings = self.candidates[name], self.settings
        held = max(HOLD_OUT, (LEAST_HELD + 0.5) / len(self.dataset))
        mirror = self.facts.colour if settings.mirror is None else settings.mirror
        known = self.rows.last("made", candidate=name)
        decay = known["ema_decay"] if known else self._decay(row)
        if not known:
            self.rows.add("made", candidate=name, ema_decay=decay)
        return Run.create(
            self.path(name),
            row.recipe,
            data=settings.data,
            size=settings.size,
            fit=settings.fit or "crop",
            channels=settings.channels,
            data_root=settings.data_root,
            mirror=mirror and self.facts.images,
            skip_unreadable=True,
            hold_out=held,
            ema_decay=decay,
            seed=settings.seed,
            device=settings.device,
            **row.settings(),
        )

    def _decay(self, row: Candidate) -> float:
        """Return the decay of the averaged weights, by the steps that a winner would have."""
        budget = self.settings.budget
        if budget.unit == "steps":
            return ema_decay((1 - RACE) * budget.amount)
        return ema_decay((1 - RACE) * budget.amount * IMAGES_PER_SECOND / row.batch_size)

    def _options(self, run: Run) -> FitOptions:
        """Return the options of training a candidate, without an end."""
        if self.settings.budget.unit == "steps":
            return FitOptions(FOREVER, save_every=max(1, round(self.settings.budget.amount / SAVES)))
        seconds = training_seconds(run.folder)
        speed = run.step / seconds if seconds else 1.0
        return FitOptions(FOREVER, save_every=max(1, min(1000, round(SAVE_SECONDS * speed))))

    def _train(self, run: Run, options: FitOptions, until: float, stage: str) -> None:
        """Train up to a number of steps or seconds of the run; leaving the loop saves a checkpoint."""
        counted = self.settings.budget.unit == "steps"
        before, start = training_seconds(run.folder, run.step), 0.0
        if (run.step if counted else before) >= until:
            return
        done, scored = self.spent(), self._scored_steps(run.folder.name)
        try:
            with closing(run.train(options)) as reports:  # type: ignore[type-var]
                for report in reports:
                    now = time.perf_counter()
                    start = start or now
                    seconds = round(before + now - start, 3)
                    self._tell(done + (report.step - scored if counted else seconds - before), stage)
                    if report.step % options.sample_interval == 0:
                        self._show_newest(run)
                    if (report.step if counted else seconds) >= until:
                        return
        finally:
            self.rows.trained(max(0.0, self._seconds(run.folder.name) - before))

    def _score(self, name: str, run: Run, rung: int | str) -> None:
        """Score a candidate on held-out rows, and show it."""
        held = len(run.held_out or self.dataset)
        samples = self.settings.samples or (min(SAMPLES, held) if self.facts.images else None)
        options = EarlyStopping(1.0, samples=samples, extractor=self.settings.extractor)
        if self.rows.last("reference") is None:
            self.rows.add("reference", **self._references(run, options))
        row = run.judge(options)
        run.save_samples()
        self._show_newest(run)
        facts = {"at": run.step, "images": run.images, "trained": self._seconds(name)}
        facts |= {"value": row["value"], "score": row["score"], "better": row["better"]}
        self.rows.add("score", candidate=name, rung=rung, budget=self.settings.budget.amount, **facts)
        best = self.best()
        if best is not None and best["candidate"] == name:
            self._write_best(best)
            self._said = f"best {best['score']} {best['value']:.4g}, {name}"

    def _references(self, run: Run, options: EarlyStopping) -> JsonObject:
        """Return the scores of other real data and of noise."""
        how: Settings = {"metrics": options.metrics(run.training), "samples": options.samples, "resamples": 0}
        if self.facts.images and options.extractor != "classifier":
            how |= {"extractor": get_extractor(options.extractor, run.training, str(run.game.device))}
        found = evaluate(run.inference_game, run.training, held_out=run.held_out, **how)
        return {name: scores[0].value for name, scores in found.references.items()}

    def _evaluate_best(self) -> None:
        """Evaluate the best checkpoint by all metrics that suit the data, with nearest training images."""
        best = self.best()
        if best is None or self.rows.last("evaluated", at=best["at"], candidate=best["candidate"]):
            return
        run = self.best_run()
        names = ["frechet", "precision", "memorization"] if self.facts.images else ["sliced", "precision"]
        if run.dataset.mixture is not None:
            names.append("modes")
        if self.facts.conditional and self.facts.images:
            names.append("labels")
        how: Settings = {"metrics": get_metrics(names), "samples": self.settings.samples}
        if self.facts.images and self.settings.extractor != "classifier":
            how |= {"extractor": get_extractor(self.settings.extractor, run.training, str(run.game.device))}
        evaluate_run(run, **how)
        self.rows.add("evaluated", candidate=best["candidate"], at=best["at"])

    def _write_best(self, row: JsonObject) -> None:
        """Write which run is the best so far, and the command that samples it."""
        place = Path("candidates") / row["candidate"]
        command = f"sparring sample {shlex.quote(str(self.folder / place))} --checkpoint best --out samples.png"
        facts = {"run": str(place), "checkpoint": "best", "step": row["at"], "score": row["score"]}
        with open_atomic(self.folder / "best.json") as file:
            file.write(json.dumps({**facts, "value": row["value"], "command": command}, indent=1).encode() + b"\n")

    def _show_newest(self, run: Run) -> None:
        """Copy the newest grid of samples to ``newest.png``."""
        from sparring.experiments.plots import sample_files

        files = sample_files(run.folder)
        if files:
            content = read(files[-1])
            with open_atomic(self.folder / "newest.png") as file:
                file.write(content)

    def _tell(self, done: float, stage: str) -> None:
        if self.progress:
            total = self.settings.budget.amount
            self.progress(Moment(min(done, total), total, stage, self._said))

    def _attempt(self, name: str, action: Callable[[], None]) -> bool:
        """Do something with a candidate, and return whether it went well; one that fails is out, with the reason."""
        while True:
            try:
                action()
                return True
            except Diverged as error:
                why = str(error)
            except RunError as error:
                if self._make_room():
                    continue
                raise RunError(f"{error} {self.usable()}") from error
            except SparringError as error:
                why = str(error)
            except Exception as error:
                reason = str(error).strip().partition("\n")[0][:200]
                memory = isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY)
                why = f"there is not enough memory ({reason})" if memory else f"{type(error).__name__}: {reason}"
            self.rows.add("out", candidate=name, why=why)
            return False

    def usable(self) -> str:
        """Return which run is the best so far, as a sentence."""
        best = self.best()
        if best is None:
            return "No candidate was scored yet."
        return f"The best so far is {self.path(best['candidate'])}, usable with --checkpoint best."

    def _make_room(self) -> bool:
        """Remove checkpoints of candidates that retired or failed if the disk is full, and return whether it helped."""
        before = shutil.disk_usage(self.folder).free
        if before >= ROOM:
            return False
        retired = {name for row in self.rows.find("halved") for name in row["retired"]}
        for name in self.candidates:
            if (name in retired or self.is_out(name)) and self.path(name).exists():
                checkpoint.prune(Folder.open(self.path(name)), checkpoint.REGULAR, set())
        freed = shutil.disk_usage(self.folder).free - before
        if freed > 0:
            self.notes.append(
                f"The disk was full: checkpoints of candidates that retired made room of {freed:,} bytes."
            )
        return freed > 0

    def _none_left(self) -> RunError:
        reasons = "; ".join(f"{row['candidate']}: {row['why']}" for row in self.rows.find("out"))
        return RunError(f"No candidate can be trained on {self.settings.data} ({reasons}): give other data or sizes.")


IMAGES_PER_SECOND = 100.0  # assumed before anything is measured


def _anneal(start: float, end: float) -> float:
    """Return the share of a training in which its rates fall: half of it, but not before the finish.

    >>> _anneal(60, 100), _anneal(20, 100), _anneal(0, 0)
    (0.4, 0.5, 0.0)
    """
    return min(ANNEAL, (end - start) / end) if end > 0 else 0.0


def _least_steps(row: Candidate) -> int:
    return max(MIN_STEPS, math.ceil(MIN_IMAGES / row.batch_size))


def _chosen(facts: Facts, only: Sequence[str]) -> dict[str, Candidate]:
    """Return the candidates by name."""
    suited = {row.name: row for row in candidates(facts)}
    unknown = next((name for name in only if name not in suited), None)
    if unknown or not suited:
        what = f"There is no candidate {unknown!r} for this data" if unknown else "No candidate suits this data"
        raise RunError(f"{what}: those that suit are {', '.join(suited) or 'none'}.")
    return {name: row for name, row in suited.items() if not only or name in only}


def _looked(folder: Path, settings: AutoSettings) -> tuple[AutoSettings, list[str]]:
    """Return the settings with a size, and sentences about the data, from the folder if it has them."""
    known = _stored(folder)
    if known:
        size = tuple(known["size"]) if isinstance(known["size"], list) else known["size"]
        form: Settings = {"size": settings.size or size, "fit": settings.fit or known["fit"]}
        return replace(settings, **form), list(known["look"])
    if str(settings.data) in NAMES or not (Path(settings.data).is_dir() or Path(settings.data).suffix == ".zip"):
        return settings, []
    found = inspect(settings.data, root=settings.data_root)
    chosen = found.proposal
    if settings.size is None and chosen is not None:
        size = chosen.height if chosen.height == chosen.width else (chosen.height, chosen.width)
        settings = replace(settings, size=size, fit=settings.fit or chosen.fits[0].fit)
    return settings, found.lines()


def _stored(folder: Path) -> JsonObject | None:
    try:
        found: JsonObject = json.loads(read(folder / "auto.json"))
        return {"look": found["look"], **found["settings"]}
    except FileNotFoundError:
        return None
    except (*UNREADABLE, RunError) as error:
        raise RunError(f"{folder / 'auto.json'} cannot be read ({error}): give another folder.") from error


def _store(home: Folder, settings: AutoSettings, dataset: Dataset, look: Sequence[str]) -> None:
    """Write the settings, or compare them with those of the start; a larger budget is recorded."""
    now, amount = settings.identity(dataset), settings.budget.amount
    if home.mode("auto.json") is None:
        if home.names():
            raise RunError(f"{home.path} holds other files: give a new or empty folder.")
    else:
        before = json.loads(home.read("auto.json"))
        config.require_equal(home.path, before["settings"], now)
        if before["budget"] > amount:
            raise RunError(
                f"{home.path} was started with {before['budget']:g} {settings.budget.unit}, more than {amount:g}: give "
                "at least as many, or another folder."
            )
        if before["budget"] == amount:
            return
    record = {"format": 1, "settings": now, "budget": amount, "look": list(look)}
    with home.atomic_write("auto.json") as file:
        file.write(json.dumps(record, indent=1, ensure_ascii=False).encode(errors="backslashreplace") + b"\n")
