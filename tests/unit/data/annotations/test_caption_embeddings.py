"""Captions embedded by larger models: files, tables in checkpoints, a sentence-transformer, what none can read."""

import json
import sys

import numpy as np
import pytest
import safetensors.torch
import torch

from sparring.check import check_game
from sparring.cli import main
from sparring.data import Stream
from sparring.data import load as load_data
from sparring.data.annotations.caption_embeddings import EmbeddedCaptions, SentenceModel
from sparring.errors import DataError
from sparring.inference.conditional import sample_text
from sparring.recipes.stackgan import stackgan
from sparring.runs.run import Run
from sparring.runs.state import load_game
from support import runs
from support.captions import as_lines, pictures
from support.command_line import refused
from support.runs import difference, play
from support.sentence_models import TEXTS, VECTORS, as_pair

quick = pytest.fixture(autouse=True)(runs.quick)


SMALL = {"width": 4, "condition": 3, "latent": 5, "features": 16}


def as_text_beside(path):
    np.save(path, VECTORS)
    path.with_suffix(".txt").write_text("\n".join(TEXTS), "utf-8")
    return path


def as_safetensors(path):
    tensors = {"embeddings": torch.from_numpy(VECTORS)}
    safetensors.torch.save_file(tensors, path, metadata={"captions": json.dumps(TEXTS)})
    return path


# --- files


