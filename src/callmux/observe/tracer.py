"""Who follows requests and calls from their beginning to their end, where somebody does. Pure.

Set at `callmux.observe.bus` by `callmux.observe.telemetry`; called by `callmux.session.observing` and by
`callmux.rings.tracing`. A bus alone tells what is over: the trace of a call must be there before it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A request of a client, or a call to a server, that begins.

    Attributes:
        method: The MCP method.
        target: The tool, the prompt or the URI; empty for none.
        id: The JSON-RPC id.
        transport: `stdio`, or anything else for HTTP.
        version: The MCP revision; empty where it is not known.
        session_id: Names the client's session; empty on stdio.
        server: The server's key; empty for a request of a client.
        carrier: What `_meta` says of the trace it belongs to.
        around: What the headers of the HTTP request say of theirs.
    """

    method: str
    target: str = ""
    id: str = ""
    transport: str = "stdio"
    version: str = ""
    session_id: str = ""
    server: str = ""
    carrier: Mapping[str, str] = {}
    around: Mapping[str, str] = {}


class End(msgspec.Struct, frozen=True, kw_only=True):
    """How it ended.

    Attributes:
        error: What kind of error, from a bounded set; empty for none.
        status: The code of a JSON-RPC error; empty for none.
        words: The message of that error.
        code: The code of a failure of callmux; empty for none.
        unknown: Whether what it asked for is not there: its name is the client's own.
    """

    error: str = ""
    status: str = ""
    words: str = ""
    code: str = ""
    unknown: bool = False


class Tracer(Protocol):
    """Follows requests and calls. Nothing of this raises."""

    def request(self, begun: Begun) -> Any:
        """A request of a client begins. What is given goes with it."""

    def request_ended(self, trace: Any, end: End) -> None:
        """The request has its answer."""

    def call(self, trace: Any, begun: Begun) -> tuple[Any, Mapping[str, str]]:
        """A call begins, for the request of this trace where there is one. Gives what goes with it, and what
        its `_meta` must say."""

    def call_ended(self, trace: Any, end: End, id: str, transport: str) -> None:
        """The call is over. Its JSON-RPC id and its transport are known by now, where it was sent."""
