"""Documents link only to files that exist, and every document can be found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
IN_SDIST = (ROOT / "PKG-INFO").exists()
"""An sdist leaves the pictures of docs/ out."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text("utf-8"))
    followed = [link for link in links if not (IN_SDIST and link.endswith(".png"))]
    assert not [link for link in followed if not (document.parent / link).exists()]


def test_every_document_stands_in_the_list_once() -> None:
    listed = re.findall(
        r"^- \[.*?\]\((.*?)\)", (ROOT / "docs" / "README.md").read_text("utf-8"), re.MULTILINE
    )
    assert len(listed) == len(set(listed))
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert pages - set(listed) == {"README.md"}
