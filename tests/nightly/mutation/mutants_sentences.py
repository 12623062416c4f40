"""The mutations of captions, of what reads them, of StackGAN and of what is done with sentences, as in `mutants`."""

CAPTIONS = "tests/unit/data/annotations/test_captions.py"
TEXT = "tests/unit/networks/common/test_text.py"
STACKGAN = "tests/unit/games/test_stackgan.py tests/unit/games/common/test_caption_pairs.py"
SENTENCES = "tests/unit/inference/test_text.py"
EMBEDDINGS = "tests/unit/data/annotations/test_caption_embeddings.py tests/unit/networks/common/test_caption_lookup.py"
SNAPSHOTS = "tests/unit/runs/test_snapshots.py"

MUTANTS = [
    # captions: which image, which of several, what makes another data set
    ("data/annotations/captions.py", "str(folder / name), text)", "name, text)", CAPTIONS),
    ("data/annotations/captions.py", "chances % (last - first)", "0 * chances % (last - first)", CAPTIONS),
    ("data/annotations/captions.py", "1 + zlib.crc32(word.encode())", "1 + hash(word) % 2**32", CAPTIONS),
    (
        "data/dataset.py",
        "return () if self.captions is None else (self.captions.sample_tokens(indices, ",
        "return () if self.captions is None else (self.captions.sample_tokens(np.sort(indices), ",
        CAPTIONS,
    ),
    ("data/fingerprint.py", "        sha.update(captions.content)\n", "        pass\n", CAPTIONS),
    ("data/sources/image_sources.py", '["captions"] if caption_files(self.files, self.names) else []', "[]", CAPTIONS),
    ("data/stream.py", "caption_choices(positions, self.seed)", "caption_choices(indices, self.seed)", CAPTIONS),
    # readers: order, padding, the last word
    (
        "networks/common/text.py",
        "hash32(token_ids[:, :-1]) + (token_ids[:, 1:] & MASK)",
        "token_ids[:, :-1] + token_ids[:, 1:]",
        TEXT,
    ),
    ("networks/common/text.py", "clamp_min(1).sqrt()", "clamp_min(1)", TEXT),
    ("networks/common/text.py", "self.signs(pairs, mask[:, 1:]) / 2", "self.signs(pairs, mask[:, :-1]) / 2", TEXT),
    (
        "networks/common/text.py",
        "last = (mask.sum(1) - 1).clamp_min(0)",
        "last = mask.sum(1) * 0 + codes.shape[1] - 1",
        TEXT,
    ),
    # StackGAN: signs, weights, who is frozen, what is wrong
    (
        "games/stackgan.py",
        "real, false, misfit = D(x, phi), D(fake, phi), softplus(D(",
        "real, false, misfit = D(x, phi), D(fake, phi), softplus(-D(",
        STACKGAN,
    ),
    ("games/stackgan.py", "D(x, phi[wrong])[:, 0]", "D(x, phi[wrong])[:, -1]", STACKGAN),
    ("games/stackgan.py", "D(x, phi[wrong])[:, 0]", "D(x, phi)[:, 0]", STACKGAN),
    ("games/stackgan.py", "D(x, phi).sum(1), x)", "D(x, phi[wrong]).sum(1), x)", STACKGAN),
    ("games/stackgan.py", "D(x, phi).sum(1), x)", "D(x, phi)[:, 0], x)", STACKGAN),
    ("games/stackgan.py", "self.penalty / 2 * r1", "self.penalty * r1", STACKGAN),
    ("games/stackgan.py", "softplus(false).sum(1).mean() / parts", "softplus(false).sum(1).mean()", STACKGAN),
    ("games/stackgan.py", "softplus(-real).mean()", "softplus(-real).sum(1).mean()", STACKGAN),
    ("games/stackgan.py", "adversarial=softplus(-D(fake, phi))", "adversarial=softplus(D(fake, phi))", STACKGAN),
    ("games/stackgan.py", "divergence=self.divergence * far", "divergence=-self.divergence * far", STACKGAN),
    (
        "games/stackgan.py",
        "kl_to_prior(mean, log_variance).mean() / mean.shape[1]",
        "kl_to_prior(mean, log_variance).mean()",
        STACKGAN,
    ),
    ("games/stackgan.py", "            with evaluation_mode(self.G):", "            with torch.no_grad():", STACKGAN),
    (
        "games/stackgan.py",
        "        with torch.no_grad():\n            phi =",
        "        with torch.enable_grad():\n            phi =",
        STACKGAN,
    ),
    ("games/stackgan.py", "misfit.sum() / there.sum().clamp_min(1)", "misfit.mean()", STACKGAN),
    ("games/stackgan.py", "        self.G2.begun.fill_(True)\n", "", STACKGAN),
    ("games/stackgan.py", "(self.second.down(x) if self.second else x), self.D", "x, self.D", STACKGAN),
    (
        "networks/stackgan.py",
        "torch.tanh(missing + torch.atanh(KEPT * upsample(coarse, size)))",
        "torch.tanh(missing)",
        STACKGAN,
    ),
    ("games/common/caption_pairs.py", "torch.logical_and(seen, ", "torch.logical_or(seen, ", STACKGAN),
    ("games/common/caption_pairs.py", "(draws * apart).topk", "(draws * ~apart).topk", STACKGAN),
    ("games/common/caption_pairs.py", "far.argmin(1", "far.argmax(1", STACKGAN),
    ("games/common/caption_pairs.py", ".masked_fill(~apart, torch.inf)", "", STACKGAN),
    ("games/stackgan.py", "sample_mismatched(apart, phi, self.rivals)", "sample_mismatched(apart, phi)", STACKGAN),
    ("games/common/caption_pairs.py", "relu(1 + fits.T - right[:, None])", "relu(1 + fits - right[:, None])", STACKGAN),
    ("games/common/text_game.py", "(log_variance / 2).exp() * draw", "log_variance.exp() * draw", STACKGAN),
    ("games/common/text_game.py", "self.paint(truncation * z,", "self.paint(z,", STACKGAN),
    ("abilities.py", "    SupportsText,\n", "", SENTENCES),
    # sentences in use
    (
        "inference/conditional.py",
        "between=torch.lerp",
        "between=lambda a, b, t: torch.lerp(b, a, t)",
        SENTENCES,
    ),
    ("inference/conditional.py", "if word not in vocabulary", "if word in vocabulary", SENTENCES),
    # embedded captions: which vector, what is kept, what may not be executed
    ("networks/common/caption_lookup.py", "vectors.mean(0)", "0 * vectors.mean(0)", EMBEDDINGS),
    ("networks/common/caption_lookup.py", "        if not len(self.centre):\n", "        if True:\n", EMBEDDINGS),
    ("networks/common/caption_lookup.py", "self._placed(vectors)])[order]", "self._placed(vectors)])", EMBEDDINGS),
    ("networks/common/caption_lookup.py", "/ width**0.5", "/ width", EMBEDDINGS),
    (
        "networks/common/caption_lookup.py",
        "hash32(token_ids) + hash32(places * odd)",
        "hash32(token_ids) + odd",
        EMBEDDINGS,
    ),
    ("networks/common/caption_lookup.py", "or not bool((self.keys[rows] == wanted).all())", "", EMBEDDINGS),
    (
        "networks/common/caption_lookup.py",
        "setattr(self, name, torch.empty_like(given, device=self.keys.device))",
        "pass",
        EMBEDDINGS,
    ),
    ("data/annotations/caption_embeddings.py", "trust_remote_code=False", "trust_remote_code=True", EMBEDDINGS),
    ("data/annotations/caption_embeddings.py", '{"use_safetensors": True}', "{}", EMBEDDINGS),
    ("data/annotations/caption_embeddings.py", "            _require_own_modules(self.path)\n", "", EMBEDDINGS),
    (
        "data/annotations/caption_embeddings.py",
        "with np.load(path, allow_pickle=False)",
        "with np.load(path, allow_pickle=True)",
        EMBEDDINGS,
    ),
    ("runs/state.py", " if state is None else ()", "", EMBEDDINGS),
    ("runs/run.py", "if dataset.captions and saved is None else ()", "if dataset.captions else ()", EMBEDDINGS),
    ("runs/run.py", "dataset.captions.unique", "dataset.captions.texts[0]", EMBEDDINGS),
    ("inference/conditional.py", "        game.unwrapped.register_captions([text])\n", "        pass\n", EMBEDDINGS),
    # pictures: of these seeds, by the reader as it is now
    (
        "tasks/generation.py",
        "sample_seeds(game, range(count))",
        "sample_seeds(game, range(1, count + 1))",
        SNAPSHOTS,
    ),
    (
        "inference/sampling.py",
        "    with evaluation_mode(game):\n        for seed in",
        "    if True:\n        for seed in",
        SNAPSHOTS,
    ),
]
