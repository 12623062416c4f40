"""Vision models of the transformers library, with random weights in a local folder: DINOv2, ViT, CLIP, ResNet."""

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch.nn import functional as F

from sparring.errors import DataError
from sparring.metrics import FeatureExtractor
from sparring.metrics.extractors import vision_model as module
from sparring.metrics.extractors.base import weights_sha256
from sparring.metrics.extractors.vision_model import vision_model

transformers = pytest.importorskip("transformers")

TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "image_size": 28,
    "patch_size": 7,
}
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
DINO = {
    "image_processor_type": "BitImageProcessor",
    "do_resize": True,
    "size": {"shortest_edge": 32},
    "do_center_crop": True,
    "crop_size": {"height": 28, "width": 28},
    "resample": 3,
    "do_normalize": True,
    "image_mean": MEAN,
    "image_std": STD,
}
VIT = {"image_processor_type": "ViTImageProcessor", "size": {"height": 28, "width": 28}, "resample": 2}


def saved(folder, model, processor):
    """Write a model and its image processor, and return the model."""
    transformers.utils.logging.disable_progress_bar()
    model.eval().save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return model


def dino(folder):
    torch.manual_seed(0)
    config = transformers.Dinov2Config(**TINY, mlp_ratio=2)
    return saved(folder, transformers.Dinov2Model(config), DINO)


def images(n=3, channels=3, height=28, width=28):
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1


def normalised(x):
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    return ((x + 1) / 2 - mean) / std


def test_dinov2_gives_its_normalised_class_token(tmp_path, monkeypatch):
    model = dino(tmp_path)
    state = torch.random.get_rng_state()
    extractor = vision_model(str(tmp_path))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert isinstance(extractor, FeatureExtractor)
    with torch.no_grad():
        expected = model(pixel_values=normalised(images())).last_hidden_state[:, 0]
    features = extractor.features(images())
    assert features.shape == (3, 16)
    assert not features.requires_grad
    torch.testing.assert_close(features, expected)
    assert extractor.sha256 == weights_sha256(model)
    assert extractor.name == f"{tmp_path.name} ({extractor.sha256[:8]})"
    assert extractor.resize == "28x28 bicubic antialiased, mean 0.485,0.456,0.406, std 0.229,0.224,0.225"
    monkeypatch.setattr(module, "AT_ONCE", 1)
    torch.testing.assert_close(extractor.features(images()), features)


def test_the_whole_image_is_stretched_to_the_input_and_grey_is_repeated(tmp_path):
    model = dino(tmp_path)
    extractor = vision_model(str(tmp_path))
    grey = images(2, 1, 20, 16).sign()
    stretched = F.interpolate((grey + 1) / 2, (28, 28), mode="bicubic", antialias=True).clamp(0, 1)
    with torch.no_grad():
        expected = model(pixel_values=normalised(stretched.expand(-1, 3, -1, -1) * 2 - 1)).pooler_output
    torch.testing.assert_close(extractor.features(grey), expected, atol=1e-4, rtol=1e-4)
    border = grey.clone()
    border[:, :, 0] *= -1
    assert not torch.allclose(extractor.features(border), extractor.features(grey), atol=1e-3)


def test_vit_gives_its_class_token_where_the_file_has_no_pooling(tmp_path):
    torch.manual_seed(0)
    config = transformers.ViTConfig(**TINY)
    (tmp_path / "pooled").mkdir()
    with_pooler = saved(tmp_path / "pooled", transformers.ViTModel(config), VIT)
    model = saved(tmp_path, transformers.ViTModel(config, add_pooling_layer=False), VIT)
    pixels = images()  # mean and deviation of the class are 0.5
    with torch.no_grad():
        token, pooled = model(pixel_values=pixels).last_hidden_state[:, 0], with_pooler(pixel_values=pixels)
    torch.testing.assert_close(vision_model(str(tmp_path)).features(images()), token)
    torch.testing.assert_close(vision_model(str(tmp_path / "pooled")).features(images()), pooled.pooler_output)
    assert vision_model(str(tmp_path)).resize == "28x28 bilinear antialiased, mean 0.5,0.5,0.5, std 0.5,0.5,0.5"


def clip(folder):
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = transformers.CLIPConfig(text_config={**text, "vocab_size": 99}, vision_config=TINY, projection_dim=12)
    return saved(folder, transformers.CLIPModel(config), {**DINO, "image_processor_type": "CLIPImageProcessor"})


