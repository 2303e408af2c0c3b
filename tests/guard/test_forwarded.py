"""Only proxies that are named are believed about the address of the browser behind them."""

from __future__ import annotations

import pytest

from callmux.config.model import Config
from callmux.config.security import BearerAuth, BearerToken
from callmux.config.traffic import AbuseControls
from callmux.guard.forwarded import Forwarded, forwarded_for

TRUSTED = AbuseControls(trusted_proxies=("127.0.0.1", "10.0.0.0/8"))
AUTH = BearerAuth(mode="bearer", tokens=(BearerToken(id="a", token="a-token-1234"),))
SAID = {"x-forwarded-host": "tools.example:8443", "x-forwarded-proto": "HTTPS"}


def test_nobody_is_believed_unless_named_and_never_without_auth() -> None:
    assert forwarded_for(Config()) is None
    assert forwarded_for(Config(auth=AUTH)) is None
    assert forwarded_for(Config(abuse_controls=TRUSTED)) is None
    assert forwarded_for(Config(auth=AUTH, abuse_controls=TRUSTED)) is not None


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("127.0.0.1", "tools.example:8443"),
        ("::ffff:10.1.2.3", "tools.example:8443"),
        ("192.0.2.1", None),
        ("nonsense", None),
        (None, None),
    ],
)
def test_what_a_named_proxy_says_counts(peer: str | None, host: str | None) -> None:
    forwarded = Forwarded(TRUSTED.trusted_proxies)
    assert forwarded.host(peer, SAID) == host
    assert forwarded.is_https(peer, SAID) is (host is not None)


def test_of_several_the_first_is_the_browsers() -> None:
    forwarded = Forwarded(["127.0.0.1"])
    assert forwarded.host("127.0.0.1", {"x-forwarded-host": " a.example , b.example"}) == "a.example"
    assert forwarded.host("127.0.0.1", {"x-forwarded-host": ""}) is None
    assert forwarded.host("127.0.0.1", {}) is None
    assert not forwarded.is_https("127.0.0.1", {"x-forwarded-proto": "http, https"})
    assert not forwarded.is_https("127.0.0.1", {})
