"""The FID Inception: its table, its numbers, its resizing, and that no other weights pass for it.

The public weights are not at hand when tests run. So random ones take their place: the numbers below are what
torch-fidelity 0.4's network, in float64, makes of the same ones.
"""

import hashlib

import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn import functional as F

from sparring.errors import DataError
from sparring.metrics import FeatureExtractor, frechet_distance
from sparring.metrics.extractors import inception_extractor as extractors
from sparring.metrics.extractors import inception_weights as weights
from sparring.metrics.extractors.base import weights_sha256
from sparring.metrics.extractors.inception import (
    AT_8,
    InceptionV3,
    Mixed,
    average,
    largest,
    pixels_of,
    resized_as_tensorflow,
)
from sparring.metrics.extractors.inception_extractor import InceptionExtractor, inception
from sparring.metrics.extractors.inception_weights import convert, download, found, read

PARTS = 472  # 94 convolutions with a norm of four parts each, weight and bias of the logits


def bare():
    """The network without weights."""
    with torch.device("meta"):
        return InceptionV3()


@pytest.fixture(scope="module")
def network():
    """Random weights under which signals neither fade nor burst."""
    network, chance, state = bare(), torch.Generator().manual_seed(0), {}
    for name, value in sorted(network.state_dict().items()):
        x = torch.randn(value.shape, generator=chance)
        if x.ndim > 1:
            x *= (2 / x[0].numel()) ** 0.5
        elif name.endswith("running_var"):
            x = (0.5 * x).exp()
        elif name.endswith("bn.weight"):
            x = 1 + 0.2 * x
        else:
            x *= 0.1
        state[name] = x
    network.load_state_dict(state, assign=True)
    return network


def layout(*, counters):
    """All names and shapes of a public file, a constant in each part, which takes no room in a file."""
    state = {}
    for number, (name, value) in enumerate(bare().state_dict().items()):
        state[name] = torch.tensor(1 + number / PARTS).expand(value.shape)
        if counters and name.endswith("running_var"):
            state[name.replace("running_var", "num_batches_tracked")] = torch.tensor(number)
    return state


def saved(state, path, *, zipped=True):
    """Save as torch does; return the SHA-256 of the file."""
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Caches of torch's and ours that are empty, and no variable."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SPARRING_INCEPTION", raising=False)
    return tmp_path / "cache" / "inception", tmp_path / "torch" / "hub" / "checkpoints"


class Mean(nn.Module):
    """In the network's place: the means of the channels, and notes of what came."""

    logits = InceptionV3.logits

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 3, 1), nn.Linear(3, 2)
        self.came, self.tf32 = [], []

    def forward(self, pixels):
        self.came.append(tuple(pixels.shape))
        self.tf32.append(torch.backends.cudnn.allow_tf32)
        return pixels.mean(dim=(2, 3))


# the network


def test_every_name_and_shape_is_that_of_the_public_files():
    """The digest is of torch-fidelity's network, whose table with counters has 566 rows."""
    shapes = {name: tuple(value.shape) for name, value in layout(counters=True).items()}
    assert len(shapes) == 566
    assert shapes["Conv2d_1a_3x3.conv.weight"] == (32, 3, 3, 3)
    assert shapes["Mixed_6e.branch7x7dbl_5.conv.weight"] == (192, 192, 1, 7)
    assert shapes["Mixed_7c.branch3x3dbl_3b.conv.weight"] == (384, 384, 3, 1)
    assert shapes["fc.weight"] == (1008, 2048)
    table = "".join(f"{name} {shape}\n" for name, shape in sorted(shapes.items()))
    digest = "eeafab116b1cf3f08243d1931ba765f5601f57773ada5fcfee37024cf0ca23e4"
    assert hashlib.sha256(table.encode()).hexdigest() == digest


def test_the_number_of_parameters_follows_from_the_published_one():
    """27,161,264 of torchvision's network, less its auxiliary head, with 1008 outcomes for 1000."""
    head = (768 * 128 + 2 * 128) + (128 * 768 * 25 + 2 * 768) + (768 + 1) * 1000
    assert sum(x.numel() for x in bare().parameters()) == 27_161_264 - head + 8 * 2049 == 23_850_960


