"""What a request of a revision without a handshake says of itself, and what its answer must have. Pure.

One place says what a modern request is (MCP 2026-07-28, basic): `read` checks its `_meta`; `bare` gives the
params as servers of every era take them; `complete` and `input_required` write results, `error` errors.
Called by `callmux.session.modern` and by the HTTP transport.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.protocol import jsonrpc
from callmux.protocol.elicitation import FORM, modes
from callmux.protocol.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, RpcError
from callmux.protocol.params import (
    CLIENT_CAPABILITIES,
    CLIENT_INFO,
    DISCOVER,
    LEVELS,
    LOG_LEVEL,
    OF_REQUEST,
    REVISION,
    SERVER_INFO,
    members,
)
from callmux.protocol.versions import (
    HEADER_MISMATCH,
    MISSING_CAPABILITY,
    MODERN,
    MODERN_CODES,
    SUPPORTED,
    UNSUPPORTED_VERSION,
)

REMOVED = frozenset(
    {
        "initialize",
        "logging/setLevel",
        "ping",
        "resources/subscribe",
        "resources/unsubscribe",
        "tasks/list",
        "tasks/result",
    }
)
"""Methods of earlier revisions that this one does not have."""
CACHED = frozenset({DISCOVER, "prompts/list", "resources/list", "resources/templates/list", "tools/list"})
"""Lists: how long they hold is told with them (server/utilities/caching)."""

_OLD_CODES = {-32002: INVALID_PARAMS, -32042: INTERNAL_ERROR}
"""Codes of earlier revisions -> what stands for them in this one."""
_RESERVED = range(-32099, -32019)
_STATUS = {
    **dict.fromkeys(MODERN_CODES, 400),
    jsonrpc.PARSE_ERROR: 400,
    jsonrpc.INVALID_REQUEST: 400,
    INVALID_PARAMS: 400,
    METHOD_NOT_FOUND: 404,
}
_ENCODER = msgspec.json.Encoder()
_ANSWERS = ("inputResponses", "requestState")


class _Info(msgspec.Struct):
    name: str = ""


class _Meta(msgspec.Struct):
    version: str | UnsetType = msgspec.field(default=UNSET, name=REVISION)
    capabilities: Raw | UnsetType = msgspec.field(default=UNSET, name=CLIENT_CAPABILITIES)
    client: _Info | UnsetType = msgspec.field(default=UNSET, name=CLIENT_INFO)
    level: str | UnsetType = msgspec.field(default=UNSET, name=LOG_LEVEL)


class _Params(msgspec.Struct):
    meta: _Meta = msgspec.field(name="_meta")
    state: str | UnsetType = msgspec.field(default=UNSET, name="requestState")
    answers: dict[str, Raw] | UnsetType = msgspec.field(default=UNSET, name="inputResponses")


class Asked(msgspec.Struct, frozen=True):
    """What a request says of itself.

    Attributes:
        version: The revision it is of.
        capabilities: What its client declares: a JSON object.
        client_name: The name its client gives itself; None where it gives none.
        log_level: From which level on it wants log messages; None for none at all.
        state: The `requestState` of an earlier answer; None in a request that goes on with nothing.
        answers: Its `inputResponses`.
    """

    version: str
    capabilities: bytes
    client_name: str | None = None
    log_level: str | None = None
    state: str | None = None
    answers: Mapping[str, Raw] = {}


_PARAMS = msgspec.json.Decoder(_Params)
_VERSION = msgspec.json.Decoder(str)


def read(method: str, params: Raw | None) -> Asked:
    """What a request says of itself.

    Raises:
        RpcError: Something is missing in `_meta`, or it names a revision that is not spoken here.
    """
    try:
        given = _PARAMS.decode(b"{}" if params is None else params)
    except msgspec.MsgspecError as error:
        # What revision it is of comes first: in another one, all the rest may be right.
        _check_version(members(members(params).get("_meta")).get(REVISION))
        raise RpcError(INVALID_PARAMS, f"{method}: {error}") from None
    meta = given.meta
    if meta.version is UNSET:
        raise RpcError(INVALID_PARAMS, f'{method}: _meta["{REVISION}"] is required')
    if meta.version not in MODERN:
        raise unsupported(meta.version)
    capabilities = b"" if meta.capabilities is UNSET else bytes(meta.capabilities)
    if capabilities[:1] != b"{":
        raise RpcError(INVALID_PARAMS, f'{method}: _meta["{CLIENT_CAPABILITIES}"] is required, an object')
    level = None if meta.level is UNSET else meta.level
    if level is not None and level not in LEVELS:
        raise RpcError(INVALID_PARAMS, f'{method}: _meta["{LOG_LEVEL}"] must be one of {", ".join(LEVELS)}')
    if method in REMOVED:
        raise RpcError(METHOD_NOT_FOUND, f"method not found: {method}: revision {meta.version} has none")
    return Asked(
        meta.version,
        capabilities,
        None if meta.client is UNSET else meta.client.name,
        level,
        None if given.state is UNSET else given.state,
        {} if given.answers is UNSET else given.answers,
    )


def _check_version(raw: Raw | None) -> None:
    try:
        named = _VERSION.decode(raw if raw is not None else b"null")
    except msgspec.MsgspecError:
        return
    if named not in MODERN:
        raise unsupported(named)


def unsupported(requested: str) -> RpcError:
    """The refusal of a revision that is not spoken here."""
    data = {"supported": list(SUPPORTED), "requested": requested}
    return RpcError(UNSUPPORTED_VERSION, "Unsupported protocol version", data)


def lacking(required: Mapping[str, object], why: str) -> RpcError:
    """The refusal of a request that needs what its client has not declared."""
    return RpcError(MISSING_CAPABILITY, why, {"requiredCapabilities": dict(required)})


_WANTED = {"elicitation/create": "elicitation", "roots/list": "roots", "sampling/createMessage": "sampling"}


class _Question(msgspec.Struct):
    mode: str | None = None
    tools: Raw | UnsetType = UNSET
    choice: Raw | UnsetType = msgspec.field(default=UNSET, name="toolChoice")


class _Declared(msgspec.Struct):
    elicitation: dict[str, Raw] | UnsetType = UNSET
    sampling: dict[str, Raw] | UnsetType = UNSET
    roots: Raw | UnsetType = UNSET


_QUESTION = msgspec.json.Decoder(_Question)
_DECLARED = msgspec.json.Decoder(_Declared)


def needed(method: str, params: bytes | Raw | None) -> dict[str, dict[str, dict[str, str]]] | None:
    """What a client must have declared to be asked this; None for what no client of this revision can be
    asked."""
    kind = _WANTED.get(method)
    if kind is None:
        return None
    try:
        asked = _QUESTION.decode(b"{}" if params is None else params)
    except msgspec.MsgspecError:
        asked = _Question()
    if kind == "elicitation" and asked.mode == "url":
        return {kind: {"url": {}}}
    if kind == "sampling" and (asked.tools is not UNSET or asked.choice is not UNSET):
        return {kind: {"tools": {}}}
    return {kind: {}}


def question(params: bytes | Raw) -> Raw:
    """The params of a question as this revision has them: addresses have no names of their own."""
    raw = bytes(params)
    if b'"elicitationId"' not in raw:
        return Raw(raw)
    given = members(raw)
    given.pop("elicitationId", None)
    return Raw(_ENCODER.encode(given))


def declares(capabilities: bytes, wanted: Mapping[str, Mapping[str, object]]) -> bool:
    """Whether a client that declares this can be asked what needs `wanted`."""
    try:
        declared = _DECLARED.decode(capabilities)
    except msgspec.MsgspecError:
        return False
    for kind, parts in wanted.items():
        given = getattr(declared, kind)
        if given is UNSET:
            return False
        if any(part not in given for part in parts):
            return False
        if kind == "elicitation" and not parts and FORM not in modes(capabilities):
            return False
    return True


def mismatch(why: str) -> RpcError:
    """The refusal of a request whose headers say something else than its body."""
    return RpcError(HEADER_MISMATCH, f"Header mismatch: {why}")


def bare(params: Raw | None, *, answers: bool = False) -> Raw:
    """The params without what the revision adds to each request: servers of every era take them.

    Args:
        answers: Whether what a client says to questions is what the request is about.
    """
    given = members(params)
    for name in () if answers else _ANSWERS:
        given.pop(name, None)
    meta = members(given.get("_meta"))
    for name in OF_REQUEST:
        meta.pop(name, None)
    if meta:
        given["_meta"] = Raw(_ENCODER.encode(meta))
    else:
        given.pop("_meta", None)
    return Raw(_ENCODER.encode(given))


def complete(result: bytes | Raw, info: bytes, hints: bytes = b"") -> bytes:
    """A result as this revision has it. What it says already stays: a server of this revision may have
    said it.

    Args:
        info: Who the server is, as JSON.
        hints: Further members, each with a comma behind it: how long it may be kept, and by whom.
    """
    raw = bytes(result)
    # Nearly always none of these: then nothing need be read.
    if not (
        raw.partition(b'"_meta"')[1]
        or raw.partition(b'"resultType"')[1]
        or (hints and raw.partition(b'"ttlMs"')[1])
    ):
        rest = raw[1:]
        if not hints and rest[:1] == b'"' and (usual := _USUAL.get(info)) is not None:
            return usual + rest
        beginning = b'{"resultType":"complete",%b"_meta":{"%b":%b}' % (hints, _INFO, info)
        if rest.lstrip()[:1] == b"}":
            return beginning + rest
        beginning += b","
        if not hints:
            if len(_USUAL) >= MOST_USUAL:
                _USUAL.clear()
            _USUAL[info] = beginning
        return beginning + rest
    given = members(raw)
    meta = members(given.pop("_meta", None))
    meta.setdefault(SERVER_INFO, Raw(info))
    head = {"resultType": Raw(b'"complete"')}
    if hints:
        head |= members(b"{%b}" % hints[:-1])
    return _ENCODER.encode({**head, **given, "_meta": meta})


_INFO = SERVER_INFO.encode()

_USUAL: dict[bytes, bytes] = {}
"""What stands before the members of nearly every result, by who answers."""
MOST_USUAL = 64


def hints(ttl_ms: int, *, private: bool) -> bytes:
    """How long a result may be kept, and by whom, for `complete`."""
    return b'"ttlMs":%d,"cacheScope":"%b",' % (ttl_ms, b"private" if private else b"public")


def input_required(questions: Mapping[str, bytes], state: str, info: bytes) -> bytes:
    """The result that asks the client something (basic/patterns/mrtr).

    Args:
        questions: Requests as JSON, by key.
        state: What the client sends with its answers.
        info: Who the server is, as JSON.
    """
    return _ENCODER.encode(
        {
            "resultType": "input_required",
            "inputRequests": {key: Raw(raw) for key, raw in questions.items()},
            "requestState": state,
            "_meta": {SERVER_INFO: Raw(info)},
        }
    )


def error(body: bytes | Raw) -> tuple[int, bytes]:
    """The `error` member of a refusal as this revision has it, and its code."""
    given = jsonrpc.read_error(Raw(bytes(body)))
    code = _OLD_CODES.get(given.code, given.code)
    if code in _RESERVED and code not in MODERN_CODES:
        # The specification alone gives meanings to these.
        code = INTERNAL_ERROR
    if code == given.code:
        return code, bytes(body)
    return code, RpcError(code, given.message, given.data).encoded()


def status_of(code: int | None) -> int:
    """The HTTP status of an answer with an error of this code, or of one without an error."""
    return 200 if code is None else _STATUS.get(code, 200)
