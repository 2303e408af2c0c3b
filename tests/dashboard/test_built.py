"""The built page is found wherever it is mounted, and nothing else is served with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.dashboard.built import StaticFile, document, files
from callmux.dashboard.page import UNBUILT

PAGE = """<!doctype html>
<link rel="icon" href="./icon-1.svg">
<script type="module" crossorigin src="./page-1.js"></script>
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "page-1.js").write_text("1")
    (tmp_path / "icon-1.svg").write_text("<svg/>")
    (tmp_path / "notes.md").write_text("no part of the page")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/dashboard/", "./static/page-1.js"),
        ("/dashboard", "./dashboard/static/page-1.js"),
        ("/deep/er", "./er/static/page-1.js"),
        ("/", "./static/page-1.js"),
        ('/a"b', "./a&quot;b/static/page-1.js"),
    ],
)
def test_the_document_names_its_files_as_a_browser_finds_them(place: Path, path: str, named: str) -> None:
    text = document(path, place).body.decode()
    assert f'src="{named}"' in text
    assert f'href="{named.replace("page-1.js", "icon-1.svg")}"' in text


def test_nothing_in_the_page_may_come_from_elsewhere_or_stand_in_line(place: Path) -> None:
    headers = document("/dashboard", place).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["cache-control"] == "no-cache, no-store, must-revalidate"


def test_files_have_their_kinds_and_stay_as_they_are(place: Path) -> None:
    found = files(place)
    assert set(found) == {"page-1.js", "icon-1.svg"}
    assert found["page-1.js"].kind == "text/javascript; charset=utf-8"
    assert found["icon-1.svg"] == StaticFile(b"<svg/>", "image/svg+xml", found["page-1.js"].headers)
    assert "immutable" in found["page-1.js"].headers["cache-control"]
    assert found["page-1.js"].headers["x-content-type-options"] == "nosniff"


def test_without_a_build_the_page_says_what_to_run(tmp_path: Path) -> None:
    assert document("/dashboard", tmp_path).body.decode() == UNBUILT
    assert files(tmp_path) == {}
