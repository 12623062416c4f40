"""Techniques under two processes: means of features are global, references are the same everywhere."""

import subprocess
import sys
import textwrap

TWO_PROCESSES = """
    import os, sys, torch, torch.distributed as dist
    from torch import nn
    from sparring.games.gan import GAN
    from sparring.layers.normalization import WithReferenceBatch
    from sparring.networks import MLPCritic, MLPGenerator
    from sparring.objectives import NonSaturating
    from sparring.training.trainer import train
    from sparring.wrappers.feature_matching import over_batch, squared
    from sparring.wrappers.virtual_batch_norm import VirtualBatch

    rank, store = int(sys.argv[1]), sys.argv[2]
    torch.manual_seed(0)
    x, z = torch.randn(8, 3, dtype=torch.float64), torch.randn(8, 3, dtype=torch.float64) + 1
    w = torch.randn(3, dtype=torch.float64, requires_grad=True)

    def gradient(x, z):
        loss = squared(over_batch(x) - over_batch((z * w).tanh()))
        return torch.stack([loss.detach(), *torch.autograd.grad(loss, w)[0]])

    whole = gradient(x, z)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    share = slice(4 * rank, 4 * rank + 4)
    mine = gradient(x[share], z[share])
    dist.all_reduce(mine)
    assert torch.allclose(mine / 2, whole, rtol=0, atol=1e-12), (mine / 2, whole)

    learn = lambda network: torch.optim.SGD(network.parameters(), lr=0.1)
    G, D = (kind((2,), width=8, norm=nn.BatchNorm1d) for kind in (MLPGenerator, MLPCritic))
    game = VirtualBatch(GAN(G, D, NonSaturating(), critic=learn, generator=learn), (2,), WithReferenceBatch, 4)
    for _ in train(game, iter([(torch.full((4, 2), float(rank)),)] * 3), 2):
        pass
    assert not game.D.reference.any(), "those of the first process serve all"

    def threads():
        return {open(f"/proc/self/task/{thread}/comm").read().strip() for thread in os.listdir("/proc/self/task")}

    linux = os.path.exists("/proc/self/task")
    assert not linux or "pt_gloo_runloop" in threads()
    dist.destroy_process_group()
    assert not linux or "pt_gloo_runloop" not in threads(), "one that outlives its group can end the interpreter"
"""


def test_techniques_agree_over_processes(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(TWO_PROCESSES)]
    ranks = [subprocess.Popen([*command, str(rank), str(tmp_path / "store")]) for rank in range(2)]
    assert [process.wait(timeout=240) for process in ranks] == [0, 0]
