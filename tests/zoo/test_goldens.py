"""Short trainings leave the bits on record: weights, logs, optimisers, samples, scores; and public names stay.

    make records                                                writes every record, after a meant change
    PYTHONPATH=.:tests python tests/zoo/test_goldens.py names   writes only the public names

A record of bits holds for the machine that made it, which is written beside it. Numbers that survive another order of
summation hold everywhere: terms of the first steps, and mean sizes of kernels after them. A number is one of these if
it moves by less than the tolerance when every initial weight is moved by 1e-5 of its value, which is a hundred times
the rounding of a float, in three ways; differences of nearly equal numbers fail that.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script, it finds its helpers

import sparring
from sparring import RECIPES, load, recipe
from sparring.abilities import SupportsSampling
from sparring.evaluation.evaluator import evaluate
from sparring.evaluation.registry import default_metrics, get_metrics
from sparring.inference.sampling import sample_seeds
from sparring.runs.run import Run
from support import runs

RECORD = Path(__file__).with_name("goldens.json")
LOG = "log.jsonl"
STEPS, FIRST = 50, 3
TOLERANCE, MOVED, TIMES = 1e-3, 1e-5, 3


@dataclass(frozen=True)
class Golden:
    """A short training.

    Attributes:
        recipe: Its name.
        kind: The data.
        arguments: Of the recipe, other than those that make its networks small.
        settings: Of the run.
        stop: The step at which it is stopped, and resumed from its folder; 0 for none.
        processes: How many train together.
    """

    recipe: str
    kind: dict[str, Any]
    arguments: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    stop: int = 0
    processes: int = 1


PUBLISHED = {"light": False, "critic": {"lr": 2e-4}, "generator": {"lr": 2e-4}}  # of Projected GAN
POINTS, IMAGES, LARGER = runs.POINTS, runs.IMAGES, {**runs.IMAGES, "size": 16}
GOLDENS = {
    "packing-r1": Golden("nsgan", POINTS, settings={"techniques": {"packing": 2, "r1": 0.1, "penalty_every": 2}}),
    "unrolling": Golden("mmgan", POINTS, settings={"techniques": {"unrolling": 2, "instance_noise": 0.5}}),
    "augment-diff": Golden(
        "dcgan", IMAGES, settings={"techniques": {"augment": "diff", "lecam": 0.3, "lecam_start": 0}}
    ),
    "adaptive": Golden(
        "hinge",
        IMAGES,
        settings={"techniques": {"augment": "adaptive", "augment_images": 500, "latent_consistency": 20.0}},
    ),
    "consistency": Golden("hinge", IMAGES, settings={"techniques": {"balanced_consistency": 10.0, "dragan": 1.0}}),
    "matching": Golden(
        "lsgan",
        IMAGES,
        settings={"techniques": {"feature_matching": 1.0, "virtual_batch_norm": 4, "historical_averaging": 0.1}},
    ),
    "ensemble": Golden(
        "nsgan",
        IMAGES,
        settings={
            "techniques": {"ensemble": 2, "schedule": "cosine", "schedule_steps": 60, "initialisation": "orthogonal"}
        },
    ),
    "neighbours": Golden("fgan", IMAGES, settings={"techniques": {"minibatch": "discrimination"}}),
    "data": Golden("dcgan", IMAGES, settings={"mirror": True, "crop_margin": 2, "hold_out": 0.1, "seed": 3}),
    "wgan": Golden("wgan", POINTS),
    "sngan": Golden("sngan", IMAGES),
    "wgan-gp": Golden("wgan-gp", {**IMAGES, "batch_size": 8}, settings={"grad_accum": 2}),
    "rasgan": Golden("rasgan", IMAGES),
    "cgan": Golden("cgan", IMAGES, {"design": "projection"}),
    "acgan": Golden("cgan", IMAGES, {"design": "auxiliary"}),
    "infogan": Golden("infogan", IMAGES),
    "vae-gan": Golden("vae-gan", IMAGES),
    "bigan": Golden("bigan", {**IMAGES, "batch_size": 16}, {"stochastic": True}, stop=20),
    "latent-regressor": Golden("latent-regressor", IMAGES, {"joint": 0.25}),
    "stackgan": Golden("stackgan", runs.CAPTIONED, {"features": 8, "refine_from": 20}),
    "cyclegan": Golden("cyclegan", runs.UNPAIRED, stop=30),
    "nicegan": Golden("nicegan", runs.UNPAIRED),
    "pix2pix": Golden("pix2pix", runs.PAIRED),
    "gaugan": Golden("gaugan", runs.MAPPED, {"networks": {"latent": 5, "width": 4, "hidden": 4}}),
    "singan": Golden("singan", runs.PHOTO, {"rounds": 2}),
    "stylegan2": Golden("stylegan2", IMAGES, {"path": 2.0, "mixing": 0.9}),
    "r3gan": Golden("r3gan", IMAGES),
    "fastgan": Golden("fastgan", LARGER, stop=20),
    "fastgan-classes": Golden("fastgan", IMAGES, {"conditional": True, "light": True}),
    "projected": Golden("projected", LARGER, {"pixels": 0, **PUBLISHED}, stop=20),
    "projected-classes": Golden("projected", IMAGES, {"conditional": True, "scales": 3, "pixels": 4, **PUBLISHED}),
    "realness": Golden("realness", IMAGES),
    "ebgan": Golden("ebgan", IMAGES),
    "tgan": Golden("tgan", IMAGES),
    "madgan": Golden("madgan", IMAGES),
    "biggan": Golden("biggan", IMAGES),
    "lapgan": Golden("lapgan", LARGER),
    "two-processes": Golden(
        "nsgan",
        {**POINTS, "batch_size": 16},
        {"networks": {"network": "mlp", "latent": 4, "width": 16}},
        settings={"ema_decay": 0.9},
        processes=2,
    ),
}
SLOW = {"biggan", "nicegan", "two-processes"}


# Hashes


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what is in nested dicts and lists, each with its path."""
    if isinstance(value, (dict, list, tuple)):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, f"{path}/{key}")
    else:
        yield path, value


