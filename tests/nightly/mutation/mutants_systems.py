"""The mutations of the later systems and of the training techniques, as in `mutants`: sabotages that the fact sheets name."""

REALNESS = "tests/unit/objectives/test_realness.py tests/unit/games/test_realness.py tests/unit/layers/test_simple.py"
ENERGY = "tests/unit/objectives/test_energy.py tests/unit/games/test_ebgan.py tests/unit/networks/test_autoencoder.py"
TURING = "tests/unit/games/test_turing.py tests/unit/networks/test_turing.py"
ATTENTION = "tests/unit/layers/test_attention.py tests/unit/networks/test_sagan.py tests/unit/games/test_conditional.py"
BIGGAN = "tests/unit/games/test_biggan.py tests/unit/games/common/test_standing_statistics.py tests/unit/networks/test_biggan.py tests/unit/games/common/test_truncation.py"
R3GAN = "tests/unit/games/test_r3gan.py tests/unit/layers/test_fourier.py tests/unit/networks/test_r3gan.py"
STYLE = "tests/unit/games/test_stylegan2.py"
MODULATED = "tests/unit/layers/test_stylegan2.py"
FASTGAN = "tests/unit/games/test_fastgan.py tests/unit/networks/test_fastgan.py"
LAPGAN = "tests/unit/games/test_lapgan.py tests/unit/networks/test_lapgan.py tests/unit/layers/test_pyramid.py"
MADGAN = "tests/unit/games/test_madgan.py tests/unit/networks/common/test_branching.py tests/unit/wrappers/test_ensemble.py tests/unit/games/common/test_mixture.py"
CRITIC = "tests/unit/wrappers/test_critic_term.py tests/unit/wrappers/test_augmentation.py tests/unit/wrappers/test_consistency.py tests/unit/wrappers/test_gradient_penalties.py"
SAMPLES = "tests/unit/wrappers/test_virtual_batch_norm.py tests/unit/wrappers/test_packing.py tests/unit/wrappers/test_instance_noise.py"
MOVES = "tests/unit/wrappers/test_unrolling.py tests/unit/wrappers/test_historical_averaging.py tests/unit/wrappers/test_feature_matching.py"
MINIBATCH = "tests/unit/layers/test_minibatch.py tests/unit/networks/common/test_heads.py"
WRAPPERS = "tests/unit/wrappers/test_base.py"
MATRIX = "tests/zoo/test_matrix.py::test_"
AUGMENT = "tests/unit/augment/test_augment.py tests/unit/augment/test_diffaugment.py tests/unit/augment/test_pixels.py tests/unit/augment/test_ada.py"
TECHNIQUES = "tests/unit/recipes/test_techniques.py"
LITE = "tests/unit/networks/test_efficientnet_lite.py"
PROJECTED = "tests/unit/games/test_projected.py tests/unit/networks/test_projected.py"

