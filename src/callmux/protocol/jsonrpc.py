"""JSON-RPC 2.0 messages: bytes in, one record out; and the bytes of what we send. Pure.

Called by both peers. Bodies (`params`, `result`, `error`) stay raw, so what we do not understand is relayed
as it came. A member that is null counts as absent, as many serializers mean it. A message that msgspec
refuses but other JSON readers accept (a lone surrogate, NaN, an id like `5.0`, a byte order mark) takes a
slow path on the standard library; what cannot be relayed becomes `Malformed`, with the id it carried where
one can be found, so that nobody waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.depth import DEEPEST, is_deeper, too_deep
from callmux.protocol.encoding import is_utf8
from callmux.protocol.fragments import found_in
from callmux.protocol.mending import BOM, clean, mended, read_leniently

Id: TypeAlias = int | str
if TYPE_CHECKING:
    Given: TypeAlias = Raw | None
else:
    Given = Raw  # msgspec reads no `Raw | None`; what is not there is the default all the same

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

ANSWER = b'{"jsonrpc":"2.0","id":%d,"result":%b}\n'
"""The line of an answer to a request whose id is a number."""
MOST_MESSAGES = 1000
"""Messages that one batch may hold."""
SHALLOW = 2 * DEEPEST
"""Bytes of a message that cannot be nested too deeply."""
HEAD = 64 * 1024
"""Bytes of a message that no reader takes in which its id is looked for."""
MOST_READ = 1024 * 1024
"""Bytes of the largest message that the standard library reads, where mending was not enough."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """Asks for an answer."""

    id: Id
    method: str
    params: Given = None


class Notification(msgspec.Struct, frozen=True):
    """Asks for nothing."""

    method: str
    params: Raw | None


class Response(msgspec.Struct, frozen=True, gc=False):
    """The answer to a request.

    Attributes:
        method: Null where it stands there at all: with a value, this would be no answer.
        error: The same.
    """

    id: Id
    result: Raw
    method: None = None
    error: None = None


class Failure(msgspec.Struct, frozen=True):
    """The refusal of a request. `id` is None where the other side could not tell which one."""

    id: Id | None
    error: Raw


class Malformed(msgspec.Struct, frozen=True):
    """Bytes that are no message we can relay.

    Attributes:
        id: The id they carried, or None.
        is_response: Whether they look like an answer rather than a question.
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
    method: str | UnsetType | None = UNSET
    params: Raw | UnsetType = UNSET
    result: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_request = msgspec.json.Decoder(Request).decode
_response = msgspec.json.Decoder(Response).decode
_ARRAY = msgspec.json.Decoder(list[Raw])
_ERROR = msgspec.json.Decoder(ErrorObject)
_ENCODER = msgspec.json.Encoder()
_NULL = Raw(b"null")
_MEMBERS = frozenset(_Envelope.__struct_fields__)


def parse(
    line: bytes, is_text: bool | None = None, is_deep: bool | None = None, deepest: int = DEEPEST
) -> Message:
    """The message in `line`. Never raises.

    Args:
        is_text: Whether it is valid UTF-8, where that is known already.
        is_deep: Whether it is nested deeper than `deepest`, where that is known already.
        deepest: Levels that it may have.
    """
    if is_deep or (is_deep is None and len(line) > 2 * deepest and is_deeper(line, deepest)):
        return _deep(line, deepest)
    try:
        envelope = _ENVELOPE.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _slow(line)
    if is_text is False or (is_text is None and not (line.isascii() or is_utf8(line))):
        return _slow(line)
    id, method = envelope.id, envelope.method
    # Nearly always one of these two; to tell the rest apart costs as much again.
    if type(method) is str and (type(id) is int or type(id) is str):
        return Request(id, method, None if envelope.params is UNSET else envelope.params)
    if type(id) is int and method is UNSET and envelope.error is UNSET and envelope.result is not UNSET:
        return Response(id, envelope.result)
    return _classify(envelope, line)


