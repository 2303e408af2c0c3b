"""What a listener refuses is no dead end: each status is provoked, and the corrected request is answered."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from callmux.failures.http import FAILURES
from tests.live.test_listener import HELLO, listener, post, request
from tests.support import free_port

ELSEWHERE = {
    "http_401": "tests/live and the parity topic auth: needs a listener with tokens",
    "http_429": "the parity topic limits: needs a listener with abuseControls",
    "http_503": "tests/live/test_survival.py: a listener that is being replaced",
}
"""Failure -> where it is provoked otherwise."""

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
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(sent.method, sent.path, sent.body, headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, json.loads(body) if body.startswith(b"{") else body

    folder: Path = tmp_path_factory.mktemp("refusals")
    with listener(folder, port):
        yield send


def test_every_status_is_provoked_here_or_elsewhere() -> None:
    assert not {f.id for f in FAILURES} - WRONG.keys() - ELSEWHERE.keys()


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
