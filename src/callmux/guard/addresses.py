"""Who is asking, by address: the lists that admit and refuse, and whom to believe about others. Pure.

Called by `callmux.guard.limits` for every request of a listener with `abuseControls`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

ALLOWLIST, DENYLIST = "cidrAllowlist", "cidrDenylist"
KEPT = 4096
"""Verdicts that are remembered; the text of an address is as good as the address."""
MOST_HOPS = 64
"""Entries of `X-Forwarded-For` that are looked at; there are no more proxies than that in a row."""
IPV6_SITE = 64
"""Bits of an IPv6 address that one customer has in common: whoever has one address has all of these."""
_PORT = re.compile(r"\[(?P<six>[0-9A-Fa-f:.]+)\](:[0-9]{1,5})?|(?P<four>[0-9.]+):[0-9]{1,5}")


class Origin(NamedTuple):
    """Where a request comes from.

    Attributes:
        address: The client's address as text; `unknown` where a trusted proxy named none that can be read.
        site: What its attempts are counted by: the address, or its network for IPv6.
        refused_by: The list that does not let it in, as configurations call it; None where it may come in.
    """

    address: str
    site: str
    refused_by: str | None


class Addresses:
    """The lists of one configuration.

    Args:
        allowed: Addresses and networks that may ask; everybody where there are none.
        denied: Those that may not, whatever `allowed` says.
        trusted: Proxies whose `X-Forwarded-For` is believed.
    """

    def __init__(self, allowed: Iterable[str], denied: Iterable[str], trusted: Iterable[str]) -> None:
        self._allowed = [network(text) for text in allowed]
        self._denied = [network(text) for text in denied]
        self._trusted = [network(text) for text in trusted]
        self._kept: dict[tuple[str | None, str], Origin] = {}

    def source(self, peer: str | None, forwarded: str | None) -> Origin:
        """Where a request comes from.

        Args:
            peer: The address of whoever is connected to us.
            forwarded: Its `X-Forwarded-For`, several as one list.
        """
        # Whoever is no proxy of ours can write into that header what he likes.
        key = (peer, forwarded or "" if self._trusted else "")
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            found = self._source(*key)
            if len(key[1]) < 200:
                self._kept[key] = found
        return found

    def _source(self, peer: str | None, forwarded: str) -> Origin:
        address = parsed(peer or "")
        if address is not None and forwarded and _within(address, self._trusted):
            address = self._client(address, forwarded)
        if address is None:
            # It may be on any list that refuses, and is on none that admits.
            refused_by = ALLOWLIST if self._allowed else DENYLIST if self._denied else None
            return Origin("unknown", "unknown", refused_by)
        refused_by = None
        if _within(address, self._denied):
            refused_by = DENYLIST
        elif self._allowed and not _within(address, self._allowed):
            refused_by = ALLOWLIST
        return Origin(str(address), _site(address), refused_by)

    def _client(self, proxy: Address, forwarded: str) -> Address | None:
        """The last address that no proxy of ours has; None where it cannot be read: what stands further left
        was written by whoever stands there."""
        found = proxy
        for entry in reversed(forwarded.split(",")[-MOST_HOPS:]):
            address = parsed(entry.strip())
            if address is None:
                return None
            found = address
            if not _within(address, self._trusted):
                return address
        return found


def parsed(text: str) -> Address | None:
    """An address, with or without a port; None where it is none. IPv4 within IPv6 is IPv4."""
    match = _PORT.fullmatch(text)
    if match is not None:
        text = match["six"] or match["four"]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return _plain(address)


def site_of(peer: str | None) -> str:
    """What the attempts of whoever has this address are counted by."""
    address = parsed(peer or "")
    return "unknown" if address is None else _site(address)


def network(text: str) -> Network:
    """An address or a network of the configuration. A network within the mapped IPv4 addresses is IPv4."""
    found = ip_network(re.sub(r"%[^/]*", "", text), strict=False)
    if isinstance(found, IPv6Network) and found.prefixlen >= 96:
        mapped = found.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((int(mapped), found.prefixlen - 96))
    return found


def _plain(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _site(address: Address) -> str:
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address), IPV6_SITE), strict=False))
    return str(address)
