"""JSON-RPC 2.0 messages: bytes in, one record out; and the bytes of what we send. Pure.

Called by both peers. Bodies (`params`, `result`, `error`) stay raw, so what we do not understand is relayed
as it came. A message that msgspec refuses but other JSON readers accept (a lone surrogate, NaN, an id like
`5.0`) takes a slow path on the standard library; what cannot be relayed becomes `Malformed`, with the id it
carried where one can be found, so that nobody waits for it.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, TypeAlias, cast

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.protocol.encoding import is_utf8

Id: TypeAlias = int | str

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603


class Request(msgspec.Struct, frozen=True):
    """Asks for an answer."""

    id: Id
    method: str
    params: Raw | None


class Notification(msgspec.Struct, frozen=True):
    """Asks for nothing."""

    method: str
    params: Raw | None


class Response(msgspec.Struct, frozen=True):
    """The answer to a request."""

    id: Id
    result: Raw


class Failure(msgspec.Struct, frozen=True):
    """The refusal of a request. `id` is None where the other side could not tell which one."""

    id: Id | None
    error: Raw


class Malformed(msgspec.Struct, frozen=True):
    """Bytes that are no message we can relay.

    Attributes:
        id: The id they carried, or None.
        is_response: They look like an answer rather than a question.
        code: The JSON-RPC error code that fits.
        message: What is wrong.
    """

    id: Id | None
    is_response: bool
    code: int
    message: str


class Batch(msgspec.Struct, frozen=True):
    """Several messages in one array (MCP 2025-03-26 only)."""

    messages: list[Message]


Single: TypeAlias = Request | Notification | Response | Failure | Malformed
Message: TypeAlias = Single | Batch


class ErrorObject(msgspec.Struct, frozen=True):
    """The `error` member, as far as we read it."""

    code: int = INTERNAL_ERROR
    message: str = ""
    data: Raw | UnsetType = UNSET


class _Envelope(msgspec.Struct):
    id: int | str | UnsetType | None = UNSET
    method: str | UnsetType = UNSET
    params: Raw | UnsetType = UNSET
    result: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_ARRAY = msgspec.json.Decoder(list[Raw])
_ERROR = msgspec.json.Decoder(ErrorObject)
_ENCODER = msgspec.json.Encoder()


def parse(line: bytes, is_text: bool | None = None) -> Message:
    """The message in `line`. Never raises.

    Args:
        is_text: Whether it is valid UTF-8, where that is known already.
    """
    try:
        envelope = _ENVELOPE.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _slow(line)
    if is_text is False or (is_text is None and not is_utf8(line)):
        return _slow(line)
    return _classify(envelope)


def on_one_line(body: bytes) -> bytes:
    """`body` without line ends between its tokens, so that it can go onto a line or into an event."""
    if b"\n" not in body and b"\r" not in body:
        return body
    try:
        return msgspec.json.format(body, indent=-1)
    except (msgspec.MsgspecError, RecursionError):
        # Not JSON for msgspec: `parse` says what it is, and its slow path writes it anew on one line.
        return body


def _classify(e: _Envelope) -> Single:
    if e.method is not UNSET:
        params = None if e.params is UNSET else e.params
        if e.id is UNSET:
            return Notification(e.method, params)
        if e.id is None:
            return Malformed(None, False, INVALID_REQUEST, "the id of a request must not be null")
        return Request(e.id, e.method, params)
    if e.id is not UNSET:
        if e.error is not UNSET:
            return Failure(e.id, e.error)
        if e.id is not None and e.result is not UNSET:
            return Response(e.id, e.result)
    elif e.error is not UNSET:
        return Failure(None, e.error)
    # Without a method it asks nothing: an answer whose result the other side left out.
    given = None if e.id is UNSET else e.id
    return Malformed(given, True, INVALID_REQUEST, "a message needs a method, a result or an error")


def _slow(line: bytes) -> Message:
    """Reads what msgspec refused; see the module's docstring."""
    try:
        value = json.loads(line.decode("utf-8", "replace"))
    except RecursionError:
        return _unreadable(line, INVALID_REQUEST, "the message is nested too deeply")
    except ValueError:
        return _unreadable(line, PARSE_ERROR, "the message is not valid JSON")
    if isinstance(value, list):
        return _batch(line, value)
    if not isinstance(value, dict):
        return Malformed(None, False, INVALID_REQUEST, "a message must be a JSON object")
    given = value.get("id")
    if isinstance(given, float) and given.is_integer():
        value["id"] = int(given)
    elif given is not None and (isinstance(given, bool) or not isinstance(given, int | str)):
        return Malformed(None, "method" not in value, INVALID_REQUEST, "an id must be a string or an integer")
    try:
        return _classify(_ENVELOPE.decode(_ENCODER.encode(_clean(value))))
    except (msgspec.MsgspecError, RecursionError, ValueError, OverflowError):
        return _unreadable(line, INVALID_REQUEST, "the message cannot be relayed")


