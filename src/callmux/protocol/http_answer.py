"""Which message of an HTTP exchange answers its one request, also where its id is not ours. Pure.

Called by `callmux.upstream.links.http` and `callmux.bridge.stream`. Servers answer with an error whose id is
null, missing or made up where they refuse a request before they have read it, and some write our number as a
string. An exchange has one request, so what answers at all answers that; only another number of ours is never
taken for it.
"""

from __future__ import annotations

import msgspec

from callmux.depth import DEEPEST, ROOM, is_deeper
from callmux.protocol import jsonrpc
from callmux.protocol.encoding import is_utf8
from callmux.protocol.failure_points import Point
from callmux.protocol.http_client import refusal_point, session_refused, speaks_of_session
from callmux.protocol.jsonrpc import METHOD_NOT_FOUND, SHALLOW, Batch, Failure, Message, Response

_response = msgspec.json.Decoder(Response).decode


def answer_to(body: bytes, id: int) -> Response | None:
    """The answer to a request, where that is all of a body and is nothing out of the ordinary; None for
    anything else."""
    if body.find(b"\n") >= 0 or body.find(b"\r") >= 0 or not (body.isascii() or is_utf8(body)):
        return None
    if len(body) > SHALLOW and is_deeper(body, DEEPEST + ROOM):
        return None
    try:
        answer = _response(body)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return answer if type(answer.id) is int and answer.id == id else None


def addressed(message: Message, id: int, *, alone: bool) -> Message:
    """`message` under our request's id, where it answers that.

    Args:
        id: Of the request that the exchange is for.
        alone: Whether it is the whole answer, not one event of a stream.
    """
    if isinstance(message, Batch):
        return Batch([addressed(part, id, alone=False) for part in message.messages])
    if not isinstance(message, Response | Failure) or message.id == id:
        return message
    given = message.id
    if jsonrpc.own_id(given) == id:
        return msgspec.structs.replace(message, id=id)
    if isinstance(message, Failure) and (given is None or isinstance(given, str) or alone):
        return msgspec.structs.replace(message, id=id)
    return message


def answers(message: Message, id: int) -> bool:
    """Whether `message` answers the request `id`."""
    if isinstance(message, Batch):
        return any(answers(part, id) for part in message.messages)
    return isinstance(message, Response | Failure) and message.id == id


def doubts_session(message: Message) -> bool:
    """Whether it is an error that seems to be about the session."""
    if not isinstance(message, Failure):
        return False
    error = jsonrpc.read_error(message.error)
    if error.code == METHOD_NOT_FOUND:
        return False
    return speaks_of_session(error.message.encode("utf-8", "replace"), error.code)


def failure_in(body: bytes) -> Failure | None:
    """The JSON-RPC error that a refusal carries, or None."""
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    message = jsonrpc.parse(jsonrpc.on_one_line(start)) if start.startswith(b"{") else None
    return message if isinstance(message, Failure) else None


def is_unknown_method(body: bytes) -> bool:
    """Whether a 404 is about the method and not about the session."""
    failure = failure_in(body)
    return (
        failure is not None
        and failure.id is not None
        and jsonrpc.read_error(failure.error).code == METHOD_NOT_FOUND
    )


def is_answer(status: int, body: bytes, *, stateless: bool) -> bool:
    """Whether a status that is no success comes with the server's own answer to the request.

    Args:
        stateless: Whether the request belongs to no session: an error that is answered so is about itself.
    """
    if stateless and status in (400, 404):
        return failure_in(body) is not None
    return status == 404 and is_unknown_method(body)


def is_error_of(body: bytes, id: int | None) -> bool:
    """Whether a refusal is a JSON-RPC error that names the request `id`: whoever says so has read that."""
    failure = None if id is None else failure_in(body)
    return failure is not None and jsonrpc.own_id(failure.id) == id


def ping_refusal(status: int, body: bytes, *, retry_after: bool) -> Point | None:
    """Where a ping stands that named the session and was refused; None where that says nothing of the
    session.

    Args:
        body: The beginning of the answer.
        retry_after: Whether the answer says when to come back.
    """
    if not session_refused(status, retry_after=retry_after) or is_unknown_method(body):
        return None
    return refusal_point(status, body, named=True, challenged=False)
