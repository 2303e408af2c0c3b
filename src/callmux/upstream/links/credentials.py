"""What a link shows its server of who asks, and who hears of it when that is not enough. Pure.

Made by `callmux.upstream.links.opening`, asked by `callmux.upstream.links.web` around every request. Nothing
else of a link knows where headers come from: those of the configuration never change, a token that is got and
renewed is another implementation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Protocol

import msgspec


class Challenge(msgspec.Struct, frozen=True):
    """A request was refused for want of credentials.

    Attributes:
        status: 401 or 403.
        said: The `WWW-Authenticate` header; empty where there is none.
        sent: The headers that were refused; they may be older than the newest.
    """

    status: int
    said: str
    sent: Mapping[str, str]


class Credentials(Protocol):
    """The credentials of one link."""

    def headers(self) -> Mapping[str, str] | Awaitable[Mapping[str, str]]:
        """The headers for a request that is sent now.

        Raises:
            CallFailure: There are none to be had; the request is not sent. What is awaited may raise it, too.
        """

    def refused(self, challenge: Challenge) -> bool | Awaitable[bool]:
        """Notes that a request was refused and that the server did nothing. Says whether other headers may
        fare better, which `headers` gives from now on.

        Raises:
            CallFailure: There are no others to be had; the cause says why. What is awaited may raise it, too.
        """


class FixedHeaders:
    """The same headers with every request.

    Args:
        headers: Those.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)

    def __repr__(self) -> str:
        # Values are secrets.
        return f"FixedHeaders({sorted(self._headers)})"

    def headers(self) -> Mapping[str, str]:
        return self._headers

    def refused(self, challenge: Challenge) -> bool:
        return False
