"""The mutations of the metrics of control: matched codes, variety within classes, relative errors; as in `mutants`."""

MATCHING = "tests/unit/metrics/test_cluster_accuracy.py"
VARIETY = "tests/unit/metrics/test_intra_class_diversity.py"
ENCODING = "tests/unit/inference/test_encoding.py"

MUTANTS = [
    ("metrics/cluster_accuracy.py", "= -gains.double()", "= gains.double()", MATCHING),
    ("metrics/cluster_accuracy.py", "rents[row] += step", "rents[row] += 0", MATCHING),
    ("metrics/cluster_accuracy.py", "prices[column] -= step", "prices[column] -= 0", MATCHING),
    ("metrics/cluster_accuracy.py", "slack[column] -= step", "slack[column] -= 0", MATCHING),
    ("metrics/cluster_accuracy.py", "reduced, last", "reduced, -1", MATCHING),
    ("metrics/cluster_accuracy.py", "if column < columns", "if True", MATCHING),
    ("metrics/cluster_accuracy.py", "codes.cpu() * classes", "codes.cpu() * values", MATCHING),
    ("metrics/cluster_accuracy.py", "2 * shared / both if both", "shared / both if both", MATCHING),
    ("metrics/cluster_accuracy.py", "both - _entropy(joint.flatten())", "_entropy(joint.flatten())", MATCHING),
    ("metrics/intra_class_diversity.py", "each.var(0).sum()", "each.var()", VARIETY),
    ("metrics/intra_class_diversity.py", "rows = [x[labels == label]", "rows = [x", VARIETY),
    ("metrics/intra_class_diversity.py", "f / r if r else", "r / f if f else", VARIETY),
    (
        "networks/infogan.py",
        "grid_for(shape, 2)), norm(16",
        "4), norm(16",
        "tests/unit/networks/test_networks.py",
    ),
    (
        "recipes/infogan.py",
        "<= SMALL",
        "> SMALL",
        "tests/unit/games/test_infogan.py tests/unit/games/common/test_latent_codes.py",
    ),
    ("inference/encoding.py", "(len(x) - 1) * own / (total - own)", "own / total", ENCODING),
    (
        "inference/encoding.py",
        "torch.cdist(rows, again).double().sum()",
        "torch.cdist(rows, rows).double().sum()",
        ENCODING,
    ),
]
