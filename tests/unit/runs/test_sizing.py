"""Settings that follow the data: chosen once, stored with their reasons, kept by the run."""

from __future__ import annotations

import json

import pytest
import torch

from sparring.cli import main
from sparring.errors import RunError
from sparring.recipes.options import Networks
from sparring.runs import sizing
from sparring.runs.loop import FitOptions
from sparring.runs.run import Run
from sparring.runs.sizing import Request, flatten
from support import runs
from support.runs import difference, play

quick = pytest.fixture(autouse=True)(runs.quick)
DIGITS = {"data": "digits", "size": 32, "device": "cpu", "begin": False}
SHORT = FitOptions(images=100_000)


def created(folder, recipe="rsgan", **settings):
    return Run.create(folder, recipe, **{**DIGITS, "length": SHORT, **settings})


def test_a_new_run_stores_what_was_chosen_and_why(tmp_path):
    run = created(tmp_path / "run", begin=True)
    saved = json.loads((tmp_path / "run/run.json").read_text())
    assert saved["batch_size"] == 32
    assert saved["arguments"]["networks"] == {"network": "dcgan", "latent": None, "width": 32}
    assert saved["arguments"]["critic"] == {"lr": 1e-3, "betas": [0.0, 0.99]}
    assert saved["techniques"] == {"augment": "diff"}
    assert saved["ema_decay"] == pytest.approx(0.5 ** (32 / 5000), abs=1e-6)
    assert set(saved["derived"]) == {
        "batch_size",
        "ema_decay",
        "techniques.augment",
        *(f"arguments.networks.{name}" for name in ("network", "width")),
        *(f"arguments.{who}.{what}" for who in ("critic", "generator") for what in ("lr", "betas")),
    }
    assert "twice as many updates" in saved["derived"]["batch_size"]
    assert run.optimizers["D"].param_groups[0]["betas"] == (0.0, 0.99)
    assert Run.open(tmp_path / "run", device="cpu").config == run.config


def test_the_same_command_with_another_length_keeps_what_is_stored(tmp_path):
    first = created(tmp_path / "run", begin=True).config
    assert created(tmp_path / "run", length=FitOptions(images=10**7)).config == first
    assert created(tmp_path / "run", length=None).config == first
    with pytest.raises(RunError, match=r"networks\.width = 32, not 16"):
        created(tmp_path / "run", arguments={"networks": {"width": 16}})
    assert created(tmp_path / "run", arguments={"networks": {"width": 32}}).config == first


def test_given_settings_and_those_of_the_paper_are_left_alone(tmp_path):
    paper = created(tmp_path / "paper", defaults="paper").config
    assert (paper.batch_size, paper.ema_decay, paper.techniques, paper.derived) == (64, 0.999, {}, {})
    given = {"networks": Networks(width=16), "critic": {"lr": 2e-4}}
    kept = created(tmp_path / "given", arguments=given, batch_size=64, ema_decay=0.999, techniques={"augment": "none"})
    assert kept.config.derived == {}
    assert kept.config.arguments["networks"] == {"network": None, "latent": None, "width": 16}
    with pytest.raises(RunError, match="There are no defaults 'mine': give one of data, paper"):
        created(tmp_path / "mine", defaults="mine")
    with pytest.raises(RunError, match="did you mean 'length'"):
        created(tmp_path / "mine", lenght=SHORT)


def test_points_and_recipes_from_elsewhere_keep_their_defaults(tmp_path):
    points = Run.create(tmp_path / "run", "nsgan", data="ring", device="cpu", begin=False, length=SHORT).config
    assert (points.derived, points.batch_size, points.ema_decay) == ({}, 256, 0.999)


def test_networks_of_small_data_are_narrow(tmp_path):
    run = created(tmp_path / "run", "stylegan2", size=16, length=None)
    assert sum(parameter.numel() for parameter in run.game.parameters()) < 1_000_000
    assert run.config.arguments["width"] == 16
    assert run.config.arguments["latent"] == 256
    wide = created(tmp_path / "wide", "stylegan2", size=16, length=None, arguments={"width": 24})
    assert "arguments.width" not in wide.config.derived


