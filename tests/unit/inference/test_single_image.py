"""One photograph: read whole, and what a game that learned from it can do with it and with other pictures."""

import math
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from sparring.cli import main
from sparring.data import load
from sparring.errors import DataError, GameError, RunError
from sparring.evaluation import single_image
from sparring.game import evaluation_mode as resting
from sparring.inference import single_image as one_image
from sparring.inference.sampling import sample_seeds
from sparring.layers.resampling import resize_bicubic
from sparring.reports.next_steps import commands
from sparring.reports.run_report import evaluation
from sparring.runs.run import Run
from support.runs import PHOTO, play, start
from support.singan import X, small, trained

HEIGHT, WIDTH = 16, 24


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def game():
    """Three scales, hardly trained: sizes 11 × 16, 13 × 20 and 16 × 24."""
    return trained(6).eval()


def saved(path, image):
    image.save(path)
    return path


def photo(size=(60, 40), mode="RGB"):
    x = np.arange(size[0])[None, :, None] * [4, 1, 0] + np.arange(size[1])[:, None, None] * [0, 2, 5]
    return Image.fromarray((x % 256).astype(np.uint8)).convert(mode)


# Data.


@pytest.mark.parametrize(("size", "shape"), [(None, (3, 40, 60)), (30, (3, 20, 30)), (4096, (3, 40, 60))])
def test_a_photograph_is_read_whole_and_resized_on_request(tmp_path, size, shape):
    path = saved(tmp_path / "photo.png", photo())
    data = load(f"whole:{path}", size=size)
    assert (len(data), data.shape, data.classes) == (1, shape, ())
    if size is None:
        assert np.array_equal(data.values[0], np.asarray(photo()))
    assert load(path, size=20).shape == (3, 20, 20), "without the word it is one of many, and square"
    assert load(f"whole:{path}", size=20).shape == (3, 13, 20), "neither is taken for the other"


def test_the_longer_side_is_250_pixels_at_most_by_default(tmp_path):
    assert load(f"whole:{saved(tmp_path / 'wide.png', photo((500, 100)))}").shape == (3, 50, 250)
    assert load(f"whole:{saved(tmp_path / 'tall.png', photo((100, 500)))}").shape == (3, 250, 50)
    assert load(f"whole:{saved(tmp_path / 'line.png', photo((500, 1)))}", size=50).shape == (3, 1, 50)


def test_grey_transparent_and_turned_photographs(tmp_path):
    assert load(f"whole:{saved(tmp_path / 'grey.png', photo(mode='L'))}", size=30).shape == (1, 20, 30)
    clear = Image.new("RGBA", (8, 4), (255, 0, 0, 0))
    path = saved(tmp_path / "clear.png", clear)
    assert (load(f"whole:{path}").values == 255).all(), "what is transparent is white"
    assert load(f"whole:{path}", channels=4).values[0, 0, 0].tolist() == [255, 0, 0, 0]
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    photo().save(tmp_path / "turned.jpg", exif=exif)
    assert load(f"whole:{tmp_path / 'turned.jpg'}").shape == (3, 60, 40)


def test_what_is_no_single_photograph_is_refused(tmp_path):
    for name in ("a", "b"):
        saved(tmp_path / f"{name}.png", photo())
    with pytest.raises(DataError, match="holds 2 images, but one is required: give one file"):
        load(f"whole:{tmp_path}")
    for name in ("digits", tmp_path / "nothing.png"):
        with pytest.raises(DataError, match="is no image file: give the path of one"):
            load(f"whole:{name}")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"broken.png is not a readable image"):
        load(f"whole:{tmp_path / 'broken.png'}")


def test_a_run_records_the_photograph_and_refuses_another(tmp_path, monkeypatch):
    monkeypatch.setattr("sparring.runs.snapshots.save_grid", lambda *_, **__: None)
    path = saved(tmp_path / "photo.png", photo())
    run = start(tmp_path / "run", "singan", {"data": path, "device": "cpu"}, size=30)
    assert run.config.data.name == f"whole:{path}"
    assert (run.config.batch_size, run.dataset.shape) == (1, (3, 20, 30))
    play(run, 1)
    assert Run.open(tmp_path / "run", device="cpu").step == 1
    photo((61, 40)).save(path)
    with pytest.raises(RunError, match="fingerprint differs"):
        Run.open(tmp_path / "run", device="cpu")


