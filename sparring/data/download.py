"""Files from the network, accepted only with the right checksum."""

import hashlib
import http.client
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from sparring.durable import written
from sparring.errors import DataError

SECONDS = 30  # without a byte before a server is given up
BLOCK = 2**20


def fetch(urls: Sequence[str], target: Path, md5: str) -> Path:
    """Download a file from the first server that has it, unbroken.

    Args:
        urls: Where it can be had, best first.
        target: Path it will have; it appears there only when it is complete and checked.
        md5: Checksum its publisher gives, in hexadecimal.

    Returns:
        The target.

    Raises:
        DataError: No server could be reached, or none sent the right content.
    """
    reasons = []
    for url in urls:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with urllib.request.urlopen(url, timeout=SECONDS) as answer, written(target) as file:
                checksum = hashlib.md5(usedforsecurity=False)
                while block := answer.read(BLOCK):
                    file.write(block)
                    checksum.update(block)
                if checksum.hexdigest() != md5:
                    raise OSError(f"its MD5 is {checksum.hexdigest()}, not {md5}")
        except (OSError, http.client.HTTPException) as error:
            reasons.append(f"{url} ({error})")
        else:
            return target
    raise DataError(
        f"{target.name} could not be downloaded from {' or '.join(reasons)}: "
        f"put the file into {target.parent}, or name the folder where the data are with --data-root."
    )
