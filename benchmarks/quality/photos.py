"""Time to quality on photographs: CPU minutes to a held-out distance, by two judges that no contestant trains on.

    python -m benchmarks photos                                        everything; about 13 core-hours
    python -m benchmarks photos --data clothes --seeds 1               one data set, one seed
    python -m benchmarks photos --contestants projected rsgan          some contestants
    python -m benchmarks photos --figures                              only the record and the figures of what is done
    python -m benchmarks photos --data digits --minutes 0.1 --marks 3  a trial in a minute

Contestants and their settings are in `photo_suites`. All play on one thread of one machine, in turns of at most five
CPU minutes, and are judged at a log-spaced series of CPU times: Fréchet distance, precision and recall of as many
samples as there are held-out images (a tenth of the data), in the features of the library's own classifier, trained on
the training images, and in those of SqueezeNet 1.0 (`$SPARRING_DATA/nets`, or ``--squeezenet FILE``). Opening the data
and judging are not counted. *data* is the score of other real images, *noise* that of independent pixels.

Every turn ends with a checkpoint below ``runs/photos``: the same command continues, after Ctrl-C and after a kill. A
training that the record holds with the same settings is not played again. The record has all curves and what they show,
see `photo_claims`.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from benchmarks import records
from benchmarks.quality.photo_claims import claims
from benchmarks.quality.photo_figures import save_figures
from benchmarks.quality.photo_suites import ARENAS, CONTESTANTS, PEER, Arena, Contestant
from benchmarks.speed.reference_loops import GeneratorFirst, upsampling_dcgan
from sparring import Run
from sparring.data import Dataset, Stream, load
from sparring.evaluation.evaluator import evaluate
from sparring.evaluation.registry import get_metrics
from sparring.game import Game, evaluation_mode
from sparring.inference.sampling import generate
from sparring.metrics import FeatureExtractor, Score, extractor_for, squeezenet
from sparring.rng import fixed_seed
from sparring.runs import logs, performance
from sparring.runs.signals import Stopped

CLOCK = time.process_time
RESULTS = Path(__file__).parent / "results"
STATE = Path("runs") / "photos"
WEIGHTS = "nets/squeezenet1_0_deepcompressed_imagenet.npz"
HELD_OUT = 0.1
FOREVER = 10**12
MOST = 2000  # images that are judged
SHOWN = 64  # images of a grid


class Turn:
    """CPU time of a training in a turn. That of a step is on disk before the step's checkpoint is.

    Args:
        file: Rows of steps and their CPU seconds.
        step: Step of the checkpoint from which the training goes on.
        until: CPU seconds since the start of the training at which the turn ends.
    """

    def __init__(self, file: logs.JsonLinesWriter, step: int, until: float) -> None:
        self.file, self.until = file, until
        self.before, self.start = spent_seconds(file.last, step), CLOCK()

    def is_over(self, step: int, images: int) -> bool:
        """Return whether the time has come, and note the step if it has."""
        if self.before + CLOCK() - self.start < self.until:
            return False
        self.note(step, images)
        return True

    def note(self, step: int, images: int, *, ended: bool = False) -> None:
        """Write the CPU seconds of a step."""
        row = {"step": step, "images": images, "seconds": self.before + CLOCK() - self.start, "ended": ended}
        if row != self.file.last:
            self.file.write([row])
            self.file.sync()
            self.file.last = row


class Training(Protocol):
    """A training that can be continued in another process."""

    @property
    def step(self) -> int:
        """Steps behind the checkpoint."""

    @property
    def images(self) -> int:
        """Images behind the checkpoint."""

    def advance(self, turn: Turn) -> None:
        """Train until the turn is over, and save a checkpoint."""

    def game(self) -> Game:
        """Return the game to judge."""


class RunTraining:
    """A run of the library; logs count as training.

    Args:
        folder: Where it lies.
        who: The contestant.
        arena: The images.
        seed: Decides everything random.
        minutes: CPU minutes of the whole training, which decide when its rates begin to fall.
    """

    def __init__(self, folder: Path, who: Contestant, arena: Arena, seed: int, minutes: float) -> None:
        self.who, self.seconds, self.file = who, 60 * minutes, folder / "length.json"
        self.run = Run.create(
            folder / "run",
            who.recipe,
            data=source(arena),
            arguments=who.arguments,
            techniques=who.techniques,
            size=arena.size,
            mirror=who.mirror,
            hold_out=HELD_OUT,
            batch_size=who.batch,
            seed=seed,
            ema_decay=who.ema,
            precision=who.precision,
            device="cpu",
        )

    @property
    def step(self) -> int:
        """Steps behind the checkpoint."""
        return self.run.step

    @property
    def images(self) -> int:
        """Images behind the checkpoint."""
        return self.run.images

    def advance(self, turn: Turn) -> None:
        """Train until the turn is over, and save a checkpoint."""
        end = json.loads(self.file.read_text()) if self.file.exists() else FOREVER
        anneal = self.who.anneal if end < FOREVER else 0.0
        how: Any = {"save_every": FOREVER, "sample_every": FOREVER, "anneal": anneal}
        with closing(self.run.fit(end, **how)) as reports:  # type: ignore[type-var]
            try:
                for report in reports:
                    if turn.is_over(report.step, self.run.images):
                        break
            except Stopped:
                turn.note(self.run.step, self.run.images)
                raise
        if self.run.step >= end:
            turn.note(self.run.step, self.run.images, ended=True)
        spent = turn.file.last["seconds"]
        if self.who.anneal and end == FOREVER and spent >= self.seconds / 8:
            self.file.write_text(str(round(self.run.step * self.seconds / spent)))

    def game(self) -> Game:
        """Return the game to judge."""
        return self.run.inference_game


class PeerTraining:
    """PyTorch-GAN's loop in plain PyTorch; its generator is judged with running statistics, since it keeps no average.

    Args:
        folder: Where its checkpoint lies.
        training: The images.
        batch: Images of a batch.
        seed: Seed of weights, noise and order.
    """

    def __init__(self, folder: Path, training: Dataset, batch: int, seed: int) -> None:
        self.file = folder / "peer.pt"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.played = upsampling_dcgan(training.shape)  # type: ignore[arg-type]
            performance.PerformanceOptions("off").apply(self.played)
            self.loop = GeneratorFirst(self.played.G, self.played.D)
            self.random = torch.random.get_rng_state()
        self.batch, self.step, self.stream = batch, 0, Stream(training, batch, seed=seed)
        if self.file.exists():
            self._load(torch.load(self.file, weights_only=True))

    @property
    def images(self) -> int:
        """Images behind the checkpoint."""
        return self.step * self.batch

    def advance(self, turn: Turn) -> None:
        """Train until the turn is over, and save a checkpoint."""
        with torch.random.fork_rng(devices=[]):
            torch.random.set_rng_state(self.random)
            for x, *_ in self.stream:
                self.loop.step(x)
                self.step += 1
                if turn.is_over(self.step, self.images):
                    break
            self.random = torch.random.get_rng_state()
        fresh = self.file.with_suffix(".new")
        torch.save({**{name: part.state_dict() for name, part in self._parts()}, **self._counts()}, fresh)
        fresh.replace(self.file)

    def game(self) -> Game:
        """Return the game to judge."""
        return self.played

    def _parts(self) -> Iterator[tuple[str, Any]]:
        yield from (("G", self.loop.G), ("D", self.loop.D), ("G_adam", self.loop.G_adam), ("D_adam", self.loop.D_adam))

    def _counts(self) -> dict[str, Any]:
        return {"step": self.step, "random": self.random}

    def _load(self, state: dict[str, Any]) -> None:
        for name, part in self._parts():
            part.load_state_dict(state[name])
        self.step, self.random = state["step"], state["random"]
        self.stream.seek(self.step)


class Judges:
    """Two judges of the samples of a game, on held-out images.

    Args:
        dataset: All images.
        weights: File of SqueezeNet's weights.
        samples: Number of images to judge at most.
    """

    def __init__(self, dataset: Dataset, weights: Path, samples: int) -> None:
        self.training, held_out = dataset.split(HELD_OUT)
        assert held_out is not None
        self.held_out, self.samples = held_out, min(samples, len(held_out))
        own = extractor_for(self.training)
        self.extractors: dict[str, FeatureExtractor] = {"classifier": own, "squeezenet": squeezenet(weights)}

    def __call__(self, game: Game) -> dict[str, dict[str, float]]:
        """Return the scores of a game by each judge."""
        return {name: _named(self._scores(game, judge)[""]) for name, judge in self.extractors.items()}

    def references(self, game: Game) -> dict[str, dict[str, dict[str, float]]]:
        """Return the scores of other real images and of noise by each judge; of the game only the shape matters."""
        found = {name: self._scores(game, judge, references=True) for name, judge in self.extractors.items()}
        return {kind: {name: _named(rows[kind]) for name, rows in found.items()} for kind in ("data", "noise")}

    def described(self) -> dict[str, str]:
        """Return the name and the hash of each judge."""
        return {name: f"{judge.name} ({judge.sha256[:12]}), {judge.resize}" for name, judge in self.extractors.items()}

    def _scores(self, game: Game, judge: FeatureExtractor, *, references: bool = False) -> dict[str, Sequence[Score]]:
        metrics = get_metrics(["frechet", "precision"])
        how: Any = {"metrics": metrics, "samples": self.samples, "references": references, "resamples": 0}
        found = evaluate(game, self.training, held_out=self.held_out, extractor=judge, **how)
        return {"": found.scores, **found.references}


def _named(scores: Sequence[Score]) -> dict[str, float]:
    return {
        name: round(score.value, 4) for name, score in zip(("distance", "precision", "recall"), scores, strict=True)
    }


@dataclass(frozen=True)
class Entry:
    """A contestant on some images with a seed, and where its training lies.

    Attributes:
        who: The contestant.
        arena: The images.
        seed: Decides everything random.
        folder: Its state.
    """

    who: Contestant
    arena: Arena
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        """Its name in the record."""
        return f"{self.who.name}-{self.seed}"

    def settings(self) -> dict[str, Any]:
        """Return its settings, for the record."""
        return json.loads(json.dumps({"contestant": self.who.name, "seed": self.seed, "settings": asdict(self.who)}))

    def require_same_settings(self) -> None:
        """Write the settings into the folder, or exit with a sentence where it holds others."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "settings.json"
        if file.exists() and json.loads(file.read_text()) != self.settings():
            raise SystemExit(f"{self.folder} holds a training with other settings: move it away.")
        file.write_text(json.dumps(self.settings(), indent=1))

    def curve(self) -> list[dict[str, Any]]:
        """Return the rows of its evaluations so far."""
        return logs.read(self.folder / "curve.jsonl")


