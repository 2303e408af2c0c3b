"""What both HTTP links share: proxies, and what statuses and exceptions mean."""

from __future__ import annotations

import socket
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from callmux.upstream.failures import Category
from callmux.upstream.links.web import Refused, failure_of, open_client, proxy_for, refusal
from tests.support import run


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://x.example/mcp", "http://secure:1"),
        ("http://x.example/mcp", "http://plain:1"),
        ("http://localhost:1/mcp", None),
        ("http://127.0.0.1:1/mcp", None),
        ("http://127.1.2.3/mcp", None),
        ("http://[::1]:1/mcp", None),
        ("https://in.house/mcp", None),
    ],
)
def test_proxies_come_from_the_environment_but_never_for_this_machine(
    url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://secure:1")
    monkeypatch.setenv("http_proxy", "http://plain:1")
    monkeypatch.setenv("no_proxy", "in.house")
    assert proxy_for(url) == proxy


def test_one_proxy_may_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_for("https://x.example/") is None
    monkeypatch.setenv("all_proxy", "http://all:1")
    assert proxy_for("https://x.example/") == "http://all:1"


@pytest.mark.parametrize(
    ("status", "category", "started"),
    [
        (401, Category.AUTHORIZATION, False),
        (403, Category.AUTHORIZATION, False),
        (404, Category.PROTOCOL, False),
        (405, Category.PROTOCOL, False),
        (302, Category.PROTOCOL, False),
        (429, Category.UNKNOWN, False),
        (503, Category.UNKNOWN, False),
        (500, Category.UNKNOWN, True),
        (502, Category.UNKNOWN, True),
    ],
)
def test_what_a_status_means(status: int, category: Category, started: bool) -> None:
    failure = refusal(Refused(status, b"<html>", ""))
    assert (failure.category, failure.started) == (category, started)
    assert str(status) in failure.cause


def test_credentials_are_asked_for_in_words_that_help() -> None:
    failure = refusal(Refused(401, b"", 'Bearer realm="x"' + "y" * 500))
    assert '"headers"' in failure.cause
    assert 'Bearer realm="x"' in failure.cause
    assert len(failure.cause) < 500


def test_a_json_rpc_error_in_the_body_is_the_servers_own() -> None:
    body = b' {"jsonrpc":"2.0","id":1,"error":{"code":-32050,"message":"m","data":{"n":1.50}}}'
    failure = refusal(Refused(400, body, ""))
    assert failure.raw == b'{"code":-32050,"message":"m","data":{"n":1.50}}'


@pytest.mark.parametrize("body", [b"{", b"{}", b'{"error":"not json-rpc"}', b"[]", b"\xff"])
def test_any_other_body_says_nothing(body: bytes) -> None:
    failure = refusal(Refused(400, body, ""))
    assert failure.cause


KEY = ConnectionKey("h", 1, False, None, None, None, None)


def unreachable() -> Exception:
    return aiohttp.ClientConnectorError(KEY, OSError(111, "refused"))


@pytest.mark.parametrize(
    ("error", "category", "started"),
    [
        (unreachable(), Category.TRANSPORT, False),
        (aiohttp.InvalidURL("x"), Category.TRANSPORT, False),
        (aiohttp.ServerDisconnectedError(), Category.TRANSPORT, True),
        (aiohttp.ClientPayloadError("cut"), Category.TRANSPORT, True),
        (ConnectionResetError(), Category.TRANSPORT, True),
        (TimeoutError(), Category.TRANSPORT, True),
        (ValueError("an event is larger than 1 bytes"), Category.PROTOCOL, True),
    ],
)
def test_only_a_connection_that_never_came_about_has_sent_nothing(
    error: Exception, category: Category, started: bool
) -> None:
    failure = failure_of(error)
    assert (failure.category, failure.started) == (category, started)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (unreachable(), "cannot be reached: h:1: connection refused; does it run?"),
        (
            aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(-2, "Name not known")),
            'cannot be reached: there is no host "h" (Name not known); is the URL right?',
        ),
        (aiohttp.ClientConnectorError(KEY, OSError(113, "No route")), "cannot be reached: h:1: No route"),
        (aiohttp.ClientConnectorCertificateError(KEY, ValueError("self-signed")), "self-signed"),
    ],
)
def test_why_nobody_answers_is_said_in_words(error: Exception, says: str) -> None:
    assert says in failure_of(error).cause


def test_the_client_has_no_limits_of_its_own() -> None:
    async def scene() -> Any:
        async with open_client() as client:
            assert client.timeout.total is None
            assert client.connector is not None
            assert client.connector.limit == 0
            assert isinstance(client.cookie_jar, aiohttp.DummyCookieJar)

    run(scene())
