"""The shapes of MCP that we look into: results and tools. Pure.

Both keep what the server sent, unknown members included, as raw JSON beside the few members we read. Called
by the rings, the meta-tools and the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.depth import DEEPEST, ROOM, is_deeper, sounding
from callmux.portions import PIECE, Portions, finished
from callmux.protocol import apps

_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
LEVELS = DEEPEST - ROOM
"""Levels that a value may have which is to travel inside of an answer of ours."""
_SMALL = PIECE // 4
"""Characters of a text that is certainly one portion."""
_LONGEST = 6
"""Bytes that a beginning of an exponent may stand beyond a portion."""
_FLAT = bytes.maketrans(b"123456789E", b"000000000e")
"""Makes all digits and exponents alike: an exponent of three digits may be beyond a double's range."""


def json_in(text: str) -> Raw | None:
    """The JSON value that `text` holds, on one line and with its digits as they stand.

    None where `text` is no JSON, or JSON that cannot travel inside an answer: `NaN`, half a surrogate pair, a
    number beyond a double's range, or nesting that leaves no room for the levels around it.
    """
    return finished(parsing(text)) if len(text) > _SMALL else _small(text)


def _small(text: str) -> Raw | None:
    if text.lstrip(" \t\r\n")[:1] not in '{["-0123456789tfn':
        return None
    try:
        data = text.encode()
        flat = data.translate(_FLAT)
        # Nearly always no exponent; `in` would cost an exception, `find` twice as much.
        if flat.partition(b"0e")[1] and (flat.find(b"0e000") >= 0 or flat.find(b"0e+000") >= 0):
            msgspec.json.decode(data)
        return None if is_deeper(data, LEVELS) else Raw(msgspec.json.format(data, indent=-1))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def parsing(text: str) -> Portions[Raw | None]:
    """`json_in` in portions."""
    if len(text) <= _SMALL:
        return _small(text)
    if text.lstrip(" \t\r\n")[:1] not in '{["-0123456789tfn':
        return None
    try:
        data = text.encode()
        yield
        for start in range(0, len(data), PIECE):
            # Several times as fast as a search for a pattern, which shows in results of megabytes.
            flat = data[start : start + PIECE + _LONGEST].translate(_FLAT)
            if b"0e000" in flat or b"0e+000" in flat:
                msgspec.json.decode(data)
                break
            yield
        if (yield from sounding(data, LEVELS)):
            return None
        return Raw(msgspec.json.format(data, indent=-1))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


_ENCODER = msgspec.json.Encoder()


def with_member(raw: bytes, key: str, value: object) -> bytes:
    """The JSON object `raw` with one member set; the others stay as they are, in their order."""
    members: dict[str, Any] = dict(_MEMBERS.decode(raw))
    members[key] = value
    return _ENCODER.encode(members)


class ResultHead(msgspec.Struct, rename="camel"):
    """The members of a result that a stage may ask for (`CallToolResult`, MCP 2025-11-25, server/tools)."""

    content: list[Raw] | UnsetType = UNSET
    structured_content: Raw | UnsetType = UNSET
    is_error: bool | UnsetType = UNSET
    meta: Raw | UnsetType = msgspec.field(default=UNSET, name="_meta")


_HEAD = msgspec.json.Decoder(ResultHead)


class Told(NamedTuple):
    """What an answer to several calls tells of them, for whoever shows it in another form.

    Attributes:
        payload: The answer: `results`, or `steps`, and how they went.
        results: The result of each entry as it came; None for a call that was not made.
        whole: The bytes of the answer before anything shortened it.
    """

    payload: Mapping[str, Any]
    results: Sequence[Result | None]
    whole: bytes


