"""The mutations: (file in the package, the line as it is, the line broken, the tests that must fail)."""

TRAIN, GAMES, CHECK, CHANCE = (f"tests/test_{name}.py" for name in ("trainer", "games", "check", "chance"))
RECIPES, LAYERS, SPECTRAL, NETWORKS = (
    f"tests/test_{name}.py" for name in ("recipes", "layers", "spectral", "networks")
)
FLOOR_0 = " ".join(f"tests/test_{name}.py" for name in ("objectives", "divergences", "penalties", "theory"))

MUTANTS = [
    # the trainer: who gets which gradient, and when
    ("trainer.py", ".backward(inputs=owned(players[move.player]), ", ".backward(", TRAIN),
    ("trainer.py", "retain_graph=after > 0", "retain_graph=False", TRAIN),
    (
        "trainer.py",
        "        for mover in movers:\n            mover.step()",
        "        for mover in movers[:1]:\n            mover.step()",
        TRAIN,
    ),
    ("trainer.py", "            mover.zero_grad()\n", "", TRAIN),
    ("trainer.py", "share=1 / parts", "share=1.0", TRAIN),
    ("trainer.py", "step=part == parts - 1", "step=True", TRAIN),
    ("trainer.py", 'group.setdefault("initial_lr", group["lr"]) * pace', 'group["lr"] * pace', TRAIN),
    ("trainer.py", "value / self.times[term]", "value", TRAIN),
    ("trainer.py", "drawing(seed, step, turn,", "drawing(seed, 0, turn,", TRAIN),
    ("trainer.py", "shards=world * parts", "shards=1", TRAIN),
    ("trainer.py", "if not math.isfinite(value) and not self.skipped:", "if False:", TRAIN),
    ("average.py", "1 - min(self.decay, (1 + step) / (10 + step))", "min(self.decay, (1 + step) / (10 + step))", TRAIN),
    ("average.py", 'endswith(("running_mean", "running_var"))', 'endswith("never")', TRAIN),
    ("average.py", 'yield name.endswith(("running_mean", "running_var")),', "yield buffer.is_floating_point(),", TRAIN),
    ("chance.py", "mix(seed, step, turn, shard)", "mix(seed, step, turn)", CHANCE),
    ("chance.py", "mix(seed, step, turn, -1)", "mix(seed, step, turn, shard)", CHANCE),
    ("chance.py", "_now.shard * n : (_now.shard + 1) * n", "0:n", CHANCE),
    ("game.py", "return sum(rest, start=first)", "return first", TRAIN),
    # the games: which terms, whose, in which direction
    (
        "games/gan.py",
        "self.objective.critic(self.D(x), self.D(fake))",
        "self.objective.critic(self.D(fake), self.D(x))",
        GAMES,
    ),
    (
        "games/gan.py",
        "adversarial=self.objective.generator(self.D(self.G(",
        "adversarial=-self.objective.generator(self.D(self.G(",
        GAMES,
    ),
    ("games/gan.py", "self.D(fake.detach())", "self.D(fake)", GAMES),
    (
        "games/gan.py",
        'Move("G", adversarial=self.objective.generator(self.D(fake)))',
        'Move("D", adversarial=self.objective.generator(self.D(fake)))',
        GAMES,
    ),
    ("games/wgan.py", "clip(self.D, self.bound)", "clip(self.G, self.bound)", GAMES),
    ("games/wgan.py", "step < 25 or step % 500 == 0", "step < 25", GAMES),
    ("games/wgan.py", "self.penalty * gradient_penalty", "gradient_penalty", GAMES),
    ("games/wgan.py", "                penalty=self.penalty * gradient_penalty(self.D, x, fake),\n", "", GAMES),
    (
        "games/wgan.py",
        "wasserstein=self.objective.generator(self.D(self.G(self.noise(len(x))))))\n\n\nclass",
        "wasserstein=-self.objective.generator(self.D(self.G(self.noise(len(x))))))\n\n\nclass",
        GAMES,
    ),
    (
        "games/relativistic.py",
        "            x, *_ = next(data)\n            with torch.no_grad()",
        "            with torch.no_grad()",
        GAMES,
    ),
    (
        "games/relativistic.py",
        "self.objective.critic(self.D(x), self.D(self.fakes(len(x))))",
        "self.objective.critic(self.D(self.fakes(len(x))), self.D(x))",
        GAMES,
    ),
    # the referee
    ("check.py", "    referee.check_everyone_learnt()\n", "", CHECK),
    ("check.py", "    _check_replay(game, tape, rounds)\n", "", CHECK),
    ("check.py", "        tape.check_untouched()\n", "", CHECK),
    ("check.py", "if orphans:", "if False:", CHECK),
    # the recipes' settings
    (
        "recipes/wasserstein.py",
        "weight = penalty if penalty is not None else 10.0 if len(shape) == 3 else 0.1",
        "weight = 1.0",
        RECIPES,
    ),
    ("recipes/settings.py", "PENALISED = Restraint(nn.Identity,", "PENALISED = Restraint(nn.BatchNorm2d,", RECIPES),
    ("recipes/settings.py", "bias=True, finish=spectral)", "bias=True)", RECIPES),
    ("schedules.py", "1 - step / end", "step / end", RECIPES),
    # layers and networks
    ("layers/resample.py", "sums.flip(2, 3).transpose(0, 1)", "sums.transpose(0, 1)", LAYERS),
    (
        "layers/resample.py",
        "            kernel = kernel.contiguous(memory_format=torch.channels_last)\n",
        "            pass\n",
        LAYERS,
    ),
    (
        "layers/resample.py",
        "means = F.avg_pool2d(self.weight, 2, stride=1, padding=1)",
        "means = F.avg_pool2d(self.weight, 2, stride=1, padding=1, count_include_pad=False)",
        LAYERS,
    ),
    ("layers/spectral.py", "spectral_norm(layer)", "spectral_norm(layer, dim=0)", SPECTRAL),
    ("layers/maxout.py", ".unflatten(1, (-1, self.pieces)).max(2)", ".unflatten(1, (self.pieces, -1)).max(1)", LAYERS),
    ("networks/roles.py", "scores.squeeze(1) if self.outcomes == 1 else scores", "scores.squeeze()", NETWORKS),
    # objectives, divergences, penalties, theory
    ("objectives.py", "return -softplus(fake).mean()", "return softplus(-fake).mean()", FLOOR_0),
    (
        "objectives.py",
        "on_real = softplus(-real) + (1 - self.smoothing) * real",
        "on_real = softplus(-real) - (1 - self.smoothing) * real",
        FLOOR_0,
    ),
    (
        "objectives.py",
        "self.link(real - batch_mean(fake)).mean() +",
        "self.link(real - batch_mean(fake.detach())).mean() +",
        FLOOR_0,
    ),
    (
        "objectives.py",
        "return self.critic(fake, _required(real, self))",
        "return self.critic(_required(real, self), fake)",
        FLOOR_0,
    ),
    (
        "objectives.py",
        "return relu(1 - real).mean() + relu(1 + fake).mean()",
        "return relu(1 - real.mean()) + relu(1 + fake.mean())",
        FLOOR_0,
    ),
    ("objectives.py", "return _ProcessMean.apply(grads[0])", "return grads[0]", FLOOR_0),
    (
        "divergences.py",
        "return -self.divergence.composite(fake).mean()",
        "return -self.divergence.activation(fake).mean()",
        FLOOR_0,
    ),
    ("divergences.py", "activation=lambda v: -_exp(-v),", "activation=lambda v: -_exp(v),", FLOOR_0),
    ("divergences.py", "composite=lambda v: 2 - 2 * _exp(-v / 2),", "composite=lambda v: 2 - 2 * _exp(-v),", FLOOR_0),
    (
        "divergences.py",
        "activation=lambda v: -π * math.log(π) - softplus(-v),",
        "activation=lambda v: -π * math.log(π) - π * softplus(-v),",
        FLOOR_0,
    ),
    (
        "divergences.py",
        "return torch.exp(x.clamp(max=LIMIT)) * (1 + relu(x - LIMIT))",
        "return torch.exp(x.clamp(max=LIMIT))",
        FLOOR_0,
    ),
    ("divergences.py", "return torch.where(v > LIMIT, math.log(power) - v, near)", "return near", FLOOR_0),
    (
        "penalties.py",
        "return scores, gradient.flatten(1).square().sum(1)",
        "return scores, gradient.flatten(1).square().mean(1)",
        FLOOR_0,
    ),
    (
        "penalties.py",
        "return ((sloped(critic, x)[1] + ROOT_GUARD).sqrt() - target).square().mean()",
        "return (sloped(critic, x)[1].sqrt() - target).square().mean()",
        FLOOR_0,
    ),
    ("penalties.py", "share * real + (1 - share) * fake", "share * fake + (1 - share) * real", FLOOR_0),
    ("penalties.py", "create_graph=True)", "create_graph=False)", FLOOR_0),
    (
        "penalties.py",
        "return torch.autocast(x.device.type, enabled=False)",
        "return torch.autocast(x.device.type)",
        FLOOR_0,
    ),
    ("penalties.py", "parameter.clamp_(-bound, bound)", "parameter.clamp_(max=bound)", FLOOR_0),
    ("theory/distances.py", "return (kl(p, m) + kl(q, m)) / 2", "return (kl(m, p) + kl(m, q)) / 2", FLOOR_0),
    (
        "theory/dynamics.py",
        "root = cmath.sqrt(penalty**2 / 4 - slope**2)",
        "root = cmath.sqrt(penalty**2 / 4 - slope)",
        FLOOR_0,
    ),
    (
        "theory/critics.py",
        "return 2 / (1 + 3 * triangular(p, q) / 2) * (p - q) / (p + q)",
        "return 2 / (1 + triangular(p, q) / 2) * (p - q) / (p + q)",
        FLOOR_0,
    ),
    ("theory/critics.py", "fake.repeat(points)", "fake.repeat_interleave(points)", FLOOR_0),
    ("theory/distances.py", "logit = shift * shift / 2 - shift * x", "logit = shift * shift - shift * x", FLOOR_0),
    # metrics
    (
        "metrics/points.py",
        "good = distance < (within * deviation) ** 2",
        "good = distance <= (within * deviation) ** 2",
        "tests/test_metrics_points.py",
    ),
    (
        "metrics/points.py",
        "spread=(distance[good].mean() / 2).sqrt().item(),",
        "spread=(distance[good].mean()).sqrt().item(),",
        "tests/test_metrics_points.py",
    ),
    ("metrics/frechet.py", "/ (count - 1) ** 0.5", "/ count ** 0.5", "tests/test_metrics_frechet.py"),
    (
        "metrics/frechet.py",
        "values.where(values > rounding, 0).sqrt()",
        "values.abs().sqrt()",
        "tests/test_metrics_frechet.py",
    ),
    (
        "metrics/neighbours.py",
        "inside_fake = _balls_around(real, fake, _radii(fake, neighbours)) > 0",
        "inside_fake = _balls_around(real, fake, _radii(real, neighbours)) > 0",
        "tests/test_metrics_neighbours.py",
    ),
    (
        "metrics/extractor.py",
        'if extractor.sha256 != record["sha256"]:',
        "if False:",
        "tests/test_metrics_extractor.py",
    ),
]