@pytest.mark.parametrize(
    ("name", "write"), [("e.npz", as_pair), ("e.npy", as_text_beside), ("e.safetensors", as_safetensors)]
)
def test_every_kind_of_file_gives_each_caption_its_own_vector(tmp_path, name, write):
    embed = EmbeddedCaptions(write(tmp_path / name))
    assert np.array_equal(embed(["something GREEN!", "a red square"]).numpy(), VECTORS[[2, 0]])
    with pytest.raises(DataError, match=r"has embeddings of 4 captions, not of 'a crimson square': .*--text hashed"):
        embed(["a crimson square"])


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.write_bytes(b"no archive"), "cannot be read"),
        (lambda path: np.savez(path, captions=np.array(TEXTS)), "cannot be read"),
        (lambda path: np.savez(path, captions=np.array(TEXTS, object), embeddings=VECTORS), "cannot be read .*pickle"),
        (lambda path: as_pair(path, TEXTS[:2]), r"2 captions and vectors of shape \(4, 24\)"),
        (lambda path: as_pair(path, vectors=VECTORS[:, 0]), "vectors of shape"),
        (lambda path: as_pair(path, vectors=VECTORS * np.nan), "finite"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(tmp_path, make, match):
    make(tmp_path / "e.npz")
    with pytest.raises(DataError, match=match):
        EmbeddedCaptions(tmp_path / "e.npz")(TEXTS)


# --- runs


@pytest.fixture
def data(tmp_path):
    as_lines(pictures(tmp_path / "data"))
    as_pair(tmp_path / "said.npz")
    return tmp_path / "data"


def start(folder, data, text):
    return Run.create(folder, "stackgan", data=data, arguments={**SMALL, "text": str(text)}, batch_size=3, device="cpu")


def test_a_run_on_embedded_captions_resumes_bit_for_bit_and_samples_without_the_file(tmp_path, data, capsys):
    straight = play(start(tmp_path / "straight", data, tmp_path / "said.npz"), 4)
    play(start(tmp_path / "stopped", data, tmp_path / "said.npz"), 2)
    (tmp_path / "said.npz").unlink()
    resumed = play(Run.open(tmp_path / "stopped", device="cpu"), 4)
    assert difference(straight.state.state_dict(), resumed.state.state_dict()) == ""
    run, out = str(tmp_path / "stopped"), str(tmp_path / "out.png")
    words = ["sample", run, "--seeds", "0", "--out", out, "--device", "cpu"]
    assert main([*words, "--text", "A RED square"]) == 0
    ends = ["a red square", "something green"]
    assert main(["interpolate", run, "--frames", "2", "--out", str(tmp_path / "w.gif"), "--texts", *ends]) == 0
    capsys.readouterr()
    assert "does not exist" in refused(capsys, *words, "--text", "a crimson square")
    as_pair(tmp_path / "said.npz")
    assert "not of 'a crimson square': use one of those" in refused(capsys, *words, "--text", "a crimson square")


def test_a_run_before_its_first_step_can_be_drawn(tmp_path, data):
    start(tmp_path / "run", data, tmp_path / "said.npz")
    assert sample_text(load_game(tmp_path / "run", device="cpu"), [0], "blue").shape == (1, 3, 8, 8)


def test_captions_of_the_data_that_a_file_lacks_are_named_before_training(tmp_path, data, capsys):
    as_pair(tmp_path / "few.npz", TEXTS[:2], VECTORS[:2])
    words = ["train", "stackgan", "--data", str(data), "--steps", "1", "--out", str(tmp_path / "run")]
    assert "not of 'something green'" in refused(capsys, *words, "--text", str(tmp_path / "few.npz"))
    assert "Nothing called 'hashd' reads" in refused(capsys, *words, "--text", "hashd")
    assert not (tmp_path / "run").exists()


def test_the_game_keeps_the_rules(tmp_path, data):
    game = stackgan((3, 8, 8), TEXTS, text=str(tmp_path / "said.npz"), **SMALL)
    game.register_captions(TEXTS)
    check_game(game, Stream(load_data(data), 3))


def test_a_sentence_model_reads_what_is_new_and_no_code_of_its_folder(tmp_path, data, model, monkeypatch, capsys):
    folder, asked = model
    play(start(tmp_path / "run", data, folder), 2)
    path, how = asked[0]
    assert path == str(folder)
    assert how["local_files_only"]
    assert not how["trust_remote_code"]
    assert how["model_kwargs"] == {"use_safetensors": True}
    game, count = load_game(tmp_path / "run", device="cpu"), len(asked)
    old = sample_text(game, [0], "a red square")
    assert len(asked) == count, "known sentences need no model"
    assert not torch.equal(sample_text(game, [0], "a crimson square"), old)
    assert len(asked) == count + 1
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    words = ["sample", str(tmp_path / "run"), "--out", str(tmp_path / "o.png"), "--text", "a violet square"]
    assert r"pip install 'sparring[text]'" in refused(capsys, *words)
    with pytest.raises(DataError, match="is not a folder"):
        SentenceModel(tmp_path / "nowhere")(["a"])


def test_a_folder_that_holds_no_model_is_refused(tmp_path, model, monkeypatch):
    def broken(*_, **__):
        raise OSError("no modules.json\nand more")

    monkeypatch.setattr(sys.modules["sentence_transformers"], "SentenceTransformer", broken)
    with pytest.raises(DataError, match=r"\(no modules.json\): save it anew"):
        SentenceModel(model[0])(["a"])


@pytest.mark.parametrize(
    ("modules", "match"),
    [
        ('[{"type": "mine.Model"}]', r"its module mine.Model is code of its own"),
        ("{", "cannot be loaded"),
        (None, "No such"),
    ],
)
def test_a_model_with_custom_code_is_refused_before_it_is_loaded(model, modules, match):
    folder, asked = model
    (folder / "modules.json").unlink()
    if modules:
        (folder / "modules.json").write_text(modules)
    with pytest.raises(DataError, match=match):
        SentenceModel(folder)(["a"])
    assert not asked


def test_the_package_itself_reads_a_tiny_model(tmp_path):
    """Runs where ``sparring[text]`` is installed."""
    package = pytest.importorskip("sentence_transformers")
    transformers = pytest.importorskip("transformers")
    from safetensors.torch import load_file

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "blue", "square", "something", "green"]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary))
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    bert = transformers.BertModel(transformers.BertConfig(vocab_size=len(vocabulary), **sizes))
    bert.save_pretrained(tmp_path / "bert")
    transformers.BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path / "bert")
    package.SentenceTransformer(str(tmp_path / "bert"), device="cpu").save(str(tmp_path / "model"))
    vectors = SentenceModel(tmp_path / "model")(TEXTS)
    assert vectors.shape == (len(TEXTS), 16)
    assert torch.cdist(vectors, vectors).add(torch.eye(len(TEXTS))).min() > 1e-4
    weights = tmp_path / "model/model.safetensors"
    torch.save(load_file(weights), tmp_path / "model/pytorch_model.bin")
    weights.unlink()
    with pytest.raises(DataError, match="cannot be loaded"):  # pickled
        SentenceModel(tmp_path / "model")(TEXTS)
