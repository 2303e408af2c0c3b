"""The spellings of a URI that a server may take for one another. Pure.

Called by `callmux.guard.targets` and by `callmux.upstream.resources`: what a pattern allows is allowed only
if it fits the URI as it was written and as a server may read it, so that `file:///public/../secret` is not
below `file:///public/`.
"""

from __future__ import annotations

from urllib.parse import unquote

MOST_LAYERS = 8
"""How often a URI is decoded: whoever encodes more often is taken at his word."""


def forms(uri: str) -> tuple[str, ...]:
    """The URI as written, and as it is once it is decoded and its dots are walked, where that differs."""
    read = plain(uri)
    return (uri,) if read == uri else (uri, read)


def shorter(uri: str) -> tuple[str, ...]:
    """What else a server may take a URI for, which only a denial may mean: it without its fragment, its query
    and the slash at its end."""
    read = plain(uri)
    bare = read.partition("#")[0]
    found = (bare, bare.partition("?")[0])
    return tuple(dict.fromkeys(form for one in found for form in (one, one.rstrip("/")) if form != uri))


def plain(uri: str) -> str:
    """The URI with its percent signs decoded, its scheme and host in small letters, `.` and `..` walked, runs
    of slashes and backslashes made one slash."""
    for _ in range(MOST_LAYERS):
        decoded = unquote(uri)
        if decoded == uri:
            break
        uri = decoded
    scheme, colon, rest = uri.partition(":")
    if not colon or "/" in scheme:
        scheme, colon, rest = "", "", uri
    scheme, rest = scheme.lower(), rest.replace("\\", "/")
    host, path = "", rest
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        host, path = f"//{host.lower()}", slash + path
    end = min((at for at in map(path.find, "?#") if at >= 0), default=len(path))
    return f"{scheme}{colon}{host}{_walked(path[:end])}{path[end:]}"


def _walked(path: str) -> str:
    """A path without `.`, `..` and doubled slashes."""
    if not path:
        return path
    kept: list[str] = []
    parts = path.split("/")
    for part in parts:
        if part == "..":
            if kept:
                kept.pop()
        elif part not in ("", "."):
            kept.append(part)
    start = "/" if path.startswith("/") else ""
    ends = "/" if kept and parts[-1] in ("", ".", "..") else ""
    return start + "/".join(kept) + ends
