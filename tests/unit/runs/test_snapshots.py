"""The pictures of a run are functions of its checkpoints: whether it was stopped, and when, makes no difference."""

from __future__ import annotations

import pytest
import torch

from sparring.inference.sampling import latents_from_seeds, sample_seeds
from sparring.networks.common.text import HashedTextEncoder
from sparring.recipes.options import Adam
from sparring.recipes.stackgan import stackgan
from sparring.runs.run import Run
from sparring.runs.state import load_game
from support.captions import SAID, as_lines, pictures
from support.runs import difference, play
from support.sentence_models import as_pair

SMALL = {"width": 4, "condition": 3, "latent": 5, "features": 16, "critic": {"lr": 0.02}, "generator": {"lr": 0.02}}
TEXTS = [text for said in SAID for text in said]


@pytest.fixture
def drawn(monkeypatch):
    """What was drawn, by the path of the picture; nothing is written."""
    found = {}
    monkeypatch.setattr(
        "sparring.runs.snapshots.save_grid", lambda images, path, **_: found.__setitem__(path, images.clone())
    )
    monkeypatch.setattr("sparring.tasks.generation.IMAGES", 8)
    return found


@pytest.fixture
def readers(tmp_path, model):
    """What --text can be, by a name for the test."""
    file, (folder, _) = as_pair(tmp_path / "said.npz", TEXTS), model
    return {"hashed": "hashed", "recurrent": "recurrent", "file": str(file), "folder": str(folder)}


@pytest.fixture
def data(tmp_path):
    folder = pictures(tmp_path / "data")
    as_lines(folder)
    return folder


@pytest.mark.parametrize("average", [0.0, 0.9])
@pytest.mark.parametrize(
    ("text", "more"), [("hashed", {}), ("recurrent", {}), ("recurrent", {"reading": 2}), ("file", {}), ("folder", {})]
)
def test_pictures_of_sentences_are_drawn_by_the_reader_as_it_is_at_their_step(
    tmp_path, drawn, readers, data, text, more, average
):
    def start(name):
        arguments = {**SMALL, "text": readers[text], **more}
        return Run.create(
            tmp_path / name, "stackgan", data=data, arguments=arguments, batch_size=3, ema_decay=average, device="cpu"
        )

    play(start("straight"), 4, sample_every=1, save_every=1, keep_checkpoints=4)
    for steps in (1, 3, 4):
        play(start("stopped"), steps, sample_every=1)
    for step in range(5):
        name = f"samples/{step:06d}.png"
        assert torch.equal(drawn[tmp_path / "straight" / name], drawn[tmp_path / "stopped" / name])
        if step:
            direct = sample_seeds(load_game(tmp_path / "straight", device="cpu", checkpoint=str(step)), range(8))
            assert torch.equal(drawn[tmp_path / "straight" / name], direct)


def test_a_learning_text_encoder_changes_the_condition_of_a_seed(tmp_path, drawn, data):
    """Otherwise the test above could not fail."""
    arguments = {**SMALL, "text": "recurrent"}
    run = Run.create(tmp_path / "run", "stackgan", data=data, arguments=arguments, batch_size=3, device="cpu")
    before = latents_from_seeds(run.inference_game, [0])
    play(run, 4)
    after = latents_from_seeds(run.inference_game, [0])
    assert torch.equal(before[:, :-16], after[:, :-16])
    assert not torch.allclose(before[:, -16:], after[:, -16:], atol=1e-3)


class Normed(HashedTextEncoder):
    """A reader whose vectors depend on the batch while it is in training mode, and which counts batches then."""

    def __init__(self, features=16):
        super().__init__(features)
        self.norm = torch.nn.BatchNorm1d(features)

    def forward(self, codes):
        return self.norm(torch.cat([super().forward(codes)] * 2))[: len(codes)]


def test_noise_is_drawn_in_evaluation_mode_and_leaves_no_trace(monkeypatch):
    monkeypatch.setattr("sparring.recipes.stackgan.HashedTextEncoder", Normed)
    game = stackgan((3, 8, 8), TEXTS, **{**SMALL, "critic": Adam(), "generator": Adam()})
    before = {name: value.clone() for name, value in game.state_dict().items()}
    rows = latents_from_seeds(game, [0, 1, 2])
    assert difference(before, dict(game.state_dict())) == ""
    assert game.text.training
    assert torch.equal(rows, latents_from_seeds(game.eval(), [0, 1, 2]))
    assert rows[:, -16:].abs().max() > 0.1
