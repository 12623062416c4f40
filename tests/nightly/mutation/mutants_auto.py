"""The mutations of the inspection of data and of automatic training, as in `mutants`."""

INSPECTION = "tests/unit/data/test_inspection.py"
DUPLICATES = "tests/unit/data/test_duplicates.py"
RACE = "tests/unit/experiments/test_race.py"
FORECAST = "tests/unit/experiments/test_extrapolation.py"
AUTO = "tests/unit/experiments/test_auto.py"

MUTANTS = [
    ("experiments/race.py", "RACE * budget / number / left", "RACE * budget / number", RACE),
    ("experiments/race.py", "math.ceil(len(scores) / 2)", "len(scores) // 2", RACE),
    ("experiments/race.py", "math.copysign(1.0, noise - data)", "1.0", RACE),
    ("experiments/race.py", "if name in clear] or best", "if name in clear]", RACE),
    ("experiments/extrapolation.py", "math.sqrt(1 + 1 / len(x) +", "math.sqrt(1 / len(x) +", FORECAST),
    ("experiments/extrapolation.py", "/ (len(x) - 2))", "/ len(x))", FORECAST),
    ("experiments/auto.py", "min(ANNEAL, (end - start) / end)", "ANNEAL", AUTO),
    (
        "experiments/auto.py",
        "self.settings.budget.amount - self.spent()\n            end = before",
        "self.settings.budget.amount\n            end = before",
        AUTO,
    ),
    (
        "experiments/auto.py",
        "            except Diverged as error:",
        "            except ZeroDivisionError as error:",
        AUTO,
    ),
    ("data/duplicates.py", "cells[:, 1:] - cells[:, :-1] > STEP", "cells[:, 1:] - cells[:, :-1] > 0", DUPLICATES),
    ("data/duplicates.py", "MAX_BITS = BANDS - 1", "MAX_BITS = BANDS", DUPLICATES),
    ("data/duplicates.py", "range(1, COMPARED + 1)", "range(1, len(order))", DUPLICATES),
    ("data/duplicates.py", "        same[left] = fine.std(1) <= limit[left]\n", "", DUPLICATES),
    ("data/duplicates.py", "parent[high] = low", "parent[low] = high", DUPLICATES),
    ("data/inspection.py", 'salt=f"{height}x{width}".encode()[:16]', 'salt=b""', INSPECTION),
    ("data/inspection.py", "and span <= RANGE", "", INSPECTION),
    ("data/inspection.py", "and not look.blank]", "]", INSPECTION),
    ("data/inspection.py", "1 - np.exp(-np.abs(", "np.exp(np.abs(", INSPECTION),
    ("data/inspection.py", "lost <= GAIN * square", "lost <= square", INSPECTION),
]