MUTANTS = [
    # RealnessGAN: anchors, skew, KL, goals
    (
        "objectives/realness.py",
        "Anchors(skewed(real, self.skew), skewed(fake, -self.skew))",
        "Anchors(real, fake)",
        REALNESS,
    ),
    ("objectives/realness.py", "skewed(fake, -self.skew)", "skewed(fake, self.skew)", REALNESS),
    ("objectives/realness.py", "((draws - low) / (high - low) * outcomes)", "((draws + 1) / 2 * outcomes)", REALNESS),
    (
        "objectives/realness.py",
        "return (torch.xlogy(target, target) - target * answers).sum(-1).mean()",
        "return (torch.xlogy(target, target) - target * answers).mean(-1).mean()",
        REALNESS,
    ),
    (
        "objectives/realness.py",
        "return divergence(anchors.real, real) + divergence(anchors.fake, fake)",
        "return divergence(anchors.fake, real) + divergence(anchors.real, fake)",
        REALNESS,
    ),
    (
        "objectives/realness.py",
        "return divergence(anchors.real, fake) - divergence(anchors.fake, fake)",
        "return divergence(anchors.real, fake) + divergence(anchors.fake, fake)",
        REALNESS,
    ),
    ("objectives/realness.py", "real.detach().softmax(", "real.softmax(", REALNESS),
    ("layers/simple.py", "(log_variance / 2).exp()", "log_variance.exp()", REALNESS),
    # EBGAN and the Turing GANs
    (
        "objectives/energy.py",
        "return real.mean() + relu(margin - fake).mean()",
        "return real.mean() + relu(margin - fake.mean())",
        ENERGY,
    ),
    ("objectives/energy.py", "(squares.sum() - squares.diagonal().sum())", "squares.sum()", ENERGY),
    ("games/ebgan.py", "scores: Tensor = -self.D(x)", "scores: Tensor = self.D(x)", ENERGY),
    (
        "games/turing.py",
        "self.objective.critic(self.D(a - b), self.D(b - a))",
        "self.objective.critic(self.D(b - a), self.D(a - b))",
        TURING,
    ),
    ("games/turing.py", "self.D(b - a)", "-self.D(a - b)", TURING),
    (
        "layers/spectral.py",
        "return torch.linalg.vector_norm(v @ W)",
        "return torch.linalg.vector_norm(v.detach() @ W)",
        TURING,
    ),
    # SAGAN and BigGAN
    ("layers/attention.py", "(queries.mT @ keys).softmax(2)", "(queries.mT @ keys).softmax(1)", ATTENTION),
    ("layers/attention.py", "return x + self.gain * self.out(seen)", "return self.gain * self.out(seen)", ATTENTION),
    (
        "layers/normalization.py",
        "1 + self.gain(y), self.bias(y)",
        "self.gain(y), self.bias(y)",
        f"{ATTENTION} {BIGGAN}",
    ),
    (
        "layers/simple.py",
        "score + (self.embed(*y) * h).sum(1)",
        "score - (self.embed(*y) * h).sum(1)",
        f"{ATTENTION} {BIGGAN}",
    ),
    ("games/biggan.py", "self.orthogonal * orthogonal_penalty", "-self.orthogonal * orthogonal_penalty", BIGGAN),
    # the modern baselines
    ("games/r3gan.py", "half = self.penalty(step) / 2", "half = self.penalty(step)", R3GAN),
    ("games/r3gan.py", "relativistic.critic(real, made)", "relativistic.critic(made, real)", R3GAN),
    ("games/r3gan.py", '"r2": half * r2.mean()', '"r2": half * r1.mean()', R3GAN),
    ("games/stylegan2.py", "r1=self.penalty_every * self.penalty / 2", "r1=self.penalty / 2", STYLE),
    ("games/stylegan2.py", "torch.lerp(self.path_length, batch_mean(lengths), 0.01)", "batch_mean(lengths)", STYLE),
    ("layers/stylegan2.py", "+ 1e-8).rsqrt()", "+ 1e-8).sqrt()", MODULATED),
    ("networks/fastgan.py", "return value * gate.sigmoid()", "return gate * value.sigmoid()", FASTGAN),
    ("networks/fastgan.py", "nn.Parameter(torch.zeros(()))", "nn.Parameter(torch.ones(()))", FASTGAN),
    ("networks/fastgan.py", "EXCITED = {4: 0, 5: 1, 6: 2}", "EXCITED: dict[int, int] = {}", FASTGAN),
    ("networks/fastgan.py", "spectral(self, (nn.Conv2d, nn.ConvTranspose2d))", "spectral(self, ())", FASTGAN),
    ("networks/fastgan.py", "(self.path(x) + self.shortcut(x)) / 2", "self.path(x) + self.shortcut(x)", FASTGAN),
    ("networks/fastgan.py", "_quarter(whole, place))]", "_quarter(whole, ~place))]", FASTGAN),
    ("networks/fastgan.py", "z * (z.square().mean(1", "z * (z.square().sum(1", FASTGAN),
    ("games/fastgan.py", "self.D.reconstruct(x, *real_y)", "self.D.reconstruct(fake, *fake_y)", FASTGAN),
    ("games/fastgan.py", "self.one_hot(*labels), fake.detach(), y)", "self.one_hot(*labels), fake, y)", FASTGAN),
    ("games/fastgan.py", "self.reconstruction * distances.sum()", "distances.sum()", FASTGAN),
    ("games/fastgan.py", "self.objective.critic(scores,", "self.objective.critic(scores.mean((1, 2)),", FASTGAN),
    ("wrappers/base.py", "reconstruct(self.transform(x), *given)", "reconstruct(x, *given)", FASTGAN),
    (
        "recipes/projected_fastgan.py",
        "return Augmentation(game, augment.DiffAugment) if diffaugment else game",
        "return game",
        FASTGAN,
    ),
    # the pyramid and the many generators
    ("games/lapgan.py", "Tensor = self.D[level](residual + coarse)", "Tensor = self.D[level](residual)", LAPGAN),
    ("games/lapgan.py", "if turn < turns)", "if turn <= turns)", LAPGAN),
    ("games/lapgan.py", "self.score(k, fake, m)", "self.score(k, fake, c)", LAPGAN),
    ("games/lapgan.py", "r1(self.D[k], h + c)", "r1(self.D[k], h)", LAPGAN),
    ("games/lapgan.py", "self.penalty / 2 * r1", "self.penalty * r1", LAPGAN),
    ("layers/pyramid.py", "return F.avg_pool2d(x, 2, ceil_mode=True)", "return x[:, :, ::2, ::2]", LAPGAN),
    ("games/madgan.py", "fool=fool.shape[0] * real_loss(", "fool=-fool.shape[0] * real_loss(", MADGAN),
    # training techniques
    (
        "wrappers/gradient_penalties.py",
        "super().__init__(game, gamma / 2, every)\n\n",
        "super().__init__(game, gamma, every)\n\n",
        CRITIC,
    ),
    (
        "wrappers/gradient_penalties.py",
        "return r2(self.critic, self.fakes(len(x)))",
        "return r2(self.critic, x)",
        CRITIC,
    ),
    ("wrappers/augmentation.py", "(r - self.target).sign() * seen", "(self.target - r).sign() * seen", CRITIC),
    ("wrappers/consistency.py", 'terms["variety"] = -self.spread', 'terms["variety"] = self.spread', CRITIC),
    (
        "wrappers/instance_noise.py",
        "return x + self.sigma * torch.randn_like(x)",
        "return x + self.sigma * torch.randn_like(x[:1])",
        SAMPLES,
    ),
    (
        "wrappers/instance_noise.py",
        "self.haze.sigma = self.sigma * self.fading(step)",
        "self.haze.sigma = self.sigma",
        SAMPLES,
    ),
    (
        "wrappers/requirements.py",
        'return "" if output in outputs else',
        'return "" if outputs else',
        MATRIX + "penalties_need_a_score",
    ),
    (
        "wrappers/requirements.py",
        "if slope is None or slope == target:",
        "if slope is None or slope != target:",
        CRITIC,
    ),
    (
        "wrappers/requirements.py",
        "if any(isinstance(module, _BatchNorm) for module in modules):",
        "if False:",
        MATRIX + "every_refusal_has_a_known_reason_and_the_page_shows_it",
    ),
    (
        "wrappers/unrolling.py",
        'loss("critic_terms", x, fake, step)',
        'loss("critic_terms", x, fake.detach(), step)',
        MOVES,
    ),
    (
        "wrappers/unrolling.py",
        'return Move("G", **terms, unrolled',
        'return Move("G", unrolled',
        MATRIX + "other_terms_of_g_stay_with_their_gradient",
    ),
    (
        "wrappers/feature_matching.py",
        "else terms), matching=",
        "else {}), matching=",
        MATRIX + "other_terms_of_g_stay_with_their_gradient",
    ),
    (
        "wrappers/base.py",
        "return not set(move.terms) <= set(spec.regulariser_terms)",
        "return True",
        MATRIX + "moves_of_upkeep_are_left_alone",
    ),
    ("wrappers/feature_matching.py", "self.distance(real - fake)", "self.distance(real - fake.detach())", MOVES),
    (
        "wrappers/historical_averaging.py",
        "return self.weight * torch.stack(gaps).sum()",
        "return -self.weight * torch.stack(gaps).sum()",
        MOVES,
    ),
    ("layers/minibatch.py", "torch.exp(-distances).sum(1) - 1", "torch.exp(-distances).sum(1)", MINIBATCH),
    ("layers/normalization.py", "x]))[len(self.reference) :]", "x]))[: len(x)]", MINIBATCH),
    ("wrappers/base.py", "return self.critic(self.transform(x), *given)", "return self.critic(x, *given)", TECHNIQUES),
    ("wrappers/base.py", "return Move(move.player, **move.terms, **more)", "return move", TECHNIQUES),
    (
        "recipes/techniques.py",
        '"losses",         _simple(f"{_SLOPES}:R2"',
        '"losses",         _simple(f"{_SLOPES}:R1"',
        TECHNIQUES,
    ),
    # Lines that an independent mutation once changed without a test that failed
    (
        "games/common/caption_pairs.py",
        "relu(1 + fits.T - right",
        "relu(1 - fits.T - right",
        "tests/unit/games/test_stackgan.py tests/unit/games/common/test_caption_pairs.py -k margin",
    ),
    (
        "games/common/caption_pairs.py",
        "relu(1 + fits.T - right",
        "relu(1 + fits - right",
        "tests/unit/games/test_stackgan.py tests/unit/games/common/test_caption_pairs.py -k margin",
    ),
    ("games/common/mixture.py", ".long().clamp(max=members - 1)", ".long()", f"{MADGAN} -k full_turn"),
    ("games/stylegan2.py", ".mean(1) + ROOT_GUARD", ".mean(1)", f"{STYLE} -k finite"),
    (
        "inference/sampling.py",
        "len(seeds) >= MAX_SEEDS",
        "len(seeds) > MAX_SEEDS",
        "tests/unit/inference/test_sampling.py -k million",
    ),
    (
        "metrics/intervals.py",
        "count - smallest < points - 1",
        "count - smallest <= points - 1",
        "tests/unit/metrics/test_intervals.py -k as_many",
    ),
    ("layers/fourier.py", "highest: float = 32.0", "highest: float = 16.0", f"{R3GAN} -k waves"),
    ("layers/fourier.py", "lowest: float = 1.0", "lowest: float = 2.0", f"{R3GAN} -k waves"),
    ("layers/fourier.py", "waves: int = 64", "waves: int = 32", f"{R3GAN} -k waves"),
    ("layers/minibatch.py", "measures: int = 100", "measures: int = 50", f"{MINIBATCH} -k papers_sizes"),
    ("layers/minibatch.py", "coordinates: int = 5", "coordinates: int = 3", f"{MINIBATCH} -k papers_sizes"),
    (
        "games/nicegan.py",
        "        with torch.no_grad():\n            return self.code(x, domain)",
        "        return self.code(x, domain)",
        "tests/zoo/test_recipes.py -k no_graph",
    ),
    # Projected GAN and its features
    ("networks/efficientnet_lite.py", "EPSILON = 1e-3", "EPSILON = 1e-5", LITE),
    (
        "networks/efficientnet_lite.py",
        "(columns // 2, columns - columns // 2,",
        "(columns - columns // 2, columns // 2,",
        LITE,
    ),
    ("networks/efficientnet_lite.py", "hashlib.sha256(content).hexdigest() != REFERENCE", "False", LITE),
    ("networks/efficientnet_lite.py", "weight.flip(2, 3).to(slope)", "weight.to(slope)", LITE),
    ("networks/efficientnet_lite.py", "self.residual = stride == 1 and", "self.residual = False and", LITE),
    (
        "networks/efficientnet_lite.py",
        'self.register_buffer("weight", weight, persistent=False)',
        "self.weight = nn.Parameter(weight)",
        PROJECTED,
    ),
    ("networks/projected.py", "bound = inputs**-0.5", "bound = 1.0", PROJECTED),
    (
        "networks/projected.py",
        "features = self.features(x, len(self.channels))",
        "features = [f.detach() for f in self.features(x, len(self.channels))]",
        PROJECTED,
    ),
    (
        "networks/projected.py",
        "        features = self.features(x, len(self.channels))",
        "        _ = [mix.weight.uniform_(-0.1, 0.1) for mix in self.across_channels]\n"
        "        features = self.features(x, len(self.channels))",
        PROJECTED,
    ),
    ("networks/projected.py", "mixed[scale] + maps[-1] if maps", "mixed[scale] if maps", PROJECTED),
    ("networks/projected.py", "zip(self.heads, maps, strict=True)], 1)", "zip(self.heads, maps)][:1], 1)", PROJECTED),
    (
        "networks/projected.py",
        "return torch.cat([head(h, *y) for head, h",
        "return torch.stack([head(h, *y).sum(1) for head, h",
        PROJECTED,
    ),
    ("networks/projected.py", "saved is not None and not torch.equal", "saved is not None and torch.equal", PROJECTED),
    (
        "networks/projected.py",
        "nn.Conv2d(before, after, 4, 2, 1), nn.BatchNorm2d(after)",
        "nn.Conv2d(before, after, 4, 2, 1)",
        PROJECTED,
    ),
    ("networks/projected.py", 'torch.einsum("nchw,nc->nhw"', '0 * torch.einsum("nchw,nc->nhw"', PROJECTED),
    (
        "games/projected.py",
        "**self._critic_terms(x, real_y, fake.detach(), y)",
        "**self._critic_terms(x, real_y, fake, y)",
        PROJECTED,
    ),
    (
        "games/projected.py",
        "critics = self.D if self.X is None else nn.ModuleList([self.D, self.X])",
        "critics = self.D",
        PROJECTED,
    ),
    ("games/projected.py", "self.pixel_objective.generator(", "self.pixel_objective.critic(", PROJECTED),
    (
        "games/projected.py",
        "self.pixel_objective.critic(self.X(x, *real_y), self.X(fake",
        "self.pixel_objective.critic(self.X(fake, *fake_y), self.X(fake",
        PROJECTED,
    ),
]
