"""Malformed image files, archives and folders: a function of a seed, each named after its defect."""

from __future__ import annotations

import io
import os
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from support import runs

UNFOLDING = zlib.compress(bytes(10**7))
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
ENDINGS = {"JPEG": "jpg", "TIFF": "tif"}
FOREIGN = ("EPS", "ICO", "TGA", "PCX", "SGI", "DDS", "PDF", "JPEG2000", "ICNS", "XBM")
"""Formats that Pillow writes and reads, and that are not on the list of what is opened."""


def picture(rng: random.Random, mode: str = "RGB", side: int | None = None) -> Image.Image:
    """A picture of noise."""
    side = side or rng.choice((9, 16, 33))
    values = np.random.default_rng(rng.randrange(2**32)).integers(0, 256, (side, side, 4), np.uint8)
    return Image.fromarray(values, "RGBA").convert("RGB").convert(mode)


def encoded(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def sound(rng: random.Random) -> tuple[str, bytes]:
    kind = rng.choice(FORMATS)
    return ENDINGS.get(kind, kind.lower()), encoded(picture(rng), kind)


def truncated(rng: random.Random) -> tuple[str, bytes]:
    ending, content = sound(rng)
    return ending, content[: rng.randrange(len(content))]


def flipped(rng: random.Random) -> tuple[str, bytes]:
    ending, content = sound(rng)
    spoilt = bytearray(content)
    for _ in range(rng.choice((1, 4, 64))):
        spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
    return ending, bytes(spoilt)


def beheaded(rng: random.Random) -> tuple[str, bytes]:
    """The first bytes, where sizes and counts are, are noise."""
    ending, content = sound(rng)
    start = rng.randrange(4, 40)
    return ending, content[:start] + rng.randbytes(rng.randrange(1, 40)) + content[start:]


def noise(rng: random.Random) -> tuple[str, bytes]:
    return rng.choice(("png", "jpg", "gif", "webp", "tif", "ppm", "bmp")), rng.randbytes(rng.randrange(400))


def zeros(rng: random.Random) -> tuple[str, bytes]:
    return rng.choice(("png", "jpg", "tiff")), bytes(rng.choice((0, 0, 1, 100, 5000)))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(rng: random.Random) -> tuple[str, bytes]:
    """A small file that declares a huge size."""
    side = rng.choice((8_200, 30_000, 2**16, 2**31 - 1))
    if rng.random() < 0.5:
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, rng.choice((0, 2)), 0, 0, 0))
        return "png", b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10**5))) + chunk(b"IEND", b"")
    if rng.random() < 0.5:
        return "ppm", b"P6 %d %d 255\n" % (side, side) + bytes(100)
    return "bmp", b"BM" + struct.pack("<IHHIIiiHHIIiiII", 100, 0, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)


def texts(rng: random.Random) -> tuple[str, bytes]:
    """Metadata that unfolds to a thousand times its size."""
    content = encoded(picture(rng), "PNG")
    text = chunk(b"zTXt", b"a\0\0" + UNFOLDING)
    return "png", content[:33] + text + content[33:]


def odd(rng: random.Random) -> tuple[str, bytes]:
    """Modes that few pictures have."""
    kind, mode = rng.choice(
        [("TIFF", "F"), ("TIFF", "I"), ("TIFF", "CMYK"), ("TIFF", "LAB"), ("JPEG", "CMYK"), ("PNG", "1"), ("PNG", "P")]
    )
    return ENDINGS.get(kind, kind.lower()), encoded(picture(rng, mode), kind)


def foreign(rng: random.Random) -> tuple[str, bytes]:
    """Another format under an ending of ours."""
    kind = rng.choice(FOREIGN)
    side = 32 if kind == "ICNS" else None
    try:
        return "png", encoded(picture(rng, "1" if kind == "XBM" else "RGB", side), kind)
    except (OSError, KeyError, ValueError):  # this Pillow was built without it
        return "png", b"%PDF-1.4 (run me) run showpage"


def thin(rng: random.Random) -> tuple[str, bytes]:
    """One pixel, or one row."""
    image = picture(rng).resize(rng.choice(((1, 1), (1, 300), (300, 1))))
    return "png", encoded(image, "PNG")


KINDS: tuple[Callable[[random.Random], tuple[str, bytes]], ...] = (
    sound,
    truncated,
    flipped,
    beheaded,
    noise,
    zeros,
    bomb,
    texts,
    odd,
    foreign,
    thin,
)


def files(count: int, seed: int) -> dict[str, bytes]:
    """Return the given number of files by name."""
    rng = random.Random(seed)
    made = {}
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        ending, content = kind(rng)
        made[f"{number:03d}-{kind.__name__}.{ending}"] = content
    return made


def strays(folder: Path, outside: Path) -> list[str]:
    """Put what is no file into a folder: pipes, devices, links to nowhere, in a circle, and to folders outside."""
    os.mkfifo(folder / "pipe.png")
    for name, target in {
        "nowhere.png": folder / "is not there",
        "circle.png": folder / "circle.png",
        "endless.png": Path("/dev/zero"),
        "folder.png": outside,
        "deep": outside,
    }.items():
        (folder / name).symlink_to(target)
    return ["pipe.png", "nowhere.png", "circle.png", "endless.png", "folder.png", "deep"]


OUTWARD = (
    "../evil.png",
    f"{runs.SCRATCH}/evil.png",
    "a/../../evil.png",
    "c:\\evil.png",
    "..\\evil.png",
    "a/../../../evil.jpg",
)
"""Names of members that lead out of an archive."""


def archive(path: Path, content: dict[str, bytes], *outward: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, each in content.items():
            packed.writestr(name, each)
        for name in outward:
            packed.writestr(zipfile.ZipInfo(name), encoded(picture(random.Random(0)), "PNG"))
    return path


def damaged(path: Path, rng: random.Random, target: Path) -> Path:
    """An archive with a few bytes changed, or cut off."""
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 8, 100))):
        content[rng.randrange(len(content))] = rng.randrange(256)
    if rng.random() < 0.3:
        del content[rng.randrange(len(content)) :]
    target.write_bytes(content)
    return target
