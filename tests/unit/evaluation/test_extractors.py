"""Feature extractors are found by name, or refused with the remedy."""

import numpy as np
import pytest

from sparring.data.stream import scale_images
from sparring.errors import DataError, GameError
from sparring.evaluation.extractors import get_extractor
from sparring.metrics import frechet_distance
from sparring.metrics.extractors.base import weights_sha256
from sparring.metrics.extractors.squeezenet import SqueezeNet


def test_extractors_go_by_name(parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "seers.py").write_text(
        "from torch import nn\n"
        "def flat():\n    return nn.Flatten()\n"
        "def own():\n"
        "    from sparring.metrics import ModuleExtractor\n"
        "    return ModuleExtractor(nn.Flatten(), 'own')\n"
        "def none():\n    return 3\n"
    )
    assert get_extractor("seers:flat", parts[0]).name == "seers:flat"
    assert get_extractor("seers:own", parts[0]).name == "own"
    real, other = (scale_images(part.rows(np.arange(50))[0]) for part in parts)
    seen = [get_extractor("seers:flat", parts[0]).features(rows) for rows in (real, other)]
    assert frechet_distance(*seen) > 0
    with pytest.raises(DataError, match="return a module from images"):
        get_extractor("seers:none", parts[0])
    with pytest.raises(GameError, match="extractor 'seers:nobody' cannot be imported"):
        get_extractor("seers:nobody", parts[0])
    for name in ("inceptoin", "squeezenet", "squeezenet:", "transformers:"):
        with pytest.raises(DataError, match="lite0, squeezenet:FILE, transformers:MODEL, or module:function"):
            get_extractor(name, parts[0])


def test_squeezenet_takes_the_path_of_its_weights(parts, tmp_path):
    network = SqueezeNet()
    np.savez(tmp_path / "own.npz", **{name: value.numpy() for name, value in network.state_dict().items()})
    extractor = get_extractor(f"squeezenet:{tmp_path / 'own.npz'}", parts[0])
    assert extractor.name == "SqueezeNet 1.0 with other weights"
    assert extractor.sha256 == weights_sha256(network)
    with pytest.raises(DataError, match=r"none\.npz cannot be read"):
        get_extractor(f"squeezenet:{tmp_path / 'none.npz'}", parts[0])


def test_a_vision_model_is_found_by_its_folder(parts, tmp_path):
    transformers = pytest.importorskip("transformers")
    transformers.utils.logging.disable_progress_bar()
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 20], depths=[1, 1], layer_type="basic")
    transformers.ResNetModel(config).save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(
        '{"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 32}}'
    )
    extractor = get_extractor(f"transformers:{tmp_path}", parts[0])
    assert extractor.name.startswith(f"{tmp_path.name} (")
    assert extractor.features(scale_images(parts[0].rows(np.arange(5))[0])).shape == (5, 20)
    with pytest.raises(DataError, match="There is no folder /nowhere"):
        get_extractor("transformers:/nowhere", parts[0])
