"""The benchmark of photographs: its claims on a record made by hand, its turns, and that it continues after a stop."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.quality import photos
from benchmarks.quality.photo_claims import claims, reached
from benchmarks.quality.photo_suites import ARENAS, BEST, CONTESTANTS, EARLIER_BEST, EARLIER_DEFAULTS, PEER
from benchmarks.quality.photos import Entry, PeerTraining, is_known, spent_seconds, times
from sparring.data import load
from sparring.metrics import extractor_for
from sparring.metrics.extractors.squeezenet import SqueezeNet
from sparring.recipes import RECIPES
from sparring.recipes.techniques import Techniques
from sparring.runs import logs
from sparring.runs.recipe_args import fill_arguments, find_recipe


def curve(*points):
    """Rows at these seconds, with the same distance by both judges."""
    return [{"seconds": s, "step": s, "a": {"distance": d}, "b": {"distance": d}} for s, d in points]


def arena(**trainings):
    rows = {}
    for name, points in trainings.items():
        who, _, seed = name.rpartition("_")
        rows[f"{who}-{seed}"] = {"contestant": who, "curve": curve(*points)}
    return {"trainings": rows}


def test_a_distance_is_reached_at_the_first_evaluation_at_or_below_it():
    found = curve((10, 50.0), (20, 30.0), (40, 35.0))
    assert reached(found, "a", 30.0) == 20
    assert reached(found, "a", 40.0) == 20
    assert reached(found, "a", 29.9) is None


def test_claims_hold_at_an_eighth_and_at_half_of_the_time_and_not_beyond():
    made = {"dcgan_0": [(600, 90.0), (2400, 80.0)], "r3gan_0": [(2400, 200.0)], "rsgan_0": [(2400, 20.0)]}
    soon = arena(projected_0=[(300, 80.0), (1200, 20.0), (2400, 10.0)], **made)
    found = claims(soon, minutes=40)
    first = found["earlier defaults and peers"]
    assert first["a"]["target"] == 80.0
    assert first["a"]["of"] == "dcgan-0"
    assert first["a"]["seconds"] == {"projected-0": 300}
    assert first["a"]["times as fast"] == {"projected-0": 8.0}
    assert [found[group]["holds"] for group in found] == [True, True, True]
    late = arena(projected_0=[(301, 80.0), (1201, 20.0), (2400, 21.0)], **made)
    assert [row["holds"] for row in claims(late, minutes=40).values()] == [False, False, False]
    assert claims(late, minutes=40)["at the end"]["b"]["best of the others"] == 20.0


def test_every_seed_must_reach_the_best_of_all_seeds_by_both_judges():
    made = arena(projected_0=[(100, 70.0)], projected_1=[(200, 75.0)], dcgan_0=[(2400, 90.0)], dcgan_1=[(2400, 72.0)])
    row = claims(made, minutes=40)["earlier defaults and peers"]
    assert row["a"]["target"] == 72.0
    assert row["a"]["seconds"] == {"projected-0": 100, "projected-1": None}
    assert not row["holds"]
    made["trainings"]["projected-1"]["curve"][0]["a"]["distance"] = 60.0
    row = claims(made, minutes=40)["earlier defaults and peers"]
    assert (row["a"]["holds"], row["b"]["holds"], row["holds"]) == (True, False, False)


def test_without_our_method_nothing_is_claimed():
    assert claims(arena(dcgan_0=[(2400, 90.0)]), minutes=40) == {}


def test_turns_end_at_most_five_minutes_apart_and_judgements_are_log_spaced():
    marks = times(40, 13, 5)
    judged = [at for at, judge in marks if judge]
    assert judged == [37.5, 53.0, 75.0, 106.1, 150.0, 212.1, 300.0, 424.3, 600.0, 848.5, 1200.0, 1697.1, 2400.0]
    ends = [0.0, *(at for at, _ in marks)]
    assert max(np.diff(ends)) <= 300
    assert len(set(ends)) == len(ends)


def test_the_time_of_a_checkpoint_is_that_of_its_step():
    assert spent_seconds({}, 0) == 0
    assert spent_seconds({"step": 10, "seconds": 5.0}, 10) == 5.0
    assert spent_seconds({"step": 10, "seconds": 5.0}, 12) == 6.0
    with pytest.raises(SystemExit, match="remove its folder"):
        spent_seconds({}, 3)


def test_contestants_are_recipes_whose_settings_are_written_out():
    assert {BEST, *EARLIER_BEST, *EARLIER_DEFAULTS, "fastgan"} == set(CONTESTANTS) == set(ARENAS["clothes"].contestants)
    known = {name for name, who in CONTESTANTS.items() if who.recipe in RECIPES or name == PEER}
    assert known == set(CONTESTANTS)
    for name in set(CONTESTANTS) - {PEER}:
        who = CONTESTANTS[name]
        function = find_recipe(who.recipe)
        assert set(fill_arguments(function, who.arguments)) == set(who.arguments), name
        Techniques(**who.techniques)
    earlier = [CONTESTANTS[name] for name in ("dcgan", "r3gan")]
    assert {(who.batch, who.precision, who.mirror, who.ema, who.anneal) for who in earlier} == {
        (64, "fp32", False, 0.999, 0.0)
    }


def play(folder, *words):
    network = SqueezeNet()
    for value in network.parameters():
        if value.ndim > 1:
            torch.nn.init.kaiming_normal_(value)
    if not (folder / "weights.npz").exists():
        np.savez(folder / "weights.npz", **{name: value.numpy() for name, value in network.state_dict().items()})
    photos.main(
        [
            *("--data", "digits", "--minutes", "0.02", "--marks", "2", "--samples", "40"),
            *("--squeezenet", str(folder / "weights.npz"), "--state", str(folder / "state")),
            *("--out", str(folder / "photos.json"), *words),
        ]
    )
    return json.loads((folder / "photos.json").read_text())


@pytest.fixture
def _briefly(monkeypatch):
    monkeypatch.setattr(extractor_for, "__kwdefaults__", {**extractor_for.__kwdefaults__, "steps": 2})


@pytest.mark.usefixtures("_briefly")
def test_the_same_command_continues_a_stopped_one_and_plays_nothing_twice(tmp_path, monkeypatch, capsys):
    whole, left = photos.play, [3]

    def stopping(*given):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        whole(*given)

    monkeypatch.setattr(photos, "play", stopping)
    with pytest.raises(KeyboardInterrupt):
        play(tmp_path)
    early = json.loads((tmp_path / "photos.json").read_text())["arenas"]["digits"]["trainings"]
    assert [len(row["curve"]) for row in early.values()] == [1, 1]
    monkeypatch.setattr(photos, "play", whole)
    record = play(tmp_path)
    trainings = record["arenas"]["digits"]["trainings"]
    assert set(trainings) == {"pytorch-gan-0", "rsgan-0"}
    for name, row in trainings.items():
        first, last = row["curve"]
        assert first == early[name]["curve"][0]
        assert 0.8 <= first["seconds"] < last["seconds"]
        assert last["seconds"] >= 1.2
        assert first["step"] < last["step"]
        assert first["images"] < last["images"]
        assert 0 <= last["squeezenet"]["recall"] <= 1
    references = record["arenas"]["digits"]["references"]
    assert references["data"]["classifier"]["distance"] < references["noise"]["classifier"]["distance"]
    assert (tmp_path / "photos-digits.png").exists()
    assert (tmp_path / "photos-digits-samples.jpg").exists()
    capsys.readouterr()
    shutil.rmtree(tmp_path / "state")
    again = play(tmp_path)
    assert again["arenas"]["digits"]["trainings"] == trainings, "read from the record"
    assert "CPU min" not in capsys.readouterr().out


@pytest.mark.usefixtures("_briefly")
def test_rates_fall_to_zero_at_the_end_that_the_first_eighth_leads_to(tmp_path, monkeypatch):
    falling = replace(CONTESTANTS["rsgan"], anneal=0.5)
    monkeypatch.setitem(photos.CONTESTANTS, "rsgan", falling)
    record = play(tmp_path, "--contestants", "rsgan", "--marks", "4")
    state = tmp_path / "state/digits/rsgan-0"
    length = json.loads((state / "length.json").read_text())
    lines = logs.read(state / "run/log.jsonl")
    factors = [line.get("anneal", 1.0) for line in lines]
    assert factors[0] == 1.0
    assert factors[-1] <= 0.5
    assert factors[-1] == pytest.approx(min(1, (length - lines[-1]["step"] + 1) / (0.5 * length)))
    last = record["arenas"]["digits"]["trainings"]["rsgan-0"]["curve"][-1]
    assert last["step"] == lines[-1]["step"]
    assert last["seconds"] >= 1.2 or last["ended"]


def test_another_setting_is_not_mixed_with_a_training_that_lies_there(tmp_path):
    entry = Entry(CONTESTANTS["rsgan"], ARENAS["digits"], 0, tmp_path / "rsgan-0")
    entry.require_same_settings()
    entry.require_same_settings()
    with pytest.raises(SystemExit, match="other settings: move it away"):
        Entry(CONTESTANTS["dcgan"], ARENAS["digits"], 0, tmp_path / "rsgan-0").require_same_settings()
    elsewhere = Entry(CONTESTANTS["rsgan"], ARENAS["digits"], 0, tmp_path / "none")
    known = {"rsgan-0": {**elsewhere.settings(), "curve": [{"seconds": 60.0, "step": 9}]}}
    assert is_known(elsewhere, known, 1.0)
    assert not is_known(elsewhere, known, 1.1)
    known["rsgan-0"]["curve"][0]["ended"] = True
    assert is_known(elsewhere, known, 1.1)
    assert not is_known(entry, known, 1.0), "what lies in the state is continued"
    known["rsgan-0"]["settings"]["batch"] = 33
    assert not is_known(elsewhere, known, 1.0)


class Steps:
    """A turn of so many steps."""

    def __init__(self, count):
        self.count = count

    def is_over(self, step, images):
        return step >= self.count


def test_the_loop_of_the_peer_continues_to_the_bit(tmp_path):
    data = load("digits", size=16)
    (tmp_path / "stopped").mkdir()
    straight = PeerTraining(tmp_path, data, 16, seed=1)
    straight.advance(Steps(4))
    PeerTraining(tmp_path / "stopped", data, 16, seed=1).advance(Steps(2))
    torch.manual_seed(5)
    resumed = PeerTraining(tmp_path / "stopped", data, 16, seed=1)
    assert (resumed.step, resumed.images) == (2, 32)
    resumed.advance(Steps(4))
    for name, value in straight.game().state_dict().items():
        assert torch.equal(value, resumed.game().state_dict()[name]), name
    other = PeerTraining(tmp_path / "stopped", data, 16, seed=2)
    assert other.step == 4