def _batch(line: bytes, values: list[Any]) -> Message:
    if not values:
        return Malformed(None, False, INVALID_REQUEST, "a batch must not be empty")
    try:
        parts: list[Raw | None] = list(_ARRAY.decode(line))
    except (msgspec.MsgspecError, RecursionError):
        parts = [None] * len(values)
    return Batch([_part(value, raw) for value, raw in zip(values, parts, strict=True)])


def _part(value: Any, raw: Raw | None) -> Message:
    """The message in one value of a batch; `raw` is its text, where msgspec took the batch."""
    if isinstance(value, list):
        return Malformed(None, False, INVALID_REQUEST, "a batch must not hold a batch")
    try:
        return parse(bytes(raw) if raw is not None else _ENCODER.encode(_clean(value)))
    except (msgspec.MsgspecError, RecursionError, ValueError, OverflowError):
        members = value if isinstance(value, dict) else {}
        given = members.get("id")
        usable = isinstance(given, int | str) and not isinstance(given, bool)
        return Malformed(
            given if usable else None,
            "method" not in members,
            INVALID_REQUEST,
            "the message cannot be relayed",
        )


def _clean(value: Any) -> Any:
    """`value` with what JSON cannot say replaced: lone surrogates by U+FFFD, NaN and infinities by null."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_clean(v) for v in value]
    if isinstance(value, dict):
        return {_clean(k): _clean(v) for k, v in value.items()}
    return value


# Possessive, and with an end for a string that is cut off: one pass over any line, without a stack.
_TOKEN = re.compile(
    rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}:,]|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|[a-z]+',
    re.DOTALL,
)


def _unreadable(line: bytes, code: int, message: str) -> Malformed:
    """Finds the id and the kind of a message that no reader takes, by its tokens at the top level."""
    given: Id | None = None
    is_response = True
    depth, key, expecting = 0, b"", False
    for match in _TOKEN.finditer(line):
        token = match.group()
        if token in (b"{", b"["):
            depth += 1
            expecting = False
        elif token in (b"}", b"]"):
            depth -= 1
        elif depth == 1:
            if token == b":":
                expecting = True
            elif token == b",":
                expecting = False
            elif expecting and key == b'"id"':
                # A number at the very end may be the beginning of a longer one: somebody else's id.
                given = _read_id(token) if match.end() < len(line) else None
            elif not expecting:
                key = token
                is_response = is_response and token != b'"method"'
    return Malformed(given, is_response, code, message)


def _read_id(token: bytes) -> Id | None:
    try:
        return msgspec.json.decode(token, type=int | str)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def oversized(head: bytes, limit: int) -> Malformed:
    """The message for a line of more than `limit` bytes, of which only `head` was kept."""
    return _unreadable(head, INVALID_REQUEST, f"the message is larger than {limit} bytes")


def read_error(raw: Raw) -> ErrorObject:
    """The `error` member of a failure; a shapeless one becomes an internal error with its text."""
    try:
        return _ERROR.decode(raw)
    except msgspec.MsgspecError:
        return ErrorObject(
            message=f"an error of unknown shape: {bytes(raw)[:200].decode('utf-8', 'replace')}"
        )


_METHODS: dict[str, bytes] = {}
MOST_METHODS = 100
"""Names of methods whose encoding is kept."""


def request(id: Id, method: str, params: bytes | Raw | None) -> bytes:
    """The line of a request."""
    encoded = _METHODS.get(method)
    if encoded is None:
        encoded = _ENCODER.encode(method)
        if len(_METHODS) < MOST_METHODS:
            _METHODS[method] = encoded
    return _with_params(b'{"jsonrpc":"2.0","id":%b,"method":%b' % (_id(id), encoded), params)


def notification(method: str, params: bytes | Raw | None) -> bytes:
    """The line of a notification."""
    return _with_params(b'{"jsonrpc":"2.0","method":%b' % _ENCODER.encode(method), params)


def response(id: Id, result: bytes | Raw) -> bytes:
    """The line of an answer."""
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}\n' % (_id(id), _view(result))


def failure(id: Id | None, code: int, message: str, data: Any = UNSET) -> bytes:
    """The line of a refusal. `data` is any JSON value; left out by default."""
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not UNSET:
        error["data"] = data
    return failure_raw(id, _ENCODER.encode(error))


def failure_raw(id: Id | None, error: bytes | Raw) -> bytes:
    """The line of a refusal with an `error` member taken over as it came."""
    given = b"null" if id is None else _id(id)
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}\n' % (given, _view(error))


def _view(body: bytes | Raw) -> bytes:
    """The body as a buffer to format, without a copy."""
    return body if type(body) is bytes else cast(bytes, memoryview(body))


def _id(id: Id) -> bytes:
    return b"%d" % id if type(id) is int else _ENCODER.encode(id)


def _with_params(head: bytes, params: bytes | Raw | None) -> bytes:
    if params is None:
        return head + b"}\n"
    return b'%b,"params":%b}\n' % (head, _view(params))


class RpcError(Exception):
    """A request that is answered with a JSON-RPC error instead of a result."""

    def __init__(self, code: int, message: str, data: Any = UNSET) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def encoded(self) -> bytes:
        """The `error` member."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not UNSET:
            error["data"] = self.data
        return _ENCODER.encode(error)
