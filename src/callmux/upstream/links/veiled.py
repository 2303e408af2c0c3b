"""A link whose failures do not show its server's secrets.

Made by `callmux.upstream.links.opening` around every link, whatever carries the bytes. What passes in both
directions is not touched and takes no further step.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from callmux.config.veil import Veil
from callmux.upstream.failures import CallFailure
from callmux.upstream.links.link import Link, Listener, label_of


class VeiledLink:
    """A link behind a veil.

    Args:
        link: The link itself, not yet open.
        veil: Knows its server's secrets.

    Attributes:
        link: The link itself.
        veil: Knows its secrets.
    """

    def __init__(self, link: Link, veil: Veil) -> None:
        self.link = link
        self.veil = veil
        self.send = link.send
        self.agreed = link.agreed
        self.abandon = link.abandon
        self.close = link.close
        if (label := label_of(link)) is not None:
            self.label = label

    def __repr__(self) -> str:
        return repr(self.link)

    @property
    def transport(self) -> str:
        return self.link.transport

    def last_words(self) -> list[str]:
        """The last lines that the server wrote to its stderr; none where there is no such thing."""
        words: Callable[[], list[str]] | None = getattr(self.link, "last_words", None)
        return words() if words is not None else []

    async def start(self) -> None:
        """Starts the server's process, where it has one, before anybody listens.

        Raises:
            CallFailure: It cannot be started.
        """
        start: Callable[[], Awaitable[None]] | None = getattr(self.link, "start", None)
        if start is not None:
            try:
                await start()
            except CallFailure as failure:
                raise failure.behind(self.veil) from None

    async def open(self, listener: Listener) -> None:
        veil, told_expired = self.veil, listener.expired
        veiled = Listener(
            listener.received,
            lambda id, failure: listener.failed(id, failure.behind(veil)),
            lambda failure: listener.lost(failure.behind(veil)),
            None if told_expired is None else lambda failure: told_expired(failure.behind(veil)),
        )
        try:
            await self.link.open(veiled)
        except CallFailure as failure:
            raise failure.behind(veil) from None
