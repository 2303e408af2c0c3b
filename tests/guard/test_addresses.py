"""Whom an address belongs to, and whom the lists admit."""

from __future__ import annotations

import pytest

from callmux.guard import addresses
from callmux.guard.addresses import Addresses, network, parsed, site_of

PROXIES = ["10.0.0.0/8", "::1"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:c000:201]:80", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", None),
        ("unknown", None),
        ("_hidden", None),
        ("192.0.2", None),
        ("192.0.2.010", None),
        ("192.0.2.1, 192.0.2.2", None),
        ("localhost", None),
    ],
)
def test_an_address_is_read_with_and_without_a_port(text: str, address: str | None) -> None:
    found = parsed(text)
    assert (None if found is None else str(found)) == address


def test_a_network_of_mapped_addresses_is_that_of_ipv4() -> None:
    assert str(network("::ffff:10.0.0.0/104")) == "10.0.0.0/8"
    assert str(network("10.1.2.3/8")) == "10.0.0.0/8"
    assert str(network("2001:db8::1/32")) == "2001:db8::/32"
    assert str(network("::/0")) == "::/0"


@pytest.mark.parametrize(
    ("allowed", "denied", "peer", "admitted"),
    [
        ([], [], "192.0.2.1", True),
        ([], [], None, True),
        (["192.0.2.0/24"], [], "192.0.2.1", True),
        (["192.0.2.0/24"], [], "::ffff:192.0.2.1", True),
        (["192.0.2.0/24"], [], "198.51.100.1", False),
        (["192.0.2.0/24"], [], "2001:db8::1", False),
        (["192.0.2.0/24"], [], None, False),
        (["192.0.2.0/24"], [], "/run/a.sock", False),
        ([], ["192.0.2.7"], "192.0.2.7", False),
        ([], ["192.0.2.7"], "::ffff:c000:207", False),
        ([], ["192.0.2.7"], "192.0.2.8", True),
        ([], ["192.0.2.7"], None, False),
        (["192.0.2.0/24"], ["192.0.2.7"], "192.0.2.7", False),
        (["2001:db8::/32"], [], "2001:db8::99", True),
        (["2001:db8::/32"], [], "fe80::1%eth0", False),
        (["fe80::/10"], [], "fe80::1%eth0", True),
    ],
)
def test_the_lists_decide_and_refusal_is_the_stronger_one(
    allowed: list[str], denied: list[str], peer: str | None, admitted: bool
) -> None:
    lists = Addresses(allowed, denied, ())
    assert (lists.source(peer, None).refused_by is None) is admitted
    assert (lists.source(peer, None).refused_by is None) is admitted, "the same from memory"


@pytest.mark.parametrize("forwarded", ["192.0.2.1", "192.0.2.1, 10.0.0.1", "127.0.0.1", "", "::1"])
def test_who_is_no_proxy_of_ours_is_not_believed(forwarded: str) -> None:
    for trusted in ([], PROXIES):
        source = Addresses(["192.0.2.0/24"], (), trusted).source("198.51.100.66", forwarded)
        assert (source.address, source.refused_by) == ("198.51.100.66", "cidrAllowlist")


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("198.51.100.1", "198.51.100.1"),
        # What the client wrote itself stands further left.
        ("192.0.2.1, 198.51.100.1", "198.51.100.1"),
        ("192.0.2.1, 10.1.1.1, 198.51.100.1, 10.2.2.2", "198.51.100.1"),
        ("192.0.2.1,198.51.100.1 , 10.2.2.2,::1", "198.51.100.1"),
        ("nonsense, 198.51.100.1", "198.51.100.1"),
        ("198.51.100.1:1234, 10.2.2.2", "198.51.100.1"),
        ("[2001:db8::5]:99", "2001:db8::5"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        # Proxies only: the one that stands furthest off.
        ("10.3.3.3, 10.2.2.2", "10.3.3.3"),
        # A proxy that says nothing usable has said nothing of its client.
        ("198.51.100.1, unknown", "unknown"),
        ("198.51.100.1,", "unknown"),
        ("198.51.100.1, 10.0.0.2, garbage\t", "unknown"),
        (" ", "unknown"),
    ],
)
def test_behind_proxies_of_ours_the_last_address_that_is_none_of_theirs_asks(
    forwarded: str, client: str
) -> None:
    source = Addresses((), (), PROXIES).source("10.0.0.1", forwarded)
    assert source.address == client


def test_a_proxys_own_request_comes_from_the_proxy() -> None:
    assert Addresses(["10.0.0.0/8"], (), PROXIES).source("10.0.0.1", None).refused_by is None


def test_an_unknown_client_behind_a_proxy_is_on_no_list() -> None:
    assert Addresses(["0.0.0.0/0", "::/0"], (), PROXIES).source("10.0.0.1", "unknown").refused_by is not None
    assert Addresses((), ["192.0.2.1"], PROXIES).source("10.0.0.1", "unknown").refused_by is not None


def test_the_lists_see_the_client_and_not_the_proxy() -> None:
    lists = Addresses(["192.0.2.0/24"], ["192.0.2.9"], PROXIES)
    assert lists.source("10.0.0.1", "192.0.2.1").refused_by is None
    assert lists.source("10.0.0.1", "192.0.2.9").refused_by is not None
    assert lists.source("10.0.0.1", "192.0.2.1, 198.51.100.1").refused_by is not None


def test_a_chain_without_an_end_is_read_from_its_end_only() -> None:
    chain = "192.0.2.1, " + "10.0.0.9, " * 100_000 + "10.0.0.1"
    assert Addresses((), (), PROXIES).source("10.0.0.1", chain).address == "10.0.0.9"


def test_all_addresses_of_an_ipv6_site_count_as_one() -> None:
    lists = Addresses((), (), ())
    sites = {lists.source(f"2001:db8:1:2::{n:x}", None).site for n in range(100)}
    assert sites == {"2001:db8:1:2::/64"}
    assert lists.source("192.0.2.1", None).site == "192.0.2.1"


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "KEPT", 10)
    lists = Addresses((), (), PROXIES)
    for n in range(100):
        assert lists.source("10.0.0.1", f"198.51.100.{n}").address == f"198.51.100.{n}"
        assert len(lists._kept) <= 10
    lists.source("10.0.0.1", "198.51.100.1, " * 100 + "10.0.0.1")
    assert all(len(forwarded) < 200 for _, forwarded in lists._kept)


@pytest.mark.parametrize(
    ("peer", "site"),
    [
        ("192.0.2.1:80", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("/run/a.sock", "unknown"),
        (None, "unknown"),
    ],
)
def test_attempts_are_counted_by_site_where_there_are_no_lists(peer: str | None, site: str) -> None:
    assert site_of(peer) == site
