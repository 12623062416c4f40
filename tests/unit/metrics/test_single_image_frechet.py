"""The distance over positions: closed forms, invariances and sensitivities, and the layer of Inception it reads."""

import math
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from sparring.layers.resampling import Blur
from sparring.metrics.extractors.inception import InceptionV3
from sparring.metrics.single_image_frechet import (
    inception_maps,
    random_filters,
    single_image_distance,
    single_image_distances,
)

HEIGHT, WIDTH = 94, 125


def identity(image):
    return image


def patches(image):
    """Raw patches of 3 × 3: linear filters, for comparison."""
    return F.unfold(image, 3).unflatten(2, (image.shape[2] - 2, image.shape[3] - 2))


def field(mean, covariance, height, width, seed=0):
    """An image whose pixels have exactly this mean and covariance over its positions."""
    drawn = torch.randn(height * width, len(mean), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    centred = drawn - drawn.mean(dim=0)
    factor = torch.linalg.cholesky(centred.T @ centred / (len(centred) - 1))
    white = torch.linalg.solve_triangular(factor, centred.T, upper=False)
    rows = torch.linalg.cholesky(covariance) @ white + mean[:, None]
    return rows.reshape(1, len(mean), height, width)


def dead_leaves(seed):
    """Discs of random colour and size that cover each other: edges and flat parts at all scales, as in photographs."""
    chance = np.random.default_rng(seed)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    image = np.zeros((3, HEIGHT, WIDTH))
    low, high = np.sort(chance.uniform(-1, 1, (2, 3)), axis=0)
    for _ in range(1500):
        radius = 3 * chance.uniform(0.01, 1) ** -0.5
        y, x = chance.uniform(0, HEIGHT), chance.uniform(0, WIDTH)
        image[:, (rows - y) ** 2 + (columns - x) ** 2 < radius**2] = chance.uniform(low, high)[:, None]
    return torch.from_numpy(image)[None].float()


def photograph(name):
    path = Path(os.environ["SPARRING_DATA"]) / "singan" / "Generation" / name
    pixels = np.array(Image.open(path).convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1


@pytest.fixture(scope="module", params=["leaves", pytest.param("photographs", marks=pytest.mark.data)])
def pictures(request):
    """A picture, and three unlike it."""
    if request.param == "leaves":
        return [dead_leaves(seed) for seed in range(4)]
    return [photograph(name) for name in ("colusseum.png", "aqueduct.jpg", "mtrushmore.jpg", "pantheon.jpg")]


# closed forms


def test_gaussian_features_in_closed_form_at_any_size():
    """In two dimensions tr (A B)^½ = (tr A B + 2 (det A B)^½)^½, whether or not A and B commute."""
    a = torch.tensor([[2.0, 0.6], [0.6, 0.5]], dtype=torch.float64)
    b = torch.tensor([[0.7, -0.4], [-0.4, 1.5]], dtype=torch.float64)
    real = field(torch.tensor([1.0, -2.0]).double(), a, 9, 14)
    fake = field(torch.tensor([-1.0, 0.5]).double(), b, 20, 7, seed=1)
    root = math.sqrt((a @ b).trace().item() + 2 * math.sqrt((a.det() * b.det()).item()))
    expected = 2**2 + 2.5**2 + a.trace().item() + b.trace().item() - 2 * root
    assert single_image_distance(real, fake, identity) == pytest.approx(expected, rel=1e-12)
    assert single_image_distance(fake, real, identity) == pytest.approx(expected, rel=1e-12)


def test_the_same_image_scores_0_and_so_do_its_features_in_another_order():
    image = dead_leaves(0)
    scale = random_filters()(image).square().sum(dim=1).mean().item()
    assert single_image_distance(image, image, random_filters()) < 1e-12 * scale
    order = torch.randperm(HEIGHT * WIDTH, generator=torch.Generator().manual_seed(0))
    shuffled = image.flatten(2)[:, :, order].reshape(image.shape)
    assert single_image_distance(image, shuffled, identity) < 1e-12
    assert single_image_distance(image, shuffled, random_filters()) > 0.1 * scale  # as an image it is another


def test_fewer_positions_than_features_are_exact_too():
    """Without variance there is only the distance of the means."""
    real, fake = torch.full((1, 50, 2, 3), 0.25), torch.full((1, 50, 4, 1), -0.5)
    assert single_image_distance(real, fake, identity) == pytest.approx(50 * 0.75**2, rel=1e-12)


def test_the_mean_over_samples_and_its_error_in_closed_form():
    """Shifts of 1, 2 and 4 lie at 1, 4 and 16: mean 7, deviation √63, error √21."""
    image = field(torch.zeros(1).double(), torch.eye(1).double(), 5, 6)
    found = single_image_distances(image, [image + 1, image - 2, image + 4], identity)
    assert found.distances == pytest.approx((1, 4, 16), rel=1e-12)
    assert found.mean == pytest.approx(7, rel=1e-12)
    assert found.standard_error == pytest.approx(math.sqrt(21), rel=1e-12)


def test_samples_may_come_one_by_one_and_differ_in_size(pictures):
    real, maps = pictures[0], random_filters()
    samples = [real[:, :, 5:], real[:, :, :, 9:-3] + 0.1]
    found = single_image_distances(real, (x for x in samples), maps)
    assert found.distances == tuple(single_image_distance(real, x, maps) for x in samples)
    batch = torch.cat([real + 0.1, real - 0.2])
    assert len(single_image_distances(real, batch.split(1), maps).distances) == 2


# sensitivity


def noisy(image):
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    return [image + amount * noise for amount in (0.02, 0.1, 0.3, 1.0)]


def blurred(image):
    soften, steps = Blur((1.0, 4.0, 6.0, 4.0, 1.0)), [image]
    for _ in range(20):
        steps.append(soften(F.pad(steps[-1], (2, 2, 2, 2), mode="reflect")))
    return [steps[times] for times in (1, 3, 8, 20)]


def torn(image):
    """Its square pieces in another order, ever smaller."""
    whole = image[:, :, :88, :120]
    steps = []
    for side in (8, 4, 2, 1):
        pieces = F.unfold(whole, side, stride=side)
        order = torch.randperm(pieces.shape[2], generator=torch.Generator().manual_seed(0))
        steps.append(F.fold(pieces[:, :, order], whole.shape[2:], side, stride=side))
    return steps


def faded(image):
    """Ever less contrast."""
    return [image * share for share in (0.95, 0.8, 0.5, 0.0)]


@pytest.mark.parametrize("plant", [noisy, blurred, torn, faded])
def test_it_rises_with_each_planted_degradation(pictures, plant):
    image, maps = pictures[0], random_filters()
    found = [single_image_distance(image, worse, maps) for worse in [image, *plant(image)]]
    assert all(better < worse for better, worse in pairwise(found))


def test_other_pictures_are_far_farther_than_a_flip_or_a_crop(pictures):
    image, *others = pictures
    maps = random_filters()
    near = [single_image_distance(image, x, maps) for x in (image.flip(3), image[:, :, 4:-4, 6:-6])]
    far = [single_image_distance(image, other, maps) for other in others]
    assert min(far) > 20 * max(near)  # 254 measured for leaves, 69 for photographs


def phases_lost(image):
    """Noise with the image's spectrum: every wave shifted at random, alike in all channels."""
    mean = image.mean(dim=(2, 3), keepdim=True)
    noise = torch.fft.fft2(torch.randn(1, 1, *image.shape[2:], generator=torch.Generator().manual_seed(0)))
    return torch.fft.ifft2(torch.fft.fft2(image - mean) * noise / noise.abs()).real + mean


def test_random_filters_separate_an_image_from_noise_of_its_spectrum_and_raw_patches_do_not(pictures):
    image = pictures[0]
    crop, noise = image[:, :, 4:-4, 6:-6], phases_lost(image)
    by_filters, by_patches = (
        single_image_distance(image, noise, maps) / single_image_distance(image, crop, maps)
        for maps in (random_filters(), patches)
    )
    assert by_filters > 3  # 7.5 and 5.2 measured
    assert by_patches < 1  # nearer than the picture's own crop; 0.20 and 0.23 measured


# random filters


def test_random_filters_are_fixed_by_the_seed_and_leave_the_world_alone():
    image = dead_leaves(0)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = random_filters()(image)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(random_filters(seed=0)(image), first)
    assert not torch.equal(random_filters(seed=1)(image), first)


def test_random_filters_are_rectified_and_of_unit_norm():
    """White noise of deviation σ is met by a half-normal of second moment σ² / 2, a negated one by the other half."""
    noise = 0.5 * torch.randn(1, 2, 200, 200, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    maps = random_filters(2, side=5, width=40)
    positive, negative = maps(noise), maps(-noise)
    assert positive.shape == (1, 40, 196, 196)
    assert positive.amin() == 0
    assert (positive * negative == 0).all()
    assert positive.square().mean().item() == pytest.approx(0.125, rel=0.02)
    assert (positive + negative).square().mean(dim=(0, 2, 3)).sub(0.25).abs().max() < 0.25 * 0.1


# Inception


@pytest.fixture(scope="module")
def network():
    """Random weights; the signal is kept alive by norms without effect."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return InceptionV3().requires_grad_(False)


def test_inception_maps_are_what_enters_the_second_pool(network):
    image = torch.rand(1, 3, 80, 91, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pixels = (((image + 1) * 127.5).round() - 128) / 128
    seen = {}
    hooks = [
        network.Conv2d_4a_3x3.register_forward_hook(lambda _, __, output: seen.update(before=output.clone())),
        network.Mixed_5b.register_forward_pre_hook(lambda _, inputs: seen.update(after=inputs[0].clone())),
    ]
    network(pixels)
    for hook in hooks:
        hook.remove()
    maps = inception_maps(network)(image)
    assert maps.shape == (1, 192, 16, 19)
    assert torch.equal(maps, seen["before"])
    assert torch.equal(F.max_pool2d(maps, 3, 2), seen["after"])
    assert maps.std() > 0
    assert torch.equal(network.early(pixels), maps)


def test_inception_maps_are_at_the_size_of_the_image_and_take_grey(network):
    maps = inception_maps(network)
    grey = torch.rand(1, 1, 64, 100, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert maps(grey).shape == (1, 192, 12, 21)
    assert torch.equal(maps(grey), maps(grey.repeat(1, 3, 1, 1)))
    assert maps(grey[:, :, :19, :19]).shape == (1, 192, 1, 1)
    rounded = ((grey + 1) * 127.5).round() / 127.5 - 1
    assert torch.equal(maps(rounded), maps(grey))


def test_noise_is_far_by_inception_maps_too(network):
    image, maps = dead_leaves(0), inception_maps(network)
    found = [single_image_distance(image, worse, maps) for worse in (image, image.flip(3), noisy(image)[-1])]
    assert found == sorted(found)
    assert found[0] < 1e-9 * found[-1]
    assert found[-1] > 5 * found[1]


def test_no_graph_is_kept():
    image = dead_leaves(0).requires_grad_()
    weight = torch.ones(4, 3, 3, 3, requires_grad=True)
    graphs = []

    def maps(x):
        found = F.conv2d(x, weight)
        graphs.append(found.requires_grad)
        return found

    assert single_image_distance(image, image, maps) < 1e-9
    assert graphs == [False, False]


def test_what_is_no_single_image_or_has_no_positions_is_refused(network):
    image = torch.rand(1, 3, 20, 20)
    for wrong in (torch.rand(2, 3, 20, 20), image[0], torch.zeros(1, 3, 20, 20, dtype=torch.uint8)):
        with pytest.raises(ValueError, match="one by one"):
            single_image_distance(image, wrong, identity)
        with pytest.raises(ValueError, match="one by one"):
            single_image_distance(wrong, image, identity)
    for pooled in (lambda x: x.mean(dim=(2, 3)), lambda x: x.mean(dim=(2, 3), keepdim=True)):
        with pytest.raises(ValueError, match="before they are pooled"):
            single_image_distance(image, image, pooled)
    with pytest.raises(ValueError, match="finite"):
        single_image_distance(image, image.log() * torch.inf, identity)
    with pytest.raises(ValueError, match="dimensions"):
        single_image_distance(image, image[:, :1], identity)
    with pytest.raises(ValueError, match="2 samples, not 1"):
        single_image_distances(image, [image], identity)
    with pytest.raises(ValueError, match="smaller side"):
        single_image_distance(image, image[:, :, :6], random_filters())
    with pytest.raises(ValueError, match="of its channels"):
        single_image_distance(image[:, :1], image, random_filters())
    with pytest.raises(ValueError, match="must be positive"):
        random_filters(side=0)
    with pytest.raises(ValueError, match="19 pixels"):
        single_image_distance(dead_leaves(0), image[:, :, :18], inception_maps(network))
    with pytest.raises(ValueError, match="1 or 3"):
        single_image_distance(dead_leaves(0), image[:, :2], inception_maps(network))