def test_clip_gives_its_image_embedding(tmp_path):
    torch.manual_seed(0)
    model = clip(tmp_path)
    with torch.no_grad():
        vision = model.vision_model(pixel_values=normalised(images())).pooler_output
        expected = model.visual_projection(vision)
    features = vision_model(str(tmp_path)).features(images())
    assert features.shape == (3, 12)
    torch.testing.assert_close(features, expected)


def test_resnet_gives_the_mean_over_positions(tmp_path):
    torch.manual_seed(0)
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 20], depths=[1, 1], layer_type="basic")
    model = saved(
        tmp_path, transformers.ResNetModel(config), {**DINO, "image_processor_type": "ConvNextImageProcessor"}
    )
    with torch.no_grad():
        expected = model(pixel_values=normalised(images())).last_hidden_state.mean((2, 3))
    torch.testing.assert_close(vision_model(str(tmp_path)).features(images()), expected)


def test_a_model_with_random_masks_is_refused(tmp_path):
    config = transformers.ViTMAEConfig(**TINY, decoder_hidden_size=8, decoder_num_hidden_layers=1)
    saved(tmp_path, transformers.ViTMAEModel(config), VIT)
    with pytest.raises(DataError, match="gives other features each time"):
        vision_model(str(tmp_path))


def test_a_model_of_texts_is_refused(tmp_path):
    config = transformers.BertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, vocab_size=99
    )
    model = transformers.BertModel(config)
    model.save_pretrained(tmp_path)
    with pytest.raises(DataError, match="cannot be loaded"):
        vision_model(str(tmp_path))
    saved(tmp_path, model, DINO)
    with pytest.raises(DataError, match="gives no features of images"):
        vision_model(str(tmp_path))


def test_a_file_without_all_weights_is_refused(tmp_path):
    dino(tmp_path)
    path = tmp_path / "model.safetensors"
    weights = safetensors.torch.load_file(path)
    left_out = "encoder.layer.1.mlp.fc1.weight"
    safetensors.torch.save_file(
        {name: value for name, value in weights.items() if name != left_out}, path, metadata={"format": "pt"}
    )
    with pytest.raises(DataError, match=rf"lacks weights \({left_out}\): take a complete one"):
        vision_model(str(tmp_path))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="cannot be loaded"):
        vision_model(str(tmp_path))


def test_only_safetensors_are_read_and_no_code_of_a_model_runs(tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    dino(tmp_path)
    weights = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").unlink()
    torch.save({"weight": Trap()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(DataError, match="cannot be loaded"):
        vision_model(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(weights)
    (tmp_path / "own.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / 'sprung')!r}).touch()\n")
    own = {"AutoConfig": "own.Config", "AutoModel": "own.Model", "AutoImageProcessor": "own.Processor"}
    for name in ("config.json", "preprocessor_config.json"):
        settings = json.loads((tmp_path / name).read_text())
        (tmp_path / name).write_text(json.dumps(settings | {"auto_map": own}))
    assert vision_model(str(tmp_path)).features(images()).shape == (3, 16)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "own"}))
    with pytest.raises(DataError, match="cannot be loaded"):
        vision_model(str(tmp_path))
    assert not (tmp_path / "sprung").exists()


def test_a_processor_without_a_size_is_refused(tmp_path):
    dino(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**DINO, "crop_size": {"height": 0, "width": 0}}))
    with pytest.raises(DataError, match="states no size"):
        vision_model(str(tmp_path))


@pytest.mark.parametrize("name", ["../models/dino", "/nowhere/dino", "a/b/c"])
def test_a_folder_that_is_not_there_is_refused_without_a_request(name):
    with pytest.raises(DataError, match="There is no folder"):
        vision_model(name)


def test_offline_one_sentence_names_the_remedy(tmp_path, monkeypatch):
    seen = []

    def from_pretrained(place, **options):
        seen.append((place, options))
        raise OSError("Can't load it for 'facebook/dinov2-base'. If more\nand more")

    monkeypatch.setattr(transformers.AutoImageProcessor, "from_pretrained", from_pretrained)
    with pytest.raises(DataError, match="without a connection, a local folder") as raised:
        vision_model("facebook/dinov2-base@abc123")
    assert "(Can't load it for 'facebook/dinov2-base')" in str(raised.value)
    assert seen == [("facebook/dinov2-base", {"trust_remote_code": False, "revision": "abc123"})]
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(DataError, match=r"pip install 'sparring\[transformers\]'"):
        vision_model("facebook/dinov2-base")
