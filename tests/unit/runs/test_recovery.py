"""What is not finite is found in its step and named; then training stops, goes back with other luck, or skips moves."""

from __future__ import annotations

import copy
import json
import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from sparring.cli import main
from sparring.errors import Diverged, RunError
from sparring.game import Game, Move
from sparring.runs import checkpoint, logs
from sparring.runs.recovery import NonFinitePolicy
from sparring.runs.run import Run
from sparring.runs.state import TrainState
from sparring.training.finite import FiniteMonitor, TurnSnapshot, finite_probes, require_finite
from sparring.training.trainer import train
from support import runs
from support.diverging import Sick
from support.runs import difference, play, start
from support.toys import GAMES, LinearCritic, Point, batches

quick = pytest.fixture(autouse=True)(runs.quick)


SKIP = NonFinitePolicy(skip=True)


def sick(shape: tuple[int, ...], *, at: int = 6, bad: str = "term", luck: float = 1.0) -> Sick:
    return Sick(at, bad, luck)


def ailing(folder, **arguments) -> Run:
    settings = {key: arguments.pop(key) for key in ("grad_accum", "seed", "precision") if key in arguments}
    return start(folder, "unit.runs.test_recovery:sick", arguments=arguments, ema_decay=0.9, **settings)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("term", "the term D/score became nan"),
        ("gradient", r"the gradient of D\.head\.bias for player D is no longer finite"),
        ("weight", r"D\.head\.bias is no longer finite"),
    ],
)
def test_each_is_found_in_its_step_and_named(tmp_path, bad, said):
    run = ailing(tmp_path / "run", bad=bad)
    with pytest.raises(Diverged, match=rf"^Step 7: {said}; lower the learning rate\. The checkpoint of step 5 .* kept"):
        play(run, 50, save_every=5)
    assert [line["step"] for line in logs.read(tmp_path / "run/log.jsonl")] == [1, 2, 3, 4, 5, 6]
    assert ailing(tmp_path / "run", bad=bad).step == 5


def test_the_first_cause_is_named_and_techniques_around_the_game_are_not(tmp_path):
    arguments, techniques = {"bad": "gradient"}, {"historical_averaging": 0.1}
    run = start(tmp_path / "run", "unit.runs.test_recovery:sick", arguments=arguments, techniques=techniques)
    assert run.game is not run.game.unwrapped
    with pytest.raises(Diverged, match=r"Step 7: the gradient of D\.head\.bias for player D"):
        play(run, 9)


def test_a_sum_detects_a_non_finite_tensor():
    good = [torch.randn(5, 3), torch.zeros(()), torch.full((4,), 1e30), torch.randn(7).bfloat16()]
    assert finite_probes(good).isfinite().tolist() == [True] * 4
    for lost in (torch.nan, torch.inf, -torch.inf):
        spoilt = [torch.randn(1000).index_fill(0, torch.tensor([617]), lost), torch.tensor([-torch.inf, torch.inf])]
        assert not finite_probes(spoilt).isfinite().any()
    with pytest.raises(Diverged, match=r"Step 3: b is no longer finite"):
        require_finite(3, {"a": torch.ones(2), "n": torch.tensor(3), "game.b": torch.tensor([math.inf])})


def test_a_rollback_continues_with_another_random_stream_and_resumes_bit_for_bit(tmp_path):
    how = {"bad": "gradient", "luck": 0.6}
    how["seed"] = unlucky_once(tmp_path, **how)
    straight = ailing(tmp_path / "straight", **how)
    pace = {"save_every": 4, "on_nonfinite": NonFinitePolicy(rollbacks=3)}
    play(straight, 12, **pace)
    assert straight.rollbacks[0].startswith("Step 7: the gradient of D.head.bias")
    assert "Rolling back to step 4 with a new random stream (1 of 3)." in straight.notes[-1]
    lines = logs.read(tmp_path / "straight/log.jsonl")
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert [line.get("rollbacks") for line in lines] == [None] * 4 + [1] * 8
    for stops in ([3, 7, 12], [4, 5, 9, 12], [1, 2, 6, 8, 11, 12]):
        folder = tmp_path / "-".join(map(str, stops))
        for stop in stops:
            run = ailing(folder, **how)
            with_stop = run.fit(12, **pace)
            for report in with_stop:
                if (report.step == stop and run.rollbacks) or report.step == stop < 6:
                    break
            with_stop.close()
        assert difference(straight.state.state_dict(), run.state.state_dict()) == ""
        assert (folder / "log.jsonl").read_bytes() == (tmp_path / "straight/log.jsonl").read_bytes()


