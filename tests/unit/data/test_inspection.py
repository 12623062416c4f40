"""What is found in a data set before a training: one made picture for each finding."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from sparring.cli import main
from sparring.data import Dataset, inspect
from sparring.data.inspection import propose
from sparring.errors import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))


def scene(seed: int, size: tuple[int, int] = (96, 96)) -> Image.Image:
    """A smooth picture in colour, another one for each seed."""
    cells = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(12):
        scene(seed).save(folder / f"{seed:02}.png")
    return folder


def test_a_clean_folder_has_no_findings(photos):
    found = inspect(photos)
    assert (found.rows, found.sizes) == (12, {(96, 96): 12})
    assert (found.unreadable, found.skipped, found.equal, found.near, found.blank, found.grey) == (
        {},
        (),
        [],
        [],
        [],
        [],
    )
    assert found.lines() == [
        "12 images can be read.",
        "All images are 96 × 96 (12).",
        "No two images have the same pixels.",
        "No two images are nearly equal.",
        "There are no classes: sub-folders would be classes.",
        "Proposed: --size 64.",
    ]
    assert found.command() == f"sparring auto {photos} --minutes 60"


def test_files_that_cannot_be_read_are_named_with_the_reason_and_the_flag(photos):
    whole = (photos / "03.png").read_bytes()
    (photos / "03.png").write_bytes(whole[: len(whole) // 2])
    (photos / "04.png").write_bytes(b"no image")
    found = inspect(photos)
    assert (found.rows, list(found.unreadable)) == (10, ["03.png", "04.png"])
    assert found.lines()[1].startswith("2 files cannot be read, 03.png, 04.png: replace or remove them, or train with")


def test_a_folder_without_a_readable_image_is_refused(tmp_path):
    (tmp_path / "one.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"holds no image that can be read: .*one\.png is not a readable image"):
        inspect(tmp_path)


def test_equal_pixels_are_found_under_another_name_and_format(photos):
    shutil.copy(photos / "00.png", photos / "copy.png")
    Image.open(photos / "01.png").save(photos / "other.bmp")
    found = inspect(photos)
    assert found.equal == [["00.png", "copy.png"], ["01.png", "other.bmp"]]
    assert found.near == []
    assert "2 images have the same pixels as another, for example 00.png, copy.png: keep one" in found.lines()[2]


def test_the_same_bytes_in_another_shape_are_not_equal(tmp_path):
    """A picture of 8 × 2 and one of 2 × 8 with the same bytes."""
    pixels = np.arange(48, dtype=np.uint8)
    for name, shape in {"wide": (2, 8, 3), "high": (8, 2, 3)}.items():
        Image.fromarray(pixels.reshape(shape)).save(tmp_path / f"{name}.png")
    assert inspect(tmp_path).equal == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda image: image.resize((60, 60), Image.Resampling.LANCZOS), id="resized"),
        pytest.param(lambda image: Image.fromarray((np.asarray(image) * 0.95 + 3).astype(np.uint8)), id="exposure"),
    ],
)
def test_resized_and_brightened_copies_are_nearly_equal(photos, change):
    change(scene(5)).save(photos / "again.png")
    found = inspect(photos)
    assert (found.equal, found.near) == ([], [["05.png", "again.png"]])


def test_a_recompressed_copy_is_nearly_equal(photos):
    scene(5).save(photos / "again.jpg", quality=40)
    assert inspect(photos).near == [["05.png", "again.jpg"]]


def test_the_same_shape_in_another_colour_is_not_a_duplicate(photos):
    Image.fromarray(np.asarray(scene(5))[..., [2, 0, 1]].copy()).save(photos / "dyed.png")
    assert inspect(photos).near == []


def test_duplicates_in_different_classes_are_counted(tmp_path):
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        scene(1).save(tmp_path / name / "same.png")
        scene(len(name) + ord(name[0])).save(tmp_path / name / "other.png")
    found = inspect(tmp_path)
    assert (found.across, found.classes) == (1, {"cats": 2, "dogs": 2})
    assert "1 group of duplicates has members of different classes: correct their labels." in found.lines()


def test_blank_images_are_named_and_are_no_near_duplicates(photos):
    for name, level in {"white": 255, "black": 0}.items():
        Image.new("RGB", (96, 96), (level,) * 3).save(photos / f"{name}.png")
    noise = np.random.default_rng(0).integers(120, 126, (96, 96, 3), np.uint8)
    Image.fromarray(noise).save(photos / "fog.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)).save(photos / "noise.png")
    page = np.full((900, 900, 3), 255, np.uint8)
    page[450, 450] = 0  # a mark that is small, but no noise
    Image.fromarray(page).save(photos / "page.png")
    found = inspect(photos)
    assert found.blank == ["black.png", "fog.png", "white.png"]
    assert found.near == []
    assert "3 images are blank, black.png, fog.png, white.png: remove them." in found.lines()


def test_grey_images_among_colour_are_named_and_a_grey_set_is_said_to_be_grey(photos, tmp_path):
    scene(50).convert("L").save(photos / "old.png")
    found = inspect(photos)
    assert (found.grey, found.has_colour) == (["old.png"], True)
    assert any(line.startswith("1 image is grey among images in colour, old.png:") for line in found.lines())
    (tmp_path / "scans").mkdir()
    for seed in range(3):
        scene(seed).convert("L").save(tmp_path / "scans" / f"{seed}.png")
    found = inspect(tmp_path / "scans")
    assert (len(found.grey), found.has_colour) == (3, False)
    assert "All images are grey." in found.lines()


def test_classes_are_counted_and_small_ones_named(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (120, 8, 8, 3), np.uint8)
    labels = np.array([0] * 70 + [1] * 50)
    found = inspect(Dataset("toys", pixels, labels, ("ball", "kite")))
    assert found.classes == {"ball": 70, "kite": 50}
    assert not any("fewer than 50" in line for line in found.lines())
    labels = np.array([0] * 71 + [1] * 49)
    lines = inspect(Dataset("toys", pixels, labels, ("ball", "kite"))).lines()
    assert "1 of the classes have fewer than 50 images, kite: join them, or train without labels." in lines


def test_captions_are_counted(photos):
    (photos / "metadata.jsonl").write_text(
        "\n".join(json.dumps({"file_name": f"{k:02}.png", "text": "a scene"}) for k in range(12))
    )
    found = inspect(photos)
    assert found.captions == 12
    assert "12 captions of 12 images." in found.lines()


def test_points_are_counted_and_equal_ones_found():
    rows = np.array([[0, 1], [2, 3], [0, 1]], np.float32)
    found = inspect(Dataset("pegs", rows))
    assert (found.rows, found.shape, found.equal, found.proposal) == (3, (2,), [["row 0", "row 2"]], None)
    assert found.lines()[1] == "1 points equal another one."


def test_two_domains_are_refused(photos):
    with pytest.raises(DataError, match="check the parts one by one"):
        inspect(f"pairs:{photos}")


@pytest.mark.parametrize(
    ("sizes", "flags", "cost"),
    [
        ({(171, 128): 9, (128, 171): 1}, "--size 86x64", 0.0440),  # one image in ten keeps (128 / 171)²
        ({(128, 171): 10}, "--size 64x86", 0.0),
        ({(100, 105): 10}, "--size 64", 0.0476),
        ({(300, 400): 5, (400, 300): 5}, "--size 64", 0.25),
        ({(100, 200): 5, (200, 100): 5}, "--size 64 --fit pad", 0.5),
        ({(40, 40): 1, (500, 500): 8}, "--size 32", 0.0),
        ({(5, 5): 1}, "--size 8", 0.0),
    ],
)
def test_the_proposal_follows_the_sizes(sizes, flags, cost):
    found = propose(sizes)
    assert found.flags == flags
    assert found.fits[0].cost == pytest.approx(cost, abs=6e-4)


def test_stretching_costs_the_factor_of_the_proportions():
    costs = {fit.fit: fit.cost for fit in propose({(300, 400): 5, (400, 300): 5}).fits}
    assert costs == pytest.approx({"crop": 0.25, "pad": 0.25, "stretch": 1 / 3})


def test_the_command_prints_findings_and_the_next_command_and_writes_all_names(photos, tmp_path, capsys):
    for copy in range(5):
        shutil.copy(photos / "00.png", photos / f"copy{copy}.png")
    assert main(["data", "check", str(photos), "--out", str(tmp_path / "found.json")]) == 0
    said = capsys.readouterr().out
    assert "5 images have the same pixels as another, for example 00.png, copy0.png, copy1.png and 3 more" in said
    assert said.splitlines()[-1] == f"Next: sparring auto {photos} --minutes 60"
    written = json.loads((tmp_path / "found.json").read_text())
    assert written["equal"] == [["00.png", *(f"copy{k}.png" for k in range(5))]]
    assert written["sizes"] == [{"height": 96, "width": 96, "images": 17}]
    assert written["proposal"] == {"size": "64", "fits": {"crop": 0.0, "pad": 0.0, "stretch": 0.0}}


def test_the_findings_do_not_replace_an_image(photos, capsys):
    assert main(["data", "check", str(photos), "--out", str(photos / "00.png")]) == 2
    assert "00.png" in capsys.readouterr().err
    assert inspect(photos).rows == 12
