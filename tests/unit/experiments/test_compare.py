"""Comparisons: the same budget for all, resumption without loss or repetition, and significance tests."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats
import torch

import sparring
from sparring import data
from sparring.cli import main
from sparring.cli.compare import Comparison, entries, sorted_flags
from sparring.errors import SparringError
from sparring.evaluation import evaluator
from sparring.evaluation.significance import holm
from sparring.experiments import (
    Budget,
    Entry,
    Monitor,
    Protocol,
    Trial,
    estimate_costs,
    plots,
    report,
    run_trials,
)
from sparring.experiments import trial as trial_module
from sparring.experiments.results import collect, to_plain
from sparring.experiments.verdict import compare_pairs
from sparring.runs import checkpoint
from sparring.runs.signals import Stopped
from support.runs import difference
from support.trials import make_trial

RING = ["--data", "ring", "--batch-size", "8", "--width", "4", "--samples", "50", "--device", "cpu"]


@pytest.fixture(autouse=True, scope="module")
def loaded_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sparring.runs.run.load_data", cache(data.load))
        patch.setattr("sparring.tasks.generation.POINTS", 16)
        yield


@pytest.fixture
def no_pictures(monkeypatch):
    monkeypatch.setattr("sparring.runs.snapshots.save_grid", lambda *_, **__: None)
    monkeypatch.setattr("sparring.cli.compare._publish", lambda *_: None)


@pytest.fixture(scope="module")
def arena(tmp_path_factory):
    """Two entries over two seeds, beside one that diverges and one that is broken."""
    out = tmp_path_factory.mktemp("arena") / "ring"
    words = [
        "nsgan",
        "wgan-gp",
        "support.runs:failing",
        "unit.experiments.test_compare:broken",
        *RING,
        "--seeds",
        "0-1",
        "--steps",
        "4",
    ]
    assert (
        main(
            [
                "compare",
                *words,
                "--eval-every",
                "2",
                "--at",
                "1",
                "--ema-decay",
                "0",
                "--generator.lr",
                "0.05",
                "--out",
                str(out),
            ]
        )
        == 0
    )
    return out


def broken(shape, *, width: int = 4) -> sparring.Game:
    """A recipe of a user that does not work."""
    raise ZeroDivisionError("by the user\nin two lines")


def record(out, name):
    return json.loads((out / "trials" / f"{name}.json").read_text())


def rows(out, name):
    return [json.loads(line) for line in (out / "trials" / name / "evaluations.jsonl").read_text().splitlines()]


def published(out):
    return json.loads((out / "compare.json").read_text().replace('"inf"', "Infinity"))


def state(out, name):
    return checkpoint.load_newest(out / "trials" / name)[0]


def everything(folder):
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def refused(capsys, *words):
    assert main(["compare", *words]) == 2
    output = capsys.readouterr().err
    assert output.startswith("sparring: ")
    assert output.count("\n") == 1
    return output


def competing(names, words, *varied):
    return entries(Comparison, names, *sorted_flags(Comparison, words), varied)


def test_marks_end_with_the_budget_and_none_is_lost_to_rounding():
    assert Budget("steps", 10, 3).marks() == [3, 6, 9, 10]
    assert Budget("kimg", 0.7, 0.1).marks() == [100, 200, 300, 400, 500, 600, 700]
    assert Budget("minutes", 1).marks() == pytest.approx([6 * k for k in range(1, 11)])
    assert len(Budget("steps", 10_000).marks()) == 10
    assert Budget("steps", 3).marks() == [1, 2, 3]


# -- who competes


def test_every_combination_of_varied_settings_competes():
    made = list(competing(["realness"], RING, "outcomes=2,5", "critic.betas=0 0.9,0.5 0.99"))
    assert [(who.arguments["outcomes"], who.arguments["critic"]["betas"]) for who in made] == [
        (2, [0, 0.9]), (2, [0.5, 0.99]), (5, [0, 0.9]), (5, [0.5, 0.99]),
    ]  # fmt: skip
    assert made[1].label == "realness outcomes=2 critic.betas=0.5 0.99"


def test_a_setting_applies_to_recipes_that_have_it_and_a_technique_to_all():
    words = ["--critic.lr", "1e-3", "--data", "ring", "--wgan-gp.width", "16"]
    made = list(competing(["nsgan", "wgan-gp"], words, "penalty=1,2", "packing=1,2"))
    assert [who.label for who in made] == [
        "nsgan packing=1", "nsgan packing=2",
        "wgan-gp penalty=1 packing=1", "wgan-gp penalty=1 packing=2",
        "wgan-gp penalty=2 packing=1", "wgan-gp penalty=2 packing=2",
    ]  # fmt: skip
    assert {who.arguments["critic"]["lr"] for who in made} == {1e-3}
    assert [who.arguments["networks"]["width"] for who in made] == [None, None, 16, 16, 16, 16]
    assert [who.arguments.get("penalty") for who in made] == [None, None, 1, 1, 2, 2]
    assert [who.techniques for who in made] == [{}, {"packing": 2}] * 3


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--data", "ring"], "Name the recipes first"),
        (["nsgan"], "--data DATA"),
        (["nsgn", "--data", "ring", "--steps", "2"], "did you mean 'nsgan'"),
        (["nsgan", "--data", "ring"], "Give one budget"),
        (["nsgan", "--data", "ring", "--steps", "2", "--kimg", "1"], "Give one budget"),
        (["nsgan", "--data", "ring", "--steps", "0"], "above 0"),
        (["nsgan", "--data", "ring", "--steps", "5", "--eval-every", "6"], "--eval-every"),
        (["nsgan", "nsgan", "--data", "ring", "--steps", "2"], "listed twice"),
        (["nsgan", "wgan", "--data", "ring", "--steps", "2", "--widht", "3"], "--width N"),
        (["nsgan", "--data", "ring", "--steps", "2", "--wgan.width", "3"], "--wgan.width"),
        (["nsgan", "--data", "ring", "--steps", "2", "--width", "wide"], "--width"),
        (["nsgan", "--data", "ring", "--steps", "2", "--vary", "width"], "cannot be read"),
        (["nsgan", "--data", "ring", "--steps", "2", "--vary", "widht=1,2"], "--width N"),
        (["nsgan", "--data", "ring", "--steps", "2", "--vary", "batch-size=1,2"], "must be the same for all"),
        (["nsgan", "--data", "ring", "--steps", "2", "--vary", "pcking=1,2"], "--packing"),
        (["nsgan", "--data", "ring", "--steps", "2", "--metrics", "fidelity"], "There is no metric"),
        (["nsgan", "--data", "ring", "--steps", "2", "--seeds", "x"], "cannot be read"),
        (["nsgan", "--data", "ring", "--steps", "2", "--jobs", "1000"], "cores"),
        (["nsgan", "--data", "ring", "--steps", "2", "--only", "nobody"], "nsgan-0, nsgan-1"),
        (["nsgan", "dcgan", "--data", "ring", "--steps", "2"], "dcgan cannot compete"),
        (["nsgan", "--data", "rng", "--steps", "2"], "did you mean ring"),
    ],
)
def test_a_wrong_argument_is_refused_with_the_remedy_before_training(capsys, monkeypatch, tmp_path, words, remedy):
    monkeypatch.chdir(tmp_path)
    assert main(["compare", *words]) == 2
    output = capsys.readouterr().err
    assert remedy in output
    assert "Traceback" not in output
    ours, tyros = output.startswith("sparring: "), "For full helptext" in output
    assert ours != tyros
    assert not list(tmp_path.iterdir())


def test_help_needs_no_torch():
    code = "import sys; from sparring.cli import main; sys.exit(main(['compare', '--help']) or 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--vary" in done.stdout


# -- the same budget for all


def test_steps_are_the_same_for_all_and_every_evaluation_is_at_its_mark(arena):
    for name in ("nsgan-0", "nsgan-1", "wgan-gp-0", "wgan-gp-1"):
        assert record(arena, name)["state"] == "finished"
        assert [row["step"] for row in rows(arena, name)] == [2, 4]
        assert state(arena, name)["step"] == 4
    assert record(arena, "wgan-gp-0")["images"] > record(arena, "nsgan-0")["images"], "it shows its critic more"


def test_images_are_the_same_for_all_up_to_a_round(tmp_path, no_pictures):
    words = ["compare", "nsgan", "wgan-gp", *RING, "--seeds", "0", "--kimg", "0.3", "--eval-every", "0.1"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    for name in ("nsgan-0", "wgan-gp-0"):
        found = rows(tmp_path, name)
        round_ = found[-1]["images"] / found[-1]["step"]
        for row, mark in zip(found, (100, 200, 300), strict=True):
            assert mark <= row["images"] < mark + round_, name
    assert record(tmp_path, "wgan-gp-0")["step"] < record(tmp_path, "nsgan-0")["step"]


def test_minutes_are_the_same_for_all_and_evaluation_is_not_counted(tmp_path, no_pictures, monkeypatch):
    original = evaluator.evaluate
    monkeypatch.setattr(
        "sparring.evaluation.evaluator.evaluate", lambda *a, **k: (time.sleep(0.3), original(*a, **k))[1]
    )
    words = ["compare", "nsgan", "wgan-gp", *RING, "--seeds", "0", "--minutes", "0.01", "--eval-every", "0.005"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    for name in ("nsgan-0", "wgan-gp-0"):
        found = rows(tmp_path, name)
        assert len(found) == 2
        assert 0.6 <= found[-1]["seconds"] < 0.6 + 0.25
        assert found[-1]["evaluation_seconds"] >= 0.3


def test_minutes_do_not_count_the_time_that_it_takes_to_open_a_run(tmp_path, no_pictures, monkeypatch):
    fit = sparring.Run.fit

    def slow(self, *given, **named):
        time.sleep(0.2)
        yield from fit(self, *given, **named)

    monkeypatch.setattr(sparring.Run, "fit", slow)
    words = ["compare", "nsgan", *RING, "--seeds", "0", "--minutes", "0.01", "--eval-every", "0.0041"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    assert [
        row["seconds"] >= mark for row, mark in zip(rows(tmp_path, "nsgan-0"), (0.246, 0.492, 0.6), strict=True)
    ] == [
        True,
        True,
        True,
    ]


def test_seconds_after_the_checkpoint_of_a_killed_run_do_not_count(tmp_path):
    lines = [{"step": 2, "seconds": 1.5}, {"step": 4, "seconds": 3.5}, {"step": 5, "seconds": 8.5}]
    (tmp_path / "timing.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [trial_module._training_seconds(SimpleNamespace(folder=tmp_path, step=step)) for step in (0, 4, 5)] == [
        0,
        3.5,
        8.5,
    ]


# -- nothing lost, nothing twice


def test_a_failing_cell_records_its_error_and_the_rest_continues(arena):
    for seed in (0, 1):
        assert record(arena, f"support.runs.failing-{seed}")["state"] == "diverged"
        assert "D/score became nan" in record(arena, f"support.runs.failing-{seed}")["error"]
        lost = record(arena, f"unit.experiments.test_compare.broken-{seed}")
        assert (lost["state"], lost["error"]) == ("failed", "ZeroDivisionError: by the user")
        assert "in broken" in lost["traceback"]


def test_a_closed_cell_is_never_trained_again(arena, monkeypatch, no_pictures):
    before = everything(arena / "trials")
    command = published(arena)["command"].split()[1:]
    tried = []
    monkeypatch.setattr("sparring.experiments.trial.create_run", lambda trial: tried.append(trial.name) or 1 / 0)
    assert main(command) == 0
    assert tried == ["unit.experiments.test_compare.broken-0", "unit.experiments.test_compare.broken-1"], (
        "only what failed for another reason is tried"
    )
    after = everything(arena / "trials")
    touched = {path.name for path in before if before[path] != after[path]}
    assert touched <= {f"unit.experiments.test_compare.broken-{k}.json" for k in (0, 1)}


def test_a_stopped_comparison_ends_like_one_that_was_left_alone(tmp_path, no_pictures, monkeypatch):
    words = ["compare", "nsgan", "rsgan", *RING, "--seeds", "0", "--steps", "6", "--eval-every", "2", "--out"]
    assert main([*words, str(tmp_path / "straight")]) == 0
    evaluated = []

    def stop(self, trial, row):
        evaluated.append((trial.name, row["step"]))
        if evaluated[-1] == ("rsgan-0", 4):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Monitor, "evaluated", stop)
        assert main([*words, str(tmp_path / "stopped")]) == 130
    done = everything(tmp_path / "stopped/trials/nsgan-0")
    lines = (tmp_path / "stopped/trials/rsgan-0/evaluations.jsonl").read_bytes()
    assert record(tmp_path / "stopped", "rsgan-0")["state"] == "begun"
    assert main([*words, str(tmp_path / "stopped")]) == 0
    assert everything(tmp_path / "stopped/trials/nsgan-0") == done
    assert (tmp_path / "stopped/trials/rsgan-0/evaluations.jsonl").read_bytes().startswith(lines), (
        "no evaluation is repeated"
    )
    same(tmp_path, "straight", "stopped", "rsgan-0")


def same(folder, one, other, name):
    """Two trials went one way: weights, optimisers and scores, to the bit."""
    assert difference(state(folder / one, name), state(folder / other, name)) == ""
    one, other = (
        [(row["step"], row["images"], row["scores"]) for row in rows(folder / which, name)] for which in (one, other)
    )
    assert one == other


@pytest.mark.slow
def test_a_killed_comparison_resumes_in_parallel(tmp_path, no_pictures, monkeypatch):
    monkeypatch.setattr("sparring.experiments.workers.cores", lambda: 2)
    words = ["compare", "nsgan", "rsgan", *RING, "--seeds", "0", "--steps", "40", "--eval-every", "10", "--out"]
    assert main([*words, str(tmp_path / "straight")]) == 0
    child = os.fork()  # as good as a process of its own, and torch is imported already
    if not child:
        os._exit(main([*words, str(tmp_path / "killed")]))
    evaluated = tmp_path / "killed/trials/nsgan-0/evaluations.jsonl"
    while not (evaluated.exists() and b"\n" in evaluated.read_bytes()):
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, "it was over before it was killed"
    assert record(tmp_path / "killed", "nsgan-0")["state"] == "begun"
    assert main([*words, str(tmp_path / "killed"), "--jobs", "2"]) == 0
    for name in ("nsgan-0", "rsgan-0"):
        same(tmp_path, "straight", "killed", name)


def test_a_larger_budget_resumes_and_another_setting_is_refused(tmp_path, no_pictures, capsys):
    words = ["nsgan", *RING, "--seeds", "0", "--eval-every", "2", "--out", str(tmp_path)]
    assert main(["compare", *words, "--steps", "4"]) == 0
    first = rows(tmp_path, "nsgan-0")
    assert main(["compare", *words, "--steps", "6"]) == 0
    assert rows(tmp_path, "nsgan-0")[:2] == first
    assert [row["step"] for row in rows(tmp_path, "nsgan-0")] == [2, 4, 6]
    assert "give at least as many" in refused(capsys, *words, "--steps", "4")
    assert "batch_size = 8, not 9" in refused(capsys, *words, "--steps", "6", "--batch-size", "9")
    assert "budget.every = 2.0, not 3.0" in refused(capsys, *words, "--steps", "6", "--eval-every", "3")
    assert "samples = 50, not 60" in refused(capsys, *words, "--steps", "6", "--samples", "60")


def test_the_averaged_generator_is_evaluated(tmp_path, no_pictures, monkeypatch):
    original, evaluated = evaluator.evaluate, []

    def seen(game, *given, **named):
        evaluated.append({name: weight.clone() for name, weight in game.G.state_dict().items()})
        return original(game, *given, **named)

    monkeypatch.setattr("sparring.evaluation.evaluator.evaluate", seen)
    words = ["compare", "nsgan", *RING, "--seeds", "0", "--steps", "4", "--eval-every", "2", "--ema-decay", "0.9"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    saved = state(tmp_path, "nsgan-0")
    assert len(evaluated) == 2
    assert difference(evaluated[-1], dict(saved["ema"]["G"])) == ""
    assert any(not torch.equal(weight, saved["game"][f"G.{name}"]) for name, weight in evaluated[-1].items())


def test_a_killed_process_is_recorded_and_the_rest_continues(tmp_path, monkeypatch):
    monkeypatch.setattr("sparring.experiments.workers.cores", lambda: 2)
    made, events = [make_trial(tmp_path, seed=seed) for seed in range(3)], []
    code = "import sys; print('first\\nno memory left', file=sys.stderr); sys.exit(3)"
    run_trials(
        made, Monitor(made, lambda *event: events.append(event[0])), 2, lambda trial: [sys.executable, "-c", code]
    )
    assert [one.read()["error"] for one in made] == ["Its process ended with code 3: no memory left"] * 3
    assert len(events) == 3
    assert "no memory left" in events[-1]


def test_a_cell_has_one_thread_in_this_process_too(tmp_path, monkeypatch):
    threads = []
    monkeypatch.setattr("sparring.experiments.workers.run_trial", lambda *_: threads.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        made = [make_trial(tmp_path)]
        run_trials(made, Monitor(made, lambda *event: None), 1, lambda trial: [])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert threads == [1]


def test_a_signal_ends_every_process(tmp_path, monkeypatch):
    monkeypatch.setattr("sparring.experiments.workers.cores", lambda: 2)
    made, begun = [make_trial(tmp_path, seed=seed) for seed in range(3)], tmp_path / "begun"
    code = f"import os, time; open({str(begun)!r} + str(os.getpid()), 'w').close(); time.sleep(60)"

    def interrupt():
        while len(list(tmp_path.glob("begun*"))) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=interrupt, daemon=True).start()
    start = time.monotonic()
    with pytest.raises(Stopped):
        run_trials(made, Monitor(made, lambda *event: None), 2, lambda trial: [sys.executable, "-c", code])
    assert time.monotonic() - start < 40, "they were waited for, not ended"
    children = [int(path.name.removeprefix("begun")) for path in tmp_path.glob("begun*")]
    assert len(children) == 2
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


def test_a_dry_run_prints_cells_and_cost_and_writes_nothing(tmp_path, capsys):
    words = ["compare", "nsgan", "wgan-gp", *RING, "--seeds", "3", "--steps", "1000", "--out", str(tmp_path / "out")]
    assert main([*words, "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert "nsgan-3" in output
    assert "wgan-gp-3" in output
    assert "nothing was written" in output
    assert not (tmp_path / "out").exists()


def test_the_cost_of_minutes_is_known_and_that_of_steps_is_in_proportion(tmp_path):
    def cost(axis, amount):
        protocol = Protocol(Budget(axis, amount), {"data": "ring", "batch_size": 8, "device": "cpu"}, "f", samples=50)
        who = Entry("nsgan", {"networks": {"width": 4}}, {}, "nsgan")
        return estimate_costs([Trial(who, 0, protocol, tmp_path)])["nsgan"].training

    assert cost("minutes", 2) == pytest.approx(120)
    assert 0.2 < cost("steps", 1000) / cost("kimg", 8) < 5, "a step of 8 rows is 8 images"


# -- reports


def trial_of(label, seed, scores, state="finished"):
    rows = [
        {"step": k, "images": 8 * k, "seconds": float(k), "evaluation_seconds": 0.1, "scores": {"FD": v}}
        for k, v in scores
    ]
    last = {key: rows[-1][key] for key in ("step", "images", "seconds")}
    error = "" if state == "finished" else "It became nan."
    return {"label": label, "seed": seed, "state": state, "error": error, "rows": rows, **last}


def test_the_table_by_hand(monkeypatch):
    from sparring.experiments import results as module
    from sparring.metrics import Direction, Score

    trials = [trial_of("a", 0, [(1, 9.0), (2, 5.0)]), trial_of("a", 1, [(1, 8.0), (2, 7.0)])]
    trials += [trial_of("a", 2, [(1, 0.0)], "diverged")]
    trials += [trial_of("b", seed, [(1, 9.0), (2, end)]) for seed, end in enumerate((1.0, 1.2, 1.1))]
    trials += [trial_of("c", seed, [(1, 9.0), (2, end)]) for seed, end in enumerate((1.0, 1.1, 1.3))]
    score = Score("FD", 1.0, {}, Direction.LOWER)
    line = module._line("a", trials, [score])
    assert (line["seeds"], line["lost"], line["images"], line["seconds"]) == (2, [2], 16, 2)
    assert line["scores"]["FD"]["mean"] == 6
    assert line["scores"]["FD"]["SD"] == pytest.approx(math.sqrt(2))
    training = line["scores"]["FD"]["training"]  # of (9, 5) and (8, 7)
    assert (training["min"], training["max"], training["mean"]) == (6, 8.5, 7.25)
    assert training["SD"] == pytest.approx((math.sqrt(8) + math.sqrt(0.5)) / 2)
    ends = {label: [one["rows"][-1]["scores"]["FD"] for one in module._finished(label, trials)] for label in "abc"}
    pairs = compare_pairs(ends)
    raw = [scipy.stats.ttest_ind(*pair, equal_var=False).pvalue for pair in (
        ([5.0, 7.0], [1.0, 1.2, 1.1]), ([5.0, 7.0], [1.0, 1.1, 1.3]), ([1.0, 1.2, 1.1], [1.0, 1.1, 1.3]))]  # fmt: skip
    assert [pair["p"] for pair in pairs] == pytest.approx(raw)
    assert [pair["adjusted"] for pair in pairs] == pytest.approx(holm(raw))


def test_the_record_holds_every_number_and_the_command(arena):
    found = published(arena)
    assert found["command"].startswith("sparring compare nsgan wgan-gp support.runs:failing")
    assert found["budget"] == {"axis": "steps", "amount": 4, "marks": [2, 4]}
    assert set(found["versions"]) == {"sparring", "torch", "python"}
    assert [one["state"] for one in found["trials"]] == ["finished", "finished", "diverged", "failed"] * 2
    lines = {line["label"]: line for line in found["table"]}
    ends = [float(rows(arena, f"nsgan-{seed}")[-1]["scores"][1]["value"]) for seed in (0, 1)]
    assert lines["nsgan"]["scores"]["high quality"]["mean"] == pytest.approx(np.mean(ends))
    assert (lines["support.runs:failing"]["seeds"], lines["support.runs:failing"]["lost"]) == (0, [0, 1])
    assert found["references"]["data"]["modes"] == 8
    assert found["trials"][0]["made"]["threads"] == 1


def test_the_page_is_complete_and_self_contained(arena):
    text = (arena / "compare.html").read_text()
    words = re.sub(r"data:image/\w+;base64,[\w+/=]+", "DATA", text)
    assert "<script" not in text
    assert not re.findall(r"(?:src|href)\s*=\s*\"(?!DATA)", words)
    assert "http" not in words
    assert words.count("<img") == 1 + 4 + 1 + 4, "curves; the last samples, the data, and the films of four trials"
    assert text.count("data:image/gif") == 4
    for expected in (
        "None clearly beats noise",
        "D/score became nan",
        "ZeroDivisionError",
        "seeded half",
        "±",
        "other real data",
    ):
        assert expected in words, expected


def test_the_films_move_and_the_curves_are_drawn(arena):
    from PIL import Image

    with Image.open(arena / "trials/nsgan-0/film.gif") as film:
        assert film.n_frames >= 3
    figure = plots.plot_scores(published(arena))
    assert len(figure.axes) == 6
    assert [axes.get_xlabel() for axes in figure.axes[-2:]] == ["thousand training images", "seconds of training"]
    drawn = {line.get_label(): line.get_xdata() for line in figure.axes[0].lines}
    assert list(drawn["nsgan"]) == pytest.approx([row["images"] / 1000 for row in rows(arena, "nsgan-0")])


def test_the_markdown_has_the_tables_and_the_test(arena):
    text = (arena / "compare.md").read_text()
    assert "| nsgan | 2 of 2 |" in text
    assert "| support.runs:failing | 0 of 2 | – |" in text
    assert "Welch" in text
    assert "Holm" in text
    assert f"- {published(arena)['verdict']['sentence']}\n" in text
    assert "## Differences in high quality and modes: p" in text
    assert "| score | min | max | mean | SD |" in text
    assert text.count("sparring compare nsgan") == 1


def test_words_from_outside_cannot_become_markup(arena):
    result = json.loads(json.dumps(published(arena)).replace("nsgan", "<script>"))
    assert "<script" not in report._page(result, [make_trial(arena, "<script>")], arena, False)


def test_scores_of_different_protocols_are_not_compared(tmp_path, no_pictures, capsys):
    words = ["nsgan", *RING, "--steps", "2", "--out", str(tmp_path)]
    assert main(["compare", *words, "--seeds", "0-1"]) == 0
    path = tmp_path / "trials/nsgan-1/evaluations.jsonl"
    path.write_text(path.read_text().replace('"fake": 50', '"fake": 51'))
    made = [make_trial(tmp_path, seed=seed, steps=2) for seed in (0, 1)]
    with pytest.raises(SparringError, match="differ in fake"):
        collect([partial_cell(one) for one in made], "")


def partial_cell(one):
    """A trial with arbitrary settings."""

    class Open(Trial):
        def read(self):
            return json.loads(self._record.read_text())

    return Open(one.entry, one.seed, one.protocol, one.folder)


def test_without_a_finished_cell_there_is_nothing_to_compare(tmp_path, capsys):
    words = [
        "support.runs:failing",
        "--data",
        "ring",
        "--batch-size",
        "8",
        "--device",
        "cpu",
        "--steps",
        "9",
        "--seeds",
        "0",
    ]
    assert "became nan" in refused(capsys, *words, "--eval-every", "9", "--out", str(tmp_path))


def test_json_contains_no_infinity():
    assert to_plain({"a": (math.inf, -math.inf, math.nan, 1)}) == {"a": ["inf", "-inf", None, 1]}


def test_differing_settings_are_reported_before_training_and_on_the_page(capsys, tmp_path):
    from sparring.experiments import inequalities

    words = ["compare", "nsgan", "wgan-gp", "--data", "ring", "--kimg", "0.08", "--batch-size", "8", "--seeds", "0"]
    words += ["--width", "8", "--samples", "50", "--out", str(tmp_path / "duel")]
    assert main(words) == 0
    output = capsys.readouterr().out
    assert "Not alike: The generators moved unlike often: nsgan 10, wgan-gp 2 times" in output
    assert "moved unlike often" in (tmp_path / "duel" / "compare.md").read_text()
    assert inequalities({"a": {"G": 100.0}, "b": {"G": 109.0}}, {"a": {"D": 1}, "b": {"D": 9}}) == []
    assert main(["compare", "nsgan", "--vary", "width=8,64", "--data", "ring", "--steps", "2", "--dry-run"]) == 0
    assert "note: The networks are of unlike size" in capsys.readouterr().out


def test_unreadable_evaluations_are_reported(tmp_path, no_pictures, capsys, monkeypatch):
    monkeypatch.setattr("sparring.cli.compare._train", lambda *_: None)
    row = b'{"step": %d}\n'
    (tmp_path / "trials/nsgan-0").mkdir(parents=True)
    (tmp_path / "trials/nsgan-0/evaluations.jsonl").write_bytes(row % 1 + b"{broken\n" + row % 2)
    assert main(["compare", "nsgan", *RING, "--seeds", "0-1", "--steps", "4", "--out", str(tmp_path)]) == 0
    (note,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    assert note.startswith(f"note: {tmp_path / 'trials/nsgan-0/evaluations.jsonl'}: ")


def test_one_cell_alone_has_a_page(tmp_path):
    words = ["compare", "nsgan", *RING, "--seeds", "0", "--steps", "2", "--out", str(tmp_path / "alone")]
    assert main(words) == 0
    assert json.loads((tmp_path / "alone" / "compare.json").read_text())["entries"] == ["nsgan"]
