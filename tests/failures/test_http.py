"""What a listener refuses is no dead end: each status is provoked, and the corrected request is answered."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from callmux.failures.http import FAILURES
from tests.live.harness import write_config
from tests.live.test_listener import HELLO, listener, post, request, run_listener
from tests.live.test_stdio_session import Scripted, tool
from tests.support import SECONDS, free_port

ELSEWHERE: dict[str, str] = {}
"""Failure -> where it is provoked otherwise, and why not here."""

RIGHT = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
GREETING = json.dumps(request(1, "initialize", HELLO))


class Sent(NamedTuple):
    """One HTTP request; `greeted`: in a session that has begun."""

    method: str = "POST"
    path: str = "/mcp"
    headers: dict[str, str] = RIGHT
    body: str = GREETING
    greeted: bool = False


WRONG: dict[str, Sent] = {
    "http_400": Sent(
        headers={**RIGHT, "Mcp-Protocol-Version": "1999-01-01"}, body=json.dumps(request(1, "tools/list", {}))
    ),
    "http_403": Sent(headers={**RIGHT, "Origin": "https://evil.example"}),
    "http_404": Sent(path="/mpc"),
    "http_405": Sent(method="PUT", greeted=True),
    "http_406": Sent(headers={**RIGHT, "Accept": "text/html"}),
    "http_413": Sent(body=json.dumps({**request(1, "initialize", HELLO), "pad": "x" * 1_100_000})),
    "http_415": Sent(headers={**RIGHT, "Content-Type": "text/plain"}),
}
"""Failure -> the request that provokes it; the next step turns it into the right one, `Sent()`."""


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Sent], tuple[int, Any]]]:
    port = free_port()

    def send(sent: Sent) -> tuple[int, Any]:
        headers = dict(sent.headers)
        if sent.greeted:
            headers["Mcp-Session-Id"] = str(post(port, request(1, "initialize", HELLO))[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        connection.request(sent.method, sent.path, sent.body, headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, json.loads(body) if body.startswith(b"{") else body

    folder: Path = tmp_path_factory.mktemp("refusals")
    with listener(folder, port):
        yield send


def test_every_status_is_provoked_here_or_elsewhere() -> None:
    assert not {f.id for f in FAILURES} - WRONG.keys() - PLAYED.keys() - ELSEWHERE.keys()


@pytest.mark.parametrize("id", WRONG)
def test_a_refusal_says_why_and_the_corrected_request_is_answered(
    id: str, ask: Callable[[Sent], tuple[int, Any]]
) -> None:
    status, body = ask(WRONG[id])
    assert f"http_{status}" == id
    error = body["error"]
    assert error if isinstance(error, str) else error["message"]
    status, body = ask(Sent())
    assert status == 200


PLAYED: dict[str, Callable[[Path, int], None]] = {}


def played(id: str) -> Callable[[Callable[[Path, int], None]], Callable[[Path, int], None]]:
    """Registers what needs a listener of its own."""

    def register(play: Callable[[Path, int], None]) -> Callable[[Path, int], None]:
        PLAYED[id] = play
        return play

    return register


@pytest.mark.parametrize(
    "id", [f.id for f in FAILURES if f.id not in WRONG and f.id not in ELSEWHERE], ids=str
)
def test_its_next_step_leads_to_an_answer(id: str, tmp_path: Path) -> None:
    PLAYED[id](tmp_path, free_port())


def configured(folder: Path, **more: Any) -> Path:
    servers = {"one": Scripted(folder, "one").has(tool("a"), delays={"a": 1500}).entry}
    return write_config(folder / "c.json", servers, **more)


@played("http_401")
def unauthorized(folder: Path, port: int) -> None:
    auth = {"mode": "bearer", "tokens": [{"id": "me", "token": "secret-of-mine"}]}
    with run_listener(folder, configured(folder, auth=auth), port):
        assert post(port, request(1, "initialize", HELLO))[0] == 401
        assert post(port, request(1, "initialize", HELLO), Authorization="Bearer secret-of-mine")[0] == 200


@played("http_429")
def too_many(folder: Path, port: int) -> None:
    """A call that takes a moment, and another one beside it."""
    limits = {"abuseControls": {"principalMaxInFlight": 1}}
    with run_listener(folder, configured(folder, **limits), port), ThreadPoolExecutor(1) as others:
        session = str(post(port, request(1, "initialize", HELLO))[2])
        call = {"name": "one__a", "arguments": {}}
        busy = others.submit(post, port, request(2, "tools/call", call), session)
        until_called(folder)
        goes_on_after(lambda: asked_again(port, session), 429)
        assert busy.result(20)[0] == 200


@played("http_503")
def no_room(folder: Path, port: int) -> None:
    """There is room for one session, and that one is busy for a moment."""
    config = configured(folder, listenerMaxSessions=1)
    with run_listener(folder, config, port), ThreadPoolExecutor(1) as others:
        session = str(post(port, request(1, "initialize", HELLO))[2])
        call = {"name": "one__a", "arguments": {}}
        busy = others.submit(post, port, request(2, "tools/call", call), session)
        until_called(folder)
        goes_on_after(lambda: raw(port, "POST", GREETING), 503)
        assert busy.result(20)[0] == 200


def raw(port: int, method: str, body: str, more: dict[str, str] | None = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    connection.request(method, "/mcp", body, {**RIGHT, **(more or {})})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers


def until_called(folder: Path) -> None:
    """The call has reached its server."""
    end = time.monotonic() + 20
    while not Scripted(folder, "one").calls("a"):
        assert time.monotonic() < end


def asked_again(port: int, session: str) -> tuple[int, Any]:
    return raw(port, "POST", json.dumps(request(3, "ping", {})), {"Mcp-Session-Id": session})


def goes_on_after(ask: Callable[[], tuple[int, Any]], refusal: int) -> None:
    """It is refused, and answered once the seconds that the refusal names have passed, a few times over."""
    answer, end = ask(), time.monotonic() + 20
    assert answer[0] == refusal
    while answer[0] == refusal:
        assert time.monotonic() < end, "it was never answered"
        threading.Event().wait(float(answer[1]["Retry-After"]))
        answer = ask()
    assert answer[0] == 200