def unlucky_once(folder, **how) -> int:
    """The first seed with which the bad step is bad at the first attempt and good at the second."""
    for luck in range(99):
        run = ailing(folder / f"probe{luck}", **how, seed=luck)
        try:
            play(run, 7, save_every=4, on_nonfinite=NonFinitePolicy(rollbacks=1))
        except Diverged:
            continue
        if run.rollbacks:
            return luck
    raise AssertionError


def test_another_random_stream_changes_noise_and_data(tmp_path):
    run = ailing(tmp_path / "run", luck=0.0)
    first = next(run.state.stream)
    run.state.rollbacks = ["once"]
    run.state.reseed(0)
    assert not torch.equal(first[0], next(run.state.stream)[0])
    once = run.state.seed
    run.state.rollbacks = ["once", "twice"]
    assert len({run.config.seed, once, run.state.seed}) == 3


def test_trouble_that_stays_ends_after_so_many_rollbacks(tmp_path):
    run = ailing(tmp_path / "run")
    with pytest.raises(Diverged, match=r"Step 7: the term D/score.*The checkpoint of step 4 in .* is kept"):
        play(run, 12, save_every=4, on_nonfinite=NonFinitePolicy(rollbacks=2))
    assert len(run.rollbacks) == 2
    assert len(run.notes) == 2
    before = ailing(tmp_path / "new", at=1)
    with pytest.raises(Diverged, match="Nothing was saved"):
        play(before, 12, save_every=4, on_nonfinite=NonFinitePolicy(rollbacks=1))
    assert "Rolling back to step 0" in before.notes[0]


def test_going_back_to_the_beginning_is_beginning(tmp_path):
    run, other = ailing(tmp_path / "run", luck=0.0), ailing(tmp_path / "other", luck=0.0)
    first = copy.deepcopy(run.state.state_dict())
    play(run, 3, save_every=9)
    run.state.load_state_dict(TrainState.fresh(run.config, run.training, run.game.device).state_dict(), run.folder)
    assert difference(first, run.state.state_dict()) == ""
    assert difference(other.state.state_dict(), run.state.state_dict()) == ""


def test_the_scheduled_checkpoint_to_go_back_to_outlives_stops(tmp_path):
    for stop in (5, 6, 7):
        run = ailing(tmp_path / "run", luck=0.0)
        for report in run.fit(20, save_every=4, keep_checkpoints=2):
            if report.step == stop:
                break
    assert [path.name for path in checkpoint.list_checkpoints(tmp_path / "run")] == ["000004", "000006", "000007"]
    play(ailing(tmp_path / "run", luck=0.0), 8, save_every=4, keep_checkpoints=2)
    assert [path.name for path in checkpoint.list_checkpoints(tmp_path / "run")] == ["000007", "000008"]


@pytest.mark.parametrize("bad", ["term", "gradient", "statistic"])
@pytest.mark.parametrize("parts", [1, 2])
def test_a_skipped_move_was_never_made(tmp_path, bad, parts):
    """Parts see the same luck only where it is certain."""
    run, never = (
        ailing(tmp_path / "run", bad=bad, grad_accum=parts),
        ailing(tmp_path / "never", bad="absent", grad_accum=parts),
    )
    play(run, 6), play(never, 6)
    assert difference(run.state.state_dict(), never.state.state_dict()) == ""
    play(run, 7, on_nonfinite=SKIP), play(never, 7)
    one, other = run.state.state_dict(), never.state.state_dict()
    assert difference(one["optimizers"]["D"], other["optimizers"]["D"]) == ""
    names = [name for name in one["game"] if name.startswith("D.")]
    assert all(torch.equal(one["game"][name], other["game"][name]) for name in names)
    assert one["game"]["norm.running_mean"].isfinite().all()
    assert one["skipped"] == {"D": 1}
    line = logs.read(tmp_path / "run/log.jsonl")[-1]
    assert line["skipped"] == {"D": 1}
    assert set(line["terms"]) == {"G/pull"}
    play(run, 9, on_nonfinite=SKIP)
    lines = logs.read(tmp_path / "run/log.jsonl")
    assert [line.get("skipped") for line in lines] == [None] * 6 + [{"D": 1}] * 3
    assert set(lines[-1]["terms"]) == {"D/score", "D/calm", "G/pull"}
    assert "NaN" not in (tmp_path / "run/log.jsonl").read_text()


