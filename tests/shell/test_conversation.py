"""One short session with a listener, over a real socket."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

import pytest

from callmux.bridge.endpoint import read_endpoint
from callmux.shell.conversation import Conversation
from callmux.shell.failure import ShellFailed
from callmux.shell.message import call_params
from tests.shell.fake_listener import EVENTS, JSON, FakeListener, Reply, result

CALL = call_params("t", "{}")


def conversation(fake: FakeListener, seconds: float | None = 20, **headers: str) -> Conversation:
    return Conversation(read_endpoint(f"{fake.url}/mcp?a=b"), headers, "sent no token", seconds)


def ask(fake: FakeListener, method: str = "tools/call", seconds: float | None = 20) -> Any:
    with conversation(fake, seconds) as talk:
        return talk.ask(method, CALL)


def refused(fake: FakeListener, seconds: float | None = 20) -> str:
    with pytest.raises(ShellFailed) as caught:
        ask(fake, seconds=seconds)
    return caught.value.message


def test_a_session_is_begun_used_and_ended(fake: FakeListener) -> None:
    fake.answers({"content": []})
    with conversation(fake, 20, **{"x-callmux-cwd": "/ä", "Authorization": "Bearer t"}) as talk:
        assert talk.ask("tools/call", CALL) == {"content": []}
    assert fake.methods() == ["initialize", "notifications/initialized", "tools/call", "DELETE"]
    first, *others = fake.seen
    assert "mcp-session-id" not in first.headers
    assert {seen.headers["mcp-session-id"] for seen in others} == {"s1"}
    assert {seen.headers["mcp-protocol-version"] for seen in others} == {"2025-11-25"}
    for seen in fake.seen:
        assert seen.path == "/mcp?a=b"
        assert seen.headers["authorization"] == "Bearer t"
        assert seen.headers["x-callmux-cwd"].encode("latin-1").decode() == "/ä"
        assert seen.headers["accept"] == "application/json, text/event-stream"


def test_several_questions_share_a_session(fake: FakeListener) -> None:
    fake.replies["tools/list"] = lambda message: Reply(result({"n": 1}, message["id"]))
    with conversation(fake) as talk:
        talk.ask("tools/list", "{}")
        talk.ask("tools/list", "{}")
    assert [seen.message["id"] for seen in fake.seen if seen.message and "id" in seen.message] == [1, 2, 3]
    assert fake.methods().count("initialize") == 1


def test_the_answer_is_found_in_a_stream_behind_what_else_comes(fake: FakeListener) -> None:
    note = json.dumps({"jsonrpc": "2.0", "method": "notifications/progress"})
    body = f": hi\n\ndata: {note}\n\ndata: broken\n\ndata: {result({'a': 1}).decode()}\n\n".encode()
    fake.replies["tools/call"] = Reply(body, kind=EVENTS)
    assert ask(fake) == {"a": "1"}
    assert fake.methods()[-1] == "DELETE"


def test_a_stream_that_stays_open_is_not_waited_for(fake: FakeListener) -> None:
    body = b"data: " + result({"a": 1}) + b"\n\n"
    fake.replies["tools/call"] = Reply(body, kind=EVENTS, length=10_000)
    assert ask(fake) == {"a": "1"}


def test_the_session_is_ended_after_a_failure_too(fake: FakeListener) -> None:
    fake.replies["tools/call"] = Reply(b"oops", 500, "text/plain")
    assert "tools/call returned HTTP 500: oops" in refused(fake)
    assert fake.methods()[-1] == "DELETE"


def test_an_end_that_fails_is_nobodys_business(fake: FakeListener) -> None:
    fake.answers({"content": []})
    fake.replies["DELETE"] = Reply(b"", 500)
    assert ask(fake) == {"content": []}


def test_a_listener_that_does_not_run_is_named_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/mcp"
        with pytest.raises(ShellFailed) as caught, Conversation(read_endpoint(url), {}, "") as talk:
            talk.ask("tools/list", "{}")
    assert f"failed to reach listener at {url}: Connection refused" in caught.value.message
    assert "callmux --listen 4860" in caught.value.message


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (
            Reply(b'{"error": {"message": "Missing bearer token"}}', 401),
            "listener initialize returned HTTP 401: Missing bearer token. callmux sent no token: give one",
        ),
        (Reply(b'{"error": "Forbidden host"}', 403), "HTTP 403: Forbidden host. callmux sent no token"),
        (Reply(b"<html>", 404, "text/html"), "returned HTTP 404. Is the path of --url right?"),
        (Reply(b"<html>", 501, "text/html"), "returned HTTP 501. What answers there is not MCP"),
        (Reply(b"", 307), "It redirects to where callmux does not follow: put the new address into --url"),
        (
            Reply(b'{"error": {"message": "Too many\\u001b[2J"}}', 429),
            "HTTP 429: Too many?[2J. A limit for",
        ),
        (
            Reply(b'{"error": "Too many", "reason": "Rate.\\n"}', 429),
            "HTTP 429: Too many: Rate. A limit for requests is reached: try again later",
        ),
        (Reply(b'{"error": "Starting"}', 503), "HTTP 503: Starting. It is busy: try again later"),
        (Reply(b"{", 200), "the listener's answer to initialize is not valid JSON"),
        (Reply(result({}, 1)), "gave no session id"),
        (
            Reply(b'{"id": 1, "error": {"code": -32602, "message": "Unsupported version"}}', session="s"),
            "Error: Unsupported version",
        ),
    ],
)
def test_a_refusal_says_what_the_listener_said_and_what_to_do(
    fake: FakeListener, reply: Reply, says: str
) -> None:
    """Weak spot C12 of callmux (npm)."""
    fake.replies["initialize"] = reply
    assert says in refused(fake)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b'{"jsonrpc"', length=1000),
        Reply(b": nothing yet\n\n", kind=EVENTS),
        Reply(b": nothing yet\n\n", kind=EVENTS, length=1000),
    ],
)
def test_an_answer_that_breaks_off_leaves_open_whether_the_tool_ran(fake: FakeListener, reply: Reply) -> None:
    fake.replies["tools/call"] = reply
    message = refused(fake)
    assert "ended the connection before it answered tools/call: whether the tool ran is unknown" in message


def test_who_gives_up_ends_the_session(fake: FakeListener) -> None:
    """As Ctrl-C does, in the middle of an answer."""
    fake.replies["tools/call"] = Reply(b": wait\n\n", kind=EVENTS, length=1000)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with conversation(fake) as talk:
        talk._from_events = interrupt  # type: ignore[assignment,method-assign]
        with pytest.raises(KeyboardInterrupt):
            talk.ask("tools/call", CALL)
    assert fake.methods()[-2:] == ["tools/call", "DELETE"]


@pytest.mark.parametrize("kind", ["application/json", EVENTS])
def test_the_time_is_one_bound_on_everything(fake: FakeListener, kind: str) -> None:
    never = threading.Event()
    fake.replies["tools/call"] = Reply(b"", kind=kind, wait=never)
    try:
        message = refused(fake, seconds=0.3)
    finally:
        never.set()
    assert "did not answer tools/call within 300 ms (--call-timeout)" in message
    assert fake.methods()[-1] == "DELETE"
    assert refused(fake, seconds=1e-9).startswith("Error: ")


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_within_the_origin_is_followed(fake: FakeListener, status: int) -> None:
    fake.answers({"content": []})
    usual = fake.replies["tools/call"]
    went: list[str] = []

    def reply(message: Any) -> Reply:
        went.append(fake.seen[-1].path)
        assert isinstance(usual, Reply)
        return usual if went[-1] == "/there?a=%2F" else Reply(b"", status, location="/there?a=%2F")

    fake.replies["tools/call"] = reply
    assert ask(fake) == {"content": []}
    assert went == ["/mcp?a=b", "/there?a=%2F"]


@pytest.mark.parametrize("location", ["http://elsewhere.example/mcp", "/mcp", None])
def test_no_other_redirect_is_and_not_without_end(fake: FakeListener, location: str | None) -> None:
    fake.replies["tools/call"] = Reply(b"", 307, location=location)
    assert "It redirects" in refused(fake)
    assert fake.methods().count("tools/call") == (2 if location == "/mcp" else 1)


@pytest.mark.parametrize(
    ("status", "unknown"), [(500, True), (422, True), (401, True), (404, False), (413, False)]
)
def test_a_refusal_that_may_come_after_the_effect_says_so(
    fake: FakeListener, status: int, unknown: bool
) -> None:
    fake.replies["tools/call"] = Reply(b"", status)
    assert ("whether the tool ran is unknown" in refused(fake)) is unknown


def test_a_session_id_comes_from_the_first_answer_only(fake: FakeListener) -> None:
    fake.answers({"content": []})
    fake.replies["tools/call"] = Reply(result({"content": []}), session="other")
    ask(fake)
    assert fake.seen[-1].verb == "DELETE"
    assert fake.seen[-1].headers["mcp-session-id"] == "s1"


def test_a_session_id_that_cannot_be_sent_back_is_refused(fake: FakeListener) -> None:
    fake.replies["initialize"] = Reply(result({"protocolVersion": "2025-11-25"}, 1), session="a b")
    assert "session id" in refused(fake)


@pytest.mark.parametrize("kind", [JSON, EVENTS])
def test_an_error_that_names_no_request_is_shown(fake: FakeListener, kind: str) -> None:
    body = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32602,"message":"quota is used up"}}'
    fake.replies["tools/call"] = Reply(body if kind == JSON else b"data: " + body + b"\n\n", kind=kind)
    assert "quota is used up" in refused(fake)


@pytest.mark.parametrize("kind", [JSON, EVENTS])
def test_an_answer_beyond_the_limit_is_refused(
    fake: FakeListener, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callmux.shell.conversation.MAX_ANSWER", 50_000)
    fake.replies["tools/call"] = Reply(b"data: " + b"0" * 200_000, kind=kind)
    assert "larger than 50000 bytes: whether the tool ran is unknown" in refused(fake)
