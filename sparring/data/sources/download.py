"""Downloads with verified checksums."""

import hashlib
import http.client
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from sparring._io.atomic import atomic_write
from sparring.errors import DataError

SECONDS = 30  # without data until the next server is tried
BLOCK = 2**20


def download_file(
    urls: Sequence[str], target: Path, checksum: str, *, algorithm: str = "MD5", remedy: str | None = None
) -> Path:
    """Download a file from the first server that sends it with the right checksum.

    Args:
        urls: URLs in the order of preference.
        target: Path of the file, which appears only when it is complete and verified.
        checksum: Published checksum in hexadecimal.
        algorithm: Algorithm of the checksum: MD5 or SHA-256.
        remedy: Advice for users without a network. Default: advice for data files.

    Returns:
        The target.

    Raises:
        DataError: If no server sends the right content.
    """
    reasons = []
    for url in urls:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with urllib.request.urlopen(url, timeout=SECONDS) as answer, atomic_write(target) as file:
                found = hashlib.new(algorithm.replace("-", ""), usedforsecurity=False)
                while block := answer.read(BLOCK):
                    file.write(block)
                    found.update(block)
                if found.hexdigest() != checksum:
                    raise OSError(f"its {algorithm} is {found.hexdigest()}, not {checksum}")
        except (OSError, http.client.HTTPException) as error:
            reasons.append(f"{url} ({error})")
        else:
            return target
    data = f"put the file into {target.parent}, or name the folder where the data are with --data-root."
    raise DataError(f"{target.name} could not be downloaded from {' or '.join(reasons)}: {remedy or data}")