class Result(msgspec.Struct, eq=False, gc=False):
    """One result as the bytes that came, decoded only as far as somebody asks.

    Attributes:
        raw: A JSON object. It is kept, so it must not be a view into a larger buffer.
        code: The code of a failure of callmux; empty for what a server said.
        told: What it tells of several calls, where it may be shown in another form; else None.
        before: Bytes of the result in whose place it goes out shortened; 0 for one that is whole.
    """

    raw: bytes
    _head: ResultHead | None = None
    code: str = ""
    told: Told | None = None
    before: int = 0

    def __repr__(self) -> str:
        return f"Result({self.raw[:80]!r}{'…' if len(self.raw) > 80 else ''})"

    @property
    def head(self) -> ResultHead:
        """The members we read. A result that is not shaped like a tool's has none of them set."""
        if self._head is None:
            try:
                self._head = _HEAD.decode(self.raw)
            except (msgspec.MsgspecError, RecursionError):
                self._head = self._lenient_head()
        return self._head

    def _lenient_head(self) -> ResultHead:
        """The head of a result with malformed content: a failure stays a failure."""
        try:
            members = _MEMBERS.decode(self.raw)
        except (msgspec.MsgspecError, RecursionError):
            return ResultHead()
        failed = members.get("isError")
        return ResultHead(
            structured_content=members.get("structuredContent", UNSET),
            is_error=UNSET if failed is None else bytes(failed) == b"true",
            meta=members.get("_meta", UNSET),
        )

    @property
    def is_error(self) -> bool:
        """Whether the tool reported a failure (`isError`)."""
        # Most results are no errors; the search is far cheaper than a decode of a large one.
        # With `find`: `in` tries the bytes as a number first, and drops an exception.
        return self.raw.find(b'"isError"') >= 0 and self.head.is_error is True

    def members(self) -> dict[str, Raw]:
        """All members of the result, in order."""
        return _MEMBERS.decode(self.raw)


AGE = "ageSeconds"
"""The member of an entry that tells how old a result from the cache is."""


class Aged(Result, kw_only=True):
    """A result from the cache with its age as a further text (`callmux.rings.cache.aging`), of a call that is
    one of several.

    Attributes:
        plain: The same without it.
        beside: The age as a member of an entry.
    """

    plain: Result
    beside: dict[str, Raw]


class Annotations(msgspec.Struct, rename="camel"):
    """What a tool says of itself (`ToolAnnotations`); a hint counts only when it is exactly true."""

    read_only_hint: Any = None
    destructive_hint: Any = None
    idempotent_hint: Any = None


class _ToolHead(msgspec.Struct, rename="camel"):
    name: str
    description: Any = None
    title: Any = None
    annotations: Raw | UnsetType = UNSET
    input_schema: Raw | UnsetType = UNSET
    output_schema: Raw | UnsetType = UNSET


_TOOL = msgspec.json.Decoder(_ToolHead)


class Tool:
    """One tool as its server lists it.

    Attributes:
        name: The bare name.
        members: Every member of the definition, raw, in the server's order.
        description: Its description, or None.
        title: Its title, or None.
        read_only: `annotations.readOnlyHint` is true.
        destructive: `annotations.destructiveHint` is true.
        idempotent: `annotations.idempotentHint` is true.
        has_output_schema: It declares an `outputSchema`.
        linkage: What it says of apps.
    """

    __slots__ = (
        "_schema",
        "description",
        "destructive",
        "has_output_schema",
        "idempotent",
        "linkage",
        "members",
        "name",
        "raw",
        "read_only",
        "title",
    )

    def __init__(self, raw: bytes) -> None:
        """Reads a definition.

        Raises:
            msgspec.MsgspecError: It is no object with a string `name`.
        """
        head = _TOOL.decode(raw)
        self.raw = raw
        self.members = _MEMBERS.decode(raw)
        self.name = head.name
        self.description = head.description if isinstance(head.description, str) else None
        self.title = head.title if isinstance(head.title, str) else None
        self.has_output_schema = head.output_schema is not UNSET
        hints = Annotations()
        if head.annotations is not UNSET:
            try:
                hints = msgspec.json.decode(head.annotations, type=Annotations)
            except msgspec.MsgspecError:
                hints = Annotations()
        self.read_only = hints.read_only_hint is True
        self.destructive = hints.destructive_hint is True
        self.idempotent = hints.idempotent_hint is True
        self.linkage = apps.linkage(self.members["_meta"]) if "_meta" in self.members else apps.NONE
        self._schema: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"Tool({self.name!r})"

    @property
    def input_schema(self) -> dict[str, Any]:
        """The input schema decoded; an empty one where the tool has none or it is no object."""
        if self._schema is None:
            raw = self.members.get("inputSchema")
            try:
                value = msgspec.json.decode(raw) if raw is not None else {}
            except (msgspec.MsgspecError, RecursionError):
                value = {}
            self._schema = value if isinstance(value, dict) else {}
        return self._schema
