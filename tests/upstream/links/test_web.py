"""What both HTTP links share: proxies, and what statuses and exceptions mean."""

from __future__ import annotations

import socket

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from callmux.protocol.failure_points import Carrier, Point
from callmux.protocol.sse import TooLarge
from callmux.upstream.failures import Category
from callmux.upstream.links.web import (
    StatusRefused,
    address,
    failure_of,
    open_client,
    resumption_verdict,
    verdict,
)
from tests.support import real_loop


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


CARRIERS = [Carrier.HTTP, Carrier.SSE]


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize(
    ("status", "category", "started"),
    [
        (401, Category.AUTHORIZATION, True),
        (403, Category.AUTHORIZATION, True),
        (404, Category.PROTOCOL, False),
        (405, Category.PROTOCOL, True),
        (302, Category.PROTOCOL, True),
        (307, Category.PROTOCOL, False),
        (413, Category.PROTOCOL, False),
        (422, Category.PROTOCOL, True),
        (429, Category.UNKNOWN, True),
        (503, Category.UNKNOWN, True),
        (500, Category.UNKNOWN, True),
        (502, Category.UNKNOWN, True),
    ],
)
def test_what_a_status_means(status: int, category: Category, started: bool, carrier: Carrier) -> None:
    failure = verdict(StatusRefused(status, b"<html>", ""), carrier, named=False).failure
    assert (failure.category, failure.started) == (category, started)
    assert not failure.repeatable(False) or status == 404
    assert str(status) in failure.cause


def test_a_challenge_shows_that_nothing_has_begun() -> None:
    ruling = verdict(StatusRefused(401, b"", "Bearer"), Carrier.HTTP, named=True)
    assert not ruling.failure.started
    forgotten = ruling.forgotten(Point.CREDENTIALS)
    for failure in (ruling.failure, forgotten):
        assert failure.category is Category.AUTHORIZATION
        assert not failure.repeatable(False)
    assert forgotten.repeatable(True)


def test_an_unknown_session_is_over_and_its_request_untaken() -> None:
    failure = verdict(StatusRefused(404, b"", ""), Carrier.HTTP, named=True).failure
    assert (failure.category, failure.over, failure.repeatable(False)) == (Category.SESSION, True, True)


def test_a_400_about_the_session_counts_once_the_session_is_known_to_be_forgotten() -> None:
    ruling = verdict(StatusRefused(400, b"No valid session ID", ""), Carrier.HTTP, named=True)
    assert (ruling.failure.started, ruling.failure.repeatable(False)) == (True, False)
    failure = ruling.forgotten(Point.SAID_SESSION)
    assert (failure.started, failure.over, failure.repeatable(False)) == (False, True, True)
    assert "HTTP 400" in failure.cause
    elsewise = ruling.forgotten(Point.REFUSED)
    assert (elsewise.started, elsewise.over, elsewise.repeatable(False)) == (True, True, False)


def test_a_404_that_answers_the_request_itself_counts_once_a_ping_finds_no_session_either() -> None:
    body = b'{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"no such order"}}'
    ruling = verdict(StatusRefused(404, body, ""), Carrier.HTTP, named=True, id=7)
    assert (ruling.failure.started, ruling.failure.over, ruling.failure.repeatable(False)) == (
        True,
        False,
        False,
    )
    assert ruling.failure.cause == "no such order"
    assert ruling.forgotten(Point.NO_SESSION).repeatable(False)
    assert not ruling.forgotten(Point.REFUSED).repeatable(False)
    another = verdict(StatusRefused(404, body, ""), Carrier.HTTP, named=True, id=8)
    assert (another.failure.over, another.failure.repeatable(False)) == (True, True)


@pytest.mark.parametrize("status", [400, 401, 410, 422, 500, 503])
def test_a_forgotten_session_does_not_prove_that_nothing_was_done(status: int) -> None:
    failure = verdict(StatusRefused(status, b"", ""), Carrier.HTTP, named=True).forgotten(Point.REFUSED)
    assert (failure.started, failure.over) == (True, True)
    assert (failure.repeatable(False), failure.repeatable(True)) == (False, True)


@pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 405, 429, 503])
def test_a_refused_resumption_says_nothing_of_the_request(status: int) -> None:
    ruling = resumption_verdict(StatusRefused(status, b"", ""))
    for failure in (ruling.failure, ruling.forgotten(Point.NO_SESSION)):
        assert (failure.started, failure.repeatable(False), failure.repeatable(True)) == (True, False, True)


def test_credentials_are_asked_for_in_words_that_help() -> None:
    failure = verdict(
        StatusRefused(401, b"", 'Bearer realm="x"' + "y" * 500), Carrier.HTTP, named=False
    ).failure
    assert '"headers"' in failure.cause
    assert 'Bearer realm="x"' in failure.cause
    assert len(failure.cause) < 500


@pytest.mark.parametrize("id", ["1", "null"])
def test_a_json_rpc_error_in_the_body_is_the_servers_own(id: str) -> None:
    body = f' {{"jsonrpc":"2.0","id":{id},"error":{{"code":-32050,"message":"m","data":{{"n":1.50}}}}}}'
    failure = verdict(StatusRefused(400, body.encode(), ""), Carrier.HTTP, named=False).failure
    assert failure.raw == b'{"code":-32050,"message":"m","data":{"n":1.50}}'
    assert failure.rpc is not None


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://h/mcp?a=%2F&b=%3d", "http://h/mcp?a=%2F&b=%3d"),
        ("HTTPS://h/a%2Fb/%7e", "https://h/a%2Fb/%7e"),
        ("http://h/a b?c=\u00e9", "http://h/a%20b?c=%C3%A9"),
        ("http://\u00e4.example/", "http://xn--4ca.example/"),
    ],
)
def test_an_address_is_sent_as_it_is_written(url: str, sent: str) -> None:
    assert str(address(url)) == sent


KEY = ConnectionKey("h", 1, False, True, None, None, None)


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
        (ValueError("what came cannot be read"), Category.PROTOCOL, True),
        (TooLarge("an event is larger than 1 bytes"), Category.UNKNOWN, True),
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


@real_loop()
async def test_the_client_has_no_limits_of_its_own() -> None:
    async with open_client() as client:
        assert client.timeout.total is None
        assert client.connector is not None
        assert client.connector.limit == 0
        assert isinstance(client.cookie_jar, aiohttp.DummyCookieJar)


def test_tls_to_a_port_without_it_says_which_scheme_to_write() -> None:
    import ssl

    key = ConnectionKey("h.example", 80, True, True, None, None, None)
    error = aiohttp.ClientConnectorSSLError(key, ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version"))
    failure = failure_of(error)
    assert "h.example:80: it does not use TLS: write http:// in place of https://" in failure.cause
    assert not failure.started