def test_the_first_move_of_all_can_be_skipped(tmp_path):
    run = play(ailing(tmp_path / "run", at=0), 1, on_nonfinite=SKIP)
    untouched = ailing(tmp_path / "untouched")
    for name, value in untouched.game.D.state_dict().items():
        assert torch.equal(value, run.game.D.state_dict()[name])
    memory = [value for state in run.optimizers["D"].state.values() for value in state.values()]
    assert memory
    assert not any(value.any() for value in memory)
    assert any(value.any() for state in run.optimizers["G"].state.values() for value in state.values())


def test_skipping_is_resumable_and_costs_no_bit_where_all_is_well(tmp_path):
    straight = play(ailing(tmp_path / "straight"), 12, on_nonfinite=SKIP, save_every=2)
    for stop in (3, 7, 12):
        stopped = play(ailing(tmp_path / "stopped"), stop, on_nonfinite=SKIP, save_every=2)
    assert difference(straight.state.state_dict(), stopped.state.state_dict()) == ""
    assert (tmp_path / "straight/log.jsonl").read_bytes() == (tmp_path / "stopped/log.jsonl").read_bytes()
    well, skipping = (play(ailing(tmp_path / str(r), luck=0.0), 9, on_nonfinite=r) for r in (NonFinitePolicy(), SKIP))
    assert difference(well.state.state_dict(), skipping.state.state_dict()) == ""
    assert (well.folder / "log.jsonl").read_bytes() == (skipping.folder / "log.jsonl").read_bytes()


def test_weights_that_are_lost_are_not_hidden_by_skipping(tmp_path):
    with pytest.raises(Diverged, match=r"Step 7: D\.head\.bias is no longer finite"):
        play(ailing(tmp_path / "run", bad="weight"), 9, on_nonfinite=SKIP)


def test_skipping_for_ever_is_not_training(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "HOPELESS", 5)
    run = start(tmp_path / "run", "unit.runs.test_recovery:hopeless")
    with pytest.raises(Diverged, match="Step 5: moves of D were skipped in 5 steps in a row"):
        play(run, 9, on_nonfinite=SKIP)


def hopeless(shape: tuple[int, ...]) -> Sick:
    game = Sick(0, "term", 1.0)
    game.at = Always()
    return game


class Always:
    """Equal to every step."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("remedy", [SKIP, NonFinitePolicy(rollbacks=1)], ids=["skip", "rollback"])
def test_on_a_device_the_outcome_is_the_same(tmp_path, monkeypatch, remedy):
    how = {"luck": 0.6, "bad": "term"}
    how["seed"] = unlucky_once(tmp_path, **how)
    at_once = play(ailing(tmp_path / "at once", **how), 12, save_every=4, on_nonfinite=remedy)
    monkeypatch.setattr(logs, "waits_for_device", lambda report: True)  # as if the terms were on a GPU
    waited = play(ailing(tmp_path / "waited", **how), 12, save_every=4, on_nonfinite=remedy)
    assert difference(at_once.state.state_dict(), waited.state.state_dict()) == ""
    assert (tmp_path / "at once/log.jsonl").read_bytes() == (tmp_path / "waited/log.jsonl").read_bytes()


class Waits(TorchDispatchMode):
    """Counts what would make the host wait for a device."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket in (torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero, torch.ops.aten.equal):
            self.calls.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("skip", [False, True])
