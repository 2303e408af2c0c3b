"""A link that is made when it is opened, because something must be looked up first that takes its time.

Made by `callmux.upstream.links.opening` where a password manager or a keyring is asked for secrets. Once it
is open, requests go to the link behind it in one step.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from callmux.config.veil import NOTHING, Veil
from callmux.upstream.links.link import Link, Listener, label_of


class LateLink:
    """A link to be.

    Args:
        name: The server's name.
        transport: What status shows before it is open.
        make: Gives the link; raises `CallFailure` where it cannot.
    """

    def __init__(self, name: str, transport: str, make: Callable[[], Awaitable[Link]]) -> None:
        self._name = name
        self._transport = transport
        self._make = make
        self._link: Link | None = None

    def __repr__(self) -> str:
        return f"LateLink({self._name!r}, {self._link!r})"

    @property
    def link(self) -> Link | None:
        """The link behind it; None before it is open."""
        return self._link

    @property
    def transport(self) -> str:
        return self._transport if self._link is None else self._link.transport

    @property
    def veil(self) -> Veil:
        """Knows its server's secrets."""
        veil: Veil = getattr(self._link, "veil", NOTHING)
        return veil

    def last_words(self) -> list[str]:
        """The last lines that the server wrote to its stderr; none where there is no such thing."""
        words: Callable[[], list[str]] | None = getattr(self._link, "last_words", None)
        return words() if words is not None else []

    async def open(self, listener: Listener) -> None:
        """Makes the link and opens it.

        Raises:
            CallFailure: It cannot be made, started or reached.
        """
        self._link = link = await self._make()
        # Hides the methods below: a request takes no further step.
        self.__dict__.update(send=link.send, agreed=link.agreed, abandon=link.abandon)
        if (label := label_of(link)) is not None:
            self.label = label
        await link.open(listener)

    def send(self, line: bytes, id: int | None = None, last: bool = False) -> None:
        """Does nothing: it is not open."""

    def agreed(self, protocol_version: str) -> None:
        """Does nothing: it is not open."""

    def abandon(self, id: int) -> None:
        """Does nothing: it is not open."""

    async def close(self) -> None:
        if self._link is not None:
            await self._link.close()
