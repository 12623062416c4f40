"""The mutations of the inspection of data and of automatic training, as in `mutants`."""

INSPECTION = "tests/unit/data/test_inspection.py"
DUPLICATES = "tests/unit/data/test_duplicates.py"

MUTANTS = [
    ("data/duplicates.py", "cells[:, 1:] - cells[:, :-1] > STEP", "cells[:, 1:] - cells[:, :-1] > 0", DUPLICATES),
    ("data/duplicates.py", "MAX_BITS = BANDS - 1", "MAX_BITS = BANDS", DUPLICATES),
    ("data/duplicates.py", "range(1, COMPARED + 1)", "range(1, len(order))", DUPLICATES),
    ("data/duplicates.py", "        same[left] = fine.std(1) <= limit[left]\n", "", INSPECTION),
    ("data/duplicates.py", "parent[high] = low", "parent[low] = high", DUPLICATES),
    ("data/inspection.py", 'salt=f"{height}x{width}".encode()[:16]', 'salt=b""', INSPECTION),
    ("data/inspection.py", "and span <= RANGE", "", INSPECTION),
    ("data/inspection.py", "and not look.blank]", "]", INSPECTION),
    ("data/inspection.py", "1 - np.exp(-np.abs(", "np.exp(np.abs(", INSPECTION),
    ("data/inspection.py", "lost <= GAIN * square", "lost <= square", INSPECTION),
]
