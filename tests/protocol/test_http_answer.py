"""Which message answers the one request of an exchange."""

from __future__ import annotations

import pytest
from msgspec import Raw

from callmux.protocol.failure_points import Point
from callmux.protocol.http_answer import (
    addressed,
    answer_to,
    answers,
    doubts_session,
    failure_in,
    is_answer,
    is_error_of,
    is_unknown_method,
    ping_refusal,
)
from callmux.protocol.jsonrpc import Batch, Failure, Notification, Request, Response

ERROR = Raw(b'{"code":-32602,"message":"quota is used up"}')
RESULT = Raw(b"{}")


@pytest.mark.parametrize("alone", [True, False])
def test_an_answer_under_our_own_id_stays_as_it_is(alone: bool) -> None:
    for message in (Response(7, RESULT), Failure(7, ERROR)):
        assert addressed(message, 7, alone=alone) is message
        assert answers(message, 7)


@pytest.mark.parametrize("alone", [True, False])
def test_our_number_as_a_string_is_ours(alone: bool) -> None:
    assert addressed(Response("7", RESULT), 7, alone=alone) == Response(7, RESULT)
    assert addressed(Failure("7", ERROR), 7, alone=alone) == Failure(7, ERROR)


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("id", [None, "server-error", ""])
def test_an_error_that_names_no_request_answers_the_only_one(id: str | None, alone: bool) -> None:
    assert addressed(Failure(id, ERROR), 7, alone=alone) == Failure(7, ERROR)


def test_another_number_is_ours_only_where_nothing_else_came() -> None:
    assert addressed(Failure(8, ERROR), 7, alone=True) == Failure(7, ERROR)
    assert addressed(Failure(8, ERROR), 7, alone=False) == Failure(8, ERROR)


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("id", [8, "8", "x"])
def test_a_result_under_another_id_is_never_taken_for_ours(id: int | str, alone: bool) -> None:
    message = Response(id, RESULT)
    assert addressed(message, 7, alone=alone) is message
    assert not answers(message, 7)


def test_what_is_no_answer_stays_what_it_is() -> None:
    for message in (Request(7, "ping", None), Notification("a", None)):
        assert addressed(message, 7, alone=True) is message
        assert not answers(message, 7)


def test_the_parts_of_a_batch_are_looked_at_one_by_one() -> None:
    batch = addressed(Batch([Notification("a", None), Response("7", RESULT)]), 7, alone=True)
    assert batch == Batch([Notification("a", None), Response(7, RESULT)])
    assert answers(batch, 7)


def test_an_error_about_the_session_raises_a_doubt() -> None:
    assert doubts_session(Failure(1, Raw(b'{"code":-32001,"message":"x"}')))
    assert doubts_session(Failure(1, Raw(b'{"code":-32600,"message":"Session not found"}')))
    assert not doubts_session(Failure(1, ERROR))
    assert not doubts_session(Response(1, Raw(b'{"session":1}')))


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}',
        b'\xef\xbb\xbf {"jsonrpc":"2.0",\n "error":{"code":1,"message":"m"}}',
    ],
)
def test_a_refusal_may_carry_an_error(body: bytes) -> None:
    assert failure_in(body) is not None


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b'{"error":"not json-rpc"', b"[]", b"\xff", b"<html>"])
def test_any_other_body_says_nothing(body: bytes) -> None:
    assert failure_in(body) is None


def test_a_404_about_a_method_names_the_request() -> None:
    assert is_unknown_method(b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"m"}}')
    assert not is_unknown_method(b'{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"m"}}')
    assert not is_unknown_method(b'{"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":"m"}}')
    assert not is_unknown_method(b"not found")


def test_a_refusal_that_names_the_request_is_its_answer() -> None:
    body = b'{"jsonrpc":"2.0","id":%b,"error":{"code":-32602,"message":"m"}}'
    assert is_error_of(body % b"7", 7)
    assert is_error_of(body % b'"7"', 7)
    assert not is_error_of(body % b"8", 7)
    assert not is_error_of(body % b"null", 7)
    assert not is_error_of(body % b"7", None)
    assert not is_error_of(b"<html>", 7)


UNKNOWN = b'{"jsonrpc":"2.0","id":"p","error":{"code":-32601,"message":"no ping in this session"}}'


@pytest.mark.parametrize(
    ("status", "body", "retry_after", "point"),
    [
        (404, b"", False, Point.NO_SESSION),
        (404, UNKNOWN, False, None),
        (400, b"no session", False, Point.SAID_SESSION),
        (400, b"no ping", False, Point.REFUSED),
        (405, b"", False, None),
        (503, b"", True, None),
        (503, b"", False, Point.BUSY),
    ],
)
def test_a_refused_ping_tells_of_the_session(
    status: int, body: bytes, retry_after: bool, point: Point | None
) -> None:
    assert ping_refusal(status, body, retry_after=retry_after) is point


def test_a_server_without_pings_does_not_speak_of_the_session() -> None:
    assert not doubts_session(Failure(1, Raw(b'{"code":-32601,"message":"no ping in this session"}')))


@pytest.mark.parametrize(
    ("status", "body", "stateless", "answer"),
    [
        (404, UNKNOWN, False, True),
        (404, UNKNOWN, True, True),
        (400, UNKNOWN, False, False),
        (400, b'{"id":null,"error":{"code":-32020,"message":"m"}}', True, True),
        (400, b"Bad Request", True, False),
        (500, UNKNOWN, True, False),
    ],
)
def test_a_refusal_may_be_the_answer(status: int, body: bytes, stateless: bool, answer: bool) -> None:
    assert is_answer(status, body, stateless=stateless) is answer


def test_a_body_that_is_the_answer_is_read_in_one_step() -> None:
    assert answer_to(b'{"jsonrpc":"2.0","id":5,"result":{"a":1}}', 5) == Response(5, Raw(b'{"a":1}'))
    foreign = '{"a":"\u00e4\u2028"}'.encode()
    assert answer_to(b'{"jsonrpc":"2.0","id":5,"result":%b}' % foreign, 5) == Response(5, Raw(foreign))
    long = b'{"id":5,"result":"%b"}' % (b"x" * 300)
    assert answer_to(long, 5) == Response(5, Raw(b'"%b"' % (b"x" * 300)))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"id":6,"result":{}}',
        b'{"id":"5","result":{}}',
        b'{"id":5,"error":{"code":1,"message":"m"}}',
        b'{"id":5,\n"result":{}}',
        b'{"id":5,\r"result":{}}',
        b'[{"id":5,"result":{}}]',
        b'{"id":5,"method":"x","result":{}}',
        b'{"id":5,"result":{"a":"\xff"}}',
        b'\xef\xbb\xbf{"id":5,"result":{}}',
        b'{"id":5,"result":%b%b}' % (b"[" * 200, b"]" * 200),
    ],
)
def test_any_other_body_is_read_by_others(body: bytes) -> None:
    assert answer_to(body, 5) is None
