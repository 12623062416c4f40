"""The mutations of batches that are played in parts: means over the batch, buffers, who draws which rows, as in `mutants`."""

PARTS = "tests/test_parts.py"

MUTANTS = [
    ("pooling.py", "square - mean.square()", "square", PARTS),
    ("pooling.py", "[before, count * x, after]", "[after, count * x, before]", PARTS),
    ("pooling.py", "[before, count * x, after]", "[before, x, after]", PARTS),
    ("pooling.py", "        if not self.declared:", "        if False:", PARTS),
    ("rehearsal.py", "(slope * x).sum()", "(slope * x.detach()).sum()", PARTS),
    ("rehearsal.py", "torch.stack(there).sum(0) / len(slopes)", "torch.stack(there).sum(0)", PARTS),
    ("rehearsal.py", "process_mean(torch.stack(each).mean(0))", "process_mean(torch.stack(each)[0])", PARTS),
    ("rehearsal.py", "leaves=True)", "leaves=False)", PARTS),
    ("rehearsal.py", "count(index, self.parts)", "count(index)", PARTS),
    ("rehearsal.py", "        self.restore()\n", "", PARTS),
    ("rehearsal.py", "parts.mean(0)))", "buffer))", PARTS),
    ("rehearsal.py", "if parts > 1 and (reason", "if parts > 9 and (reason", PARTS),
    (
        "trainer.py",
        "besides = {player: term for player, term in along.items() if term is not None}",
        "besides = {}",
        PARTS,
    ),
    ("chance.py", "_seed(_now.first, device)", "pass", PARTS),
    ("games/ebgan.py", "pulling_away(gathered(self.D.features(fake)))", "pulling_away(self.D.features(fake))", PARTS),
    ("games/realness.py", "with alike(self.device):", "if True:", PARTS),
    ("penalties.py", "spread * batch_std(real)", "spread * real.std()", PARTS),
    ("wrappers/matching.py", "return whole_mean(features.mean(0))", "return features.mean(0)", PARTS),
    ("wrappers/augmented.py", "self.every * len(x) * shards()", "self.every * len(x)", "tests/test_wrappers_critic.py"),
    ("run.py", 'per_part(self.game) if settings["parts"] > 1', 'per_part(self.game) if settings["parts"] > 2', PARTS),
]
