"""Method -> handler, for clients that talk MCP to the servers behind callmux.

Called by sessions; calls the router of whichever runtime is current, so that a reload is not noticed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from msgspec import Raw

from callmux import __version__
from callmux.context import CallContext
from callmux.protocol import jsonrpc, versions
from callmux.protocol.jsonrpc import RpcError
from callmux.router.router import Router
from callmux.session.session import Session


class _InitializeParams(msgspec.Struct, rename="camel"):
    protocol_version: str | None = None


SERVER_INFO = {"name": "callmux", "title": "callmux", "version": __version__}


class Dispatch:
    """The methods of MCP.

    Args:
        router: Gives the router of the current configuration.
        opened: Called when a client greets, before it is answered.
    """

    def __init__(self, router: Callable[[], Router], opened: Callable[[], None]) -> None:
        self._router = router
        self._opened = opened
        self._methods: dict[str, Callable[[Session, Raw | None], Awaitable[bytes]]] = {
            "tools/list": self._list_tools,
            "tools/call": self._call_tool,
        }

    async def open(self, session: Session, params: Raw | None) -> bytes:
        """The result of `initialize`: answered at once, whatever the servers do."""
        self._opened()
        try:
            asked = msgspec.json.decode(params if params is not None else b"{}", type=_InitializeParams)
        except msgspec.MsgspecError as error:
            raise RpcError(jsonrpc.INVALID_PARAMS, f"initialize: {error}") from None
        return msgspec.json.encode(
            {
                "protocolVersion": versions.agree(asked.protocol_version),
                "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": SERVER_INFO,
            }
        )

    async def handle(self, session: Session, method: str, params: Raw | None) -> bytes:
        self._opened()
        run = self._methods.get(method)
        if run is None:
            raise RpcError(jsonrpc.METHOD_NOT_FOUND, f"method not found: {method}")
        return await run(session, params)

    def told(self, session: Session, method: str, params: Raw | None) -> None:
        """Nothing a client tells is of use to more than one server yet; see docs/design.md, "What passes"."""

    async def _list_tools(self, session: Session, params: Raw | None) -> bytes:
        shown = await self._router().list_tools()
        session.tools_seen = shown
        return shown

    async def _call_tool(self, session: Session, params: Raw | None) -> bytes:
        return (await self._router().call_tool(params, CallContext(client=session))).raw
