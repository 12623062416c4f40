"""The mutations of the systems that encode, as in `mutants`: sabotages that their fact sheet names."""

GAMES = "tests/unit/games/test_bigan.py tests/unit/games/test_latent_regressor.py tests/unit/games/test_vae.py tests/unit/games/test_vaegan.py tests/unit/games/common/test_posterior.py tests/unit/objectives/test_variational.py"
CODES = "tests/unit/inference/test_encoding.py"
BOOK = "tests/unit/inference/test_latent_table.py"

MUTANTS = [
    # what a variational autoencoder minimises
    (
        "objectives/variational.py",
        "mean.square() - log_variance.exp()).sum(1)",
        "mean.square() - log_variance).sum(1)",
        GAMES,
    ),
    ("objectives/variational.py", ".exp()).sum(1) / 2", ".exp()).mean(1) / 2", GAMES),
    ("objectives/variational.py", "return -(1 + log_variance", "return (1 + log_variance", GAMES),
    ("objectives/variational.py", "(((x - again) / deviation)", "(((x - again) * deviation)", GAMES),
    ("objectives/variational.py", "+ constant).flatten(1).sum(1)", "+ constant).flatten(1).mean(1)", GAMES),
    ("objectives/variational.py", "math.log(deviation)\n", "2 * math.log(deviation)\n", GAMES),
    ("games/common/posterior.py", "(log_variance / 2).exp()", "log_variance.exp()", GAMES),
    ("games/common/posterior.py", "return mean + (log", "return mean.detach() + (log", GAMES),
    ("games/common/posterior.py", "return mean, log_variance", "return log_variance, mean", GAMES),
    ("games/vae.py", "min(1.0, step / self.warm_up)", "step / self.warm_up", GAMES),
    ("games/vae.py", "again = self.G(reparameterise(mean, log_variance))", "again = self.G(mean)", GAMES),
    (
        "games/common/posterior.py",
        "return mean_and_log_variance(self.E(x))[0]",
        "return reparameterise(*mean_and_log_variance(self.E(x)))",
        GAMES,
    ),
    (
        "games/vae.py",
        "self.G(reparameterise(mean, log_variance))) - kl",
        "self.G(reparameterise(mean, log_variance))) + kl",
        GAMES,
    ),
    # VAE-GAN: signs, routes, gates
    (
        "games/vaegan.py",
        "return (features - target).square().sum(1).mean() / 2",
        "return (features - target).square().mean()",
        GAMES,
    ),
    ("games/vaegan.py", "likeness=self.gamma * likeness", "likeness=-self.gamma * likeness", GAMES),
    ("games/vaegan.py", "likeness=self.gamma * likeness", "likeness=likeness", GAMES),
    ("games/vaegan.py", "likeness=likeness),", "likeness=likeness + softplus(-fakes).mean()),", GAMES),
    ("games/vaegan.py", "fool=softplus(-fakes)", "fool=softplus(fakes)", GAMES),
    ("games/vaegan.py", "real=on_real, fake=", "real=on_real + likeness, fake=", GAMES),
    ("games/vaegan.py", "on_real, fakes = softplus(-self.D(x))", "on_real, fakes = softplus(self.D(x))", GAMES),
    ("games/vaegan.py", "else [imagined]", "else [again]", GAMES),
    ("games/vaegan.py", "if min(costs) <", "if max(costs) <", GAMES),
    ("games/vaegan.py", "return waits if len(waits) == 1 else set()", "return waits", GAMES),
    # BiGAN and ALI: pairs, signs, the encoder's gradient
    ("games/bigan.py", "encoder=softplus(real)", "encoder=softplus(-real)", GAMES),
    ("games/bigan.py", "generator=softplus(-fake)", "generator=softplus(fake)", GAMES),
    ("games/bigan.py", "torch.cat([self.code(x), z])", "torch.cat([self.code(x).detach(), z])", GAMES),
    ("games/bigan.py", "torch.cat([self.code(x), z])", "torch.cat([z, self.code(x)])", GAMES),
    ("games/bigan.py", "nn.ModuleList([self.E, self.G])", "nn.ModuleList([self.G])", GAMES),
    (
        "games/bigan.py",
        "return reparameterise(*mean_and_log_variance(self.E(x)))",
        "return mean_and_log_variance(self.E(x))[0]",
        GAMES,
    ),
    # latent regressors
    ("games/latent_regressor.py", "self.joint * code_error(self.E(fake), z)", "code_error(self.E(fake), z)", GAMES),
    ("games/latent_regressor.py", "code_error(self.E(fake), z)}", "code_error(self.E(fake.detach()), z)}", GAMES),
    ("games/latent_regressor.py", "        self.game.eval()\n", "", GAMES),
    ("games/latent_regressor.py", "game.requires_grad_(False)", "game", GAMES),
    ("games/latent_regressor.py", 'return ("E", "G")', 'return ("G",)', GAMES),
    # networks and recipes
    ("networks/common/encoders.py", "h = layer(torch.cat([h, z], 1))", "h = layer(torch.cat([h, 0 * z], 1))", GAMES),
    ("recipes/autoencoders.py", "gamma=likeness / _features(D, shape)", "gamma=likeness", GAMES),
    # what can be done with codes
    ("inference/encoding.py", "encode(game, x) + strength * direction", "encode(game, x) + direction", CODES),
    ("inference/encoding.py", "encode(game, with_).mean(0) - encode", "encode(game, with_).mean(0) + encode", CODES),
    ("inference/encoding.py", "frames, loop=False)", "frames, loop=True)", CODES),
    ("inference/encoding.py", "largest=False", "largest=True", CODES),
    ("inference/encoding.py", "if codes.shape[1:] != wanted.shape[1:]:", "if False:", CODES),
    ("runs/fitted_encoder.py", ".recipe == RECIPE", '.recipe == ""', "tests/unit/runs/test_fitted_encoder.py"),
    # codes in a file: whose, and which
    (
        "data/loading.py",
        "names += row_names(source, len(rows[-1]))",
        "names += [str(source)] * len(rows[-1])",
        BOOK,
    ),
    ("inference/latent_table.py", 'f"{code}={value}"', 'f"{code}={count}"', BOOK),
    ("inference/latent_table.py", "isinstance(game.unwrapped, SupportsPosteriors)", "True", BOOK),
    (
        "data/annotations/row_names.py",
        "read_labels(files)[0][:count]",
        "sorted(read_labels(files)[0])[::-1][:count]",
        BOOK,
    ),
]