def of_client(line: bytes) -> Message:
    """`parse`, in one step for what clients send nearly always: a request."""
    if (len(line) <= SHALLOW or not is_deeper(line)) and (line.isascii() or is_utf8(line)):
        try:
            return _request(line)
        except (msgspec.MsgspecError, RecursionError):
            pass
    return parse(line)


def of_server(line: bytes) -> Message:
    """`parse`, in one step for what servers send nearly always: an answer."""
    if (len(line) <= SHALLOW or not is_deeper(line)) and (line.isascii() or is_utf8(line)):
        try:
            return _response(line)
        except (msgspec.MsgspecError, RecursionError):
            pass
    return parse(line)


def on_one_line(body: bytes) -> bytes:
    """`body` without line ends between its tokens, so that it can go onto a line or into an event."""
    if b"\n" not in body and b"\r" not in body:
        return body
    body = body.removeprefix(BOM)
    try:
        return msgspec.json.format(body, indent=-1)
    except (msgspec.MsgspecError, RecursionError):
        # Not JSON for msgspec: `parse` says what it is, and its slow path writes it anew on one line.
        return body


def _classify(e: _Envelope, line: bytes) -> Single:
    if e.method is not UNSET and e.method is not None:
        params = None if e.params is UNSET else e.params
        if e.id is UNSET or (e.id is None and e.method.startswith("notifications/")):
            return Notification(e.method, params)
        if e.id is None:
            return Malformed(None, False, INVALID_REQUEST, "the id of a request must not be null")
        return Request(e.id, e.method, params)
    if e.error is not UNSET and e.error != _NULL:
        return Failure(None if e.id is UNSET else e.id, e.error)
    if e.id is not UNSET and e.id is not None and e.result is not UNSET:
        return Response(e.id, e.result)
    # An answer whose result the other side left out, if it is not an object that a server logs.
    ours = b'"jsonrpc"' in line or msgspec.json.decode(line, type=dict[str, Raw]).keys() <= _MEMBERS
    given = e.id if ours and e.id is not UNSET else None
    return Malformed(given, True, INVALID_REQUEST, "a message needs a method, a result or an error")


def _slow(line: bytes) -> Message:
    """Reads what msgspec refused; see the module's docstring."""
    if line.startswith(BOM) and not line.startswith(BOM, len(BOM)):
        return parse(line[len(BOM) :])
    first = line.lstrip(b" \t\r\n")[:1] if line[:1] in b" \t\r\n" else line[:1]
    if first == b"[":
        return _batch(line)
    if first != b"{":
        return _no_object(line)
    try:
        # Nearly always enough, and nothing but what is wrong changes: digits stay as they are.
        return _classify(_ENVELOPE.decode(fixed := mended(line)), fixed)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        if len(line) > MOST_READ:
            return _unreadable(line, PARSE_ERROR, "the message is not valid JSON")
    try:
        value = read_leniently(line)
    except (ValueError, RecursionError):
        return _unreadable(line, PARSE_ERROR, "the message is not valid JSON")
    return _read(line, value)


def _read(line: bytes, value: dict[str, Any]) -> Single:
    """The message that the standard library reads as `value`."""
    given = value.get("id")
    if isinstance(given, float) and given.is_integer():
        value["id"] = int(given)
    elif given is not None and (isinstance(given, bool) or not isinstance(given, int | str)):
        return Malformed(None, "method" not in value, INVALID_REQUEST, "an id must be a string or an integer")
    try:
        return _classify(_ENVELOPE.decode(fixed := _ENCODER.encode(clean(value))), fixed)
    except (msgspec.MsgspecError, RecursionError, ValueError, OverflowError):
        return _unreadable(line, INVALID_REQUEST, "the message cannot be relayed")


def _deep(line: bytes, deepest: int) -> Message:
    """What is nested too deeply: of a batch, only those messages that are, where it can be told apart."""
    if line.lstrip(BOM + b" \t\r\n")[:1] == b"[" and not is_deeper(line, 4 * deepest):
        return _batch(line)
    message = f"the message {too_deep(deepest)}"
    try:
        envelope = _ENVELOPE.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _unreadable(line, INVALID_REQUEST, message)
    given = None if envelope.id is UNSET else envelope.id
    return Malformed(given, envelope.method is UNSET, INVALID_REQUEST, message)