def digest(named: Iterable[tuple[str, Any]]) -> str:
    """Return a hash of names and values: of tensors type, shape and bytes."""
    found = hashlib.sha256()
    for name, value in named:
        found.update(f"{name}\n".encode())
        if isinstance(value, torch.Tensor):
            found.update(f"{value.dtype} {tuple(value.shape)}\n".encode())
            found.update(value.detach().cpu().contiguous().numpy().tobytes())
        else:
            found.update(f"{value!r}\n".encode())
    return found.hexdigest()[:32]


def weights(network: torch.nn.Module) -> list[tuple[str, Any]]:
    """Return what a network holds, by name in order."""
    return sorted(network.state_dict().items())


def lines(folder: Path) -> list[Any]:
    """Return the lines of a run's log; values only, in the order written, so that keys may be renamed.

    Readings, which are no terms, came later and are left out.
    """

    def values(line: Any) -> Any:
        if not isinstance(line, dict):
            return line
        return [values(value) for name, value in line.items() if name != "augment/p"]

    return [values(json.loads(line)) for line in (folder / LOG).read_text().splitlines()]


def pictures(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the decoded pixels of the pictures in a run's folder, hashed; files may be renamed."""

    def decoded(path: Path) -> tuple[str, str]:
        with Image.open(path) as picture:
            return str(picture.size), hashlib.sha256(np.asarray(picture).tobytes()).hexdigest()

    yield from sorted(map(decoded, folder.rglob("*.png")))


# Trainings


def begun(golden: Golden, folder: Path) -> Run:
    """The run of a golden, new or as it was left."""
    arguments = {**runs.tiny(golden.recipe), **golden.arguments}
    return runs.start(
        folder, golden.recipe, golden.kind, **{"arguments": arguments, "defaults": "paper", **golden.settings}
    )


def trained(golden: Golden, folder: Path, steps: int = STEPS, moved: int = 0) -> tuple[Run, list[float]]:
    """Train, from initial weights moved by a seed unless it is 0; returns the run and its kernels' early sizes."""
    run, early = begun(golden, folder), []
    with torch.no_grad():
        noise = torch.Generator().manual_seed(moved)
        for weight in run.game.parameters() if moved else ():
            weight.mul_(1 + MOVED * torch.randn(weight.shape, generator=noise))
    for goal in (golden.stop, steps) if 0 < golden.stop < steps else (steps,):
        run = run if run.step == 0 else begun(golden, folder)
        for _ in run.fit(goal, save_every=STEPS, sample_every=STEPS):
            early = sizes(run) if run.step == FIRST else early
    return run, early


def sizes(run: Run) -> list[float]:
    """Return the mean size of each network's kernels.

    Other parameters are left out: the gradient of a bias before a norm is rounding, and Adam makes whole steps of it.
    """
    networks: dict[str, list[torch.Tensor]] = {}
    for name, weight in run.game.named_parameters():
        if weight.dim() > 1:
            while name.startswith("game."):  # a technique around the game
                name = name.removeprefix("game.")
            networks.setdefault(name.partition(".")[0], []).append(weight.detach().abs().double().flatten())
    return [torch.cat(kernels).mean().item() for _, kernels in sorted(networks.items())]


def terms(folder: Path) -> list[float]:
    """Return the terms of the first steps in the order written: the log without its counts."""
    return [value for _, value in leaves(lines(folder)[:FIRST]) if isinstance(value, float)]


def golden_of(golden: Golden, folder: Path) -> dict[str, Any]:
    """Train, and return what is on record of it."""
    with pytest.MonkeyPatch.context() as patch:
        if golden.kind["data"] == "ring":
            runs.quick(patch)  # drawing a plane is slow, and depends on the version of the plotting library
        run, early = trained(golden, folder)
    found = {
        "weights": digest(weights(run.game)),
        "averaged": digest(
            (f"{name}.{key}", value)
            for name in sorted(run.inference_game.sampling_networks())
            for key, value in weights(run.inference_game.get_submodule(name))
        ),
        "optimisers": digest(leaves([optimiser.state_dict() for optimiser in run.optimizers.values()])),
    }
    if os.environ.get("RANK", "0") == "0":
        found |= {"log": digest(leaves(lines(folder))), "pictures": digest(pictures(folder))}
        game = load(folder, device="cpu")
        found |= {"samples": digest([("", sample_seeds(game, range(4)))])} if isinstance(game, SupportsSampling) else {}
        found |= {"terms": terms(folder), "sizes": early}
    return found


def measured(name: str, folder: Path) -> dict[str, Any]:
    """Return what is to be compared with the record, from as many processes as it takes."""
    golden = GOLDENS[name]
    if golden.processes == 1:
        return golden_of(golden, folder / "run")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    launcher += ["--nproc-per-node", str(golden.processes), "--log-dir", str(folder / "agent")]
    done = subprocess.run(
        [*launcher, __file__, "rank", name, str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    first, *others = (json.loads((folder / f"{rank}.json").read_text()) for rank in range(golden.processes))
    for other in others:
        assert other == {key: first[key] for key in other}
    return first


def rank(name: str, folder: Path) -> None:
    """What one of several processes does."""
    from sparring.training import distributed as parallel

    found = golden_of(GOLDENS[name], folder / "run")
    (folder / f"{os.environ['RANK']}.json").write_text(json.dumps(found))
    parallel.destroy_process_group()


# Scores, names, the machine


def scores(kind: dict[str, Any], folder: Path) -> list[float]:
    """Return the scores of the default metrics and some more after a short training, then those of both references."""
    with pytest.MonkeyPatch.context() as patch:
        runs.quick(patch)
        run = runs.play(runs.start(folder, "nsgan", kind), 20)
    metrics = {**default_metrics(run.training), **get_metrics(["frechet", "kernel", "precision", "density", "sliced"])}
    found = evaluate(run.inference_game, run.training, samples=300, metrics=metrics)
    return [score.value for row in (found.scores, *found.references.values()) for score in row]


def names() -> dict[str, Any]:
    """Return the public names, and what each recipe takes."""
    recipes = {name: str(inspect.signature(recipe(name))) for name in RECIPES}
    return {"public": sorted(sparring.__all__), "recipes": recipes}


@cache
def machine() -> dict[str, Any]:
    """Return what bits depend on; kernels that were switched off show in what a few operations give."""
    x = torch.randn(8, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    kernel = x[:4, :, :3, :3].contiguous()
    made = torch.nn.functional.conv2d(x, kernel), x.flatten(1) @ x.flatten(1).T, x.tanh().exp().log_softmax(1).mean()
    about = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = next((line.partition(": ")[2] for line in about.splitlines() if line.startswith("model name")), "")
    return {
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "processor": model or platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "operations": digest(leaves(made)),
    }


# Tests


@cache
def record() -> dict[str, Any]:
    return json.loads(RECORD.read_text())


PORTABLE = ("terms", "sizes")
CASES = [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in GOLDENS]


def disagreements(found: list[float], known: list[float | None]) -> list[tuple[float, float]]:
    """Return the pairs that differ; None on record is a number that rounding changes beyond the tolerance."""
    pairs = [(one, other) for one, other in zip(found, known, strict=True) if other is not None]
    return [(one, other) for one, other in pairs if one != pytest.approx(other, rel=TOLERANCE, abs=0)]


@pytest.mark.parametrize("name", CASES)
def test_a_short_training_leaves_what_is_on_record(name, tmp_path):
    known, found = record()["trainings"][name], measured(name, tmp_path)
    for part in PORTABLE:
        assert not disagreements(found[part], known[part]), part
    if machine() == record()["machine"]:
        changed = {part for part in known.keys() | found.keys() if known.get(part) != found.get(part)} - {*PORTABLE}
        assert not changed, "if that is meant, run `python tests/zoo/test_goldens.py`"


@pytest.mark.parametrize("kind", [POINTS, IMAGES], ids=["points", "images"])
def test_scores_are_those_on_record(kind, tmp_path):
    if machine() != record()["machine"]:
        pytest.skip("the record was made on another machine")
    assert scores(kind, tmp_path / "run") == record()["scores"][kind["data"]]


def test_public_names_and_recipes_are_those_on_record():
    assert names() == record()["names"], "if that is meant, run `python tests/zoo/test_goldens.py names`"


def test_most_numbers_on_record_hold_on_every_machine():
    for name, row in record()["trainings"].items():
        numbers = [number for part in PORTABLE for number in row[part]]
        assert sum(number is not None for number in numbers) > len(numbers) / 2, name


# The record


def steady(found: list[float], moved: list[list[float]]) -> list[float | None]:
    """Return the numbers that hardly change when all weights are moved a little."""
    rows = zip(found, *moved, strict=True)
    return [one if max(abs(one - each) for each in others) < TOLERANCE * abs(one) else None for one, *others in rows]


def recorded(name: str, folder: Path) -> dict[str, Any]:
    """Return the record of a training."""
    found, golden = measured(name, folder), GOLDENS[name]
    ways = {folder / f"moved{seed}": seed for seed in range(1, TIMES + 1)}
    early = [trained(golden, way, FIRST, seed)[1] for way, seed in ways.items()]
    return found | {
        "terms": steady(found["terms"], [*map(terms, ways)]),
        "sizes": steady(found["sizes"], early),
    }


def write(only_names: bool) -> None:
    """Write the record."""
    known = record() if only_names else {"machine": machine()}
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch)
        if not only_names:
            known["trainings"] = {}
            for name in GOLDENS:
                (here / name).mkdir()
                known["trainings"][name] = recorded(name, here / name)
            known["scores"] = {kind["data"]: scores(kind, here / kind["data"]) for kind in (POINTS, IMAGES)}
    known["names"] = names()
    RECORD.write_text(written(known))


def written(value: Any, depth: int = 0) -> str:
    """Return JSON with one line for each row of each part."""
    if not isinstance(value, dict) or depth == 2:
        return json.dumps(value, ensure_ascii=False)
    rows = (f"{json.dumps(key)}: {written(each, depth + 1)}" for key, each in value.items())
    return "{\n" + ",\n".join(rows) + "\n}" + "\n" * (depth == 0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["rank"]:
        rank(sys.argv[2], Path(sys.argv[3]))
    else:
        write(only_names=sys.argv[1:] == ["names"])
