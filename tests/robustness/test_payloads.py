"""Nothing that is loaded can run code: a payload in everything we open is refused in one sentence, and not run."""

from __future__ import annotations

import io
import json
import pickle
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from sparring import load as load_run
from sparring.cli import main
from sparring.data import load
from sparring.data.annotations.caption_embeddings import embeddings
from sparring.data.sources.files import ZipFiles
from sparring.errors import DataError, GameError, RunError, SparringError
from sparring.metrics import train_extractor
from sparring.metrics.extractors.inception_weights import read as read_inception
from sparring.recipes.importing import imported
from sparring.runs.run import Run
from support import runs
from support.runs import play, start

quick = pytest.fixture(autouse=True)(runs.quick)


class Payload:
    """Runs code when it is unpickled."""

    def __init__(self, bait: Path) -> None:
        self.bait = bait

    def __reduce__(self):
        return exec, (f"open({str(self.bait)!r}, 'w').close()",)


@pytest.fixture
def bait(tmp_path):
    """What a payload would leave; that it can is tried first."""
    path = tmp_path / "bait"
    pickle.loads(pickle.dumps(Payload(path)))
    assert path.exists(), "the payload is harmless, so these tests prove nothing"
    path.unlink()
    yield path
    assert not path.exists(), "a payload was run"


def refused(kind, work, *given):
    with pytest.raises(kind) as caught:
        work(*given)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 2000
    assert "weights_only" not in message, "unsafe loading is never suggested"
    return message


def pickles(bait: Path) -> dict[str, bytes]:
    """The ways in which a pickle is dressed."""
    out, script = io.BytesIO(), io.BytesIO()
    torch.save({"w": Payload(bait)}, out)
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), script)
    legacy = io.BytesIO()
    torch.save({"w": Payload(bait)}, legacy, _use_new_zipfile_serialization=False)
    return {
        "torch": out.getvalue(),
        "legacy": legacy.getvalue(),
        "plain": pickle.dumps(Payload(bait)),
        "global": b"cos\nsystem\n(S'touch " + str(bait).encode() + b"'\ntR.",
        "scripted": script.getvalue(),
        "exported": exported(bait),
    }


