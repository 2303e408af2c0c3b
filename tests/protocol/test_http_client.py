"""What is sent, what answers mean, where redirects lead, and when a stream is asked for again."""

from __future__ import annotations

import subprocess
import sys

import pytest

from callmux.protocol import http_client
from callmux.protocol.failure_points import Carrier, Point, known
from callmux.protocol.http_client import (
    Redirects,
    Resumption,
    has_no_stream,
    is_event_stream,
    is_web_url,
    refusal_point,
    request_head,
    resolved,
    retry_seconds,
    session_id_of,
    session_refused,
    speaks_of_session,
    tls_problem,
    within_origin,
)
from tests.support import SECONDS


@pytest.mark.parametrize(
    ("status", "named", "point"),
    [
        (404, True, Point.NO_SESSION),
        (404, False, Point.NOT_FOUND),
        (400, True, Point.REFUSED),
        (401, True, Point.REFUSED),
        (410, True, Point.REFUSED),
        (422, True, Point.REFUSED),
        (302, True, Point.REFUSED),
        (307, True, Point.ELSEWHERE),
        (413, False, Point.TOO_LARGE),
        (429, True, Point.BUSY),
        (503, True, Point.BUSY),
        (500, False, Point.FAILED),
        (599, False, Point.FAILED),
    ],
)
def test_where_a_request_stands_by_its_status(status: int, named: bool, point: Point) -> None:
    assert refusal_point(status, b"", named=named, challenged=False) is point


@pytest.mark.parametrize(
    "body",
    [
        b"Bad Request: No valid session ID provided",
        b'{"error":{"code":-32000,"message":"SESSION expired"}}',
        b"unknown sessionId",
        b"Mcp-Session-Id header is required",
    ],
)
def test_a_400_that_speaks_of_the_session_says_so_only_to_who_named_one(body: bytes) -> None:
    assert refusal_point(400, body, named=True, challenged=False) is Point.SAID_SESSION
    assert refusal_point(400, body, named=False, challenged=False) is Point.REFUSED
    assert refusal_point(500, body, named=True, challenged=False) is Point.FAILED


def test_a_challenge_shows_that_credentials_are_looked_at_first() -> None:
    assert refusal_point(404, b"", named=True, challenged=True, answered=True) is Point.ANSWERED
    assert refusal_point(404, b"", named=False, challenged=True, answered=True) is Point.NOT_FOUND
    assert refusal_point(401, b"", named=True, challenged=True) is Point.CREDENTIALS
    assert refusal_point(403, b"", named=True, challenged=True) is Point.CREDENTIALS
    assert refusal_point(500, b"", named=True, challenged=True) is Point.FAILED
    assert not known(Carrier.HTTP, Point.CREDENTIALS).again


def test_an_error_speaks_of_the_session_by_its_code_or_its_words() -> None:
    assert speaks_of_session(b"gone", -32001)
    assert speaks_of_session(b"no such Session", -32603)
    assert not speaks_of_session(b"quota is used up", -32602)


@pytest.mark.parametrize(
    ("status", "retry_after", "over"),
    [
        (200, False, False),
        (202, False, False),
        (404, False, True),
        (401, False, True),
        (500, False, True),
        (503, False, True),
        (503, True, False),
        (429, True, False),
        (405, False, False),
        (307, False, False),
    ],
)
def test_what_the_status_of_a_ping_tells(status: int, retry_after: bool, over: bool) -> None:
    assert session_refused(status, retry_after=retry_after) is over


def test_the_head_of_a_request() -> None:
    assert request_head(body=True, session_id=None, version=None) == {
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
    }
    assert request_head(body=False, session_id="s", version="2025-11-25", last_event_id="e1") == {
        "Accept": "text/event-stream",
        "Mcp-Session-Id": "s",
        "MCP-Protocol-Version": "2025-11-25",
        "Last-Event-ID": "e1",
    }


@pytest.mark.parametrize("given", ["abc", "!~", "x" * http_client.LONGEST_SESSION_ID])
def test_a_session_id_of_visible_characters_is_taken(given: str) -> None:
    assert session_id_of(given) == given


@pytest.mark.parametrize(
    "given", ["a\x01b", "a b", "a\tb", "é", "a\r\nX: 1", "x" * (http_client.LONGEST_SESSION_ID + 1)]
)
def test_any_other_session_id_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="visible ASCII"):
        session_id_of(given)


def test_no_session_id_is_none() -> None:
    assert session_id_of(None) is None
    assert session_id_of("") is None


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/mcp/", "http://h.example/mcp/"),
        ("mcp/", "http://h.example/mcp/"),
        ("?a=%2F", "http://h.example/mcp?a=%2F"),
        ("http://h.example:80/x", "http://h.example:80/x"),
        ("HTTP://H.example/x", "http://H.example/x"),
        ("https://h.example/mcp", "https://h.example/mcp"),
        ("https://h.example:8443/mcp", "https://h.example:8443/mcp"),
        ("//h.example/x%2Fy", "http://h.example/x%2Fy"),
    ],
)
def test_a_redirect_within_the_origin_is_followed_as_it_is_written(location: str, target: str) -> None:
    way = Redirects("http://h.example/mcp")
    assert way.follow(307, location)
    assert way.url == target


