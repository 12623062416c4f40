"""Painting for users: maps in the palette's colours, refusals that name the nearest class, styles, films, boards."""

import numpy as np
import pytest
import torch
from PIL import Image

from sparring.abilities import require_label_maps
from sparring.cli import main
from sparring.data import LabelMapClasses
from sparring.data.annotations.label_maps import parse_class_list
from sparring.data.annotations.palettes import colourize, label_map_files, read_label_map, save_palette
from sparring.errors import DataError, GameError
from sparring.inference import label_maps
from sparring.inference.sampling import interpolate, latents_from_seeds
from sparring.reports.next_steps import commands
from sparring.runs.config import facts
from sparring.runs.run import Run
from sparring.runs.state import load_game
from support.label_map_runs import saved, start
from support.painters import small
from support.runs import difference, play

SKY, ROAD, TREE = (0, 0, 255), (128, 128, 128), (0, 200, 0)


REGIONS = LabelMapClasses(("sky", "road", "old tree"), (SKY, ROAD, TREE))


def size(path):
    with Image.open(path) as image:
        return image.size


def shown(path):
    with Image.open(path) as image:
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 127.5 - 1


# --- maps and palettes


def test_a_map_is_read_in_colours_in_numbers_and_in_an_index(tmp_path):
    numbers = np.array([[0, 1, 2], [2, 1, 0]])
    colours = np.array(REGIONS.colours)[numbers]
    expected = numbers.tolist()
    assert read_label_map(saved(tmp_path / "a.png", colours), REGIONS).tolist() == expected
    assert read_label_map(saved(tmp_path / "b.png", numbers), REGIONS).tolist() == expected
    index = Image.fromarray(np.array([[5, 7, 6], [6, 7, 5]], np.uint8), mode="P")
    index.putpalette([0] * 15 + [*SKY, *TREE, *ROAD])
    index.save(tmp_path / "c.png")
    assert read_label_map(tmp_path / "c.png", REGIONS).tolist() == expected, (
        "a program's own order of the palette's colours"
    )
    index = Image.fromarray(numbers.astype(np.uint8), mode="P")
    index.putpalette([9, 9, 9, 8, 8, 8, 7, 7, 7])
    index.save(tmp_path / "d.png")
    assert read_label_map(tmp_path / "d.png", REGIONS).tolist() == expected, "an index of other colours is of numbers"
    clear = np.concatenate([colours, np.full((2, 3, 1), 255)], 2)
    assert read_label_map(saved(tmp_path / "e.png", clear), REGIONS).tolist() == expected


def test_the_unknown_is_kept_and_other_numbers_are_refused(tmp_path):
    assert read_label_map(saved(tmp_path / "a.png", [[0, 255]]), REGIONS).tolist() == [[0, 3]]
    with pytest.raises(DataError, match=r"class number 7, but the palette has 3 classes, .* in numbers up to 2"):
        read_label_map(saved(tmp_path / "b.png", [[0, 7]]), REGIONS)


def test_a_colour_of_no_class_is_refused_with_the_nearest_class_or_read_as_it(tmp_path):
    drawn = [[SKY, (10, 190, 0), (10, 190, 0), (120, 128, 128)]]
    path = saved(tmp_path / "soft.png", drawn)
    message = r"3 pixels in 2 colours of no class, most of them #0abe00, nearest to old tree \(#00c800\).*--nearest"
    with pytest.raises(DataError, match=message):
        read_label_map(path, REGIONS)
    assert read_label_map(path, REGIONS, nearest=True).tolist() == [[0, 2, 2, 1]]


def test_a_palette_is_written_as_it_is_read_and_for_drawing_programs(tmp_path):
    text = save_palette(REGIONS, tmp_path / "new/palette.txt").read_text()
    assert parse_class_list("palette.txt", text) == REGIONS
    lines = save_palette(REGIONS, tmp_path / "palette.gpl").read_text().splitlines()
    assert lines[0] == "GIMP Palette"
    assert lines[-1] == "  0 200   0\told tree"


