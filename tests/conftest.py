"""One thread a process, caches out of the user's way, and no real-data test skipped where the data were promised."""

import os

import pytest
import torch

from support import runs  # draws its pictures here, before the workers start, which read the same ones

torch.set_num_threads(1)
LIBRARIES = ("MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR", "HYPOTHESIS_STORAGE_DIRECTORY")


def pytest_configure():
    """Other libraries keep their caches in the folder of this session instead of the user's or the system's."""
    os.environ.update(dict.fromkeys(LIBRARIES, str(runs.SCRATCH)))


@pytest.fixture(autouse=True, scope="session")
def caches(tmp_path_factory):
    """Prepared data and trained extractors go to a folder of this session."""
    before = os.environ.get("SPARRING_CACHE")
    os.environ["SPARRING_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("SPARRING_CACHE")
    if before is not None:
        os.environ["SPARRING_CACHE"] = before


def pytest_collection_modifyitems(items):
    """Tests marked `data` read $SPARRING_DATA; without it they are skipped, but never where CI has promised it."""
    if "SPARRING_DATA" in os.environ:
        return
    if "CI" in os.environ:
        raise pytest.UsageError("CI must set SPARRING_DATA: no test of real data may be skipped there.")
    for item in items:
        if item.get_closest_marker("data"):
            item.add_marker(pytest.mark.skip(reason="SPARRING_DATA is not set"))