def exported(bait: Path) -> bytes:
    """An archive in the layout of .pt2 whose parts are pickles."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("archive/version", "archive/byteorder", "archive/data.pkl", "archive/models/model.json"):
            archive.writestr(
                name, {"archive/version": b"3", "archive/byteorder": b"little"}.get(name, pickle.dumps(Payload(bait)))
            )
    return out.getvalue()


KINDS = ("torch", "legacy", "plain", "global", "scripted", "exported")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_checkpoints(tmp_path, bait, kind):
    from support.crashes import plant

    run = play(start(tmp_path / "run"), 1)
    for path in (run.folder / "checkpoints").iterdir():
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    plant(run.folder, pickles(bait)[kind], run=run.config.id)
    for work in (start, load_run, Run.open):
        assert "refused: its state is not plain data" in refused(RunError, work, run.folder)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["inception.pth", "inception.safetensors"])
def test_weights_of_extractors(tmp_path, bait, kind, name):
    import hashlib

    content = pickles(bait)[kind]
    (tmp_path / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()  # even where the hash is right
    refused(DataError, lambda: read_inception(tmp_path / name, sha256=digest))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", ["torch", "plain", "global"])
def test_the_extractor_in_the_cache_is_trained_anew(tmp_path, bait, monkeypatch, kind, caplog):
    from sparring.metrics import extractor_for

    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "sparring.metrics.extractors.classifier.train_extractor", lambda data, **how: train_extractor(data, steps=1)
    )
    digits = load("digits", size=8)
    extractor_for(digits)
    (weights,) = (tmp_path / "cache").rglob("*.safetensors")
    weights.write_bytes(pickles(bait)[kind])
    extractor_for(digits)
    assert "is broken and will be trained anew" in caplog.text


def arrays(bait: Path) -> dict[str, bytes]:
    objects, several, text = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(objects, np.array([Payload(bait)], object), allow_pickle=True)
    np.savez(several, images=np.array([Payload(bait)], object))
    np.save(text, np.zeros(3, np.uint8))
    head = text.getvalue()
    huge = head.replace(b"(3,), ", b"(99999999999999,), ").replace(b" " * 16, b" " * 2, 1)
    code = head.replace(b"'|u1'", b"__import__('os').system('touch x')")
    return {"objects.npy": objects.getvalue(), "objects.npz": several.getvalue(), "huge.npy": huge, "code.npy": code}


@pytest.mark.parametrize("name", ["objects.npy", "objects.npz", "huge.npy", "code.npy"])
def test_arrays(tmp_path, bait, name):
    (tmp_path / name).write_bytes(arrays(bait)[name])
    assert "is not a readable array file" in refused(DataError, load, tmp_path / name)
    (tmp_path / name).with_suffix(".txt").write_text("a caption\n")
    if name != "objects.npz":
        assert "cannot be read" in refused(DataError, embeddings, tmp_path / name)
    prepared = tmp_path / "prepared.npy"
    prepared.write_bytes(arrays(bait)[name])
    facts = {"sparring": 1, "shape": [1, 8, 8, 1], "classes": [], "content": "0" * 64}
    prepared.with_suffix(".json").write_text(json.dumps(facts))
    refused(DataError, load, prepared)
    assert not Path("x").exists()


FOUR = b'{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'


def lies() -> dict[str, bytes]:
    """Headers of safetensors with false values."""

    def dressed(header: bytes, body: bytes = bytes(16), size: int | None = None) -> bytes:
        return struct.pack("<Q", len(header) if size is None else size) + header + body

    def one(**facts) -> bytes:
        entry = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16], **facts}
        return json.dumps({"__metadata__": {"captions": '["a", "b"]'}, "embeddings": entry}).encode()

    return {
        "empty": b"",
        "short": b"\x01",
        "size": dressed(one(), size=2**63),
        "beyond": dressed(one(), size=10**6),
        "offsets": dressed(one(data_offsets=[0, 10**12])),
        "backwards": dressed(one(data_offsets=[16, 0])),
        "negative": dressed(one(data_offsets=[-16, 0])),
        "shape": dressed(one(shape=[10**9, 10**9])),
        "overflow": dressed(one(shape=[2**63, 2])),
        "type": dressed(one(dtype="O")),
        "deep": dressed(b"[" * 10**5),
        "twice": dressed(
            b'{"embeddings":'
            + b'{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
            + b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
        ),
        "text": dressed(b"not json"),
        "pickle": pickle.dumps({"a": 1}),
    }


@pytest.mark.parametrize("kind", list(lies()))
def test_safetensors_that_lie(tmp_path, kind):
    path = tmp_path / "lies.safetensors"
    path.write_bytes(lies()[kind])
    refused(DataError, embeddings, path)
    refused(DataError, lambda: read_inception(path, sha256="0" * 64))


def test_unaltered_headers_are_accepted(tmp_path):
    entry = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
    header = json.dumps({"__metadata__": {"captions": '["a", "b"]'}, "embeddings": entry}).encode()
    (tmp_path / "true.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    assert embeddings(tmp_path / "true.safetensors")[0] == ["a", "b"]


FOREIGN = (
    "os:system",
    "posix:system",
    "subprocess:run",
    "builtins:exec",
    "antigravity:fly",
    "pickle:loads",
    "sparring.cli:main",
    "sparring.runs.config:write",
    "sparring.data.sources.download:fetch",
    "torch:load",
    "numpy:load",
    "os",
    ":",
    ":system",
    "os:",
    "..:x",
    "a..b:c",
    "./evil:fly",
    "evil.py:fly",
    "sparring.recipes.gan:nsgan.__globals__",
    "sparring.recipes:RECIPES",
)


@pytest.mark.parametrize("name", FOREIGN)
def test_records_that_name_foreign_functions(tmp_path, name):
    run = start(tmp_path / "run")
    record = json.loads((run.folder / "run.json").read_text())
    (run.folder / "run.json").write_text(json.dumps({**record, "recipe": name}))
    before = set(sys.modules)
    for work in (load_run, Run.open):
        refused(SparringError, work, run.folder)
        refused(SparringError, lambda: work(run.folder, trust=name))  # noqa: B023 (called at once)
    assert not {"antigravity"} & (set(sys.modules) - before)


EVIL = "open({!r}, 'w').close()\nfrom sparring.recipes.gan import nsgan\n"


def renamed(run, name):
    """Write another recipe into the record of a run."""
    record = json.loads((run.folder / "run.json").read_text())
    (run.folder / "run.json").write_text(json.dumps({**record, "recipe": name}))
    return run.folder


@pytest.fixture
def downloaded(tmp_path, bait, monkeypatch):
    """A run folder with code inside and beside; the user stands where its modules would be found."""
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    run, code = play(start(tmp_path / "runs" / "got"), 1), EVIL.format(str(bait))
    for path in ("runs/got/evil.py", "runs/got/pack/__init__.py", "runs/got/space/evil.py", "runs/evil.py"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(code)
    for path in ("helper.py", "beside/__init__.py"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(code)
    (tmp_path / "link.py").symlink_to(run.folder / "evil.py")
    monkeypatch.chdir(tmp_path)
    yield run
    for module in {"evil", "pack", "space", "runs", "helper", "beside", "link"}:
        for name in [name for name in sys.modules if name.partition(".")[0] == module and name != "runs"]:
            if getattr(sys.modules[name], "__file__", None) is None or str(tmp_path) in sys.modules[name].__file__:
                del sys.modules[name]


INSIDE = ("got.evil:nsgan", "got.pack:nsgan", "got.pack.deep:nsgan", "got.space.evil:nsgan", "link:nsgan")
BESIDE = ("helper:nsgan", "beside:nsgan", "evil:nsgan")


@pytest.mark.parametrize("name", [*INSIDE, *BESIDE])
def test_a_function_named_by_a_file_is_not_imported(downloaded, name, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(downloaded.folder.parent))  # as from runs/, where got is a package
    folder = renamed(downloaded, name)
    for work in (load_run, Run.open):
        assert f"add --trust {name} to the command" in refused(GameError, work, folder)
    here = str(folder)
    for words in (
        ["sample", here],
        ["resume", here],
        ["evaluate", here],
        ["report", here],
        ["encode", here, "x"],
        ["interpolate", here],
        ["directions", here],
        ["singan", "animate", here],
    ):
        assert main(words) == 2
        assert f"add --trust {name} to the command" in capsys.readouterr().err


@pytest.mark.parametrize("name", INSIDE)
def test_code_inside_a_trusted_run_is_not_imported(downloaded, name, monkeypatch):
    monkeypatch.syspath_prepend(str(downloaded.folder.parent))
    folder = renamed(downloaded, name)
    assert "from which no code is loaded" in refused(GameError, lambda: load_run(folder, trust=name))
    assert "from which no code is loaded" in refused(GameError, imported, name)


def test_a_function_that_the_user_names_is_found_in_the_working_directory(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mygame.py").write_text("from sparring.recipes.gan import nsgan\n")
    words = [
        "--data",
        "ring",
        "--batch-size",
        "8",
        "--network",
        "mlp",
        "--width",
        "4",
        "--out",
        "run",
        "--device",
        "cpu",
    ]
    words = ["train", "mygame:nsgan", *words, "--steps"]
    for steps in ("1", "2"):  # typing it again goes on
        assert main([*words, steps]) == 0
    assert "sparring resume run --trust mygame:nsgan --steps 4" in capsys.readouterr().out
    monkeypatch.setattr("sparring.recipes.importing._trusted", set())  # as in a process of its own
    assert "add --trust mygame:nsgan" in refused(GameError, load_run, "run")
    assert main(["sample", "run", "--device", "cpu", "--trust", "mygame:other"]) == 2
    assert main(["sample", "run", "--device", "cpu", "--trust", "other:x", "--trust", "mygame:nsgan"]) == 0
    monkeypatch.setattr("sparring.recipes.importing._trusted", set())
    assert main(["resume", "run", "--steps", "3", "--device", "cpu", "--trust", "mygame:nsgan"]) == 0
    monkeypatch.setattr("sparring.recipes.importing._trusted", set())
    assert load_run("run", device="cpu", trust="mygame:nsgan").sample(2).shape == (2, 2)


def test_a_run_referenced_by_another_run_must_be_trusted(tmp_path, downloaded, monkeypatch, capsys):
    out = tmp_path / "encoder"
    assert main(["train-encoder", str(downloaded.folder), "--out", str(out), "--steps", "1", "--device", "cpu"]) == 0
    assert load_run(out, device="cpu"), "the library's own function needs no trust"
    renamed(downloaded, "helper:nsgan")
    assert "add --trust helper:nsgan" in refused(GameError, load_run, out)
    assert main(["train-encoder", str(downloaded.folder), "--out", str(tmp_path / "b"), "--steps", "1"]) == 2


@pytest.mark.parametrize("first", [False, True])
def test_an_entry_point_beside_a_run_is_not_one(downloaded, first, monkeypatch):
    """The metadata of a distribution is a folder, which can lie in any other."""
    info = Path("helper-1.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: helper\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[sparring.recipes]\nhelper = helper:nsgan\n")
    if first:
        monkeypatch.syspath_prepend(str(Path.cwd()))
    assert "There is no recipe 'helper'" in refused(GameError, load_run, renamed(downloaded, "helper"))


def test_an_installed_entry_point_is_one(tmp_path, monkeypatch):
    import site

    (tmp_path / "theirs.py").write_text("from sparring.recipes.gan import nsgan\n")
    info = tmp_path / "theirs-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[sparring.recipes]\ntheir-game = theirs:nsgan\n")
    monkeypatch.setattr(site, "getsitepackages", lambda: [str(tmp_path)])
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = renamed(play(start(tmp_path / "run"), 1), "their-game")
    assert load_run(folder, device="cpu").sample(2).shape == (2, 2)


def test_the_working_directory_of_the_program_is_not_searched_for_libraries(tmp_path, bait):
    import os
    import subprocess

    import sparring

    for name in ("tyro", "torch", "numpy", "rich"):
        (tmp_path / f"{name}.py").write_text(f"open({str(bait)!r}, 'w').close()\n")
    here = {**os.environ, "PYTHONPATH": str(Path(sparring.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-m", "sparring", "sample", "--help"], cwd=tmp_path, env=here, check=False)
    assert done.returncode == 0


def test_what_a_user_wrote_himself_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fine.py").write_text("from sparring.recipes.gan import nsgan\n")
    assert imported("fine:nsgan").__name__ == "nsgan"


@pytest.mark.parametrize(
    "techniques",
    [
        {"nothing": 1},
        {"r1": "x"},
        {"r1": [1]},
        {"__class__": "os.system"},
        {"r1": {"a": 1}},
        {"packing": -1},
        {"packing": "2"},
    ],
)
def test_records_with_settings_that_are_none(tmp_path, techniques):
    run = start(tmp_path / "run")
    record = json.loads((run.folder / "run.json").read_text())
    (run.folder / "run.json").write_text(json.dumps({**record, "techniques": techniques}))
    refused(SparringError, load_run, run.folder)


YAML = "!!python/object/apply:os.system ['touch {}']\n"


def test_yaml_is_text(tmp_path, bait):
    """No file is read as YAML, under any name."""
    import ast

    import sparring

    for path in Path(sparring.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {"yaml", "dill", "cloudpickle", "joblib", "marshal", "shelve"} & {
                n.split(".")[0] for n in names
            }, path
    run = start(tmp_path / "run")
    (run.folder / "run.json").write_text(YAML.format(bait))
    assert "run.json cannot be read" in refused(RunError, load_run, run.folder)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "dataset.json").write_text(YAML.format(bait))
    (tmp_path / "set" / "a.png").write_bytes(b"")
    assert "dataset.json cannot be read" in refused(DataError, load, tmp_path / "set")


def test_every_reader_of_pickles_reads_data_only():
    """torch.load and numpy.load are never called without their safeguard."""
    import ast

    import sparring

    seen = 0
    for path in Path(sparring.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            called = ast.unparse(node.func)
            given = {word.arg: ast.unparse(word.value) for word in node.keywords}
            if called == "torch.load":
                seen += 1
                assert given.get("weights_only") == "True", path
            assert called not in ("pickle.load", "pickle.loads", "torch.jit.load", "torch.export.load"), path
            if called == "np.load":
                assert given.get("allow_pickle", "False") == "False", path
    assert seen >= 2


def test_archives_are_never_unpacked(tmp_path, bait):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../bait", b"x")
        archive.writestr(str(bait), b"x")
    assert ZipFiles(tmp_path / "evil.zip").entries == {}
