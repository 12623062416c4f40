"""Captioned images in the supported file layouts."""

import json

from PIL import Image

NAMES = ("a.png", "b.png", "c.png")


SAID = (("a red square",), ("a green square", "something green"), ("Blue!",))


def pictures(folder, names=NAMES):
    for k, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), tuple(255 * (j == k % 3) for j in range(3))).save(folder / name)
    return folder


def as_lines(folder, names=NAMES, said=SAID, table="metadata.jsonl"):
    rows = [{"file_name": name, "text": list(texts)} for name, texts in zip(names, said, strict=True)]
    (folder / table).write_text("\n".join(map(json.dumps, rows)) + "\n\n")
