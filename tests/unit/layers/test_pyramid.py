"""Laplacian pyramids: means, bilinear enlargement and exact reconstruction."""

import pytest
import torch

from sparring.layers.pyramid import downsample, laplacian_pyramid, reconstruct, upsample
from support.lapgan import batches


def test_down_is_the_mean_of_blocks_and_up_is_bilinear():
    x = torch.tensor([[[[1.0, 2.0, 0.0, 0.0], [3.0, 4.0, 0.0, 8.0]]]])
    assert downsample(x).flatten().tolist() == [2.5, 2.0]
    row = torch.tensor([0.0, 4.0, 8.0]).expand(1, 1, 3, 3)
    assert upsample(row)[0, 0].tolist() == [[0.0, 1.0, 3.0, 5.0, 7.0, 8.0]] * 6
    assert upsample(row.mT)[0, 0].tolist() == upsample(row)[0, 0].T.tolist()


@pytest.mark.parametrize(("side", "levels"), [(8, 1), (16, 2), (32, 3), (64, 4), (32, 6)])
def test_true_residuals_rebuild_the_image(side, levels):
    (x,) = next(batches(side, 3))
    split = laplacian_pyramid(x, levels)
    assert [h.shape[-1] for h, _ in split] == [side // 2**k for k in reversed(range(levels))]
    assert (reconstruct(h for h, _ in split) - x).abs().max() < 1e-6
    image = split[0][0]
    for h, c in split[1:]:  # every band is the residual of the very image that the level below rebuilds
        assert (upsample(image) - c).abs().max() < 1e-6
        image = c + h


def test_a_constant_image_has_no_residual_and_a_coarse_image_of_itself():
    split = laplacian_pyramid(torch.full((2, 3, 32, 32), 0.3), 3)
    for h, c in split[1:]:
        assert h.abs().max() < 1e-6
        assert (c - 0.3).abs().max() < 1e-6
    assert (split[0][0] - 0.3).abs().max() < 1e-6
    assert not split[0][1].any()


def test_odd_sides_are_halved_upwards_and_rebuilt_exactly():
    x = torch.rand(2, 3, 13, 30, dtype=torch.float64)
    split = laplacian_pyramid(x, 3)
    assert [tuple(h.shape[2:]) for h, _ in split] == [(4, 8), (7, 15), (13, 30)]
    torch.testing.assert_close(reconstruct(h for h, _ in split), x)
    row = downsample(torch.tensor([[[[1.0, 3.0, 8.0], [1.0, 3.0, 6.0]]]]))
    assert row.flatten().tolist() == [2.0, 7.0]
    assert upsample(row, (1, 3)).shape == (1, 1, 1, 3)
    assert upsample(row, (1, 3)).flatten().tolist() == upsample(row)[0, 0, 0, :3].tolist()
