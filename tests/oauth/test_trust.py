"""Only https, or this machine; and nobody outside may point into a private network."""

from __future__ import annotations

import pytest

from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.trust import is_private, may_be_used


@pytest.mark.parametrize(
    "url",
    [
        "https://id.example/token?x=1",
        "https://id.example:8443/token",
        "http://localhost:9/token",
        "http://127.0.0.1/token",
        "http://[::1]:9/token",
        "https://93.184.216.34/token",
        "https://[::ffff:93.184.216.34]/token",
        "https://0xide.example/token",
        "https://id.b\u00fccher.example/token",
    ],
)
def test_https_and_this_machine_may_be_used(url: str) -> None:
    may_be_used(url, "it")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://id.example/token", "does not begin with https"),
        ("javascript:alert(1)", "cannot be read"),
        ("file:///etc/passwd", "cannot be read"),
        ("https://", "cannot be read"),
        ("https://id.example:0/", "cannot be read"),
        ("https://id.example:99999/", "cannot be read"),
        ("https://id.example/a b", "cannot be read"),
        ("https://id.example\\@evil.example/", "cannot be read"),
        ("https://id.example/\n", "cannot be read"),
        ("https://me:pw@id.example/", "holds a user"),
        ("https://id.example/#x", "fragment"),
        ("ftp://127.0.0.1/", "does not begin with https"),
        ("http://127.0.0.1.example/", "does not begin with https"),
        ("https://127.1/", "a number for a host"),
        ("https://2130706433/", "a number for a host"),
        ("https://0x7f.1/", "a number for a host"),
        ("https://0X7F000001/", "a number for a host"),
        ("https://127.0.0.1./", "a number for a host"),
        ("https://127.0.0.\uff11/", "a number for a host"),
        ("https://127\u30020\u30020\u30021/", "a number for a host"),
        ("https://[127.0.0.1/", "cannot be read"),
    ],
)
def test_anything_else_is_refused_and_named(url: str, why: str) -> None:
    with pytest.raises(SignInFailed, match=f"^the thing .*{why}") as caught:
        may_be_used(url, "the thing")
    assert caught.value.why is Why.UNSAFE


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("10.1.2.3", True),
        ("192.168.0.1", True),
        ("172.16.0.1", True),
        ("169.254.169.254", True),
        ("127.0.0.1", True),
        ("0.0.0.0", True),
        ("100.64.0.1", True),
        ("[::1]", True),
        ("fe80::1%eth0", True),
        ("fd00::1", True),
        ("::ffff:10.0.0.1", True),
        ("2002:0a00:0001::1", True),
        ("224.0.0.1", True),
        ("64:ff9b::7f00:1", True),
        ("64:ff9b::5db8:d822", False),
        ("::10.0.0.1", True),
        ("localhost", True),
        ("93.184.216.34", False),
        ("::ffff:93.184.216.34", False),
        ("2606:2800:220:1:248:1893:25c8:1946", False),
        ("id.example", False),
    ],
)
def test_private_addresses_are_known_in_every_spelling(address: str, private: bool) -> None:
    assert is_private(address) is private
