"""The verdict of a comparison: the best entry by one criterion, if it beats noise and the seeds separate it.

A criterion measures quality and variety together. A distance between distributions does so by itself. Precision is
meaningless without recall, density without coverage, and the share of points near a mode without the number of modes:
each can be raised at the cost of the other. Such a pair is one criterion, the harmonic mean of both relative to the
scores of other real data. Scores of one aspect alone (balance of classes, similarity of pairs, path length) are in the
tables but decide nothing, since noise can win by them.

The first criterion among the requested scores decides. An entry beats noise if its seeds differ from the score of
noise, or from the nearer end of its interval, by a t-test with Holm's correction for all entries.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from sparring._types import JsonObject
from sparring.evaluation.registry import METRICS
from sparring.evaluation.significance import LEVEL, Spread, holm, one_sample_t_test, spread, welch_t_test
from sparring.metrics import Direction, Score

__all__ = ["Criterion", "compare_pairs", "criteria", "verdict"]

Values = JsonObject
JOINT_METRICS = ("frechet", "frechet-infinity", "kernel", "sliced", "pyramid", "parzen", "classifier-score")
"""Metrics whose score measures quality and variety together."""
JOINT_PAIRS = (("precision", "recall"), ("density", "coverage"), ("high quality", "modes"), ("GAN-test", "GAN-train"))
"""Pairs of a score of quality and a score of variety that form one criterion."""


@dataclass(frozen=True)
class Criterion:
    """A score, or a pair of scores, by which entries can be compared.

    Attributes:
        scores: Names of the scores.
        better: Direction of improvement.
        decides: Whether it measures quality and variety together.
        real: Scores of other real data, by name.
        noise: Scores of noise, by name.
    """

    scores: tuple[str, ...]
    better: Direction
    decides: bool
    real: Mapping[str, float]
    noise: Mapping[str, Score]

    @property
    def name(self) -> str:
        """Names of the scores, joined by "and".

        >>> Criterion(("precision", "recall"), Direction.HIGHER, True, {}, {}).name
        'precision and recall'
        """
        return " and ".join(self.scores)

    def of(self, values: Mapping[str, float]) -> float:
        """Return the value; for a pair, the harmonic mean of the scores relative to those of real data.

        Args:
            values: Scores by name.

        >>> pair = Criterion(("precision", "recall"), Direction.HIGHER, True, {"precision": 0.8, "recall": 1.0}, {})
        >>> pair.of({"precision": 0.8, "recall": 0.25}), pair.of({"precision": 0.8, "recall": 0.0})
        (0.4, 0.0)
        """
        if len(self.scores) == 1:
            return values[self.scores[0]]
        parts = [values[name] / (self.real.get(name) or 1.0) for name in self.scores]
        if any(math.isnan(part) for part in parts):
            return math.nan
        return len(parts) / sum(1 / part for part in parts) if min(parts) > 0 else 0.0

    def of_noise(self) -> float | None:
        """Return the value of noise, at the better end of its interval if there is one; None without noise."""
        if not self.noise:
            return None
        end = 1 if self.better is Direction.HIGHER else 0
        found = (self.noise[name] for name in self.scores)
        return self.of({score.name: score.interval[end] if score.interval else score.value for score in found})


def criteria(scores: Sequence[Score], references: Mapping[str, Sequence[Score]]) -> list[Criterion]:
    """Return the criteria of a comparison, in the order of the scores.

    Args:
        scores: Scores of any trial.
        references: The scores of other real data and of noise, as an evaluation has them.
    """
    real = {score.name: score.value for score in references.get("data", ())}
    noise = {score.name: score for score in references.get("noise", ())}
    whole = {name for key in JOINT_METRICS for name in (*METRICS[key].scores, *METRICS[key].official)}
    better = {score.name: score.better for score in scores}
    found: dict[tuple[str, ...], bool] = {}
    for name in better:
        pair = next((pair for pair in JOINT_PAIRS if name in pair and better.keys() >= set(pair)), None)
        half = any(name in other for other in JOINT_PAIRS)
        found.setdefault(pair or (name,), bool(pair) or (name in whole and not half))
    return [Criterion(names, better[names[0]], decides, real, noise) for names, decides in found.items()]


def compare_pairs(ends: Mapping[str, Sequence[float]]) -> list[Values]:
    """Test every pair of entries by Welch's test, with Holm's correction for the number of tested pairs.

    Args:
        ends: Final values of a criterion by entry, one per seed.
    """
    pairs = list(combinations(ends, 2))
    tests = [welch_t_test(ends[one], ends[other]) for one, other in pairs]
    adjusted = iter(holm([test.p for test in tests if test]))
    found = []
    for (first, second), test in zip(pairs, tests, strict=True):
        numbers = {"t": test.t, "freedom": test.freedom, "p": test.p, "adjusted": next(adjusted)} if test else {}
        found.append({"first": first, "second": second, **numbers})
    return found


def verdict(among: Sequence[Criterion], rows: Mapping[str, Sequence[Mapping[str, float]]]) -> Values:
    """Return the verdict by the first deciding criterion, with remarks on the other criteria.

    Args:
        among: From `criteria`.
        rows: Final scores by entry, one row per seed, of finished trials only.

    Returns:
        The deciding criterion ("by"), "best" or None, "leader", who "beats noise", how the others stand to the leader
        ("beaten", "not significant", "level", "untested"), and the "sentence" for the report.
    """
    deciding = [criterion for criterion in among if criterion.decides]
    if not deciding:
        names = ", ".join(criterion.name for criterion in among)
        sentence = f"No verdict: no metric here ({names}) covers both quality and variety; add --metrics frechet."
        return {"by": None, "best": None, "leader": "", "sentence": sentence}
    first, *others = (_judged(criterion, rows) for criterion in deciding)
    beside = [_further(first, other) for other in others if other["leader"]]
    return {**first, "sentence": " ".join([_sentence(first, deciding[0], rows), *beside])}


def _judged(criterion: Criterion, rows: Mapping[str, Sequence[Mapping[str, float]]]) -> Values:
    """Return the verdict by one criterion."""
    ends = {label: [criterion.of(row) for row in seeds] for label, seeds in rows.items() if seeds}
    means = {label: mean for label, seeds in ends.items() if not math.isnan(mean := spread(seeds).mean or 0.0)}
    sign = 1 if criterion.better is Direction.HIGHER else -1
    ranked = sorted(means, key=lambda label: -sign * means[label])
    noise = criterion.of_noise()
    above = [label for label in ranked if noise is None or sign * (means[label] - noise) > 0]
    tests = {label: None if noise is None else one_sample_t_test(ends[label], noise) for label in ends}
    known = [label for label in ends if tests[label]]
    chance = dict(zip(known, holm([test.p for test in tests.values() if test]), strict=True))
    clear = [label for label in above if chance.get(label, 1.0) < LEVEL]
    leader = next(iter([*clear, *above, *ranked]), "")
    facts = {"by": criterion.name, "noise": noise, "leader": leader, "above noise": above, "beats noise": clear}
    standing = _standing(leader, ends, means)
    alone = not any(standing[key] for key in ("not significant", "level", "untested"))
    tested = {label: round(p, 6) for label, p in chance.items()}
    return {**facts, "p": tested, **standing, "best": leader if leader in clear and alone else None}


def _standing(leader: str, ends: Mapping[str, Sequence[float]], means: Mapping[str, float]) -> Values:
    """Return which entries differ significantly from the leader, and which do not."""
    found: dict[str, list[str]] = {"beaten": [], "not significant": [], "level": [], "untested": []}
    for pair in compare_pairs(ends):
        if leader in (pair["first"], pair["second"]):
            other = pair["second"] if pair["first"] == leader else pair["first"]
            if "adjusted" in pair:
                found["beaten" if pair["adjusted"] < LEVEL else "not significant"].append(other)
            else:
                found["level" if means.get(other) == means.get(leader) else "untested"].append(other)
    return found


def _sentence(found: Values, criterion: Criterion, rows: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Return the verdict by its criterion as a sentence."""
    leader, clear = found["leader"], found["beats noise"]
    if not leader:
        return f"No verdict: no entry has a {criterion.name} at the end."
    value = _value(criterion, rows[leader])
    noise = " and ".join(_number(criterion.noise[name].value) for name in criterion.scores if criterion.noise)
    if not clear:
        return f"None clearly beats noise: {_why_not(found, criterion, value, noise, len(rows[leader]))}"
    open_ = [*found["not significant"], *found["level"], *found["untested"]]
    over = f"clearly beats noise ({noise})"
    beaten = f" and differs significantly from {_listed(found['beaten'])}" if found["beaten"] else ""
    if not open_:
        return f"Best is {leader}: by {criterion.name}, {value}, it {over}{beaten}."
    return (
        f"No single best: by {criterion.name} {leader} leads with {value}; it {over}{beaten}, "
        f"but does not differ significantly from {_listed(open_)}."
    )


