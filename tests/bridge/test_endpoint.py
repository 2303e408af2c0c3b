"""A listener's URL is taken as it is, or refused with a word about why."""

from __future__ import annotations

import pytest

from callmux.bridge.endpoint import read_endpoint
from callmux.errors import UsageError


def test_a_url_is_used_as_it_is() -> None:
    """No `/mcp` is added; the query stays."""
    e = read_endpoint("http://127.0.0.1:4860/mcp?a=b")
    assert (e.tls, e.host, e.port, e.path, e.authority) == (
        False, "127.0.0.1", 4860, "/mcp?a=b", "127.0.0.1:4860",
    )  # fmt: skip
    assert e.is_loopback
    assert e.origin == "http://127.0.0.1:4860"
    assert read_endpoint("http://localhost:1").path == "/"


def test_ports_and_names() -> None:
    e = read_endpoint("https://mux.example/mcp")
    assert (e.tls, e.port, e.is_loopback, e.origin) == (True, 443, False, "https://mux.example:443")
    six = read_endpoint("http://[::1]:80/mcp")
    assert (six.host, six.is_loopback, six.origin) == ("::1", True, "http://[::1]:80")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nota", "must begin with http"),
        ("ftp://x/mcp", "must begin with http"),
        ("http:///mcp", "name a host"),
        ("http://h:99999/mcp", "is not a URL"),
        ("http://h:0/mcp", "no valid port"),
        ("http://[x/mcp", "is not a URL"),
        ("http://u:secret@h/mcp", "not contain a password"),
        ("http://h/a b", "plain URL"),
        ("http://h/\r\nx", "plain URL"),
    ],
)
def test_what_is_no_url_is_refused(url: str, said: str) -> None:
    """Never with a password in the message."""
    with pytest.raises(UsageError) as caught:
        read_endpoint(url)
    assert said in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "may_start", "told"),
    [
        ("http://127.0.0.1:4860/mcp", False, "start it with callmux --listen 4860"),
        ("http://127.0.0.1:4860/mcp", True, "does a listener run there?"),
        ("https://127.0.0.1:4860/mcp", False, "does a listener run there?"),
        ("http://example.com/mcp", False, "does a listener run there?"),
    ],
)
def test_what_to_do_where_nobody_answers_depends_on_where_it_is(url: str, may_start: bool, told: str) -> None:
    assert told in read_endpoint(url).advice(may_start=may_start)
