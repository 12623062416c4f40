"""The mutations of pix2pix, of GauGAN, of their networks and of painting label maps, as in `mutants`."""

GAUGAN = "tests/unit/games/test_gaugan.py tests/unit/games/common/test_multiscale.py"
PIX2PIX = "tests/unit/games/test_pix2pix.py"
PAINTING = "tests/unit/inference/test_label_maps.py"
NETWORKS = "tests/unit/networks/test_spade.py tests/unit/networks/test_unet.py tests/unit/layers/test_spade.py"
JUDGED = "tests/unit/evaluation/test_label_maps.py tests/unit/metrics/test_label_map_accuracy.py"
TILES = "tests/unit/inference/test_tiling.py tests/unit/layers/test_tiled_norm.py"
EDGES = "tests/unit/data/annotations/test_label_maps.py"
SEEN = "tests/unit/networks/common/test_perceptual.py"

MUTANTS = [
    # GauGAN: detached gradients, owners, feature maps
    ("games/gaugan.py", "        with torch.no_grad():\n            known", "        with torch.enable_grad():\n            known", GAUGAN),
    ("games/gaugan.py", "            known = self.D(x, m)", "            known = self.D(fake, m)", GAUGAN),
    ("games/gaugan.py", "seen = self.D(fake, m)", "seen = self.D(fake.detach(), m)", GAUGAN),
    ("games/gaugan.py", "seen = self.D(fake, m)", "seen = self.D(fake, 0 * m)", GAUGAN),
    ("games/gaugan.py", "torch.cat([fake, x]), torch.cat([m, m])", "torch.cat([fake, x]), torch.cat([m, 0 * m])", GAUGAN),
    ("games/gaugan.py", "false, real = halves", "real, false = halves", GAUGAN),
    ("games/gaugan.py", "            with torch.no_grad():\n                fake = self.G(m, *self.styled(x)[0])\n", "", GAUGAN),
    ("games/gaugan.py", "fake = self.G(m, *self.styled(x)[0])", "fake = self.G(m, *style)", GAUGAN),
    ("games/gaugan.py", "self.shown(data) if again else (x, m)", "(x, m)", GAUGAN),
    ("games/gaugan.py", "self.reduction(kl_to_prior(mean, log_variance))", "kl_to_prior(mean, log_variance).mean()", GAUGAN),
    ("games/gaugan.py", "divergences.sum() * num_shards()", "divergences.sum()", GAUGAN),
    ("games/gaugan.py", "self.divergence * far", "-self.divergence * far", GAUGAN),
    ("games/gaugan.py", "self.matching * over_scales", "over_scales", GAUGAN),
    ("games/gaugan.py", "self.objective.generator(maps[-1])", "self.objective.generator(maps[0])", GAUGAN),
    ("games/gaugan.py", "        if self.V is not None:\n            self.V.eval()\n", "", GAUGAN),
    ("games/gaugan.py", "perception.network.requires_grad_(False)", "perception.network", GAUGAN),
    ("games/common/label_map_game.py", "else [self.G, self.E]", "else [self.G]", GAUGAN),
    ("games/common/label_map_game.py", '"D": self._critic(self.D)', '"D": self._critic(nn.ModuleList([self.D, self.E]))', GAUGAN),
    ("games/common/label_map_game.py", "(numbers >= 0) & (numbers < self.regions)", "numbers <= self.regions", GAUGAN),
    ("games/common/label_map_game.py", "numbers.where(known, self.regions)", "numbers.where(known, 0)", GAUGAN),
    ("games/common/label_map_game.py", "reflect_to(self.spread(labels), *sides)", "reflect_to(self.spread(labels), *sides).roll(1, 3)", GAUGAN),
    ("games/common/label_map_game.py", "centre_crop(self.G(m, *given, **place), height, width)", "self.G(m, *given, **place)[..., -height:, -width:]", GAUGAN),
    ("games/common/label_map_game.py", "mean_and_log_variance(self.E(x))[0]", "mean_and_log_variance(self.E(x))[1]", GAUGAN),
    ("games/common/multiscale.py", "zip(seen[:-1], known[:-1], strict=True)", "zip(seen, known, strict=True)", GAUGAN),
    ("games/common/multiscale.py", "strict=True)]).sum()\n\n\ndef halves", "strict=True)]).mean()\n\n\ndef halves", GAUGAN),
    ("games/common/multiscale.py", "zip(*maps, strict=True)]).mean()", "zip(*maps, strict=True)]).sum()", GAUGAN),
    ("games/common/multiscale.py", "torch.stack([w * l1_loss", "torch.stack([l1_loss", GAUGAN),
    ("games/common/multiscale.py", "[[first for first, _ in scale]", "[[first for _, first in scale]", GAUGAN),
    # pix2pix
    ("games/pix2pix.py", "self.D(fake.detach(), a)) / 2", "self.D(fake.detach(), a))", PIX2PIX),
    ("games/pix2pix.py", "self.D(fake.detach(), a)", "self.D(fake, a)", PIX2PIX),
    ("games/pix2pix.py", "self.D(b, a), self.D(fake.detach(), a)", "self.D(fake.detach(), a), self.D(b, a)", PIX2PIX),
    ("games/pix2pix.py", "self.D(b, a)", "self.D(b, 0 * a)", PIX2PIX),
    ("games/pix2pix.py", "generator(self.D(fake, a))", "generator(-self.D(fake, a))", PIX2PIX),
    ("games/pix2pix.py", "self.likeness * l1_loss(fake, b)", "self.likeness * l1_loss(fake.detach(), b)", PIX2PIX),
    ("games/pix2pix.py", "l1_loss(fake, b)", "l1_loss(self.G(a), b)", PIX2PIX),
    ("games/pix2pix.py", 'if self.domain == "B"', 'if self.domain == "A"', PIX2PIX),
    ("networks/common/pair_input.py", "torch.cat([given, x], 1)", "torch.cat([x, given], 1)", PIX2PIX),
    # networks
    ("layers/spade.py", "1 + self.gain(seen)", "self.gain(seen)", NETWORKS),
    ("layers/spade.py", 'mode="nearest"', 'mode="bilinear"', NETWORKS),
    ("layers/spade.py", "return x + seen", "return seen", NETWORKS),
    ("layers/spade.py", "middle = min(inputs, outputs)", "middle = max(inputs, outputs)", NETWORKS),
    ("networks/spade.py", "number == 1 or number > 2", "number > 1", NETWORKS),
    ("networks/spade.py", "count_include_pad=False", "count_include_pad=True", NETWORKS),
    ("networks/spade.py", "[instance_norm(outputs)] if norm else []", "[]", NETWORKS),
    ("networks/unet.py", "normed = level > 0 and not last", "normed = not last", NETWORKS),
    ("networks/unet.py", "torch.cat([seen.pop(), layer(y)], 1)", "torch.cat([0 * seen.pop(), layer(y)], 1)", NETWORKS),
    # maps and styles
    ("data/annotations/palettes.py", "(numbers != MAX_CLASSES)).any()", "(numbers == MAX_CLASSES)).any()", PAINTING),
    ("data/annotations/palettes.py", "        if used <= set(regions.colours):\n            return None\n", "", PAINTING),
    ("data/annotations/palettes.py", "far.argmin(1)[places]", "far.argmax(1)[places]", PAINTING),
    ("data/annotations/palettes.py", "far[first].argmin()", "far[first].argmax()", PAINTING),
    ("data/annotations/palettes.py", "if strange.any() and not nearest", "if strange.any() and nearest", PAINTING),
    ("data/annotations/palettes.py", "*regions.colours, (0, 0, 0)", "(0, 0, 0), *regions.colours", PAINTING),
    ("inference/label_maps.py", "styles.roll(-1, 0)", "styles", PAINTING),
    ("inference/label_maps.py", "with fixed_seed(seed):", "if True:", PAINTING),
    ("inference/label_maps.py", "interpolate(styles, frames, loop=loop)", "interpolate(styles, frames)", PAINTING),
    # evaluation of label-map games
    ("metrics/label_map_accuracy.py", "likely == places[number]", "likely != places[number]", JUDGED),
    ("metrics/label_map_accuracy.py", "- mean[:, None] * mean", "", JUDGED),
    ("metrics/label_map_accuracy.py", "self.counts >= MIN_PIXELS", "self.counts >= 0", JUDGED),
    ("evaluation/label_maps.py", '(("own", x), ("swapped", other))', '(("own", other), ("swapped", x))', JUDGED),
    ("evaluation/label_maps.py", "(after - goal).norm(dim=1) < (before - goal)", "(after - goal).norm(dim=1) > (before - goal)", JUDGED),
    ("evaluation/label_maps.py", "self.hits + more.hits", "more.hits", JUDGED),
    ("evaluation/label_maps.py", "LabelMapSampler(game, held_out or dataset)", "LabelMapSampler(game, dataset)", JUDGED),
    # tiles of one scene
    ("networks/spade.py", "x = whole[:, :, top : top + first[0], left : left + first[1]]", "x = _stretched(whole, first)", TILES),
    ("layers/tiled_norm.py", "(weights * x).sum", "x.sum", TILES),
    ("layers/tiled_norm.py", "if norm in self.known:\n            return", "if norm in self.known:\n            pass", TILES),
    ("layers/tiled_norm.py", "- mean.square()).clamp", ").clamp", TILES),
    ("inference/label_maps.py", "with with_moments(collect_moments(", "with with_moments({} and collect_moments(", TILES),
    ("inference/label_maps.py", "place = window[0].start, window[1].start, *size", "place = 0, 0, *size", TILES),
    # where objects meet
    ("data/annotations/label_maps.py", "    found[..., :-1] |= across\n", "", EDGES),
    ("data/annotations/label_maps.py", "    found[..., 1:, :] |= down\n", "", EDGES),
    ("data/dataset.py", "self.edges.rows(indices, corners)", "self.edges.rows(indices)", EDGES),
    ("data/dataset.py", "edges=self.edges and self.edges.subset(rows)", "edges=self.edges", EDGES),
    ("data/sources/domains.py", "{second.edges.fingerprint!r}", "", "tests/unit/data/sources/test_domains.py"),
    ("games/common/label_map_game.py", "torch.cat([m, edges[:, None].float()], 1)", "torch.cat([m, 0 * edges[:, None].float()], 1)", EDGES),
    ("inference/label_maps.py", "add_edges(labels, labels) if", "labels if", EDGES),
    ("inference/label_maps.py", "instance_boundaries(objects).to(labels)", "instance_boundaries(labels).to(labels)", EDGES),
    # perceptual networks
    ("networks/common/perceptual.py", "self.body.load_state_dict(extractor_for", "(extractor_for", SEEN),
    ("networks/common/perceptual.py", "if place % 3 == 2:", "if place % 3 == 1:", SEEN),
    ("networks/common/perceptual.py", "new = False", "new = True", SEEN),
    ("networks/common/perceptual.py", "(x.expand(-1, 3, -1, -1) + 1) / 2", "x.expand(-1, 3, -1, -1)", SEEN),
    ("runs/state.py", "part.fit_to(dataset)", "pass", SEEN),
    ("runs/run.py", "self.training if saved is None else None", "self.training", SEEN),
]  # fmt: skip
