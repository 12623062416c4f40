"""The mutations of SinGAN and of what is done with its photograph, as in `mutants`: sabotages that the sheet names."""

SINGAN = "tests/unit/games/test_singan.py tests/unit/networks/test_singan.py"
USES = "tests/unit/inference/test_single_image.py"
PALETTE = "tests/unit/layers/test_palette.py"

MUTANTS = [
    # whose gradients, whose noise
    ("objectives/penalties.py", "slopes.square().sum(1) + ROOT", "slopes.flatten(1).square().sum(1) + ROOT", SINGAN),
    ("objectives/penalties.py", "share * real + (1 - share) * fake", "share * real + (1 - share) * real", SINGAN),
    ("games/singan.py", "self.reconstruction * missed", "0 * missed", SINGAN),
    ("games/singan.py", "adversarial = -D(self.sample_scale", "adversarial = D(self.sample_scale", SINGAN),
    ("games/singan.py", "adversarial=D(fake).mean() - D(real)", "adversarial=D(real).mean() - D(fake)", SINGAN),
    (
        "games/singan.py",
        "self.resize(self.image, self.sizes[n]) - self.scale_input(n, below",
        "self.resize(self.image, self.sizes[n]) - self.scale_input(n, self.sample_scale(n - 1, 1)",
        SINGAN,
    ),
    ("games/singan.py", "missing.square().mean().sqrt()", "missing.square().mean()", SINGAN),
    ("games/singan.py", "if n < self.begun:", "if False:", SINGAN),
    ("games/singan.py", "if _alike(networks[n - 1], networks[n]):", "if False:", SINGAN),
    ("games/singan.py", 'yield Move(f"G{n}"', 'yield Move(f"G{max(0, n - 1)}"', SINGAN),
    ("games/singan.py", "step - self.scale_at(step) * self._rounds", "step", SINGAN),
    ("games/common/pyramid_game.py", "if k else self.anchor", "if k else torch.randn_like(self.anchor)", SINGAN),
    ("games/common/pyramid_game.py", "self.amplitudes[k] * z, y", "z, y", f"{SINGAN} {USES}"),
    ("games/common/pyramid_game.py", "][: max(1, int(self.begun))]", "]", SINGAN),
    ("networks/singan.py", "nn.InstanceNorm2d(width, affine=True)", "nn.BatchNorm2d(width)", SINGAN),
    ("networks/singan.py", "squares / count - mean.square()", "squares / count", SINGAN),
    ("networks/singan.py", "return y + self._drawn", "return self._drawn", SINGAN),
    ("networks/singan.py", "top : top + rows + lost", "top : top + rows + lost + 1", SINGAN),
    ("recipes/singan.py", "k // DOUBLED[0]", "k // 2", SINGAN),
    ("layers/resampling.py", "antialias=True", "antialias=False", SINGAN),
    # drawings in few colours
    ("layers/palette.py", "far.argmin(0)", "far.argmax(0)", PALETTE),
    ("layers/palette.py", "drawn = torch.cat([drawn, pixels[", "drawn = torch.cat([drawn, 0 * pixels[", PALETTE),
    ("layers/palette.py", "counts.argsort(descending=True, stable=True)", "counts.argsort(stable=True)", PALETTE),
    ("games/common/pyramid_game.py", "self.palette(y) if", "y if", PALETTE),
    ("games/common/pyramid_game.py", "and k == self.entrance", "and k >= self.entrance", PALETTE),
    ("games/singan.py", "self.palette.fit(self.resize(self.image, self.sizes[n - 1]))", "pass", PALETTE),
    ("games/singan.py", "- self.scale_input(n, below)", "- self.resize(below, self.sizes[n])", PALETTE),
    ("inference/single_image.py", "one.entrance if scale is None", "1 if scale is None", PALETTE),
    ("inference/single_image.py", "palette(one.scaled(coarse, one.sizes[scale]))", "palette(coarse)", PALETTE),
    # uses
    ("data/sources/image_sources.py", 'mark="whole"', "mark=None", USES),
    (
        "layers/resampling.py",
        "x - resize_bicubic(larger, (x.shape[2], x.shape[3]))",
        "resize_bicubic(larger, (x.shape[2], x.shape[3])) - x",
        USES,
    ),
    ("inference/single_image.py", "load_image_like(path, 4, size)[:, 3:] if transparent else", "", USES),
    ("inference/single_image.py", "    if not (found > 0).any():", "    if not (found >= -1).any():", USES),
    ("inference/single_image.py", "one.reconstruct(start - 1), []", "one.reconstruct(start - 2), []", USES),
    ("inference/single_image.py", "math.log(factor) / _growth(one)", "factor / _growth(one)", USES),
    ("inference/single_image.py", "(1 - edge) * _fitting", "edge * _fitting", USES),
    ("inference/single_image.py", "one.sizes[scale - 1]", "one.sizes[scale]", USES),
    ("inference/single_image.py", "inertia * (z - y)", "inertia * (y - z)", USES),
    ("inference/single_image.py", "pull * one.fixed_noise(k) + (1 - pull) * (z", "(1 - pull) * (z", USES),
    ("inference/single_image.py", "<= reach**2", "<= reach**3", USES),
]
