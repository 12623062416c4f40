"""The mutations of evaluation, held-out data and the best checkpoint, as in `mutants`."""

SCORES = "tests/unit/evaluation/test_registry.py"
SELECTION = "tests/unit/runs/test_early_stopping.py"
EVALUATE = "tests/unit/evaluation/test_evaluator.py"
SETS = "tests/unit/evaluation/test_sample_sets.py"
HISTOGRAM = "tests/unit/metrics/test_class_histogram.py tests/unit/data/sources/test_stacked.py"
NEIGHBOURS = "tests/unit/metrics/test_precision_recall.py"
LABELLED = "tests/unit/metrics/test_gan_train_test.py"
SINGLE = "tests/unit/metrics/test_single_image_frechet.py"

BEST = "tests/robustness/test_best_checkpoint.py"

SQUEEZENET = "tests/unit/metrics/extractors/test_squeezenet.py"

VISION = "tests/unit/metrics/extractors/test_vision_model.py"

INDEPENDENCE = "tests/unit/evaluation/test_independence.py"
LITE0 = "tests/unit/evaluation/test_lite0.py"

VERDICT = "tests/unit/experiments/test_verdict.py"

MUTANTS = [
    ("evaluation/independence.py", "for part in module.modules() if", "for part in [module] if", INDEPENDENCE),
    ("evaluation/independence.py", "if metric.features]", "]", INDEPENDENCE),
    ("evaluation/independence.py", "extractor.sha256, *stated}", "extractor.sha256}", INDEPENDENCE),
    ("evaluation/independence.py", "extractor.name), extractor.sha256,", "extractor.name),", INDEPENDENCE),
    ("evaluation/independence.py", " or (spelt and name in spelt)", "", INDEPENDENCE),
    ("evaluation/evaluator.py", 'extractor or "classifier", metrics)', "extractor, {})", INDEPENDENCE),
    (
        "runs/early_stopping.py",
        "require_independent(state.game, self.extractor, metrics)",
        "pass",
        INDEPENDENCE,
    ),
    ("cli/compare.py", 'require_independent(built, "classifier", metrics)', "pass", INDEPENDENCE),
    ("networks/common/perceptual.py", 'trains_on_features = ("classifier",)', "trains_on_features = ()", INDEPENDENCE),
    ("evaluation/lite0.py", "self.network.pooled(resized(x.to(weight), SIDE))", "self.network.pooled(x)", LITE0),
    ("metrics/extractors/vision_model.py", "return (images - mean) / std", "return images - mean", VISION),
    ("metrics/extractors/vision_model.py", "images = (images + 1) / 2", "images = images + 1", VISION),
    ("metrics/extractors/vision_model.py", "if self.pooled and pooled is", "if pooled is", VISION),
    ("metrics/extractors/vision_model.py", "pooled=not missing", "pooled=True", VISION),
    ("metrics/extractors/vision_model.py", "use_safetensors=True, ", "", VISION),
    ("metrics/extractors/vision_model.py", ".clamp(0, 1)", "", VISION),
    ("metrics/extractors/squeezenet.py", "(3, 2, ceil_mode=True)", "(3, 2)", SQUEEZENET),
    ("metrics/extractors/squeezenet.py", "* 127.5 - means", "* 127.5", SQUEEZENET),
    ("metrics/extractors/squeezenet.py", "MEANS = (123.0, 117.0, 104.0)", "MEANS = (104.0, 117.0, 123.0)", SQUEEZENET),
    ("metrics/extractors/squeezenet.py", "allow_pickle=False", "allow_pickle=True", SQUEEZENET),
    ("metrics/extractors/squeezenet.py", "self.squeeze(maps).relu()", "self.squeeze(maps)", SQUEEZENET),
    ("metrics/extractors/squeezenet.py", "hexdigest() == sha256", "hexdigest() != sha256", SQUEEZENET),
    ("experiments/verdict.py", "chance.get(label, 1.0) < LEVEL", "True", VERDICT),
    ("experiments/verdict.py", "sign * (means[label] - noise) > 0", "True", VERDICT),
    ("experiments/verdict.py", "if leader in clear and alone", "if leader in clear", VERDICT),
    ("experiments/verdict.py", "[*clear, *above, *ranked]", "ranked", VERDICT),
    ("experiments/verdict.py", "score.interval[end] if score.interval else score.value", "score.value", VERDICT),
    ("experiments/verdict.py", "bool(pair) or (name in whole and not half)", "True", VERDICT),
    ("experiments/verdict.py", "len(parts) / sum(1 / part for part in parts)", "sum(parts) / len(parts)", VERDICT),
    ("evaluation/significance.py", "math.sqrt(found.count)", "found.count", VERDICT),
    # references of evaluations
    (
        "evaluation/sample_sets.py",
        "self._real = (held_out or dataset, first[:count])",
        "self._real = (dataset, first[:count])",
        SCORES,
    ),
    ("evaluation/sample_sets.py", "second[count : 2 * count]", "second[:count]", SETS),
    (
        "evaluation/evaluator.py",
        'EvalContext(real, sets.pop(""), dataset',
        'EvalContext(sets.pop(""), real, dataset',
        SCORES,
    ),
    ("evaluation/evaluator.py", "replace(reference, fake=each)", "reference", SCORES),
    (
        "evaluation/sample_sets.py",
        "/ (count - correction)).clamp(min=0).sqrt()",
        "/ (count - correction)).clamp(min=0)",
        SETS,
    ),
    ("evaluation/sample_sets.py", "self.done += len(rows)", "self.done += 1", SCORES),
    ("evaluation/sample_sets.py", "fakes = fakes.clamp(-1, 1)", "fakes = fakes.clamp(-9, 9)", EVALUATE),
    ("evaluation/sample_sets.py", "for rows in noise.split(CHUNK):", "for rows in noise.split(len(noise)):", SCORES),
    (
        "evaluation/registry.py",
        "memorisation(case.training.features, case.real.features,",
        "memorisation(case.real.features, case.training.features,",
        SCORES,
    ),
    (
        "evaluation/registry.py",
        "SampleSet(rows, rows, names), case.real)",
        "case.real, SampleSet(rows, rows, names))",
        SCORES,
    ),
    ("evaluation/registry.py", "reference=counts)", ")", SCORES),
    (
        "evaluation/registry.py",
        "channel_labels(judge.predict, case.fake.scaled)",
        "channel_labels(judge.predict, case.real.scaled)",
        HISTOGRAM,
    ),
    ("evaluation/types.py", "dict(zip(self.official, self.scores.values(), strict=True))", "self.scores", SCORES),
    ("data/sources/stacked.py", "labels // number % number", "labels // number", HISTOGRAM),
    ("metrics/intervals.py", "(share * (1 - share) / count +", "(share / count +", LABELLED),
    (
        "metrics/gan_train_test.py",
        "gan_train=gan_test(of_fake.predict, *held_out",
        "gan_train=gan_test(of_real.predict, *held_out",
        LABELLED,
    ),
    (
        "metrics/precision_recall.py",
        "found[start : start + len(block)] = reduce(block)",
        "found[: len(block)] = reduce(block)",
        NEIGHBOURS,
    ),
    # what is held out
    ("data/dataset.py", "self.subset(np.sort(order[:held]))", "self.subset(np.sort(order[held:]))", SCORES),
    ("data/dataset.py", "rows if self.indices is None else self.indices[rows]", "rows", SCORES),
    (
        "runs/run.py",
        "TrainState.around(game, self.config, self.training)",
        "TrainState.around(game, self.config, self.dataset)",
        SCORES,
    ),
    # which checkpoint is best
    (
        "runs/early_stopping.py",
        "1 if score.better is Direction.HIGHER else -1",
        "-1 if score.better is Direction.HIGHER else 1",
        SELECTION,
    ),
    ("runs/early_stopping.py", "score.value == score.value and (before", "(before", SELECTION),
    (
        "runs/early_stopping.py",
        "evaluate(state.inference_game, state.dataset, held_out=self.held_out, **how)",
        "evaluate(state.game, state.dataset, held_out=self.held_out, **how)",
        SELECTION,
    ),
    ("runs/early_stopping.py", "held_out=self.held_out, **how", "held_out=state.dataset, **how", SELECTION),
    (
        "runs/early_stopping.py",
        "len(rows) - 1 - last >= patience",
        "len(rows) - 1 - last > patience",
        SELECTION,
    ),
    ("runs/early_stopping.py", 'if row["step"] <= state.step]', "]", SELECTION),
    (
        "runs/early_stopping.py",
        "if state.images // interval != (state.images - report.images) // interval:",
        "if not state.images % interval:",
        SELECTION,
    ),
    (
        "runs/early_stopping.py",
        '            if row["best"]:\n                self.save()',
        "            self.save()",
        SELECTION,
    ),
    ("runs/loop.py", "if due or last or self.should_stop:", "if due or last:", SELECTION),
    (
        "runs/checkpoint.py",
        "return _load(home, *kept[name])",
        "return _load(home, REGULAR, _names(home, REGULAR)[-1])",
        SELECTION,
    ),
    ("runs/checkpoint.py", "there[max(there) if step is None else step])", "there[max(there)])", BEST),
    ("runs/early_stopping.py", "there & evaluated - needed if", "there & evaluated if", BEST),
    ("runs/early_stopping.py", " if step != found", " if step < found", BEST),
    ("runs/loop.py", "keep=None, kind=checkpoint.BEST", "keep=1, kind=checkpoint.BEST", BEST),
]
