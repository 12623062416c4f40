"""Up-sampling and convolution in a user's sequence: one transposed convolution inside, untouched layers outside."""

import pickle
from itertools import repeat

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from sparring.game import Game, Move, adam
from sparring.layers.upsample_fusion import can_fuse_upsampling, fused_upsampling
from sparring.training.trainer import train


def conv(**settings):
    return nn.Conv2d(4, 4, 3, **{"padding": 1, **settings})


class Own(nn.Upsample):
    """A subclass, which may do anything."""


PAIRS = {
    "plain": lambda: nn.Sequential(nn.Upsample(scale_factor=2), conv()),
    "by name": lambda: nn.Sequential(nn.UpsamplingNearest2d(scale_factor=2), conv(padding="same", bias=False)),
    "two factors": lambda: nn.Sequential(nn.Upsample(scale_factor=(2, 2), mode="nearest-exact"), conv()),
    "inner": lambda: nn.Sequential(nn.Sequential(nn.BatchNorm2d(4), nn.Upsample(scale_factor=2), conv()), nn.ReLU()),
    "across": lambda: nn.Sequential(nn.Sequential(nn.Upsample(scale_factor=2)), nn.Sequential(conv(), nn.Tanh())),
    "twice": lambda: nn.Sequential(nn.Upsample(scale_factor=2), shared := conv(), nn.Upsample(scale_factor=2), shared),
}
OTHERS = {
    "another factor": lambda: nn.Sequential(nn.Upsample(scale_factor=3), conv()),
    "a size": lambda: nn.Sequential(nn.Upsample(size=8), conv()),
    "bilinear": lambda: nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), conv()),
    "a stride": lambda: nn.Sequential(nn.Upsample(scale_factor=2), conv(stride=2)),
    "no border": lambda: nn.Sequential(nn.Upsample(scale_factor=2), conv(padding=0)),
    "a reflected border": lambda: nn.Sequential(nn.Upsample(scale_factor=2), conv(padding_mode="reflect")),
    "groups": lambda: nn.Sequential(nn.Upsample(scale_factor=2), conv(groups=2)),
    "dilation": lambda: nn.Sequential(nn.Upsample(scale_factor=2), conv(dilation=2, padding=2)),
    "a larger kernel": lambda: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(4, 4, 5, padding=2)),
    "something between": lambda: nn.Sequential(nn.Upsample(scale_factor=2), nn.ReLU(), conv()),
    "a subclass": lambda: nn.Sequential(Own(scale_factor=2), conv()),
    "a parametrised kernel": lambda: nn.Sequential(
        nn.Upsample(scale_factor=2), nn.utils.parametrizations.spectral_norm(conv())
    ),
    "an older spectral norm": lambda: nn.Sequential(nn.Upsample(scale_factor=2), nn.utils.spectral_norm(conv())),
}


def results(network, x):
    """Output and gradients, by name."""
    network.zero_grad()
    y = network(x)
    y.square().sum().backward()
    return {"y": y.detach(), **{name: parameter.grad.clone() for name, parameter in network.named_parameters()}}


def transposed(network, x):
    """How many transposed convolutions a network plays."""
    with torch.profiler.profile() as profile:
        network(x)
    return sum(event.count for event in profile.key_averages() if event.key == "aten::conv_transpose2d")


@pytest.mark.parametrize("form", PAIRS)
@pytest.mark.parametrize("training", [True, False])
def test_a_folded_pair_gives_the_same_outputs_and_gradients(form, training):
    torch.manual_seed(0)
    network, x = PAIRS[form]().double().train(training), torch.randn(2, 4, 4, 4).double()
    plain, keys = results(network, x), list(network.state_dict())
    assert can_fuse_upsampling(network)
    with fused_upsampling([network]):
        folded = results(network, x)
        assert transposed(network, x) == (2 if form == "twice" else 1)
    assert folded.keys() == plain.keys()
    assert all(torch.allclose(folded[name], plain[name], rtol=1e-10) for name in plain)
    assert list(network.state_dict()) == keys
    assert transposed(network, x) == 0  # afterwards all is as it was
    assert {type(each) for each in network.modules() if isinstance(each, nn.Sequential)} == {nn.Sequential}
    assert type(pickle.loads(pickle.dumps(network))) is nn.Sequential


@pytest.mark.parametrize("form", OTHERS)
def test_what_is_no_such_pair_is_left_alone(form):
    torch.manual_seed(0)
    network, x = OTHERS[form]().eval(), torch.randn(2, 4, 4, 4)
    plain = network(x)
    assert not can_fuse_upsampling(network)
    with fused_upsampling([network]):
        assert torch.equal(network(x), plain)
        assert transposed(network, x) == 0


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("register", ["register_forward_hook", "register_forward_pre_hook"])
def test_hooks_receive_the_same_tensors_even_when_added_later(layer, register):
    network, x, seen = PAIRS["plain"](), torch.randn(2, 4, 4, 4), []
    with fused_upsampling([network]):
        hook = getattr(network[layer], register)(lambda _, given, *made: seen.append(given[0].shape[-1]))
        network(x)
        assert seen == [4 if layer == 0 else 8]
        hook.remove()
        assert transposed(network, x) == 1
    network[layer].register_forward_hook(lambda *_: None)
    assert not can_fuse_upsampling(network)


def test_a_hook_of_the_sequence_and_a_forward_of_ones_own_are_kept():
    network, x, seen = PAIRS["plain"](), torch.randn(2, 4, 4, 4), []
    network.register_forward_hook(lambda _, given, made: seen.append((given[0].shape[-1], made.shape[-1])))
    with fused_upsampling([network]):
        network(x)
    assert seen == [(4, 8)]
    network[1].forward = lambda x: x
    assert not can_fuse_upsampling(network)


def test_what_is_no_batch_of_images_is_computed_layer_by_layer():
    network = nn.Sequential(nn.Upsample(scale_factor=2), conv())
    with fused_upsampling([network]), pytest.raises(RuntimeError, match="3"):  # as torch has it
        network(torch.randn(2, 4, 4))


def test_all_is_as_it_was_after_an_error():
    network = PAIRS["plain"]()
    with pytest.raises(RuntimeError, match="channels"), fused_upsampling([network]):
        network(torch.randn(2, 3, 4, 4))
    assert type(network) is nn.Sequential


class Recomputed(Game):
    """A game whose network is computed again in its backward pass."""

    def __init__(self, folds):
        super().__init__()
        torch.manual_seed(0)
        self.G, self.folds, self.types = PAIRS["plain"]().double(), folds, set()

    def players(self):
        return {"G": adam(self.G, lr=1e-3)}

    def round(self, data, step):
        x, *_ = next(data)
        self.types.add(type(self.G).__name__)
        yield Move("G", size=checkpoint(self.G, x, use_reentrant=False).square().mean())


def test_a_training_folds_in_every_pass_of_its_steps_and_nowhere_else():
    x = torch.randn(2, 4, 4, 4).double()
    folded, plain = Recomputed(("G",)), Recomputed(())
    for game in (folded, plain):
        for _ in train(game, repeat((x,)), 2):
            assert type(game.G) is nn.Sequential
    assert (folded.types, plain.types) == ({"_Fused"}, {"Sequential"})
    for one, other in zip(folded.parameters(), plain.parameters(), strict=True):
        assert not torch.equal(one, other)  # rounded elsewhere, so it was played elsewise
        assert torch.allclose(one, other, rtol=1e-9)
