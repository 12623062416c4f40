"""The mutations of data in two domains and of translation, as in `mutants`: sabotages that their fact sheet names."""

DATA = "tests/unit/data/sources/test_domains.py"
NETS = "tests/unit/networks/test_cyclegan.py tests/unit/networks/test_nicegan.py tests/unit/networks/test_ganilla.py"
GAMES = "tests/unit/games/test_cyclegan.py tests/unit/games/test_nicegan.py tests/unit/games/common/test_two_domain.py -k hand"
ROUTES = "tests/unit/games/test_cyclegan.py tests/unit/games/test_nicegan.py tests/unit/games/common/test_two_domain.py -k gradients"
POOL = "tests/unit/games/test_cyclegan.py tests/unit/games/test_nicegan.py tests/unit/games/common/test_two_domain.py -k pool"
MOVES = "tests/unit/games/test_cyclegan.py tests/unit/games/test_nicegan.py tests/unit/games/common/test_two_domain.py -k encoders"
SETTINGS = "tests/unit/games/test_cyclegan.py tests/unit/games/test_nicegan.py tests/unit/games/common/test_two_domain.py -k papers"
USE = "tests/unit/inference/test_translation.py"

PAIRED = "tests/unit/evaluation/test_paired.py"

MUTANTS = [
    # two domains as data
    ("data/stream.py", "ORDER + SECOND", "ORDER", DATA),
    ("data/stream.py", "shift = 0 if second.paired else SECOND", "shift = 0", DATA),
    ("data/stream.py", "shift = 0 if second.paired else SECOND", "shift = SECOND", DATA),
    ("data/stream.py", "if not second.paired:", "if second.paired:", DATA),
    ("data/stream.py", "if self.mirror:", "if self.mirror and rows.dtype == torch.uint8:", DATA),
    ("data/ordering.py", "np.uint64(margin + 1)", "np.uint64(margin)", DATA),
    ("data/dataset.py", ".clamp_(max=len(self.regions))", "", DATA),
    ("data/dataset.py", "dataset=self.dataset.subset(rows)", "dataset=self.dataset", DATA),
    ("data/dataset.py", "self.paired_domain.subset(rows) if", "self.paired_domain if", DATA),
    (
        "data/dataset.py",
        "of_rest, of_part = self.paired_domain.split(share)",
        "of_rest = of_part = self.paired_domain",
        DATA,
    ),
    ("data/annotations/label_maps.py", "Image.Resampling.NEAREST", "Image.Resampling.LANCZOS", DATA),
    ("data/annotations/label_maps.py", "np.where(known, order[place], MAX_CLASSES)", "order[place]", DATA),
    ("data/sources/domains.py", "return images, maps, True", "return a, b, True", DATA),
    ("data/sources/domains.py", "{second.paired!r}, ", "", DATA),
    ("data/sources/layouts.py", "(which * middle, 0", "(0, 0", DATA),
    # what second pictures are read as
    ("runs/recipe_args.py", 'return f"{reads}:{rest}"', "return str(data)", DATA),
    ("runs/recipe_args.py", "kind not in PAIRED or kind == reads", "kind != PAIRS or kind == reads", DATA),
    ("runs/run.py", "data_for(config.recipe, place)", "place", DATA),
    ("data/annotations/label_maps.py", "or 255 not in numbers or", "or", DATA),
    (
        "data/annotations/label_maps.py",
        "len(regions) == 2 and regions.colours == distinct_colours(2)",
        "regions.colours == distinct_colours(len(regions))",
        DATA,
    ),
    ("data/annotations/label_maps.py", 'values * 255 if picture.mode == "1" else values', "values", DATA),
    ("data/annotations/label_maps.py", "(0, 255, 65535)", "(0, 255)", DATA),
    ("data/annotations/label_maps.py", "regions.colours.index(WHITE), regions.colours.index(BLACK)", "1, 0", DATA),
    (
        "data/annotations/label_maps.py",
        "    if regions is None and (high := _highest(numbers)) >= FEW:",
        "    if (high := 0):",
        DATA,
    ),
    ("data/sources/domains.py", "return True in looks and False not in looks", "return False not in looks", DATA),
    ("data/sources/domains.py", "(b, a) if fit[0] > fit[1] else (a, b)", "(b, a)", DATA),
    ("data/sources/domains.py", "strays += (found.unused,) if found and not b_maps else ()", "pass", DATA),
    # upright sizes
    ("data/sources/images.py", "TURNED = (5, 6, 7, 8)", "TURNED = (6, 8)", DATA),
    (
        "data/sources/images.py",
        "        ImageOps.exif_transpose(picture, in_place=True)\n",
        "        picture.load()\n",
        DATA,
    ),
    ("data/sources/images.py", 'if form == "PNG" and not late else', 'if form == "PNG" else', DATA),
    ("data/sources/proportions.py", "> SLACK * longest", "> 100 * SLACK * longest", DATA),
    ("data/sources/proportions.py", "if read_note(record) is None:", "if True:", DATA),
    ("data/sources/domains.py", "    require_alike(part, beside, cache, progress)\n", "", DATA),
    ("data/sources/domains.py", "        require_halves(a, cache, progress)\n", "        pass\n", DATA),
    ("data/sources/layouts.py", "tuple(there[stem] for stem in here)", "b.names", DATA),
    # CycleGAN: weights, targets, the half, critics of the domains
    (
        "games/cyclegan.py",
        "fool_A=least_squares(self.D_A(fake_a), 1)",
        "fool_A=least_squares(self.D_A(fake_a), 0)",
        GAMES,
    ),
    (
        "games/cyclegan.py",
        "fool_B=least_squares(self.D_B(fake_b), 1)",
        "fool_B=least_squares(self.D_A(fake_b), 1)",
        ROUTES,
    ),
    ("games/cyclegan.py", "self.cycle[1] * l1", "self.cycle[0] * l1", GAMES.replace("hand", "cycle_are")),
    ("games/cyclegan.py", "l1(self.G_BA(fake_b), a)", "l1(self.G_BA(fake_b.detach()), a)", ROUTES),
    ("games/cyclegan.py", "self.identity * weight for weight", "weight for weight", GAMES),
    ("games/cyclegan.py", "weights[1] * l1(self.G_AB(b), b)", "weights[1] * l1(self.G_AB(a), b)", GAMES),
    ("games/cyclegan.py", "least_squares(self.D_A(old_a), 0)) / 2", "least_squares(self.D_A(old_a), 0))", GAMES),
    ("games/cyclegan.py", "self.pool_A(fake_a), self.pool_B(fake_b)", "fake_a.detach(), fake_b.detach()", POOL),
    ("games/cyclegan.py", 'self.G_AB(x) if to == "B"', 'self.G_AB(x) if to == "A"', USE),
    # the pool
    ("games/common/two_domain.py", "swaps = full & (chance[0] < 0.5)", "swaps = full & (chance[0] < 2)", POOL),
    ("games/common/two_domain.py", "torch.where(swaps | ~full, new, old)", "new", POOL),
    ("games/common/two_domain.py", "(chance[1] * self.size).long()", "torch.zeros_like(self.held)", POOL),
    (
        "games/common/two_domain.py",
        'self.register_buffer("held", torch.zeros((), dtype=torch.int64))',
        "self.held = torch.zeros((), dtype=torch.int64)",
        POOL,
    ),
    # NICE-GAN: sums, weights, owners, routes
    ("games/nicegan.py", "for scores in D(x)]).sum()", "for scores in D(x)]).mean()", GAMES),
    ("games/nicegan.py", "self.judged(self.D_B, fake_b, 0)", "self.judged(self.D_B, fake_b, 1)", GAMES),
    (
        "games/nicegan.py",
        'self.reconstruction * l1(self.drawn(z_a, "A", a), a)',
        'l1(self.drawn(z_a, "A", a), a)',
        GAMES,
    ),
    (
        "games/nicegan.py",
        'z_a, z_b = self.code(a, "A"), self.code(b, "B")',
        'z_a, z_b = self.code(a, "B"), self.code(b, "A")',
        ROUTES,
    ),
    (
        "games/nicegan.py",
        'fake_a, fake_b = self.drawn(z_b, "A", b), self.drawn(z_a, "B", a)',
        'fake_a, fake_b = self.drawn(z_b.detach(), "A", b), self.drawn(z_a.detach(), "B", a)',
        ROUTES,
    ),
    (
        "games/common/two_domain.py",
        '"G": (self.G_AB, self.G_BA)}',
        '"G": (self.G_AB, self.G_BA, self.D_A, self.D_B)}',
        MOVES,
    ),
    # networks, settings, schedules
    (
        "layers/normalization.py",
        "first * by_instance + second * by_layer",
        "second * by_instance + first * by_layer",
        NETS,
    ),
    ("layers/normalization.py", "self.mix = AdaILN(channels, (1.0, 3.2))", "self.mix = AdaILN(channels)", NETS),
    ("networks/nicegan.py", "self.strength * attention + h", "attention + h", NETS),
    ("networks/nicegan.py", "nn.Parameter(torch.zeros(1))", "nn.Parameter(torch.ones(1))", NETS),
    (
        "networks/nicegan.py",
        "spectral(nn.Conv2d(inputs, outputs, 4, stride, bias=bias))",
        "nn.Conv2d(inputs, outputs, 4, stride, bias=bias)",
        NETS,
    ),
    (
        "networks/ganilla.py",
        "torch.cat([self.body(x), self.shortcut(x)], 1)",
        "torch.cat([self.body(x), 0 * self.shortcut(x)], 1)",
        NETS,
    ),
    ("networks/ganilla.py", "+ seen.pop()\n", "+ 0 * seen.pop()\n", NETS),
    ("networks/cyclegan.py", "return x + self.body(x)", "return (x + self.body(x)).relu()", NETS),
    ("networks/cyclegan.py", "stride = 2 if depth < layers else 1", "stride = 2", NETS),
    ("recipes/cyclegan_nicegan.py", "weight_decay=self.decay", "weight_decay=0.0", SETTINGS),
    (
        "schedules.py",
        "1 - (step - begin) / steps",
        "1 - step / steps",
        "tests/unit/games/test_cyclegan.py tests/unit/games/test_nicegan.py tests/unit/games/common/test_two_domain.py -k rates",
    ),
    # images of any size
    (
        "inference/translation.py",
        "sizes.multiple), made), height, width)",
        "sizes.multiple), made), height, width)[..., :-1, :]",
        USE,
    ),
    ("inference/tiling.py", "weights[window] += down[:, None] * right", "weights[window] = down[:, None] * right", USE),
    ("inference/tiling.py", "for k in range(count)]", "for k in range(count - 1)]", USE),
    (
        "inference/tiling.py",
        "torch.minimum(places, side + 1 - places)",
        "places",
        "tests/unit/inference/test_tiling.py tests/unit/layers/test_tiled_norm.py",
    ),
    ("inference/translation.py", "translate(game, there, OTHER[to])", "translate(game, x, OTHER[to])", USE),
    ("inference/translation.py", "for peak in (3, 2, 1)", "for peak in (1, 2, 3)", USE),
    ("reports/cycle_report.py", '"cycle": True', '"cycle": False', "tests/unit/reports/test_cycle_report.py"),
    (
        "reports/cycle_report.py",
        '(("B", a), ("A", b))',
        '(("B", b), ("A", a))',
        "tests/unit/reports/test_cycle_report.py",
    ),
    ("evaluation/translation.py", "translate(game, source(some), to)", "source(some)", PAIRED),
    ("evaluation/paired.py", "np.roll(rows, 1)", "rows", PAIRED),
    (
        "inference/translation.py",
        'facts.shape if to == "B" else facts.other',
        'facts.other if to == "B" else facts.shape',
        USE,
    ),
    ("inference/translation.py", "files.path.resolve() == out.resolve()", "False", USE),
]
