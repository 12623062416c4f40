"""Templates escape what comes from outside, and embed images."""

import pytest
from jinja2 import UndefinedError
from PIL import Image

from sparring.errors import RunError
from sparring.reports.html import TEMPLATES, data_uri, embed, render


def test_every_template_begins_with_the_one_skeleton_and_none_switches_escaping_off():
    for path in TEMPLATES.glob("*.j2"):
        text = path.read_text()
        assert "| safe" not in text
        assert "autoescape" not in text
        if path.name not in ("base.html.j2", "parts.html.j2"):
            assert text.startswith('{% extends "base.html.j2" %}')


def test_values_are_escaped_and_printable_wherever_they_are_inserted():
    hostile = "<b>\x1b[31m\n\"'"
    scores = {"heads": [hostile], "rows": [[hostile]], "lines": [hostile]}
    directions = [{"to": hostile, "source": hostile, "strips": [], "count": 1}]
    page = render("cycle.html.j2", {"title": hostile, "directions": directions, "scores": scores})
    assert page.count("&lt;b&gt;\\x1b[31m\\n&#34;&#39;") == 2 + 2 + 3
    assert "<b>" not in page
    assert "\x1b" not in page


def test_a_variable_that_is_missing_is_an_error():
    with pytest.raises(UndefinedError):
        render("cycle.html.j2", {"title": "x"})


def test_images_are_embedded_and_links_are_refused(tmp_path):
    Image.new("L", (1, 1)).save(tmp_path / "x.png")
    assert embed(tmp_path / "x.png", "one").source.startswith("data:image/png;base64,iVBOR")
    (tmp_path / "y.png").symlink_to(tmp_path / "x.png")
    with pytest.raises(RunError, match="link"):
        data_uri(tmp_path / "y.png")
