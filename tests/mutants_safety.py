"""The mutations of what keeps a training safe, as in `mutants`."""

REMEDIES, DATA, DISK, PAYLOADS, FAST, SLOPES, LARGE, RANKS = (
    f"tests/test_{name}.py"
    for name in ("remedies", "hostile_data", "refusing_disk", "payloads", "fast", "slopes", "data_large", "parallel")
)

MUTANTS = [
    # what is not finite: found, named, taken back
    ("trainer.py", "        watch.weights()\n", "", REMEDIES),
    ("trainer.py", "        watch.gradients(move.player, owned(players[move.player]))\n", "", REMEDIES),
    ("trainer.py", "        watch.terms(move)\n", "", REMEDIES),
    (
        "health.py",
        "tensor.copy_(torch.where(sound, tensor, old))",
        "tensor.copy_(torch.where(sound, tensor, tensor))",
        REMEDIES,
    ),
    ("health.py", "[*self._buffers, *before, *after]", "[*before, *after]", REMEDIES),
    ("health.py", "[*self._buffers, *before, *after]", "[*self._buffers, *after]", REMEDIES),
    ("health.py", "[*self._buffers, *before, *after]", "[*self._buffers, *before]", REMEDIES),
    ("health.py", "            self._undo.remember()\n", "            pass\n", REMEDIES),
    ("health.py", "torch.zeros_like(value)", "value", REMEDIES),
    ("health.py", "            self._trail.clear()\n", "            pass\n", REMEDIES),
    ("journal.py", "        report.require_finite()\n", "", REMEDIES),
    ("journal.py", "if self._row >= HOPELESS:", "if False:", REMEDIES),
    ("remedies.py", "    run.rollbacks = before\n", "", REMEDIES),
    ("remedies.py", "    reseed(run, run.stream.position)\n", "", REMEDIES),
    ("remedies.py", "if len(before) > remedy.rollbacks:", "if len(before) > remedy.rollbacks + 1:", REMEDIES),
    ("saving.py", "if int(path.name) % every == 0 and", "if", REMEDIES),
    ("checkpoint.py", "if every and int(path.name) % every == 0][-1:]", "if False]", REMEDIES),
    ("session.py", "seed=seed(run),", 'seed=run.record["seed"],', REMEDIES),
    # sets too large to be held
    ("data/dataset.py", "np.asarray(self.values)[indices]", "np.array(self.values)[indices]", LARGE),
    ("data/prepared.py", 'facts["content"], **more', '"", **more', LARGE),
    ("data/identity.py", ", len(values) - rows,", ", len(values) - 30 * rows,", LARGE),
    ("data/fetching.py", "+ starts * width", "+ starts * width + 10**6", LARGE),
    ("data/fetching.py", "if values.nbytes > memory() // 2:", "if True:", LARGE),
    (
        "data/dataset.py",
        "fetch(self.values, indices if self.chosen is None else self.chosen[indices])",
        "fetch(self.values, indices)",
        LARGE,
    ),
    ("data/stream.py", "self.dataset.announce(flat)", "self.dataset.announce(flat[:64])", LARGE),
    # several processes
    ("exchange.py", "self.bytes + flat.nbytes", "self.bytes + len(flat)", RANKS),
    ("exchange.py", "self._seconds += time.perf_counter() - start", "self._seconds += 0.01", RANKS),
    (
        "exchange.py",
        "torch.zeros_like(p) if p.grad is None else p.grad",
        "torch.ones_like(p) if p.grad is None else p.grad",
        RANKS,
    ),
    ("exchange.py", "buffer.copy_(mean)", "pass", RANKS),
    ("journal.py", "sum(step.bytes for step in steps) / len(steps)", "sum(step.bytes for step in steps)", RANKS),
    # hostile data
    ("data/sifting.py", "if name not in self.bad}", "}", DATA),
    ("data/sifting.py", "{**self.files.strays, **self.bad}", "self.bad", DATA),
    ("data/files.py", 'or ".." in name.split("/")', "", DATA),
    ("data/files.py", "if size > LARGEST:", "if False:", DATA),
    ("data/pictures.py", "Image.open(io.BytesIO(content), formats=FORMATS)", "Image.open(io.BytesIO(content))", DATA),
    ("data/pictures.py", "if picture.width * picture.height > PIXELS:", "if False:", "tests/test_data_errors.py"),
    (
        "data/layouts.py",
        "for stem, name in _stems(part).items() if stem not in lost}",
        "for stem, name in _stems(part).items()}",
        DATA,
    ),
    ("data/labels.py", "not 0 <= table[name] < MOST", "table[name] < 0", DATA),
    ("data/captions.py", "AttributeError, RecursionError, csv.Error", "AttributeError, csv.Error", DATA),
    # refusing disks
    ("durable.py", "    if free < needed:", "    if False:", DISK),
    ("durable.py", "    except FileNotFoundError as error:", "    except ZeroDivisionError as error:", DISK),
    ("durable.py", "                path.unlink(missing_ok=True)\n", "                pass\n", DISK),
    ("durable.py", "            if re.fullmatch(", "            if True or re.fullmatch(", DISK),
    (
        "journal.py",
        "        with suppress(OSError):\n            self._file.close()",
        "        self._file.close()",
        DISK,
    ),
    ("checkpoint.py", "            shutil.rmtree(unfinished, ignore_errors=True)\n", "", DISK),
    # payloads
    ("checkpoint.py", "weights_only=True)", "weights_only=False)", PAYLOADS),
    ("metrics/inception_weights.py", "weights_only=True)", "weights_only=False)", PAYLOADS),
    ("data/arrays.py", 'mmap_mode="r", allow_pickle=False)', "mmap_mode=None, allow_pickle=True)", PAYLOADS),
    ("imports.py", "if top in sys.stdlib_module_names:", "if False:", PAYLOADS),
    (
        "imports.py",
        'if any((folder / "run.json").exists()',
        'if False and any((folder / "run.json").exists()',
        PAYLOADS,
    ),
    ("record.py", "        require_record(record)\n", "", "tests/test_fuzzed.py"),
    (
        "wellformed.py",
        '            _require(f"{place}{name}", table[name], kinds)\n',
        "            pass\n",
        "tests/test_fuzzed.py",
    ),
    # what makes a run fast: chosen once, kept, equal to rounding
    ("state.py", "        chosen.put_on(game)\n", "        pass\n", FAST),
    ("state.py", "        chosen.fuse(players.values())\n", "        pass\n", FAST),
    ("state.py", "    players = optimisers(run.record, game)\n", "    players = game.players()\n", FAST),
    ("fast.py", "            layer.folded = self.folded\n", "            pass\n", FAST),
    ("fast.py", "        game.plain_slopes = not self.slopes\n", "", SLOPES),
    ("trainer.py", "mixed, plain_convolutions(game.plain_slopes)", "mixed", SLOPES),
    ("slopes.py", "ctx.form.by_weight(g, upstream, weight)", "ctx.form.by_weight(upstream, g, weight)", SLOPES),
    ("slopes.py", "g.sum((0, 2, 3)) if needed[1]", "g.mean((0, 2, 3)) if needed[1]", SLOPES),
    ("slopes.py", "[True, False, False])[0]", "[True, True, False])[0]", SLOPES),
    ("slopes.py", "        ctx.mark_dirty(y)\n        return y\n", "        return y.view_as(y)\n", SLOPES),
    ("slopes.py", "ctx.save_for_backward(g, weight)", "ctx.save_for_backward(g.detach(), weight)", SLOPES),
    ("slopes.py", "with torch.autocast(g.device.type, enabled=False):", "if True:", SLOPES),
    ("fast.py", "_laid_out if by_image else _kernel", "_kernel", FAST),
    ("layers/resample.py", "self.bias, padding=1), 2)", "self.bias, padding=1), 2).relu()", FAST),
    (
        "data/ahead.py",
        "self.stream, self.position = stream, stream.position",
        "self.stream, self.position = stream, 1",
        FAST,
    ),
    (
        "data/ahead.py",
        "        self._coming = None\n        self.stream.seek(position)",
        "        self.stream.seek(position)",
        FAST,
    ),
]
