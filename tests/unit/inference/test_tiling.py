"""Large label maps in tiles: parts of one scene, in bounded memory, faded into each other."""

import numpy as np
import pytest
import torch
from PIL import Image

from sparring.cli import main
from sparring.errors import DataError
from sparring.game import evaluation_mode
from sparring.inference import label_maps
from sparring.inference.tiling import blend_tiles, resolve_overlap, tiles
from sparring.layers.tiled_norm import collect_moments, with_moments
from sparring.runs.state import load_game
from support.painters import REGIONS, small

FAR = 48  # pixels beyond the receptive field of the small network


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def scene(height=16, width=256):
    """A map whose left is another scene than its right."""
    coarse = torch.randint(REGIONS, (-(-height // 4), -(-width // 4)))
    coarse[:, : width // 8] = 0
    return coarse.repeat_interleave(4, 0).repeat_interleave(4, 1)[:height, :width]


def test_tiles_cover_a_picture_and_fade_into_each_other():
    truth = torch.rand(2, 3, 40, 100)
    windows = []

    def cut(window):
        windows.append(window)
        return truth[:, :, *window]

    parts = tiles((40, 100), 32, 8, 4)
    torch.testing.assert_close(blend_tiles((40, 100), parts, cut), truth)
    assert len(windows) == 2 * 4
    assert all(rows.start % 4 == columns.start % 4 == 0 for rows, columns in windows)
    assert {(rows.stop - rows.start, columns.stop - columns.start) for rows, columns in windows} == {(32, 32)}
    assert sum(share.sum().item() for _, share in parts) == pytest.approx(40 * 100)
    two = tiles((8, 48), 32, 16, 4)
    steps = blend_tiles((8, 48), two, lambda window: torch.full((1, 1, 8, 32), float(window[1].start > 0)))[0, 0, 0]
    assert steps[:16].tolist() == [0] * 16
    assert steps[32:].tolist() == [1] * 16
    assert (steps.diff()[15:32] > 0).all()
    torch.testing.assert_close(steps, 1 - steps.flip(0))


def test_tiles_overlap_by_half_at_most():
    assert (resolve_overlap(512, None), resolve_overlap(64, None), resolve_overlap(64, 5)) == (64, 16, 5)
    for overlap in (-1, 33):
        with pytest.raises(DataError, match="cannot overlap"):
            resolve_overlap(64, overlap)


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("style", [True, False])
def test_a_part_of_a_map_is_painted_as_in_the_whole(norm, style):
    """Given the moments of the whole, a part away from its border is the same to rounding."""
    game, labels = small(norm=norm, style=style).eval(), scene()[None]
    styles = label_maps.sample_styles(game, [1])
    with evaluation_mode(game):
        moments = collect_moments(game, [(lambda: game.paint(labels, styles), torch.ones(16, 256))])
        whole = game.paint(labels, styles)
    assert bool(moments) == (norm == "instance")
    with evaluation_mode(game), with_moments(moments):
        part = game.paint(labels[:, :, 64:192], styles, (0, 64, 16, 256))
    off = (part - whole[..., 64:192]).abs()
    assert off[..., FAR:-FAR].max() < 1e-5
    with evaluation_mode(game):
        alone = game.paint(labels[:, :, 64:192], styles)
    if norm == "instance" or style:
        assert (alone - whole[..., 64:192])[..., FAR:-FAR].abs().max() > 1e-3, "which by itself it is not"


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_a_large_map_is_painted_in_tiles_nearly_as_in_one(norm):
    game, labels = small(norm=norm).eval(), scene(22, 250)
    styles = label_maps.sample_styles(game, [1, 2])
    whole = label_maps.paint(game, labels, styles, tile=512)
    sizes = []
    game.G.register_forward_pre_hook(lambda _, given: sizes.append(tuple(given[0].shape[2:])))
    tiled = label_maps.paint(game, labels, styles, tile=128, overlap=32)
    assert tiled.shape == whole.shape == (2, 3, 22, 250)
    assert max(max(size) for size in sizes) <= 128
    assert len(sizes) > 2
    by_themselves = torch.cat([label_maps.paint(game, part, styles) for part in labels.split(125, 1)], 3)
    off, naive = ((made - whole).abs().mean().item() for made in (tiled, by_themselves))
    assert off < naive / 4
    assert (tiled[0] - tiled[1]).abs().mean() > 1e-3


def test_a_map_of_one_tile_is_painted_as_ever_and_nothing_stays_behind():
    game, labels = small(norm="instance").eval(), scene(16, 64)
    styles = label_maps.sample_styles(game, [1])
    with evaluation_mode(game):
        expected = game.paint(labels[None], styles)
    torch.testing.assert_close(label_maps.paint(game, labels, styles, tile=64), expected)
    label_maps.paint(game, labels, styles, tile=32)
    torch.testing.assert_close(label_maps.paint(game, labels, styles, tile=64), expected)
    with pytest.raises(DataError, match="cannot overlap"):
        label_maps.paint(game, labels, styles, tile=32, overlap=31)


def test_the_command_paints_in_tiles(run, data, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(label_maps, "blend_tiles", lambda *given: calls.append(given[0]) or blend_tiles(*given))
    drawn, out = tmp_path / "drawn.png", tmp_path / "one.png"
    Image.fromarray((np.arange(90 * 21).reshape(21, 90) % 3).astype(np.uint8)).save(drawn)
    assert main(["paint", str(run), "--labels", str(drawn), "--out", str(out), "--tile", "32", "--device", "cpu"]) == 0
    game = load_game(run, device="cpu")
    with Image.open(drawn) as image:
        labels = torch.from_numpy(np.array(image)).long()
    expected = label_maps.paint(game, labels, label_maps.sample_styles(game, [0]), tile=32)
    with Image.open(out) as image:
        shown = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 127.5 - 1
    assert (shown - expected).abs().max() < 0.01
    assert calls == [(24, 92)] * 2
