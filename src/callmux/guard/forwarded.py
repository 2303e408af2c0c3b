"""How the browser behind a proxy sees this listener: the host and the scheme that the proxy names. Pure.

Made by `callmux.transport.http.listener` for each configuration; asked by `callmux.transport.http.intake`
about pages of another origin, and by `callmux.dashboard.entry` about cookies. Only proxies that
`trustedProxies` names are believed, and where `auth` is absent none is: a page anywhere that reaches
an open proxy could name itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from callmux.config.model import Config
from callmux.guard.addresses import Network, network, parsed


def forwarded_for(config: Config) -> Forwarded | None:
    """The proxies of a configuration; None where nobody is believed."""
    given = config.abuse_controls.trusted_proxies if config.auth is not None else ()
    return Forwarded(given) if given else None


class Forwarded:
    """Proxies that are believed.

    Args:
        trusted: Their addresses or networks.
    """

    def __init__(self, trusted: Iterable[str]) -> None:
        self._trusted: list[Network] = [network(text) for text in trusted]

    def _says(self, peer: str | None, headers: Mapping[str, str], name: str) -> str | None:
        """What the proxy that is connected to us wrote into a header; None where nobody is believed."""
        if (value := headers.get(name)) is None:
            return None
        address = parsed(peer or "")
        if address is None or not any(address in network for network in self._trusted):
            return None
        # Each proxy adds what it saw at the end; the browser is behind the first.
        return value.partition(",")[0].strip() or None

    def host(self, peer: str | None, headers: Mapping[str, str]) -> str | None:
        """The host that the browser asked for; None where nobody says.

        Args:
            peer: The address that is connected to us.
        """
        return self._says(peer, headers, "x-forwarded-host")

    def is_https(self, peer: str | None, headers: Mapping[str, str]) -> bool:
        """Whether the browser speaks https with the proxy."""
        return (self._says(peer, headers, "x-forwarded-proto") or "").lower() == "https"
