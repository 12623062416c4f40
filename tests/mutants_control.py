"""The mutations of what judges control: matched codes, variety within classes, relative errors; as in `mutants`."""

MATCHING, VARIETY, ENCODING = (f"tests/test_{name}.py" for name in ("metrics_matching", "metrics_variety", "encoding"))

MUTANTS = [
    ("metrics/matching.py", "= -gains.double()", "= gains.double()", MATCHING),
    ("metrics/matching.py", "rents[row] += step", "rents[row] += 0", MATCHING),
    ("metrics/matching.py", "prices[column] -= step", "prices[column] -= 0", MATCHING),
    ("metrics/matching.py", "slack[column] -= step", "slack[column] -= 0", MATCHING),
    ("metrics/matching.py", "reduced, last", "reduced, -1", MATCHING),
    ("metrics/matching.py", "if column < columns", "if True", MATCHING),
    ("metrics/matching.py", "codes.cpu() * classes", "codes.cpu() * values", MATCHING),
    ("metrics/matching.py", "2 * shared / both if both", "shared / both if both", MATCHING),
    ("metrics/matching.py", "both - _entropy(joint.flatten())", "_entropy(joint.flatten())", MATCHING),
    ("metrics/variety.py", "each.var(0).sum()", "each.var()", VARIETY),
    ("metrics/variety.py", "rows = [x[labels == label]", "rows = [x", VARIETY),
    ("metrics/variety.py", "f / r if r else", "r / f if f else", VARIETY),
    ("networks/infogan.py", "shape[1] // 4), norm(16", "4, shape[1] // 4), norm(16", "tests/test_network_tables.py"),
    ("recipes/information.py", "<= SMALL", "> SMALL", "tests/test_infogan.py"),
    ("encoding.py", "(len(x) - 1) * own / (total - own)", "own / total", ENCODING),
    ("encoding.py", "torch.cdist(rows, again).double().sum()", "torch.cdist(rows, rows).double().sum()", ENCODING),
]
