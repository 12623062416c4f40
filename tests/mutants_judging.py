"""The mutations of evaluation, held-out data and the best checkpoint, as in `mutants`."""

SCORES, SELECTION, EVALUATE = (f"tests/test_{name}.py" for name in ("scores", "selection", "evaluate"))
HISTOGRAM, NEIGHBOURS, LABELLED, SINGLE = (
    f"tests/test_metrics_{name}.py" for name in ("histogram", "neighbours", "labelled", "single_image")
)

BEST = "tests/test_best_kept.py"

VERDICT = "tests/test_verdict.py"

MUTANTS = [
    ("compare/verdict.py", "chance.get(label, 1.0) < LEVEL", "True", VERDICT),
    ("compare/verdict.py", "sign * (means[label] - noise) > 0", "True", VERDICT),
    ("compare/verdict.py", "if leader in clear and alone", "if leader in clear", VERDICT),
    ("compare/verdict.py", "[*clear, *above, *ranked]", "ranked", VERDICT),
    ("compare/verdict.py", "score.interval[end] if score.interval else score.value", "score.value", VERDICT),
    ("compare/verdict.py", "bool(pair) or (name in whole and not half)", "True", VERDICT),
    ("compare/verdict.py", "len(parts) / sum(1 / part for part in parts)", "sum(parts) / len(parts)", VERDICT),
    ("compare/statistics.py", "math.sqrt(found.count)", "found.count", VERDICT),
    # who is judged against whom
    (
        "evaluate.py",
        "self._real = (held_out or dataset, first[:count])",
        "self._real = (dataset, first[:count])",
        SCORES,
    ),
    ("evaluate.py", "second[count : 2 * count]", "second[:count]", EVALUATE),
    ("evaluate.py", 'Case(real, sets.pop(""), dataset', 'Case(sets.pop(""), real, dataset', SCORES),
    ("evaluate.py", "replace(case, fake=seen, sampler=None,", "replace(case, sampler=None,", SCORES),
    ("evaluate.py", "/ (count - 1)).clamp(min=0).sqrt()", "/ (count - 1)).clamp(min=0)", EVALUATE),
    ("evaluate.py", "self.done += len(rows)", "self.done += 1", SCORES),
    ("evaluate.py", "fakes = fakes.clamp(-1, 1)", "fakes = fakes.clamp(-9, 9)", EVALUATE),
    ("evaluate.py", "for rows in noise.split(AT_ONCE):", "for rows in noise.split(len(noise)):", SCORES),
    (
        "scores.py",
        "memorisation(case.training.features, case.real.features,",
        "memorisation(case.real.features, case.training.features,",
        SCORES,
    ),
    ("scores.py", "Seen(rows, rows, names), case.real)", "case.real, Seen(rows, rows, names))", SCORES),
    ("scores.py", "reference=counts)", ")", SCORES),
    (
        "scores.py",
        "channel_labels(judge.predict, case.fake.scaled)",
        "channel_labels(judge.predict, case.real.scaled)",
        HISTOGRAM,
    ),
    ("evidence.py", "dict(zip(self.official, self.scores.values(), strict=True))", "self.scores", SCORES),
    ("data/stacked.py", "labels // number % number", "labels // number", HISTOGRAM),
    ("metrics/uncertainty.py", "(share * (1 - share) / count +", "(share / count +", LABELLED),
    (
        "metrics/labelled.py",
        "gan_train=gan_test(of_fake.predict, *held_out",
        "gan_train=gan_test(of_real.predict, *held_out",
        LABELLED,
    ),
    (
        "metrics/neighbours.py",
        "found[start : start + len(block)] = reduce(block)",
        "found[: len(block)] = reduce(block)",
        NEIGHBOURS,
    ),
    # what is held out
    ("data/dataset.py", "self.part(np.sort(order[:held]))", "self.part(np.sort(order[held:]))", SCORES),
    ("data/dataset.py", "rows if self.chosen is None else self.chosen[rows]", "rows", SCORES),
    ("run.py", "stream(self.record, self.training, device)", "stream(self.record, self.dataset, device)", SCORES),
    # which checkpoint is best
    (
        "selection.py",
        "1 if score.better is Better.HIGHER else -1",
        "-1 if score.better is Better.HIGHER else 1",
        SELECTION,
    ),
    ("selection.py", "score.value == score.value and (before", "(before", SELECTION),
    (
        "selection.py",
        "evaluate(run.sampler, run.training, held_out=run.held_out, **how)",
        "evaluate(run.game, run.training, held_out=run.held_out, **how)",
        SELECTION,
    ),
    ("selection.py", "held_out=run.held_out, **how", "held_out=run.training, **how", SELECTION),
    (
        "selection.py",
        "len(self.rows) - 1 - last >= self.judging.patience",
        "len(self.rows) - 1 - last > self.judging.patience",
        SELECTION,
    ),
    ("selection.py", 'if row["step"] <= run.step]', "]", SELECTION),
    ("selection.py", "if self.run.images // each == images // each:", "if self.run.images % each:", SELECTION),
    ("selection.py", '            if row["best"]:\n                self.keep()', "            self.keep()", SELECTION),
    ("session.py", "run.step == conduct.steps or self.over:", "run.step == conduct.steps:", SELECTION),
    (
        "checkpoint.py",
        "return _load(home, *kept[name])",
        "return _load(home, PLACE, _names(home, PLACE)[-1])",
        SELECTION,
    ),
    ("checkpoint.py", "there[max(there) if step is None else step])", "there[max(there)])", BEST),
    ("selection.py", "there & judged - needed if", "there & judged if", BEST),
    ("selection.py", " if step < found", " if step != found", BEST),
    ("saving.py", "keep=None, place=checkpoint.BEST", "keep=1, place=checkpoint.BEST", BEST),
]
