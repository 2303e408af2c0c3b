"""The page as Vite built it: its document and the files beside it, in memory from the first look on.

Used by `callmux.dashboard.pages`. The wheel carries them in `static`; a checkout has them once
`scripts/dashboard` was run. Without them there is a document that says so.
"""

from __future__ import annotations

import html
from functools import cache
from pathlib import Path
from typing import NamedTuple

from callmux.dashboard.page import UNBUILT

STATIC = Path(__file__).parent / "static"
FOLDER = "static"
"""The files' address below that of the dashboard."""
_SHOWN = "./"
"""How the document names the files beside it."""
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_SAFE = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_DOCUMENT = {
    "cache-control": "no-cache, no-store, must-revalidate",
    "content-security-policy": _POLICY,
    **_SAFE,
}
_FOR_EVER = {"cache-control": "public, max-age=31536000, immutable", **_SAFE}
"""The name of a file changes with what is in it."""


class StaticFile(NamedTuple):
    """What is sent for an address.

    Attributes:
        body: Its bytes.
        kind: Its media type.
        headers: Further headers.
    """

    body: bytes
    kind: str
    headers: dict[str, str]


@cache
def files(place: Path = STATIC) -> dict[str, StaticFile]:
    """The files beside the document, by name; empty where there was no build."""
    if not (place / "index.html").is_file():
        return {}
    return {
        path.name: StaticFile(path.read_bytes(), _KINDS[path.suffix], _FOR_EVER)
        for path in sorted(place.iterdir())
        if path.suffix in _KINDS and path.name != "index.html"
    }


@cache
def _document(place: Path) -> str:
    path = place / "index.html"
    return path.read_text("utf-8") if path.is_file() else UNBUILT


def document(path: str, place: Path = STATIC) -> StaticFile:
    """The page.

    Args:
        path: The address that was asked for. A browser takes names in the document as beside its last part:
            without a slash at the end they need that part.
    """
    last = path.rpartition("/")[2]
    where = f"./{html.escape(last)}/{FOLDER}/" if last else f"./{FOLDER}/"
    text = _document(place)
    for sign in ('src="', 'href="'):
        text = text.replace(f"{sign}{_SHOWN}", f"{sign}{where}")
    return StaticFile(text.encode(), _KINDS[".html"], _DOCUMENT)
