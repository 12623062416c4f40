"""Films hold every frame, play in a loop, and are refused where they cannot be written."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from sparring.errors import RunError
from sparring.visualization import video


def level(value):
    return torch.full((1, 4, 4), value)


def loaded(path):
    with Image.open(path) as image:
        return [np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(image)], image.info


@pytest.mark.parametrize("ending", ["gif", "webp", "png"])
def test_a_film_plays_every_frame_in_a_loop(tmp_path, ending):
    values = (-1.0, 0.0, 1.0)
    frames = video.frames(torch.stack([level(v) for v in values]))
    path = video.save_animation(frames, tmp_path / f"walk.{ending}", fps=10)
    shown, facts = loaded(path)
    assert facts["loop"] == 0
    assert [frame[9, 9] for frame in shown] == [0, 128, 255]


def test_a_walk_of_points_grows_frame_by_frame():
    frames = video.frames(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    blue = [int((np.asarray(frame).astype(int) @ [-1, 0, 1] > 40).sum()) for frame in frames]
    assert len(frames) == 3
    assert blue[0] < blue[1] < blue[2]


def test_an_empty_film_and_one_that_needs_ffmpeg_are_refused(tmp_path, monkeypatch):
    with pytest.raises(RunError, match="no frame"):
        video.save_animation([], tmp_path / "walk.gif")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(RunError, match=r"ffmpeg.*\.gif"):
        video.save_animation(video.frames(torch.zeros(2, 1, 4, 4)), tmp_path / "walk.mp4")