def test_maps_are_shown_in_their_colours_and_what_is_unknown_in_black():
    seen = colourize(torch.tensor([[[0, 1], [2, 3], [99, -1]]]), REGIONS)
    assert ((seen + 1) * 127.5).round().permute(0, 2, 3, 1)[0].tolist() == [
        [list(SKY), list(ROAD)],
        [list(TREE), [0, 0, 0]],
        [[0, 0, 0], [0, 0, 0]],
    ]


def test_a_folder_of_maps_is_read_in_order_and_an_empty_one_is_refused(tmp_path, data):
    assert [path.name for path in label_map_files(data / "labels")] == [f"{index}.png" for index in range(6)]
    assert label_map_files(tmp_path / "x.png") == [tmp_path / "x.png"]
    with pytest.raises(DataError, match="holds no label maps"):
        label_map_files(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        read_label_map(tmp_path / "x.png", REGIONS)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="not a readable image"):
        read_label_map(tmp_path / "broken.png", REGIONS)


# --- a run


def test_a_run_stores_its_palette(run, tmp_path):
    assert label_maps.require_palette(facts(run)) == REGIONS
    plain = Run.create(
        tmp_path / "plain", "dcgan", data="digits", size=8, device="cpu", arguments={"networks": {"width": 4}}
    )
    with pytest.raises(DataError, match="not trained on label maps: train gaugan"):
        label_maps.require_palette(facts(plain.folder))
    with pytest.raises(GameError, match="GAN cannot paint label maps: train gaugan"):
        require_label_maps(plain.game)
    with pytest.raises(GameError, match="GauGAN draws no samples, it paints label maps: see `sparring paint`"):
        latents_from_seeds(load_game(run, device="cpu"), [0])


def test_a_run_stopped_and_resumed_is_the_same_run(data, tmp_path):
    straight = play(start(tmp_path / "straight", data), 4)
    play(start(tmp_path / "stopped", data), 1)
    resumed = play(start(tmp_path / "stopped", data), 4)
    assert difference(straight.state.state_dict(), resumed.state.state_dict()) == ""
    assert (tmp_path / "straight/log.jsonl").read_bytes() == (tmp_path / "stopped/log.jsonl").read_bytes()


def test_pictures_of_a_training_show_map_truth_and_drawing_and_leave_no_trace(data, run, tmp_path):
    opened, game = Run.open(run, device="cpu"), load_game(run, device="cpu")
    for painter in (opened.inference_game, game):
        with torch.no_grad():
            painter.E.body[-1].weight *= 100  # styles are visible only after a long training
    before = {name: value.clone() for name, value in opened.inference_game.state_dict().items()}
    board = label_maps.comparison_grid(opened.inference_game, opened.dataset, np.array([0, 3]))
    assert board.shape == (8, 3, 16, 16)
    x, labels = opened.dataset.rows(np.array([0, 3]))[0], opened.dataset.paired_domain.rows(np.array([0, 3]))
    torch.testing.assert_close(board[1], x[0] / 127.5 - 1)
    torch.testing.assert_close(board[4], colourize(labels, REGIONS)[1])
    styles = label_maps.encode_styles(game, board[[1, 5]])
    assert (board[2] - board[3]).abs().max() > 1e-4
    torch.testing.assert_close(board[2], label_maps.paint(game, labels[0], styles[:1])[0])
    torch.testing.assert_close(board[3], label_maps.paint(game, labels[0], styles[1:])[0])
    assert difference(before, dict(opened.inference_game.state_dict())) == ""
    assert sorted(path.name for path in (run / "samples").iterdir())[0] == "000000.png"
    assert any("sparring paint" in line for line in commands(opened))
    with pytest.raises(DataError, match="has no label maps"):
        label_maps.comparison_grid(game, opened.dataset.paired_domain.dataset, np.array([0]))


# --- styles


def test_a_seed_is_a_style_in_any_batch():
    game = small()
    both = label_maps.sample_styles(game, [3, 8])
    assert torch.equal(both[1:], label_maps.sample_styles(game, [8]))
    assert (both[0] - both[1]).abs().max() > 0.1