def source(arena: Arena) -> str:
    """Return the name of the data, or its path."""
    return str(Path(os.environ["SPARRING_DATA"]) / arena.data) if "/" in arena.data else arena.data


def times(minutes: float, marks: int, turn: float) -> list[tuple[float, bool]]:
    """Return the CPU seconds at which turns end, and whether the contestants are judged there.

    Args:
        minutes: CPU minutes of a training.
        marks: Number of evaluations, each at √2 of the time of the one before it.
        turn: Longest turn in minutes.

    >>> times(40, 3, 15)
    [(1200.0, True), (1697.1, True), (1800.0, False), (2400.0, True)]
    """
    judged = [round(60 * minutes / 2 ** (k / 2), 1) for k in range(marks)]
    turns = [60 * turn * k for k in range(1, int(minutes / turn) + 1)]
    return sorted({**dict.fromkeys(turns, False), **dict.fromkeys(judged, True)}.items())


def play(entry: Entry, judges: Judges, until: float, judged: bool, minutes: float) -> None:
    """Train an entry up to a CPU time, unless it has reached it, and judge it there.

    Args:
        entry: The entry.
        judges: The judges.
        until: CPU seconds since the start of the training.
        judged: Whether to judge there.
        minutes: CPU minutes of the whole training.
    """
    entry.require_same_settings()
    if any(row["seconds"] >= until for row in entry.curve()):
        return
    training = opened(entry, judges.training, minutes)
    with closing(logs.JsonLinesWriter(entry.folder / "seconds.jsonl", training.step)) as file:
        if not file.last.get("ended") and spent_seconds(file.last, training.step) < until:
            training.advance(Turn(file, training.step, until))
        seconds = spent_seconds(file.last, training.step)
    before = entry.curve()
    if judged and (not before or before[-1]["step"] < training.step):
        row: dict[str, Any] = {"step": training.step, "images": training.images, "seconds": round(seconds, 2)}
        row |= {"ended": True} if file.last.get("ended") else {}
        row |= judges(training.game())
        with closing(logs.JsonLinesWriter(entry.folder / "curve.jsonl", training.step)) as curve:
            curve.write([row])
            curve.sync()
        save_samples(training.game(), entry.folder / "samples.pt")
        print(f"{entry.arena.name} {entry.name}: {said(row)}", flush=True)


