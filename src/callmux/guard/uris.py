"""The spellings of a URI that a server may take for one another. Pure.

Called by `callmux.guard.wanted` and by `callmux.upstream.resources`: what a pattern allows is allowed only
if it fits the URI as it was written and as a server may read it, so that `file:///public/../secret` is not
below `file:///public/`. Servers read in different ways (they decode once, twice or not at all, walk dots
before or after that, take a backslash for a slash or for a letter), so every way counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

MOST_LAYERS = 8
"""How often a URI is decoded: whoever encodes more often is taken at his word."""
MOST_LETTERS = 8192
"""Of a URI that can be judged: each of its spellings costs as much as it is long."""

_SIMPLE = re.compile(r"([a-z][a-z0-9+.-]*):(//([a-z0-9_.-]*)(?=/|$))?[^%\\\x00-\x20]*")
_DROPPED = re.compile(r"[\t\n\r]")
_AROUND = "".join(map(chr, range(0x21)))
"""What browsers and their like drop around a URI (WHATWG URL, "basic URL parser")."""
_PORTS = {"http": ":80", "https": ":443", "ws": ":80", "wss": ":443", "ftp": ":21"}


def forms(uri: str) -> tuple[str, ...]:
    """The URI as written, and as servers may read it, where that differs."""
    simple = _SIMPLE.fullmatch(uri)
    if simple is not None and "//" not in (rest := uri[simple.end(2) if simple[2] else 0 :]):
        plain_file = simple[1] != "file" or simple[3] == ""
        if plain_file and "/." not in rest and not rest[len(simple[1]) + 1 :].startswith("."):
            return (uri,)
    return tuple(dict.fromkeys((uri, *_readings(uri))))


def shorter(uri: str) -> tuple[str, ...]:
    """What else a server may take a URI for, which only a denial may mean: it without its fragment, its
    query, the slash at its end, what follows a zero byte, and without a user, a usual port or a dot in its
    host."""
    found: dict[str, None] = {}
    for form in forms(uri):
        for host in (form, _host_alone(form)):
            host_only = host.partition("#")[0]
            for one in (host_only, host_only.partition("?")[0], host.partition("\0")[0]):
                found[one] = found[one.rstrip("/")] = None
    return tuple(form for form in found if form != uri)


def _readings(uri: str) -> Iterator[str]:
    layers = [layer for start in _tidied(uri) for layer in _layers(start)]
    for layer in dict.fromkeys(layers):
        for text in _tidied(layer):
            for slashed in dict.fromkeys((text, text.replace("\\", "/"))):
                for end in dict.fromkeys((_end(slashed), len(slashed))):
                    yield _walked_to(slashed, end, empty=False)
                    yield _walked_to(slashed, end, empty=True)


def _tidied(uri: str) -> dict[str, None]:
    """The URI, and what is left of it where line ends, tabs and what stands around it are dropped."""
    less = _DROPPED.sub("", uri)
    return dict.fromkeys((uri, less, less.lstrip(_AROUND), less.strip(_AROUND)))


def _layers(uri: str) -> Iterator[str]:
    yield uri
    for _ in range(MOST_LAYERS):
        decoded = unquote(uri)
        if decoded == uri:
            return
        yield decoded
        uri = decoded


def _end(text: str) -> int:
    """Where the path of a URI ends."""
    return min((at for at in map(text.find, "?#") if at >= 0), default=len(text))


def _walked_to(text: str, end: int, *, empty: bool) -> str:
    """The URI with its scheme and host in small letters, and `.` and `..` walked up to `end`.

    Args:
        empty: Whether what is between two slashes is a name like any other; else they are one slash.
    """
    path, tail = text[:end], text[end:]
    scheme, colon, rest = path.partition(":")
    if not colon or "/" in scheme:
        scheme, colon, rest = "", "", path
    scheme, host = scheme.lower(), ""
    if rest.startswith("//"):
        host, slash, rest = rest[2:].partition("/")
        host, rest = f"//{host.lower()}", slash + rest
    if scheme == "file" and host in ("", "//localhost") and rest.startswith("/"):
        host = "//"
    return f"{scheme}{colon}{host}{_walked(rest, empty=empty)}{tail}"


def _walked(path: str, *, empty: bool) -> str:
    """A path without `.` and `..`."""
    if not path:
        return path
    kept: list[str] = []
    start = "/" if path.startswith("/") else ""
    parts = path[len(start) :].split("/")
    for part in parts[:-1] if empty else parts:
        if part == "..":
            if kept:
                kept.pop()
        elif part != "." and (part or empty):
            kept.append(part)
    last = parts[-1]
    if not empty:
        return start + "/".join(kept) + ("/" if kept and last in ("", ".", "..") else "")
    if last == ".." and kept:
        kept.pop()
    kept.append("" if last in (".", "..") else last)
    return start + "/".join(kept)


def _host_alone(uri: str) -> str:
    """The URI without what may stand around the name of its host and changes nothing."""
    scheme, between, rest = uri.partition("://")
    if not between or "/" in scheme:
        return uri
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    host = rest[:end].rpartition("@")[2].removesuffix(_PORTS.get(scheme, ":")).removesuffix(".")
    return f"{scheme}{between}{host}{rest[end:]}"