# Samples.


def test_a_seed_is_the_same_sample_always(game):
    drawn = one_image.sample_seeds(game, [3, 4])
    assert drawn.shape == (2, 3, HEIGHT, WIDTH)
    assert torch.allclose(drawn, sample_seeds(game, [3, 4]), atol=1e-5)
    assert torch.allclose(one_image.sample_seeds(game, [4]), drawn[1:], atol=1e-6)
    assert (drawn[0] - drawn[1]).abs().mean() > 1e-3


@pytest.mark.parametrize("size", [(10, 40), (33, 17), (100, 240)])
def test_samples_of_any_size(game, size):
    assert one_image.sample_seeds(game, [0], size=size).shape == (1, 3, *size)
    assert one_image.sample_seeds(game, [0], size=size, start=2).shape == (1, 3, *size)


def test_the_layout_below_a_scale_is_the_photographs(game):
    with resting(game):
        layout = [game.reconstruct(k) for k in range(3)]
    spread = []
    for begin in range(3):
        drawn = one_image.sample_seeds(game, range(4), start=begin)
        kept = layout[begin - 1] if begin else None
        spread.append(drawn.std(0).mean().item())
        if begin:
            with resting(game):
                expected = game.run_scales([torch.zeros(1, *game.noise_shape(k)) for k in range(begin, 3)], kept, begin)
            assert (drawn.mean(0) - expected).abs().mean() < 0.1
    assert spread[0] > spread[1] > spread[2] > 0


def test_large_samples_are_made_in_strips(game, monkeypatch):
    whole = one_image.sample_seeds(game, [0], size=(90, 70))
    monkeypatch.setattr("sparring.networks.singan.AT_ONCE", 2000)
    assert torch.allclose(one_image.sample_seeds(game, [0], size=(90, 70)), whole, atol=1e-5)


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({"size": (0, 5)}, "is not possible"),
        ({"size": (10**5, 10**5)}, "is not possible"),
        ({"start": 3}, "There is no scale 3 to start from: give one from 0 to 2"),
        ({"start": -1}, "There is no scale -1"),
    ],
)
def test_samples_that_cannot_be_are_refused(game, how, match):
    with pytest.raises(DataError, match=match):
        one_image.sample_seeds(game, [0], **how)


def test_other_and_unfinished_games_are_refused():
    from sparring.recipes.gan import nsgan

    with pytest.raises(GameError, match="GAN learned from no single photograph: train one with `sparring singan`"):
        one_image.sample_seeds(nsgan((2,)), [0])
    with pytest.raises(GameError, match="Only 2 of 3 scales have begun: go on with `sparring resume`"):
        one_image.super_resolve(trained(3))


# Super-resolution.


