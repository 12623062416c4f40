"""The mutations of data that are already in Python, as in `mutants`."""

GIVEN = "tests/unit/data/sources/test_in_memory.py"
ITEMS = "tests/unit/data/sources/test_items.py"
PIXELS = "tests/unit/data/sources/test_pixels.py"
INDICES = "tests/unit/data/annotations/test_class_indices.py"
RECIPES = "tests/unit/runs/test_recipe_functions.py"
SAMPLES = "tests/unit/inference/test_sampling.py"
RUNS = "tests/zoo/test_data_in_python.py"

MUTANTS = [
    ("data/sources/pixels.py", "(numbers + 1) * 127.5", "(numbers + 1) * 128", PIXELS),
    ("data/sources/pixels.py", "numbers * 255", "numbers * 256", PIXELS),
    ("data/sources/pixels.py", "np.rint(scaled.clip(0, 255))", "scaled.clip(0, 255)", PIXELS),
    ("data/sources/pixels.py", "np.rint(scaled.clip(0, 255))", "np.rint(scaled)", GIVEN),
    ("data/sources/pixels.py", "values.min()) < -TOLERANCE", "values.min()) < 0", PIXELS),
    ("data/sources/pixels.py", "high > 1 + TOLERANCE", "high > 255", GIVEN),
    ("data/sources/pixels.py", "np.moveaxis(values, -3, -1)", "np.swapaxes(values, -3, -1)", PIXELS),
    ("data/sources/pixels.py", "    if first and last:\n", "    if False:\n", GIVEN),
    ("data/sources/pixels.py", "    if values.requires_grad:\n", "    if False:\n", GIVEN),
    ("data/sources/in_memory.py", "signed = any(", "signed = all(", GIVEN),
    ("data/sources/in_memory.py", 'getattr(loader.sampler, "replacement", False)', "False", GIVEN),
    ("data/sources/in_memory.py", "type(loader.sampler) in PLAIN\n", "True\n", GIVEN),
    ("data/fingerprint.py", "range(0, len(values), rows)", "range(0, len(values) - 1, rows)", GIVEN),
    ("data/sources/items.py", "not np.array_equal(values, again)", "False", ITEMS),
    ("data/sources/items.py", "except BelowZero:\n            continue", "except BelowZero:\n            raise", ITEMS),
    ("data/sources/items.py", "            file.flush()\n", "", ITEMS),
    (
        "data/sources/items.py",
        "labels = [key for key in numbers if named.get(key)] or numbers",
        "labels = numbers",
        GIVEN,
    ),
    ("data/annotations/class_indices.py", "for number in (labels.min(), labels.max()):", "for number in ():", INDICES),
    ("data/annotations/class_indices.py", "if len(labels) != count:", "if False:", INDICES),
    ("runs/config.py", "if config.data.in_python:", "if False:", RUNS),
    ("runs/config.py", "found = config.data if before.data.in_python", "found = config.data if True", RUNS),
    ("runs/config.py", "    return replace(config, name=locate(dataset), in_python=False)", "    return config", RUNS),
    ("runs/recipe_functions.py", "if recipe is None and in_python:", "if False:", RECIPES),
    ("runs/recipe_functions.py", "    if known != now:", "    if False:", RECIPES),
    ("runs/recipe_functions.py", "and name not in bound and", "and", RECIPES),
    ("runs/recipe_functions.py", "        _handed.pop(name, None)\n", "", RECIPES),
    ("inference/sampling.py", "[hash_seed(seed, index) for index in range(n)]", "range(seed, seed + n)", SAMPLES),
]