def test_parameters_are_counted_without_memory_where_that_is_possible(monkeypatch, tmp_path):
    places = []
    make = sizing.make_game

    def spy(*args, **kwargs):
        game = make(*args, **kwargs)
        places.append(next(game.parameters()).device.type)
        return game

    monkeypatch.setattr("sparring.runs.sizing.make_game", spy)
    created(tmp_path / "run", "stylegan2", size=16, length=None)
    assert set(places) == {"meta"}


@pytest.mark.parametrize(("speed", "narrow"), [(100.0, True), (1e6, False)])
def test_a_time_becomes_images_by_the_measured_speed(tmp_path, monkeypatch, speed, narrow):
    monkeypatch.setattr(Request, "_speed", lambda *_: speed)
    config = created(tmp_path / "run", "dcgan", length=FitOptions(seconds=600.0)).config
    assert ("arguments.networks.width" in config.derived) == narrow
    half_life = min(60_000 / 20, 312.5 * 64) if narrow else 312.5 * 64
    assert config.ema_decay == pytest.approx(0.5 ** (config.batch_size / half_life), abs=1e-6)


def test_the_speed_is_that_of_a_few_steps_and_leaves_no_trace(tmp_path):
    before = torch.get_rng_state()
    one = created(tmp_path / "one", length=FitOptions(seconds=600.0), arguments=runs.tiny("rsgan"), seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    other = created(
        tmp_path / "other",
        arguments=one.config.arguments,
        techniques=one.config.techniques,
        batch_size=one.config.batch_size,
        ema_decay=one.config.ema_decay,
        seed=3,
    )
    play(one, 2)
    play(other, 2)
    assert difference(one.state.state_dict(), other.state.state_dict()) == ""


def test_reasons_for_settings_that_a_run_does_not_have_are_refused(tmp_path):
    created(tmp_path / "run", begin=True)
    path = tmp_path / "run/run.json"
    saved = json.loads(path.read_text())
    path.write_text(json.dumps({**saved, "derived": {"arguments.nothing": "why"}}))
    with pytest.raises(RunError, match="reasons for settings that it does not have"):
        created(tmp_path / "run")


def test_the_command_prints_one_line_a_rule_and_takes_flags_as_given(tmp_path, capsys):
    words = ["train", "rsgan", "--data", "digits", "--size", "32", "--device", "cpu", "--out", str(tmp_path / "run")]
    assert main([*words, "--dry-run", "--kimg", "100"]) == 0
    told = capsys.readouterr().out
    assert "from the data: --batch-size 32 (32 below 1 M images to be seen: twice as many updates)\n" in told
    assert "from the data: --network dcgan, --width 32 (" in told
    assert "from the data: --critic.lr 0.001, --critic.betas 0.0 0.99, --generator.lr 0.001" in told
    assert main([*words, "--dry-run", "--kimg", "100", "--width=64", "--critic.lr", "2e-4", "--augment", "none"]) == 0
    told = capsys.readouterr().out
    assert "--width" not in told
    assert "--critic.lr" not in told
    assert "--augment" not in told
    assert main([*words, "--dry-run", "--kimg", "100", "--defaults", "paper"]) == 0
    assert "from the data" not in capsys.readouterr().out


def test_the_command_anneals_images_at_a_known_end_and_keeps_that(tmp_path, capsys):
    words = ["train", "dcgan", "--data", "digits", "--size", "32", "--device", "cpu", "--out", str(tmp_path / "run")]
    words += ["--width", "4", "--batch-size", "4"]
    assert main([*words, "--steps", "4"]) == 0
    assert "--anneal 0.25: rates that fall to zero at a known end" in capsys.readouterr().err
    factors = [json.loads(line)["anneal"] for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert factors == pytest.approx([1, 1, 1, 1])
    assert main([*words, "--steps", "8"]) == 0
    assert main(["resume", str(tmp_path / "run"), "--steps", "12", "--device", "cpu"]) == 0
    factors = [json.loads(line)["anneal"] for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert factors == pytest.approx([1, 1, 1, 1, 1, 1, 1, 0.5, 1, 1, 2 / 3, 1 / 3])
    words[words.index(str(tmp_path / "run"))] = str(tmp_path / "not")
    assert main([*words, "--steps", "2", "--anneal", "0"]) == 0
    assert '"anneal"' not in (tmp_path / "not/log.jsonl").read_text()


def test_nested_tables_are_flat_by_dotted_paths():
    assert dict(flatten({"a": {"b": {"c": 1}}, "d": [2]})) == {"a.b.c": 1, "d": [2]}