def test_neither_checking_nor_undoing_waits_for_a_device(skip, monkeypatch):
    game = GAMES["non-saturating"](Point(), LinearCritic((0.1, 0.2)))
    for way in ("tolist", "cpu", "numpy"):  # which no dispatcher sees
        monkeypatch.setattr(torch.Tensor, way, lambda tensor, way=way: pytest.fail(f"{way} waits"))
    reports = train(game, batches(), 4, snapshot=TurnSnapshot(game) if skip else None)
    next(reports)
    with Waits() as waits:
        for report in reports:
            assert len(report.finite_checks) == (1 if skip else 7), (
                "weights; and each of three moves' terms and gradients"
            )
    assert waits.calls == []
    with waits:
        report.terms["G/adversarial"].item()
    assert waits.calls, "the counter counts nothing"


def test_simultaneous_moves_are_taken_back_together():
    class Both(Game):
        def __init__(self):
            super().__init__()
            self.x, self.y = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)

        def players(self):
            return {name: torch.optim.SGD(getattr(self, name).parameters(), lr=0.1) for name in ("x", "y")}

        def round(self, data, step):
            bad = torch.nan if step == 1 else 1.0
            yield Move("x", value=bad * self.x.weight.sum()), Move("y", value=self.y.weight.sum())

    game = Both()
    reports = train(game, batches(), 3, snapshot=TurnSnapshot(game))
    next(reports)
    before = copy.deepcopy(game.state_dict())
    report = next(reports)
    assert difference(before, dict(game.state_dict()), "") == ""
    assert {player: float(count) for player, count in report.skipped.items()} == {"x": 1, "y": 1}
    assert report.scalars() == {}
    next(reports)
    assert difference(before, dict(game.state_dict()), "") != ""


def test_a_turn_without_an_undo_leaves_its_trail():
    watch = FiniteMonitor(torch.nn.Linear(1, 1))
    watch.begin_turn()
    watch.check_terms(Move("D", a=torch.tensor(1.0), b=torch.tensor(torch.nan)))
    assert watch.end_turn() is None
    (looked,) = watch.pop_checks()
    assert looked.names == ("the term D/a", "the term D/b")
    with pytest.raises(Diverged, match="D/b became nan"):
        looked.require_finite(1)
    assert watch.pop_checks() == ()


def test_policies_have_names():
    assert [NonFinitePolicy.parse(name) for name in ("stop", "skip", "rollback:12")] == [
        NonFinitePolicy(),
        SKIP,
        NonFinitePolicy(rollbacks=12),
    ]
    for name, hint in {
        "rollback": "did you mean rollback:3",
        "rollback:0": "did you mean rollback:3",
        "rollback:-1": "rollback:3",
        "rollback:²": "rollback:3",
        "skipp": "did you mean skip",
        "": "give one of stop, rollback:3, skip",
    }.items():
        with pytest.raises(RunError, match=hint):
            NonFinitePolicy.parse(name)


def test_the_command_line_reports_the_recovery(tmp_path, capsys):
    ring = ["--data", "ring", "--batch-size", "8", "--device", "cpu", "--save-every", "4", "--steps", "9"]
    words = ["train", "unit.runs.test_recovery:sick", *ring, "--bad", "term", "--out"]
    assert main([*words, str(tmp_path / "no"), "--on-nan", "ignore"]) == 2
    assert "no policy 'ignore'" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()
    assert main([*words, str(tmp_path / "skip"), "--on-nan", "skip"]) == 0
    assert "skipped because they were not finite: 1 of D." in capsys.readouterr().out
    assert json.loads((tmp_path / "skip/fit.json").read_text())["on_nan"] == "skip"
    assert main([*words, str(tmp_path / "back"), "--on-nan", "rollback:1"]) == 2
    told = capsys.readouterr().err
    assert "note: Step 7: the term D/score became nan" in told
    assert "Rolling back to step 4 with a new random stream (1 of 1)" in told
    assert told.splitlines()[-1].startswith("sparring: Step 7: the term D/score became nan")