def test_a_way_leads_from_style_to_style():
    game, labels = small(norm="instance").eval(), torch.randint(3, (16, 20))
    styles = label_maps.sample_styles(game, [1, 2])
    way = label_maps.interpolate_styles(game, labels, styles, 5, loop=False)
    ends = label_maps.paint(game, labels, styles)
    torch.testing.assert_close(way[[0, 4]], ends)
    torch.testing.assert_close(way[2], label_maps.paint(game, labels, interpolate(styles, 3, loop=False)[1:2])[0])
    assert label_maps.interpolate_styles(game, labels, styles, 4).shape == (4, 3, 16, 20)
    with pytest.raises(DataError, match="two seeds or more"):
        label_maps.interpolate_styles(game, labels, styles[:1], 5)
    plain = small(style=False)
    with pytest.raises(GameError, match="trained without styles"):
        label_maps.interpolate_styles(plain, labels, torch.zeros(2, 0), 5)


def test_a_large_map_is_painted_style_by_style_with_the_same_result():
    game, labels = small(norm="instance").eval(), torch.randint(3, (16, 16))
    styles = label_maps.sample_styles(game, range(20))
    torch.testing.assert_close(
        label_maps.paint(game, labels, styles)[17:18], label_maps.paint(game, labels, styles[17:18])
    )


# --- the command


def run_paint(capsys, *words):
    assert main(["paint", *map(str, words)]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_a_map_of_any_size_is_painted_in_a_photographs_style(run, data, tmp_path, capsys):
    drawn = saved(tmp_path / "drawn.png", np.array(REGIONS.colours)[np.arange(30 * 21).reshape(30, 21) % 3])
    out = tmp_path / "one.png"
    run_paint(capsys, run, "--labels", drawn, "--style", data / "images/2.png", "--out", out, "--device", "cpu")
    assert size(out) == (21, 30)
    game, labels = load_game(run, device="cpu"), read_label_map(drawn, REGIONS)
    expected = label_maps.paint(game, labels, label_maps.encode_styles(game, shown(data / "images/2.png")))
    assert (shown(out) - expected).abs().max() < 0.01


def test_several_styles_several_maps_and_films(run, data, tmp_path, capsys):
    labels = data / "labels"
    photographs = [data / "images/1.png", data / "images/2.png"]
    run_paint(
        capsys, run, "--labels", labels / "0.png", "--style", *photographs, "--seeds", "4", "--out", tmp_path / "s.png"
    )
    assert size(tmp_path / "s.png")[0] > 4 * 16
    run_paint(capsys, run, "--labels", labels, "--seeds", "1,2", "--out", tmp_path / "each")
    assert len(list((tmp_path / "each").iterdir())) == 12
    assert size(tmp_path / "each/3-seed-2.png") == (16, 16)
    run_paint(capsys, run, "--labels", labels, "--out", tmp_path / "plain")
    assert sorted(path.name for path in (tmp_path / "plain").iterdir())[0] == "0.png"
    run_paint(
        capsys, run, "--labels", labels / "0.png", "--seeds", "1,2", "--frames", "5", "--out", tmp_path / "film.gif"
    )
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames > 1


def test_the_palette_can_be_written_and_errors_are_one_sentence(run, data, tmp_path, capsys):
    assert "3 classes" in run_paint(capsys, run, "--palette", tmp_path / "palette.gpl")
    assert (tmp_path / "palette.gpl").exists()
    for words, what in (
        ([], "No label map is given"),
        (["--labels", data / "labels", "--out", tmp_path / "one.png"], "name a folder in --out"),
        (["--labels", data / "images/0.png"], "--nearest"),
        (["--labels", tmp_path / "none.png"], "cannot be read"),
        (["--labels", data / "labels/0.png", "--frames", "5"], "two seeds or more"),
        (["--labels", data / "labels/0.png", "--seeds", "x"], "cannot be read"),
    ):
        assert main(["paint", str(run), *map(str, words)]) == 2
        error = capsys.readouterr().err
        assert what in error, error
        assert error.count("\n") == 1
