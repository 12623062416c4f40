"""The mutations of image sizes, as in `mutants`: grids, crops and reflections."""

SIZES = "tests/unit/networks/common/test_sizes.py"
BORDERS = "tests/unit/layers/test_borders.py"
NETWORKS = "tests/unit/networks/test_networks.py"

MUTANTS = [
    (
        "networks/common/sizes.py",
        "return -(-height >> doublings), -(-width >>",
        "return height >> doublings, (width >>",
        SIZES,
    ),
    ("networks/common/sizes.py", "min(shape[1:]).bit_length() - 3", "max(shape[1:]).bit_length() - 3", SIZES),
    ("layers/borders.py", "x.narrow(axis, 1, first).flip(axis)", "x.narrow(axis, 0, first).flip(axis)", BORDERS),
    ("layers/borders.py", "side - 1 - last, last).flip(axis)", "side - 1 - last, last)", BORDERS),
    ("layers/borders.py", "return (larger - smaller) // 2", "return 0 * (larger - smaller)", BORDERS),
    ("layers/borders.py", "before, after = before - first, after - last", "before, after = 0, 0", BORDERS),
    ("networks/dcgan.py", "[*padding(shape, stages), nn.Conv2d", "[nn.Conv2d", NETWORKS),
    ("networks/resnet.py", "*end, *cropping(shape, stages)", "*end", NETWORKS),
]
