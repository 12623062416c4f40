"""SqueezeNet 1.0: its layers against a plain sum of them, its input, its file, and the reference weights."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sparring.errors import DataError
from sparring.metrics import FeatureExtractor, frechet_distance
from sparring.metrics.extractors import squeezenet as module
from sparring.metrics.extractors.squeezenet import SqueezeNet, SqueezeNetExtractor, squeezenet

FEATURES = 735_424  # parameters; the published 1,248,424 less 513,000 of the classifier


@pytest.fixture(scope="module")
def network():
    network, chance = SqueezeNet(), torch.Generator().manual_seed(0)
    for value in network.parameters():
        scale = (2 / value[0].numel()) ** 0.5 if value.ndim > 1 else 0.1
        value.data = scale * torch.randn(value.shape, generator=chance)
    return network


def images(n=3, channels=3, size=40):
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def written(network, folder, **more):
    arrays = {name: value.numpy() for name, value in network.state_dict().items()} | more
    np.savez(folder / "weights.npz", **arrays)
    return folder / "weights.npz"


def by_hand(state, x):
    """The network as a sequence of functional calls."""
    x = F.relu(F.conv2d(x, state["features.0.weight"], state["features.0.bias"], stride=2))
    for place in range(2, 13):
        if place in (2, 6, 11):
            x = F.max_pool2d(x, 3, 2, ceil_mode=True)
            continue
        parts = {part: [state[f"features.{place}.{part}.{kind}"] for kind in ("weight", "bias")] for part in PARTS}
        x = F.conv2d(x, *parts["squeeze"]).relu()
        x = torch.cat([F.conv2d(x, *parts["expand1x1"]), F.conv2d(x, *parts["expand3x3"], padding=1)], 1).relu()
    return x


PARTS = ("squeeze", "expand1x1", "expand3x3")


def test_the_network_has_the_published_parameters_and_layers(network):
    assert sum(value.numel() for value in network.parameters()) == FEATURES
    x = images(size=128) * 100
    maps = by_hand(network.state_dict(), x)
    assert maps.shape == (3, 512, 7, 7)  # 6 × 6 if pooling dropped the last row
    torch.testing.assert_close(network(x), maps.mean((2, 3)))


def test_the_input_is_caffes(network):
    extractor, seen = SqueezeNetExtractor(network), []
    handle = network.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    extractor.features(torch.full((1, 3, 128, 128), -1.0))
    extractor.features(torch.full((1, 1, 20, 30), 1.0))
    handle.remove()
    assert seen[0].shape == seen[1].shape == (1, 3, 128, 128)
    assert seen[0][0, :, 5, 5].tolist() == [-123, -117, -104]
    assert seen[1][0, :, 5, 5].tolist() == [132, 138, 151]


def test_features_do_not_depend_on_the_batch(network, monkeypatch):
    extractor = SqueezeNetExtractor(network)
    assert isinstance(extractor, FeatureExtractor)
    together = extractor.features(images())
    assert together.shape == (3, 512)
    assert not together.requires_grad
    assert together.std() > 0
    monkeypatch.setattr(module, "AT_ONCE", 1)
    torch.testing.assert_close(extractor.features(images()), together)
    assert extractor.resize == "128x128 bilinear antialiased"


def test_a_file_gives_its_weights_and_its_hash_the_name(network, tmp_path):
    state = torch.random.get_rng_state()
    path = written(network, tmp_path, **{"classifier.1.bias": np.zeros(1000, np.float32)})
    other = squeezenet(path)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(other.features(images()), SqueezeNetExtractor(network).features(images()))
    assert (other.name, other.reference) == ("SqueezeNet 1.0 with other weights", False)
    known = squeezenet(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    assert (known.name, known.reference) == ("SqueezeNet 1.0", True)
    assert known.sha256 == other.sha256 != SqueezeNetExtractor(SqueezeNet()).sha256


def test_another_file_is_refused(network, tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        squeezenet(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(DataError, match="does not hold the weights of SqueezeNet"):
        squeezenet(tmp_path / "text.npz")
    np.save(tmp_path / "array.npy", np.zeros(3))
    for place in (tmp_path / "array.npy", written(SqueezeNet().features[3], tmp_path)):
        with pytest.raises(DataError, match="does not hold the weights of SqueezeNet"):
            squeezenet(place)
    with pytest.raises(DataError, match="does not hold the weights of SqueezeNet"):
        squeezenet(written(network, tmp_path, **{"features.0.bias": np.zeros(95, np.float32)}))


def test_nothing_in_a_file_is_unpickled(network, tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    path = written(network, tmp_path, **{"features.0.bias": np.array([Trap()], object)})
    with pytest.raises(DataError, match="does not hold the weights of SqueezeNet"):
        squeezenet(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("batch", [torch.zeros(2, 2, 8, 8), torch.zeros(2, 3, 8), torch.zeros(0, 3, 8, 8)])
def test_other_batches_are_refused(network, batch):
    with pytest.raises(DataError, match=r"other weights takes images \(N, 1 or 3, H, W\) as floats"):
        SqueezeNetExtractor(network).features(batch)
    with pytest.raises(DataError, match=r"not torch\.uint8"):
        SqueezeNetExtractor(network).features(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))


@pytest.mark.data
def test_the_reference_weights_give_recorded_numbers():
    extractor = squeezenet(Path(os.environ["SPARRING_DATA"]) / "nets/squeezenet1_0_deepcompressed_imagenet.npz")
    assert extractor.name == "SqueezeNet 1.0"
    assert extractor.sha256.startswith("c123e43d")
    ramp = torch.linspace(-1, 1, 64)
    picture = torch.stack([ramp[:, None].expand(64, 64), ramp.expand(64, 64), torch.outer(ramp, ramp)])[None]
    features = extractor.features(picture)[0]
    assert features.mean().item() == pytest.approx(2.7019, abs=1e-3)
    assert features[:5].tolist() == pytest.approx([0, 0.8834, 0.7814, 0.3582, 8.6632], abs=1e-3)
    assert features.argmax() == 101
    noise, paler = extractor.features(images(60, size=64)), extractor.features(0.8 * images(60, size=64)[30:])
    assert frechet_distance(noise[:30], noise[30:]) == pytest.approx(1304.9, rel=1e-2)
    assert frechet_distance(noise[:30], paler) == pytest.approx(3823.8, rel=1e-2)
