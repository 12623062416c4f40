"""The mutations of batches that are played in parts: means over the batch, buffers, who draws which rows, as in `mutants`."""

PARTS = "tests/zoo/test_accumulation.py"

MUTANTS = [
    ("objectives/batch_statistics.py", "square - mean.square()", "square", PARTS),
    ("objectives/batch_statistics.py", "[before, count * x, after]", "[after, count * x, before]", PARTS),
    ("objectives/batch_statistics.py", "[before, count * x, after]", "[before, x, after]", PARTS),
    ("objectives/batch_statistics.py", "        if not self.declared:", "        if False:", PARTS),
    ("training/accumulation.py", "(slope * x).sum()", "(slope * x.detach()).sum()", PARTS),
    ("training/accumulation.py", "torch.stack(there).sum(0) / len(slopes)", "torch.stack(there).sum(0)", PARTS),
    (
        "training/accumulation.py",
        "all_reduce_mean(torch.stack(each).mean(0))",
        "all_reduce_mean(torch.stack(each)[0])",
        PARTS,
    ),
    ("training/accumulation.py", "leaves=True)", "leaves=False)", PARTS),
    ("training/accumulation.py", "count(index, self.parts)", "count(index)", PARTS),
    ("training/accumulation.py", "        self.restore()\n", "", PARTS),
    ("training/accumulation.py", "parts.mean(0)))", "buffer))", PARTS),
    ("training/accumulation.py", "if parts > 1 and (reason", "if parts > 9 and (reason", PARTS),
    (
        "training/trainer.py",
        "extra_terms = {player: term for player, term in along.items() if term is not None}",
        "extra_terms = {}",
        PARTS,
    ),
    ("rng.py", "_seed(_now.first, device)", "pass", PARTS),
    (
        "games/ebgan.py",
        "pulling_away(all_gather_rows(self.D.features(fake)))",
        "pulling_away(self.D.features(fake))",
        PARTS,
    ),
    ("games/realness.py", "with replicated(self.device):", "if True:", PARTS),
    ("objectives/penalties.py", "spread * batch_std(real)", "spread * real.std()", PARTS),
    ("wrappers/feature_matching.py", "return global_mean(features.mean(0))", "return features.mean(0)", PARTS),
    (
        "wrappers/augmentation.py",
        "self.every * len(x) * num_shards()",
        "self.every * len(x)",
        "tests/unit/wrappers/test_critic_term.py tests/unit/wrappers/test_augmentation.py tests/unit/wrappers/test_consistency.py tests/unit/wrappers/test_gradient_penalties.py",
    ),
    (
        "runs/run.py",
        "batch_dependent_layers(game) if config.grad_accum > 1",
        "batch_dependent_layers(game) if config.grad_accum > 2",
        PARTS,
    ),
]