class Nothing(torch.nn.Module):
    """A last scale that adds nothing, and counts its calls."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, z, y):
        self.sizes.append(tuple(y.shape[2:]))
        return y + z


def test_a_picture_is_made_larger_step_by_step():
    game = trained(6).eval()
    game.G[-1] = last = Nothing()
    game.sizes = ((11, 16), (12, 18), (16, 24))  # the last scale makes images 4/3 times as large
    made = one_image.super_resolve(game, factor=4)
    assert last.sizes == [(21, 32), (28, 42), (37, 55), (49, 73), (64, 96)]
    assert round(math.log(4) / math.log(4 / 3)) == 5
    for rounds in (0, 5):
        made = one_image.super_resolve(game, factor=4, projections=rounds)
        assert (resize_bicubic(made, (HEIGHT, WIDTH)) - X).abs().mean() < 0.05
    assert torch.equal(one_image.super_resolve(game, factor=4), made), "no noise by default"
    other = one_image.super_resolve(game, factor=1.2, noise=True)
    assert other.shape == (1, 3, 19, 29)
    assert not torch.equal(other, one_image.super_resolve(game, factor=1.2, noise=True, seed=1))
    assert one_image.super_resolve(game, torch.zeros(1, 3, 7, 9), factor=2).shape == (1, 3, 14, 18)


def test_back_projection_keeps_what_is_known_and_the_detail_that_was_added():
    game = trained(6).eval()
    free, bound = (one_image.super_resolve(game, factor=2, projections=rounds) for rounds in (0, 5))

    def lost(made):
        return (resize_bicubic(made, (HEIGHT, WIDTH)) - X).abs().mean()

    assert lost(free) > 0.1, "what the scales draw freely is another picture"
    assert lost(bound) < 0.01
    smooth = resize_bicubic(X, (2 * HEIGHT, 2 * WIDTH))
    assert bound.diff(dim=3).square().mean() > 1.2 * smooth.diff(dim=3).square().mean(), "sharper than enlarging alone"
    assert bound.abs().max() <= 1


@pytest.mark.parametrize(
    ("image", "how", "match"),
    [
        (None, {"factor": 1.0}, "above 1"),
        (None, {"factor": 10.0**5}, "is not possible"),
        (torch.zeros(1, 1, 9, 9), {"factor": 2.0}, "channels of the photograph"),
        (None, {"projections": -1}, "give 0 or more"),
    ],
)
def test_pictures_that_cannot_be_made_larger_are_refused(game, image, how, match):
    with pytest.raises(DataError, match=match):
        one_image.super_resolve(game, image, **how)


# Harmonisation, editing, painting.


def test_a_mask_grows_by_a_disc_and_gets_a_soft_edge():
    mask = torch.zeros(1, 1, 41, 41)
    mask[..., 20, 20] = 1
    grown = one_image.feather_mask(mask, 7, 0)
    y, x = torch.meshgrid(torch.arange(41) - 20, torch.arange(41) - 20, indexing="ij")
    assert torch.equal(grown[0, 0], (x**2 + y**2 <= 49).float())
    soft = one_image.feather_mask(mask, 7, 2.5)
    assert soft.sum().item() == pytest.approx(grown.sum().item(), rel=1e-3)
    assert soft[0, 0, 20].tolist() == sorted(soft[0, 0, 20, :21].tolist()) + sorted(
        soft[0, 0, 20, 21:].tolist(), reverse=True
    )
    assert 0.4 < soft[0, 0, 20, 27] < 0.6, "half at the edge"
    assert torch.equal(one_image.feather_mask(torch.ones(1, 1, 5, 6), 3, 5).round(decimals=5), torch.ones(1, 1, 5, 6))


def test_only_what_is_marked_changes(game):
    mask = torch.zeros(1, 1, HEIGHT, WIDTH)
    mask[..., 2:5, 2:5] = 1
    pasted = X.clone()
    pasted[..., 2:5, 2:5] = 1
    made = one_image.harmonize(game, pasted, mask, scale=1)
    assert torch.equal(made[..., 10:, 14:], pasted[..., 10:, 14:])
    assert (made - pasted)[..., 2:5, 2:5].abs().mean() > 0.01
    assert torch.equal(one_image.harmonize(game, pasted, mask, scale=1), made)
    inside = one_image.paint_to_image(game, pasted, scale=1)
    everywhere = one_image.harmonize(game, pasted, torch.ones_like(mask), scale=1)
    assert torch.allclose(everywhere, inside, atol=1e-5)
    wide = one_image.harmonize(game, pasted, mask, scale=1, reach=60)
    assert (wide - pasted)[..., 6:9, 6:9].abs().mean() > (made - pasted)[..., 6:9, 6:9].abs().mean()


@pytest.mark.parametrize(("scales", "expected"), [(2, 1), (3, 1), (4, 2), (7, 4)])
def test_what_was_pasted_enters_two_thirds_of_the_way_up(monkeypatch, scales, expected):
    entered = []
    one = SimpleNamespace(sizes=[(HEIGHT, WIDTH)] * scales, photograph=X)
    monkeypatch.setattr(one_image, "require_trained", lambda _: one)
    monkeypatch.setattr(
        one_image, "paint_to_image", lambda _, drawing, *, scale, seed: entered.append(scale) or drawing
    )
    one_image.harmonize(one, X, torch.ones(1, 1, HEIGHT, WIDTH))
    assert entered == [expected]


def test_a_drawing_enters_at_the_given_scale():
    game = trained(6).eval()
    drawing = -X
    for scale in (1, 2):
        game.amplitudes.zero_()
        with resting(game):
            coarse = resize_bicubic(drawing, game.sizes[scale - 1])
            expected = game.run_scales([torch.zeros(1, *game.noise_shape(k)) for k in range(scale, 3)], coarse, scale)
        made = one_image.paint_to_image(game, drawing, scale=scale)
        assert torch.allclose(made, expected.clamp(-1, 1), atol=1e-5)
        assert made.shape == X.shape
    assert one_image.paint_to_image(game, torch.zeros(1, 3, 5, 90), scale=1).shape == X.shape


@pytest.mark.parametrize(
    ("image", "mask", "scale", "match"),
    [
        (X, torch.ones(1, 1, 9, 9), 1, "The mask is 9 × 9 pixels, the picture 24 × 16"),
        (X[..., :20], torch.ones(1, 1, 16, 20), 1, "The picture is 20 × 16 pixels, the photograph 24 × 16"),
        (X, torch.ones(1, 1, 16, 24), 0, "There is no scale 0 to start from: give one from 1 to 2"),
        (X[:, :1], torch.ones(1, 1, 16, 24), 1, "channels of the photograph"),
    ],
)
def test_pictures_and_masks_that_do_not_fit_are_refused(game, image, mask, scale, match):
    with pytest.raises(DataError, match=match):
        one_image.harmonize(game, image, mask, scale=scale)


# Animation.


def test_a_film_begins_at_the_photograph_and_wanders_as_published():
    game = trained(6).eval()
    frames = list(one_image.animate(game, 4, start=1, pull=0.3, inertia=0.6, seed=2))
    with resting(game):
        assert torch.allclose(frames[0], game.reconstruct(2).clamp(-1, 1), atol=1e-6)
    seen = []
    game.G[1].register_forward_pre_hook(lambda _, given: seen.append(given[0] / game.amplitudes[1]))
    list(one_image.animate(game, 4, start=1, pull=0.3, inertia=0.6, seed=2))
    assert not seen[0].any()
    first = seen[1] / (0.7 * 0.4)  # z_1 = (1 − α)(1 − β) u_0, since z* = 0 here
    assert first.std() == pytest.approx(1, abs=0.15)
    u = (seen[2] / 0.7 - seen[1] - 0.6 * seen[1]) / 0.4
    assert u.std() == pytest.approx(1, abs=0.15)
    assert abs((u * first).mean()) < 0.15, "every blow is a new one"


def test_a_pull_of_1_holds_still_and_late_scales_move_less(game):
    for begin in (0, 1):
        still = list(one_image.animate(game, 3, start=begin, pull=1.0))
        assert torch.equal(still[0], still[2])
    spread = [torch.cat(list(one_image.animate(game, 6, start=k, inertia=0.0))).std(0).mean() for k in (0, 2)]
    assert spread[0] > spread[1] > 0


@pytest.mark.parametrize("how", [{"frames": 0}, {"pull": 1.5}, {"inertia": -1.0}, {"start": 7}])
def test_films_that_cannot_be_are_refused(game, how):
    with pytest.raises(DataError, match=r"A film needs|There is no scale"):
        list(one_image.animate(game, **how))


# Commands.


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("singan")
    words = ["singan", PHOTO["data"], "--out", str(folder / "run"), "--smallest", "11", "--rounds", "1", "--width", "4"]
    assert main([*words, "--device", "cpu"]) == 0
    return folder / "run"


def test_a_photograph_is_trained_on_to_the_end_of_its_scales(trained_run, capsys):
    assert Run.open(trained_run, device="cpu").step == 3
    assert main(["resume", str(trained_run), "--device", "cpu"]) == 0
    assert "already at step 3" in capsys.readouterr().out


def test_the_recipe_is_checked_on_a_photograph_through_all_its_scales(tmp_path, capsys):
    path = saved(tmp_path / "photo.png", photo((40, 31)))
    assert main(["check", "singan", "--data", str(path), "--batch-size", "1"]) == 0
    assert "singan keeps the rules" in capsys.readouterr().out
    assert main(["check", "singan"]) == 2
    assert "ring is no image file" in capsys.readouterr().err


def test_a_run_prints_its_stages_and_the_next_command(trained_run, capsys):
    words = ["singan", PHOTO["data"], "--out", str(trained_run), "--smallest", "11", "--rounds", "1", "--width", "4"]
    assert main([*words, "--device", "cpu", "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert "stages: 3, from scale 1 of 3, 16 × 11 pixels to scale 3 of 3, 24 × 16 pixels; 3 steps in all" in output
    assert any("singan evaluate" in line for line in commands(Run.open(trained_run, device="cpu")))


def test_stages_are_shown_as_stages(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sparring.cli.console.EVERY", {True: 0.0, False: 0.0})
    words = ["singan", PHOTO["data"], "--smallest", "11", "--rounds", "2", "--width", "4", "--device", "cpu"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step ")]
    columns = [line.split("  ")[1] for line in lines]
    assert columns == [
        f"scale {k} of 3, {size} pixels, {part} of it"
        for k, size in ((1, "16 × 11"), (2, "20 × 13"), (3, "24 × 16"))
        for part in ("50%", "100%")
    ]


def test_every_use_is_a_command(trained_run, tmp_path, capsys):
    run, picture = str(trained_run), PHOTO["data"]
    mask = str(saved(tmp_path / "mask.png", Image.new("L", (WIDTH, HEIGHT), 255)))
    for words, name, size in (
        (["sample", run, "--size", "30x40", "--start-scale", "1", "--seeds", "0"], "a.png", (40 * 8, 30 * 8)),
        (["singan", "super-resolve", run, "--factor", "2"], "b.png", (48, 32)),
        (["singan", "super-resolve", run, "--picture", mask, "--factor", "1.5", "--noise"], "c.png", (36, 24)),
        (["singan", "harmonize", run, picture, "--mask", mask, "--scale", "1"], "d.png", (WIDTH, HEIGHT)),
        (["singan", "edit", run, picture, "--mask", mask], "e.png", (WIDTH, HEIGHT)),
        (["singan", "paint", run, mask], "f.png", (WIDTH, HEIGHT)),
        (["singan", "animate", run, "--frames", "3"], "g.gif", (240, 160)),
    ):
        assert main([*words, "--out", str(tmp_path / name), "--device", "cpu"]) == 0, words
        with Image.open(tmp_path / name) as image:
            assert image.size == size, words
            if name == "g.gif":
                assert (image.n_frames, image.info["duration"]) == (3, 100)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["singan"], "Name the photograph first"),
        (["singan", "nowhere.jpg"], "nowhere.jpg is no image file"),
        (["singan", "animate", "RUN", "--start-scale", "9"], "There is no scale 9"),
        (["singan", "super-resolve", "RUN", "--factor", "0.5"], "give a factor above 1"),
        (["singan", "harmonize", "RUN", "PHOTO", "--mask", "SQUARE"], "does not have the aspect ratio 24 × 16"),
        (["sample", "RUN", "--size", "large"], "write height and width, such as 100x240"),
        (["sample", "RUN", "--size", "0x7"], "is not possible"),
    ],
)
def test_errors_are_one_sentence(trained_run, tmp_path, capsys, words, sentence):
    square = str(saved(tmp_path / "square.png", Image.new("L", (9, 9))))
    names = {"RUN": str(trained_run), "PHOTO": PHOTO["data"], "SQUARE": square}
    assert main([names.get(word, word) for word in words]) == 2
    output = capsys.readouterr().err
    assert sentence in output
    assert output.count("\n") == 1


def drawn_mask(colour, around):
    """A rectangle of 8 × 6 pixels in the corner, as an RGBA picture."""
    image = Image.new("RGBA", (WIDTH, HEIGHT), around)
    image.paste(colour, (0, 0, 8, 6))
    return image


@pytest.mark.parametrize(
    ("colour", "around"),
    [
        ((255, 255, 255, 255), (0, 0, 0, 255)),
        ((255, 255, 255, 255), (255, 255, 255, 0)),
        ((0, 0, 0, 255), (0, 0, 0, 0)),
        ((200, 0, 0, 200), (0, 255, 0, 50)),
    ],
)
def test_a_mask_is_what_is_white_or_where_a_part_is_transparent_what_is_opaque(tmp_path, colour, around):
    path = saved(tmp_path / "mask.png", drawn_mask(colour, around))
    white = one_image.load_mask(path, (HEIGHT, WIDTH)) > 0
    assert white.shape == (1, 1, HEIGHT, WIDTH)
    assert white[..., :6, :8].all()
    assert white.sum() == 6 * 8


def test_transparency_of_a_palette_is_a_mask_also_in_another_size(tmp_path):
    image = Image.new("P", (2 * WIDTH, 2 * HEIGHT), 1)
    image.putpalette([0, 0, 0, 255, 255, 255])
    image.paste(0, (0, 0, 16, 12))
    image.save(tmp_path / "mask.png", transparency=1)
    white = one_image.load_mask(tmp_path / "mask.png", (HEIGHT, WIDTH)) > 0
    assert white[..., :6, :8].all()
    assert white.sum() == 6 * 8


@pytest.mark.parametrize(
    ("colour", "sentence"),
    [
        ((0, 0, 0, 255), "is empty, so that nothing would change: make the pasted part white"),
        ((255, 255, 255, 0), "is empty, so that nothing would change: make the pasted part opaque"),
        ((0, 0, 0, 0), "is empty, so that nothing would change: make the pasted part opaque"),
    ],
)
@pytest.mark.parametrize("command", ["harmonize", "edit"])
def test_an_empty_mask_is_refused(trained_run, tmp_path, capsys, command, colour, sentence):
    mask, out = saved(tmp_path / "mask.png", drawn_mask(colour, colour)), tmp_path / "out.png"
    words = ["singan", command, str(trained_run), PHOTO["data"], "--mask", str(mask), "--out", str(out)]
    assert main([*words, "--device", "cpu"]) == 2
    output = capsys.readouterr().err
    assert sentence in output
    assert output.count("\n") == 1
    assert not out.exists()


def test_samples_are_compared_with_a_baseline_of_colours_only(trained_run, capsys):
    assert main(["singan", "evaluate", str(trained_run), "--samples", "4", "--device", "cpu"]) == 0
    output = capsys.readouterr().out
    found = evaluation(trained_run)
    assert [score.name for score in found.scores][:2] == ["distance, from scale 0", "variety, from scale 0"]
    assert len(found.scores) == 6
    assert set(found.references) == {"noise", "pixels shuffled"}
    assert "64 random filters of 7 x 7 pixels" in output
    distances = [score.value for score in found.scores[::2]]
    varieties = [score.value for score in found.scores[1::2]]
    assert varieties == sorted(varieties, reverse=True)
    assert found.scores[0].interval[0] < distances[0] < found.scores[0].interval[1]
    assert main(["evaluate", str(trained_run), "--device", "cpu"]) == 2
    assert "evaluate the run with `sparring singan evaluate`" in capsys.readouterr().err
    assert main(["singan", "evaluate", str(trained_run), "--samples", "1", "--device", "cpu"]) == 2
    assert main(["report", str(trained_run), "--device", "cpu"]) == 0


def test_copies_have_no_distance_and_no_variety(trained_run, monkeypatch):
    run = Run.open(trained_run, device="cpu")
    copies = torch.cat([run.game.image] * 3)
    monkeypatch.setattr("sparring.inference.single_image.sample_seeds", lambda *_, **__: time.sleep(0.02) or copies)
    begun = time.perf_counter()
    found = single_image.evaluate_single_image(run.inference_game, run.dataset, samples=3)
    assert sum(found.seconds.values()) <= time.perf_counter() - begun
    assert [score.value for score in found.scores] == pytest.approx([0.0] * 6, abs=1e-9)
    assert min(column[0].value for column in found.references.values()) > 0.5


def test_a_run_of_another_game_is_refused_with_the_command_to_train_one(tmp_path, capsys):
    play(start(tmp_path / "run"), 1)
    run = str(tmp_path / "run")
    for words in (["singan", "animate", run], ["sample", run, "--size", "9x9"]):
        assert main(words) == 2
        assert "learned from no single photograph" in capsys.readouterr().err


def test_a_pyramid_of_one_scale_can_do_what_it_can():
    game = small(smallest=16, rounds=1)
    with pytest.raises(GameError, match="Only 0 of 1"):
        one_image.sample_seeds(game, [0])
    game.begin(0, X)
    assert one_image.sample_seeds(game.eval(), [0]).shape == X.shape
    assert one_image.super_resolve(game, factor=2).shape == (1, 3, 32, 48)
    with pytest.raises(DataError, match="There is only one scale"):
        one_image.paint_to_image(game, X)


def test_the_photograph_of_the_tests_is_small():
    assert Path(PHOTO["data"]).stat().st_size < 2000