def test_features_and_logits_are_those_of_torch_fidelity(network):
    chance = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (2, 3, 6, 5), generator=chance, dtype=torch.uint8)
    extractor = InceptionExtractor(network)
    features = extractor.features(images)
    assert features.shape == (2, 2048)
    assert not features.requires_grad
    some = torch.tensor(FEATURES, dtype=torch.float64)
    torch.testing.assert_close(features[:, 100::256].double(), some, rtol=2e-5, atol=1e-6)
    mean, spread = torch.tensor([1.4477103, 1.5647471]), torch.tensor([2.0687101, 2.2425196])
    torch.testing.assert_close(features.mean(dim=1), mean, rtol=1e-5, atol=0)
    torch.testing.assert_close(features.std(dim=1), spread, rtol=1e-5, atol=0)
    logits = network.logits(features)
    assert logits.shape == (2, 1008)
    torch.testing.assert_close(logits[:, ::126].double(), torch.tensor(LOGITS, dtype=torch.float64), rtol=0, atol=1e-4)


FEATURES = [
    [0.2100636, 2.0581799, 2.1677527, 0.0482210, 0.7244906, 0.5150042, 1.9279971, 2.3519812],
    [0.2397629, 2.2956891, 2.2654624, 0.0433616, 0.9769881, 0.4700887, 2.0873585, 2.6261151],
]
LOGITS = [
    [-8.8585978, 0.41198978, -0.091554247, 1.9291017, 6.0064807, 0.22687346, 2.9508629, 2.1519108],
    [-9.8259983, 0.13733527, 0.0016965332, 2.0899277, 6.5026069, 0.23157530, 2.8250453, 2.5289690],
]


def test_the_average_pool_does_not_count_the_border_and_the_last_pool_takes_the_largest():
    ones = torch.ones(1, 1, 3, 3)
    assert torch.equal(average(ones), ones)
    ramp = torch.arange(9.0).reshape(1, 1, 3, 3)
    assert average(ramp)[0, 0, 0, 0].item() == 2.0  # of 0, 1, 3, 4
    assert torch.equal(largest(ramp - 9)[0, 0], torch.tensor([[4.0, 5, 5], [7, 8, 8], [7, 8, 8]]) - 9)
    network = bare()
    pools = {name: block.pool for name, block in network.named_children() if isinstance(block, Mixed)}
    assert pools.pop("Mixed_7c") is largest
    assert {name for name, pool in pools.items() if pool is average} == set(pools) - {"Mixed_6a", "Mixed_7a"}


def test_branches_are_joined_in_their_order():
    torch.manual_seed(0)
    block, x = Mixed(4, AT_8, largest).eval(), torch.randn(1, 4, 5, 5)
    ways = [
        block.branch1x1(x),
        block.branch3x3_2a(block.branch3x3_1(x)),
        block.branch3x3_2b(block.branch3x3_1(x)),
        block.branch3x3dbl_3a(block.branch3x3dbl_2(block.branch3x3dbl_1(x))),
        block.branch3x3dbl_3b(block.branch3x3dbl_2(block.branch3x3dbl_1(x))),
        block.branch_pool(largest(x)),
    ]
    assert torch.equal(block(x), torch.cat(ways, dim=1))


def test_a_norm_keeps_to_its_stored_moments_in_training_too():
    norm = bare().Conv2d_1a_3x3.bn
    norm.load_state_dict(
        {name: torch.full((32,), x) for name, x in (("weight", 2.0), ("bias", 5.0), ("running_mean", 3.0))}
        | {"running_var": torch.full((32,), 0.249)},
        assign=True,
    )
    x = torch.randn(2, 32, 3, 3)
    torch.testing.assert_close(norm.train()(x), 2 * (x - 3) / 0.5 + 5)  # 0.249 + 0.001 is 0.5 squared