def spent_seconds(last: dict[str, Any], step: int) -> float:
    """Return the CPU seconds behind a checkpoint, in proportion to the steps where it is ahead of the last known one.

    Args:
        last: The last known row, empty if there is none.
        step: That of the checkpoint.
    """
    if step and not last:
        raise SystemExit("A training has a checkpoint and no CPU time: remove its folder below runs/photos.")
    return float(last["seconds"]) * step / last["step"] if last else 0.0


def opened(entry: Entry, training: Dataset, minutes: float) -> Training:
    """Return the training of an entry, from its last checkpoint."""
    if entry.who.recipe == PEER:
        return PeerTraining(entry.folder, training, entry.who.batch, entry.seed)
    return RunTraining(entry.folder, entry.who, entry.arena, entry.seed, minutes)


def save_samples(game: Game, file: Path) -> None:
    """Write samples of a fixed seed as bytes, (N, C, H, W)."""
    with evaluation_mode(game), fixed_seed(0):
        samples = generate(game, game.noise(SHOWN))  # type: ignore[arg-type,operator]
    torch.save(((samples.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu(), file)


def said(row: dict[str, Any]) -> str:
    """Return a row of a curve as one line."""
    scores = (f"{name} {' '.join(f'{v:.4g}' for v in row[name].values())}" for name in ("classifier", "squeezenet"))
    return f"{row['seconds'] / 60:.2f} CPU min, {row['images']:,} images; {'; '.join(scores)}"


def references(arena: Arena, judges: Judges, state: Path) -> dict[str, Any]:
    """Return the scores of real images and of noise; they are computed once."""
    file = state / arena.name / "references.json"
    if not file.exists():
        found = judges.references(upsampling_dcgan(judges.training.shape))  # type: ignore[arg-type]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found, indent=1))
    return json.loads(file.read_text())


def recorded(out: Path, arena: Arena, minutes: float) -> dict[str, Any]:
    """Return the trainings of a record of the same length on an arena, by name."""
    held = json.loads(out.read_text()) if out.exists() else {}
    same = held.get("minutes") == minutes
    return held["arenas"].get(arena.name, {}).get("trainings", {}) if same else {}


def save_record(
    out: Path, arenas: Sequence[Arena], entries: Sequence[Entry], judged: dict[str, Judges], given: Any
) -> None:
    """Write the record: what it held of the same length, and what was played here.

    Args:
        out: The file.
        arenas: Those of this command.
        entries: Those of this command.
        judged: The judges of each arena.
        given: The command's settings.
    """
    held = json.loads(out.read_text()) if out.exists() else {}
    found: dict[str, Any] = held["arenas"] if held.get("minutes") == given.minutes else {}
    for arena in arenas:
        mine = [entry for entry in entries if entry.arena == arena and entry.curve()]
        rows = {entry.name: {**entry.settings(), "made": records.made(), "curve": entry.curve()} for entry in mine}
        trainings = {**recorded(out, arena, given.minutes), **rows}
        judges = judged[arena.name]
        facts = {"data": arena.data, "size": arena.size, "samples": judges.samples, "judges": judges.described()}
        part = {
            **facts,
            "references": references(arena, judges, given.state),
            "trainings": dict(sorted(trainings.items())),
        }
        found[arena.name] = {**part, "claims": claims(part, given.minutes)}
    head = records.head(command=given.command, clock=CLOCK.__name__)
    records.write(out, {**head, "minutes": given.minutes, "arenas": found})


def main(words: Sequence[str] | None = None) -> None:
    """Play what is missing, in turns, and write the record and the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    played = [name for name in ARENAS if name != "digits"]
    parser.add_argument("--data", nargs="+", choices=ARENAS, default=played)
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, help="default: those of each data set")
    parser.add_argument("--seeds", type=int, help="default: that of each data set")
    parser.add_argument("--minutes", type=float, default=40, help="CPU minutes of a training")
    parser.add_argument("--marks", type=int, default=13, help="number of evaluations")
    parser.add_argument("--turn", type=float, default=5, help="longest turn in CPU minutes")
    parser.add_argument("--samples", type=int, default=MOST, help="images judged at most")
    parser.add_argument("--squeezenet", type=Path, help="weights of SqueezeNet; default: below $SPARRING_DATA")
    parser.add_argument("--state", type=Path, default=STATE)
    parser.add_argument("--out", type=Path, default=RESULTS / "photos.json")
    parser.add_argument("--figures", action="store_true", help="train nothing")
    given = parser.parse_args(words)
    given.command = f"python -m benchmarks photos --minutes {given.minutes:g}"
    torch.set_num_threads(1)
    weights = given.squeezenet or Path(os.environ.get("SPARRING_DATA", "data")) / WEIGHTS
    arenas = [ARENAS[name] for name in given.data]
    judges = {each.name: Judges(load(source(each), size=each.size), weights, given.samples) for each in arenas}
    entries = [
        Entry(CONTESTANTS[name], arena, seed, given.state / arena.name / f"{name}-{seed}")
        for arena in arenas
        for seed in range(given.seeds or arena.seeds)
        for name in given.contestants or arena.contestants
    ]
    known = {arena.name: recorded(given.out, arena, given.minutes) for arena in arenas}
    missing = [entry for entry in entries if not is_known(entry, known[entry.arena.name], given.minutes)]
    for until, judged in [] if given.figures else times(given.minutes, given.marks, given.turn):
        for entry in missing:
            play(entry, judges[entry.arena.name], until, judged, given.minutes)
        save_record(given.out, arenas, entries, judges, given)
    save_record(given.out, arenas, entries, judges, given)
    save_figures(given.out, given.state)
    print(f"Written to {given.out}.")


def is_known(entry: Entry, known: dict[str, Any], minutes: float) -> bool:
    """Return whether a record holds the whole training of an entry with the same settings."""
    row = known.get(entry.name)
    if row is None or entry.folder.exists() or not entry.settings().items() <= row.items():
        return False
    last = row["curve"][-1]
    return last["seconds"] >= 60 * minutes or "ended" in last


if __name__ == "__main__":
    main()
