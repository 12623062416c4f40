"""Standing statistics of batch norm."""

import torch
from torch import nn

from support.biggan import small

# --- standing statistics


def test_standing_statistics_are_the_means_of_the_statistics_of_batches():
    game = small()
    norm = game.G.end[0]
    with torch.no_grad():
        norm.running_mean.fill_(7)
        norm.num_batches_tracked.fill_(9)  # batches of the training, which must not count
    seen = []
    norm.register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
    before = {name: value.clone() for name, value in game.state_dict().items() if "running" not in name}
    game.standing(batches=5, size=6)
    assert [x.shape[0] for x in seen] == [6] * 5
    means = torch.stack([x.mean((0, 2, 3)) for x in seen])
    assert means.std(0).min() > 0, "another batch every time"
    assert torch.allclose(norm.running_mean, means.mean(0), atol=1e-6)
    variances = torch.stack([x.var((0, 2, 3)) for x in seen])
    assert torch.allclose(norm.running_var, variances.mean(0), rtol=1e-5)
    assert not game.G.training
    assert norm.momentum == 0.1
    changed = {name for name, value in before.items() if not torch.equal(value, game.state_dict()[name])}
    assert all(name.endswith("num_batches_tracked") for name in changed), "no power iteration, no weight"


def test_every_batch_norm_of_the_generator_is_measured():
    game = small()
    game.standing(batches=2, size=4)
    norms = [layer for layer in game.G.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == 3
    assert all(norm.num_batches_tracked == 2 for norm in norms)
