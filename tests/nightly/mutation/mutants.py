"""The mutations: (file in the package, the line as it is, the line broken, the tests that must fail)."""

TRAIN = "tests/unit/training/test_trainer.py tests/unit/training/test_accumulation.py tests/unit/training/test_ema.py"
GAMES = "tests/zoo/test_games.py"
CHECK = "tests/unit/test_check.py"
CHANCE = "tests/unit/test_rng.py"
RECIPES = "tests/zoo/test_recipes.py"
LAYERS = " ".join(
    f"tests/unit/layers/test_{name}.py" for name in ("init", "normalization", "resampling", "residual", "simple")
)
SPECTRAL = "tests/unit/layers/test_spectral.py"
NETWORKS = "tests/unit/networks/test_networks.py"
DERIVATIVES = "tests/zoo/test_derivatives.py"
FLOOR_0 = "tests/unit/objectives/test_adversarial.py tests/unit/objectives/test_f_divergences.py tests/unit/objectives/test_penalties.py tests/unit/theory/test_optimal_critics.py tests/unit/theory/test_dynamics.py tests/unit/theory/test_generator_gradients.py tests/unit/theory/test_search.py tests/unit/theory/test_distances.py"

MUTANTS = [
    # the trainer: who gets which gradient, and when
    ("training/trainer.py", "inputs=trainable_parameters(players[move.player]), ", "", TRAIN),
    ("training/trainer.py", "retain_graph=after > 0", "retain_graph=False", TRAIN),
    (
        "training/trainer.py",
        "        for mover in movers:\n            mover.step()",
        "        for mover in movers[:1]:\n            mover.step()",
        TRAIN,
    ),
    ("training/trainer.py", "            mover.zero_grad()\n", "", TRAIN),
    ("training/trainer.py", "scale=1 / grad_accum", "scale=1.0", TRAIN),
    ("training/trainer.py", "step=index == grad_accum - 1", "step=True", TRAIN),
    ("training/trainer.py", 'group.setdefault("initial_lr", group["lr"]) * lr_scale', 'group["lr"] * lr_scale', TRAIN),
    ("training/trainer.py", "value / self.times[term]", "value", TRAIN),
    ("training/trainer.py", "turn_rng(\n            seed, step, turn,", "turn_rng(\n            seed, 0, turn,", TRAIN),
    ("training/trainer.py", "num_shards=world * grad_accum", "num_shards=1", TRAIN),
    ("training/trainer.py", "if not math.isfinite(value) and not self.skipped:", "if False:", TRAIN),
    (
        "training/ema.py",
        "1 - min(self.decay, (1 + step) / (10 + step))",
        "min(self.decay, (1 + step) / (10 + step))",
        TRAIN,
    ),
    ("training/ema.py", 'endswith(("running_mean", "running_var"))', 'endswith("never")', TRAIN),
    (
        "training/ema.py",
        'yield name.endswith(("running_mean", "running_var")),',
        "yield buffer.is_floating_point(),",
        TRAIN,
    ),
    ("rng.py", "hash_seed(seed, step, turn, shard)", "hash_seed(seed, step, turn)", CHANCE),
    ("rng.py", "hash_seed(seed, step, turn, -1)", "hash_seed(seed, step, turn, shard)", CHANCE),
    ("rng.py", "_now.shard * n : (_now.shard + 1) * n", "0:n", CHANCE),
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
    ("games/wgan.py", '"penalty": self.penalty * penalty', '"penalty": penalty', GAMES),
    ("games/wgan.py", ', "penalty": self.penalty * penalty}', "}", GAMES),
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
    ("check.py", "    _check_replay(game, tape, rounds, grad_accum=grad_accum, precision=precision)\n", "", CHECK),
    ("check.py", "        tape.check_untouched()\n", "", CHECK),
    ("check.py", "if orphans:", "if False:", CHECK),
    # the recipes' settings
    (
        "recipes/wgan.py",
        "weight = penalty if penalty is not None else 10.0 if len(shape) == 3 else 0.1",
        "weight = 1.0",
        RECIPES,
    ),
    (
        "recipes/options.py",
        "PENALISED = CriticConstraint(nn.Identity,",
        "PENALISED = CriticConstraint(nn.BatchNorm2d,",
        RECIPES,
    ),
    ("recipes/options.py", "bias=True, finish=spectral)", "bias=True)", RECIPES),
    ("schedules.py", "1 - step / end", "step / end", RECIPES),
    # layers and networks
    (
        "layers/resampling.py",
        "return y.add_((bias - bias.detach())",
        "return y.add_((bias - bias)",
        LAYERS,
    ),
    ("layers/resampling.py", "kernel = sums.flip(2, 3)", "kernel = sums", LAYERS),
    (
        "layers/resampling.py",
        "        transposed = transposed.contiguous(memory_format=torch.channels_last)\n",
        "        pass\n",
        LAYERS,
    ),
    (
        "layers/resampling.py",
        "means = F.avg_pool2d(self.weight, 2, stride=1, padding=1)",
        "means = F.avg_pool2d(self.weight, 2, stride=1, padding=1, count_include_pad=False)",
        LAYERS,
    ),
    ("layers/spectral.py", "spectral_norm(layer)", "spectral_norm(layer, dim=0)", SPECTRAL),
    ("layers/simple.py", ".unflatten(1, (-1, self.pieces)).max(2)", ".unflatten(1, (self.pieces, -1)).max(1)", LAYERS),
    ("networks/common/base.py", "scores.squeeze(1) if self.outcomes == 1 else scores", "scores.squeeze()", NETWORKS),
    # objectives, divergences, penalties, theory
    ("objectives/adversarial.py", "return -softplus(fake).mean()", "return softplus(-fake).mean()", FLOOR_0),
    (
        "objectives/adversarial.py",
        "on_real = softplus(-real) + (1 - self.smoothing) * real",
        "on_real = softplus(-real) - (1 - self.smoothing) * real",
        FLOOR_0,
    ),
    (
        "objectives/adversarial.py",
        "self.link(real - batch_mean(fake)).mean() +",
        "self.link(real - batch_mean(fake.detach())).mean() +",
        FLOOR_0,
    ),
    (
        "objectives/adversarial.py",
        "return self.critic(fake, _required(real, self))",
        "return self.critic(_required(real, self), fake)",
        FLOOR_0,
    ),
    (
        "objectives/adversarial.py",
        "return relu(1 - real).mean() + relu(1 + fake).mean()",
        "return relu(1 - real.mean()) + relu(1 + fake.mean())",
        FLOOR_0,
    ),
    ("objectives/batch_statistics.py", "return _AllReduceMean.apply(grads[0])", "return grads[0]", FLOOR_0),
    (
        "objectives/f_divergences.py",
        "return -self.divergence.composite(fake).mean()",
        "return -self.divergence.activation(fake).mean()",
        FLOOR_0,
    ),
    ("objectives/f_divergences.py", "activation=lambda v: -_exp(-v),", "activation=lambda v: -_exp(v),", FLOOR_0),
    (
        "objectives/f_divergences.py",
        "composite=lambda v: 2 - 2 * _exp(-v / 2),",
        "composite=lambda v: 2 - 2 * _exp(-v),",
        FLOOR_0,
    ),
    (
        "objectives/f_divergences.py",
        "activation=lambda v: -π * math.log(π) - softplus(-v),",
        "activation=lambda v: -π * math.log(π) - π * softplus(-v),",
        FLOOR_0,
    ),
    (
        "objectives/f_divergences.py",
        "return torch.exp(x.clamp(max=LIMIT)) * (1 + relu(x - LIMIT))",
        "return torch.exp(x.clamp(max=LIMIT))",
        FLOOR_0,
    ),
    ("objectives/f_divergences.py", "return torch.where(v > LIMIT, math.log(power) - v, near)", "return near", FLOOR_0),
    (
        "objectives/f_divergences.py",
        "return grads[0] / (torch.exp(s) + 1)",
        "return grads[0] / (torch.exp(s) + 2)",
        DERIVATIVES,
    ),
    (
        "objectives/f_divergences.py",
        "ctx.save_for_backward(output)",
        "ctx.save_for_backward(output.detach())",
        DERIVATIVES,
    ),
    (
        "objectives/energy.py",
        "directions = normalize(rows, dim=1) * ~empty[:, None]",
        "directions = normalize(codes.flatten(1), dim=1)",
        DERIVATIVES,
    ),
    ("objectives/energy.py", "return torch.where(still[:, None], 1, rows), still", "return rows, still", DERIVATIVES),
    (
        "objectives/penalties.py",
        "return scores, gradient.flatten(1).square().sum(1)",
        "return scores, gradient.flatten(1).square().mean(1)",
        FLOOR_0,
    ),
    (
        "objectives/penalties.py",
        "return ((scores_and_squared_norms(critic, x, through=through)[1] + ROOT_GUARD).sqrt() - target).square().mean()",
        "return (scores_and_squared_norms(critic, x, through=through)[1].sqrt() - target).square().mean()",
        FLOOR_0,
    ),
    ("objectives/penalties.py", "share * real + (1 - share) * fake", "share * fake + (1 - share) * real", FLOOR_0),
    ("objectives/penalties.py", "create_graph=True)", "create_graph=False)", FLOOR_0),
    (
        "objectives/penalties.py",
        "return torch.autocast(x.device.type, enabled=False)",
        "return torch.autocast(x.device.type)",
        FLOOR_0,
    ),
    ("objectives/penalties.py", "parameter.clamp_(-bound, bound)", "parameter.clamp_(max=bound)", FLOOR_0),
    ("theory/distances.py", "return (kl(p, m) + kl(q, m)) / 2", "return (kl(m, p) + kl(m, q)) / 2", FLOOR_0),
    (
        "theory/dynamics.py",
        "root = cmath.sqrt(penalty**2 / 4 - slope**2)",
        "root = cmath.sqrt(penalty**2 / 4 - slope)",
        FLOOR_0,
    ),
    (
        "theory/optimal_critics.py",
        "return 2 / (1 + 3 * triangular(p, q) / 2) * (p - q) / (p + q)",
        "return 2 / (1 + triangular(p, q) / 2) * (p - q) / (p + q)",
        FLOOR_0,
    ),
    ("theory/optimal_critics.py", "fake.repeat(points)", "fake.repeat_interleave(points)", FLOOR_0),
    ("theory/distances.py", "logit = shift * shift / 2 - shift * x", "logit = shift * shift - shift * x", FLOOR_0),
    # metrics
    (
        "metrics/mode_coverage.py",
        "good = distance < (within * deviation) ** 2",
        "good = distance <= (within * deviation) ** 2",
        "tests/unit/metrics/test_mode_coverage.py",
    ),
    (
        "metrics/mode_coverage.py",
        "spread=(distance[good].mean() / 2).sqrt().item(),",
        "spread=(distance[good].mean()).sqrt().item(),",
        "tests/unit/metrics/test_mode_coverage.py",
    ),
    ("metrics/frechet.py", "/ (count - 1) ** 0.5", "/ count ** 0.5", "tests/unit/metrics/test_frechet.py"),
    (
        "metrics/frechet.py",
        "values.where(values > rounding, 0).sqrt()",
        "values.abs().sqrt()",
        "tests/unit/metrics/test_frechet.py",
    ),
    (
        "metrics/precision_recall.py",
        "inside_fake = _balls_around(real, fake, _radii(fake, neighbours)) > 0",
        "inside_fake = _balls_around(real, fake, _radii(real, neighbours)) > 0",
        "tests/unit/metrics/test_precision_recall.py",
    ),
    (
        "metrics/extractors/classifier.py",
        'if extractor.sha256 != record["sha256"]:',
        "if False:",
        "tests/unit/metrics/extractors/test_classifier.py",
    ),
]
