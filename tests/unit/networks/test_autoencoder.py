"""Autoencoders as critics: sizes, layers and reconstruction."""

import pytest
import torch

from sparring.errors import DataError
from sparring.networks.autoencoder import DCGANAutoencoder, MLPAutoencoder
from sparring.recipes.ebgan import ebgan
from sparring.recipes.options import Networks

# Autoencoders and the recipe


@pytest.mark.parametrize("side", [8, 16, 32, 64, 128, 256])
@pytest.mark.parametrize("colours", [1, 3])
def test_every_size_can_be_reconstructed(side, colours):
    D = DCGANAutoencoder((colours, side, side), width=2)
    x = torch.randn(2, colours, side, side)
    assert D.reconstruct(x).shape == x.shape
    torch.testing.assert_close(D(x), -(D.reconstruct(x) - x).flatten(1).norm(dim=1))
    assert torch.equal(D.features(x), D.encoder(x).flatten(1))
    assert D.encoder(x).shape[2:] == (4, 4)


def test_other_sizes_and_other_data_are_refused():
    with pytest.raises(DataError, match="--size 8x30"):
        DCGANAutoencoder((3, 7, 30))
    with pytest.raises(ValueError, match="this critic takes"):
        MLPAutoencoder((2,), 8)(torch.ones(4, 3))


@pytest.mark.parametrize(
    ("D", "data"),
    [
        (MLPAutoencoder((1, 8, 8), 64), torch.rand(32, 1, 8, 8)),
        (DCGANAutoencoder((1, 8, 8), 16), torch.rand(32, 1, 8, 8)),
    ],
)
def test_autoencoders_learn_to_reconstruct(D, data):
    optimiser, before = torch.optim.Adam(D.parameters(), 1e-2), -D(data).mean().item()
    for _ in range(50):
        optimiser.zero_grad()
        (-D(data).mean()).backward()
        optimiser.step()
    assert -D(data).mean().item() < before / 2


def test_first_and_last_layers_have_no_batch_norm_and_the_end_is_linear():
    D = DCGANAutoencoder((3, 32, 32), 8)
    kinds = [type(layer).__name__ for part in (D.encoder, D.decoder) for layer in part]
    assert kinds[:3] == ["Conv2d", "LeakyReLU", "Conv2d"]
    assert kinds[-1] == "ConvTranspose2d"
    assert kinds.count("BatchNorm2d") == 4
    assert D.decoder[-1].weight.std().item() == pytest.approx(0.02, rel=0.2)


@pytest.mark.parametrize(
    ("network", "kind"), [("toy", MLPAutoencoder), ("mlp", MLPAutoencoder), ("cnn", DCGANAutoencoder)]
)
def test_the_autoencoder_is_of_the_generators_kind(network, kind):
    assert isinstance(ebgan((1, 8, 8), networks=Networks(network, latent=6, width=8)).D, kind)