def _why_not(found: Values, criterion: Criterion, value: str, noise: str, seeds: int) -> str:
    leader = found["leader"]
    scored = f"by {criterion.name} {leader} scores {value}, noise {noise}"
    if leader not in found["above noise"]:
        return f"{scored}, and no entry is better than that."
    if seeds < 2:
        return f"{scored}, but one seed allows no test: give two --seeds or more."
    return f"{scored}, and {seeds} seeds show no significant difference."


def _further(first: Values, other: Values) -> str:
    """Return a remark on another criterion."""
    if not other["beats noise"]:
        return f"By {other['by']} none clearly beats noise."
    same = "also " if other["leader"] == first["leader"] and first["beats noise"] else ""
    return f"By {other['by']} {other['leader']} {same}leads{'' if other['best'] else ', but not significantly'}."


def _value(criterion: Criterion, seeds: Sequence[Mapping[str, float]]) -> str:
    """Return the scores of an entry that form a criterion.

    >>> pair = Criterion(("precision", "recall"), Direction.HIGHER, True, {}, {})
    >>> _value(pair, [{"precision": 0.5, "recall": 0.25}])
    '0.5 and 0.25'
    """
    return " and ".join(_spread(spread([row[name] for row in seeds])) for name in criterion.scores)


def _spread(found: Spread) -> str:
    deviation = f" ± {found.deviation:.2g}" if found.deviation is not None else ""
    return f"{_number(found.mean)}{deviation}"


def _number(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:,.4g}"


def _listed(names: Sequence[str]) -> str:
    """Join names in a list with "and".

    >>> _listed(["a", "b", "c"])
    'a, b and c'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
