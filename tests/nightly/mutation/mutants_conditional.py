"""The mutations of conditional GANs, of InfoGAN, and of what is done with classes and codes, as in `mutants`."""

CGAN = "tests/unit/games/test_cgan.py"
INFOGAN = "tests/unit/games/test_infogan.py tests/unit/games/common/test_latent_codes.py"
CODES = "tests/unit/inference/test_conditional.py"
SHARES = "tests/zoo/test_conditions.py"

MUTANTS = [
    # classes and captions: as often as in the data
    (
        "games/common/class_frequencies.py",
        "return sample_classes(self.counts, n)",
        "return sample_classes(torch.ones_like(self.counts), n)",
        SHARES,
    ),
    ("games/common/class_frequencies.py", "given.to(self.counts) * (self.counts > 0)", "given.to(self.counts)", SHARES),
    (
        "games/common/class_frequencies.py",
        "torch.searchsorted(edges, places, right=True)",
        "torch.searchsorted(edges, places)",
        SHARES,
    ),
    (
        "games/common/class_frequencies.py",
        'state_dict.setdefault(f"{prefix}counts", torch.ones_like(self.counts))',
        "pass",
        SHARES,
    ),
    ("games/common/text_game.py", "given[which.to(given.device)]", "self.captions[which % len(self.captions)]", SHARES),
    ("games/cgan.py", "else counts > 0", "else counts >= 0", SHARES),
    ("evaluation/sample_sets.py", "(held_out or dataset).conditions(kind)", "dataset.conditions(kind)", SHARES),
    ("data/dataset.py", "self.labels if self.indices is None else self.labels[self.indices]", "self.labels", SHARES),
    (
        "data/annotations/captions.py",
        "among = np.arange(len(self)) if indices is None else indices",
        "among = np.arange(len(self))",
        SHARES,
    ),
    # conditional GANs: wrong pairs, weights, signs, conditions
    ("games/cgan.py", "shift = 1 + (", "shift = 0 + (", CGAN),
    ("games/cgan.py", "((count - 1) * rand(", "(count * rand(", CGAN),
    ("games/cgan.py", "critic(real, self.D(fake, y)) / 2", "critic(real, self.D(fake, y))", CGAN),
    (
        "games/cgan.py",
        "matching=critic(real, self.D(x, wrong(y, self.frequencies.counts))) / 2",
        "matching=critic(real, self.D(x, y)) / 2",
        CGAN,
    ),
    (
        "games/cgan.py",
        "self.D(x, wrong(y, self.frequencies.counts))[:, 1]",
        "self.D(x, wrong(y, self.frequencies.counts))[:, 0]",
        CGAN,
    ),
    ("games/cgan.py", "(softplus(fits).mean() + misfit) / 3", "softplus(fits).mean() / 3", CGAN),
    (
        "games/cgan.py",
        "softplus(-real).mean() / 2 + softplus(false)",
        "softplus(real).mean() / 2 + softplus(false)",
        CGAN,
    ),
    (
        "games/cgan.py",
        "adversarial=softplus(-real).mean(), matching=softplus(-match).mean()",
        "adversarial=softplus(-real).mean(), matching=softplus(match).mean()",
        CGAN,
    ),
    ("games/cgan.py", "cross_entropy(of_real, y) + cross", "cross_entropy(of_real, y) - cross", CGAN),
    ("games/cgan.py", "classes=cross_entropy(classes, y)", "classes=-cross_entropy(classes, y)", CGAN),
    ("games/cgan.py", "return answers[:, 0], answers[:, 1:]", "return answers[:, -1], answers[:, :-1]", CGAN),
    (
        "games/cgan.py",
        "Tensor = self.G(self.split(self.noise(len(y)))[0], y)",
        "Tensor = self.G(*self.split(self.noise(len(y))))",
        CGAN,
    ),
    (
        "networks/common/conditional.py",
        "self.real(h), self.match(h, y)[:, None]",
        "self.match(h, y)[:, None], self.real(h)",
        CGAN,
    ),
    ("recipes/cgan.py", "return spectral(projecting)", "return projecting", CGAN),
    ("recipes/cgan.py", "Hinge() if design", "NonSaturating() if design", CGAN),
    # InfoGAN: the bound, its sign, its routes
    ("games/common/latent_codes.py", "math.log(y.shape[1]) - cross_entropy(a, y)", "-cross_entropy(a, y)", INFOGAN),
    ("games/common/latent_codes.py", "[*found, *(math.log(2) + likely.mean(0))]", "[*found, *likely.mean(0)]", INFOGAN),
    ("games/common/latent_codes.py", "+ spreads + math.log(2 * math.pi)) / 2", "+ math.log(2 * math.pi)) / 2", INFOGAN),
    ("games/common/latent_codes.py", "spreads = spreads.clamp(*LOG_VARIANCE)", "spreads = spreads", INFOGAN),
    ("games/common/latent_codes.py", "kind: -weight * torch", "kind: weight * torch", INFOGAN),
    ("games/common/latent_codes.py", "2 * u[:, len(self.categories) :] - 1", "u[:, len(self.categories) :]", INFOGAN),
    ("games/common/latent_codes.py", "(k * u[:, i]).long()", "(k * u[:, 0]).long()", INFOGAN),
    (
        "games/infogan.py",
        "critic(self.D(x), scores), **self.information(answers, noise))",
        "critic(self.D(x), scores))",
        INFOGAN,
    ),
    ("games/infogan.py", "self.judged(self.sample(len(x), noise=noise))", "self.judged(self.G(noise))", INFOGAN),
    (
        "games/infogan.py",
        "        noise = self.noise(len(x))\n        scores, answers = self.judged(self.G(noise))",
        "        scores, answers = self.judged(self.G(noise))",
        INFOGAN,
    ),
    (
        "games/infogan.py",
        "return self.D.head(h).squeeze(1), self.Q(h)",
        "return self.D.head(h).squeeze(1), self.Q(h.detach())",
        INFOGAN,
    ),
    (
        "games/infogan.py",
        '"D": self._optimisers["D"](nn.ModuleList([self.D, self.Q])), "G": self._optimisers["G"](self.G)',
        '"D": self._optimisers["D"](self.D), "G": self._optimisers["G"](nn.ModuleList([self.G, self.Q]))',
        INFOGAN,
    ),
    ("games/infogan.py", "[self.Q, self.D.trunk, self.G]", "[self.Q, self.G]", INFOGAN),
    ("games/infogan.py", "torch.cat([truncation * z, c], 1)", "truncation * torch.cat([z, c], 1)", INFOGAN),
    # classes and codes in use
    ("games/conditional.py", "z, *_ = self.split(latents)", "z = self.split(self.noise(len(latents)))[0]", CODES),
    ("inference/conditional.py", "torch.stack(columns, 1)", "torch.stack(columns)", CODES),
    ("inference/conditional.py", "between=torch.lerp", "between=lambda a, b, t: a", CODES),
    ("inference/conditional.py", "known |= {name: number", "known = {name: number", CODES),
]