@pytest.mark.parametrize(
    "location",
    [
        *("http://other.example/mcp", "//other.example/mcp", "http://h.example:81/mcp"),
        *("ftp://h.example/mcp", "http://u:p@h.example/mcp", "http://[", "http://h.example:99999/", "/a b"),
        *("javascript:alert(1)", "/a\r\nX: 1", "", None, "http://h.example.evil/mcp"),
    ],
)
def test_no_other_redirect_is(location: str | None) -> None:
    way = Redirects("http://h.example/mcp")
    assert not way.follow(307, location)
    assert way.url == "http://h.example/mcp"


@pytest.mark.parametrize(
    "location", ["http://h.example/mcp", "https://other.example/mcp", "https://h.example:1/"]
)
def test_from_https_nothing_leads_to_http_or_to_another_port(location: str) -> None:
    assert not Redirects("https://h.example/mcp").follow(308, location)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 306, 309])
def test_what_may_change_the_method_is_not_followed(status: int) -> None:
    assert not Redirects("http://h.example/mcp").follow(status, "/x")


@pytest.mark.parametrize("circle", [["/mcp"], ["#x"], ["/a", "/mcp"], ["/a", "http://h.example/a"]])
def test_a_redirect_to_where_it_has_been_is_not_followed(circle: list[str]) -> None:
    way = Redirects("http://h.example/mcp")
    *before, last = [way.follow(307, location) for location in circle]
    assert all(before)
    assert not last


def test_three_redirects_are_followed_and_no_more() -> None:
    way = Redirects("http://h.example/0")
    assert [way.follow(308, f"/{n}") for n in range(1, 5)] == [True, True, True, False]
    assert way.url == "http://h.example/3"


def test_a_user_name_in_the_url_goes_along() -> None:
    way = Redirects("http://u:p@h.example/mcp")
    assert way.follow(307, "https://h.example/mcp/")
    assert way.url == "https://u:p@h.example/mcp/"
    assert way.follow(307, "/x")
    assert way.url == "https://u:p@h.example/x"


def test_an_address_keeps_its_encoding() -> None:
    assert (
        resolved("http://h/sse", "/m?s=a%2Fb%3D&t=%7e+ %20".replace(" ", ""))
        == "http://h/m?s=a%2Fb%3D&t=%7e+%20"
    )
    assert resolved("HTTP://h/sse", "HTTP://h/m") == "http://h/m"
    assert within_origin("http://h", "http://H:80/x")


@pytest.mark.parametrize(
    ("retry", "tries", "seconds"),
    [(None, 0, 1.0), (None, 2, 4.0), (None, 90, 30.0), (10, 1, 0.02), (0, 5, 0.0), (86_400_000, 0, 30.0)],
)
def test_how_long_to_wait_before_a_stream_is_asked_for_again(
    retry: int | None, tries: int, seconds: float
) -> None:
    assert retry_seconds(retry, tries) == seconds


@pytest.mark.parametrize(("retry", "pause"), [(500, 0.5), (3000, 3.0), (None, 1.0), (0, 0.05)])
def test_polling_keeps_the_pace_that_the_server_asks_for(retry: int | None, pause: float) -> None:
    resumption = Resumption()
    for _ in range(50):
        resumption.taken()
        assert resumption.pause(retry) == pause


def test_a_server_that_is_not_there_is_asked_a_few_times_ever_less_often() -> None:
    resumption = Resumption()
    pauses = [resumption.pause(100)]
    while resumption.failed():
        pauses.append(resumption.pause(100))
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6]
    resumption.taken()
    assert resumption.failed()


def test_only_a_busy_server_is_asked_again_after_it_refused() -> None:
    assert not Resumption().refused(404)
    assert not Resumption().refused(400)
    resumption = Resumption()
    assert [resumption.refused(503) for _ in range(3)] == [True, True, False]


def test_it_brings_nothing_heavy_along() -> None:
    """The shell verbs import it."""
    code = "import sys, callmux.protocol.http_client; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS, text=True).split()
    assert not {"msgspec", "asyncio", "http.client", "json", "email", "callmux.protocol.jsonrpc"} & set(
        loaded
    )


@pytest.mark.parametrize("status", [400, 404, 405, 429, 406])
def test_a_refused_stream_of_its_own_is_none(status: int) -> None:
    assert has_no_stream(status)


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_failing_server_has_not_said_that_it_has_no_stream(status: int) -> None:
    assert not has_no_stream(status)


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("http://h", True),
        ("HTTPS://h", True),
        ("https:/h", False),
        ("ftp://h", False),
        ("h/http://", False),
        ("", False),
    ],
)
def test_the_address_of_a_web_server_is_known_in_whatever_case(url: str, is_one: bool) -> None:
    assert is_web_url(url) is is_one


def test_what_is_wrong_with_tls_is_said_with_what_to_do() -> None:
    untrusted = ValueError("verify failed")
    untrusted.verify_message = "self-signed certificate"  # type: ignore[attr-defined]
    plain = tls_problem("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)")
    assert plain == "it does not use TLS: write http:// in place of https://"
    assert tls_problem(untrusted) == (
        "its certificate is not trusted (self-signed certificate): "
        "SSL_CERT_FILE must name the certificate of its issuer"
    )
    assert tls_problem(ConnectionRefusedError()) is None


@pytest.mark.parametrize(
    ("content_type", "is_one"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream ; charset=utf-8", True),
        ("text/event-stream-x", False),
        ("application/json", False),
        ("", False),
    ],
)
def test_an_event_stream_is_known_by_its_type_alone(content_type: str, is_one: bool) -> None:
    assert is_event_stream(content_type) is is_one
