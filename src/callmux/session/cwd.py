"""Which directory a client works in, from what it says of itself. Pure.

Called by `callmux.session.client_cwd`, which asks the client for its roots, and by the HTTP transport. In
this order: `_meta` of the request, the header `x-callmux-cwd`, what an earlier request of the session said,
the client's first MCP root that is a directory. What is no absolute path says nothing.
"""

from __future__ import annotations

import os.path
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec
from msgspec import Raw

HEADER = "x-callmux-cwd"
META_KEYS = ("callmux.cwd", "cwd", "workingDirectory")
"""Members of `_meta` that name the directory, the first that does wins; `callmux: {cwd}` goes before them."""


class _Root(msgspec.Struct):
    uri: str = ""


class _Roots(msgspec.Struct):
    roots: list[_Root] = []


class _Params(msgspec.Struct, rename={"meta": "_meta"}):
    meta: dict[str, Raw] | None = None


_PARAMS = msgspec.json.Decoder(_Params)
_NESTED = msgspec.json.Decoder(dict[str, Raw])
_VALUE = msgspec.json.Decoder()
_ROOTS = msgspec.json.Decoder(_Roots)


def absolute(value: object) -> str | None:
    """`value`, trimmed, where it is an absolute path."""
    if not isinstance(value, str):
        return None
    path = value.strip()
    return path if os.path.isabs(path) and "\0" not in path else None


def from_header(value: str | None) -> str | None:
    """The directory in a header as the transport gives it, one character a byte; it is sent as UTF-8."""
    if value is None:
        return None
    try:
        return absolute(value.encode("latin-1").decode("utf-8"))
    except UnicodeError:
        return None


def from_meta(params: Raw | None) -> str | None:
    """The directory that `_meta` in a request's params names."""
    if params is None or b'"_meta"' not in bytes(params):
        return None
    try:
        meta = _PARAMS.decode(params).meta
    except (msgspec.MsgspecError, RecursionError):
        return None
    return next(_named(meta), None) if meta else None


def _named(meta: dict[str, Raw]) -> Iterator[str]:
    for raw in (_nested(meta.get("callmux")), *(meta.get(key) for key in META_KEYS)):
        if raw is not None and (path := absolute(_value(raw))) is not None:
            yield path


def _nested(raw: Raw | None) -> Raw | None:
    try:
        return None if raw is None else _NESTED.decode(raw).get("cwd")
    except msgspec.MsgspecError:
        return None


def _value(raw: Raw) -> object:
    try:
        return _VALUE.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return None


def from_roots(result: bytes | Raw) -> str | None:
    """The first directory among the roots that a client lists; they are `file:` URIs of its own machine."""
    try:
        roots = _ROOTS.decode(result).roots
    except (msgspec.MsgspecError, RecursionError):
        return None
    return next((path for root in roots if (path := _path(root.uri)) is not None), None)


def _path(uri: str) -> str | None:
    try:
        parts = urlsplit(uri)
        if parts.scheme.lower() != "file" or parts.netloc.lower() not in ("", "localhost"):
            return None
        return absolute(unquote_to_bytes(parts.path).decode("utf-8"))
    except (ValueError, UnicodeError):
        return None
