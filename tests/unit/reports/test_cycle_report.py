"""Two sets, translated there and back, on one page."""

import re

import pytest

from sparring.cli import main
from sparring.reports.cycle_report import write_cycle_report
from support.photos import picture, sizes
from support.runs import PAIRED, UNPAIRED, play, start


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return play(start(tmp_path_factory.mktemp("both") / "run", "cyclegan", UNPAIRED), 1).folder


def test_both_sets_are_translated_and_a_page_shows_every_strip(run, tmp_path, capsys):
    picture(tmp_path / "a/one.png", (20, 14))
    picture(tmp_path / "a/deep/two.jpg", (33, 20))
    picture(tmp_path / "b/<three>.png", (16, 9))
    out = tmp_path / "out"
    words = ["translate", str(run), str(tmp_path / "a"), str(tmp_path / "b"), "--to", "both", "--out", str(out)]
    assert main([*words, "--device", "cpu"]) == 0
    assert f"side by side in {out / 'report.html'}" in capsys.readouterr().out
    (page := out / "report.html").rename(tmp_path / "page.html")
    assert sizes(out) == {
        "to-A/<three>.png": (16, 9),
        "to-A/strips/<three>.png": (3 * 16 + 4, 9),
        "to-B/deep/two.jpg": (33, 20),
        "to-B/one.png": (20, 14),
        "to-B/strips/deep/two.png": (3 * 33 + 4, 20),
        "to-B/strips/one.png": (3 * 20 + 4, 14),
    }
    text = (tmp_path / "page.html").read_text()
    assert not page.exists()
    assert text.count("data:image/png;base64,") == 3
    assert re.findall(r"<figcaption>(.*?)</figcaption>", text) == ["two", "one", "&lt;three&gt;"]
    assert text.index("To B") < text.index(">one<") < text.index("To A")


def test_a_page_of_many_shows_some_of_all(run, tmp_path, monkeypatch):
    monkeypatch.setattr("sparring.reports.cycle_report.SHOWN", 2)
    for index in range(5):
        picture(tmp_path / f"a/{index}.png", (16, 16))
    picture(tmp_path / "b/x.png", (16, 16))
    text = write_cycle_report(run, tmp_path / "a", tmp_path / "b", tmp_path / "out", device="cpu").read_text()
    assert re.findall(r"<figcaption>(.*?)</figcaption>", text) == ["0", "2", "x"]
    assert "2 of 5" in text
    assert len(list((tmp_path / "out/to-B/strips").iterdir())) == 5


def test_one_set_or_a_game_of_one_way_is_refused_in_a_sentence(run, tmp_path, capsys):
    picture(tmp_path / "a/x.png", (16, 16))
    assert main(["translate", str(run), str(tmp_path / "a"), "--to", "both", "--out", str(tmp_path / "out")]) == 2
    assert "take two sets of images, of A and then of B, not 1" in capsys.readouterr().err
    one = play(start(tmp_path / "one", "pix2pix", PAIRED), 1).folder
    words = ["translate", str(one), *[str(tmp_path / "a")] * 2, "--to", "both", "--out", str(tmp_path / "out")]
    assert main([*words, "--device", "cpu"]) == 2
    assert "translates to B only" in capsys.readouterr().err
