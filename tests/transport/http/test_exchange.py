"""One request and its answer: headers, parameters, and the forms of a refusal."""

from __future__ import annotations

import pytest

from callmux.transport.http.exchange import EVENT_STREAM, JSON, Refusal
from tests.transport.http.asgi import Call


@pytest.mark.parametrize(
    ("accept", "json", "stream"),
    [
        ("application/json", True, False),
        ("application/json, text/event-stream", True, True),
        ("text/event-stream;q=0.5", False, True),
        ("text/*", False, True),
        ("*/*", True, True),
        ("", False, False),
    ],
)
async def test_accept_says_which_answers_are_taken(accept: str, json: bool, stream: bool) -> None:
    exchange = Call(headers={"accept": accept}).exchange()
    assert (exchange.accepts(JSON), exchange.accepts(EVENT_STREAM)) == (json, stream)


async def test_the_first_value_of_a_query_parameter_counts() -> None:
    exchange = Call(query=b"a=1%202&a=3").exchange()
    assert (exchange.query("a"), exchange.query("b")) == ("1 2", None)


async def test_an_answer_says_its_length_and_type() -> None:
    call = Call()
    exchange = call.exchange()
    assert not exchange.started
    await exchange.answer_json(201, {"a": 1}, {"x-more": "yes"})
    assert exchange.started
    assert (call.status, call.body, call.complete) == (201, b'{"a":1}', True)
    assert call.headers == {
        "content-length": "7",
        "content-type": "application/json",
        "x-more": "yes",
        "x-request-id": "rid",
    }
    empty = Call()
    await empty.exchange().answer(202)
    assert (empty.headers["content-length"], "content-type" in empty.headers) == ("0", False)


async def test_a_refusal_is_plain_or_json_rpc() -> None:
    plain, rpc = Call(), Call()
    await plain.exchange().refuse(Refusal(404, "gone"))
    assert (plain.status, plain.json) == (404, {"error": "gone", "requestId": "rid"})
    await rpc.exchange().refuse(Refusal(405, "no", -32000, 7, {"Allow": "GET"}))
    assert (rpc.status, rpc.headers["Allow"]) == (405, "GET")
    error = {"code": -32000, "message": "no", "data": {"requestId": "rid"}}
    assert rpc.json == {"jsonrpc": "2.0", "error": error, "id": 7}