_VALUES = frozenset(bytes([b]) for b in b'"-0123456789tfn')
_NO_JSON = Malformed(None, True, PARSE_ERROR, "the message is not valid JSON")


def _no_object(line: bytes) -> Malformed:
    """What is neither an object nor an array: JSON that is no message, or no JSON, which is nearly always."""
    if len(line) <= HEAD and line.lstrip()[:1] in _VALUES:
        try:
            read_leniently(line)
        except (ValueError, RecursionError):
            pass
        else:
            return Malformed(None, False, INVALID_REQUEST, "a message must be a JSON object")
    return _NO_JSON


def _batch(line: bytes) -> Message:
    """The messages of an array: told apart before any of them is read, so that a long one costs little."""
    try:
        # Half a surrogate pair in one message must not cost the others theirs.
        parts = _ARRAY.decode(line if is_utf8(line) else line.decode("utf-8", "replace").encode())
    except (msgspec.MsgspecError, RecursionError):
        try:
            parts = _ARRAY.decode(mended(line))
        except (msgspec.MsgspecError, RecursionError):
            return Malformed(None, False, PARSE_ERROR, "the message is not valid JSON")
    if not parts:
        return Malformed(None, False, INVALID_REQUEST, "a batch must not be empty")
    if len(parts) > MOST_MESSAGES:
        reason = f"a batch must not hold more than {MOST_MESSAGES} messages"
        return Malformed(None, False, INVALID_REQUEST, reason)
    return Batch([_part(bytes(part).strip(b" \t\r\n")) for part in parts])


def _part(raw: bytes) -> Message:
    if raw[:1] == b"[":
        return Malformed(None, False, INVALID_REQUEST, "a batch must not hold a batch")
    return parse(raw)


def _unreadable(line: bytes, code: int, message: str) -> Malformed:
    return Malformed(*found_in(line[:HEAD]), code, message)


def oversized(head: bytes, limit: int) -> Malformed:
    """The message for a line of more than `limit` bytes, of which only `head` was kept."""
    return _unreadable(head, INVALID_REQUEST, f"the message is larger than {limit} bytes")


def read_error(raw: Raw) -> ErrorObject:
    """The `error` member of a failure; a shapeless one becomes an internal error with its text."""
    try:
        return _ERROR.decode(raw)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return ErrorObject(
            message=f"an error of unknown shape: {bytes(raw)[:200].decode('utf-8', 'replace')}"
        )


def own_id(id: Id | None) -> int | None:
    """The id of a request of ours that an answer names: some give a number back as text."""
    if isinstance(id, str) and id.isascii() and id.isdigit() and len(id) < 20:
        return int(id)
    return id if isinstance(id, int) else None


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
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}\n' % (_id(id), result)


def failure(id: Id | None, code: int, message: str, data: Any = UNSET) -> bytes:
    """The line of a refusal. `data` is any JSON value; left out by default."""
    return failure_raw(id, RpcError(code, message, data).encoded())


def failure_raw(id: Id | None, error: bytes | Raw) -> bytes:
    """The line of a refusal with an `error` member taken over as it came."""
    given = b"null" if id is None else _id(id)
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}\n' % (given, error)


def _id(id: Id) -> bytes:
    return b"%d" % id if type(id) is int else _ENCODER.encode(id)


def _with_params(head: bytes, params: bytes | Raw | None) -> bytes:
    if params is None:
        return head + b"}\n"
    return b'%b,"params":%b}\n' % (head, params)


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
        try:
            return _ENCODER.encode(error)
        except UnicodeEncodeError:
            # A file's name, for one, need not be text.
            return _ENCODER.encode(clean(error))


class OfOtherEra(RpcError):
    """A request of a revision without a handshake, found where those of sessions are read."""

    def __init__(self, method: str) -> None:
        super().__init__(
            METHOD_NOT_FOUND, f"method not found: {method}: the request names a revision of its own"
        )