def test_early_maps_are_those_before_the_second_pool(network):
    pixels = torch.randn(1, 3, 75, 91, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = network.early(pixels)
    assert maps.shape == (1, 192, 15, 19)
    assert maps.amin() == 0


# its input


def dense(images, side):
    """TensorFlow 1's rule as a sum over all pixels, with hat functions that end at the border."""

    def weigh(length):
        at = torch.arange(side, dtype=torch.float64) * length / side
        hats = (1 - (at[:, None] - torch.arange(length + 1, dtype=torch.float64)).abs()).clamp(min=0)
        hats[:, length - 1] += hats[:, length]  # beyond the last pixel it goes on
        return hats[:, :length]

    return torch.einsum("ih,nchw,jw->ncij", weigh(images.shape[2]), images.double(), weigh(images.shape[3]))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (32, 28), (299, 299), (300, 298), (640, 17)])
def test_resizing_is_that_of_tensorflow_1(height, width):
    images = torch.rand(2, 1, height, width, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(resized_as_tensorflow(images, 299).double(), dense(images, 299), rtol=0, atol=1e-4)
    assert resized_as_tensorflow(images, 299).shape == (2, 1, 299, 299)


def test_resizing_has_neither_half_a_pixel_of_shift_nor_antialiasing():
    row = torch.tensor([[[[0.0, 10.0, 20.0, 30.0]]]])
    assert resized_as_tensorflow(row, 8)[0, 0, 0].tolist() == [0, 5, 10, 15, 20, 25, 30, 30]
    assert resized_as_tensorflow(row, 2)[0, 0, 0].tolist() == [0, 20]
    images = torch.rand(1, 3, 299, 299)
    assert torch.equal(resized_as_tensorflow(images, 299), images)
    torch.testing.assert_close(dense(row, 8)[0, 0, 0], torch.tensor([0.0, 5, 10, 15, 20, 25, 30, 30]).double())
    assert not torch.allclose(resized_as_tensorflow(row, 8), F.interpolate(row, (8, 8), mode="bilinear"))


def test_bytes_are_scaled_by_128():
    ends = torch.tensor([0, 128, 255], dtype=torch.uint8)[:, None, None, None].expand(3, 3, 2, 2)
    pixels = pixels_of(ends)
    assert pixels.shape == (3, 3, 299, 299)
    assert pixels[:, 0, 7, 7].tolist() == [-1.0, 0.0, 127 / 128]


def test_floats_are_taken_as_the_bytes_of_a_file():
    values = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    floats = values.float() / 127.5 - 1
    for same in (floats, floats.double(), floats + 0.003, floats - 0.003):
        assert torch.equal(pixels_of(same), pixels_of(values))
    assert torch.equal(pixels_of(torch.full((1, 3, 2, 2), 9.0)), pixels_of(torch.full((1, 3, 2, 2), 1.0)))


def test_grey_images_are_repeated():
    grey = torch.randint(0, 256, (2, 1, 8, 8), dtype=torch.uint8)
    assert torch.equal(pixels_of(grey), pixels_of(grey.expand(2, 3, 8, 8)))


# the extractor


def test_images_pass_in_batches_without_tf32_and_the_result_does_not_depend_on_them(monkeypatch):
    monkeypatch.setattr(extractors, "AT_ONCE", 2)
    before = torch.backends.cudnn.allow_tf32
    extractor = InceptionExtractor(Mean())
    images = torch.randint(0, 256, (5, 3, 7, 9), dtype=torch.uint8)
    together = extractor.features(images)
    assert extractor.network.came == [(2, 3, 299, 299), (2, 3, 299, 299), (1, 3, 299, 299)]
    assert extractor.network.tf32 == [False] * 3
    assert torch.backends.cudnn.allow_tf32 == before
    torch.testing.assert_close(together, torch.cat([extractor.features(image[None]) for image in images]))


@pytest.mark.parametrize(
    "wrong",
    [
        torch.zeros(3, 8, 8),
        torch.zeros(1, 2, 8, 8),
        torch.zeros(1, 4, 8, 8),
        torch.zeros(0, 3, 8, 8),
        torch.zeros(1, 3, 8, 8, dtype=torch.int64),
    ],
    ids=lambda x: f"{x.dtype} {tuple(x.shape)}",
)
def test_other_images_are_refused(wrong):
    with pytest.raises(DataError, match=r"takes images \(N, 1 or 3, H, W\).*: convert them\.$"):
        InceptionExtractor(Mean()).features(wrong)


def test_it_is_an_extractor_known_by_its_weights():
    """And only the reference weights may be called by their date."""
    network = Mean()
    extractor = InceptionExtractor(network)
    assert isinstance(extractor, FeatureExtractor)
    assert extractor.sha256 == weights_sha256(network)
    assert extractor.resize == "299x299 bilinear as in TensorFlow 1, from 8 bits"
    assert (extractor.reference, extractor.name) == (False, "Inception-v3 with other weights")
    assert InceptionExtractor(network, reference=True).name == "Inception-v3 of 2015-12-05"
    assert not any(x.requires_grad for x in network.parameters())
    assert not network.training
    images = torch.rand(8, 1, 4, 4) * 2 - 1
    assert extractor.logits(images).shape == (8, 2)
    assert not extractor.features(images.clone().requires_grad_()).requires_grad
    torch.testing.assert_close(extractor.logits(images), extractor.features(images) @ network.fc.weight.T)
    assert frechet_distance(extractor.features(images), extractor.features(images)) < 1e-9


# the weights


@pytest.mark.parametrize("counters", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
def test_every_form_of_the_public_file_is_read(tmp_path, counters, zipped):
    state = layout(counters=counters)
    file = tmp_path / "public.pth"
    sha = saved(state, file, zipped=zipped)
    before = torch.get_rng_state()
    network = read(file, sha256=sha)
    assert torch.equal(torch.get_rng_state(), before)
    assert len(network.state_dict()) == PARTS
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_converted_weights_are_the_same_extractor_and_hold_no_code(tmp_path):
    source, target = tmp_path / "public.pth", tmp_path / "new" / "mine.safetensors"
    sha = saved(layout(counters=True), source)
    assert convert(source, target, sha256=sha) == target
    original, converted = (inception(file, sha256=sha) for file in (source, target))
    assert original.sha256 == converted.sha256
    assert not converted.reference
    with pytest.raises(DataError, match=f"converted from a file of SHA-256 {sha}, not {weights.REFERENCE}"):
        inception(target)
    with safetensors.safe_open(target, framework="pt") as file:
        assert file.metadata() == {"format": "pt", "source_sha256": sha, "weights_sha256": original.sha256}
    content = bytearray(target.read_bytes())
    content[-5] ^= 1
    target.write_bytes(content)
    with pytest.raises(DataError, match=r"is damaged, its weights .*: convert the source again\.$"):
        read(target, sha256=sha)
    target.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="it is damaged or another network"):
        read(target, sha256=sha)
    target.unlink()


def test_any_safetensors_of_the_right_hash_are_read(tmp_path):
    file = tmp_path / "public.safetensors"
    file.write_bytes(safetensors.torch.save({"fc.bias": torch.zeros(2)}))
    sha = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(DataError, match="is no FID Inception, 472 parts differ"):
        read(file, sha256=sha)


def test_a_file_of_another_hash_is_refused_unopened(tmp_path, monkeypatch):
    file = tmp_path / weights.NAMES[1]
    sha = saved(layout(counters=False), file)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was opened"))
    sentence = (
        rf"has the SHA-256 {sha}, not 6726825d\w{{56}}: it is damaged or another network; get https://\S+\.pth\.$"
    )
    with pytest.raises(DataError, match=sentence):
        read(file)
    with pytest.raises(DataError, match=sentence):
        convert(file, tmp_path / "x.safetensors")
    assert not (tmp_path / "x.safetensors").exists()


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("zipped", [False, True])
def test_code_in_a_file_does_not_run_even_when_its_hash_is_right(tmp_path, zipped):
    file, trace = tmp_path / "bad.pth", tmp_path / "trace"
    sha = saved(layout(counters=False) | {"fc.bias": Payload(trace)}, file, zipped=zipped)
    with pytest.raises(DataError, match="does not hold plain tensors and nothing else: get https"):
        read(file, sha256=sha)
    assert not trace.exists()


@pytest.mark.parametrize("content", [b"", b"not a file of weights", b"PK\x03\x04" + bytes(100), b"\x80\x02."])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_what_is_no_file_of_weights_is_refused_in_a_sentence(tmp_path, content, suffix):
    file = tmp_path / f"junk{suffix}"
    file.write_bytes(content)
    with pytest.raises(DataError, match=f"^{file} does not hold plain tensors"):
        read(file, sha256=hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    ("change", "first"),
    [
        (lambda state: state.pop("Mixed_6a.branch3x3.bn.bias"), "Mixed_6a.branch3x3.bn.bias"),
        (lambda state: state.update(AuxLogits=torch.zeros(1)), "AuxLogits"),
        (lambda state: state.update({"fc.weight": torch.zeros(1000, 2048)}), "fc.weight"),
        (lambda state: state.update({"fc.bias": torch.zeros(1008, dtype=torch.float64)}), "fc.bias"),
        (lambda state: state.update({"fc.bias": [0.0] * 1008}), "fc.bias"),
    ],
    ids=["absent", "too many", "shape", "type", "no tensor"],
)
def test_other_networks_are_refused_by_name(tmp_path, change, first):
    state, file = layout(counters=False), tmp_path / "other.pth"
    change(state)
    with pytest.raises(DataError, match=f"no FID Inception, 1 parts differ, first {first}: get"):
        read(file, sha256=saved(state, file))


@pytest.mark.parametrize("other", [[1, 2], torch.zeros(3), "text"])
def test_a_file_of_something_else_is_refused(tmp_path, other):
    file = tmp_path / "other.pth"
    with pytest.raises(DataError, match="no FID Inception, 472 parts differ"):
        read(file, sha256=saved(other, file))


def test_targets_must_be_safetensors_and_writable(tmp_path):
    with pytest.raises(DataError, match=r"ends in \.safetensors"):
        convert(tmp_path / "x.pth", tmp_path / "y.pth")
    source = tmp_path / "public.pth"
    sha = saved(layout(counters=False), source)
    with pytest.raises(DataError, match="cannot be written"):
        convert(source, source / "y.safetensors", sha256=sha)


def test_files_are_searched_in_order(folders, tmp_path, monkeypatch):
    ours, torchs = folders
    assert found() is None
    places = [torchs / weights.NAMES[2], torchs / weights.NAMES[1], ours / weights.NAMES[2], ours / weights.NAMES[0]]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
        assert found() == place
    assert found(cache=tmp_path / "elsewhere") == torchs / weights.NAMES[1]
    named = tmp_path / "named.pth"
    monkeypatch.setenv("SPARRING_INCEPTION", str(named))
    with pytest.raises(DataError, match=rf"no Inception weights at {named}: name the file pt_\S+ from https"):
        found()
    named.touch()
    assert found() == named
    assert found(ours) == ours / weights.NAMES[0]  # a folder; and what is given goes before the variable
    with pytest.raises(DataError, match="no Inception weights at"):
        found(tmp_path / "nowhere")


def test_absent_weights_are_downloaded_checked_and_kept(folders, tmp_path, monkeypatch):
    ours, _ = folders
    public = tmp_path / "server.pth"
    sha = saved(layout(counters=True), public)
    monkeypatch.setattr(weights, "REFERENCE", sha)
    monkeypatch.setattr(extractors, "REFERENCE", sha)
    monkeypatch.setattr(weights, "SERVERS", ((tmp_path / "absent").as_uri(), public.as_uri()))
    extractor = inception(sha256=sha)
    assert extractor.reference
    assert extractor.sha256 == inception(public, sha256=sha).sha256
    assert (ours / weights.NAMES[1]).read_bytes() == public.read_bytes()
    public.unlink()
    assert inception(sha256=sha).sha256 == extractor.sha256  # from the cache


def test_a_download_of_another_file_is_deleted_and_the_message_names_the_path(folders, tmp_path, monkeypatch):
    ours, _ = folders
    (tmp_path / "page.html").write_bytes(b"<html>log in</html>")
    monkeypatch.setattr(weights, "SERVERS", ((tmp_path / "page.html").as_uri(), (tmp_path / "absent").as_uri()))
    with pytest.raises(DataError, match=rf"its SHA-256 is \w+, not 6726825d.*put pt_\S+ into {ours}, or name the file"):
        download()
    assert list(ours.iterdir()) == []


def test_an_unreadable_file_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(DataError, match=r"cannot be read \(.*\): name a file"):
        read(tmp_path)


def test_the_reference_hash_is_the_one_in_the_names():
    assert len(weights.REFERENCE) == 64
    assert all(weights.REFERENCE[:8] in server for server in weights.SERVERS)
