"""What one server asks its clients: passed to the right one, and told to whoever must know.

Kept by `callmux.upstream.server`, which hands it every question. The cache and coalescing stages listen: an
answer that a client had a say in belongs to that client alone. A question during calls of tools makes these
tools ones that ask (`callmux.upstream.asking_tools`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from msgspec import Raw

from callmux.context import ClientPort
from callmux.protocol.jsonrpc import INTERNAL_ERROR, RpcError
from callmux.upstream.asking_tools import AskingTools
from callmux.upstream.connection import Connection
from callmux.upstream.visits import Visits

Heard = Callable[[ClientPort | None], None]


class Questions:
    """The questions of one server.

    Args:
        tools: Its tools that ask.

    Attributes:
        tools: The same. Each client has a connection of its own for their calls, and what they tell one is
            not for the others.
        apart: It asks outside calls of tools, so that this holds for all of its calls.
        only: The only client this process will ever have, where that is so.
        visits: What a person was sent away for.
        lent: Lets others have the slot of a call while its client thinks.
    """

    def __init__(self, tools: AskingTools | None = None) -> None:
        self.tools = tools or AskingTools()
        self.apart = False
        self.only: ClientPort | None = None
        self.visits = Visits()
        self.lent: Callable[[ClientPort], AbstractAsyncContextManager[None]] | None = None
        self._lent: Counter[tuple[Connection, ClientPort]] = Counter()
        self._heard: set[Heard] = set()

    def __repr__(self) -> str:
        return f"Questions({'apart' if self.apart else 'shared'}, {len(self._heard)} listeners)"

    def asks(self, target: str) -> bool:
        """Whether calls of a tool, or requests for something else of this name, keep clients apart."""
        return self.apart or target in self.tools.names

    def take_over(self, before: Questions) -> None:
        """Takes what is known of a server whose place this one takes."""
        self.apart |= before.apart
        self.tools.note(before.tools.names)

    def watch(self, heard: Heard) -> None:
        """Calls `heard` with the session of each client that is asked, or with None where nobody can tell."""
        self._heard.add(heard)

    def unwatch(self, heard: Heard) -> None:
        """`heard` is no longer called."""
        self._heard.discard(heard)

    async def ask(
        self,
        connection: Connection,
        method: str,
        params: Raw | None,
        asked: ClientPort | None,
        name: str | None = None,
    ) -> bytes | Raw:
        """The client's answer to a question that came on `connection`.

        Args:
            asked: The client it is for; None where that may be several.
            name: What the server calls it.

        Raises:
            RpcError: The client refuses, or nobody can tell which one is meant.
        """
        session = asked.session if asked is not None else None
        for heard in tuple(self._heard):
            heard(session)
        if connection.stateless is None and (self.only is None or session is not self.only):
            # From now on every client has a connection of its own for this; this one belongs to who is asked.
            # Roots decide what a server does for all of its tools.
            tools = connection.tools_of(asked) if method != "roots/list" else ()
            self.tools.note(tools)
            self.apart |= not tools
            if session is not None and connection.audience.is_only(session):
                connection.audience.owner = session
        if asked is None:
            raise RpcError(INTERNAL_ERROR, "callmux cannot tell which of its clients this is for; call again")

        def progress(params: bytes) -> None:
            connection.notify("notifications/progress", params)

        whose = connection, asked
        if self.lent is None or not asked.parks or self._lent[whose] >= connection.calls_of(asked):
            return await asked.ask(method, params, progress, name)
        self._lent[whose] += 1
        try:
            async with self.lent(asked):
                return await asked.ask(method, params, progress, name)
        finally:
            self._lent[whose] -= 1
            if not self._lent[whose]:
                del self._lent[whose]
