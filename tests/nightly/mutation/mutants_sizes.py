"""The mutations of image sizes, as in `mutants`: grids, crops and reflections."""

SIZES = "tests/unit/networks/common/test_sizes.py"
NETWORKS = "tests/unit/networks/test_networks.py"

MUTANTS = [
    (
        "networks/common/sizes.py",
        "return -(-height >> doublings), -(-width >>",
        "return height >> doublings, (width >>",
        SIZES,
    ),
    ("networks/common/sizes.py", "min(shape[1:]).bit_length() - 3", "max(shape[1:]).bit_length() - 3", SIZES),
    ("networks/common/sizes.py", "x.narrow(axis, 1, first).flip(axis)", "x.narrow(axis, 0, first).flip(axis)", SIZES),
    ("networks/common/sizes.py", "side - 1 - last, last).flip(axis)", "side - 1 - last, last)", SIZES),
    ("networks/common/sizes.py", "return (larger - smaller) // 2", "return 0 * (larger - smaller)", SIZES),
    ("networks/common/sizes.py", "before, after = before - first, after - last", "before, after = 0, 0", SIZES),
    ("networks/dcgan.py", "[*padding(shape, stages), nn.Conv2d", "[nn.Conv2d", NETWORKS),
    ("networks/resnet.py", "*end, *cropping(shape, stages)", "*end", NETWORKS),
]
