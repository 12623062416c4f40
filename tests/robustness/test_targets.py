"""Results never replace what a command reads, never share a name, and are checked before the first one is written."""

from __future__ import annotations

import ast
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sparring
from sparring._io.targets import require_no_overwrite, unique_names
from sparring.cli import main
from sparring.data import load
from sparring.data.sources.layouts import data_paths
from sparring.errors import DataError, RunError
from sparring.runs.outputs import require_outputs
from sparring.visualization import video
from support import runs
from support.runs import IMAGES, MAPPED, UNPAIRED, play, start

quick = pytest.fixture(autouse=True)(runs.quick)


def picture(path, shade=10, size=(8, 8), **settings):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, shade).save(path, **settings)
    return path


def content(folder):
    """Everything below a folder, by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def refused(folder, capsys, *words):
    """The sentence with which a command is refused, which leaves every byte below a folder as it was."""
    before = content(folder)
    assert main([*map(str, words)]) == 2
    assert content(folder) == before
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    return output.err


# --- names


@pytest.mark.parametrize(
    ("sources", "wanted", "names"),
    [
        (["1.jpg", "1.png"], ["1.jpg", "1.png"], ["1.jpg", "1.png"]),
        (["2.gif", "2.png"], ["2.png", "2.png"], ["2-gif.png", "2.png"]),
        (["2.bmp", "2.gif"], ["2.png", "2.png"], ["2.png", "2-gif.png"]),
        (["a/1.png", "b/1.png"], ["a/1.png", "b/1.png"], ["a/1.png", "b/1.png"]),
        (["1.png"] * 3, ["1.png"] * 3, ["1.png", "1-png.png", "1-2.png"]),
        (["2.gif", "2-gif.png", "2.png"], ["2.png", "2-gif.png", "2.png"], ["2-2.png", "2-gif.png", "2.png"]),
        (["", "", ""], ["a-b", "a-b", "a-b-2"], ["a-b", "a-b-3", "a-b-2"]),
    ],
)
def test_no_two_results_have_one_name(sources, wanted, names):
    assert unique_names(wanted, sources) == names


# --- paths


def test_a_result_may_not_replace_an_input_by_any_path_or_link(tmp_path, monkeypatch):
    image = picture(tmp_path / "in" / "deep" / "1.png")
    (tmp_path / "soft.png").symlink_to(image)
    os.link(image, tmp_path / "hard.png")
    (tmp_path / "folder").symlink_to(tmp_path / "in" / "deep")
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.write(image, "x/1.png")
    monkeypatch.chdir(tmp_path)
    for read in (image, image.parent, "in", f"whole:{image}", f"pairs:in,{tmp_path}", tmp_path / "folder"):
        for target in (image, "in/../in/deep/1.png", "soft.png", "hard.png", tmp_path / "folder/1.png"):
            with pytest.raises(DataError, match="would be overwritten"):
                require_no_overwrite(["new.png", target], data_paths(str(read)))
        others = data_paths("in" if read == f"pairs:in,{tmp_path}" else str(read))
        require_no_overwrite(["new.png", "in/new.png", "in.zip"], others)
    for read in ("in.zip", "in.zip/x"):
        with pytest.raises(DataError, match="would be overwritten"):
            require_no_overwrite(["in.zip"], [read])


def test_a_link_among_the_images_protects_what_it_leads_to_and_itself(tmp_path):
    image = picture(tmp_path / "elsewhere.png")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.png").symlink_to(image)
    for target in (image, tmp_path / "in" / "1.png"):
        with pytest.raises(DataError, match="would be overwritten"):
            require_no_overwrite([target], [tmp_path / "in"])


def test_a_protected_folder_protects_its_contents_but_not_its_neighbours(tmp_path):
    inside, outside = picture(tmp_path / "in" / "1.png"), picture(tmp_path / "in2" / "1.png")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    (tmp_path / "in2" / "2.png").symlink_to(inside)
    for target in (inside, tmp_path / "link" / "1.png", tmp_path / "in2" / "2.png"):
        with pytest.raises(DataError, match="would be overwritten"):
            require_no_overwrite([target], [], keep=[tmp_path / "in"])
    require_no_overwrite([outside, tmp_path / "in" / "new.png"], [], keep=[tmp_path / "in"])


def test_results_that_cannot_be_files_are_refused(tmp_path):
    image = picture(tmp_path / "in" / "1.png")
    with pytest.raises(DataError, match="is a folder"):
        require_no_overwrite([tmp_path / "in"], [])
    with pytest.raises(DataError, match=r"because .*1\.png is a file"):
        require_no_overwrite([image / "x.png"], [])
    with pytest.raises(DataError, match="Two results would be written to"):
        require_no_overwrite([tmp_path / "x.png", tmp_path / "x.png"], [])


# --- commands


def test_every_command_with_an_output_checks_it():
    """Every command with --out must check it by `sparring.runs.outputs`, or be listed here with its own check."""
    elsewhere = {"auto", "train", "resume", "demo", "theory", "typed", "translate", "edit", "between"}
    checks = ("require_outputs", "require_picture", "require_film", "require_no_overwrite")
    for path in (Path(sparring.__file__).parent / "cli").glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_") or node.name in elsewhere:
                continue
            if "out" in {arg.arg for arg in node.args.args}:
                called = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
                assert called & set(checks), f"{path.name}: {node.name} writes without a check"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        runs.quick(patch)
        return start(tmp_path_factory.mktemp("images") / "run", "nsgan", IMAGES).folder


IN = ["in/1.png", "in/2.png"]


@pytest.mark.parametrize(
    "words",
    [
        ["interpolate", "RUN", "--images", *IN, "--out", "in/2.png"],
        ["reconstruct", "RUN", "in", "--out", "in/1.png"],
        ["reconstruct", "RUN", "in/1.png", "--out", "in/1.png"],
        ["encode", "RUN", "codes.npz", "--out", "codes.npz"],
        ["edit", "RUN", "--with", "in", "--without", "other", "--images", "in/1.png", "--out", "other/1.png"],
        ["edit", "RUN", "--with", "in", "--without", "other", "--images", "me.png", "--out", "in/1.png"],
        ["invert", "RUN", "me.png", "--out", "me.png"],
        ["invert", "RUN", "me.npy", "--out", "me.png"],
        ["invert", "RUN", "in", "--out", "in.png"],  # beside in.npy, which leads to an input
        ["singan", "super-resolve", "RUN", "--picture", "me.png", "--out", "me.png"],
        ["singan", "harmonize", "RUN", "me.png", "--mask", "in/1.png", "--out", "in/1.png"],
        ["singan", "edit", "RUN", "me.png", "--mask", "in/1.png", "--out", "me.png"],
        ["singan", "paint", "RUN", "me.png", "--out", "./me.png"],
        ["translate", "RUN", "in", "--out", "in"],
        ["translate", "RUN", "other", "in", "--out", "in"],
        ["translate", "RUN", "in/1.png", "--out", "in"],
        ["translate", "RUN", ".", "--out", "in", "--strips"],
        ["translate", "RUN", "other", "in", "--to", "both", "--out", "both"],
        ["data", "prepare", "me.npy", "me.npy", "--size", "4"],
        ["data", "prepare", "me.npy", "me", "--size", "4"],
        ["data", "prepare", "in", "in"],
    ],
    ids=lambda words: " ".join(words),
)
def test_no_command_replaces_what_it_reads(run, tmp_path, capsys, monkeypatch, words):
    for name in ("in/1.png", "in/2.png", "other/1.png", "me.png", "in/me.png", "both/to-B/1.png"):
        picture(tmp_path / name, size=(8, 8))
    (tmp_path / "both/to-A").mkdir()
    os.link(tmp_path / "other/1.png", tmp_path / "both/to-A/2.png")
    np.save(tmp_path / "me.npy", np.zeros((3, 8, 8, 1), np.uint8))
    np.savez(tmp_path / "codes.npz", images=np.zeros((3, 8, 8, 1), np.uint8))
    (tmp_path / "in.npy").symlink_to(tmp_path / "in/1.png")
    monkeypatch.chdir(tmp_path)
    sentence = refused(tmp_path, capsys, *(str(run) if word == "RUN" else word for word in words))
    assert any(words in sentence for words in ("would be overwritten", "would overwrite", "would take the places"))
    assert ("TARGET" in sentence) == (words[0] == "data")


@pytest.mark.parametrize(
    "words",
    [
        ["sample", "--out", "RUN/reals.png"],
        ["sample", "--seeds", "0", "--out", "RUN/samples"],
        ["interpolate", "--out", "RUN/reals.png"],
        ["directions", "--out", "RUN/samples", "--count", "1"],
        ["sample", "--truncation", "0", "1", "--out", "RUN/reals.png"],
    ],
    ids=lambda words: " ".join(words),
)
def test_no_command_replaces_what_a_training_has_drawn(run, tmp_path, capsys, words):
    for name in ("reals.png", "samples/000000.png", "samples/principal-1.png"):
        picture(run / name)
    command, *flags = (word.replace("RUN", str(run)) for word in words)
    assert "would be overwritten" in refused(run, capsys, command, run, *flags)
    assert main(["sample", str(run), "--seeds", "0-3", "--out", str(run / "mine.png"), "--device", "cpu"]) == 0
    assert main(["sample", str(run), "--seeds", "0-3", "--out", str(run / "mine.png"), "--device", "cpu"]) == 0


def test_no_command_writes_into_the_folders_of_another_run(run, tmp_path, capsys):
    other = start(tmp_path / "other", "nsgan", IMAGES).folder
    for out in ("samples", "samples/mine.png", "checkpoints/x.png", "log.jsonl/x.png"):
        message = refused(tmp_path, capsys, "sample", run, "--seeds", "0", "--out", other / out)
        assert f"belongs to the run {other}" in message
    assert main(["sample", str(run), "--seeds", "0", "--out", str(other / "mine.png"), "--device", "cpu"]) == 0


def test_no_command_replaces_the_data_of_a_run(tmp_path, capsys):
    for k in range(3):
        picture(tmp_path / "data" / f"{k:06d}.png", 40 * k)
    folder = start(tmp_path / "run", "nsgan", {**IMAGES, "data": str(tmp_path / "data")}).folder
    assert "would be overwritten" in refused(
        tmp_path, capsys, "sample", folder, "--seeds", "0-5", "--out", tmp_path / "data"
    )
    assert main(["sample", str(folder), "--seeds", "3,4,4", "--out", str(tmp_path / "data"), "--device", "cpu"]) == 0
    assert "2 samples are in" in capsys.readouterr().out
    assert len(load(tmp_path / "data")) == 5


def test_a_comparison_does_not_replace_its_data(tmp_path, capsys):
    for name in ("curves.png", "2.png"):
        picture(tmp_path / "data" / name)
    words = ["compare", "nsgan", "--data", tmp_path / "data", "--size", "8", "--steps", "1", "--out", tmp_path / "data"]
    assert "would be overwritten" in refused(tmp_path, capsys, *words)


def test_an_ending_that_names_no_format_is_refused_before_anything_is_computed(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sparring.runs.state.load_game", lambda *_, **__: pytest.fail("the run was loaded"))
    picture(tmp_path / "me.png")
    for words in (["sample"], ["interpolate"], ["sample", "--truncation", "0", "1"], ["invert", tmp_path / "me.png"]):
        assert "names a format" in refused(tmp_path, capsys, words[0], run, *words[1:], "--out", tmp_path / "x.tga")


def test_translations_keep_folders_and_never_share_a_name(tmp_path, capsys):
    folder = play(start(tmp_path / "run", "cyclegan", UNPAIRED), 1).folder
    names = ["1.jpg", "1.png", "2.gif", "2.png", "a/1.png", "b/1.png", "strips/1.png"]
    for shade, name in enumerate(names):
        picture(tmp_path / "in" / name, 30 * shade, (32, 32))
    words = ["translate", str(folder), str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert main(words) == 0
    assert "7 images" in capsys.readouterr().out
    expected = ["1.jpg", "1.png", "2-gif.png", "2.png", "a/1.png", "b/1.png", "strips/1.png"]
    assert sorted(name for name, bytes_ in content(tmp_path / "out").items() if bytes_) == expected
    assert "Two results would be written to" in refused(tmp_path, capsys, *words, "--strips")
    (tmp_path / "in/strips/1.png").unlink()
    assert main([*words, "--strips"]) == 0, "earlier results are replaced"
    strips = sorted(name for name, bytes_ in content(tmp_path / "out/strips").items() if bytes_)
    assert strips == ["1-jpg.png", "1.png", "2-gif.png", "2.png", "a/1.png", "b/1.png"]
    picture(tmp_path / "more" / "1.jpg", 200, (32, 32))
    assert main(["translate", str(folder), str(tmp_path / "in"), str(tmp_path / "more"), *words[3:]]) == 0
    assert (tmp_path / "out/1-jpg.jpg").exists()


@pytest.fixture(scope="module")
def painter(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        runs.quick(patch)
        return play(start(tmp_path_factory.mktemp("maps") / "run", "gaugan", MAPPED), 1).folder


def test_painting_keeps_folders_and_maps_and_never_shares_a_name(painter, tmp_path, capsys):
    for shade, name in enumerate(["1.png", "1.bmp", "a/1.png"]):
        picture(tmp_path / "maps" / name, shade, (16, 16))
    picture(tmp_path / "seed-0.png", 99, (16, 16))
    paint = ["paint", painter, "--labels", tmp_path / "maps", "--device", "cpu"]
    assert "would be overwritten" in refused(tmp_path, capsys, *paint, "--out", tmp_path / "maps")
    styles = ["--style", tmp_path / "seed-0.png"]
    assert "would be overwritten" in refused(tmp_path, capsys, *paint, *styles, "--out", tmp_path / "maps")
    one = ["paint", painter, "--labels", tmp_path / "maps/1.png", *styles, "--device", "cpu"]
    assert "would be overwritten" in refused(tmp_path, capsys, *one, "--out", tmp_path / "seed-0.png")
    assert "would be overwritten" in refused(tmp_path, capsys, *one, "--palette", tmp_path / "maps/1.png")
    assert main([*map(str, [*paint, "--out", tmp_path / "out"])]) == 0
    files = sorted(name for name, bytes_ in content(tmp_path / "out").items() if bytes_)
    assert files == ["1-bmp.png", "1.png", "a/1.png"]
    assert main([*map(str, [*one, "--seeds", "0", "--out", tmp_path / "two"])]) == 0
    assert sorted(content(tmp_path / "two")) == ["1-seed-0-2.png", "1-seed-0.png"]


def test_a_film_of_ffmpeg_that_fails_leaves_the_earlier_one(tmp_path, monkeypatch):
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nfor last; do :; done\ncat > "$last"\nexit $(cat code)\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    frames = [Image.new("RGB", (2, 2), (shade, 0, 0)) for shade in (1, 2)]
    (tmp_path / "code").write_text("0")
    video.save_animation(frames, tmp_path / "out" / "film.mp4")
    before = content(tmp_path / "out")
    assert before == {"film.mp4": bytes([1, 0, 0] * 4 + [2, 0, 0] * 4)}
    (tmp_path / "code").write_text("1")
    with pytest.raises(RunError, match="ffmpeg failed with"):
        video.save_animation(frames[::-1], tmp_path / "out" / "film.mp4")
    assert content(tmp_path / "out") == before


@pytest.mark.parametrize("folder", ["samples", "checkpoints", "best", "events"])
def test_a_link_to_a_folder_of_the_run_is_no_way_to_replace_its_files(run, tmp_path, folder):
    (run / folder).mkdir(exist_ok=True)
    (run / folder / "x.png").touch()
    (tmp_path / "other").symlink_to(run / folder)
    with pytest.raises(DataError, match="would be overwritten"):
        require_outputs(run, [tmp_path / "other" / "x.png"])
