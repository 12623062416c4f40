"""The content of run.json: what is written is read again, and everything else is refused in one sentence."""

import copy
import json
from dataclasses import replace

import pytest

from sparring.errors import RunError
from sparring.runs import checkpoint, config
from support.runs import play, start


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return play(start(tmp_path_factory.mktemp("config") / "run", "wgan-gp", hold_out=0.1), 1)


@pytest.fixture
def record(run):
    return json.loads((run.folder / "run.json").read_text())


def test_json_round_trip(run, record):
    assert record == json.loads(json.dumps(run.config.to_json()))
    assert config.parse(record) == run.config == config.read(run.folder)


def test_both_files_name_their_format(run, record):
    assert record["format"] == config.FORMAT == 1
    manifest = json.loads((run.folder / "checkpoints/000001/manifest.json").read_text())
    assert manifest["format"] == checkpoint.FORMAT == 1


@pytest.mark.parametrize("number", [0, 2, "1", None, True, [1], 1.0])
def test_another_format_is_refused(record, number):
    with pytest.raises(ValueError, match=r"its format is .*, and this version reads 1"):
        config.parse({**record, "format": number})


def test_a_checkpoint_of_another_format_is_refused_and_kept(tmp_path, monkeypatch):
    run = play(start(tmp_path / "run"), 2, save_every=1)
    monkeypatch.setattr(checkpoint, "FORMAT", 2)
    checkpoint.save(run.folder, 3, run.state.state_dict())
    monkeypatch.undo()
    state, (note,) = checkpoint.load_newest(run.folder)
    assert state["step"] == 2
    assert "its format is 2, and this version reads 1" in note
    play(start(run.folder), 4, save_every=1, keep_checkpoints=1)
    assert (run.folder / "checkpoints/000003.broken-1").exists()


PATHS = [("seed",), ("data",), ("data", "facts"), ("data", "facts", "shape"), ("provenance", "torch"), ("id",)]


@pytest.mark.parametrize("path", [*PATHS, ("performance",), ("performance", "setting"), ("arguments",)])
def test_a_missing_entry_is_named(record, path):
    broken = copy.deepcopy(record)
    *outer, last = path
    place = broken
    for name in outer:
        place = place[name]
    del place[last]
    with pytest.raises(ValueError, match=f"has no {'.'.join(path)}"):
        config.parse(broken)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("seed",), "7"),
        (("seed",), True),
        (("seed",), 2**70),
        (("ema_decay",), float("nan")),
        (("data",), []),
        (("data", "mirror"), 1),
        (("data", "size"), "x"),
        (("data", "facts"), 3),
        (("arguments",), None),
        (("provenance", "command"), "x"),
        (("performance", "channels_last"), [1]),
        (("more",), 1),
        (("data", "more"), 1),
    ],
)
def test_a_value_of_another_type_is_named(record, path, value):
    broken = copy.deepcopy(record)
    *outer, last = path
    place = broken
    for name in outer:
        place = place[name]
    place[last] = value
    with pytest.raises(ValueError, match=path[-1]):
        config.parse(broken)


def test_numbers_that_no_run_can_have(run):
    for change, match in [
        ({"seed": -1}, "seed -1 is negative"),
        ({"grad_accum": 0}, "grad_accum cannot be 0"),
        ({"ema_decay": 1.0}, "ema_decay cannot be 1.0"),
        ({"precision": "fp8"}, "no precision 'fp8'"),
    ]:
        with pytest.raises(RunError, match=match):
            replace(run.config, **change)


def test_only_what_decides_the_result_must_be_equal(run):
    now = run.config.to_json()
    for name in ("provenance", "performance", "id"):
        config.require_equal(run.folder, {**now, name: None}, now)
    with pytest.raises(RunError, match=r"was made with data\.hold_out = 0\.1, not 0\.2"):
        config.require_equal(run.folder, now, {**now, "data": {**now["data"], "hold_out": 0.2}})
