"""Pages of a stored result: a path into it, a search, a projection, and a bound in bytes. Pure.

Called by `callmux.rings.shield.shelf`, or by the helper process for large results.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from callmux.rings.shield import paths
from callmux.rings.shield.beginning import Cut, begin, whole_lines
from callmux.rings.shield.compact import TRUNCATED, Limits, cut, fitting, without_base64
from callmux.rings.shield.page_query import Query
from callmux.rings.shield.reading import read
from callmux.rings.shield.shape import CHARS_PER_ITEM, DEFAULT_LIMIT, type_of
from callmux.stores.results import Remainder

AS_MANY_AS_FIT = 2**40
"""The limit of a page that is bounded by its bytes alone."""
NO_BASE64 = Limits(1000, 1000, 1000)
"""How much base64 may stand in a page that goes on."""
ONLY_BYTES = Limits(2**40, 2**40, 2**40)

_ITEMS = msgspec.json.Decoder(list[Raw])
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_STRING = msgspec.json.Decoder(str)
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_encode = msgspec.json.Encoder().encode


class PathMissing(Exception):
    """The path leads to nothing."""


def going_on(query: Query, remainders: Sequence[Remainder]) -> Query:
    """The query for a result whose beginning went out: it goes on there unless it says otherwise, and a page
    is as large as it may be. A search without a path looks at the whole part that goes on, if there is one.

    Args:
        remainders: Where the parts of the result go on; empty where its beginning did not go out.
    """
    if not remainders:
        return query
    path, offset = query.path, query.offset
    if not path and not query.search:
        path = remainders[0].path
        offset = remainders[0].offset if offset is None else offset
    elif not path and len(remainders) == 1:
        path = remainders[0].path
    limit = AS_MANY_AS_FIT if query.limit is None else query.limit
    return msgspec.structs.replace(query, path=path, offset=offset, limit=limit)


def after(query: Query, remainders: Sequence[Remainder]) -> Remainder | None:
    """What to read next when the part that `query` asks for is at its end."""
    parts = [remainder.path for remainder in remainders[:-1]]
    return remainders[parts.index(query.path) + 1] if query.path in parts and not query.search else None


class Document:
    """A stored result, opened for queries. What the last one looked up is kept for the next.

    Args:
        raw: The whole result.
    """

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        result = read(raw)
        self._data = raw if result is None else result.data()
        self._last: tuple[str, bytes] | None = None
        self._items: list[Raw] | None = None

    def page(self, query: Query, budget: int) -> dict[str, Any]:
        """The page: `type, total, offset, count, hasMore, data`, and `nextOffset` where there is more.

        Args:
            query: What is asked for.
            budget: Bytes that `data` may take.

        Raises:
            PathMissing: The path leads to nothing.
        """
        value = self._at(query.path)
        kind = type_of(value)
        if kind == "array":
            return self._array_page(value, query, budget)
        if kind == "string":
            return _text_page(_STRING.decode(value), query, budget)
        return _value_page(value, kind, query, budget)

    def _at(self, path: str) -> bytes:
        if self._last is None or self._last[0] != path:
            keys = paths.split(path)
            value = follow(self._data, keys)
            if value is None:
                # Parts that are not the data, such as a text beside structured content.
                value = follow(self._raw, keys)
            if value is None:
                raise PathMissing(path)
            self._last, self._items = (path, value), None
        return self._last[1]

    def _array_page(self, value: bytes, query: Query, budget: int) -> dict[str, Any]:
        if self._items is None:
            self._items = _ITEMS.decode(value)
        items = self._items
        if query.search:
            wanted = query.search.lower()
            items = [item for item in items if wanted in _searchable(item)]
        shown: list[Raw] = []
        left = budget
        clipped = False
        more: Sequence[Cut] = ()
        offset = query.offset or 0
        limit = DEFAULT_LIMIT if query.limit is None else query.limit
        for item in items[offset : offset + limit]:
            raw = _projected(bytes(item), query.fields)
            if limit == AS_MANY_AS_FIT:
                # Whoever reads on has seen the pictures, or can do nothing with their letters.
                raw = without_base64(raw, NO_BASE64)
            if len(raw) > left:
                if shown:
                    break
                if limit == AS_MANY_AS_FIT and not (query.search or query.fields):
                    begun = begin(raw, ONLY_BYTES, left, (*paths.split(query.path), str(offset)))
                    raw, more, clipped = begun.shown, begun.cuts, not begun.exact
                else:
                    raw, clipped = _clipped(raw, left), True
            shown.append(Raw(raw))
            left -= len(raw) + 1
        page = _page("array", len(items), offset, len(shown), shown)
        return page | _advice(clipped, more)


def follow(raw: bytes, keys: list[str]) -> bytes | None:
    """The value that `keys` lead to; None where they lead to nothing."""
    for n, key in enumerate(keys):
        kind = raw[:1]
        if kind == b"{":
            member = _MEMBERS.decode(raw).get(key)
            if member is None:
                return None
            raw = bytes(member)
        elif kind == b"[":
            items = _ITEMS.decode(raw)
            if key == "length":
                raw = str(len(items)).encode()
            elif key.isascii() and key.isdigit() and len(key) < 10 and int(key) < len(items):
                raw = bytes(items[int(key)])
            else:
                return None
        elif kind == b'"' and key == "length" and n == len(keys) - 1:
            raw = str(len(_STRING.decode(raw))).encode()
        else:
            return None
    return raw.strip()


def _page(kind: str, total: int, offset: int, count: int, data: Any) -> dict[str, Any]:
    more = offset + count < total
    page = {"type": kind, "total": total, "offset": offset, "count": count, "hasMore": more}
    if more and count:
        page["nextOffset"] = offset + count
    return page | {"data": data}


def _advice(clipped: bool, cuts: Sequence[Cut] = ()) -> dict[str, Any]:
    """How to read the rest of what a page has only a part of.

    Args:
        clipped: Whether marks stand where something is missing.
        cuts: Where an item goes on of which only the beginning is there.
    """
    hints = ["more than a page: path and offset of each of more go on"] if cuts else []
    if clipped:
        hints.append(f"clipped where {TRUNCATED} or TRUNCATED stands: use path or fields")
    more = [{"path": cut.path, "shown": cut.shown, "total": cut.total} for cut in cuts]
    return ({"hint": "; ".join(hints)} if hints else {}) | ({"more": more} if more else {})


def _clipped(raw: bytes, budget: int) -> bytes:
    """One value that alone is more than a page: each of its parts gets its share."""
    return cut(raw, Limits(budget, budget, budget), budget)


def _searchable(item: Raw) -> str:
    raw = msgspec.json.format(bytes(item), indent=-1)
    if b"\\" in raw:
        # An escaped letter is that letter; a quote stays escaped, as in JSON text. Text by text: numbers may
        # be such as no reader can hold.
        raw = _TEXT.sub(lambda text: _encode(_STRING.decode(text[0])) if b"\\" in text[0] else text[0], raw)
    return raw.decode().lower()


def _projected(raw: bytes, fields: tuple[str, ...]) -> bytes:
    if not fields or raw[:1] != b"{":
        return raw
    members = _MEMBERS.decode(raw)
    return _encode({key: members[key] for key in fields if key in members})


def _text_page(text: str, query: Query, budget: int) -> dict[str, Any]:
    if query.search:
        wanted = query.search.lower()
        text = "\n".join(line for line in text.splitlines() if wanted in line.lower())
    offset = query.offset or 0
    limit = DEFAULT_LIMIT if query.limit is None else query.limit
    chunk = text[offset : offset + limit * CHARS_PER_ITEM]
    if len(chunk) * 6 + 2 > budget:
        chunk = chunk[: fitting(chunk, budget)]
    if limit == AS_MANY_AS_FIT and offset + len(chunk) < len(text):
        chunk = chunk[: whole_lines(chunk, len(chunk))]
    return _page("string", len(text), offset, len(chunk), chunk)


def _value_page(value: bytes, kind: str, query: Query, budget: int) -> dict[str, Any]:
    value = _projected(value, query.fields)
    if query.search and value[:1] == b"{":
        wanted = query.search.lower()
        members = _MEMBERS.decode(value)
        value = _encode({k: v for k, v in members.items() if wanted in k.lower() or wanted in _searchable(v)})
    clipped = len(value) > budget
    if clipped:
        value = _clipped(value, budget)
    return _page(kind, 1, 0, 1, Raw(value)) | _advice(clipped)
