"""Pages of HTML: templates rendered with every value escaped, printable and without a link to anything outside.

Pages are single files: images are embedded, there is no script, and nothing is loaded from a network.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sparring._io.folder import Folder
from sparring.errors import printable

__all__ = ["Image", "data_uri", "embed", "render"]

TEMPLATES = Path(__file__).with_name("templates")
TYPES = {".png": "image/png", ".gif": "image/gif", ".webp": "image/webp"}


@dataclass(frozen=True)
class Image:
    """An embedded image with its caption.

    Attributes:
        source: The file as a data URI.
        caption: Its caption and alternative text.
    """

    source: str
    caption: str


def render(template: str, values: Mapping[str, object]) -> str:
    """Return a page.

    Args:
        template: Name of a file in ``templates/``.
        values: Its variables. Strings are made printable and escaped wherever they are inserted.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=_printable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)


def _printable(value: object) -> object:
    """Make a value printable; markup, which templates and `data_uri` made, is not changed."""
    return value if isinstance(value, Markup) else printable(value)


def embed(path: Path, caption: str, folder: Folder | None = None) -> Image:
    """Return an image file as an embedded image.

    Args:
        path: A .png, .gif or .webp file.
        caption: Its caption.
        folder: The open folder that holds it. Default: found by the path.

    Raises:
        RunError: If it is a link or no regular file.
    """
    return Image(data_uri(path, folder), caption)


def data_uri(path: Path, folder: Folder | None = None) -> Markup:
    """Return an image file as a data URI; the arguments are those of `embed`."""
    content = base64.b64encode((folder or Folder.open(path.parent)).read(path.name)).decode()
    return Markup(f"data:{TYPES[path.suffix]};base64,{content}")  # base64 holds no markup
